package outbox

import (
	"context"
	"fmt"
	"kakehashi/internal/storetest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// refusing is a neighbour that refuses everything while its flag is set.
func refusing() (*neighbour, *atomic.Bool) {
	n, refuses := newNeighbour(), &atomic.Bool{}
	refuses.Store(true)
	n.script = func(context.Context, ledger.ChangeID, int) (bool, error) {
		if refuses.Load() {
			return false, refused()
		}
		return true, nil
	}
	return n, refuses
}

// uses are changes of so many records, one of each.
func uses(prefix string, n int) []ledger.Change {
	list := make([]ledger.Change, n)
	for i := range list {
		list[i] = use(fmt.Sprint(prefix, i), 1)
	}
	return list
}

func (h *house) untilParked(n int) {
	h.t.Helper()
	until(h.t, fmt.Sprint(n, " are parked"), func() bool {
		s, err := h.queue.Summary(h.t.Context())
		return err == nil && s.Parked == n
	})
}

func (h *house) untilReplay(id, state string) Replay {
	h.t.Helper()
	var r Replay
	until(h.t, id+" is "+state, func() bool {
		var err error
		r, err = h.queue.ReplayState(h.t.Context(), id)
		return err == nil && r.State == state
	})
	return r
}

// Two operators replay the same filter at once, and more is parked meanwhile: nothing of
// that is touched, and nothing is sent twice.
func TestTwoReplaysOfTheSameFilter(t *testing.T) { storetest.Engines(t, testTwoReplaysOfTheSameFilter) }

func testTwoReplaysOfTheSameFilter(t *testing.T, at storetest.Place) {
	n, refuses := refusing()
	h := newHouse(t, at, quick(), to(n))
	h.enqueue(append(uses("r", 300), use("r7", 2))...)
	stop := h.run(h.queue, nil)
	h.untilParked(300)
	stop()
	dry, err := h.queue.Plan(t.Context(), Filter{Cause: CauseRejected})
	if err != nil || dry.Can != 300 || dry.Cannot != 0 || len(dry.Items) != 200 || dry.ID != "" {
		t.Fatalf("plan: can %d, cannot %d, %d items, %v", dry.Can, dry.Cannot, len(dry.Items), err)
	}
	first, second := h.replay(Filter{Cause: CauseRejected}), h.replay(Filter{Cause: CauseRejected})
	h.enqueue(uses("late", 50)...)
	n.script = func(_ context.Context, id ledger.ChangeID, _ int) (bool, error) {
		if id[2] == 'l' {
			return false, refused()
		}
		return true, nil
	}
	refuses.Store(false)
	h.run(h.queue, nil)
	one, two := h.untilReplay(first.ID, "done"), h.untilReplay(second.ID, "done")
	h.untilParked(50)
	h.untilState("C-r7-2", Delivered)
	if one.Delivered+two.Delivered != 300 || one.Skipped+two.Skipped != 300 || one.Total != 300 {
		t.Errorf("first %+v\nsecond %+v", one, two)
	}
	for i := range 300 {
		if c := use(fmt.Sprintf("r%d", i), 1); n.took(c.ID) != 1 {
			t.Errorf("%s took effect %d times", c.ID, n.took(c.ID))
		}
	}
	if o := h.state("C-r0-1"); o.Replay != first.ID && o.Replay != second.ID {
		t.Errorf("the replay is not linked: %+v", o)
	}
}

func TestAReplayThatIsStoppedLosesNothing(t *testing.T) {
	storetest.Engines(t, testAReplayThatIsStoppedLosesNothing)
}

func testAReplayThatIsStoppedLosesNothing(t *testing.T, at storetest.Place) {
	n, refuses := refusing()
	h := newHouse(t, at, quick(), to(n))
	h.enqueue(uses("r", 450)...)
	stop := h.run(h.queue, nil)
	h.untilParked(450)
	stop()
	hold := make(chan struct{})
	n.script = func(ctx context.Context, _ ledger.ChangeID, _ int) (bool, error) {
		select {
		case <-hold:
			return true, nil
		case <-ctx.Done():
			return false, down()
		}
	}
	refuses.Store(false)
	p := h.replay(Filter{})
	h.run(h.queue, nil)
	until(t, "a chunk is armed", func() bool {
		r, err := h.queue.ReplayState(t.Context(), p.ID)
		return err == nil && r.Armed == chunk
	})
	turn := func(f func(context.Context, *store.Tx, string) error, id string) error {
		return store.WithTx(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error { return f(ctx, tx, id) })
	}
	if err := turn(h.queue.StopReplay, p.ID); err != nil {
		t.Fatal(err)
	}
	close(hold)
	until(t, "what was armed has ended", func() bool {
		r, err := h.queue.ReplayState(t.Context(), p.ID)
		return err == nil && r.Armed == 0
	})
	r, err := h.queue.ReplayState(t.Context(), p.ID)
	if err != nil || r.State != "stopped" || r.Delivered != chunk || r.Waiting != 250 {
		t.Errorf("stopped: %+v, %v", r, err)
	}
	if s, err := h.queue.Summary(t.Context()); err != nil || s.Parked != 250 {
		t.Errorf("parked: %+v, %v", s.Parked, err)
	}
	if err := turn(h.queue.ResumeReplay, p.ID); err != nil {
		t.Fatal(err)
	}
	if r := h.untilReplay(p.ID, "done"); r.Delivered != 450 {
		t.Errorf("resumed: %+v", r)
	}
	if err := turn(h.queue.StopReplay, p.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("stop what is done: %v", err)
	}
	if err := turn(h.queue.StopReplay, "R-none"); !fault.Is(err, fault.NotFound) {
		t.Errorf("stop what is not: %v", err)
	}
	if list, err := h.queue.Replays(t.Context(), 10); err != nil || len(list) != 1 || list[0].By != "2001" || list[0].Reason != "mended" {
		t.Errorf("replays: %+v, %v", list, err)
	}
}

func (h *house) discard(f Filter) Plan {
	h.t.Helper()
	var p Plan
	h.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		p, err = h.queue.Discard(ctx, tx, f, Mark{By: "2001", At: time.Now(), Reason: "told by phone"}, nil)
		return err
	})
	return p
}

