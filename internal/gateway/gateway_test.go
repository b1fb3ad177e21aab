package gateway_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
	"kakehashi/outbox"
)

// source answers every question by a function.
type source func(context.Context, ledger.Question) (ledger.Answer, error)

func (s source) Lookup(ctx context.Context, q ledger.Question) (ledger.Answer, error) {
	return s(ctx, q)
}

// shield answers by a function.
type shield func(context.Context, []ledger.AtenaNumber) (ledger.Protected, error)

func (s shield) Protection(ctx context.Context, p []ledger.AtenaNumber) (ledger.Protected, error) {
	return s(ctx, p)
}

// finder answers by a function.
type finder func(context.Context, ledger.Search, int) ([]ledger.Candidate, error)

func (f finder) Find(ctx context.Context, s ledger.Search, limit int) ([]ledger.Candidate, error) {
	return f(ctx, s, limit)
}

const (
	child  = ledger.AtenaNumber("1000000001")
	mother = ledger.AtenaNumber("1000000002")
	other  = ledger.AtenaNumber("1000000009")
)

func text(item ledger.Item, s string) ledger.Value {
	return ledger.Value{Item: item, Text: s, Usable: true}
}

func facts(p ledger.AtenaNumber, values ...ledger.Value) ledger.Facts {
	return ledger.Facts{Person: p, Outcome: ledger.Found, Values: values}
}

// family is what the healthy neighbours of these tests say.
func family(residents ...ledger.Facts) source {
	return func(context.Context, ledger.Question) (ledger.Answer, error) {
		return ledger.Answer{Outcome: ledger.Found, Persons: residents}, nil
	}
}

func open(context.Context, []ledger.AtenaNumber) (ledger.Protected, error) {
	both := []ledger.AtenaNumber{child, mother}
	return ledger.Protected{child: {Household: both}, mother: {Household: both}}, nil
}

// house is a gateway over a real record and sources of a test.
type house struct {
	*gateway.Gateway
	t      *testing.T
	record *audit.Log
	db     *store.DB
	at     storetest.Place
	queue  *outbox.Queue // nil: nothing is owed to anybody
	keys   string        // folder of the record's keys; empty: not kept
	proofs string        // file of its checkpoints; empty: not kept

	flights *flightLog // nil: presses are not counted
}

// openRecord opens a record with keys of its own and runs it until the test ends.
func openRecord(t testing.TB, db *store.DB) *audit.Log {
	t.Helper()
	return openRecordIn(t, db, t.TempDir())
}

// openRecordIn is openRecord with a folder for keys and checkpoints.
func openRecordIn(t testing.TB, db *store.DB, dir string) *audit.Log {
	t.Helper()
	if err := audit.GenerateKeys(dir); err != nil {
		t.Fatal(err)
	}
	return runRecord(t, db, dir, filepath.Join(dir, "checkpoints.txt"))
}

// runRecord opens a record with the keys of a folder, as one gateway of several does, and
// runs it until the test ends.
func runRecord(t testing.TB, db *store.DB, dir, checkpoints string) *audit.Log {
	t.Helper()
	cfg := audit.Config{
		MACKeyFile: filepath.Join(dir, audit.MACKeyName), SigningKeyFile: filepath.Join(dir, audit.SigningKeyName),
		PublicKeyFile: filepath.Join(dir, audit.PublicKeyName), CheckpointsFile: checkpoints,
	}
	keys, err := audit.LoadKeys(cfg)
	if err != nil {
		t.Fatal(err)
	}
	record, err := audit.Open(t.Context(), db, cfg, keys)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- record.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the record ended with %v", err)
		}
	})
	return record
}

var worker = staff.Member{Staff: "1001", Department: "子育て支援課", Authentication: "card+vein", Client: "case-system"}

func build(t *testing.T, at storetest.Place, rooms gateway.Rooms) *house {
	t.Helper()
	at = another(t, at)
	db := at.Open(t)
	record := openRecord(t, db)
	who := []string{"case-worker"}
	items := []string{"name", "kana", "address", "phone", "household_number", "relation", "tax_class"}
	rooms.DB, rooms.Record = db, record
	rooms.Rules = staff.NewRules(
		staff.Config{RequiredACR: []string{"card+vein"}, Grants: []staff.Grant{
			{Staff: "1001", Role: "case-worker"}, {Staff: "3001", Role: "auditor"}, {Client: "case-system", Role: "case-system"}, {Staff: "2001", Role: "operator"},
		}},
		[]staff.Procedure{
			{ID: "registration", LegalBasis: "条例", Purposes: []staff.Code{{Code: "new"}}, WithoutCase: []staff.Code{{Code: "counter"}},
				Rights: []staff.Right{{Roles: who, Items: items}}},
			{ID: "payment", LegalBasis: "条例", Purposes: []staff.Code{{Code: "claim"}}, WithoutCase: []staff.Code{{Code: "counter"}},
				Rights: []staff.Right{{Roles: who, Items: []string{"tax_class"}}}},
			{ID: "names", LegalBasis: "条例", Purposes: []staff.Code{{Code: "greet"}}, WithoutCase: []staff.Code{{Code: "counter"}},
				Rights: []staff.Right{{Roles: who, Items: []string{"name", "kana"}}}},
		}, time.UTC)
	if rooms.Shield == nil {
		rooms.Shield = shield(open)
	}
	cfg := gateway.Config{Budget: 300 * time.Millisecond, Candidates: 20}
	h := &house{Gateway: gateway.New(cfg, rooms), t: t, record: record, db: db, at: at}
	if _, err := h.OpenCase(t.Context(), staff.Member{Client: "case-system"}, ledger.Case{
		ID: "K-1", Procedure: "registration", Persons: []ledger.AtenaNumber{child, mother},
	}); err != nil {
		t.Fatal(err)
	}
	return h
}

