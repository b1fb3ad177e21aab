package gateway_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
	"kakehashi/outbox"
)

// A discard by condition of more changes than one entry names leaves each of them named.
func TestTheRecordNamesAllThatADiscardTouched(t *testing.T) {
	storetest.Engines(t, testTheRecordNamesAllThatADiscardTouched)
}

func testTheRecordNamesAllThatADiscardTouched(t *testing.T, at storetest.Place) {
	const n = 450
	h := buildLedger(t, at, nil, neighbour{send: func(ledger.Letter) (ledger.Receipt, error) {
		return ledger.Receipt{}, fault.New(fault.Rejected, "no").WithReason("rejected")
	}})
	var want []string
	changes := make([]ledger.Change, n)
	for i := range changes {
		id := fmt.Sprintf("C-%026d", i)
		want = append(want, id)
		changes[i] = ledger.Change{ID: ledger.ChangeID(id), Kind: ledger.PersonUse, Record: ledger.BeneficiaryID(fmt.Sprintf("B-%d", i)), Version: 1}
	}
	err := store.WithTx(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
		_, err := h.queue.Enqueue(ctx, tx, changes...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	h.relay()
	h.await("all are parked", func() bool { return h.summary().Parked == n })
	plan, err := h.Discard(t.Context(), operator, gateway.DiscardRequest{Filter: outbox.Filter{Cause: "rejected"}, Reason: "相手先で入力済み", Count: n})
	if err != nil || plan.Can != n {
		t.Fatalf("the discard: can %d, %v", plan.Can, err)
	}
	var named []string
	count := 0
	found, _, err := h.record.Search(t.Context(), audit.Filter{Kind: audit.Change, Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range found {
		if r.Entry.Act == "discard" && r.Entry.Detail["reason"] == "相手先で入力済み" {
			named = append(named, strings.Fields(r.Entry.Detail["changes"])...)
			count += r.Entry.Count
		}
	}
	slices.Sort(named)
	if count != n || !slices.Equal(named, want) {
		t.Errorf("%d are counted and %d named, want %d of each", count, len(named), n)
	}
}
