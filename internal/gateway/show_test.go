package gateway_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// withMailing registers the child of a guardian from elsewhere and moves the letters.
func withMailing(h *house) gateway.ApplyResult {
	h.t.Helper()
	r := h.apply(worker, register("key-1", ledger.Party{Identity: elsewhere()}))
	h.apply(worker, move("key-2", r))
	return r
}

func TestShowWithoutABasisNamesNobody(t *testing.T) {
	storetest.Engines(t, testShowWithoutABasisNamesNobody)
}

func testShowWithoutABasisNamesNobody(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, shield(func(context.Context, []ledger.AtenaNumber) (ledger.Protected, error) {
		t.Error("somebody was asked about")
		return nil, nil
	}), nil)
	r := withMailing(h)
	got, err := h.Show(t.Context(), worker, r.Beneficiary, ledger.Basis{})
	if err != nil {
		t.Fatal(err)
	}
	want := ledger.Beneficiary{
		ID: r.Beneficiary, Number: r.Number, Version: 2, ChangedAt: now.UTC(), ChangedBy: "1001",
		AppliedOn: ledger.Date{Year: 2026, Month: 11, Day: 24}, From: ledger.Date{Year: 2026, Month: 11, Day: 24}, Until: ledger.Date{Year: 2039, Month: 3, Day: 31},
	}
	if diff := cmp.Diff(want, got.Beneficiary); diff != "" {
		t.Errorf("what names nobody (-want +got):\n%s", diff)
	}
	if len(got.Owed) != 2 || len(got.Waiting) != 2 {
		t.Errorf("owed %v, waiting %v", got.Owed, got.Waiting)
	}
	if kinds := h.entries(got.LookupID); !slices.Equal(kinds, []string{"intent", "outcome"}) {
		t.Errorf("the record: %v", kinds)
	}
	if e := h.newest(audit.Outcome); len(e.Subjects) != 0 || len(e.Flags) != 0 || e.Detail["beneficiary"] != string(r.Beneficiary) {
		t.Errorf("the entry: %+v", e)
	}
}

func TestShowIsCutAndConcealed(t *testing.T) { storetest.Engines(t, testShowIsCutAndConcealed) }

func testShowIsCutAndConcealed(t *testing.T, at storetest.Place) {
	protect := func(who ledger.AtenaNumber) shield {
		return func(_ context.Context, asked []ledger.AtenaNumber) (ledger.Protected, error) {
			p := ledger.Protected{}
			for _, a := range asked {
				p[a] = ledger.Shielding{Protected: a == who, Household: []ledger.AtenaNumber{a}}
			}
			return p, nil
		}
	}
	for _, c := range []struct {
		name   string
		shield shield
		why    string
	}{
		{"nobody is protected", nobodyProtected, ""},
		{"the child is protected", protect(child), "protected"},
		{"the guardian is protected", protect("1000000055"), "protected"},
		{"unread", func(context.Context, []ledger.AtenaNumber) (ledger.Protected, error) {
			return nil, fault.New(fault.Unavailable, "down")
		}, "unread"},
		{"the adapter panics", func(context.Context, []ledger.AtenaNumber) (ledger.Protected, error) { panic("a mistake") }, "unread"},
		{"the guardian is unread", func(context.Context, []ledger.AtenaNumber) (ledger.Protected, error) {
			return ledger.Protected{child: {Household: []ledger.AtenaNumber{child}}}, nil
		}, "unread"},
		{"the child is unread and the guardian protected", func(context.Context, []ledger.AtenaNumber) (ledger.Protected, error) {
			return ledger.Protected{"1000000055": {Protected: true}}, nil
		}, "protected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := buildLedger(t, at, c.shield, nil)
			r := withMailing(h)
			if err := h.receive(h.numbering(r), "1000000055"); err != nil {
				t.Fatal(err)
			}
			got, err := h.Show(t.Context(), worker, r.Beneficiary, onCase1)
			if err != nil {
				t.Fatal(err)
			}
			b, i := got.Beneficiary, got.Beneficiary.Guardian.Identity
			if got.Protection != c.why || i.Name != elsewhere().Name || b.Birth.Year != 2020 || b.Child.Atena != child {
				t.Errorf("got %+v", got)
			}
			if located := i.Address != "" || b.Mailing != nil; located != (c.why == "") {
				t.Errorf("where somebody lives is told: %v (protection %q)", located, c.why)
			}
			var kept []string
			for _, k := range got.Suppressed {
				kept = append(kept, fmt.Sprintf("%s %s", k.Item, k.Why))
			}
			var want []string
			if c.why != "" {
				want = []string{"postal_code " + c.why, "address " + c.why, "address_extra " + c.why}
			}
			if diff := cmp.Diff(want, kept); diff != "" {
				t.Errorf("kept back (-want +got):\n%s", diff)
			}
			e := h.newest(audit.Outcome)
			if !slices.Contains(e.Subjects, audit.Subject{Atena: "1000000055", Role: "shown"}) || len(e.Ends) != 2 || len(e.Ends[1].Suppressed) != len(want) {
				t.Errorf("the entry: %+v", e)
			}

			names := ledger.Basis{Procedure: "letters", Purpose: "post", Reason: "counter"}
			if got, err = h.Show(t.Context(), worker, r.Beneficiary, names); err != nil {
				t.Fatal(err)
			}
			b = got.Beneficiary
			if diff := cmp.Diff(ledger.Identity{Name: elsewhere().Name}, b.Guardian.Identity); diff != "" || b.Birth.Year != 0 {
				t.Errorf("more than names is shown (-want +got):\n%s", diff)
			}
			if m := b.Mailing; m != nil && (m.Address != "" || m.PostalCode != "" || m.Name == "") {
				t.Errorf("the mailing address is not cut: %+v", m)
			}
		})
	}
}

