package sandbox

import "time"

// The codes of the fictional city. They begin with letters on purpose: nobody can take
// them for the real ones, which are not public.
const (
	man, woman, unknownSex = "1", "2", "0"

	head, wife, child, father, mother, grandchild = "H1", "H3", "H4", "H5", "H6", "H9"

	living, left, dead, outside = "J1", "J2", "J3", "J9"

	taxed, perCapita, exempt, undeclared = "K1", "K2", "K3", "K9"

	movedIn, movedOut, born, died, movedWithin = "D1", "D2", "D3", "D4", "D5"
)

// The open ends of a DATE.
const (
	firstDay = "0000-01-01"
	lastDay  = "9999-12-31"
)

// birth is a 生年月日, which may be known in part.
type birth struct {
	ISO  string // as far as it is known: 2016-05-03, 1945-08, 1945, or empty
	Text string // 不詳表記; empty when the day is known
}

// span gives the first and the last day on which the person may have been born.
func (b birth) span() (first, last string) {
	switch len(b.ISO) {
	case len("2006-01-02"):
		return b.ISO, b.ISO
	case len("2006-01"):
		t, err := time.Parse("2006-01", b.ISO)
		if err != nil {
			return firstDay, lastDay
		}
		return b.ISO + "-01", t.AddDate(0, 1, -1).Format(time.DateOnly)
	case len("2006"):
		return b.ISO + "-01-01", b.ISO + "-12-31"
	default:
		return firstDay, lastDay
	}
}

// minorOn tells whether the person is under the age limit on a day: until the first
// 31 March after reaching 18, an age being reached on the day before the birthday. A
// person whose day of birth is not known is not.
func (b birth) minorOn(on time.Time) bool {
	t, err := time.Parse(time.DateOnly, b.ISO)
	if err != nil {
		return false
	}
	year := t.Year() + 18
	if t.Month() > time.April || (t.Month() == time.April && t.Day() > 1) {
		year++
	}
	return on.In(jst).Format(time.DateOnly) <= time.Date(year, time.March, 31, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

// place is where somebody lives.
type place struct {
	Postal string // seven digits
	Text   string // 住所
	Extra  string // 方書
}

// event is one change in the registry (異動).
type event struct {
	Reason    string // 異動事由
	On, Filed string // 異動年月日, 届出年月日
	Place     place
}

// person is one person whom the city knows: a resident, one who left or died, or a 住登外者.
type person struct {
	Atena, Unified, Individual string
	Household                  string // 世帯番号; empty for a 住登外者
	Name, Kana                 string
	Alias, AliasKana           string // 通称
	Birth                      birth
	Sex, Relation, Status      string
	Place                      place
	Phone                      string
	History                    []event // oldest first; empty for a 住登外者
	Shield                     bool    // under 支援措置
	Hidden                     bool    // 他業務参照不可: other businesses must not be shown the address
	Tax                        taxes
}

// since gives the day from which the person has lived in the city.
func (p *person) since() string {
	if len(p.History) == 0 {
		return firstDay
	}
	return p.History[0].On
}

// until gives the day on which the person left the registry, or the open end.
func (p *person) until() string {
	if p.Status == living || p.Status == outside || len(p.History) == 0 {
		return lastDay
	}
	return p.History[len(p.History)-1].On
}

// wire gives the three items of a date that may be 不詳: the DATE, the flag, the words.
func (b birth) wire() (date, unknown, text string) {
	if b.Text != "" {
		return "", "1", b.Text
	}
	return b.ISO, "0", ""
}
