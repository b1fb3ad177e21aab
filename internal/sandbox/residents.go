package sandbox

import "strconv"

// juminRecord is a resident as the registry spells one.
type juminRecord struct {
	Atenabango             string `json:"atenabango"`
	Setaibango             string `json:"setaibango"`
	Shimei                 string `json:"shimei"`
	ShimeiKana             string `json:"shimei_kana"`
	Tsusho                 string `json:"tsusho"`
	TsushoKana             string `json:"tsusho_kana"`
	Seinengappi            string `json:"seinengappi"`
	SeinengappiFushofuragu string `json:"seinengappi_fushofuragu"`
	SeinengappiFushohyoki  string `json:"seinengappi_fushohyoki"`
	Seibetsu               string `json:"seibetsu"`
	TsuzukigaraKodo        string `json:"tsuzukigara_kodo"`
	Yubinbango             string `json:"yubinbango"`
	Jusho                  string `json:"jusho"`
	Katagaki               string `json:"katagaki"`
	Denwabango             string `json:"denwabango"`
	JuminjotaiKodo         string `json:"juminjotai_kodo"`
	IdojiyuKodo            string `json:"idojiyu_kodo"`
	Idonengappi            string `json:"idonengappi"`
	Kijunnichiji           string `json:"kijunnichiji"`
}

// rirekiRecord is one change of a resident.
type rirekiRecord struct {
	Rirekibango      string `json:"rirekibango"`
	IdojiyuKodo      string `json:"idojiyu_kodo"`
	Idonengappi      string `json:"idonengappi"`
	Todokedenengappi string `json:"todokedenengappi"`
	Setaibango       string `json:"setaibango"`
	Jusho            string `json:"jusho"`
	Katagaki         string `json:"katagaki"`
}

// shienRecord says whether somebody is under 支援措置. Of somebody who is no resident it
// says that and nothing else.
type shienRecord struct {
	Atenabango      string `json:"atenabango"`
	JuminUmu        string `json:"jumin_umu"`
	Setaibango      string `json:"setaibango,omitempty"`
	ShiensochiKubun string `json:"shiensochi_kubun,omitempty"`
	Kijunnichiji    string `json:"kijunnichiji,omitempty"`
}

// residentsResources are the resources of 既存住民基本台帳, 業務ID 001.
func residentsResources() []resource {
	one := []item{atenabango()}
	return []resource{
		{name: "juminsetaishokai", title: "住民世帯照会", system: Residents, scope: scopeOf("001", "juminsetaishokai"), items: one, answer: household},
		{name: "juminkihonshokai", title: "住民基本照会", system: Residents, scope: scopeOf("001", "juminkihonshokai"), items: one, answer: resident},
		{name: "juminrirekishokai", title: "住民履歴照会", system: Residents, scope: scopeOf("001", "juminrirekishokai"), items: one, answer: history},
		{name: "shiensochishokai", title: "支援措置照会", system: Protection, scope: scopeOf("001", "shiensochishokai"), items: []item{atenabangos(100)}, answer: shields},
	}
}

// household answers with everybody whom the registry lists with a person.
func household(in view, v values, m moment) any {
	records := []juminRecord{}
	if p, known := in.resident(v.one("atenabango")); known {
		for _, member := range in.listing(p) {
			records = append(records, jumin(member, m))
		}
	}
	return records
}

// resident answers with that person alone.
func resident(in view, v values, m moment) any {
	records := []juminRecord{}
	if p, known := in.resident(v.one("atenabango")); known {
		records = append(records, jumin(p, m))
	}
	return records
}

// history answers with the changes of a person, oldest first.
func history(in view, v values, _ moment) any {
	records := []rirekiRecord{}
	p, known := in.resident(v.one("atenabango"))
	if !known {
		return records
	}
	for i, e := range p.History {
		records = append(records, rirekiRecord{
			Rirekibango: strconv.Itoa(i + 1), IdojiyuKodo: e.Reason, Idonengappi: e.On, Todokedenengappi: e.Filed,
			Setaibango: p.Household, Jusho: e.Place.Text, Katagaki: e.Place.Extra,
		})
	}
	return records
}

// shields answers with 支援措置 of the persons asked about and of everybody in their
// households; for one who left or died, of those who still live in the last household.
func shields(in view, v values, m moment) any {
	records := []shienRecord{}
	told := map[string]bool{}
	tell := func(p *person) {
		if told[p.Atena] {
			return
		}
		told[p.Atena] = true
		records = append(records, shienRecord{p.Atena, "1", p.Household, flag(p.Shield), stamp(m.now)})
	}
	for _, number := range v["atenabango"] {
		p, known := in.resident(number)
		if !known {
			if !told[number] {
				told[number] = true
				records = append(records, shienRecord{Atenabango: number, JuminUmu: "0"})
			}
			continue
		}
		tell(p)
		for _, member := range in.households[p.Household] {
			tell(member)
		}
	}
	return records
}

// jumin spells a resident.
func jumin(p *person, m moment) juminRecord {
	last := p.History[len(p.History)-1]
	r := juminRecord{
		Atenabango: p.Atena, Setaibango: p.Household,
		Shimei: p.Name, ShimeiKana: p.Kana, Tsusho: p.Alias, TsushoKana: p.AliasKana,
		Seibetsu: p.Sex, TsuzukigaraKodo: p.Relation,
		Yubinbango: p.Place.Postal, Jusho: p.Place.Text, Katagaki: p.Place.Extra, Denwabango: p.Phone,
		JuminjotaiKodo: p.Status, IdojiyuKodo: last.Reason, Idonengappi: last.On, Kijunnichiji: stamp(m.now),
	}
	r.Seinengappi, r.SeinengappiFushofuragu, r.SeinengappiFushohyoki = p.Birth.wire()
	return r
}
