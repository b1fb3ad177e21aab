package ledger

import (
	"strings"
	"time"
	"unicode"
)

// Reading is what somebody wrote as a date, understood.
type Reading struct {
	Date Date
	Era  string // 元号 as a name, such as 平成; empty: written in the common calendar
	// Shifted: the era had ended, or had not begun, on the day written (平成31年6月1日).
	// The date is the day meant; whoever reads it should ask.
	Shifted bool
	// OldCalendar: a day before 明治6年, which the old calendar counts otherwise. The date
	// keeps the words alone.
	OldCalendar bool
}

// ReadDate reads a date as people and systems write it, in any width: 2024-04-01,
// 2024/4/1, 20240401, 2024年4月1日, R6.4.1, R060401, 令和6年4月1日, 令和元年5月1日, ㋿6.4.1;
// and dates known in part: 1945, 1945-08, 昭和20年, 昭和20年8月（日不詳）, 昭和20年（月日不詳）,
// 昭和20年頃, 不詳. A date known in part keeps in Note the words in which it was written,
// unless those are ISO. It is false for anything else and for a day that does not exist.
func ReadDate(s string) (Reading, bool) {
	s = strings.TrimFunc(s, unicode.IsSpace)
	p := dateParser{rest: narrow(s)}
	switch p.rest {
	case "":
		return Reading{}, false
	case "不詳", "年月日不詳", "生年月日不詳":
		return Reading{Date: Date{Note: s}}, true
	}
	known, about := p.cutNote()
	e, hasEra := p.era()
	d, ok := p.numbers(hasEra)
	if !ok {
		return Reading{}, false
	}
	r := Reading{Era: e.name}
	if hasEra {
		d.Year += e.start.Year - 1
	}
	if !d.Valid() || (known != "" && known != d.Precision()) {
		return Reading{}, false
	}
	if hasEra && d.first() < gregorianSince {
		return Reading{Date: Date{Note: s}, Era: e.name, OldCalendar: true}, true
	}
	if about {
		d.Day = 0
	}
	if d.Precision() != "day" && !isISO(s) {
		d.Note = s
	}
	r.Date, r.Shifted = d, hasEra && !within(erasOf(d), e)
	return r, true
}

func within(list []era, e era) bool {
	for _, one := range list {
		if one.letter == e.letter {
			return true
		}
	}
	return false
}

func isISO(s string) bool {
	_, ok := ParseDate(s)
	return ok
}

// dateParser reads a date written in half width from the left.
type dateParser struct{ rest string }

// cutNote takes the words for what is not known off the end. It gives the precision that
// they leave ("" where there are none), and whether the date is called an estimate.
func (p *dateParser) cutNote() (known string, about bool) {
	for _, note := range []struct{ words, known string }{
		{"(月日不詳)", "year"}, {"年月日不詳", "year"}, {"(日不詳)", "month"}, {"月日不詳", "month"},
	} {
		if rest, ok := strings.CutSuffix(p.rest, note.words); ok {
			if !strings.HasPrefix(note.words, "(") { // the year's or the month's own unit stays
				rest += note.words[:len("年")]
			}
			p.rest, known = rest, note.known
			break
		}
	}
	for _, word := range []string{"頃", "ごろ", "ころ"} {
		if rest, ok := strings.CutSuffix(p.rest, word); ok {
			p.rest, about = rest, true
			break
		}
	}
	return known, about
}

// era takes the name, letter or sign of an era off the front.
func (p *dateParser) era() (era, bool) {
	for _, e := range eras() {
		for _, mark := range []string{e.name, string(e.sign), string(e.letter), string(e.letter + 'a' - 'A')} {
			if rest, ok := strings.CutPrefix(p.rest, mark); ok {
				p.rest = strings.TrimLeft(rest, ". ")
				return e, true
			}
		}
	}
	return era{}, false
}

// numbers reads year, month and day as far as they are there. The year counts within its
// era where there is one and has four digits where there is none.
func (p *dateParser) numbers(hasEra bool) (Date, bool) {
	if packed := len(p.rest); allDigits(p.rest) && ((packed == 8 && !hasEra) || (packed == 6 && hasEra)) {
		cut := packed - 4
		d := Date{Year: atoi(p.rest[:cut]), Month: time.Month(atoi(p.rest[cut : cut+2])), Day: atoi(p.rest[cut+2:])}
		return d, d.Year > 0 && d.Month > 0 && d.Day > 0
	}
	year, ok := p.year(hasEra)
	if !ok {
		return Date{}, false
	}
	if rest, kanji := strings.CutPrefix(p.rest, "年"); kanji {
		p.rest = rest
		return p.inKanji(year)
	}
	return p.inSigns(year)
}

// year takes the year off the front: 元 or one to three digits in an era, else four digits.
func (p *dateParser) year(hasEra bool) (int, bool) {
	if !hasEra {
		return p.number(4, 4)
	}
	if rest, ok := strings.CutPrefix(p.rest, "元"); ok {
		p.rest = rest
		return 1, true
	}
	return p.number(1, 3)
}

// inKanji reads what follows 年: nothing, 4月, or 4月1日.
func (p *dateParser) inKanji(year int) (Date, bool) {
	d := Date{Year: year}
	for _, unit := range []string{"月", "日"} {
		if p.rest = strings.TrimLeft(p.rest, " "); p.rest == "" {
			return d, true
		}
		n, ok := p.number(1, 2)
		rest, named := strings.CutPrefix(p.rest, unit)
		if !ok || !named {
			return Date{}, false
		}
		p.rest = rest
		if unit == "月" {
			d.Month = time.Month(n)
		} else {
			d.Day = n
		}
	}
	return d, p.rest == ""
}

// inSigns reads what follows the year where . / - or a space stands between the numbers,
// the same between all.
func (p *dateParser) inSigns(year int) (Date, bool) {
	d := Date{Year: year}
	if p.rest == "" {
		return d, true
	}
	sign := p.rest[:1]
	if sign != "." && sign != "/" && sign != "-" && sign != " " {
		return Date{}, false
	}
	p.rest = p.rest[1:]
	month, ok := p.number(1, 2)
	if !ok {
		return Date{}, false
	}
	d.Month = time.Month(month)
	if p.rest == "" {
		return d, true
	}
	rest, same := strings.CutPrefix(p.rest, sign)
	if !same {
		return Date{}, false
	}
	p.rest = rest
	d.Day, ok = p.number(1, 2)
	return d, ok && p.rest == ""
}

// number takes a number above zero off the front that has from least to most digits.
func (p *dateParser) number(least, most int) (int, bool) {
	n := 0
	for n < len(p.rest) && p.rest[n] >= '0' && p.rest[n] <= '9' {
		n++
	}
	if n < least || n > most {
		return 0, false
	}
	value := atoi(p.rest[:n])
	p.rest = p.rest[n:]
	return value, value > 0
}

// allDigits tells whether s is made of half-width digits and not empty.
func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// atoi reads half-width digits that were looked at before.
func atoi(s string) int {
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n
}
