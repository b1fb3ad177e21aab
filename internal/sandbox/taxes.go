package sandbox

import (
	"fmt"
	"strconv"
	"time"
)

// taxes is what the tax section knows of a person, for every year that it keeps.
type taxes struct {
	Class          string // code of the 課税区分 where nothing else decides; empty: no record in any year
	UndeclaredFrom int    // first 課税年度 without a declaration; 0: none
	Income         int    // yen a year
}

// taxYear gives the 課税年度 current at a moment: it begins in June.
func taxYear(on time.Time) int {
	on = on.In(jst)
	if on.Month() < time.June {
		return on.Year() - 1
	}
	return on.Year()
}

// taxYearsKept is how many years before the base date's the tax section still answers for.
const taxYearsKept = 5

// classIn gives the code of the 課税区分 in a year, or "" where there is no tax record
// here: who was not born or did not live in the city on 1 January has none.
func (p *person) classIn(year int) string {
	firstOfYear := fmt.Sprintf("%04d-01-01", year)
	first, _ := p.Birth.span()
	switch {
	case p.Tax.Class == "" || first > firstOfYear || p.since() > firstOfYear || p.until() <= firstOfYear:
		return ""
	case p.Tax.UndeclaredFrom != 0 && year >= p.Tax.UndeclaredFrom:
		return undeclared
	default:
		return p.Tax.Class
	}
}

// classText gives a class as staff read it.
func classText(code string) string {
	switch code {
	case taxed:
		return "課税"
	case perCapita:
		return "均等割のみ課税"
	case exempt:
		return "非課税"
	case undeclared:
		return "未申告"
	default:
		return "課税情報なし"
	}
}

// amounts gives 所得額, 均等割額 and 所得割額 in yen, empty where there are none.
func (p *person) amounts(class string) (income, perHead, byIncome string) {
	switch class {
	case taxed:
		return strconv.Itoa(p.Tax.Income), "5000", strconv.Itoa(max(p.Tax.Income-1_000_000, 100_000) / 10 / 100 * 100)
	case perCapita:
		return strconv.Itoa(p.Tax.Income), "5000", "0"
	case exempt:
		return strconv.Itoa(p.Tax.Income), "0", "0"
	default:
		return "", "", ""
	}
}

// taxOutcome gives what a lookup of tax ends with while the neighbours are healthy: an
// adult's own record decides, for a child the adults of its household; without one those
// who count are elsewhere.
func (t *town) taxOutcome(p *person, on time.Time) string {
	deciding := []*person{p}
	if p.Birth.minorOn(on) {
		var adults []*person
		for _, m := range t.listing(p) {
			if !m.Birth.minorOn(on) {
				adults = append(adults, m)
			}
		}
		if len(adults) == 0 {
			return outcomeNoRecord
		}
		deciding = adults
	}
	for _, d := range deciding {
		if class := d.classIn(taxYear(on)); class == "" || class == undeclared {
			return outcomeNoRecord
		}
	}
	return outcomeFound
}
