package mapping

import "kakehashi/internal/ledger"

// shiensochishokai is a record of the resident registry's 支援措置照会: whether one person is
// under 支援措置. Of somebody who is not our resident it holds the first two items alone.
type shiensochishokai struct {
	Atenabango      text `json:"atenabango"`
	JuminUmu        text `json:"jumin_umu"`
	Setaibango      text `json:"setaibango"`
	ShiensochiKubun text `json:"shiensochi_kubun"`
}

func (r *shiensochishokai) items() []item {
	always := []item{{"atenabango", r.Atenabango}, {"jumin_umu", r.JuminUmu}}
	if r.JuminUmu.value == "0" {
		return always
	}
	return append(always, item{"setaibango", r.Setaibango}, item{"shiensochi_kubun", r.ShiensochiKubun})
}

// ProtectionRequest asks the resident registry (shiensochishokai) for the 支援措置 of the
// persons, at most 100, and of everybody in their households.
func ProtectionRequest(persons []ledger.AtenaNumber) []byte {
	return request(struct {
		Atenabango []ledger.AtenaNumber `json:"atenabango"`
	}{persons})
}

// Protection reads a reply of shiensochishokai: for each person in it whether 支援措置
// covers that person, and who is in the household. A person whom the reply leaves out is
// not in the result, and is unread; anything odd makes the whole reply unreadable, so that
// everybody is.
func Protection(body []byte) (ledger.Protected, error) {
	records, err := decode(ledger.Protection, body, (*shiensochishokai).items)
	if err != nil {
		return nil, err
	}
	members := make(map[string][]ledger.AtenaNumber)
	persons := seen{}
	for i := range records {
		r := &records[i]
		p, err := persons.add(ledger.Protection, i, r.Atenabango.value)
		if err != nil {
			return nil, err
		}
		switch umu, flag := r.JuminUmu.value, r.ShiensochiKubun.value; {
		case umu == "0" && flag != "1" && r.Setaibango.value == "":
			continue
		case umu != "1":
			return nil, unreadable(ledger.Protection, "record %d: jumin_umu contradicts the rest or is neither 0 nor 1", i+1)
		case flag != "0" && flag != "1":
			return nil, unreadable(ledger.Protection, "record %d: shiensochi_kubun is neither 0 nor 1", i+1)
		case r.Setaibango.value == "":
			return nil, unreadable(ledger.Protection, "record %d: a resident without setaibango", i+1)
		}
		members[r.Setaibango.value] = append(members[r.Setaibango.value], p)
	}
	out := make(ledger.Protected, len(records))
	for i := range records {
		r := &records[i]
		out[ledger.AtenaNumber(r.Atenabango.value)] = ledger.Shielding{
			Protected: r.ShiensochiKubun.value == "1",
			Household: members[r.Setaibango.value],
		}
	}
	return out, nil
}
