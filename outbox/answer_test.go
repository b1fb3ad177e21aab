package outbox

import (
	"context"
	"kakehashi/internal/storetest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// answer gives an answer in a transaction of its own.
func (h *house) answer(a Arrival, receiver Receiver) (o Owed, err error) {
	err = store.WithTx(h.t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
		o, err = h.queue.Answer(ctx, tx, a, receiver)
		return err
	})
	return o, err
}

// doubtful is a house where C-a-1 is parked with the question, C-a-2 waits behind it, and
// C-b-1 was refused for good.
func doubtful(t *testing.T, at storetest.Place) (*house, *neighbour) {
	t.Helper()
	n := newNeighbour()
	n.script = func(_ context.Context, id ledger.ChangeID, _ int) (bool, error) {
		switch id {
		case "C-a-1":
			return true, unsure()
		case "C-b-1":
			return false, refused()
		}
		return true, nil
	}
	h := newHouse(t, at, quick(), to(n))
	h.enqueue(use("a", 1), use("a", 2), use("b", 1))
	h.run(h.queue, nil)
	h.untilParked(2)
	return h, n
}

func TestAnAnswerSettlesTheQuestion(t *testing.T) {
	storetest.Engines(t, testAnAnswerSettlesTheQuestion)
}

func testAnAnswerSettlesTheQuestion(t *testing.T, at storetest.Place) {
	h, n := doubtful(t, at)
	var heard []ledger.Receipt
	mark := Mark{By: "2001", At: time.Date(2026, 11, 24, 4, 0, 0, 0, time.UTC), Reason: "相手先の画面で確認"}
	receiver := ledgerOf(func(_ context.Context, _ *store.Tx, c ledger.Change, r ledger.Receipt) error {
		if diff := cmp.Diff(use("a", 1), c); diff != "" {
			t.Errorf("the change (-want +got):\n%s", diff)
		}
		heard = append(heard, r)
		return nil
	})
	o, err := h.answer(Arrival{Change: "C-a-1", Receipt: ledger.Receipt{Atena: "3000000001"}, Mark: mark}, receiver)
	if err != nil || o.State != Delivered || o.Question != "" || o.Cause != "" || o.Discarded != nil || !o.DeliveredAt.Equal(mark.At) {
		t.Fatalf("%+v, %v", o, err)
	}
	if diff := cmp.Diff(&mark, o.Answered); diff != "" || len(heard) != 1 || heard[0].Atena != "3000000001" {
		t.Errorf("heard %v; the mark (-want +got):\n%s", heard, diff)
	}
	if later := h.untilState("C-a-2", Delivered); later.Answered != nil {
		t.Errorf("nobody answered for %+v", later)
	}
	if n.took("C-a-1") != 1 || n.sends["C-a-1"] != 1 {
		t.Errorf("C-a-1 was sent %d times", n.sends["C-a-1"])
	}
}

func TestAnAnswerIsRefused(t *testing.T) { storetest.Engines(t, testAnAnswerIsRefused) }

func testAnAnswerIsRefused(t *testing.T, at storetest.Place) {
	h, _ := doubtful(t, at)
	h.untilState("C-b-1", Parked)
	taken := ledgerOf(func(context.Context, *store.Tx, ledger.Change, ledger.Receipt) error { return nil })
	no := ledgerOf(func(ctx context.Context, tx *store.Tx, _ ledger.Change, _ ledger.Receipt) error {
		if _, err := tx.Exec(ctx, `UPDATE outbox_owed SET cause = 'written'`); err != nil {
			return err
		}
		return fault.New(fault.Conflict, "another bears it").WithCode("KKH1315")
	})
	for name, c := range map[string]struct {
		a        Arrival
		receiver Receiver
		kind     fault.Kind
		code     string
	}{
		"behind another":      {Arrival{Change: "C-a-2"}, taken, fault.Conflict, codeNoQuestion},
		"refused for good":    {Arrival{Change: "C-b-1"}, taken, fault.Conflict, codeNoQuestion},
		"unknown":             {Arrival{Change: "C-c-1"}, taken, fault.NotFound, codeNoQuestion},
		"another destination": {Arrival{Change: "C-a-1", Destination: "tax"}, taken, fault.NotFound, codeNoQuestion},
		"by the ledger":       {Arrival{Change: "C-a-1"}, no, fault.Conflict, "KKH1315"},
	} {
		if _, err := h.answer(c.a, c.receiver); !fault.Is(err, c.kind) || fault.Code(err) != c.code {
			t.Errorf("%s: got %v, want %v %s", name, err, c.kind, c.code)
		}
	}
	waits := func(n int) {
		h.tx(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE outbox_owed SET waits = $1 WHERE seq = (SELECT min(seq) FROM outbox_owed)`, n)
			return err
		})
	}
	waits(1) // as where an earlier one was put back to be asked about
	if _, err := h.answer(Arrival{Change: "C-a-1"}, taken); !fault.Is(err, fault.Conflict) || fault.Find(err).Reason != whyBehind {
		t.Errorf("behind one that was put back: got %v", err)
	}
	waits(0)
	if o := h.state("C-a-1"); o.State != Parked || o.Question != QuestionArrived || o.Cause == "written" {
		t.Errorf("after refusals: %+v", o)
	}
	if _, err := h.answer(Arrival{Change: "C-a-1", Destination: "address"}, taken); err != nil {
		t.Fatal(err)
	}
	h.untilState("C-a-2", Delivered)
	for _, id := range []ledger.ChangeID{"C-a-1", "C-a-2"} {
		if _, err := h.answer(Arrival{Change: id}, taken); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s was delivered: got %v, want Conflict", id, err)
		}
	}
}

func TestAnAnswerNamesOneOfSeveral(t *testing.T) { storetest.Engines(t, testAnAnswerNamesOneOfSeveral) }

func testAnAnswerNamesOneOfSeveral(t *testing.T, at storetest.Place) {
	one, other := newNeighbour(), newNeighbour()
	one.script = func(context.Context, ledger.ChangeID, int) (bool, error) { return true, unsure() }
	other.script = one.script
	second := to(other)
	second.Destination = "tax"
	h := newHouse(t, at, quick(), to(one), second)
	h.enqueue(use("a", 1))
	h.run(h.queue, nil)
	h.untilParked(2)
	taken := ledgerOf(func(context.Context, *store.Tx, ledger.Change, ledger.Receipt) error { return nil })
	if _, err := h.answer(Arrival{Change: "C-a-1"}, taken); !fault.Is(err, fault.Invalid) || fault.Code(err) != codeWhichOne {
		t.Errorf("none is named: got %v", err)
	}
	o, err := h.answer(Arrival{Change: "C-a-1", Destination: "tax", Mark: Mark{By: "2001", At: time.Now()}}, taken)
	if err != nil || o.Destination != "tax" || o.State != Delivered {
		t.Errorf("%+v, %v", o, err)
	}
	if s, err := h.queue.Summary(t.Context()); err != nil || s.Parked != 1 {
		t.Errorf("%+v, %v; want the other still parked", s, err)
	}
}
