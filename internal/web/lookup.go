package web

import (
	"net/http"

	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
)

// lookupBody is the body of POST /v1/lookups.
type lookupBody struct {
	Person    personBody   `json:"person"`
	Case      string       `json:"case"`
	Procedure string       `json:"procedure"`
	Purpose   string       `json:"purpose"`
	Reason    string       `json:"reason"`
	Sources   []string     `json:"sources"`
	Compare   *compareBody `json:"compare"`
}

type personBody struct {
	AtenaNumber string `json:"atena_number"`
}

type compareBody struct {
	Ledger bool              `json:"ledger"`
	Values map[string]string `json:"values"`
}

// request checks the body and makes of it what the gateway is asked. That a purpose or a
// procedure is missing is for the gateway to refuse, which records it.
func (b lookupBody) request() (gateway.LookupRequest, error) {
	switch {
	case b.Person.AtenaNumber == "":
		return gateway.LookupRequest{}, unfit("/person/atena_number", memberMissing)
	case b.Sources != nil && len(b.Sources) == 0:
		return gateway.LookupRequest{}, unfit("/sources", memberEmpty)
	case b.Compare != nil && b.Compare.Ledger && b.Compare.Values != nil:
		return gateway.LookupRequest{}, unfit("/compare", memberOne)
	}
	r := gateway.LookupRequest{
		Person: ledger.AtenaNumber(b.Person.AtenaNumber), Basis: basis(b.Case, b.Procedure, b.Purpose, b.Reason),
		Sources: named[ledger.System](b.Sources),
	}
	if b.Compare == nil {
		return r, nil
	}
	r.Compare.Ledger = b.Compare.Ledger
	if b.Compare.Values != nil {
		r.Compare.Values = make(map[ledger.Item]string, len(b.Compare.Values))
		for item, value := range b.Compare.Values {
			r.Compare.Values[ledger.Item(item)] = value
		}
	}
	return r, nil
}

func basis(caseID, procedure, purpose, reason string) ledger.Basis {
	return ledger.Basis{
		Case: ledger.CaseID(caseID), Procedure: ledger.ProcedureID(procedure), Purpose: purpose, Reason: reason,
	}
}

// lookupAnswer is the answer of POST /v1/lookups.
type lookupAnswer struct {
	LookupID   string         `json:"lookup_id"`
	At         string         `json:"at"`
	Protection string         `json:"protection,omitempty"`
	Flags      []string       `json:"flags"`
	Sources    []sourceAnswer `json:"sources"`
}

type sourceAnswer struct {
	Source     string          `json:"source"`
	Outcome    string          `json:"outcome"`
	Reason     string          `json:"reason"`
	RetryAt    string          `json:"retry_at,omitempty"`
	Since      string          `json:"since,omitempty"`
	At         string          `json:"at"`
	Persons    []personAnswer  `json:"persons"`
	Suppressed []keptAnswer    `json:"suppressed"`
	Comparison []compareAnswer `json:"comparison,omitempty"`
}

type personAnswer struct {
	AtenaNumber string        `json:"atena_number"`
	Relation    string        `json:"relation"`
	Outcome     string        `json:"outcome"`
	Reason      string        `json:"reason"`
	Values      []valueAnswer `json:"values"`
}

type valueAnswer struct {
	Item      string `json:"item"`
	Value     string `json:"value"`
	Precision string `json:"precision,omitempty"` // of a date known in part: month, year or unknown
	Display   string `json:"display,omitempty"`   // 和暦 of a date
	From      string `json:"from"`
	At        string `json:"at"`
	AsOf      string `json:"as_of,omitempty"`
	Usable    bool   `json:"usable"`
}

type keptAnswer struct {
	AtenaNumber string `json:"atena_number"`
	Item        string `json:"item"`
	Why         string `json:"why"`  // protected or unread
	Text        string `json:"text"` // the same in words
}

type compareAnswer struct {
	Item   string `json:"item"`
	Result string `json:"result"`
	Rule   string `json:"rule"`
}

// lookup serves POST /v1/lookups.
func (x *exchange) lookup() error {
	var body lookupBody
	if err := x.decode(&body); err != nil {
		return err
	}
	request, err := body.request()
	if err != nil {
		return err
	}
	result, err := x.web.rooms.Gateway.Lookup(x.r.Context(), x.who, request)
	x.id = result.ID
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, spellLookup(result))
}

func spellLookup(r gateway.LookupResult) lookupAnswer {
	a := lookupAnswer{
		LookupID: string(r.ID), At: moment(r.At), Protection: r.Protection, Flags: r.Flags,
		Sources: make([]sourceAnswer, len(r.Sources)),
	}
	for i, s := range r.Sources {
		a.Sources[i] = spellSource(s)
	}
	return a
}

func spellSource(s gateway.SourceResult) sourceAnswer {
	a := sourceAnswer{
		Source: string(s.Source), Outcome: string(s.Outcome), Reason: s.Reason, RetryAt: moment(s.Retry),
		Since: moment(s.Since), At: moment(s.At),
		Persons: make([]personAnswer, len(s.Persons)), Suppressed: spellKept(s.Suppressed),
	}
	for i, f := range s.Persons {
		a.Persons[i] = personAnswer{
			AtenaNumber: string(f.Person), Relation: string(f.Relation), Outcome: string(f.Outcome),
			Reason: f.Reason, Values: spellValues(f.Values),
		}
	}
	for _, c := range s.Comparison {
		a.Comparison = append(a.Comparison, compareAnswer{Item: string(c.Item), Result: string(c.Result), Rule: c.Rule})
	}
	return a
}

func spellValues(values []ledger.Value) []valueAnswer {
	list := make([]valueAnswer, len(values))
	for i, v := range values {
		a := valueAnswer{
			Item: string(v.Item), Value: v.Text, From: string(v.From), At: moment(v.At), AsOf: v.AsOf, Usable: v.Usable,
		}
		if v.Item == ledger.BirthDate {
			a.Value, a.Display = v.Date.String(), v.Date.Wareki()
			if p := v.Date.Precision(); p != "day" {
				a.Precision = p
			}
		}
		list[i] = a
	}
	return list
}

func spellKept(kept []ledger.Kept) []keptAnswer {
	list := make([]keptAnswer, len(kept))
	for i, k := range kept {
		list[i] = keptAnswer{AtenaNumber: string(k.Person), Item: string(k.Item), Why: k.Why, Text: whyWord(k.Why)}
	}
	return list
}

// whyWord says in words why an item is kept back.
func whyWord(why string) string {
	if why == ledger.ConcealUnread {
		return "支援措置を確認できないため表示しません"
	}
	return "支援措置のため表示しません"
}