func TestShowIsRefused(t *testing.T) { storetest.Engines(t, testShowIsRefused) }

func testShowIsRefused(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	r := h.apply(worker, register("key-1", ledger.Party{Atena: mother}))
	show := func(who staff.Member, id ledger.BeneficiaryID, b ledger.Basis) error {
		_, err := h.Show(t.Context(), who, id, b)
		return err
	}
	h.refused(show(operator, r.Beneficiary, ledger.Basis{}), fault.Denied, "KKH1213")
	h.refused(show(worker, r.Beneficiary, ledger.Basis{Case: "K-2", Procedure: "registration", Purpose: "new"}), fault.Denied, "KKH1220")
	h.refused(show(worker, r.Beneficiary, ledger.Basis{Procedure: "registration", Purpose: "new"}), fault.Denied, "KKH1217")
	h.refused(show(worker, "B-AAAAAAAAAAAAAAAAAAAAAAAAAA", onCase1), fault.NotFound, "KKH1314")
	h.refused(show(worker, ledger.BeneficiaryID(child), ledger.Basis{}), fault.NotFound, "KKH1314")
	if e := h.newest(audit.Refused); e.Detail["beneficiary"] != "" {
		t.Errorf("what was typed in the place of an ID is in the record: %+v", e)
	}
	h.full(t)
	if err := show(worker, r.Beneficiary, ledger.Basis{}); !audit.IsUnwritable(err) {
		t.Errorf("got %v although nobody could record it", err)
	}
}

func TestShowThatCannotBeKeptGivesNothing(t *testing.T) {
	storetest.Engines(t, testShowThatCannotBeKeptGivesNothing)
}

func testShowThatCannotBeKeptGivesNothing(t *testing.T, at storetest.Place) {
	var h *house
	fill := true
	h = buildLedger(t, at, func(_ context.Context, asked []ledger.AtenaNumber) (ledger.Protected, error) {
		if fill {
			h.full(h.t)
		}
		return nobodyProtected(t.Context(), asked)
	}, nil)
	r := h.apply(worker, register("key-1", ledger.Party{Atena: mother}))
	got, err := h.Show(t.Context(), worker, r.Beneficiary, onCase1)
	if !audit.IsUnwritable(err) || got.Beneficiary.ID != "" || got.Owed != nil || got.Waiting != nil {
		t.Errorf("got %+v, %v; want nothing, and that the record cannot be written", got, err)
	}
	// While the record is full, nothing is changed either.
	_, err = h.Apply(t.Context(), worker, move("key-2", r))
	if err == nil || h.rows("ledger_mailing") != 0 {
		t.Errorf("a change without its entry: %v, %d rows", err, h.rows("ledger_mailing"))
	}
	h.room(t)
	fill = false
	if moved := h.apply(worker, move("key-2", r)); moved.Repeated || moved.Version != 2 {
		t.Errorf("with room again: %+v", moved)
	}
	if _, err := h.Show(t.Context(), worker, r.Beneficiary, onCase1); err != nil { // what is owed to the record comes first
		t.Fatal(err)
	}
	if kinds := h.entries(got.LookupID); !slices.Equal(kinds, []string{"intent", "withheld"}) {
		t.Errorf("the record of what was not shown: %v", kinds)
	}
}

func TestSearchLedger(t *testing.T) { storetest.Engines(t, testSearchLedger) }

