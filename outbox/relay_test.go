package outbox

import (
	"context"
	"fmt"
	"kakehashi/internal/storetest"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

func TestDeliversInOrderPerRecord(t *testing.T) { storetest.Engines(t, testDeliversInOrderPerRecord) }

func testDeliversInOrderPerRecord(t *testing.T, at storetest.Place) {
	n := newNeighbour()
	h := newHouse(t, at, quick(), to(n))
	var all []ledger.Change
	for v := 1; v <= 5; v++ {
		for r := range 20 {
			all = append(all, use(fmt.Sprint(r), v))
		}
	}
	h.enqueue(all...)
	h.run(h.queue, nil)
	until(t, "all are delivered", func() bool {
		s, err := h.queue.Summary(t.Context())
		return err == nil && s.Owed == 0
	})
	for r := range 20 {
		var got []ledger.ChangeID
		for _, id := range n.effects {
			if use(fmt.Sprint(r), 1).Record == ledger.BeneficiaryID("B-"+between(string(id))) {
				got = append(got, id)
			}
		}
		var want []ledger.ChangeID
		for v := 1; v <= 5; v++ {
			want = append(want, use(fmt.Sprint(r), v).ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("record %d (-want +got):\n%s", r, diff)
		}
	}
	if o := h.state("C-3-2"); o.State != Delivered || o.Attempts != 1 || o.DeliveredAt.IsZero() {
		t.Errorf("got %+v", o)
	}
}

// between gives the record in a change's ID.
func between(id string) string { return id[2 : len(id)-2] }

func TestACommitWakesTheRelay(t *testing.T) { storetest.Engines(t, testACommitWakesTheRelay) }

func testACommitWakesTheRelay(t *testing.T, at storetest.Place) {
	n := newNeighbour()
	h := newHouse(t, at, quick(), to(n))
	h.run(h.queue, nil)
	h.enqueue(use("a", 1))
	h.untilState("C-a-1", Delivered)
	for i := range 10 {
		began := time.Now()
		c := use(fmt.Sprintf("w%d", i), 1)
		h.enqueue(c)
		until(t, "it arrives", func() bool { return n.took(c.ID) == 1 })
		if took := time.Since(began); took > poll/2 {
			t.Errorf("delivery %d took %v, as long as a poll", i, took)
		}
	}
}

func TestWhatDoesNotArriveIsTriedAgain(t *testing.T) {
	storetest.Engines(t, testWhatDoesNotArriveIsTriedAgain)
}

func testWhatDoesNotArriveIsTriedAgain(t *testing.T, at storetest.Place) {
	n := newNeighbour()
	n.script = func(_ context.Context, _ ledger.ChangeID, nth int) (bool, error) {
		if nth < 6 {
			return false, down()
		}
		return true, nil
	}
	h := newHouse(t, at, quick(), to(n))
	h.enqueue(use("a", 1))
	h.run(h.queue, nil)
	o := h.untilState("C-a-1", Delivered)
	if o.Attempts != 6 || n.took("C-a-1") != 1 {
		t.Errorf("attempts %d, effects %d; want 6 and 1", o.Attempts, n.took("C-a-1"))
	}
	if diff := cmp.Diff([]string{"again", "again", "again", "again", "again", "delivered"}, h.outcomes("C-a-1")); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
}

func TestWhatIsRefusedIsParkedAndHoldsItsRecord(t *testing.T) {
	storetest.Engines(t, testWhatIsRefusedIsParkedAndHoldsItsRecord)
}

func testWhatIsRefusedIsParkedAndHoldsItsRecord(t *testing.T, at storetest.Place) {
	n := newNeighbour()
	n.script = func(_ context.Context, id ledger.ChangeID, _ int) (bool, error) {
		if id == "C-a-1" {
			return false, refused()
		}
		return true, nil
	}
	h := newHouse(t, at, quick(), to(n))
	h.enqueue(use("a", 1), use("a", 2), use("b", 1))
	h.run(h.queue, nil)
	got := h.untilState("C-a-1", Parked)
	h.untilState("C-b-1", Delivered)
	want := Owed{
		Change: "C-a-1", Destination: "address", Record: "B-a", Kind: ledger.PersonUse, Version: 1, State: Parked, Attempts: 1,
		Cause: CauseRejected, Code: "KKH2115", Detail: "E0004", Behind: 1, EnqueuedAt: got.EnqueuedAt, LastAt: got.LastAt,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parked (-want +got):\n%s", diff)
	}
	if o := h.state("C-a-2"); o.State != Pending || o.WaitsFor != "C-a-1" || o.Attempts != 0 {
		t.Errorf("its successor: got %+v", o)
	}
	s, err := h.queue.Summary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	group := []Group{{Destination: "address", State: Parked, Cause: CauseRejected, Code: "KKH2115", Count: 1, Behind: 1, Oldest: got.EnqueuedAt}}
	if diff := cmp.Diff(group, s.Groups); diff != "" || s.Owed != 2 || s.Parked != 1 || s.Waiting != 1 {
		t.Errorf("summary %+v (-want +got):\n%s", s, diff)
	}
}

func TestAnUnknownOutcomeIsAskedAbout(t *testing.T) {
	storetest.Engines(t, testAnUnknownOutcomeIsAskedAbout)
}

func testAnUnknownOutcomeIsAskedAbout(t *testing.T, at storetest.Place) {
	for _, arrived := range []bool{true, false} {
		t.Run(fmt.Sprintf("arrived=%v", arrived), func(t *testing.T) {
			n := askable{newNeighbour()}
			n.script = func(_ context.Context, _ ledger.ChangeID, nth int) (bool, error) {
				if nth == 1 {
					return arrived, unsure()
				}
				return true, nil
			}
			h := newHouse(t, at, quick(), to(n))
			h.enqueue(use("a", 1))
			h.run(h.queue, nil)
			h.untilState("C-a-1", Delivered)
			want := []string{"unsure", "asked:delivered"}
			if !arrived {
				want = []string{"unsure", "asked:again", "delivered"}
			}
			if diff := cmp.Diff(want, h.outcomes("C-a-1")); diff != "" || n.took("C-a-1") != 1 {
				t.Errorf("took effect %d times; attempts (-want +got):\n%s", n.took("C-a-1"), diff)
			}
			attempts, err := h.queue.Attempts(t.Context(), "C-a-1")
			if err != nil {
				t.Fatal(err)
			}
			if waited := attempts[1].At.Sub(attempts[0].At); waited < quick().Settle {
				t.Errorf("the neighbour was asked after %v, before it could have settled", waited)
			}
		})
	}
}

func TestAnUnknownOutcomeThatNobodyCanTellIsParkedWithTheQuestion(t *testing.T) {
	storetest.Engines(t, testAnUnknownOutcomeThatNobodyCanTellIsParkedWithTheQuestion)
}

func testAnUnknownOutcomeThatNobodyCanTellIsParkedWithTheQuestion(t *testing.T, at storetest.Place) {
	lose := func(context.Context, ledger.ChangeID, int) (bool, error) { return true, unsure() }
	mute, vague := newNeighbour(), newNeighbour()
	mute.script, vague.script = lose, lose
	vague.confirm = func(ledger.ChangeID, int) error { return unsure() }
	for name, c := range map[string]struct {
		to   Destination
		code string // what it says of why: the neighbour's adapter knows best
	}{"cannot be asked": {mute, codeQuestion}, "cannot tell": {askable{vague}, fault.Code(unsure())}} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, at, quick(), to(c.to))
			h.enqueue(use("a", 1), use("a", 2))
			h.run(h.queue, nil)
			o := h.untilState("C-a-1", Parked)
			if o.Question != QuestionArrived || o.Cause != CauseUnsure || o.Attempts != 1 || o.Code != c.code {
				t.Errorf("got %+v", o)
			}
			if name != "cannot tell" {
				return
			}
			// It answered, though it could not tell: it is not to be shown as stopped.
			until(t, "the destination is told again", func() bool {
				s, err := h.queue.Summary(t.Context())
				return err == nil && s.Destinations[0].Open
			})
		})
	}
}

