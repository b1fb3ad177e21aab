// Package residents asks the resident registry (既存住民基本台帳): a person with its
// household, and who in it is under 支援措置.
package residents

import (
	"context"
	"maps"
	"slices"

	"kakehashi/internal/ledger"
	"kakehashi/internal/wire"
	"kakehashi/mapping"
)

// The registry's resources, as its interface names them.
const (
	household  = "app_submit/v10/juminsetaishokai"
	protection = "app_submit/v10/shiensochishokai"
	business   = "001" // 業務ID of 住民基本台帳
)

// mostProtected is how many persons one request for 支援措置 may name.
const mostProtected = 100

// Client asks the registry. 支援措置 goes over a connection of its own, with a token and a
// breaker of its own, so that the one can fail without the other. It is safe for use by
// several goroutines at once; New makes one, Close ends it.
type Client struct {
	tables     *mapping.Tables
	registry   *wire.Client
	protection *wire.Client
	shared     share
}

// New makes a client from its settings. It calls nobody; an error is Invalid.
func New(cfg Config, tables *mapping.Tables, rooms wire.Rooms) (*Client, error) {
	registry, err := wire.New(string(ledger.Residents), []string{scope(household)}, wire.Config(cfg), rooms)
	if err != nil {
		return nil, err
	}
	shield, err := wire.New(string(ledger.Protection), []string{scope(protection)}, wire.Config(cfg), rooms)
	if err != nil {
		registry.Close()
		return nil, err
	}
	return &Client{tables: tables, registry: registry, protection: shield}, nil
}

func scope(resource string) string { return business + ":" + resource + ":Read" }

// Lookup says what the registry knows of a person and its household: Found, or NoPerson
// where it has no such resident. What kept it from knowing is a fault of wire's table.
// Calling twice is safe.
func (c *Client) Lookup(ctx context.Context, q ledger.Question) (ledger.Answer, error) {
	body, err := c.household(ctx, q)
	if err != nil {
		return ledger.Answer{}, err
	}
	answer, err := mapping.Household(body, c.tables, q)
	return answer, c.registry.Explain(household, err)
}

// Adults gives the adults of the person's household and whether the person is a child on
// the question's day; a child is not among them. NotFound: the registry has no such resident.
func (c *Client) Adults(ctx context.Context, q ledger.Question) (adults []ledger.AtenaNumber, child bool, err error) {
	body, err := c.household(ctx, q)
	if err != nil {
		return nil, false, err
	}
	adults, child, err = mapping.Adults(body, c.tables, q.Person, q.On)
	return adults, child, c.registry.Explain(household, err)
}

// household reads the household of the question's person, once for all parts of a lookup
// that ask at the same time.
func (c *Client) household(ctx context.Context, q ledger.Question) ([]byte, error) {
	return c.shared.read(ctx, part{q.ID, q.Person}, func(ctx context.Context) ([]byte, error) {
		return c.registry.Read(ctx, household, mapping.HouseholdRequest(q.Person))
	})
}

// Protection reads 支援措置, live, for each person and each member of that person's
// household. A person missing from the answer is unread; an error leaves all unread.
func (c *Client) Protection(ctx context.Context, persons []ledger.AtenaNumber) (ledger.Protected, error) {
	read := ledger.Protected{}
	for some := range slices.Chunk(persons, mostProtected) {
		body, err := c.protection.Read(ctx, protection, mapping.ProtectionRequest(some))
		if err != nil {
			return nil, err
		}
		more, err := mapping.Protection(body)
		if err != nil {
			return nil, c.protection.Explain(protection, err)
		}
		maps.Copy(read, more)
	}
	return read, nil
}

// Breakers tells where the breakers of residents and protection stand.
func (c *Client) Breakers() []wire.BreakerState {
	return []wire.BreakerState{c.registry.Breaker(), c.protection.Breaker()}
}

// Close ends the client; it must not be used afterwards.
func (c *Client) Close() {
	c.shared.all.Wait()
	c.registry.Close()
	c.protection.Close()
}