func testSearchLedger(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	r := h.apply(worker, register("key-1", ledger.Party{Atena: mother}))
	want := []gateway.LedgerFound{{
		ID: r.Beneficiary, Number: r.Number, Version: 1, Child: child, Guardian: mother, AppliedOn: ledger.Date{Year: 2026, Month: 11, Day: 24},
	}}
	for name, s := range map[string]gateway.LedgerSearch{
		"number": {Number: r.Number}, "child": {Child: child}, "guardian": {Guardian: mother},
	} {
		s.Basis = onCase1
		got, id, err := h.SearchLedger(t.Context(), worker, s)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by %s (-want +got):\n%s", name, diff)
		}
		if e := h.outcome(id); !slices.Contains(e.Subjects, audit.Subject{Atena: string(child), Role: "candidate"}) || e.Count != 1 {
			t.Errorf("by %s: the entry %+v", name, e)
		}
	}
	search := func(who staff.Member, s gateway.LedgerSearch) error {
		_, _, err := h.SearchLedger(t.Context(), who, s)
		return err
	}
	otherCase := ledger.Basis{Case: "K-2", Procedure: "registration", Purpose: "new"}
	h.refused(search(worker, gateway.LedgerSearch{Number: r.Number, Basis: otherCase}), fault.Denied, "KKH1220")
	h.refused(search(worker, gateway.LedgerSearch{Child: child, Basis: otherCase}), fault.Denied, "KKH1220")
	h.refused(search(operator, gateway.LedgerSearch{Child: child, Basis: onCase1}), fault.Denied, "KKH1213")
	for _, s := range []gateway.LedgerSearch{
		{}, {Child: child, Guardian: mother}, {Number: "架空"}, {Number: "1", Child: child},
	} {
		s.Basis = onCase1
		if err := search(worker, s); fault.Code(err) != "KKH1321" {
			t.Errorf("%+v: got %v, want KKH1321", s, err)
		}
	}
	nobody, _, err := h.SearchLedger(t.Context(), worker, gateway.LedgerSearch{Number: "9999999", Basis: onCase1})
	if err != nil || len(nobody) != 0 {
		t.Errorf("a number that nobody bears: got %v, %v", nobody, err)
	}
}

// What an application says of a person is in the ledger's tables and nowhere else.
func TestNoNameOutsideTheLedger(t *testing.T) { storetest.Engines(t, testNoNameOutsideTheLedger) }

func testNoNameOutsideTheLedger(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	r := withMailing(h)
	if err := h.receive(h.numbering(r), "1000000055"); err != nil {
		t.Fatal(err)
	}
	h.apply(worker, register("key-1", ledger.Party{Identity: elsewhere()}))
	if _, err := h.Show(t.Context(), worker, r.Beneficiary, onCase1); err != nil {
		t.Fatal(err)
	}
	bad := move("key-3", r)
	_, err := h.Apply(t.Context(), worker, bad)
	h.refused(err, fault.Conflict, "KKH1310")
	secrets := []string{"架空", "カクウ", "別市", "送付先町", "1990", "1234567"}
	numbers := []string{string(child), "1000000055"}
	tables, found := 0, 0
	err = store.Read(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
		list := `SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`
		if tx.Engine() == store.Postgres { // of a partitioned table its partitions too
			list = `SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() AND table_name <> 'goose_db_version' ORDER BY 1`
		}
		names, err := tx.Cells(ctx, list)
		if err != nil {
			return err
		}
		defer func() { _ = names.Close() }()
		for ; names.Live && err == nil; err = names.Next() {
			table, _ := names.Row[0].(string)
			tables++
			text, err := dump(ctx, tx, table)
			if err != nil {
				return err
			}
			inLedger := strings.HasPrefix(table, "ledger_")
			for _, s := range secrets {
				if strings.Contains(text, s) && !inLedger {
					t.Errorf("%s holds %s", table, s)
				} else if strings.Contains(text, s) {
					found++
				}
			}
			for _, n := range numbers {
				if strings.Contains(text, n) && !inLedger && !strings.HasPrefix(table, "audit_") {
					t.Errorf("%s holds the number %s", table, n)
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if tables < 10 || found < len(secrets) {
		t.Errorf("%d tables, %d findings in the ledger: the search is blind", tables, found)
	}
}

func dump(ctx context.Context, tx *store.Tx, table string) (string, error) {
	rows, err := tx.Cells(ctx, `SELECT * FROM "`+table+`"`)
	if err != nil {
		return "", err
	}
	defer func() { _ = rows.Close() }()
	var b strings.Builder
	for ; rows.Live && err == nil; err = rows.Next() {
		for _, cell := range rows.Row {
			if raw, ok := cell.([]byte); ok {
				b.Write(raw)
				continue
			}
			fmt.Fprintln(&b, cell)
		}
	}
	return b.String(), err
}

func TestRecordOfChangesVerifies(t *testing.T) { storetest.Engines(t, testRecordOfChangesVerifies) }

func testRecordOfChangesVerifies(t *testing.T, at storetest.Place) {
	h := buildLedgerIn(t, at, nil, nil)
	r := withMailing(h)
	h.apply(worker, register("key-1", ledger.Party{Identity: elsewhere()}))
	_, err := h.Apply(t.Context(), second, register("key-9", ledger.Party{Identity: elsewhere()}))
	h.refused(err, fault.Conflict, "KKH1311")
	if err := h.receive(h.numbering(r), "1000000055"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Show(t.Context(), worker, r.Beneficiary, onCase1); err != nil {
		t.Fatal(err)
	}
	report := h.verified()
	if !report.OK || report.Entries < 8 {
		t.Errorf("the record: %+v", report)
	}
}
