package residents

import (
	"context"
	"sync"
	"time"

	"kakehashi/internal/ledger"
)

// share lets the parts of one lookup that need the same household ask the registry once:
// its answer and the tax adapter's question who the adults are. Lookups never share with
// one another, so that what the record says was asked was asked, and nothing is kept once
// it has arrived.
type share struct {
	mu    sync.Mutex
	under map[part]*asking
	all   sync.WaitGroup
}

// part is what is shared: one lookup's question about one person.
type part struct {
	lookup ledger.LookupID
	person ledger.AtenaNumber
}

// asking is one call under way. It belongs to all who wait for it: it ends with the last of
// them, not with the first.
type asking struct {
	waiting  int
	deadline time.Time // zero: none
	stop     context.CancelFunc
	done     chan struct{}
	body     []byte
	err      error
}

// read gives what ask gives, together with whoever needs the same at this moment.
func (s *share) read(ctx context.Context, p part, ask func(context.Context) ([]byte, error)) ([]byte, error) {
	if p.lookup == "" || ctx.Err() != nil {
		return ask(ctx)
	}
	a := s.join(ctx, p, ask)
	defer s.leave(p, a)
	select {
	case <-a.done:
		return a.body, a.err
	case <-ctx.Done():
		return ask(ctx) // which says at once how a call ends whose caller has left
	}
}

func (s *share) join(ctx context.Context, p part, ask func(context.Context) ([]byte, error)) *asking {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.under[p]; a != nil {
		a.waiting++
		return a
	}
	a := &asking{waiting: 1, done: make(chan struct{})}
	own := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		a.deadline = deadline
		own, a.stop = context.WithDeadline(own, deadline)
	} else {
		own, a.stop = context.WithCancel(own)
	}
	if s.under == nil {
		s.under = map[part]*asking{}
	}
	s.under[p] = a
	s.all.Go(func() {
		defer a.stop()
		defer close(a.done)
		a.body, a.err = ask(own)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.under[p] == a {
			delete(s.under, p)
		}
	})
	return a
}

// leave ends a call for which nobody waits any more, unless its own deadline has just done
// so: a neighbour that was too slow must not pass for one that was not waited for.
func (s *share) leave(p part, a *asking) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.waiting--; a.waiting > 0 {
		return
	}
	if s.under[p] == a {
		delete(s.under, p)
	}
	if a.deadline.IsZero() || time.Now().Before(a.deadline) {
		a.stop()
	}
}
