package outbox

import (
	"context"
	"time"
)

// begin asks, at the start, about what an earlier run had on its way, where no other run
// can be alive: its leases need not be waited for; and, over a database that was put back to
// an older day, about all that it does not know to have arrived.
func (r *relay) begin(ctx context.Context) {
	r.persist(ctx, r.reckon)
	if r.q.rooms.Exclusive {
		r.persist(ctx, r.adopt)
	}
	if r.q.rooms.Restored {
		r.persist(ctx, r.doubt)
	}
}

// persist does something until it is done, whatever trouble the database has.
func (r *relay) persist(ctx context.Context, do func(context.Context) error) {
	for ctx.Err() == nil {
		err := do(ctx)
		r.health(ctx, err)
		if err == nil {
			return
		}
		timer := time.NewTimer(r.calm)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// adopt finds what is on its way among what is due later: a lease lies in the future, and
// little else does.
func (r *relay) adopt(ctx context.Context) error {
	for _, l := range r.lines {
		for more := true; more; {
			now := r.q.now()
			rows, err := r.leased(ctx, l)
			if err != nil {
				return err
			}
			more = len(rows) == chunk
			for _, row := range rows {
				f := &flight{line: l, row: row, turn: l.gate.turn}
				r.lose(f, now)
			}
			for len(r.ended) > 0 {
				if _, err := r.transact(ctx); err != nil {
					r.ended = nil
					clear(l.held)
					return err
				}
			}
		}
	}
	return nil
}
