package outbox

import (
	"context"
	"errors"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// flight is one change on its way: from the moment it is taken up until it is settled.
type flight struct {
	line      *line
	row       row
	ask       bool // the neighbour is asked whether it arrived, not told
	turn      int  // of the gate, when it was taken up
	change    ledger.Change
	letter    ledger.Letter
	digest    []byte
	began     time.Time // when it was claimed, by the stored clock
	ends      time.Time // when the lease does
	until     time.Time // the same by this process's clock, whose steps do not count
	ended     bool      // the call is over; before, what is told of is the preparation
	abandoned bool      // its lease was over before the call was
	unsent    bool      // its lease had no time left for the call: nothing was sent
	receipt   ledger.Receipt
	err       error
	verdict   verdict
	refused   bool // the ledger refused the receipt, which is kept
	failed    int  // how often its end could not be written by itself
}

func (f *flight) standing() standing {
	_, asks := f.line.route.To.(Confirmer)
	return standing{
		tries: f.row.tries, fails: f.row.fails, question: f.row.question, answered: f.row.answered,
		keys: f.line.route.Keys, asks: asks,
	}
}

// prepare opens the change and makes its letter.
func (r *relay) prepare(ctx context.Context, f *flight) {
	defer r.tell(f)
	if f.change, f.err = r.q.seal.openChange(f.row.body, f.row.change, f.line.route.Destination); f.err != nil || f.ask {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, r.q.cfg.SendTimeout)
	defer cancel()
	f.err = r.guard(ctx, fault.Internal, func() (err error) {
		f.letter, err = f.line.route.To.Prepare(ctx, f.change)
		return err
	})
	if f.err == nil {
		f.digest = r.q.seal.digestOf(f.letter)
	}
}

// call sends the letter, or asks for it, once. It does neither where the process was held up
// since the claim, so that the call might outlast the lease: the row may be another's by then.
func (r *relay) call(ctx context.Context, f *flight) {
	defer r.tell(f)
	f.ended = true
	ends := time.Now().Add(r.q.cfg.SendTimeout)
	if ends.After(f.until) {
		f.unsent = true
		return
	}
	ctx, cancel := context.WithDeadline(ctx, ends)
	defer cancel()
	f.err = r.guard(ctx, fault.Unsure, func() (err error) {
		asked, asks := f.line.route.To.(Confirmer)
		if f.ask && asks {
			f.receipt, err = asked.Confirm(ctx, f.change)
			return err
		}
		f.receipt, err = f.line.route.To.Send(ctx, f.letter)
		return err
	})
}

// guard runs an adapter's code: where that breaks down the fault is of the given kind, and
// so it is where the time ran out and the adapter does not say what that means.
func (r *relay) guard(ctx context.Context, kind fault.Kind, f func() error) (err error) {
	defer func() {
		if recover() != nil { // what it panicked with may hold anything
			err = fault.New(kind, "an adapter broke down").WithCode(codePanic).WithReason("panic")
		}
	}()
	err = f()
	if _, told := errors.AsType[*fault.Error](err); err != nil && !told && ctx.Err() != nil {
		return fault.New(kind, "an adapter did not end in time: %w", err).WithReason("timeout")
	}
	return err
}

// tell hands a flight back to the relay, unless that has ended.
func (r *relay) tell(f *flight) {
	select {
	case r.events <- f:
	case <-r.over:
	}
}

// abandon gives up waiting for calls whose lease is over by this process's clock: their slot
// is free again, and their change will be asked about. Until then no step of the stored
// clock has this run take up what it is itself sending.
func (r *relay) abandon() {
	now := time.Now()
	for _, l := range r.lines {
		for f := range l.flights {
			if now.After(f.until) {
				r.forsake(f)
				r.strays++
			}
		}
	}
}

// forsake leaves a flight to its lease: whoever finds that over has it asked about.
func (r *relay) forsake(f *flight) {
	f.abandoned = true
	delete(f.line.flights, f)
	f.letGo()
	f.line.busy--
}
