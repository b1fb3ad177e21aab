package outbox

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// patience is how often the end of a change is tried to be written as it is, where the
// database can be written and refuses it.
const patience = 3

// hopeless tells whether an error says of what was to be written, and not of the database
// itself, that it cannot be: waiting does not mend it.
func hopeless(err error) bool {
	return err != nil && !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Unsure)
}

// settleEach settles flights one by one after one of them could not be settled with the
// others, so that it holds up none of them. A receipt that the ledger refuses parks its
// change alone.
func (r *relay) settleEach(ctx context.Context, flights []*flight) error {
	var last error
	var kept []*flight
	flights = slices.Clone(flights) // a part of what is put together anew below
	for i, f := range flights {
		err := r.settleOrPark(ctx, f)
		_, refused := errors.AsType[*refusal](err)
		switch {
		case err == nil:
			r.settled([]*flight{f})
		case refused:
			kept, last = append(kept, f), err
		case !hopeless(err):
			r.ended = append(append(kept, flights[i:]...), r.ended[len(flights):]...)
			return err
		case f.failed < patience:
			kept, last = append(kept, f), err
		default:
			r.leave(f, err)
		}
	}
	r.ended = append(r.ended[len(flights):], kept...)
	return last
}

// settleOrPark settles one flight. Where that cannot be done, however often, its change is
// parked for an operator to look at.
func (r *relay) settleOrPark(ctx context.Context, f *flight) error {
	err := r.settleAlone(ctx, f)
	if refused, ok := errors.AsType[*refusal](err); ok && !fault.Is(refused.err, fault.Unavailable) {
		f.refused, f.err = true, refused.err
		f.verdict = r.policy.refusedReceipt(f.standing(), refused.err)
		err = r.settleAlone(ctx, f)
	}
	if _, ok := errors.AsType[*refusal](err); ok || !hopeless(err) {
		return err
	}
	if f.failed++; f.failed < patience {
		return err
	}
	f.verdict = r.policy.unsettled(f.standing(), f.attempted())
	return r.settleAlone(ctx, f)
}

// leave gives a flight up whose end cannot be written at all. Its row keeps what stands in
// it, and is seen to again when its lease is over.
func (r *relay) leave(f *flight, err error) {
	cause, _ := words(err)
	r.log(slog.LevelError, codeUnsettled, f.line, slog.String("cause", cause), slog.Int64("attempt", f.row.number))
	f.letGo()
	f.line.rests[f.row.seq] = time.Now().Add(r.q.lease)
}

func (r *relay) settleAlone(ctx context.Context, f *flight) error {
	return r.write(ctx, true, func(ctx context.Context, tx *store.Tx, locked bool) error {
		return r.settle(ctx, tx, []*flight{f}, locked)
	})
}
