package ledger

import (
	"fmt"
	"time"
)

// Date is a day of the civil calendar that may be known in part: 不詳 dates are a form of
// their own and never become 1 January. The zero value is a date wholly unknown.
type Date struct {
	Year  int        // 0: unknown
	Month time.Month // 0: unknown
	Day   int        // 0: unknown
	Note  string     // 不詳表記, such as 昭和20年頃, as the source spells it; empty when the day is known
}

// DateOf gives the day on which t falls in its own location.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{Year: y, Month: m, Day: d}
}

// Precision says how much of the date is known: "day", "month", "year" or "unknown".
func (d Date) Precision() string {
	switch {
	case d.Year == 0:
		return "unknown"
	case d.Month == 0:
		return "year"
	case d.Day == 0:
		return "month"
	default:
		return "day"
	}
}

// String gives ISO 8601 as far as the date is known: 2016-05-03, 1945-08, 1945, or "".
func (d Date) String() string {
	switch d.Precision() {
	case "day":
		return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day)
	case "month":
		return fmt.Sprintf("%04d-%02d", d.Year, int(d.Month))
	case "year":
		return fmt.Sprintf("%04d", d.Year)
	default:
		return ""
	}
}

// Valid tells whether the known parts name a day, month or year that exists.
func (d Date) Valid() bool {
	switch d.Precision() {
	case "day":
		t := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
		return t.Year() == d.Year && t.Month() == d.Month && t.Day() == d.Day
	case "month", "year":
		return d.Year > 0 && d.Month >= 0 && d.Month <= 12
	default:
		return true
	}
}

// Time gives the day at midnight in UTC; only for a date of precision "day".
func (d Date) Time() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

// Covers tells whether a day known in full falls within what is known of d.
func (d Date) Covers(day Date) bool {
	return (d.Year == 0 || d.Year == day.Year) &&
		(d.Month == 0 || d.Month == day.Month) &&
		(d.Day == 0 || d.Day == day.Day)
}

// ParseDate reads ISO 8601 as far as it is known: 2016-05-03, 1945-08 or 1945.
// It is false for anything else, and for a day that does not exist.
func ParseDate(s string) (Date, bool) {
	for _, form := range []struct {
		layout string
		cut    func(*Date)
	}{
		{"2006-01-02", func(*Date) {}},
		{"2006-01", func(d *Date) { d.Day = 0 }},
		{"2006", func(d *Date) { d.Month, d.Day = 0, 0 }},
	} {
		if t, err := time.Parse(form.layout, s); err == nil && t.Year() > 0 {
			d := DateOf(t)
			form.cut(&d)
			return d, true
		}
	}
	return Date{}, false
}

// After tells whether every day that d can be lies after every day that other can be.
func (d Date) After(other Date) bool {
	return d.Year != 0 && other.Year != 0 && d.first() > other.last()
}
