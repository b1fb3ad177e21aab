package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// transact settles and claims in one transaction, and sends what it has claimed. It tells
// whether anything moved.
func (r *relay) transact(ctx context.Context) (moved bool, err error) {
	settles := r.ended[:min(len(r.ended), chunk)]
	var claims, won []*flight
	if len(r.ended) == len(settles) && !r.closing && r.q.rooms.Record.Writable() {
		claims = r.ready[:min(len(r.ready), chunk)]
	}
	if len(settles)+len(claims) == 0 {
		return false, nil
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), txTimeout)
	defer cancel()
	err = r.write(within, r.takesIn(settles), func(ctx context.Context, tx *store.Tx, locked bool) (err error) {
		won = nil
		if err := r.settle(ctx, tx, settles, locked); err != nil {
			return err
		}
		won, err = r.claimEach(ctx, tx, claims)
		return err
	})
	if _, refuses := errors.AsType[*refusal](err); refuses || hopeless(err) && len(settles) > 0 {
		return true, r.settleEach(within, settles)
	}
	switch {
	case err == nil:
		r.settled(settles)
		r.ended = r.ended[len(settles):]
		r.rivalled(claims, won)
	case fault.Is(err, fault.Unsure):
		won = r.committed(within, claims)
	default:
		return false, err
	}
	r.release(claims)
	r.launch(won)
	return true, err
}

// committed gives the claims that stand though the reply to their commit was lost.
func (r *relay) committed(ctx context.Context, claims []*flight) []*flight {
	var stand []*flight
	for _, f := range claims {
		if r.stands(ctx, f) {
			stand = append(stand, f)
		}
	}
	return stand
}

// release takes claims out of what is ready, whether they were won or not.
func (r *relay) release(claims []*flight) {
	for _, f := range claims {
		f.letGo()
		f.line.busy--
	}
	r.ready = r.ready[len(claims):]
}

// launch sends what was claimed.
func (r *relay) launch(won []*flight) {
	for _, f := range won {
		f.claimed()
		f.line.busy++
		f.line.flights[f], f.line.held[f.row.seq] = true, f
		r.work.Go(func() { r.call(r.calls, f) })
	}
}

// needsLedger is the error of a settlement that turns out to need the ledger's lock, which
// is taken before all others.
type needsLedger struct{}

// Error gives the text for operators.
func (needsLedger) Error() string { return "the ledger is to be locked first" }

// atOnce is how often a transaction is tried again at once that got into the way of another.
const atOnce = 3

// write runs a transaction of the relay. One that got into the way of another is run again
// at once, a few times, and one that turns out to need the ledger with the ledger locked.
func (r *relay) write(ctx context.Context, locked bool, f func(ctx context.Context, tx *store.Tx, locked bool) error) error {
	for tries := 0; ; tries++ {
		err := store.WithTx(ctx, r.q.rooms.DB, func(ctx context.Context, tx *store.Tx) error {
			r.q.touch(tx)
			if locked {
				if err := tx.Lock(ctx, ledgerLock); err != nil {
					return fmt.Errorf("lock the ledger: %w", err)
				}
			}
			if r.q.shared {
				if _, err := tx.Exec(ctx, byIndex); err != nil {
					return fmt.Errorf("prepare to write: %w", err)
				}
			}
			return f(ctx, tx, locked)
		})
		_, needs := errors.AsType[needsLedger](err)
		switch {
		case needs && !locked:
			locked = true
		case err == nil || tries >= atOnce || !inTheWay(err):
			return err
		}
	}
}

// inTheWay tells whether a transaction did nothing because another held what it needed.
func inTheWay(err error) bool {
	return fault.Is(err, fault.Unavailable) && fault.Find(err).Reason == "busy"
}

// takesIn tells whether the ledger will be written to by what the receiver makes of the
// flights: of a numbering alone.
func (r *relay) takesIn(flights []*flight) bool {
	return r.receiver != nil && slices.ContainsFunc(flights, func(f *flight) bool {
		return f.verdict.to == "" && f.row.kind == ledger.Numbering
	})
}
