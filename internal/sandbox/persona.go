package sandbox

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Persona is one of the named people of the city, as those who try the gateway see them.
type Persona struct {
	Key              string            `json:"key"`
	Tags             []string          `json:"tags"`
	AtenaNumber      string            `json:"atena_number"`
	HouseholdNumber  string            `json:"household_number"` // empty for a 住登外者
	IndividualNumber string            `json:"individual_number"`
	Name             string            `json:"name"`
	Kana             string            `json:"kana"`
	Alias            string            `json:"alias,omitempty"` // 通称
	AliasKana        string            `json:"alias_kana,omitempty"`
	BirthDate        string            `json:"birth_date"` // as far as it is known: 2016-05-03, 1945-08 or 1945
	PostalCode       string            `json:"postal_code"`
	Address          string            `json:"address"`
	AddressExtra     string            `json:"address_extra,omitempty"` // 方書
	Phone            string            `json:"phone"`
	Tax              map[string]string `json:"tax"`      // 課税年度 to class
	Case             string            `json:"case"`     // an open case that concerns the members
	Members          []string          `json:"members"`  // everybody whom the registry lists with the person, the person too
	Guardian         string            `json:"guardian"` // of a child the key of the guardian who lives with it, where one does
	Outcomes         Outcomes          `json:"outcomes"`
}

// Outcomes are what a lookup of a persona ends with while the neighbours are healthy.
type Outcomes struct {
	Residents string `json:"residents"`
	Tax       string `json:"tax"`
	Address   string `json:"address"`
}

// The outcomes that healthy neighbours give.
const (
	outcomeFound    = "found"
	outcomeNoPerson = "no_person"
	outcomeNoRecord = "no_record"
)

// tagProtected is borne by every persona whose address is concealed.
const tagProtected = "protected"

// taxYearsShown is how many 課税年度 a persona shows, the current one last.
const taxYearsShown = 3

// personas puts the named people into words as they are on a day.
func (t *town) personas(on time.Time) []Persona {
	all := make([]Persona, len(t.named))
	for i, n := range t.named {
		p := Persona{
			Key: n.key, Tags: slices.Clone(n.tags),
			AtenaNumber: n.Atena, HouseholdNumber: n.Household, IndividualNumber: n.Individual,
			Name: n.Name, Kana: n.Kana, Alias: n.Alias, AliasKana: n.AliasKana, BirthDate: n.Birth.ISO,
			PostalCode: n.Place.Postal, Address: n.Place.Text, AddressExtra: n.Place.Extra, Phone: n.Phone,
			Tax:      map[string]string{},
			Case:     fmt.Sprintf("K-%02d%05d", t.today.Year()%100, i+1),
			Members:  []string{n.Atena},
			Outcomes: Outcomes{Residents: outcomeFound, Tax: t.taxOutcome(n.person, on), Address: outcomeFound},
		}
		if n.Status == outside {
			p.Outcomes.Residents = outcomeNoPerson
		}
		if t.concealed(n.person) {
			p.Tags = append(p.Tags, tagProtected)
		}
		for _, m := range t.listing(n.person) {
			if m != n.person {
				p.Members = append(p.Members, m.Atena)
			}
		}
		for year := taxYear(on) - taxYearsShown + 1; year <= taxYear(on); year++ {
			p.Tax[strconv.Itoa(year)] = classText(n.classIn(year))
		}
		p.Guardian = t.guardianOf(n)
		all[i] = p
	}
	return all
}

// The tags of children and of those who look after them.
const (
	tagChild    = "child"
	tagGuardian = "guardian"
)

// guardianOf gives the key of the guardian with whom a child lives: the first of its
// household who is tagged so. It is empty for an adult, and for a child whose guardian
// lives elsewhere.
func (t *town) guardianOf(n *named) string {
	if !slices.Contains(n.tags, tagChild) {
		return ""
	}
	for _, m := range t.listing(n.person) {
		i := slices.IndexFunc(t.named, func(o *named) bool { return o.person == m && slices.Contains(o.tags, tagGuardian) })
		if i >= 0 {
			return t.named[i].key
		}
	}
	return ""
}
