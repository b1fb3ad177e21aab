package outbox

import (
	"context"
	"time"
)

// finish settles what is on its way when Run is told to end, as long as the grace lasts.
// What does not come back keeps its lease; the next run asks about it.
func (r *relay) finish(ctx context.Context, cancel context.CancelFunc) {
	r.closing = true
	limit := time.NewTimer(min(grace, r.q.cfg.SendTimeout+time.Second))
	defer limit.Stop()
	r.release(r.ready)
	r.drain()
	for waits := true; waits && r.underway() > 0; {
		select {
		case f := <-r.events:
			r.hear(f)
			r.drain()
			r.settleLast(ctx)
		case <-limit.C:
			waits = false
		}
	}
	cancel()
	close(r.over)
	r.settleLast(ctx)
	r.publish()
	if r.underway()+r.strays == 0 {
		r.work.Wait()
	}
}

// underway counts the calls and the preparations that have not come back.
func (r *relay) underway() int { return r.onTheirWay() + r.started }

// onTheirWay counts the calls that have not come back.
func (r *relay) onTheirWay() (n int) {
	for _, l := range r.lines {
		n += len(l.flights)
	}
	return n
}

// settleLast settles what has come back; what cannot be settled now is asked about by the
// next run.
func (r *relay) settleLast(ctx context.Context) {
	for range 1 + len(r.ended)/chunk {
		if moved, err := r.transact(ctx); err != nil || !moved {
			return
		}
	}
}
