package gateway_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
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

// threeGateways are three gateways of one municipality: one schema, one record's keys.
func threeGateways(t *testing.T, at storetest.Place, to outbox.Destination) []*house {
	t.Helper()
	keys := t.TempDir()
	if err := audit.GenerateKeys(keys); err != nil {
		t.Fatal(err)
	}
	all := make([]*house, 3)
	for i := range all {
		all[i] = ledgerHouse(t, at, keys, nil, to)
	}
	all[0].openCases()
	return all
}

// verified holds the record against its proofs, once this gateway has written some down:
// where another seals, it does so a moment later.
func (h *house) verified() audit.Report {
	h.t.Helper()
	h.await("checkpoints are written down", func() bool {
		info, err := os.Stat(h.proofs)
		return err == nil && info.Size() > 0
	})
	report, err := audit.Verify(h.t.Context(), audit.VerifyInput{
		DB: h.at.Config, Checkpoints: h.proofs,
		PublicKeyFile: filepath.Join(h.keys, audit.PublicKeyName), MACKeyFile: filepath.Join(h.keys, audit.MACKeyName),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return report
}

// verifies expects the record to be as it was written.
func (h *house) verifies() {
	h.t.Helper()
	if report := h.verified(); !report.OK {
		h.t.Errorf("the record: %+v", report)
	}
}

// table gives the cells of a query as text, a row a line.
func (h *house) table(query string) []string {
	h.t.Helper()
	var lines []string
	err := store.Read(h.t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
		rows, err := tx.Query(ctx, query)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				return err
			}
			lines = append(lines, line)
		}
		return rows.Err()
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return lines
}

// Eight presses of one button, over three gateways, are one registration.
func TestPressesOverThreeGatewaysAreOne(t *testing.T) {
	houses := threeGateways(t, storetest.Postgres(t), nil)
	results := make([]gateway.ApplyResult, 8)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() {
			var err error
			if results[i], err = houses[i%3].Apply(t.Context(), worker, register("key-1", ledger.Party{Identity: elsewhere()})); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	firsts := 0
	for _, r := range results {
		if !r.Repeated {
			firsts++
		}
		if r.Beneficiary != results[0].Beneficiary || r.Number != results[0].Number || r.Change != results[0].Change || r.Number == "" ||
			len(r.Owed) != len(results[0].Owed) || len(r.Waiting) != len(results[0].Waiting) {
			t.Errorf("two results of one command:\n%+v\n%+v", results[0], r)
		}
	}
	h := houses[0]
	if firsts != 1 || h.rows("ledger_command") != 1 || h.rows("ledger_beneficiary") != 1 || h.rows("ledger_person") != 2 {
		t.Errorf("%d first presses, %d commands, %d beneficiaries, %d persons; want 1, 1, 1, 2",
			firsts, h.rows("ledger_command"), h.rows("ledger_beneficiary"), h.rows("ledger_person"))
	}
	if n := h.count(audit.Change) - 2; n != 8 { // two opened cases
		t.Errorf("%d entries of presses, want 8", n)
	}
	h.verifies()
}

// Of two clerks in two gateways who saw one version, one is told that the other was first.
func TestOfTwoClerksOnOneVersionOneIsFirst(t *testing.T) {
	houses := threeGateways(t, storetest.Postgres(t), nil)
	made := houses[0].apply(worker, register("key-0", ledger.Party{Atena: mother}))
	for round := range 10 {
		var won, lost atomic.Int64
		var both sync.WaitGroup
		for i, who := range []staff.Member{worker, second} {
			both.Go(func() {
				_, err := houses[i+1].Apply(t.Context(), who, move(fmt.Sprintf("key-%d-%d", round, i), made))
				switch {
				case err == nil:
					won.Add(1)
				case fault.Is(err, fault.Conflict) && fault.Code(err) == "KKH1310":
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		both.Wait()
		if won.Load() != 1 || lost.Load() != 1 {
			t.Fatalf("round %d: %d were first and %d were not", round, won.Load(), lost.Load())
		}
		made.Version++
	}
	h := houses[0]
	if diff := cmp.Diff([]string{"11"}, h.table(`SELECT version::text FROM ledger_beneficiary`)); diff != "" || h.rows("ledger_mailing") != 10 {
		t.Errorf("%d addresses, version (-want +got):\n%s", h.rows("ledger_mailing"), diff)
	}
	h.verifies()
}

// families registers children from all gateways at once, each guardian with several, while
// the relays tell the neighbour, which gives guardians from elsewhere their numbers.
type families struct {
	t         *testing.T
	houses    []*house
	guardians []ledger.Party
	twice     atomic.Int64 // children whom two gateways registered at once
}

const perClerk, clerks = 4, 8

func (f *families) clerk(gate, clerk int) {
	h := f.houses[gate]
	for i := range perClerk {
		n := (gate*clerks+clerk)*perClerk + i
		r := register(fmt.Sprintf("key-%d", n), f.guardians[n%len(f.guardians)])
		r.Register.Child = ledger.AtenaNumber(fmt.Sprintf("20000%05d", n))
		r.Basis = ledger.Basis{Procedure: "registration", Purpose: "new", Reason: "counter"}
		made, err := h.Apply(f.t.Context(), worker, r)
		if err != nil {
			f.t.Errorf("%d: %v", n, err)
			return
		}
		amend := move(fmt.Sprintf("move-%d", n), made)
		amend.Basis = r.Basis
		if moved, err := h.Apply(f.t.Context(), worker, amend); err != nil || moved.Version != 2 {
			f.t.Errorf("%d: version %d, %v", n, moved.Version, err)
		}
		// The neighbouring gateway is asked for the same child at the same moment.
		r.Key = fmt.Sprintf("again-%d", n)
		_, err = f.houses[(gate+1)%3].Apply(f.t.Context(), second, r)
		if !fault.Is(err, fault.Conflict) || fault.Code(err) != "KKH1311" {
			f.t.Errorf("%d: a second registration: %v", n, err)
			continue
		}
		f.twice.Add(1)
	}
}

func TestThreeGatewaysRegisterFamilies(t *testing.T) {
	var given atomic.Int64
	to := neighbour{send: func(l ledger.Letter) (ledger.Receipt, error) {
		if l.Call == string(ledger.Numbering) {
			return ledger.Receipt{Atena: ledger.AtenaNumber(fmt.Sprintf("30000%05d", given.Add(1)))}, nil
		}
		return ledger.Receipt{}, nil
	}}
	f := &families{t: t, houses: threeGateways(t, storetest.Postgres(t), to)}
	for i := range 3 {
		who := elsewhere()
		who.BirthDate.Day = 1 + i
		f.guardians = append(f.guardians, ledger.Party{Identity: who}, ledger.Party{Atena: ledger.AtenaNumber(fmt.Sprintf("40000%05d", i))})
	}
	for _, h := range f.houses {
		h.relay()
	}
	var all sync.WaitGroup
	for gate := range f.houses {
		for clerk := range clerks {
			all.Go(func() { f.clerk(gate, clerk) })
		}
	}
	all.Wait()
	const children = 3 * clerks * perClerk
	h := f.houses[0]
	h.await("all is told", func() bool { return h.rows("ledger_held") == 0 && h.summary().Owed == 0 })
	if n := f.twice.Load(); n != children {
		t.Errorf("%d second registrations were refused, want %d", n, children)
	}
	if given.Load() != 3 {
		t.Errorf("%d numbers were assigned, want 3", given.Load())
	}
	for what, c := range map[string]struct{ query, want string }{
		"beneficiaries":          {`SELECT count(*)::text FROM ledger_beneficiary`, fmt.Sprint(children)},
		"persons":                {`SELECT count(*)::text FROM ledger_person`, fmt.Sprint(children + len(f.guardians))},
		"persons without one":    {`SELECT count(*)::text FROM ledger_person WHERE atena_number IS NULL`, "0"},
		"numbers":                {`SELECT count(DISTINCT number)::text FROM ledger_beneficiary`, fmt.Sprint(children)},
		"the counter":            {`SELECT value::text FROM ledger_counter`, fmt.Sprint(children)},
		"versions":               {`SELECT count(*)::text FROM ledger_beneficiary WHERE version = 2`, fmt.Sprint(children)},
		"addresses":              {`SELECT count(*)::text FROM ledger_mailing WHERE version = 2`, fmt.Sprint(children)},
		"commands":               {`SELECT count(*)::text FROM ledger_command`, fmt.Sprint(2 * children)},
		"told of once":           {`SELECT count(DISTINCT person_id)::text FROM ledger_use`, fmt.Sprint(children + len(f.guardians))},
		"told of more than once": {`SELECT count(*)::text FROM (SELECT person_id FROM ledger_use GROUP BY person_id HAVING count(*) > 1) x`, "0"},
	} {
		if got := h.table(c.query); got[0] != c.want {
			t.Errorf("%s: got %s, want %s", what, got[0], c.want)
		}
	}
	h.verifies()
}

// Lookups by three gateways, changes beside them: every answer was recorded before it was
// given.
func TestThreeGatewaysLookUp(t *testing.T) {
	houses := threeGateways(t, storetest.Postgres(t), nil)
	sources := three(family(facts(child, text(ledger.Name, "子"))), family(), family(facts(child, text(ledger.AddressText, "架空町1"))))
	var mu sync.Mutex
	var ids []ledger.LookupID
	var all sync.WaitGroup
	for i, h := range houses {
		g := gateway.New(gateway.Config{Budget: 5 * time.Second, Candidates: 20}, gateway.Rooms{
			DB: h.db, Record: h.record, Rules: ledgerRules(), Shield: shield(open), Sources: sources,
		})
		for n := range 4 {
			all.Go(func() {
				for range 5 {
					got, err := g.Lookup(t.Context(), worker, ask())
					if err != nil || len(got.Sources) != 3 {
						t.Errorf("%d sources, %v", len(got.Sources), err)
						return
					}
					mu.Lock()
					ids = append(ids, got.ID)
					mu.Unlock()
				}
			})
			all.Go(func() {
				r := register(fmt.Sprintf("key-%d-%d", i, n), ledger.Party{Atena: mother})
				r.Register.Child = ledger.AtenaNumber(fmt.Sprintf("20000%02d%03d", i, n))
				r.Basis = ledger.Basis{Procedure: "registration", Purpose: "new", Reason: "counter"}
				if _, err := h.Apply(t.Context(), worker, r); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	for _, id := range ids {
		if diff := cmp.Diff([]string{"intent", "outcome"}, houses[0].entries(id)); diff != "" {
			t.Errorf("a lookup's entries (-want +got):\n%s", diff)
		}
	}
	houses[0].verifies()
}

// Others stand in the way: the same command is tried again, and told only when they stay.
// The record is well all the time.
func TestChangeThatOthersStandInTheWayOf(t *testing.T) {
	at := storetest.Postgres(t)
	at.Config.LockTimeout = 500 * time.Millisecond
	h := buildLedgerIn(t, at, nil, nil)
	beside := at.Open(t)
	// hold keeps the ledger's lock until it is told to go.
	hold := func() (goOn func()) {
		held, over := make(chan struct{}), make(chan struct{})
		var holder sync.WaitGroup
		holder.Go(func() {
			err := store.WithTx(t.Context(), beside, func(ctx context.Context, tx *store.Tx) error {
				defer close(held)
				if err := tx.Lock(ctx, "ledger"); err != nil {
					return err
				}
				held <- struct{}{}
				<-over
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		<-held
		return func() { close(over); holder.Wait() }
	}
	goOn := hold()
	began := time.Now()
	_, err := h.Apply(t.Context(), worker, register("key-1", ledger.Party{Atena: mother}))
	if !fault.Is(err, fault.Unavailable) || fault.Code(err) != "KKH3207" || audit.IsUnwritable(err) || !h.record.Writable() {
		t.Errorf("while they stay: %v, writable %v", err, h.record.Writable())
	}
	if took := time.Since(began); took < 3*at.Config.LockTimeout {
		t.Errorf("told after %v, without trying three times", took)
	}
	made := make(chan gateway.ApplyResult, 1)
	go func() {
		r, err := h.Apply(t.Context(), worker, register("key-1", ledger.Party{Atena: mother}))
		if err != nil {
			t.Error(err)
		}
		made <- r
	}()
	<-time.After(at.Config.LockTimeout * 3 / 2) // the first try has ended, the second not
	goOn()
	if r := <-made; r.Repeated || r.Version != 1 {
		t.Errorf("when they have gone: %+v", r)
	}
	if n := h.rows("ledger_command"); n != 1 {
		t.Errorf("%d commands, want 1", n)
	}
	h.verifies()
}
