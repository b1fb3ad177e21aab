package mapping

import (
	"slices"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// juminsetaishokai is a record of the resident registry's 住民世帯照会: one member of the
// household of the person asked about. Items of 異動 are not read.
type juminsetaishokai struct {
	person
}

// HouseholdRequest asks the resident registry (juminsetaishokai) for a person and everybody
// in the household.
func HouseholdRequest(p ledger.AtenaNumber) []byte {
	return request(struct {
		Atenabango ledger.AtenaNumber `json:"atenabango"`
	}{p})
}

// household reads a reply of juminsetaishokai and finds the person asked about in it.
// Without records the registry does not know the person.
func household(body []byte, asked ledger.AtenaNumber) (records []juminsetaishokai, own int, err error) {
	records, err = decode(ledger.Residents, body, func(r *juminsetaishokai) []item { return r.items() })
	if err != nil || len(records) == 0 {
		return nil, 0, err
	}
	own = -1
	persons := seen{}
	for i := range records {
		p, err := persons.add(ledger.Residents, i, records[i].Atenabango.value)
		if err != nil {
			return nil, 0, err
		}
		if p == asked {
			own = i
		}
	}
	if own < 0 {
		return nil, 0, unreadable(ledger.Residents, "the person asked about is not in it")
	}
	for i := range records {
		if records[i].Setaibango.value != records[own].Setaibango.value {
			return nil, 0, unreadable(ledger.Residents, "record %d is of another household", i+1)
		}
	}
	return records, own, nil
}

// Household reads a reply of juminsetaishokai to the question: the person asked about
// first, then the other members as the registry lists them, each cut to q.Items. A person
// who died or moved out is found, and 住民状態 says so. Nobody: NoPerson.
func Household(body []byte, t *Tables, q ledger.Question) (ledger.Answer, error) {
	records, own, err := household(body, q.Person)
	switch {
	case err != nil:
		return ledger.Answer{}, err
	case len(records) == 0:
		return ledger.Answer{Outcome: ledger.NoPerson}, nil
	}
	f := facing{system: ledger.Residents, tables: t, items: q.Items}
	answer := ledger.Answer{Outcome: ledger.Found}
	for i := range records {
		facts, err := f.facts(i, &records[i].person)
		if err != nil {
			return ledger.Answer{}, err
		}
		at := len(answer.Persons)
		if i == own {
			at = 0
		}
		answer.Persons = slices.Insert(answer.Persons, at, facts)
	}
	return answer, nil
}

// Adults reads a reply of juminsetaishokai for what tax needs to know: whether person p is
// a child (ledger.IsChild) on that moment's day in Japan and, for a child, who in the
// household is an adult and lives in the city. For an adult it names nobody, since an
// adult's own record is all that counts. NotFound: the registry does not know p.
func Adults(body []byte, t *Tables, p ledger.AtenaNumber, on time.Time) (adults []ledger.AtenaNumber, child bool, err error) {
	records, own, err := household(body, p)
	if err != nil {
		return nil, false, err
	}
	if len(records) == 0 {
		return nil, false, fault.New(fault.NotFound, "the resident registry does not know the person")
	}
	members := make([]*person, len(records))
	for i := range records {
		members[i] = &records[i].person
	}
	return householdOf{system: ledger.Residents, tables: t, members: members}.adults(own, on)
}

// householdOf is a household as one system lists it.
type householdOf struct {
	system  ledger.System
	tables  *Tables
	members []*person
}

// adults tells whether member own is a child on that moment's day in Japan and, for a
// child, who of the others is an adult and lives in the city.
func (h householdOf) adults(own int, on time.Time) (adults []ledger.AtenaNumber, child bool, err error) {
	today := ledger.DateOf(on.In(jst()))
	for i, m := range h.members {
		born, err := partialDate(h.system, i, m.Seinengappi.value, m.SeinengappiFushofuragu.value, m.SeinengappiFushohyoki.value)
		if err != nil {
			return nil, false, err
		}
		young := ledger.IsChild(born, today)
		if i == own {
			child = young
			continue
		}
		status, err := h.tables.text(h.system, tableResidency, m.JuminjotaiKodo.value)
		if err != nil {
			return nil, false, err
		}
		if !young && status == resident {
			adults = append(adults, ledger.AtenaNumber(m.Atenabango.value))
		}
	}
	if !child {
		return nil, false, nil
	}
	return adults, true, nil
}
