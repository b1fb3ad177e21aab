package ledgerdb_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/ledgerdb"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

var at = time.Date(2026, 11, 24, 1, 2, 3, 456000000, time.UTC)

func in(t *testing.T, db *store.DB, f func(context.Context, *store.Tx) error) {
	t.Helper()
	if err := store.WithTx(t.Context(), db, f); err != nil {
		t.Fatal(err)
	}
}

func identity() ledger.Identity {
	return ledger.Identity{
		Name: "架空　花子", Kana: "カクウ　ハナコ", BirthDate: ledger.Date{Year: 1990, Month: 5, Day: 3}, Sex: "女", Address: "別市架空町1",
	}
}

// add keeps a beneficiary of a child with a number and a guardian without one.
func add(ctx context.Context, tx *store.Tx, child ledger.AtenaNumber) (ledger.Beneficiary, error) {
	c, err := ledgerdb.AddPerson(ctx, tx, ledger.Party{Atena: child})
	if err != nil {
		return ledger.Beneficiary{}, err
	}
	g, known, err := ledgerdb.FindParty(ctx, tx, ledger.Party{Identity: identity()})
	if err == nil && !known {
		g, err = ledgerdb.AddPerson(ctx, tx, ledger.Party{Identity: identity()})
	}
	if err != nil {
		return ledger.Beneficiary{}, err
	}
	number, err := ledgerdb.NextNumber(ctx, tx)
	if err != nil {
		return ledger.Beneficiary{}, err
	}
	b := ledger.Beneficiary{
		ID: ledgerdb.NewBeneficiaryID(), Number: number, Child: c, Guardian: g, AppliedOn: ledger.Date{Year: 2026, Month: 11, Day: 24},
		From: ledger.Date{Year: 2026, Month: 11, Day: 24}, Version: 1, ChangedAt: at, ChangedBy: "1001",
	}
	return b, ledgerdb.AddBeneficiary(ctx, tx, b)
}

func TestBeneficiaryIsReadAsItWasKept(t *testing.T) {
	storetest.Engines(t, testBeneficiaryIsReadAsItWasKept)
}

func testBeneficiaryIsReadAsItWasKept(t *testing.T, place storetest.Place) {
	db := place.Open(t)
	in(t, db, func(ctx context.Context, tx *store.Tx) error {
		b, err := add(ctx, tx, "1")
		if err != nil {
			return err
		}
		for version := 2; version <= 3; version++ {
			b.Version, b.ChangedBy = version, "1002"
			b.Mailing = &ledger.MailingAddress{Name: "名", PostalCode: "1234567", Address: "町", Extra: "棟", From: ledger.Date{Year: 2026, Month: 12, Day: version}}
			if err := ledgerdb.SaveMailing(ctx, tx, b, "C-1"); err != nil {
				return err
			}
		}
		got, found, err := ledgerdb.BeneficiaryOf(ctx, tx, b.ID)
		if err != nil || !found {
			t.Fatalf("got %v, %v", found, err)
		}
		if diff := cmp.Diff(b, got); diff != "" {
			t.Errorf("beneficiary (-kept +read):\n%s", diff)
		}
		if err := ledgerdb.SaveMailing(ctx, tx, b, "C-1"); !fault.Is(err, fault.Conflict) {
			t.Errorf("the same version again: got %v, want Conflict", err)
		}
		if _, found, err := ledgerdb.BeneficiaryOf(ctx, tx, "B-none"); found || err != nil {
			t.Errorf("one that never was: got %v, %v", found, err)
		}
		return nil
	})
}

func TestPersonIsFoundByNumberAndByIdentity(t *testing.T) {
	storetest.Engines(t, testPersonIsFoundByNumberAndByIdentity)
}

func testPersonIsFoundByNumberAndByIdentity(t *testing.T, place storetest.Place) {
	db := place.Open(t)
	in(t, db, func(ctx context.Context, tx *store.Tx) error {
		b, err := add(ctx, tx, "1")
		if err != nil {
			return err
		}
		if err := ledgerdb.GiveNumber(ctx, tx, b.Guardian.ID, "2"); err != nil {
			return err
		}
		if err := ledgerdb.GiveNumber(ctx, tx, b.Guardian.ID, "3"); !fault.Is(err, fault.Internal) {
			t.Errorf("a second number: got %v, want Internal", err)
		}
		want := b.Guardian
		want.Atena = "2"
		for _, p := range []ledger.Party{{Atena: "2"}, {Identity: identity()}} {
			got, found, err := ledgerdb.FindParty(ctx, tx, p)
			if diff := cmp.Diff(want, got); diff != "" || !found || err != nil {
				t.Errorf("by %+v: %v, %v (-want +got):\n%s", p, found, err, diff)
			}
		}
		if _, err := ledgerdb.AddPerson(ctx, tx, ledger.Party{Atena: "2"}); !fault.Is(err, fault.Conflict) {
			t.Errorf("a number twice: got %v, want Conflict", err)
		}
		return nil
	})
}