func ask() gateway.LookupRequest {
	return gateway.LookupRequest{Person: child, Basis: ledger.Basis{Case: "K-1", Procedure: "registration", Purpose: "new"}}
}

// entries gives the record's entries of a lookup by their kinds.
func (h *house) entries(id ledger.LookupID) []string {
	h.t.Helper()
	found, _, err := h.record.Search(h.t.Context(), audit.Filter{Lookup: string(id), Limit: 100})
	if err != nil {
		h.t.Fatal(err)
	}
	var kinds []string
	for _, e := range found {
		kinds = append(kinds, string(e.Entry.Kind))
	}
	slices.Sort(kinds)
	return kinds
}

// last gives the newest entry of the kind.
func (h *house) count(kind audit.Kind) int {
	h.t.Helper()
	found, _, err := h.record.Search(h.t.Context(), audit.Filter{Kind: kind, Limit: 200})
	if err != nil {
		h.t.Fatal(err)
	}
	return len(found)
}

func three(residents, tax, address gateway.Source) []gateway.Neighbour {
	return []gateway.Neighbour{
		{System: ledger.Residents, Source: residents}, {System: ledger.Tax, Source: tax}, {System: ledger.Address, Source: address},
	}
}

func TestOneDeadSourceHidesNoOther(t *testing.T) { storetest.Engines(t, testOneDeadSourceHidesNoOther) }

func testOneDeadSourceHidesNoOther(t *testing.T, at storetest.Place) {
	retry := time.Date(2026, 11, 24, 10, 12, 0, 0, time.UTC)
	dead := source(func(context.Context, ledger.Question) (ledger.Answer, error) {
		return ledger.Answer{}, fault.New(fault.Unavailable, "tax is away").WithReason("breaker_open").WithRetry(retry)
	})
	broken := source(func(context.Context, ledger.Question) (ledger.Answer, error) {
		panic("a mistake of the adapter")
	})
	h := build(t, at, gateway.Rooms{Sources: three(family(facts(child, text(ledger.Name, "子"))), dead, broken)})
	got, err := h.Lookup(t.Context(), worker, ask())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		outcome ledger.Outcome
		reason  string
	}{{ledger.Found, ""}, {ledger.Unavailable, "breaker_open"}, {ledger.Unavailable, "internal"}} {
		if s := got.Sources[i]; s.Outcome != want.outcome || s.Reason != want.reason {
			t.Errorf("%s: got %s %q, want %s %q", s.Source, s.Outcome, s.Reason, want.outcome, want.reason)
		}
	}
	if !got.Sources[1].Retry.Equal(retry) || len(got.Sources[1].Persons) != 0 {
		t.Errorf("tax: got retry %v and %d persons", got.Sources[1].Retry, len(got.Sources[1].Persons))
	}
	if kinds := h.entries(got.ID); !slices.Equal(kinds, []string{"intent", "outcome"}) {
		t.Errorf("the record of the lookup: got %v", kinds)
	}
}

func TestSlowSourceEndsWithTheBudget(t *testing.T) {
	storetest.Engines(t, testSlowSourceEndsWithTheBudget)
}

func testSlowSourceEndsWithTheBudget(t *testing.T, at storetest.Place) {
	slow := source(func(ctx context.Context, _ ledger.Question) (ledger.Answer, error) {
		<-ctx.Done()
		return ledger.Answer{}, context.Cause(ctx)
	})
	h := build(t, at, gateway.Rooms{Sources: three(slow, family(facts(child, text(ledger.TaxClassOfYear, "課税"))), slow)})
	got, err := h.Lookup(t.Context(), worker, ask())
	if err != nil {
		t.Fatal(err)
	}
	if s := got.Sources[0]; s.Outcome != ledger.Unavailable || s.Reason != "timeout" {
		t.Errorf("slow source: got %s %q", s.Outcome, s.Reason)
	}
	if s := got.Sources[1]; s.Outcome != ledger.Found || s.Persons[0].Values[0].Text != "課税" {
		t.Errorf("quick source: got %+v", s)
	}
}

// everything is a source that brings more than anybody may see, of more than anybody.
var everything = family(
	facts(child, text(ledger.Name, "子"), text(ledger.AddressText, "架空町1"), text(ledger.Phone, "000"), text(ledger.TaxClassOfYear, "課税"), text("new_item", "秘密")),
	ledger.Facts{Person: mother, Relation: "母", Outcome: ledger.Found, Values: []ledger.Value{text(ledger.AddressText, "架空町1")}},
	facts(other, text(ledger.Name, "他人"), text(ledger.AddressText, "他町")),
)

func TestProcedureSeesNothingButItsItems(t *testing.T) {
	storetest.Engines(t, testProcedureSeesNothingButItsItems)
}