func TestAKeyThatTakesEffectOnceIsRepeated(t *testing.T) {
	storetest.Engines(t, testAKeyThatTakesEffectOnceIsRepeated)
}

func testAKeyThatTakesEffectOnceIsRepeated(t *testing.T, at storetest.Place) {
	n := newNeighbour()
	n.script = func(_ context.Context, _ ledger.ChangeID, nth int) (bool, error) {
		if nth < 3 {
			return nth == 1, unsure()
		}
		return false, nil
	}
	r := to(n)
	r.Keys = true
	h := newHouse(t, at, quick(), r)
	h.enqueue(use("a", 1))
	h.run(h.queue, nil)
	h.untilState("C-a-1", Delivered)
	if diff := cmp.Diff([]string{"unsure", "unsure", "delivered"}, h.outcomes("C-a-1")); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
}

func TestARepeatThatIsAnotherLetterIsParked(t *testing.T) {
	storetest.Engines(t, testARepeatThatIsAnotherLetterIsParked)
}

func testARepeatThatIsAnotherLetterIsParked(t *testing.T, at storetest.Place) {
	n := newNeighbour()
	made := 0
	n.prepare = func(ledger.Change) ([]byte, error) { made++; return []byte{byte(made)}, nil }
	n.script = func(context.Context, ledger.ChangeID, int) (bool, error) { return true, unsure() }
	r := to(n)
	r.Keys = true
	h := newHouse(t, at, quick(), r)
	h.enqueue(use("a", 1))
	h.run(h.queue, nil)
	if o := h.untilState("C-a-1", Parked); o.Cause != CauseLetter || o.Question != QuestionArrived || n.sends["C-a-1"] != 1 {
		t.Errorf("got %+v after %d deliveries", o, n.sends["C-a-1"])
	}
}

