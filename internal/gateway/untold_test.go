package gateway_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/storetest"
	"kakehashi/outbox"
)

// sibling registers another child of the same guardian.
func sibling(key string, child, guardian ledger.AtenaNumber) gateway.ApplyRequest {
	r := register(key, ledger.Party{Atena: guardian})
	r.Register.Child, r.Basis = child, ledger.Basis{Procedure: "registration", Purpose: "new", Reason: "counter"}
	return r
}

func (h *house) discard(ids ...ledger.ChangeID) {
	h.t.Helper()
	plan, err := h.Discard(h.t.Context(), operator, gateway.DiscardRequest{Filter: outbox.Filter{IDs: ids}, Reason: "確認中"})
	if err != nil || plan.Can != len(ids) {
		h.t.Fatalf("discard: %+v, %v", plan, err)
	}
}

// What was discarded was told to nobody: whoever the ledger knows is told of at the next
// occasion, and once only.
func TestDiscardedUseIsOwedAnewWithTheNextChild(t *testing.T) {
	storetest.Engines(t, testDiscardedUseIsOwedAnewWithTheNextChild)
}

func testDiscardedUseIsOwedAnewWithTheNextChild(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	first := h.apply(worker, sibling("key-1", "2000000001", mother))
	if n := len(h.apply(worker, sibling("key-2", "2000000002", mother)).Owed); n != 1 {
		t.Errorf("%d are owed for a sibling while the guardian's stands, want 1", n)
	}
	h.discard(first.Change.Nth(1))
	third := h.apply(worker, sibling("key-3", "2000000003", mother))
	if n := len(third.Owed); n != 2 {
		t.Fatalf("%d are owed for a sibling after the guardian's was discarded, want 2", n)
	}
	if n := len(h.apply(worker, sibling("key-4", "2000000004", mother)).Owed); n != 1 {
		t.Errorf("%d are owed for a sibling after the guardian's was owed anew, want 1", n)
	}
	if again := h.apply(worker, sibling("key-3", "2000000003", mother)); !again.Repeated || len(again.Owed) != 2 {
		t.Errorf("the same press again: %+v", again)
	}
	undo := func(id ledger.ChangeID) []outbox.Reason {
		t.Helper()
		plan, err := h.Undiscard(t.Context(), operator, []ledger.ChangeID{id}, "誤り")
		if err != nil {
			t.Fatal(err)
		}
		return plan.Why
	}
	want := []outbox.Reason{{Word: "owed_anew", Count: 1}}
	if diff := cmp.Diff(want, undo(first.Change.Nth(1))); diff != "" {
		t.Errorf("the undo of what was owed anew (-want +got):\n%s", diff)
	}
	h.discard(third.Change.Nth(1))
	if diff := cmp.Diff(want, undo(first.Change.Nth(1))); diff != "" {
		t.Errorf("the undo of the older of two (-want +got):\n%s", diff)
	}
	if why := undo(third.Change.Nth(1)); why != nil {
		t.Errorf("the undo of the newest: %v", why)
	}
}

// One whose discarding was undone stands again.
func TestUseIsNotOwedAnewAfterAnUndo(t *testing.T) {
	storetest.Engines(t, testUseIsNotOwedAnewAfterAnUndo)
}

func testUseIsNotOwedAnewAfterAnUndo(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	first := h.apply(worker, sibling("key-1", "2000000001", mother))
	h.discard(first.Change.Nth(1))
	if plan, err := h.Undiscard(t.Context(), operator, []ledger.ChangeID{first.Change.Nth(1)}, "誤り"); err != nil || plan.Can != 1 {
		t.Fatalf("%+v, %v", plan, err)
	}
	if n := len(h.apply(worker, sibling("key-2", "2000000002", mother)).Owed); n != 1 {
		t.Errorf("%d are owed for a sibling, want 1", n)
	}
}

// A child of whom was told already, as a guardian, is told of again only where that was
// discarded.
func TestDiscardedUseOfSomebodyKnownIsOwedAnew(t *testing.T) {
	storetest.Engines(t, testDiscardedUseOfSomebodyKnownIsOwedAnew)
}

func testDiscardedUseOfSomebodyKnownIsOwedAnew(t *testing.T, at storetest.Place) {
	for _, discarded := range []bool{false, true} {
		h := buildLedger(t, at, nil, nil)
		first := h.apply(worker, sibling("key-1", "2000000001", "2000000009"))
		want := 1
		if discarded {
			h.discard(first.Change.Nth(1))
			want = 2
		}
		if n := len(h.apply(worker, sibling("key-2", "2000000009", mother)).Owed); n != want {
			t.Errorf("discarded %t: %d are owed, want %d", discarded, n, want)
		}
	}
}

// Nobody is told twice of a guardian whose use is held for a number.
func TestHeldUseStands(t *testing.T) { storetest.Engines(t, testHeldUseStands) }

func testHeldUseStands(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	for i, key := range []string{"key-1", "key-2"} {
		r := sibling(key, []ledger.AtenaNumber{"2000000001", "2000000002"}[i], "")
		r.Register.Guardian = ledger.Party{Identity: elsewhere()}
		got := h.apply(worker, r)
		if len(got.Owed) != 2-i || len(got.Waiting) != 1-i {
			t.Errorf("%s: %d owed and %d wait", key, len(got.Owed), len(got.Waiting))
		}
	}
}
