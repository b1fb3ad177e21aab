// Package address speaks with the unified address system (団体内統合宛名), which knows every
// person the city has a number for, residents or not.
//
// It asks who fits a name and a birth date, the address data of one person, and who
// belongs to a household, for when the registry cannot be asked. And it tells the system
// what the ledger changed, which gives a number to whoever has none: Prepare, Send and
// Confirm (deliver.go), over a client of their own.
package address

import (
	"context"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/wire"
	"kakehashi/mapping"
)

// The system's resources for lookups, as its interface names them. Neither shows an individual number.
const (
	search   = "app_submit/v10/atenakensaku"
	data     = "app_submit/v10/atenajohoshokai"
	business = "032" // 業務ID of 団体内統合宛名
)

// Client speaks with the unified address system. It is safe for use by several goroutines at
// once; New makes one, Close ends it.
type Client struct {
	tables   *mapping.Tables
	letters  mapping.AddressLetters
	wire     *wire.Client // for lookups
	delivery *wire.Client // for writes, and for asking back what became of them
}

// New makes a client from its settings. It calls nobody; an error is Invalid.
func New(cfg Config, tables *mapping.Tables, rooms wire.Rooms) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	lookups, err := wire.New(string(ledger.Address), []string{scope(search), scope(data)}, cfg.Config, rooms)
	if err != nil {
		return nil, err
	}
	delivery, err := wire.New(deliveryTarget, deliveryScopes(), cfg.Config, rooms)
	if err != nil {
		lookups.Close()
		return nil, err
	}
	letters := mapping.AddressLetters{System: cfg.System, Tables: tables}
	return &Client{tables: tables, letters: letters, wire: lookups, delivery: delivery}, nil
}

func scope(resource string) string { return business + ":" + resource + ":Read" }

// Lookup says what the system knows of one person: Found or NoPerson. What kept it from
// knowing is a fault of wire's table. Calling twice is safe.
func (c *Client) Lookup(ctx context.Context, q ledger.Question) (ledger.Answer, error) {
	body, err := c.wire.Read(ctx, data, mapping.AddressRequest([]ledger.AtenaNumber{q.Person}))
	if err != nil {
		return ledger.Answer{}, err
	}
	answer, err := mapping.AddressData(body, c.tables, q)
	return answer, c.wire.Explain(data, err)
}

// Find gives the persons who fit, at most limit of them; Invalid where there are more,
// since a search must name one person and is no browse. One row more than the limit is
// asked for, so that "more" is known without counting them.
func (c *Client) Find(ctx context.Context, s ledger.Search, limit int) ([]ledger.Candidate, error) {
	request, err := mapping.FindRequest(s, limit+1)
	if err != nil {
		return nil, err
	}
	body, err := c.wire.Read(ctx, search, request)
	if err != nil {
		return nil, err
	}
	candidates, err := mapping.Candidates(body, c.tables)
	if err != nil {
		return nil, c.wire.Explain(search, err)
	}
	if len(candidates) > limit {
		return nil, fault.New(fault.Invalid, "more than %d persons fit the search", limit).
			WithCode("KKH1121").WithReason("too_many")
	}
	return candidates, nil
}

// Adults gives the adults of the person's household and whether the person is a child on
// the question's day, as the registry's adapter does: two calls, one for the number of the household
// and one for its members. NotFound: the system does not know the person. Calling twice is
// safe.
func (c *Client) Adults(ctx context.Context, q ledger.Question) (adults []ledger.AtenaNumber, child bool, err error) {
	resource := data
	body, err := c.wire.Read(ctx, resource, mapping.AddressRequest([]ledger.AtenaNumber{q.Person}))
	if err != nil {
		return nil, false, err
	}
	household, err := mapping.HouseholdNumber(body, q.Person)
	if err != nil {
		return nil, false, c.wire.Explain(resource, err)
	}
	if household != "" {
		resource = search
		if body, err = c.wire.Read(ctx, resource, mapping.MembersRequest(household)); err != nil {
			return nil, false, err
		}
	}
	adults, child, err = mapping.AddressAdults(body, c.tables, q.Person, q.On)
	return adults, child, c.wire.Explain(resource, err)
}

// Breakers tells where the breakers stand: of lookups, and of deliveries.
func (c *Client) Breakers() []wire.BreakerState {
	return []wire.BreakerState{c.wire.Breaker(), c.delivery.Breaker()}
}

// Close ends the client; it must not be used afterwards.
func (c *Client) Close() {
	c.wire.Close()
	c.delivery.Close()
}
