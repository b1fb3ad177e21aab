package sandbox

import (
	"fmt"
	"strings"
)

// family is a household of personas as it is written down.
type family struct {
	key     string
	quarter int    // which of the city's 町
	lot     string // 丁目, 番 and 号
	extra   string // 方書
	since   string // day of moving in; empty: the adults for fifteen years, the children since birth
	members []member
}

// member is one persona of a family. Its key is the family's and its own; its tags are
// separated by spaces. 支援措置 makes no tag here: who is concealed follows from it.
type member struct {
	key, tags        string
	name, kana       string
	alias, aliasKana string
	sex, relation    string
	born             birth
	tax              taxes
	shield           bool
	gone             string // day of death; empty: alive
}

// personas enrols the named people.
func (f *founder) personas() {
	for _, families := range [][]family{
		f.everydayFamilies(), f.nameFamilies(), f.taxFamilies(), f.shieldedFamilies(), f.eventFamilies(), f.dateFamilies(),
	} {
		for _, written := range families {
			f.enrolFamily(written)
		}
	}
	f.outsiders()
}

// latePersonas enrols the named people of later versions.
func (f *founder) latePersonas() {
	for _, written := range append(f.pairFamilies(), f.elsewhereFamilies()...) {
		f.enrolFamily(written)
	}
}

// enrolFamily enrols one family and gives its members numbers, telephones and histories.
func (f *founder) enrolFamily(w family) {
	q := f.quarters[w.quarter]
	home := place{Postal: q.postal, Text: PrefectureName + MunicipalityName + q.name + w.lot, Extra: w.extra}
	f.lots[home.Text] = true
	number := f.newHousehold()
	for i, m := range w.members {
		p := &person{
			Household: number, Name: m.name, Kana: m.kana, Alias: m.alias, AliasKana: m.aliasKana,
			Birth: m.born, Sex: m.sex, Relation: m.relation, Status: living, Place: home, Shield: m.shield, Tax: m.tax,
		}
		if m.relation != child || i%2 == 0 {
			p.Phone = f.ownPhone()
		}
		since := w.since
		if since == "" {
			since = f.ago(15, 2, 0)
		}
		f.settle(p, max(since, p.Birth.ISO), nil)
		if m.gone != "" {
			f.remove(p, true, m.gone)
		}
		f.name(w.key+"-"+m.key, m.tags, f.enrol(p))
	}
}

// name makes a person a persona.
func (f *founder) name(key, tags string, p *person) {
	f.town.named = append(f.town.named, &named{key: key, tags: strings.Fields(tags), person: p})
}

// ownPhone gives a telephone number that nobody else has.
func (f *founder) ownPhone() string {
	f.phone++
	return fmt.Sprintf("000-0000-%04d", 100+f.phone*7)
}

// day is a birth known to the day.
func (f *founder) day(years, months, days int) birth {
	return birth{ISO: f.ago(years, months, days)}
}

// earns is the tax of somebody with an income.
func earns(income int) taxes { return taxes{Class: taxed, Income: income} }

// depends is the tax of a child claimed as a dependant.
func depends() taxes { return taxes{Class: exempt} }

// outsiders enrols the personas who live elsewhere (住登外者).
func (f *founder) outsiders() {
	for _, o := range []struct {
		key, tags, name, kana, sex, address string
		born                                birth
		hidden                              bool
		tax                                 taxes
	}{
		{key: "outside-guardian", tags: "non-resident guardian", name: "遠見崎　隼士朗", kana: "トオミザキ　ハヤシロウ", sex: man,
			address: "幻想県遠国市影向町四丁目7番9号", born: f.day(43, 6, 11)},
		{key: "outside-hidden", tags: "non-resident guardian", name: "忍冬原　理央奈", kana: "スイカズラハラ　リオナミ", sex: woman,
			address: "幻想県遠国市隠里町二丁目16番3号", born: f.day(36, 2, 19), hidden: true},
		{key: "outside-taxpayer", tags: "non-resident", name: "風待崎　宗二朗", kana: "カゼマチザキ　ソウジロウ", sex: man,
			address: "幻想県遠国市岬の果町11番2号", born: f.day(58, 9, 4), tax: taxes{Class: perCapita, Income: 900_000}},
	} {
		p := &person{
			Name: o.name, Kana: o.kana, Birth: o.born, Sex: o.sex, Status: outside,
			Place: place{Postal: "0009001", Text: o.address}, Phone: f.ownPhone(), Hidden: o.hidden, Tax: o.tax,
		}
		f.name(o.key, o.tags, f.enrol(p))
	}
}
