package outbox

import (
	"context"
	"errors"
	"time"

	"kakehashi/internal/fault"
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
	err = store.WithTx(within, r.q.rooms.DB, func(ctx context.Context, tx *store.Tx) error {
		won = nil
		r.q.touch(tx)
		if err := r.settle(ctx, tx, settles); err != nil {
			return err
		}
		now := r.q.rooms.Now()
		for _, f := range claims {
			ok, err := f.claim(ctx, tx, now, r.q.cfg.lease())
			if err != nil {
				return err
			}
			if ok {
				won = append(won, f)
			}
		}
		return nil
	})
	if _, refuses := errors.AsType[*refusal](err); refuses || hopeless(err) && len(settles) > 0 {
		return true, r.settleEach(within, settles)
	}
	switch {
	case err == nil:
		r.settled(settles)
		r.ended = r.ended[len(settles):]
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
	now := time.Now()
	for _, f := range won {
		f.claimed()
		f.until = now.Add(r.q.cfg.lease())
		f.line.busy++
		f.line.flights[f], f.line.held[f.row.seq] = true, f
		r.work.Go(func() { r.call(r.calls, f) })
	}
}
