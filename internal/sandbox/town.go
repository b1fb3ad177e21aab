package sandbox

import (
	"slices"
	"strings"
	"time"
)

// jst is the city's time. A fixed zone, since Japan has had no summer time since 1951.
var jst = time.FixedZone("JST", 9*60*60)

// town is the people of the city and the ways of finding them. It never changes once made.
type town struct {
	today        time.Time
	people       []*person
	named        []*named
	byAtena      map[string]*person
	byIndividual map[string]*person
	byKana       map[string][]*person
	households   map[string][]*person // living residents, the head first
}

// named is a persona before it is put into words.
type named struct {
	key  string
	tags []string
	*person
}

// index makes the ways of finding people.
func (t *town) index() {
	t.byAtena = make(map[string]*person, len(t.people))
	t.byIndividual = make(map[string]*person, len(t.people))
	t.byKana = make(map[string][]*person, len(t.people))
	t.households = make(map[string][]*person, len(t.people)/2)
	for _, p := range t.people {
		t.byAtena[p.Atena], t.byIndividual[p.Individual] = p, p
		key := kanaKey(p.Kana)
		t.byKana[key] = append(t.byKana[key], p)
		if alias := kanaKey(p.AliasKana); alias != "" && alias != key {
			t.byKana[alias] = append(t.byKana[alias], p)
		}
		if p.Status == living {
			t.households[p.Household] = append(t.households[p.Household], p)
		}
	}
}

// listing gives everybody whom the registry lists with a person: the living members of
// its household, or, for one who left or died, that person alone. A 住登外者 has none.
func (t *town) listing(p *person) []*person {
	switch p.Status {
	case living:
		return t.households[p.Household]
	case outside:
		return nil
	default:
		return []*person{p}
	}
}

// resident gives the person of that number if the registry has one.
func (t *town) resident(number string) (*person, bool) {
	p, known := t.byAtena[number]
	return p, known && p.Status != outside
}

// concealed tells whether a person's whereabouts must be kept back: the person or a
// member of its household is under 支援措置, or the address may not be shown to others.
func (t *town) concealed(p *person) bool {
	return p.Hidden || p.Shield || slices.ContainsFunc(t.listing(p), func(m *person) bool { return m.Shield })
}

// search gives the people whose name or 通称 reads so and who may have been born in the
// range, in the order of their numbers.
func (t *town) search(kana, first, last string) []*person {
	return bornWithin(t.byKana[kanaKey(kana)], first, last)
}

// bornWithin gives those who may have been born in the range.
func bornWithin(people []*person, first, last string) []*person {
	var fit []*person
	for _, p := range people {
		from, to := p.Birth.span()
		if from <= last && to >= first {
			fit = append(fit, p)
		}
	}
	return fit
}

// kanaKey drops spaces and folds small kana, so that spellings of one reading agree.
func kanaKey(kana string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '　':
			return -1
		case 'ァ', 'ィ', 'ゥ', 'ェ', 'ォ', 'ッ', 'ャ', 'ュ', 'ョ', 'ヮ':
			return r + 1 // the large letter follows its small one in Unicode
		case 'ヵ':
			return 'カ'
		case 'ヶ':
			return 'ケ'
		default:
			return r
		}
	}, kana)
}
