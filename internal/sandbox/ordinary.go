package sandbox

import "fmt"

// crowd enrols the people who share the name and birth date of a sample form.
func (f *founder) crowd() {
	for range crowdSize {
		p := &person{
			Household: f.newHousehold(), Name: crowdName, Kana: CrowdKana, Birth: birth{ISO: CrowdBirth},
			Sex: woman, Relation: head, Status: living, Place: f.lot(), Phone: f.anyPhone(),
			Tax: taxes{Class: taxed, Income: 2_400_000},
		}
		f.enrol(p)
		f.settle(p, CrowdBirth, nil)
	}
}

// ordinary enrols one household of people who are no personas.
func (f *founder) ordinary() {
	surname, home, number := f.surnames[f.rng.IntN(len(f.surnames))], f.lot(), f.newHousehold()
	if f.rng.IntN(3) == 0 {
		home.Extra = fmt.Sprintf("架橋荘%d号室", 101+f.rng.IntN(8)+100*f.rng.IntN(5))
	}
	since := f.ago(1+f.rng.IntN(25), f.rng.IntN(12), f.rng.IntN(28))
	var before *place
	if f.rng.IntN(10) == 0 {
		lot := f.lot()
		before = &lot
	}
	shield := f.rng.IntN(240) == 0
	members := f.composition()
	class := f.classOf(members)
	for i, m := range members {
		p := f.member(surname, m)
		p.Household, p.Place, p.Status = number, home, living
		p.Shield = shield && i == 0
		p.Tax = class[i]
		f.enrol(p)
		came := max(since, p.Birth.ISO)
		f.settle(p, came, before)
	}
}

// role is a place in a household, an age and a sex, before it is a person.
type role struct {
	relation, sex string
	age           int
}

// composition gives the members of a household as the city's households are: alone, a
// couple, parents with children, one parent, three generations.
func (f *founder) composition() []role {
	age := 26 + f.rng.IntN(24)
	switch kind := f.rng.IntN(100); {
	case kind < 27:
		return []role{{head, f.anySex(), 19 + f.rng.IntN(70)}}
	case kind < 48:
		old := 30 + f.rng.IntN(50)
		return []role{{head, man, old}, {wife, woman, max(old-f.rng.IntN(6), 20)}}
	case kind < 86:
		return append([]role{{head, man, age}, {wife, woman, max(age-f.rng.IntN(5), 21)}}, f.children(age, 1+f.rng.IntN(3))...)
	case kind < 94:
		return append([]role{{head, woman, age}}, f.children(age, 1+f.rng.IntN(2))...)
	default:
		roles := []role{{head, man, age}, {wife, woman, age}, {mother, woman, age + 24 + f.rng.IntN(8)}}
		return append(roles, f.children(age, 1+f.rng.IntN(3))...)
	}
}

// children gives so many children of a parent of that age.
func (f *founder) children(parent, count int) []role {
	roles := make([]role, count)
	for i := range roles {
		roles[i] = role{child, f.anySex(), f.rng.IntN(max(parent-20, 1))}
	}
	return roles
}

func (f *founder) anySex() string {
	if f.rng.IntN(2) == 0 {
		return man
	}
	return woman
}

// member makes a person of a role. One in sixty of the old does not know the day of birth.
func (f *founder) member(surname written, m role) *person {
	given := f.women
	if m.sex == man {
		given = f.men
	}
	name := given[f.rng.IntN(len(given))]
	p := &person{
		Name: surname.text + "　" + name.text, Kana: surname.kana + "　" + name.kana,
		Birth: birth{ISO: f.ago(m.age, f.rng.IntN(12), 2+f.rng.IntN(26))}, Sex: m.sex, Relation: m.relation,
	}
	if m.age > 70 && f.rng.IntN(60) == 0 {
		p.Birth = birth{Text: "不詳"}
	}
	if m.age >= 19 && f.rng.IntN(3) > 0 {
		p.Phone = f.anyPhone()
	}
	return p
}

// anyPhone gives a telephone number above those of the personas.
func (f *founder) anyPhone() string { return fmt.Sprintf("000-0000-%04d", 1000+f.rng.IntN(9000)) }

// classOf gives each member's taxes: children are 非課税 as dependants, and 未申告 where
// every adult is.
func (f *founder) classOf(members []role) []taxes {
	base := taxYear(f.today)
	family := make([]taxes, len(members))
	undeclaredFrom, adults := 0, 0
	for i, m := range members {
		if m.age < 19 {
			continue
		}
		family[i] = taxes{Class: exempt, Income: f.rng.IntN(9) * 100_000}
		switch draw := f.rng.IntN(100); {
		case draw < 60:
			family[i] = taxes{Class: taxed, Income: 1_500_000 + f.rng.IntN(60)*100_000}
		case draw < 68:
			family[i] = taxes{Class: perCapita, Income: 1_000_000}
		case draw < 71:
			family[i].UndeclaredFrom = base
			undeclaredFrom++
		}
		adults++
	}
	for i, m := range members {
		if m.age < 19 {
			family[i] = taxes{Class: exempt}
			if adults > 0 && undeclaredFrom == adults {
				family[i].UndeclaredFrom = base
			}
		}
	}
	return family
}

// removed enrols somebody who died or moved out, the household being theirs alone.
func (f *founder) removed() {
	p := f.member(f.surnames[f.rng.IntN(len(f.surnames))], role{head, f.anySex(), 25 + f.rng.IntN(60)})
	p.Household, p.Place, p.Relation = f.newHousehold(), f.lot(), head
	p.Tax = taxes{Class: exempt}
	f.settle(p, max(f.ago(12, 0, 0), p.Birth.ISO), nil)
	f.remove(p, f.rng.IntN(2) == 0, f.ago(f.rng.IntN(4), 1, f.rng.IntN(28)))
	f.enrol(p)
}

// remove takes a person off the registry on a day, dead or moved out.
func (f *founder) remove(p *person, byDeath bool, on string) {
	p.Status = left
	reason := movedOut
	if byDeath {
		p.Status, reason = dead, died
	}
	p.History = append(p.History, event{Reason: reason, On: on, Filed: on, Place: p.Place})
}

// outsider enrols a 住登外者: somebody who lives elsewhere and has to do with the city.
func (f *founder) outsider() {
	p := f.member(f.surnames[f.rng.IntN(len(f.surnames))], role{"", f.anySex(), 25 + f.rng.IntN(50)})
	p.Status = outside
	p.Place = place{Postal: "0009001", Text: fmt.Sprintf("幻想県遠国市影向町%d番地", 1+f.rng.IntN(800))}
	f.enrol(p)
}