func TestTriesRunOut(t *testing.T) { storetest.Engines(t, testTriesRunOut) }

func testTriesRunOut(t *testing.T, at storetest.Place) {
	n := askable{newNeighbour()}
	n.script = func(context.Context, ledger.ChangeID, int) (bool, error) { return false, unsure() }
	h := newHouse(t, at, quick(), to(n))
	h.enqueue(use("a", 1))
	h.run(h.queue, nil)
	if o := h.untilState("C-a-1", Parked); o.Cause != CauseTries || o.Attempts != quick().Tries {
		t.Errorf("got %+v", o)
	}
}

func TestAReceiptThatTheLedgerRefusesParksThatChangeAlone(t *testing.T) {
	storetest.Engines(t, testAReceiptThatTheLedgerRefusesParksThatChangeAlone)
}

func testAReceiptThatTheLedgerRefusesParksThatChangeAlone(t *testing.T, at storetest.Place) {
	n := newNeighbour()
	h := newHouse(t, at, quick(), to(n))
	refuse := true
	var received []ledger.ChangeID
	receiver := ledgerOf(func(_ context.Context, _ *store.Tx, c ledger.Change, _ ledger.Receipt) error {
		if c.ID == "C-b-1" && refuse {
			return fault.New(fault.Conflict, "another bears that number").WithCode("KKH1315")
		}
		received = append(received, c.ID)
		return nil
	})
	h.enqueue(use("a", 1), use("b", 1), use("b", 2), use("c", 1))
	stop := h.run(h.queue, receiver)
	o := h.untilState("C-b-1", Parked)
	h.untilState("C-a-1", Delivered)
	h.untilState("C-c-1", Delivered)
	if o.Cause != CauseReceiver || o.Code != "KKH1315" || o.Question != "" {
		t.Errorf("got %+v", o)
	}
	stop()
	refuse = false
	h.run(h.queue, receiver)
	h.replay(Filter{})
	h.untilState("C-b-1", Delivered)
	h.untilState("C-b-2", Delivered)
	if n.sends["C-b-1"] != 1 || !slices.Contains(received, "C-b-1") {
		t.Errorf("sent %d times, received %v; the receipt alone should have been taken", n.sends["C-b-1"], received)
	}
}

func (h *house) replay(f Filter) Plan {
	h.t.Helper()
	var p Plan
	frozen, err := h.queue.Freeze(h.t.Context(), f)
	if err != nil {
		h.t.Fatal(err)
	}
	h.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		p, err = h.queue.BeginReplay(ctx, tx, frozen, Mark{By: "2001", At: time.Now(), Reason: "mended"})
		return err
	})
	return p
}

// Of every four changes taken up three are the oldest that are due and one is the newest.
func TestTheNewestAreNotStarved(t *testing.T) { storetest.Engines(t, testTheNewestAreNotStarved) }

func testTheNewestAreNotStarved(t *testing.T, at storetest.Place) {
	h := newHouse(t, at, quick(), to(newNeighbour()))
	for _, c := range uses("r", 20) {
		h.enqueue(c)
	}
	r := newRelay(t.Context(), h.queue, nil)
	rows, err := r.due(t.Context(), r.lines[0], 8)
	if err != nil {
		t.Fatal(err)
	}
	var got []ledger.ChangeID
	for _, row := range rows {
		got = append(got, row.change)
	}
	want := []ledger.ChangeID{"C-r0-1", "C-r1-1", "C-r2-1", "C-r3-1", "C-r4-1", "C-r5-1", "C-r19-1", "C-r18-1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("taken up (-want +got):\n%s", diff)
	}
}