func (h *house) undiscard(ids ...ledger.ChangeID) Plan {
	h.t.Helper()
	var p Plan
	h.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		p, err = h.queue.Undiscard(ctx, tx, ids, Mark{By: "2001", At: time.Now()}, nil)
		return err
	})
	return p
}

func TestDiscardIsAMarkThatCanBeUndone(t *testing.T) {
	storetest.Engines(t, testDiscardIsAMarkThatCanBeUndone)
}

func testDiscardIsAMarkThatCanBeUndone(t *testing.T, at storetest.Place) {
	n := newNeighbour()
	n.script = func(_ context.Context, id ledger.ChangeID, nth int) (bool, error) {
		if (id == "C-a-1" || id == "C-b-1") && nth == 1 {
			return false, refused()
		}
		return true, nil
	}
	h := newHouse(t, at, quick(), to(n))
	h.enqueue(use("a", 1), use("a", 2), use("b", 1))
	stop := h.run(h.queue, nil)
	h.untilParked(2)
	stop()

	p := h.discard(Filter{IDs: []ledger.ChangeID{"C-a-1", "C-b-1", "C-x-1"}})
	want := Plan{Can: 2, Cannot: 1, Why: []Reason{{whyNotFound, 1}}, Items: []PlanItem{
		{Change: "C-a-1", Destination: "address", Can: true}, {Change: "C-b-1", Destination: "address", Can: true},
		{Change: "C-x-1", Why: whyNotFound},
	}, Touched: []ledger.ChangeID{"C-a-1", "C-b-1"}}
	if diff := cmp.Diff(want, p, cmpopts.IgnoreFields(Plan{}, "At")); diff != "" {
		t.Errorf("discard (-want +got):\n%s", diff)
	}
	if o := h.state("C-b-1"); o.State != Discarded || o.Discarded.By != "2001" || o.Discarded.Reason != "told by phone" || o.Cause != CauseRejected {
		t.Errorf("discarded: %+v", o)
	}
	if o := h.state("C-a-2"); o.WaitsFor != "" {
		t.Errorf("its successor waits on: %+v", o)
	}
	// Both can be undone while nothing later went out.
	if p := h.undiscard("C-a-1"); p.Can != 1 {
		t.Errorf("undiscard: %+v", p)
	}
	if o := h.state("C-a-1"); o.State != Parked || o.Behind != 1 || o.Cause != CauseRejected {
		t.Errorf("put back: %+v", o)
	}
	if o := h.state("C-a-2"); o.WaitsFor != "C-a-1" {
		t.Errorf("its successor does not wait: %+v", o)
	}
	h.discard(Filter{State: Parked})
	h.run(h.queue, nil)
	h.untilState("C-a-2", Delivered)
	if p := h.undiscard("C-a-1", "C-a-2", "C-x-1"); p.Can != 0 || len(p.Why) != 3 || p.Items[0].Why != whyLater || p.Items[1].Why != "delivered" {
		t.Errorf("undiscard after a later one was delivered: %+v", p)
	}
	if p := h.undiscard("C-b-1"); p.Can != 1 {
		t.Errorf("undiscard: %+v", p)
	}
	h.replay(Filter{IDs: []ledger.ChangeID{"C-b-1"}})
	h.untilState("C-b-1", Delivered)
}

