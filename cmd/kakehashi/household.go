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
}

// Adults gives the first answer of the two; the registry's error where neither answers.
// That the registry does not know somebody is an answer.
func (h households) Adults(ctx context.Context, person ledger.AtenaNumber, on time.Time) ([]ledger.AtenaNumber, bool, error) {
	var asking sync.WaitGroup
	defer asking.Wait() // the loser ends soon after cancel
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	first, second := make(chan heard, 1), make(chan heard, 1)
	asking.Go(func() { first <- ask(ctx, h.registry, person, on) })
	patience := time.NewTimer(hedge)
	defer patience.Stop()
	select {
	case t := <-first:
		if answered(t.err) {
			return t.adults, t.child, t.err
		}
		if other := ask(ctx, h.fallback, person, on); other.err == nil {
			return other.adults, other.child, nil
		}
		return nil, false, t.err
	case <-patience.C:
	}
	asking.Go(func() { second <- ask(ctx, h.fallback, person, on) })
	var failed error
	for range 2 {
		select {
		case t := <-first:
			if answered(t.err) {
				return t.adults, t.child, t.err
			}
			failed = t.err
		case t := <-second:
			if t.err == nil {
				return t.adults, t.child, nil
			}
			if failed == nil {
				failed = t.err
			}
		}
	}
	return nil, false, failed
}

func ask(ctx context.Context, h tax.Household, person ledger.AtenaNumber, on time.Time) heard {
	adults, child, err := h.Adults(ctx, person, on)
	return heard{adults, child, err}
}

// answered tells whether the registry's word stands: it knows, or knows of nobody.
func answered(err error) bool { return err == nil || fault.Is(err, fault.NotFound) }
