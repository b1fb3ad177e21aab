package outbox

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// skewed has the house's queue see a clock that the function it gives steps.
func (h *house) skewed() (step func(time.Duration)) {
	var skew atomic.Int64
	h.queue.rooms.Now = func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }
	return func(d time.Duration) { skew.Add(int64(d)) }
}

// The clock is stepped while a delivery is on its way that ends well within its time: it is
// not asked about, nor sent again, and the relay goes on.
func TestAStepOfTheClockDoesNotTakeUpWhatIsOnItsWay(t *testing.T) {
	for _, jump := range []time.Duration{5 * time.Minute, -3 * time.Hour} {
		t.Run(fmt.Sprint(jump), func(t *testing.T) {
			n := newNeighbour()
			h := newHouse(t, onSQLite(t), quick(), to(askable{n}))
			step := h.skewed()
			n.script = func(_ context.Context, id ledger.ChangeID, nth int) (bool, error) {
				if id == "C-a-1" && nth == 1 {
					step(jump)
					until(t, "rounds have passed", pause())
				}
				return true, nil
			}
			h.run(h.queue, nil)
			h.enqueue(use("a", 1))
			h.untilState("C-a-1", Delivered)
			h.enqueue(use("b", 1))
			h.untilState("C-b-1", Delivered)
			if got := h.outcomes("C-a-1"); !slices.Equal(got, []string{endDelivered}) || n.took("C-a-1") != 1 {
				t.Errorf("took effect %d times, attempts %v", n.took("C-a-1"), got)
			}
		})
	}
}

// The clock is stepped after an outcome was lost: the neighbour is still given its time.
func TestAStepOfTheClockDoesNotShortenTheNeighboursTime(t *testing.T) {
	for _, jump := range []time.Duration{5 * time.Minute, -3 * time.Hour} {
		t.Run(fmt.Sprint(jump), func(t *testing.T) {
			n := newNeighbour()
			cfg := quick()
			cfg.Settle = 500 * time.Millisecond
			h := newHouse(t, onSQLite(t), cfg, to(askable{n}))
			step := h.skewed()
			n.script = func(context.Context, ledger.ChangeID, int) (bool, error) { return true, unsure() }
			h.run(h.queue, nil)
			h.enqueue(use("a", 1))
			until(t, "it waits to be asked about", func() bool { return h.state("C-a-1").Question != "" })
			began := time.Now()
			step(jump)
			h.untilState("C-a-1", Delivered)
			if took := time.Since(began); took < cfg.Settle/2 {
				t.Errorf("the neighbour was asked after %v", took)
			}
		})
	}
}

// The receipt of a delivery cannot be taken in for longer than its lease: when it can, it is.
func TestASuccessIsSettledAfterItsLeaseIsOver(t *testing.T) {
	n := newNeighbour()
	h := newHouse(t, onSQLite(t), quick(), to(askable{n}))
	step := h.skewed()
	var refuse atomic.Bool
	var refusals atomic.Int32
	refuse.Store(true)
	receiver := ledgerOf(func(context.Context, *store.Tx, ledger.Change, ledger.Receipt) error {
		if refuse.Load() {
			refusals.Add(1)
			return fault.New(fault.Unavailable, "disk full")
		}
		return nil
	})
	h.run(h.queue, receiver)
	h.enqueue(use("a", 1))
	until(t, "it was to be settled", func() bool { return refusals.Load() > 0 })
	step(5 * time.Minute)
	tried := refusals.Load()
	until(t, "it was to be settled again", func() bool { return refusals.Load() > tried+1 })
	refuse.Store(false)
	h.untilState("C-a-1", Delivered)
	h.enqueue(use("b", 1))
	h.untilState("C-b-1", Delivered)
	if got := h.outcomes("C-a-1"); !slices.Equal(got, []string{endDelivered}) {
		t.Errorf("attempts %v", got)
	}
}

// One attempt ends twice in one transaction: given up, and well after all. Whichever is
// first, it is settled once.
func TestTwoEndsOfOneAttemptAreSettledOnce(t *testing.T) {
	for name, lostFirst := range map[string]bool{"lost first": true, "lost second": false} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, onSQLite(t), quick(), to(newNeighbour()))
			h.enqueue(use("a", 1))
			r := newRelay(t.Context(), h.queue, nil)
			untilMoved(t, r)
			f := <-r.events
			lost := &flight{line: f.line, row: f.row, verdict: r.policy.lost(f.standing(), sending, time.Now())}
			r.hear(f)
			r.ended = []*flight{f, lost}
			if lostFirst {
				r.ended = []*flight{lost, f}
			}
			if _, err := r.transact(t.Context()); err != nil {
				t.Fatal(err)
			}
			if o := h.state("C-a-1"); !lostFirst && o.State != Delivered {
				t.Errorf("got %+v", o)
			}
			if got := h.outcomes("C-a-1"); len(got) != 1 {
				t.Errorf("attempts %v", got)
			}
		})
	}
}

// The end of one change cannot be written: it is parked, or left alone, and the others go on.
func TestWhatCannotBeSettledHoldsUpNobody(t *testing.T) {
	for name, c := range map[string]struct {
		forbid string
		state  State
	}{
		"as it is": {"CREATE TRIGGER broken BEFORE INSERT ON outbox_history WHEN new.change_id = 'C-a-1' BEGIN SELECT RAISE(ABORT, 'no'); END", Parked},
		"at all":   {"CREATE TRIGGER broken BEFORE INSERT ON outbox_attempt WHEN new.seq = 1 BEGIN SELECT RAISE(ABORT, 'no'); END", InFlight},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNeighbour()
			h := newHouse(t, onSQLite(t), quick(), to(n))
			h.tx(func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.Exec(ctx, c.forbid)
				return err
			})
			h.enqueue(use("a", 1), use("b", 1))
			h.run(h.queue, nil)
			h.untilState("C-b-1", Delivered)
			if o := h.untilState("C-a-1", c.state); c.state == Parked && (o.Cause != CauseInternal || o.Question != QuestionArrived) {
				t.Errorf("got %+v", o)
			}
			h.enqueue(use("c", 1))
			h.untilState("C-c-1", Delivered)
			if n.took("C-a-1") != 1 {
				t.Errorf("took effect %d times", n.took("C-a-1"))
			}
		})
	}
}

// A person named a change that was refused. What they found out is nothing about the attempt
// that follows: where that is lost and nobody can tell, it is not sent again.
func TestWhatSomebodyFoundIsNotAboutALaterAttempt(t *testing.T) {
	n := newNeighbour()
	n.script = func(_ context.Context, _ ledger.ChangeID, nth int) (bool, error) {
		switch nth {
		case 1:
			return false, refused()
		case 2:
			return true, unsure()
		}
		return true, nil
	}
	n.confirm = func(ledger.ChangeID, int) error { return unsure() }
	h := newHouse(t, onSQLite(t), quick(), to(askable{n}))
	h.run(h.queue, nil)
	h.enqueue(use("a", 1))
	h.untilState("C-a-1", Parked)
	p := h.replay(Filter{IDs: []ledger.ChangeID{"C-a-1"}})
	h.untilReplay(p.ID, "done")
	if o := h.state("C-a-1"); o.State != Parked || o.Question != QuestionArrived || n.took("C-a-1") != 1 {
		t.Errorf("took effect %d times: %+v", n.took("C-a-1"), o)
	}
}