func TestWhatWasNeverSentIsDiscardedOnlyByItsName(t *testing.T) {
	storetest.Engines(t, testWhatWasNeverSentIsDiscardedOnlyByItsName)
}

func testWhatWasNeverSentIsDiscardedOnlyByItsName(t *testing.T, at storetest.Place) {
	h := newHouse(t, at, quick(), to(newNeighbour()))
	h.enqueue(use("a", 1), use("a", 2), use("a", 3))
	if p := h.discard(Filter{Record: "B-a"}); p.Can != 0 || len(p.Touched) != 0 {
		t.Errorf("by a filter: %+v", p)
	}
	if p := h.discard(Filter{IDs: []ledger.ChangeID{"C-a-2"}}); p.Can != 1 {
		t.Errorf("by its name: %+v", p)
	}
	if o := h.state("C-a-3"); o.WaitsFor != "C-a-1" {
		t.Errorf("the lane: %+v", o)
	}
	if p := h.undiscard("C-a-2"); p.Can != 1 {
		t.Errorf("undiscard: %+v", p)
	}
	if o := h.state("C-a-2"); o.WaitsFor != "C-a-1" || o.Behind != 1 || o.State != Pending {
		t.Errorf("put back: %+v", o)
	}
}

// What may have arrived is asked about before it is sent again, even where an operator
// replays everything.
func TestAReplayAsksFirstWhatMayHaveArrived(t *testing.T) {
	storetest.Engines(t, testAReplayAsksFirstWhatMayHaveArrived)
}

func testAReplayAsksFirstWhatMayHaveArrived(t *testing.T, at storetest.Place) {
	n := askable{newNeighbour()}
	n.script = func(_ context.Context, _ ledger.ChangeID, nth int) (bool, error) {
		if nth == 1 {
			return true, unsure()
		}
		return true, nil
	}
	n.confirm = func(ledger.ChangeID, int) error { return unsure() }
	h := newHouse(t, at, quick(), to(n))
	h.enqueue(use("a", 1), use("b", 1))
	h.run(h.queue, nil)
	h.untilParked(2)
	p := h.replay(Filter{})
	if r := h.untilReplay(p.ID, "done"); r.ParkedAgain != 2 {
		t.Errorf("replay: %+v", r)
	}
	if n.sends["C-a-1"] != 1 || n.asked["C-a-1"] != 2 {
		t.Errorf("sent %d times, asked %d", n.sends["C-a-1"], n.asked["C-a-1"])
	}
	// Somebody has looked at the neighbour and names it: it is sent.
	h.replay(Filter{IDs: []ledger.ChangeID{"C-b-1"}})
	h.untilState("C-b-1", Delivered)
	if n.sends["C-b-1"] != 2 || n.sends["C-a-1"] != 1 {
		t.Errorf("sent %v", n.sends)
	}
}

// Nobody can be asked whether these arrived. A replay of everything leaves them alone, and
// says so before; somebody who looked at the neighbour names the one that did not.
func TestAReplayByFilterSendsNothingThatMayHaveArrivedUnasked(t *testing.T) {
	storetest.Engines(t, testAReplayByFilterSendsNothingThatMayHaveArrivedUnasked)
}

