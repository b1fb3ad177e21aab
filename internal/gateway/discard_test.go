package gateway_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/storetest"
	"kakehashi/outbox"
)

// strandedFamilies registers families with the same guardian, whose numbering is refused.
func strandedFamilies(t *testing.T, at storetest.Place) (h *house, numbering ledger.ChangeID) {
	t.Helper()
	h = buildLedger(t, at, nil, neighbour{send: func(l ledger.Letter) (ledger.Receipt, error) {
		if l.Call == string(ledger.Numbering) {
			return ledger.Receipt{}, fault.New(fault.Rejected, "no").WithCode("KKH2113").WithReason("rejected")
		}
		return ledger.Receipt{}, nil
	}})
	h.relay()
	var first gateway.ApplyResult
	for i := range 2 {
		r := register(fmt.Sprintf("key-%d", i), ledger.Party{Identity: elsewhere()})
		r.Register.Child = ledger.AtenaNumber(fmt.Sprintf("20000000%02d", i))
		r.Basis = ledger.Basis{Procedure: "registration", Purpose: "new", Reason: "counter"}
		if made := h.apply(worker, r); i == 0 {
			first = made
		}
	}
	h.await("the numbering alone is owed, and parked", func() bool {
		s := h.summary()
		return s.Owed == 1 && s.Parked == 1
	})
	return h, first.Change.Nth(1)
}

// A numbering that is discarded while changes wait for its number would leave them waiting
// for ever, and nobody would be told.
func TestNumberingThatOthersWaitForIsNotDiscarded(t *testing.T) {
	storetest.Engines(t, testNumberingThatOthersWaitForIsNotDiscarded)
}

func testNumberingThatOthersWaitForIsNotDiscarded(t *testing.T, at storetest.Place) {
	h, numbering := strandedFamilies(t, at)
	for name, f := range map[string]outbox.Filter{
		"by name": {IDs: []ledger.ChangeID{numbering}}, "by condition": {Cause: "rejected"}, "everything": {},
	} {
		for _, dry := range []bool{true, false} {
			plan, err := h.Discard(t.Context(), operator, gateway.DiscardRequest{Filter: f, Reason: "相手先が断ったため", DryRun: dry})
			if err != nil || plan.Can != 0 || plan.Cannot != 1 {
				t.Errorf("%s, dry %t: %+v, %v", name, dry, plan, err)
			}
			if diff := cmp.Diff([]outbox.Reason{{Word: "others_wait", Count: 1}}, plan.Why); diff != "" {
				t.Errorf("%s, dry %t: why (-want +got):\n%s", name, dry, diff)
			}
			if len(plan.Items) != 1 || plan.Items[0].Can || plan.Items[0].Why != "others_wait" {
				t.Errorf("%s, dry %t: the items: %+v", name, dry, plan.Items)
			}
		}
	}
	if s := h.summary(); s.Parked != 1 {
		t.Errorf("%d are parked, want the numbering", s.Parked)
	}
	page, err := h.Owed(t.Context(), operator, outbox.Filter{})
	if err != nil || page.Held != 1 || page.Summary.Owed != 1 {
		t.Errorf("%d wait for a number and %d are owed (%v), want 1 and 1", page.Held, page.Summary.Owed, err)
	}
}

// One that was never sent, because it waits behind another, is needed as much.
func TestNumberingThatWaitsIsNotDiscardedEither(t *testing.T) {
	storetest.Engines(t, testNumberingThatWaitsIsNotDiscardedEither)
}

func testNumberingThatWaitsIsNotDiscardedEither(t *testing.T, at storetest.Place) {
	h, _, families := parkedFamilies(t, at, 1)
	ids := []ledger.ChangeID{families[0].Change, families[0].Change.Nth(1)}
	r := gateway.DiscardRequest{Filter: outbox.Filter{IDs: ids}, Reason: "相手先で入力済み"}
	plan, err := h.Discard(t.Context(), operator, r)
	if diff := cmp.Diff([]outbox.Reason{{Word: "others_wait", Count: 1}}, plan.Why); diff != "" || err != nil || plan.Can != 1 {
		t.Errorf("%+v, %v (-want +got):\n%s", plan, err, diff)
	}
}

// Page after page of a list sums nothing up again.
func TestLaterPagesHaveNoSummary(t *testing.T) { storetest.Engines(t, testLaterPagesHaveNoSummary) }

func testLaterPagesHaveNoSummary(t *testing.T, at storetest.Place) {
	h, _, _ := parkedFamilies(t, at, 2)
	first, err := h.Owed(t.Context(), operator, outbox.Filter{Limit: 1})
	if err != nil || !first.Summed || first.Summary.Parked != 2 || first.Next == "" {
		t.Fatalf("the first page: %+v, %v", first, err)
	}
	second, err := h.Owed(t.Context(), operator, outbox.Filter{Limit: 1, Cursor: first.Next})
	if err != nil || second.Summed || second.Summary.Owed != 0 || second.Held != 0 || len(second.Changes) != 1 {
		t.Errorf("the second page: %+v, %v", second, err)
	}
	s, err := h.OwedSummary(t.Context(), operator)
	if err != nil || s.Parked != 2 {
		t.Errorf("the summary alone: %+v, %v", s, err)
	}
	for _, cursor := range []string{"-1", "0", "x!", "zzzzzzzzzzzzzzzzzzzz"} {
		_, err := h.Owed(t.Context(), operator, outbox.Filter{Cursor: cursor})
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("the cursor %s: got %v, want Invalid", cursor, err)
		}
	}
}
