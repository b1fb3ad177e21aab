package gateway_test

import (
	"context"
	"fmt"
	"testing"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
)

// A change that cannot be written is told like a lookup that cannot be recorded: to the
// clerk it is the same trouble, and whoever watches must see it without a lookup.
func TestChangeOnAFullDiskIsTheRecordUnwritable(t *testing.T) {
	h := buildLedgerIn(t, file(t), nil, nil) // a size is a limit of SQLite alone
	stood := h.apply(worker, register("key-0", ledger.Party{Atena: mother}))
	if err := h.db.SetMaxSize(t.Context(), 1); err != nil { // no room for another page
		t.Fatal(err)
	}
	unwritable := func(what string, err error) {
		t.Helper()
		if !audit.IsUnwritable(err) || !fault.Is(err, fault.Unavailable) || fault.Code(err) != "KKH3101" {
			t.Errorf("%s: got %v, want the record unwritable", what, err)
		}
		if h.record.Writable() {
			t.Errorf("%s: the record is said to be writable", what)
		}
	}
	var last error
	for i := 0; last == nil && i < 2000; i++ { // what is left in the last pages is used up first
		_, last = h.Apply(t.Context(), worker, sibling(fmt.Sprint("key-", i+1), ledger.AtenaNumber(fmt.Sprintf("20000%05d", i)), mother))
	}
	unwritable("a registration", last)
	_, err := h.Apply(t.Context(), worker, sibling("key-x", "2000100000", mother))
	unwritable("another registration", err)
	if err := h.db.SetMaxSize(t.Context(), 1<<30); err != nil {
		t.Fatal(err)
	}
	h.await("the record is writable again, though nobody calls", h.record.Writable)
	if _, err := h.Apply(t.Context(), worker, sibling("key-x", "2000100000", mother)); err != nil {
		t.Errorf("with room again: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Apply(ctx, worker, move("key-y", stood)); err == nil || audit.IsUnwritable(err) || !h.record.Writable() {
		t.Errorf("of a caller who hung up: %v, writable %t", err, h.record.Writable())
	}
}

// An operator's discard, and a case, need the record as much.
func TestOtherChangesOnAFullDiskAreTheRecordUnwritable(t *testing.T) {
	h := buildLedgerIn(t, file(t), nil, nil) // a size is a limit of SQLite alone
	made := h.apply(worker, register("key-0", ledger.Party{Atena: mother}))
	discard := gateway.DiscardRequest{Reason: "x"}
	discard.Filter.IDs = []ledger.ChangeID{made.Change.Nth(1)}
	if err := h.db.SetMaxSize(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	var last error
	for i := 0; last == nil && i < 5000; i++ {
		c := ledger.Case{ID: ledger.CaseID(fmt.Sprint("K-", i+100)), Procedure: "registration", Persons: []ledger.AtenaNumber{child}}
		_, last = h.OpenCase(t.Context(), staff.Member{Client: "case-system"}, c)
	}
	if !audit.IsUnwritable(last) || h.record.Writable() {
		t.Errorf("a case: got %v, writable %t", last, h.record.Writable())
	}
	if _, err := h.Discard(t.Context(), operator, discard); !audit.IsUnwritable(err) || h.record.Writable() {
		t.Errorf("a discard: got %v, writable %t", err, h.record.Writable())
	}
}