func testAReplayByFilterSendsNothingThatMayHaveArrivedUnasked(t *testing.T, at storetest.Place) {
	n := newNeighbour()
	n.script = func(_ context.Context, id ledger.ChangeID, nth int) (bool, error) {
		switch {
		case nth > 1:
			return true, nil
		case id == "C-c-1":
			return false, refused()
		}
		return true, unsure()
	}
	h := newHouse(t, at, quick(), to(n))
	h.run(h.queue, nil)
	h.enqueue(use("a", 1), use("b", 1), use("c", 1))
	h.untilParked(3)
	want := []Reason{{whyByName, 2}}
	dry, err := h.queue.Plan(t.Context(), Filter{State: Parked})
	if diff := cmp.Diff(want, dry.Why); err != nil || dry.Can != 1 || diff != "" {
		t.Errorf("dry run: %+v, %v (-want +got):\n%s", dry, err, diff)
	}
	r := h.untilReplay(h.replay(Filter{State: Parked}).ID, "done")
	if diff := cmp.Diff(want, r.Why); r.Delivered != 1 || diff != "" {
		t.Errorf("replay: %+v (-want +got):\n%s", r, diff)
	}
	if o := h.state("C-a-1"); o.State != Parked || o.Question != QuestionArrived || n.took("C-a-1") != 1 {
		t.Errorf("took effect %d times: %+v", n.took("C-a-1"), o)
	}
	if dry, err := h.queue.Plan(t.Context(), Filter{IDs: []ledger.ChangeID{"C-b-1"}}); err != nil || dry.Can != 1 {
		t.Errorf("by its name: %+v, %v", dry, err)
	}
	h.replay(Filter{IDs: []ledger.ChangeID{"C-b-1"}})
	h.untilState("C-b-1", Delivered)
}

// A discard holds the writer as long as it lasts, so it is bounded.
func TestADiscardOfTooManyIsRefused(t *testing.T) {
	storetest.Engines(t, testADiscardOfTooManyIsRefused)
}

func testADiscardOfTooManyIsRefused(t *testing.T, at storetest.Place) {
	n, _ := refusing()
	cfg := quick()
	cfg.InFlight = 64
	h := newHouse(t, at, cfg, to(n))
	h.enqueue(uses("r", mostDiscarded+1)...)
	stop := h.run(h.queue, nil)
	h.untilParked(mostDiscarded + 1)
	stop()
	err := store.WithTx(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
		_, err := h.queue.Discard(ctx, tx, Filter{State: Parked}, Mark{By: "2001", At: time.Now()}, nil)
		return err
	})
	if !fault.Is(err, fault.Invalid) || fault.Code(err) != codeTooMany {
		t.Errorf("got %v", err)
	}
	h.discard(Filter{IDs: []ledger.ChangeID{"C-r0-1"}})
	p := h.discard(Filter{State: Parked})
	if p.Can != mostDiscarded || len(p.Touched) != mostDiscarded || len(p.Items) != shownOfAPlan {
		t.Errorf("can %d, touched %d, %d items", p.Can, len(p.Touched), len(p.Items))
	}
}

// What is parked anew after a set was frozen is none of it, however that came about; and
// beginning writes one row, however much is parked.
func TestWhatIsParkedAfterTheFreezeIsNoneOfIt(t *testing.T) {
	storetest.Engines(t, testWhatIsParkedAfterTheFreezeIsNoneOfIt)
}

func testWhatIsParkedAfterTheFreezeIsNoneOfIt(t *testing.T, at storetest.Place) {
	n, refuses := refusing()
	h := newHouse(t, at, quick(), to(n))
	h.enqueue(uses("r", 3)...)
	stop := h.run(h.queue, nil)
	h.untilParked(3)
	again := h.replay(Filter{IDs: []ledger.ChangeID{"C-r1-1"}})
	h.discard(Filter{IDs: []ledger.ChangeID{"C-r2-1"}})
	frozen, err := h.queue.Freeze(t.Context(), Filter{State: Parked})
	if err != nil {
		t.Fatal(err)
	}
	h.untilReplay(again.ID, "done")
	stop()
	h.undiscard("C-r2-1")
	var p Plan
	h.tx(func(ctx context.Context, tx *store.Tx) error {
		p, err = h.queue.BeginReplay(ctx, tx, frozen, Mark{By: "2001", At: time.Now(), Reason: "mended"})
		if err != nil {
			return err
		}
		items, err := tx.Number(ctx, `SELECT count(*) FROM outbox_replay_item WHERE replay = $1`, p.ID)
		if items != 0 {
			t.Errorf("beginning wrote %d items", items)
		}
		return err
	})
	refuses.Store(false)
	h.run(h.queue, nil)
	r := h.untilReplay(p.ID, "done")
	if r.Total != frozen.total || r.Delivered > r.Total || r.Delivered+r.Skipped != r.Total {
		t.Errorf("got %+v", r)
	}
	h.untilState("C-r0-1", Delivered)
	if o := h.state("C-r2-1"); o.State != Parked {
		t.Errorf("what was discarded while it was frozen: %+v", o)
	}
}
