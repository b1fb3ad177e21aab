package ledger

import (
	"fmt"
	"strings"
	"time"
)

// era is 元号: its names and the first day of it.
type era struct {
	name   string // 令和
	letter byte   // R
	sign   rune   // ㋿
	start  Date
}

// eras lists the five eras that a living person or an old paper can bear, oldest first.
func eras() [5]era {
	return [5]era{
		{"明治", 'M', '㍾', Date{Year: 1868, Month: time.January, Day: 25}},
		{"大正", 'T', '㍽', Date{Year: 1912, Month: time.July, Day: 30}},
		{"昭和", 'S', '㍼', Date{Year: 1926, Month: time.December, Day: 25}},
		{"平成", 'H', '㍻', Date{Year: 1989, Month: time.January, Day: 8}},
		{"令和", 'R', '㋿', Date{Year: 2019, Month: time.May, Day: 1}},
	}
}

// gregorianSince is 明治6年1月1日, the first day of the calendar in use today. Before it,
// months and days of an era are those of the old calendar, and are not converted here.
const gregorianSince = 1873_01_01

// first gives the earliest day that d can be, as the number yyyymmdd.
func (d Date) first() int {
	return d.Year*1_00_00 + max(int(d.Month), 1)*1_00 + max(d.Day, 1)
}

// last gives the latest day that d can be, as the number yyyymmdd. The 31st of a short
// month does for comparing.
func (d Date) last() int {
	month, day := int(d.Month), d.Day
	if month == 0 {
		month = 12
	}
	if day == 0 {
		day = 31
	}
	return d.Year*1_00_00 + month*1_00 + day
}

// erasOf lists the eras in which d can lie: one for a day, at times two for a month or a
// year, none before 明治6年.
func erasOf(d Date) []era {
	if d.Year == 0 || d.first() < gregorianSince {
		return nil
	}
	var in []era
	all := eras()
	for i, e := range all {
		over := i+1 < len(all) && d.first() >= all[i+1].start.first()
		if d.last() >= e.start.first() && !over {
			in = append(in, e)
		}
	}
	return in
}

// yearIn spells year y of the common calendar as a year of the era: 令和6年, 令和元年.
func (e era) yearIn(y int) string {
	n := y - e.start.Year + 1
	if n == 1 {
		return e.name + "元年"
	}
	return fmt.Sprintf("%s%d年", e.name, n)
}

// Wareki gives the date in the Japanese calendar (和暦) as letters spell it: 令和6年4月1日,
// 令和元年5月1日, 昭和20年8月（日不詳）, 昭和20年（月日不詳）, 不詳. A date known in part that
// carries the words of its source is given in those words. A year or month in which the
// era changed names both. Days before 明治6年 stand in the common calendar, since the old
// one is not converted.
func (d Date) Wareki() string {
	precision := d.Precision()
	if precision != "day" && d.Note != "" {
		return d.Note
	}
	if precision == "unknown" {
		return "不詳"
	}
	years := []string{fmt.Sprintf("%d年", d.Year)}
	if in := erasOf(d); len(in) > 0 {
		years = years[:0]
		for _, e := range in {
			years = append(years, e.yearIn(d.Year))
		}
	}
	switch precision {
	case "day":
		return fmt.Sprintf("%s%d月%d日", years[0], int(d.Month), d.Day)
	case "month":
		for i := range years {
			years[i] += fmt.Sprintf("%d月", int(d.Month))
		}
		return strings.Join(years, "または") + "（日不詳）"
	default:
		return strings.Join(years, "または") + "（月日不詳）"
	}
}

// Approximate tells whether the source calls the date an estimate (頃): its known parts
// then contradict nothing.
func (d Date) Approximate() bool {
	for _, word := range []string{"頃", "ごろ", "ころ"} {
		if strings.Contains(d.Note, word) {
			return true
		}
	}
	return false
}
