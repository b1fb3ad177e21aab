package volatile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/redis/go-redis/v9"
)

// Rooms is what a store stands on.
type Rooms struct {
	Prefix string       // begins every name in Redis: one for each municipality
	Key    [32]byte     // encrypts what goes to Redis; the same in all gateways of a municipality
	Log    *slog.Logger // nil: that Redis went away is not logged
}

// Store keeps what may be lost, in memory and, where the configuration names one, in Redis.
// It is safe for concurrent use.
type Store struct {
	tokens  *Tokens
	flights *flights
	bell    *bell
	remote  *remote // nil: memory alone
}

// Open makes a store. It reads the files that the configuration names and calls nobody: a
// Redis that is away is no error. An error is Invalid (KKH3601).
func Open(cfg Config, rooms Rooms) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if rooms.Log == nil {
		rooms.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{}
	if cfg.URL != "" {
		var err error
		if s.remote, err = newRemote(cfg, rooms); err != nil {
			return nil, err
		}
	}
	s.tokens = NewTokens()
	s.tokens.remote = s.remote
	s.flights = newFlights(s.remote, Patience)
	s.bell = newBell(s.remote)
	return s, nil
}

// Tokens gives the access tokens of neighbours.
func (s *Store) Tokens() *Tokens { return s.tokens }

// Run carries wake-ups to and from the other gateways until ctx ends. Without it, or
// without Redis, they stay in this process. It is run once.
func (s *Store) Run(ctx context.Context) error {
	s.bell.run(ctx)
	return nil
}

// Close ends the connections to Redis; what is under way there fails at once, and memory
// goes on. Closing twice is safe.
func (s *Store) Close() error {
	if s.remote == nil {
		return nil
	}
	if err := s.remote.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return fmt.Errorf("close redis: %w", errors.New(cause(err)))
	}
	return nil
}

// State is how a store does.
type State struct {
	Engine  string        // memory or redis
	OK      bool          // a value was written and read back
	Cause   string        // machine word of what kept it from that; empty: nothing
	Latency time.Duration // of writing, reading and dropping it
}

// State writes a value, reads it back and drops it, within three times the timeout.
func (s *Store) State(ctx context.Context) State {
	if s.remote == nil {
		return State{Engine: "memory", OK: true}
	}
	began := time.Now()
	err := s.remote.probe(ctx)
	state := State{Engine: "redis", OK: err == nil, Latency: time.Since(began)}
	if err != nil {
		state.Cause = cause(err)
	}
	return state
}

// probe tries the whole way there and back, whatever the gate says.
func (r *remote) probe(ctx context.Context) error {
	name := r.name("probe", random())
	sealed := r.seal(name, []byte(name))
	err := r.try(ctx, func(ctx context.Context, c *redis.Client) error {
		return c.Set(ctx, name, sealed, 10*time.Second).Err()
	})
	if err != nil {
		return err
	}
	return r.try(ctx, func(ctx context.Context, c *redis.Client) error {
		got, err := c.GetDel(ctx, name).Bytes()
		if err != nil {
			return err
		}
		if back, ok := r.open(name, got); !ok || string(back) != name {
			return errGarbage
		}
		return nil
	})
}

// Counts are what became of what was asked of Redis since the start.
type Counts struct {
	Hits   uint64            // what was found or kept
	Misses uint64            // what was not there
	Errors map[string]uint64 // by machine word of the cause
	Conns  uint32            // connections open now
}

// Counts gives them; all zero in memory.
func (s *Store) Counts() Counts {
	if s.remote == nil {
		return Counts{}
	}
	r := s.remote
	r.mu.Lock()
	defer r.mu.Unlock()
	return Counts{Hits: r.hits, Misses: r.misses, Errors: maps.Clone(r.errors), Conns: r.client.PoolStats().TotalConns}
}
