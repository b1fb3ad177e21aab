// Package tax asks for the tax class (課税区分) of a year, as the tax section publishes it
// to the city's systems. It never speaks to the tax system itself.
//
// A child has a class of its own that says little: what decides is the class of the adults
// of its household. So for a child the adults are asked about as well, and where nobody
// can say who they are the answer is withheld: the child's own class could mislead.
package tax

import (
	"context"
	"errors"
	"slices"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/wire"
	"kakehashi/mapping"
)

// The publication's resource, as its interface names it.
const (
	classes  = "app_submit/v10/kazeikubunshokai"
	business = "900" // fictional: the publication has no public 業務ID
)

// mostAsked is how many persons one request may name.
const mostAsked = 50

// HouseholdUnknown is the reason of the fault when the adults of a child's household
// cannot be known.
const HouseholdUnknown = "household_unknown"

// Household says who the adults of the household of the person of a question are and
// whether the person is a child on its day; a child is not among them. NotFound: it does
// not know the person. Calling twice is safe.
type Household interface {
	Adults(ctx context.Context, q ledger.Question) (adults []ledger.AtenaNumber, child bool, err error)
}

// Client asks the publication. It is safe for use by several goroutines at once; New makes
// one, Close ends it.
type Client struct {
	tables    *mapping.Tables
	household Household
	wire      *wire.Client
}

// New makes a client from its settings. It calls nobody; an error is Invalid.
func New(cfg Config, tables *mapping.Tables, household Household, rooms wire.Rooms) (*Client, error) {
	over, err := wire.New(string(ledger.Tax), []string{business + ":" + classes + ":Read"}, wire.Config(cfg), rooms)
	if err != nil {
		return nil, err
	}
	return &Client{tables: tables, household: household, wire: over}, nil
}

// members is what the household port said.
type members struct {
	adults []ledger.AtenaNumber
	child  bool
	err    error
}

// Lookup gives the class of the person for the year that is current at q.On and, for a
// child, of the adults of its household, each an entry of its own. How it ends is decided
// by the adults (decide). Faults: those of wire's table; Unavailable for the reason
// HouseholdUnknown; Denied where the class is not among the items that may be seen, since
// the outcome alone would tell it. Calling twice is safe.
func (c *Client) Lookup(ctx context.Context, q ledger.Question) (ledger.Answer, error) {
	if !slices.Contains(q.Items, ledger.TaxClassOfYear) {
		return ledger.Answer{}, fault.New(fault.Denied, "tax: the class is not among the items asked for").WithReason("no_item")
	}
	ctx, cancel := context.WithCancel(ctx)
	asked := make(chan members, 1)
	go func() {
		var m members
		m.adults, m.child, m.err = c.household.Adults(ctx, q)
		asked <- m
	}()
	persons, err := c.ask(ctx, q, []ledger.AtenaNumber{q.Person})
	if err != nil {
		cancel()
		<-asked // whoever starts a goroutine waits for it
		return ledger.Answer{}, err
	}
	m := <-asked
	defer cancel()
	if m.err != nil && !fault.Is(m.err, fault.NotFound) {
		return ledger.Answer{}, householdUnknown(m.err)
	}
	if m.err == nil && m.child {
		others := slices.DeleteFunc(slices.Clone(m.adults), func(a ledger.AtenaNumber) bool { return a == q.Person })
		adults, err := c.ask(ctx, q, others)
		if err != nil {
			return ledger.Answer{}, err
		}
		persons = append(persons, adults...)
	}
	return decide(persons, m.err == nil && m.child), nil
}

// ask gives one entry for each person, in their order; none asks nobody.
func (c *Client) ask(ctx context.Context, q ledger.Question, persons []ledger.AtenaNumber) ([]ledger.Facts, error) {
	var all []ledger.Facts
	year := mapping.TaxYear(q.On)
	for some := range slices.Chunk(persons, mostAsked) {
		body, err := c.wire.Read(ctx, classes, mapping.TaxRequest(year, some))
		if err != nil {
			return nil, err
		}
		facts, err := mapping.TaxClasses(body, c.tables, year, some)
		if err != nil {
			return nil, c.wire.Explain(classes, err)
		}
		all = append(all, facts...)
	}
	return all, nil
}

// decide says how the source's answer ends. Of a child the adults decide, else the person
// itself: one without a record here (課税情報なし, or unknown to the tax section although it
// lives in the household) makes it NoRecord not_here, else one undeclared (未申告) NoRecord
// undeclared, else Found. Nobody known at all is NoPerson. Of a child without an adult in
// its household those who count are elsewhere: NoRecord not_here, and the child's own class
// may feed no decision.
func decide(persons []ledger.Facts, child bool) ledger.Answer {
	answer := ledger.Answer{Outcome: ledger.Found, Persons: persons}
	unknown := func(f ledger.Facts) bool { return f.Outcome == ledger.NoPerson }
	if !slices.ContainsFunc(persons, func(f ledger.Facts) bool { return !unknown(f) }) {
		answer.Outcome = ledger.NoPerson
		return answer
	}
	deciding := persons
	switch {
	case child && len(persons) == 1:
		answer.Outcome, answer.Reason = ledger.NoRecord, ledger.ReasonNotHere
		for i := range persons[0].Values {
			persons[0].Values[i].Usable = false
		}
		return answer
	case child:
		deciding = persons[1:]
	}
	for _, reason := range []string{ledger.ReasonNotHere, ledger.ReasonUndeclared} {
		if slices.ContainsFunc(deciding, func(f ledger.Facts) bool {
			return f.Outcome == ledger.NoRecord && f.Reason == reason || reason == ledger.ReasonNotHere && unknown(f)
		}) {
			answer.Outcome, answer.Reason = ledger.NoRecord, reason
			return answer
		}
	}
	return answer
}

// householdUnknown is the fault when the port could not say who the adults are; its next
// time is the port's.
func householdUnknown(err error) *fault.Error {
	f := &fault.Error{Kind: fault.Unavailable, Code: "KKH2116", Reason: HouseholdUnknown,
		What: "tax: the adults of the household are not known", Err: err}
	if cause, ok := errors.AsType[*fault.Error](err); ok {
		f.Retry = cause.Retry
	}
	return f
}

// Breakers tells where the breaker stands.
func (c *Client) Breakers() []wire.BreakerState { return []wire.BreakerState{c.wire.Breaker()} }

// Close ends the client; it must not be used afterwards.
func (c *Client) Close() { c.wire.Close() }