func TestNumbersRunAndBearACheckDigit(t *testing.T) {
	storetest.Engines(t, testNumbersRunAndBearACheckDigit)
}

func testNumbersRunAndBearACheckDigit(t *testing.T, place storetest.Place) {
	db := place.Open(t)
	in(t, db, func(ctx context.Context, tx *store.Tx) error {
		for _, want := range []ledger.BeneficiaryNumber{"0000018", "0000026", "0000034", "0000042", "0000059"} {
			if got, err := ledgerdb.NextNumber(ctx, tx); err != nil || got != want {
				t.Errorf("got %s, %v; want %s", got, err, want)
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE ledger_counter SET value = 999998`); err != nil {
			return err
		}
		if got, err := ledgerdb.NextNumber(ctx, tx); err != nil || !strings.HasPrefix(string(got), "999999") {
			t.Errorf("the last: got %s, %v", got, err)
		}
		if _, err := ledgerdb.NextNumber(ctx, tx); fault.Code(err) != "KKH1318" {
			t.Errorf("past the last: got %v, want KKH1318", err)
		}
		return nil
	})
}

func TestCommandIsBegunOnce(t *testing.T) { storetest.Engines(t, testCommandIsBegunOnce) }

func testCommandIsBegunOnce(t *testing.T, place storetest.Place) {
	db := place.Open(t)
	first := ledgerdb.Command{ID: "C-1", Body: "digest", By: "1001", At: at, Kind: "registration", Beneficiary: "B-1", Version: 1}
	in(t, db, func(ctx context.Context, tx *store.Tx) error {
		if _, again, err := ledgerdb.Begin(ctx, tx, first); again || err != nil {
			t.Errorf("the first: %v, %v", again, err)
		}
		return ledgerdb.Finish(ctx, tx, "C-1", 3)
	})
	in(t, db, func(ctx context.Context, tx *store.Tx) error {
		got, again, err := ledgerdb.Begin(ctx, tx, ledgerdb.Command{ID: "C-1", Body: "other", By: "1002", At: at.Add(1)})
		if !again || err != nil {
			t.Errorf("the second: %v, %v", again, err)
		}
		want := first
		want.Changes = 3
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the command (-want +got):\n%s", diff)
		}
		return nil
	})
}

func TestHeldChangesAreReleasedInOrder(t *testing.T) {
	storetest.Engines(t, testHeldChangesAreReleasedInOrder)
}

func testHeldChangesAreReleasedInOrder(t *testing.T, place storetest.Place) {
	db := place.Open(t)
	in(t, db, func(ctx context.Context, tx *store.Tx) error {
		b, err := add(ctx, tx, "1")
		if err != nil {
			return err
		}
		sibling, err := add(ctx, tx, "2")
		if err != nil {
			return err
		}
		use := ledger.Change{ID: "C-1.2", Kind: ledger.PersonUse, Record: b.ID, Version: 1, Person: b.Guardian.ID, Number: b.Number, Operator: "1001", At: at}
		b.Version, b.Mailing = 2, &ledger.MailingAddress{Name: "名", PostalCode: "1234567", Address: "町", Extra: "棟", From: ledger.Date{Year: 2026, Month: 12, Day: 1}}
		if err := ledgerdb.SaveMailing(ctx, tx, b, "C-2"); err != nil {
			return err
		}
		moved := use
		moved.ID, moved.Kind, moved.Version, moved.Mailing = "C-2", ledger.MailingChange, 2, *b.Mailing
		other := use
		other.ID, other.Record, other.Number = "C-0", sibling.ID, sibling.Number
		for _, c := range []ledger.Change{use, moved, other} {
			if err := ledgerdb.Hold(ctx, tx, []ledger.Change{c}); err != nil {
				return err
			}
		}
		held, err := ledgerdb.HeldOf(ctx, tx, b.ID)
		if diff := cmp.Diff([]ledgerdb.Held{{Change: "C-1.2", Kind: ledger.PersonUse}, {Change: "C-2", Kind: ledger.MailingChange}}, held); diff != "" || err != nil {
			t.Errorf("held of one record: %v (-want +got):\n%s", err, diff)
		}
		if nobodys, err := ledgerdb.Release(ctx, tx, b.Child.ID, "9"); err != nil || nobodys != nil {
			t.Errorf("released for somebody else: %v, %v", nobodys, err)
		}
		got, err := ledgerdb.Release(ctx, tx, b.Guardian.ID, "9")
		use.Atena, moved.Atena, other.Atena = "9", "9", "9"
		if diff := cmp.Diff([]ledger.Change{use, moved, other}, got); diff != "" || err != nil {
			t.Errorf("released: %v (-want +got):\n%s", err, diff)
		}
		if again, err := ledgerdb.Release(ctx, tx, b.Guardian.ID, "9"); err != nil || len(again) != 0 {
			t.Errorf("released twice: %v, %v", again, err)
		}
		return nil
	})
}