func testProcedureSeesNothingButItsItems(t *testing.T, at storetest.Place) {
	// The same answer from tax, without the strangers that make it unreadable there.
	more := family(facts(child, text(ledger.Name, "子"), text(ledger.AddressText, "架空町1"), text(ledger.TaxClassOfYear, "課税"), text("new_item", "秘密")),
		ledger.Facts{Person: mother, Relation: "母", Outcome: ledger.Found, Values: []ledger.Value{text(ledger.TaxClassOfYear, "課税")}})
	h := build(t, at, gateway.Rooms{Sources: three(everything, more, everything)})
	r := gateway.LookupRequest{Person: child, Basis: ledger.Basis{Reason: "counter", Procedure: "payment", Purpose: "claim"}}
	got, err := h.Lookup(t.Context(), worker, r)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range got.Sources {
		if s.Source != ledger.Tax {
			if s.Outcome != ledger.Forbidden || len(s.Persons) != 0 {
				t.Errorf("%s: got %+v, want forbidden and nobody", s.Source, s)
			}
			continue
		}
		if s.Outcome != ledger.Found || len(s.Persons) != 2 {
			t.Errorf("tax: got %s with %d persons, want found with two", s.Outcome, len(s.Persons))
		}
		for _, p := range s.Persons {
			if p.Person == other || p.Relation != "" {
				t.Errorf("tax: person %s with relation %q was released", p.Person, p.Relation)
			}
			for _, v := range p.Values {
				if v.Item != ledger.TaxClassOfYear {
					t.Errorf("tax: item %s was released", v.Item)
				}
			}
		}
	}
	if !slices.Contains(got.Flags, "no_case") {
		t.Error("a lookup without a case is not flagged")
	}
}

func TestConcealment(t *testing.T) { storetest.Engines(t, testConcealment) }

func testConcealment(t *testing.T, at storetest.Place) {
	both := []ledger.AtenaNumber{child, mother}
	for _, c := range []struct {
		name   string
		shield shield
		flag   bool
		why    string
	}{
		{"the person is protected", func(context.Context, []ledger.AtenaNumber) (ledger.Protected, error) {
			return ledger.Protected{child: {Protected: true, Household: both}, mother: {Household: both}}, nil
		}, false, "protected"},
		{"the household has a protected one", func(context.Context, []ledger.AtenaNumber) (ledger.Protected, error) {
			return ledger.Protected{child: {Household: both}, mother: {Protected: true, Household: both}}, nil
		}, false, "protected"},
		{"the flag's source is down", func(context.Context, []ledger.AtenaNumber) (ledger.Protected, error) {
			return nil, fault.New(fault.Unavailable, "down")
		}, false, "unread"},
		{"the flag's adapter panics", func(context.Context, []ledger.AtenaNumber) (ledger.Protected, error) {
			panic("a mistake of the adapter")
		}, false, "unread"},
		{"half of the household is unread", func(context.Context, []ledger.AtenaNumber) (ledger.Protected, error) {
			return ledger.Protected{child: {Household: both}}, nil
		}, false, "unread"},
		{"not our resident, flagged by the address system", func(context.Context, []ledger.AtenaNumber) (ledger.Protected, error) {
			return ledger.Protected{child: {}}, nil
		}, true, "protected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			home := facts(child, text(ledger.Name, "子"), text(ledger.AddressText, "架空町1-2-3"), text(ledger.Phone, "000-0000"))
			flagged := home
			flagged.Conceal = c.flag
			h := build(t, at, gateway.Rooms{Sources: three(family(home), family(facts(child, text(ledger.TaxClassOfYear, "課税"))), family(flagged)), Shield: c.shield})
			r := ask()
			r.Compare.Values = map[ledger.Item]string{ledger.AddressText: "架空町1-2-3", ledger.Phone: "999", ledger.Name: "子"}
			got, err := h.Lookup(t.Context(), worker, r)
			if err != nil {
				t.Fatal(err)
			}
			if got.Protection != c.why {
				t.Errorf("protection: got %q, want %q", got.Protection, c.why)
			}
			for _, s := range got.Sources {
				for _, p := range s.Persons {
					for _, v := range p.Values {
						if v.Item.Locates() {
							t.Errorf("%s: %s was released", s.Source, v.Item)
						}
					}
				}
				for _, row := range s.Comparison {
					if row.Item.Locates() && (row.Result != ledger.NotComparable || row.Rule != ledger.RuleConcealed) {
						t.Errorf("%s: comparison of %s says %s by %s", s.Source, row.Item, row.Result, row.Rule)
					}
				}
				if s.Source != ledger.Tax && !slices.ContainsFunc(s.Suppressed, func(k ledger.Kept) bool { return k.Item == ledger.AddressText && k.Why == c.why }) {
					t.Errorf("%s does not say that the address is kept back: %+v", s.Source, s.Suppressed)
				}
			}
		})
	}
}

func TestNothingIsReleasedWithoutItsRecord(t *testing.T) {
	storetest.Engines(t, testNothingIsReleasedWithoutItsRecord)
}

