// Package address asks the unified address system (団体内統合宛名), which knows every
// person the city has a number for, residents or not: who fits a name and a birth date,
// and the address data of one person.
//
// It cannot say who lives in a household: its search wants a name and a birth date beside
// the number of the household. So the tax source has no second place to ask when the
// registry is away.
package address

import (
	"context"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/wire"
	"kakehashi/mapping"
)

// The system's resources, as its interface names them. Neither shows an individual number.
const (
	search   = "app_submit/v10/atenakensaku"
	data     = "app_submit/v10/atenajohoshokai"
	business = "032" // 業務ID of 団体内統合宛名
)

// Client asks the unified address system. It is safe for use by several goroutines at
// once; New makes one, Close ends it.
type Client struct {
	tables *mapping.Tables
	wire   *wire.Client
}

// New makes a client from its settings. It calls nobody; an error is Invalid.
func New(cfg Config, tables *mapping.Tables, rooms wire.Rooms) (*Client, error) {
	over, err := wire.New(string(ledger.Address), []string{scope(search), scope(data)}, wire.Config(cfg), rooms)
	if err != nil {
		return nil, err
	}
	return &Client{tables: tables, wire: over}, nil
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

// Breakers tells where the breaker stands.
func (c *Client) Breakers() []wire.BreakerState { return []wire.BreakerState{c.wire.Breaker()} }

// Close ends the client; it must not be used afterwards.
func (c *Client) Close() { c.wire.Close() }
