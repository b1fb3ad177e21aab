package sandbox

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// MunicipalityCode is the city's 全国地方公共団体コード. No prefecture has the number 99.
const MunicipalityCode = "999997"

// MunicipalityName and PrefectureName are where the city is.
const (
	MunicipalityName = "架空市"
	PrefectureName   = "架空県"
)

// CrowdKana and CrowdBirth find the twenty-four people who share them: more than a search
// may show.
const (
	CrowdKana  = "カクウ　ハナコ"
	CrowdBirth = "2000-01-01"

	crowdName = "架空　花子"
	crowdSize = 24
)

// How many there are of each, so that about 5,000 people live in the city.
const (
	householdCount = 1900
	removedCount   = 120
	outsiderCount  = 60
)

// founder makes a town out of a seed and a base date and nothing else.
type founder struct {
	town             *town
	today            time.Time
	rng              *rand.Rand
	serial, unified  int // last serials given to 宛名番号 and 団体内統合宛名番号
	household, phone int
	lots             map[string]bool // addresses taken
	surnames         []written
	men, women       []written
	quarters         []quarter
	chome            []string
}

// found makes the town. The same seed and day give the same town.
func found(seed uint64, today time.Time) *town {
	f := &founder{
		town: &town{today: today}, today: today,
		rng:    rand.New(rand.NewPCG(seed, 0x6b616b6568617368)),
		serial: 230_000_000, unified: 740_000_000, household: 8_100_000,
		lots:     map[string]bool{},
		surnames: surnames(), men: menNames(), women: womenNames(), quarters: quarters(), chome: chome(),
	}
	f.personas()
	f.crowd()
	for f.household < 8_100_000+householdCount {
		f.ordinary()
	}
	for range removedCount {
		f.removed()
	}
	for range outsiderCount {
		f.outsider()
	}
	f.latePersonas() // last, so that everybody else stays who they were before these were written
	f.town.index()
	return f.town
}

// ago gives the day that lies so many years, months and days before the base date.
func (f *founder) ago(years, months, days int) string {
	return f.today.AddDate(-years, -months, -days).Format(time.DateOnly)
}

// enrol gives a person the numbers that everybody has and takes it into the town.
func (f *founder) enrol(p *person) *person {
	p.Atena = serialNumber(&f.serial, 1+f.rng.IntN(9))
	p.Unified = serialNumber(&f.unified, 1+f.rng.IntN(5))
	body := fmt.Sprintf("000%08d", (f.serial%99_999_989*48_271+12_345)%99_999_989)
	p.Individual = body + string(individualCheck(body))
	f.town.people = append(f.town.people, p)
	return p
}

// serialNumber goes on from a serial by a step and gives the number of ten digits,
// skipping serials that have no check digit.
func serialNumber(last *int, step int) string {
	for *last += step; ; *last++ {
		body := fmt.Sprintf("%09d", *last)
		if digit, ok := atenaCheck(body); ok {
			return body + string(digit)
		}
	}
}

// newHousehold gives the number of a new household.
func (f *founder) newHousehold() string {
	f.household++
	return fmt.Sprintf("%010d", f.household)
}

// lot gives an address that nobody has yet.
func (f *founder) lot() place {
	for {
		q := f.quarters[f.rng.IntN(len(f.quarters))]
		text := fmt.Sprintf("%s%s%s%s丁目%d番%d号", PrefectureName, MunicipalityName, q.name,
			f.chome[f.rng.IntN(len(f.chome))], 1+f.rng.IntN(60), 1+f.rng.IntN(30))
		if !f.lots[text] {
			f.lots[text] = true
			return place{Postal: q.postal, Text: text}
		}
	}
}

// settle writes a person's history in the registry: how it came, and how it moved since.
func (f *founder) settle(p *person, since string, within *place) {
	reason := movedIn
	if since == p.Birth.ISO {
		reason = born
	}
	first := event{Reason: reason, On: since, Filed: since, Place: p.Place}
	if within != nil {
		first.Place = *within
		moved := f.ago(0, 5, 0)
		p.History = []event{first, {Reason: movedWithin, On: moved, Filed: moved, Place: p.Place}}
		return
	}
	p.History = []event{first}
}
