package mapping

import (
	"strconv"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// Messages about a search that cannot be asked.
const (
	codeKanaUnfit  = "KKH1126" // the kana of a search is empty or not kana
	codeBirthUnfit = "KKH1123" // the birth date of a search is missing or no day
)

// atenajoho is a record of the unified address system (団体内統合宛名): one person, resident
// or not. Both atenakensaku and atenajohoshokai reply with it. jutokubun is not read:
// juminjotai_kodo says more.
type atenajoho struct {
	person
	Tagyomusanshofukafuragu text `json:"tagyomusanshofukafuragu"`
}

func (r *atenajoho) items() []item {
	return append(r.person.items(), item{"tagyomusanshofukafuragu", r.Tagyomusanshofukafuragu})
}

// FindRequest asks the unified address system (atenakensaku) for the persons with that
// kana, of 氏名 or 通称, and birth date; of a birth date known in part for all whose birth
// date may fit. Limit is the number of rows that it may reply with, 1 to 100: a caller who
// must know whether there are more asks for one more. It is Invalid where kana or birth
// date cannot be searched for. Household and address are never sent.
func FindRequest(s ledger.Search, limit int) ([]byte, error) {
	kana := KanaKey(s.Kana)
	if !isKatakana(kana) {
		return nil, fault.New(fault.Invalid, "search: the kana is empty or not kana").
			WithCode(codeKanaUnfit).WithField("/kana")
	}
	from, to, ok := birthRange(s.BirthDate)
	if !ok {
		return nil, fault.New(fault.Invalid, "search: the birth date is missing or no day").
			WithCode(codeBirthUnfit).WithField("/birth_date")
	}
	return request(atenakensaku{ShimeiKana: kana, SeinengappiKaishi: from, SeinengappiShuryo: to, Kensujogen: strconv.Itoa(limit)}), nil
}

// atenakensaku is a request to search the unified address system: by kana and birth date,
// or by 世帯番号 alone.
type atenakensaku struct {
	ShimeiKana        string `json:"shimei_kana"`
	SeinengappiKaishi string `json:"seinengappi_kaishi"`
	SeinengappiShuryo string `json:"seinengappi_shuryo"`
	Setaibango        string `json:"setaibango"`
	Jusho             string `json:"jusho"`
	Kojinbango        string `json:"kojinbango"`
	Kensujogen        string `json:"kensujogen"`
}

// mostMembers is how many persons of one household are asked for.
const mostMembers = 100

// MembersRequest asks the unified address system (atenakensaku) for everybody of one
// household.
func MembersRequest(h ledger.HouseholdNumber) []byte {
	return request(atenakensaku{Setaibango: string(h), Kensujogen: strconv.Itoa(mostMembers)})
}

// HouseholdNumber reads a reply of atenajohoshokai for the household of the one person
// asked about; empty for somebody without one. NotFound: the system does not know p.
func HouseholdNumber(body []byte, p ledger.AtenaNumber) (ledger.HouseholdNumber, error) {
	records, err := decode(ledger.Address, body, (*atenajoho).items)
	switch {
	case err != nil:
		return "", err
	case len(records) == 0:
		return "", fault.New(fault.NotFound, "the unified address system does not know the person")
	case len(records) > 1 || ledger.AtenaNumber(records[0].Atenabango.value) != p:
		return "", unreadable(ledger.Address, "it holds a person nobody asked about")
	}
	return ledger.HouseholdNumber(records[0].Setaibango.value), nil
}

// AddressAdults reads a reply of atenakensaku to MembersRequest, or of atenajohoshokai
// about p alone, for what [Adults] reads at the registry.
func AddressAdults(body []byte, t *Tables, p ledger.AtenaNumber, on time.Time) (adults []ledger.AtenaNumber, child bool, err error) {
	records, err := decode(ledger.Address, body, (*atenajoho).items)
	if err != nil {
		return nil, false, err
	}
	own, persons := -1, seen{}
	members := make([]*person, len(records))
	for i := range records {
		number, err := persons.add(ledger.Address, i, records[i].Atenabango.value)
		if err != nil {
			return nil, false, err
		}
		if number == p {
			own = i
		}
		if records[i].Setaibango.value != records[0].Setaibango.value {
			return nil, false, unreadable(ledger.Address, "record %d is of another household", i+1)
		}
		members[i] = &records[i].person
	}
	if own < 0 || len(records) == mostMembers {
		return nil, false, unreadable(ledger.Address, "the household is not whole")
	}
	return householdOf{system: ledger.Address, tables: t, members: members}.adults(own, on)
}

// birthRange gives the first and the last day that a birth date can be. Without the year
// there is none.
func birthRange(d ledger.Date) (from, to string, ok bool) {
	if d.Year == 0 || !d.Valid() {
		return "", "", false
	}
	first, last := d, d
	if d.Month == 0 {
		first.Month, last.Month = time.January, time.December
	}
	if d.Day == 0 {
		first.Day = 1
		last.Day = time.Date(last.Year, last.Month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	}
	return first.String(), last.String(), true
}

// AddressRequest asks the unified address system (atenajohoshokai) for the records of the
// persons, at most 50.
func AddressRequest(persons []ledger.AtenaNumber) []byte {
	return request(struct {
		Atenabango []ledger.AtenaNumber `json:"atenabango"`
	}{persons})
}

// addresses reads the records of a reply and tells of each person what items say, and
// whether the system flags that other businesses must not be shown the address
// (他業務参照不可フラグ).
func addresses(body []byte, t *Tables, items []ledger.Item) ([]atenajoho, []ledger.Facts, error) {
	records, err := decode(ledger.Address, body, (*atenajoho).items)
	if err != nil {
		return nil, nil, err
	}
	f := facing{system: ledger.Address, tables: t, items: items}
	all := make([]ledger.Facts, 0, len(records))
	persons := seen{}
	for i := range records {
		r := &records[i]
		if _, err := persons.add(ledger.Address, i, r.Atenabango.value); err != nil {
			return nil, nil, err
		}
		facts, err := f.facts(i, &r.person)
		if err != nil {
			return nil, nil, err
		}
		switch r.Tagyomusanshofukafuragu.value {
		case "0":
		case "1":
			facts.Conceal = true
		default:
			return nil, nil, unreadable(ledger.Address, "record %d: tagyomusanshofukafuragu is neither 0 nor 1", i+1)
		}
		all = append(all, facts)
	}
	return records, all, nil
}

// Candidates reads a reply of atenakensaku: everybody in it with every item that the
// record has, in the order of the reply.
func Candidates(body []byte, t *Tables) ([]ledger.Candidate, error) {
	records, all, err := addresses(body, t, ledger.Items())
	if err != nil {
		return nil, err
	}
	out := make([]ledger.Candidate, 0, len(all))
	for i, facts := range all {
		out = append(out, ledger.Candidate{
			Household: ledger.HouseholdNumber(records[i].Setaibango.value), Facts: facts,
		})
	}
	return out, nil
}

// AddressData reads a reply of atenajohoshokai to the question about one person, cut to
// q.Items. Nobody: NoPerson. Anybody else in it makes the reply unreadable.
func AddressData(body []byte, t *Tables, q ledger.Question) (ledger.Answer, error) {
	_, all, err := addresses(body, t, q.Items)
	switch {
	case err != nil:
		return ledger.Answer{}, err
	case len(all) == 0:
		return ledger.Answer{Outcome: ledger.NoPerson}, nil
	case len(all) > 1 || all[0].Person != q.Person:
		return ledger.Answer{}, unreadable(ledger.Address, "it holds a person nobody asked about")
	}
	return ledger.Answer{Outcome: ledger.Found, Persons: all}, nil
}
