package ledgerdb_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/ledgerdb"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

func TestCaseOpensOnceAndCloses(t *testing.T) { storetest.Engines(t, testCaseOpensOnceAndCloses) }

func testCaseOpensOnceAndCloses(t *testing.T, place storetest.Place) {
	db := place.Open(t)
	now := time.Date(2026, 11, 24, 1, 2, 3, 0, time.UTC)
	c := ledger.Case{ID: "K-1", Procedure: "registration", Persons: []ledger.AtenaNumber{"2", "1", "2"}}
	open := func(c ledger.Case) (opened bool, err error) {
		err = store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
			opened, err = ledgerdb.OpenCase(ctx, tx, c, "case-system", now)
			return err
		})
		return opened, err
	}
	read := func() (ledger.Case, bool) {
		c, found, err := ledgerdb.FindCase(t.Context(), db, "K-1")
		if err != nil {
			t.Fatal(err)
		}
		return c, found
	}

	if _, found := read(); found {
		t.Fatal("a case that nobody opened was found")
	}
	if opened, err := open(c); err != nil || !opened {
		t.Fatalf("open: got %v, %v", opened, err)
	}
	if opened, err := open(c); err != nil || opened {
		t.Errorf("the same again: got %v, %v; want false and no error", opened, err)
	}
	other := c
	other.Persons = []ledger.AtenaNumber{"1"}
	if _, err := open(other); !fault.Is(err, fault.Conflict) {
		t.Errorf("other persons: got %v, want Conflict", err)
	}
	other = c
	other.Procedure = "payment"
	if _, err := open(other); !fault.Is(err, fault.Conflict) {
		t.Errorf("other procedure: got %v, want Conflict", err)
	}
	got, _ := read()
	want := ledger.Case{ID: "K-1", Procedure: "registration", Persons: []ledger.AtenaNumber{"1", "2"}, Open: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("case (-want +got):\n%s", diff)
	}

	closeCase := func(id ledger.CaseID) error {
		return store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
			return ledgerdb.CloseCase(ctx, tx, id, now)
		})
	}
	for range 2 {
		if err := closeCase("K-1"); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if got, _ := read(); got.Open {
		t.Error("a closed case is open")
	}
	if err := closeCase("K-9"); !fault.Is(err, fault.NotFound) {
		t.Errorf("close what never was: got %v, want NotFound", err)
	}
	if _, err := open(c); !fault.Is(err, fault.Conflict) {
		t.Errorf("open a closed one: got %v, want Conflict", err)
	}
}
