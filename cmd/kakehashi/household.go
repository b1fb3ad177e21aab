package main

import (
	"context"
	"sync"
	"time"

	"kakehashi/adapters/tax"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// hedge is how long the registry may take to tell a household before the unified address
// system is asked as well.
const hedge = 400 * time.Millisecond

// households tells the tax adapter who the adults of a child's household are: the registry
// does, and while it is away or slow the unified address system, so that one dead neighbour
// does not take another's answer with it.
type households struct {
	registry, fallback tax.Household
}

// heard is what one of the two said.
type heard struct {
	adults []ledger.AtenaNumber
	child  bool
	err    error
	first  bool // the registry said it
}

// Adults gives the first answer of the two. Somebody whom the registry does not know (住登外)
// may be a child all the same, so then the other system is asked as well. Where neither
// answers, the error is what kept the registry from knowing, else the other system;
// NotFound where neither knows the person.
func (h households) Adults(ctx context.Context, q ledger.Question) ([]ledger.AtenaNumber, bool, error) {
	var asking sync.WaitGroup
	defer asking.Wait() // the loser ends soon after cancel
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	said := make(chan heard, 2)
	ask := func(system tax.Household, first bool) {
		asking.Go(func() {
			adults, child, err := system.Adults(ctx, q)
			said <- heard{adults, child, err, first}
		})
	}
	ask(h.registry, true)
	patience := time.NewTimer(hedge)
	defer patience.Stop()
	both, open := false, 1
	var failed error
	for open > 0 {
		select {
		case t := <-said:
			open--
			if t.err == nil {
				return t.adults, t.child, nil
			}
			if failed == nil || fault.Is(failed, fault.NotFound) || t.first && !fault.Is(t.err, fault.NotFound) {
				failed = t.err
			}
		case <-patience.C:
		}
		if !both {
			ask(h.fallback, false)
			both, open = true, open+1
		}
	}
	return nil, false, failed
}
