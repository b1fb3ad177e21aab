package mapping

import (
	"slices"
	"strconv"
	"time"

	"kakehashi/internal/ledger"
)

// kazeikubunshokai is a record of the tax section's publication of tax classes: one person
// in one 課税年度. The amounts are not read.
type kazeikubunshokai struct {
	Atenabango     text `json:"atenabango"`
	Kazeinendo     text `json:"kazeinendo"`
	KazeiUmu       text `json:"kazei_umu"`
	KazeikubunKodo text `json:"kazeikubun_kodo"`
}

func (r *kazeikubunshokai) items() []item {
	return []item{
		{"atenabango", r.Atenabango}, {"kazeinendo", r.Kazeinendo},
		{"kazei_umu", r.KazeiUmu}, {"kazeikubun_kodo", r.KazeikubunKodo},
	}
}

// taxYearBegins is the month in which the tax section publishes a new 課税年度.
const taxYearBegins = time.June

// TaxYear gives the 課税年度 that is current at the moment: it begins in June, in Japan.
func TaxYear(on time.Time) int {
	local := on.In(jst())
	if local.Month() < taxYearBegins {
		return local.Year() - 1
	}
	return local.Year()
}

// TaxRequest asks the tax section's publication (kazeikubunshokai) for the classes of the
// persons, at most 50, in a 課税年度.
func TaxRequest(year int, persons []ledger.AtenaNumber) []byte {
	return request(struct {
		Kazeinendo string               `json:"kazeinendo"`
		Atenabango []ledger.AtenaNumber `json:"atenabango"`
	}{strconv.Itoa(year), persons})
}

// TaxClasses reads a reply of kazeikubunshokai: the facts of each person asked about, in
// that order. A person whom the tax section does not know is NoPerson; one without a record
// for the year NoRecord, not_here, 課税情報なし, of no use for a decision; one who did not
// declare NoRecord, undeclared, 未申告, which may feed a decision as that and never as
// 非課税. A record of another year or of a person nobody asked about makes the reply
// unreadable.
func TaxClasses(body []byte, t *Tables, year int, asked []ledger.AtenaNumber) ([]ledger.Facts, error) {
	records, err := decode(ledger.Tax, body, (*kazeikubunshokai).items)
	if err != nil {
		return nil, err
	}
	known := make(map[ledger.AtenaNumber]ledger.Facts, len(records))
	persons := seen{}
	for i := range records {
		r := &records[i]
		p, err := persons.add(ledger.Tax, i, r.Atenabango.value)
		switch {
		case err != nil:
			return nil, err
		case !slices.Contains(asked, p):
			return nil, unreadable(ledger.Tax, "record %d is of a person nobody asked about", i+1)
		case r.Kazeinendo.value != strconv.Itoa(year):
			return nil, unreadable(ledger.Tax, "record %d is of another kazeinendo", i+1)
		}
		class, err := r.class(i, t)
		if err != nil {
			return nil, err
		}
		known[p] = taxFacts(p, class, year)
	}
	out := make([]ledger.Facts, 0, len(asked))
	for _, p := range asked {
		facts, ok := known[p]
		if !ok {
			facts = ledger.Facts{Person: p, Outcome: ledger.NoPerson}
		}
		out = append(out, facts)
	}
	return out, nil
}

// class reads the tax class of record i (from 0).
func (r *kazeikubunshokai) class(i int, t *Tables) (ledger.TaxClass, error) {
	code := r.KazeikubunKodo.value
	switch {
	case r.KazeiUmu.value == "0" && code == "":
		return ledger.NoTaxData, nil
	case r.KazeiUmu.value != "1" || code == "":
		return "", unreadable(ledger.Tax, "record %d: kazei_umu contradicts kazeikubun_kodo or is neither 0 nor 1", i+1)
	}
	words, err := t.text(ledger.Tax, tableTax, code)
	return ledger.TaxClass(words), err
}

// taxFacts says what a tax class means (domain.md 6b).
func taxFacts(p ledger.AtenaNumber, class ledger.TaxClass, year int) ledger.Facts {
	v := ledger.Value{
		Item: ledger.TaxClassOfYear, Text: string(class), AsOf: strconv.Itoa(year) + "年度", Usable: true,
	}
	facts := ledger.Facts{Person: p, Outcome: ledger.Found}
	switch class {
	case ledger.Undeclared:
		facts.Outcome, facts.Reason = ledger.NoRecord, ledger.ReasonUndeclared
	case ledger.NoTaxData:
		facts.Outcome, facts.Reason = ledger.NoRecord, ledger.ReasonNotHere
		v.Usable = false
	}
	facts.Values = []ledger.Value{v}
	return facts
}