func testNothingIsReleasedWithoutItsRecord(t *testing.T, at storetest.Place) {
	var asked atomic.Int64
	counting := source(func(context.Context, ledger.Question) (ledger.Answer, error) {
		asked.Add(1)
		return ledger.Answer{Outcome: ledger.NoPerson}, nil
	})
	h := build(t, at, gateway.Rooms{Sources: three(counting, counting, counting)})
	h.full(t)
	_, last := h.Lookup(t.Context(), worker, ask())
	if !audit.IsUnwritable(last) || !fault.Is(last, fault.Unavailable) {
		t.Fatalf("got %v, want that the record cannot be written", last)
	}
	asked.Store(0)
	for range 3 {
		if _, err := h.Lookup(t.Context(), worker, ask()); !audit.IsUnwritable(err) {
			t.Errorf("got %v, want that the record cannot be written", err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d questions left although nobody could record them", n)
	}
	h.room(t)
	if _, err := h.Lookup(t.Context(), worker, ask()); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestCallerWhoLeavesGetsNothingAndIsRecorded(t *testing.T) {
	storetest.Engines(t, testCallerWhoLeavesGetsNothingAndIsRecorded)
}

func testCallerWhoLeavesGetsNothingAndIsRecorded(t *testing.T, at storetest.Place) {
	ctx, leave := context.WithCancel(t.Context())
	leaving := source(func(ctx context.Context, _ ledger.Question) (ledger.Answer, error) {
		leave()
		<-ctx.Done()
		return ledger.Answer{}, context.Cause(ctx)
	})
	h := build(t, at, gateway.Rooms{Sources: three(leaving, leaving, leaving)})
	if _, err := h.Lookup(ctx, worker, ask()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v, want Unavailable", err)
	}
	if n := h.count(audit.Withheld); n != 1 {
		t.Errorf("got %d withheld entries, want 1", n)
	}
}

func TestRefusalIsRecordedAndNothingAsked(t *testing.T) {
	storetest.Engines(t, testRefusalIsRecordedAndNothingAsked)
}

func testRefusalIsRecordedAndNothingAsked(t *testing.T, at storetest.Place) {
	never := source(func(context.Context, ledger.Question) (ledger.Answer, error) {
		return ledger.Answer{}, errors.New("asked although refused")
	})
	h := build(t, at, gateway.Rooms{Sources: three(never, never, never)})
	r := ask()
	r.Person = other
	_, err := h.Lookup(t.Context(), worker, r)
	if !fault.Is(err, fault.Denied) || fault.Code(err) != "KKH1220" {
		t.Errorf("got %v, want the case does not concern this person", err)
	}
	if got := h.count(audit.Refused); got != 1 {
		t.Errorf("got %d refusals in the record, want 1", got)
	}
	if got := h.count(audit.Intent); got != 0 {
		t.Errorf("got %d intents, want none", got)
	}
}

func TestUnreadableAnswersAreUnavailable(t *testing.T) {
	storetest.Engines(t, testUnreadableAnswersAreUnavailable)
}

func testUnreadableAnswersAreUnavailable(t *testing.T, at storetest.Place) {
	for name, a := range map[string]ledger.Answer{
		"no outcome":           {},
		"found without anyone": {Outcome: ledger.Found},
		"found of strangers":   {Outcome: ledger.Found, Persons: []ledger.Facts{facts(other, text(ledger.Name, "他人"))}},
		"no record, no reason": {Outcome: ledger.NoRecord},
		"says unavailable":     {Outcome: ledger.Unavailable},
	} {
		odd := source(func(context.Context, ledger.Question) (ledger.Answer, error) { return a, nil })
		h := build(t, at, gateway.Rooms{Sources: three(odd, odd, odd)})
		got, err := h.Lookup(t.Context(), worker, ask())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range got.Sources {
			if s.Outcome != ledger.Unavailable {
				t.Errorf("%s: got %s, want unavailable", name, s.Outcome)
			}
		}
	}
}

func TestLedgerComparisonSaysThatThereIsNoRecord(t *testing.T) {
	storetest.Engines(t, testLedgerComparisonSaysThatThereIsNoRecord)
}

func testLedgerComparisonSaysThatThereIsNoRecord(t *testing.T, at storetest.Place) {
	h := build(t, at, gateway.Rooms{Sources: three(everything, everything, everything)})
	r := ask()
	r.Compare.Ledger = true
	got, err := h.Lookup(t.Context(), worker, r)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range got.Sources {
		if len(s.Comparison) == 0 {
			t.Errorf("%s: no comparison", s.Source)
		}
		for _, row := range s.Comparison {
			if row.Result != ledger.NotComparable || row.Rule != "no_ledger_record" {
				t.Errorf("%s: %+v", s.Source, row)
			}
		}
	}
}

func candidates(n int, values ...ledger.Value) finder {
	return func(context.Context, ledger.Search, int) ([]ledger.Candidate, error) {
		var all []ledger.Candidate
		for i := range n {
			p := ledger.AtenaNumber("20000000" + string(rune('A'+i/26)) + string(rune('A'+i%26)))
			all = append(all, ledger.Candidate{Household: "H" + ledger.HouseholdNumber(p), Facts: facts(p, values...)})
		}
		return all, nil
	}
}

func nobodyProtected(_ context.Context, asked []ledger.AtenaNumber) (ledger.Protected, error) {
	p := ledger.Protected{}
	for _, a := range asked {
		p[a] = ledger.Shielding{Household: []ledger.AtenaNumber{a}}
	}
	return p, nil
}

func search() gateway.FindRequest {
	return gateway.FindRequest{
		Kana: "カクウ ハナコ", BirthDate: ledger.Date{Year: 2016, Month: 5, Day: 3},
		Basis: ledger.Basis{Reason: "counter", Procedure: "registration", Purpose: "new"},
	}
}

func TestFindNarrowsButNeverBetraysAnAddress(t *testing.T) {
	storetest.Engines(t, testFindNarrowsButNeverBetraysAnAddress)
}

func testFindNarrowsButNeverBetraysAnAddress(t *testing.T, at storetest.Place) {
	home := []ledger.Value{text(ledger.Name, "架空 花子"), text(ledger.AddressText, "架空市架空町1-2-3")}
	everybody := func(_ context.Context, asked []ledger.AtenaNumber) (ledger.Protected, error) {
		p := ledger.Protected{}
		for _, a := range asked {
			p[a] = ledger.Shielding{Protected: true, Household: []ledger.AtenaNumber{a}}
		}
		return p, nil
	}
	for _, c := range []struct {
		name, address string
		shield        shield
		want          int
	}{
		{"right address", "架空町一丁目2番3号", nobodyProtected, 2},
		{"wrong address", "別町9", nobodyProtected, 0},
		{"right guess of a protected address", "架空町1-2-3", everybody, 2},
		{"wrong guess of a protected address", "別町9", everybody, 2},
		{"wrong guess, flag unread", "別町9", func(context.Context, []ledger.AtenaNumber) (ledger.Protected, error) {
			return nil, fault.New(fault.Unavailable, "down")
		}, 2},
	} {
		h := build(t, at, gateway.Rooms{Finder: candidates(2, home...), Shield: c.shield})
		r := search()
		r.Address = c.address
		got, err := h.Find(t.Context(), worker, r)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if len(got.Candidates) != c.want {
			t.Errorf("%s: got %d candidates, want %d", c.name, len(got.Candidates), c.want)
		}
		for _, f := range got.Candidates {
			if c.name != "right address" && slices.ContainsFunc(f.Values, func(v ledger.Value) bool { return v.Item.Locates() }) {
				t.Errorf("%s: an address was released", c.name)
			}
		}
		if kinds := h.entries(got.ID); !slices.Equal(kinds, []string{"intent", "outcome"}) {
			t.Errorf("%s: the record of the search: got %v", c.name, kinds)
		}
	}
}

func TestFindIsNoBrowse(t *testing.T) { storetest.Engines(t, testFindIsNoBrowse) }

func testFindIsNoBrowse(t *testing.T, at storetest.Place) {
	h := build(t, at, gateway.Rooms{Finder: candidates(21), Shield: shield(nobodyProtected)})
	got, err := h.Find(t.Context(), worker, search())
	if !fault.Is(err, fault.Invalid) || fault.Code(err) != "KKH1121" || len(got.Candidates) != 0 {
		t.Errorf("21 candidates: got %d and %v, want none and KKH1121", len(got.Candidates), err)
	}
	r := search()
	r.Household = "H20000000AC"
	got, err = h.Find(t.Context(), worker, r)
	if err != nil || len(got.Candidates) != 1 {
		t.Errorf("narrowed by household: got %d and %v", len(got.Candidates), err)
	}
}

func TestRecordKeepsNoWordOfASearch(t *testing.T) {
	storetest.Engines(t, testRecordKeepsNoWordOfASearch)
}

func testRecordKeepsNoWordOfASearch(t *testing.T, at storetest.Place) {
	h := build(t, at, gateway.Rooms{Finder: candidates(1, text(ledger.Name, "架空 花子")), Shield: shield(nobodyProtected)})
	r := search()
	r.Address = "架空町"
	if _, err := h.Find(t.Context(), worker, r); err != nil {
		t.Fatal(err)
	}
	var export strings.Builder
	if err := h.record.Export(t.Context(), &export, audit.Filter{}); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"カクウ", "花子", "2016-05-03", "架空町"} {
		if strings.Contains(export.String(), word) {
			t.Errorf("the record holds %q", word)
		}
	}
	for _, field := range []string{"kana", "birth_date", "address"} {
		if !strings.Contains(export.String(), field) {
			t.Errorf("the record does not say that %s was filled", field)
		}
	}
}

func TestReadingTheRecordIsRecorded(t *testing.T) {
	storetest.Engines(t, testReadingTheRecordIsRecorded)
}

func testReadingTheRecordIsRecorded(t *testing.T, at storetest.Place) {
	h := build(t, at, gateway.Rooms{})
	auditor := staff.Member{Staff: "3001", Authentication: "card+vein"}
	if _, _, err := h.SearchRecord(t.Context(), auditor, gateway.RecordRequest{Filter: audit.Filter{Person: string(child), Limit: 10}}); err != nil {
		t.Fatal(err)
	}
	if got := h.count(audit.Read); got != 1 {
		t.Errorf("got %d entries about reading, want 1", got)
	}
	if _, _, err := h.SearchRecord(t.Context(), worker, gateway.RecordRequest{}); !fault.Is(err, fault.Denied) {
		t.Errorf("a case worker read the record: %v", err)
	}
	operator := staff.Member{Staff: "2001", Authentication: "card+vein"}
	if id, err := h.ProbeRecord(t.Context(), operator); err != nil || id == "" {
		t.Errorf("probe: got %q, %v", id, err)
	}
}

func TestOpeningACaseIsOneTransactionWithItsEntry(t *testing.T) {
	storetest.Engines(t, testOpeningACaseIsOneTransactionWithItsEntry)
}

func testOpeningACaseIsOneTransactionWithItsEntry(t *testing.T, at storetest.Place) {
	h := build(t, at, gateway.Rooms{})
	system := staff.Member{Client: "case-system"}
	again := ledger.Case{ID: "K-1", Procedure: "registration", Persons: []ledger.AtenaNumber{mother, child}}
	if opened, err := h.OpenCase(t.Context(), system, again); err != nil || opened {
		t.Errorf("the same again: got %v, %v", opened, err)
	}
	again.Persons = []ledger.AtenaNumber{other}
	if _, err := h.OpenCase(t.Context(), system, again); !fault.Is(err, fault.Conflict) {
		t.Errorf("other content: got %v, want Conflict", err)
	}
	if _, err := h.OpenCase(t.Context(), worker, again); !fault.Is(err, fault.Denied) {
		t.Errorf("a case worker opened a case: %v", err)
	}
	if got := h.count(audit.Refused); got != 2 {
		t.Errorf("got %d refusals in the record, want 2", got)
	}
	if err := h.CloseCase(t.Context(), system, "K-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Lookup(t.Context(), worker, ask()); fault.Code(err) != "KKH1219" {
		t.Errorf("lookup on a closed case: got %v", err)
	}
}

func TestWhatIsTypedInPlaceOfACodeIsNotRecorded(t *testing.T) {
	storetest.Engines(t, testWhatIsTypedInPlaceOfACodeIsNotRecorded)
}

func testWhatIsTypedInPlaceOfACodeIsNotRecorded(t *testing.T, at storetest.Place) {
	h := build(t, at, gateway.Rooms{Sources: three(everything, everything, everything)})
	words := []string{"000-0000-0107", "kakuu-hanako", "030000000123"}
	for _, word := range words {
		r := ask()
		r.Basis = ledger.Basis{Case: ledger.CaseID(word), Procedure: ledger.ProcedureID(word), Purpose: word, Reason: word}
		if _, err := h.Lookup(t.Context(), worker, r); !fault.Is(err, fault.Denied) {
			t.Errorf("lookup: got %v, want Denied", err)
		}
		r = ask()
		r.Person, r.Basis.Case = ledger.AtenaNumber("030000000123"), "K-1"
		if _, err := h.Lookup(t.Context(), worker, r); !fault.Is(err, fault.Invalid) {
			t.Errorf("twelve digits: got %v, want Invalid", err)
		}
		c := ledger.Case{ID: ledger.CaseID(word), Procedure: "registration", Persons: []ledger.AtenaNumber{"0300000001"}}
		if _, err := h.OpenCase(t.Context(), worker, c); !fault.Is(err, fault.Denied) {
			t.Errorf("open: got %v, want Denied", err)
		}
		if err := h.CloseCase(t.Context(), worker, c.ID); !fault.Is(err, fault.Denied) {
			t.Errorf("close: got %v, want Denied", err)
		}
		auditor := staff.Member{Staff: "3001", Authentication: "card+vein"}
		_, _, err := h.SearchRecord(t.Context(), auditor, gateway.RecordRequest{Filter: audit.Filter{Lookup: word}, Basis: ledger.Basis{Purpose: word}})
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("search: got %v, want Invalid", err)
		}
	}
	var export strings.Builder
	if err := h.record.Export(t.Context(), &export, audit.Filter{}); err != nil {
		t.Fatal(err)
	}
	for _, word := range words {
		if strings.Contains(export.String(), word) {
			t.Errorf("the record holds %q", word)
		}
	}
	if !strings.Contains(export.String(), "case_digest") {
		t.Error("the record keeps no digest of the case that was tried")
	}
}

func TestRefusalBearsItsNumber(t *testing.T) { storetest.Engines(t, testRefusalBearsItsNumber) }

func testRefusalBearsItsNumber(t *testing.T, at storetest.Place) {
	h := build(t, at, gateway.Rooms{Sources: three(everything, everything, everything)})
	r := ask()
	r.Basis.Purpose = "nosuch"
	got, err := h.Lookup(t.Context(), worker, r)
	if !fault.Is(err, fault.Denied) || got.ID == "" || len(got.Sources) != 0 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if kinds := h.entries(got.ID); !slices.Equal(kinds, []string{"refused"}) {
		t.Errorf("the record of the refusal: got %v", kinds)
	}
}

func TestTaxIsNotReadFromTheChildAloneWhileTheHouseholdIsUnread(t *testing.T) {
	storetest.Engines(t, testTaxIsNotReadFromTheChildAloneWhileTheHouseholdIsUnread)
}

func testTaxIsNotReadFromTheChildAloneWhileTheHouseholdIsUnread(t *testing.T, at storetest.Place) {
	tax := family(facts(child, text(ledger.TaxClassOfYear, "非課税")), facts(mother, text(ledger.TaxClassOfYear, "課税")))
	down := shield(func(context.Context, []ledger.AtenaNumber) (ledger.Protected, error) {
		return nil, fault.New(fault.Unavailable, "down")
	})
	h := build(t, at, gateway.Rooms{Sources: three(everything, tax, everything), Shield: down})
	r := ask()
	r.Basis.Case, r.Basis.Reason = "", "counter"
	got, err := h.Lookup(t.Context(), worker, r)
	if err != nil {
		t.Fatal(err)
	}
	if s := got.Sources[1]; s.Outcome != ledger.Unavailable || s.Reason != "household_unknown" || len(s.Persons) != 0 {
		t.Errorf("without a case: got %s %q with %d persons", s.Outcome, s.Reason, len(s.Persons))
	}
	if got, err = h.Lookup(t.Context(), worker, ask()); err != nil {
		t.Fatal(err)
	}
	if s := got.Sources[1]; s.Outcome != ledger.Found || len(s.Persons) != 2 {
		t.Errorf("with a case that lists the family: got %s with %d persons", s.Outcome, len(s.Persons))
	}
}

func TestNarrowingByWhatMayNotBeSeenIsRefused(t *testing.T) {
	storetest.Engines(t, testNarrowingByWhatMayNotBeSeenIsRefused)
}

func testNarrowingByWhatMayNotBeSeenIsRefused(t *testing.T, at storetest.Place) {
	h := build(t, at, gateway.Rooms{Finder: candidates(2, text(ledger.AddressText, "架空町1")), Shield: shield(nobodyProtected)})
	for _, change := range []func(*gateway.FindRequest){
		func(r *gateway.FindRequest) { r.Address = "架空町1" },
		func(r *gateway.FindRequest) { r.Household = "H1" },
	} {
		r := search()
		r.Basis = ledger.Basis{Reason: "counter", Procedure: "names", Purpose: "greet"}
		if got, err := h.Find(t.Context(), worker, r); err != nil || len(got.Candidates) != 2 {
			t.Fatalf("by name alone: got %d, %v", len(got.Candidates), err)
		}
		change(&r)
		if got, err := h.Find(t.Context(), worker, r); fault.Code(err) != "KKH1223" || len(got.Candidates) != 0 {
			t.Errorf("got %d candidates, %v; want none and KKH1223", len(got.Candidates), err)
		}
	}
}

func TestRecordOfASearchSaysWhatWasShown(t *testing.T) {
	storetest.Engines(t, testRecordOfASearchSaysWhatWasShown)
}

func testRecordOfASearchSaysWhatWasShown(t *testing.T, at storetest.Place) {
	down := shield(func(context.Context, []ledger.AtenaNumber) (ledger.Protected, error) {
		return nil, fault.New(fault.Unavailable, "down").WithReason("down")
	})
	h := build(t, at, gateway.Rooms{Finder: candidates(1, text(ledger.Name, "架空 花子"), text(ledger.AddressText, "架空町1")), Shield: down})
	got, err := h.Find(t.Context(), worker, search())
	if err != nil {
		t.Fatal(err)
	}
	want := []audit.SourceEnd{
		{Source: "address", Outcome: "found", Items: []string{"name"}, Suppressed: []string{"address", "phone"}},
		{Source: "protection", Outcome: "unavailable", Reason: "down"},
	}
	if diff := cmp.Diff(want, h.outcome(got.ID).Ends); diff != "" {
		t.Errorf("ends (-want +got):\n%s", diff)
	}

	h = build(t, at, gateway.Rooms{Finder: candidates(21), Shield: shield(nobodyProtected)})
	got, _ = h.Find(t.Context(), worker, search())
	e := h.outcome(got.ID)
	if e.Code != "KKH1121" || e.Ends[0].Outcome != "found" || e.Ends[0].Reason != "too_many" || len(e.Subjects) != 0 {
		t.Errorf("too many: got %+v", e)
	}
}

// outcome gives the outcome's entry of a lookup or search.
func (h *house) outcome(id ledger.LookupID) audit.Entry {
	h.t.Helper()
	found, _, err := h.record.Search(h.t.Context(), audit.Filter{Lookup: string(id), Kind: audit.Outcome})
	if err != nil || len(found) != 1 {
		h.t.Fatalf("got %d outcomes, %v", len(found), err)
	}
	return found[0].Entry
}

func TestPurposeOfReadingTheRecordIsKept(t *testing.T) {
	storetest.Engines(t, testPurposeOfReadingTheRecordIsKept)
}

func testPurposeOfReadingTheRecordIsKept(t *testing.T, at storetest.Place) {
	h := build(t, at, gateway.Rooms{})
	auditor := staff.Member{Staff: "3001", Authentication: "card+vein"}
	r := gateway.RecordRequest{Basis: ledger.Basis{Purpose: "self-inspection"}}
	if _, _, err := h.SearchRecord(t.Context(), auditor, r); err != nil {
		t.Fatal(err)
	}
	found, _, err := h.record.Search(t.Context(), audit.Filter{Kind: audit.Read})
	if err != nil || len(found) != 1 || found[0].Entry.Purpose != "self-inspection" {
		t.Errorf("got %+v, %v", found, err)
	}
	r.Basis.Purpose = "あああ"
	if _, _, err := h.SearchRecord(t.Context(), auditor, r); fault.Code(err) != "KKH1216" {
		t.Errorf("a made-up purpose: got %v", err)
	}
}

func TestOutcomeThatCannotBeKeptReleasesNothing(t *testing.T) {
	storetest.Engines(t, testOutcomeThatCannotBeKeptReleasesNothing)
}

func testOutcomeThatCannotBeKeptReleasesNothing(t *testing.T, at storetest.Place) {
	var h *house
	fill := func() { h.full(h.t) }
	filling := source(func(context.Context, ledger.Question) (ledger.Answer, error) {
		fill()
		return ledger.Answer{Outcome: ledger.Found, Persons: []ledger.Facts{facts(child, text(ledger.Name, "子"))}}, nil
	})
	h = build(t, at, gateway.Rooms{
		Sources: []gateway.Neighbour{{System: ledger.Residents, Source: filling}},
		Finder: finder(func(context.Context, ledger.Search, int) ([]ledger.Candidate, error) {
			fill()
			return []ledger.Candidate{{Facts: facts(child, text(ledger.Name, "子"))}}, nil
		}),
	})
	room := func() { h.room(t) }
	got, err := h.Lookup(t.Context(), worker, ask())
	if !audit.IsUnwritable(err) || len(got.Sources) != 0 {
		t.Errorf("lookup: got %d sources, %v; want none, and that the record cannot be written", len(got.Sources), err)
	}
	room()
	found, err := h.Find(t.Context(), worker, search())
	if !audit.IsUnwritable(err) || len(found.Candidates) != 0 {
		t.Errorf("find: got %d candidates, %v; want none, and that the record cannot be written", len(found.Candidates), err)
	}
	// Still full: an intent fails as well, and so does the record of a refusal.
	if _, err := h.Find(t.Context(), worker, search()); !audit.IsUnwritable(err) {
		t.Errorf("intent of a find: got %v, want that the record cannot be written", err)
	}
	refused := ask()
	refused.Person = other
	if _, err := h.Lookup(t.Context(), worker, refused); !audit.IsUnwritable(err) {
		t.Errorf("a refusal: got %v, want that the record cannot be written", err)
	}
	room()
	if _, err := h.Lookup(t.Context(), worker, refused); fault.Code(err) != "KKH1220" {
		t.Fatalf("with room again: got %v", err)
	}
	for _, id := range []ledger.LookupID{got.ID, found.ID} {
		if kinds := h.entries(id); !slices.Equal(kinds, []string{"intent", "withheld"}) {
			t.Errorf("the record of what was not released: got %v, want intent and withheld", kinds)
		}
	}
}

func TestSearcherWhoLeavesGetsNothing(t *testing.T) {
	storetest.Engines(t, testSearcherWhoLeavesGetsNothing)
}

func testSearcherWhoLeavesGetsNothing(t *testing.T, at storetest.Place) {
	ctx, leave := context.WithCancel(t.Context())
	h := build(t, at, gateway.Rooms{Finder: finder(func(context.Context, ledger.Search, int) ([]ledger.Candidate, error) {
		leave()
		return []ledger.Candidate{{Facts: facts(child, text(ledger.Name, "子"))}}, nil
	})})
	got, err := h.Find(ctx, worker, search())
	if !fault.Is(err, fault.Unavailable) || len(got.Candidates) != 0 {
		t.Errorf("got %d candidates, %v", len(got.Candidates), err)
	}
	if kinds := h.entries(got.ID); !slices.Equal(kinds, []string{"intent", "withheld"}) {
		t.Errorf("the record: got %v", kinds)
	}
}

func TestHouseholdMemberFlaggedByTheAddressSystemConceals(t *testing.T) {
	storetest.Engines(t, testHouseholdMemberFlaggedByTheAddressSystemConceals)
}

func testHouseholdMemberFlaggedByTheAddressSystemConceals(t *testing.T, at storetest.Place) {
	flagged := facts(mother, text(ledger.Name, "母"))
	flagged.Conceal = true
	home := facts(child, text(ledger.Name, "子"), text(ledger.AddressText, "架空町1"))
	h := build(t, at, gateway.Rooms{
		Sources: three(family(home), family(facts(child, text(ledger.TaxClassOfYear, "課税"))), family(home, flagged)),
		Finder: finder(func(context.Context, ledger.Search, int) ([]ledger.Candidate, error) {
			return []ledger.Candidate{{Facts: home}, {Facts: flagged}}, nil
		}),
	})
	got, err := h.Lookup(t.Context(), worker, ask())
	if err != nil {
		t.Fatal(err)
	}
	if got.Protection != ledger.ConcealProtected {
		t.Errorf("lookup: got protection %q", got.Protection)
	}
	found, err := h.Find(t.Context(), worker, search())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range found.Candidates {
		if len(c.Suppressed) == 0 {
			t.Errorf("find: nothing of candidate %s is kept back", c.Person)
		}
	}
}

func TestChangesOfCasesLeaveTheirEntries(t *testing.T) {
	storetest.Engines(t, testChangesOfCasesLeaveTheirEntries)
}

func testChangesOfCasesLeaveTheirEntries(t *testing.T, at storetest.Place) {
	h := build(t, at, gateway.Rooms{}) // opens K-1
	if err := h.CloseCase(t.Context(), staff.Member{Client: "case-system"}, "K-1"); err != nil {
		t.Fatal(err)
	}
	if got := h.count(audit.Change); got != 2 {
		t.Errorf("got %d entries about changes, want 2", got)
	}
	signed := worker
	signed.Case = &ledger.Case{ID: "K-1", Procedure: "registration", Persons: []ledger.AtenaNumber{child}, Open: true}
	if _, err := h.Lookup(t.Context(), signed, ask()); fault.Code(err) != "KKH1219" {
		t.Errorf("a closed case that is signed in the token: got %v, want that it is closed", err)
	}
	signed.Case.ID = "K-7"
	r := ask()
	r.Basis.Case = "K-7"
	if _, err := h.Lookup(t.Context(), signed, r); err != nil {
		t.Errorf("a case that only the token knows: %v", err)
	}
}

func TestSearchThatFailsIsNobodysFault(t *testing.T) {
	storetest.Engines(t, testSearchThatFailsIsNobodysFault)
}

func testSearchThatFailsIsNobodysFault(t *testing.T, at storetest.Place) {
	for name, err := range map[string]error{
		"refused by the neighbour": fault.New(fault.Denied, "403").WithCode("KKH2114"), "not found": fault.New(fault.NotFound, "404"),
		"rejected": fault.New(fault.Rejected, "400").WithCode("KKH2115"), "down": fault.New(fault.Unavailable, "down").WithReason("down"),
	} {
		h := build(t, at, gateway.Rooms{Finder: finder(func(context.Context, ledger.Search, int) ([]ledger.Candidate, error) { return nil, err })})
		if _, err := h.Find(t.Context(), worker, search()); !fault.Is(err, fault.Unavailable) || fault.Code(err) == "" {
			t.Errorf("%s: got %v, want Unavailable with a number", name, err)
		}
	}
}
