package mapping

import (
	"slices"

	"kakehashi/internal/ledger"
)

// person holds the items that the records of the resident registry and of the unified
// address system share.
type person struct {
	Atenabango             text `json:"atenabango"`
	Setaibango             text `json:"setaibango"`
	Shimei                 text `json:"shimei"`
	ShimeiKana             text `json:"shimei_kana"`
	Tsusho                 text `json:"tsusho"`
	Seinengappi            text `json:"seinengappi"`
	SeinengappiFushofuragu text `json:"seinengappi_fushofuragu"`
	SeinengappiFushohyoki  text `json:"seinengappi_fushohyoki"`
	Seibetsu               text `json:"seibetsu"`
	TsuzukigaraKodo        text `json:"tsuzukigara_kodo"`
	Yubinbango             text `json:"yubinbango"`
	Jusho                  text `json:"jusho"`
	Katagaki               text `json:"katagaki"`
	Denwabango             text `json:"denwabango"`
	JuminjotaiKodo         text `json:"juminjotai_kodo"`
	Kijunnichiji           text `json:"kijunnichiji"`
}

// items lists the items with their names, as the wire spells them.
func (p *person) items() []item {
	return []item{
		{"atenabango", p.Atenabango}, {"setaibango", p.Setaibango},
		{"shimei", p.Shimei}, {"shimei_kana", p.ShimeiKana}, {"tsusho", p.Tsusho},
		{"seinengappi", p.Seinengappi}, {"seinengappi_fushofuragu", p.SeinengappiFushofuragu},
		{"seinengappi_fushohyoki", p.SeinengappiFushohyoki}, {"seibetsu", p.Seibetsu},
		{"tsuzukigara_kodo", p.TsuzukigaraKodo}, {"yubinbango", p.Yubinbango}, {"jusho", p.Jusho},
		{"katagaki", p.Katagaki}, {"denwabango", p.Denwabango}, {"juminjotai_kodo", p.JuminjotaiKodo},
		{"kijunnichiji", p.Kijunnichiji},
	}
}

// facing is what it takes to read the records of one reply.
type facing struct {
	system ledger.System
	tables *Tables
	items  []ledger.Item // what may be told
}

// facts gives what record i (from 0) says of a person, cut to the items that may be told.
// A code is looked up only where its item may be told.
func (f facing) facts(i int, p *person) (ledger.Facts, error) {
	out := ledger.Facts{Person: ledger.AtenaNumber(p.Atenabango.value), Outcome: ledger.Found}
	born, err := partialDate(f.system, i, p.Seinengappi.value, p.SeinengappiFushofuragu.value, p.SeinengappiFushohyoki.value)
	if err != nil {
		return ledger.Facts{}, err
	}
	day, err := asOf(f.system, i, p.Kijunnichiji.value)
	if err != nil {
		return ledger.Facts{}, err
	}
	out.Values = make([]ledger.Value, 0, len(f.items))
	for _, it := range ledger.Items() {
		if !slices.Contains(f.items, it) {
			continue
		}
		v := ledger.Value{Item: it, AsOf: day, Usable: true}
		if it == ledger.BirthDate {
			v.Date = born
		} else if v.Text, err = f.value(it, p); err != nil {
			return ledger.Facts{}, err
		} else if v.Text == "" {
			continue
		}
		if it == ledger.RelationToHead {
			out.Relation = ledger.Relation(v.Text)
		}
		out.Values = append(out.Values, v)
	}
	return out, nil
}

// value gives the text of one item, "" where the record has none.
func (f facing) value(it ledger.Item, p *person) (string, error) {
	switch it {
	case ledger.Name:
		return p.Shimei.value, nil
	case ledger.Kana:
		return p.ShimeiKana.value, nil
	case ledger.Alias:
		return p.Tsusho.value, nil
	case ledger.HouseholdNo:
		return p.Setaibango.value, nil
	case ledger.PostalCode:
		return p.Yubinbango.value, nil
	case ledger.AddressText:
		return p.Jusho.value, nil
	case ledger.AddressExtra:
		return p.Katagaki.value, nil
	case ledger.Phone:
		return p.Denwabango.value, nil
	case ledger.Sex:
		return f.code(tableSex, p.Seibetsu.value)
	case ledger.RelationToHead:
		return f.code(tableRelation, p.TsuzukigaraKodo.value)
	case ledger.ResidencyStatus:
		return f.code(tableResidency, p.JuminjotaiKodo.value)
	default: // of another system
		return "", nil
	}
}

func (f facing) code(table, code string) (string, error) {
	if code == "" {
		return "", nil
	}
	return f.tables.text(f.system, table, code)
}
