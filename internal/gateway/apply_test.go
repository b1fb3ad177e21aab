package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/ledgerdb"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
	"kakehashi/outbox"
)

// neighbour tells nobody anything, and ends as the test says.
type neighbour struct {
	send func(ledger.Letter) (ledger.Receipt, error)
}

func (n neighbour) Prepare(_ context.Context, c ledger.Change) (ledger.Letter, error) {
	return ledger.Letter{Call: string(c.Kind), Key: string(c.ID), Body: []byte(c.Record)}, nil
}

func (n neighbour) Send(_ context.Context, l ledger.Letter) (ledger.Receipt, error) {
	if n.send == nil {
		return ledger.Receipt{}, fault.New(fault.Unavailable, "away")
	}
	return n.send(l)
}

var (
	second     = staff.Member{Staff: "1002", Department: "子育て支援課", Authentication: "card+vein", Client: "case-system"}
	operator   = staff.Member{Staff: "2001", Authentication: "card+vein", Client: "console"}
	contractor = staff.Member{Staff: "2002", Authentication: "card+vein", Client: "console"}
	auditor    = staff.Member{Staff: "3001", Authentication: "card+vein", Client: "console"}
)

const brother = ledger.AtenaNumber("1000000003")

var now = time.Date(2026, 11, 24, 10, 4, 0, 0, time.FixedZone("JST", 9*60*60))

// ledgerRules are those of these tests: who may change what.
func ledgerRules() staff.Rules {
	who := []string{"case-worker"}
	items := []string{"name", "kana", "birth_date", "sex", "postal_code", "address", "address_extra"}
	return staff.NewRules(
		staff.Config{Grants: []staff.Grant{
			{Staff: "1001", Role: "case-worker"}, {Staff: "1002", Role: "case-worker"}, {Client: "case-system", Role: "case-system"},
			{Staff: "2001", Role: "operator"}, {Staff: "2002", Role: "operator"}, {Staff: "2002", Role: "contractor"},
			{Staff: "3001", Role: "auditor"},
		}},
		[]staff.Procedure{
			{ID: "registration", LegalBasis: "条例", Purposes: []staff.Code{{Code: "new"}}, WithoutCase: []staff.Code{{Code: "counter"}},
				Rights: []staff.Right{{Roles: who, Items: items}}, Changes: []string{"registration", "mailing_address"}},
			{ID: "letters", LegalBasis: "条例", Purposes: []staff.Code{{Code: "post"}}, WithoutCase: []staff.Code{{Code: "counter"}},
				Rights: []staff.Right{{Roles: who, Items: []string{"name"}}}, Changes: []string{"mailing_address"}},
		}, time.UTC)
}

// buildLedger is a gateway over a real record and a real queue.
func buildLedger(t *testing.T, at storetest.Place, protection shield, to outbox.Destination) *house {
	t.Helper()
	return buildLedgerIn(t, another(t, at), protection, to)
}

func buildLedgerIn(t *testing.T, at storetest.Place, protection shield, to outbox.Destination) *house {
	t.Helper()
	keys := t.TempDir()
	if err := audit.GenerateKeys(keys); err != nil {
		t.Fatal(err)
	}
	h := ledgerHouse(t, at, keys, protection, to)
	h.openCases()
	return h
}

// ledgerHouse is one gateway, perhaps of several, over the record whose keys the folder has.
func ledgerHouse(t *testing.T, at storetest.Place, keys string, protection shield, to outbox.Destination) *house {
	t.Helper()
	db := at.Open(t)
	proofs := filepath.Join(t.TempDir(), "checkpoints.txt") // of this gateway
	record := runRecord(t, db, keys, proofs)
	if to == nil {
		to = neighbour{}
	}
	queue, err := outbox.New(outbox.Config{}, outbox.Rooms{DB: db, Record: record, Key: [32]byte{1}, Routes: []outbox.Route{
		{Destination: "address", Kinds: ledger.ChangeKinds(), To: to},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if protection == nil {
		protection = nobodyProtected
	}
	rooms := gateway.Rooms{DB: db, Record: record, Rules: ledgerRules(), Shield: protection, Outbox: queue, Now: func() time.Time { return now }}
	flights := &flightLog{}
	rooms.Flights = flights
	return &house{flights: flights, Gateway: gateway.New(gateway.Config{Budget: time.Second, Candidates: 20}, rooms), t: t, record: record, db: db, at: at, queue: queue, keys: keys, proofs: proofs}
}

func (h *house) openCases() {
	h.t.Helper()
	for id, persons := range map[ledger.CaseID][]ledger.AtenaNumber{"K-1": {child, mother}, "K-2": {brother}} {
		if _, err := h.OpenCase(h.t.Context(), staff.Member{Client: "case-system"}, ledger.Case{ID: id, Procedure: "registration", Persons: persons}); err != nil {
			h.t.Fatal(err)
		}
	}
}

var onCase1 = ledger.Basis{Case: "K-1", Procedure: "registration", Purpose: "new"}

// elsewhere is a guardian who lives in another city.
func elsewhere() ledger.Identity {
	return ledger.Identity{
		Name: "架空　花子", Kana: "カクウ　ハナコ", BirthDate: ledger.Date{Year: 1990, Month: 5, Day: 3}, Sex: "女", Address: "別市架空町九丁目8番7号",
	}
}

func register(key string, guardian ledger.Party) gateway.ApplyRequest {
	return gateway.ApplyRequest{Key: key, Basis: onCase1, Register: &ledger.Registration{
		Child: child, Birth: ledger.Date{Year: 2020, Month: 4, Day: 2}, Guardian: guardian, AppliedOn: ledger.Date{Year: 2026, Month: 11, Day: 24},
	}}
}

func move(key string, r gateway.ApplyResult) gateway.ApplyRequest {
	return gateway.ApplyRequest{Key: key, Basis: onCase1, Amend: &ledger.Amendment{
		Beneficiary: r.Beneficiary, Version: r.Version, Kind: ledger.MailingChange,
		Mailing: ledger.MailingAddress{Name: "架空　次郎", PostalCode: "1234567", Address: "送付先町1番地", From: ledger.Date{Year: 2026, Month: 12, Day: 1}},
	}}
}

func (h *house) apply(who staff.Member, r gateway.ApplyRequest) gateway.ApplyResult {
	h.t.Helper()
	got, err := h.Apply(h.t.Context(), who, r)
	if err != nil {
		h.t.Fatal(err)
	}
	return got
}

// newest gives the newest entry of the kind.
func (h *house) newest(kind audit.Kind) audit.Entry {
	h.t.Helper()
	found, _, err := h.record.Search(h.t.Context(), audit.Filter{Kind: kind, Limit: 1})
	if err != nil || len(found) == 0 {
		h.t.Fatalf("no entry of kind %s: %v", kind, err)
	}
	return found[0].Entry
}

func owedKinds(owed []outbox.Owed) []string {
	var kinds []string
	for _, o := range owed {
		kinds = append(kinds, string(o.Kind)+" "+string(o.State))
	}
	return kinds
}

// refusedEntry expects a refusal with its number and its entry, and nothing else changed.
func (h *house) refused(err error, kind fault.Kind, code string) {
	h.t.Helper()
	if !fault.Is(err, kind) || fault.Code(err) != code {
		h.t.Errorf("got %v, want %s %s", err, kind, code)
	}
	if e := h.newest(audit.Refused); e.Code != code {
		h.t.Errorf("the newest refusal of the record bears %q, want %s", e.Code, code)
	}
}

func (h *house) rows(table string) (n int) {
	h.t.Helper()
	err := store.Read(h.t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*) FROM "+table).Scan(&n)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func TestRegistrationIsOneTransaction(t *testing.T) {
	storetest.Engines(t, testRegistrationIsOneTransaction)
}

func testRegistrationIsOneTransaction(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	got := h.apply(worker, register("key-1", ledger.Party{Atena: mother}))
	if got.Number != "0000018" || got.Version != 1 || got.Repeated || got.LookupID == "" {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff([]string{"person_use pending", "person_use pending"}, owedKinds(got.Owed)); diff != "" {
		t.Errorf("owed (-want +got):\n%s", diff)
	}
	if got.Owed[0].Change != got.Change || got.Owed[1].Change != got.Change.Nth(1) || len(got.Waiting) != 0 {
		t.Errorf("the changes do not bear the command's ID: %+v", got)
	}
	e := h.newest(audit.Change)
	if e.Act != "apply" || e.Lookup != string(got.LookupID) || e.Detail["change"] != string(got.Change) ||
		e.Detail["beneficiary"] != string(got.Beneficiary) || e.Case != "K-1" || !slices.Equal(e.Sources, []string{"address"}) {
		t.Errorf("the entry: %+v", e)
	}
	want := []audit.Subject{{Atena: string(child), Role: "changed"}, {Atena: string(mother), Role: "changed"}}
	if diff := cmp.Diff(want, e.Subjects); diff != "" {
		t.Errorf("whom the entry concerns (-want +got):\n%s", diff)
	}
}

// flightLog counts the presses that were begun and those that have ended, by key.
type flightLog struct {
	mu           sync.Mutex
	begun, ended map[string]int
}

func (f *flightLog) Begin(_ context.Context, key string) (end func(), first bool) {
	count := func(in *map[string]int) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if *in == nil {
			*in = map[string]int{}
		}
		(*in)[key]++
	}
	count(&f.begun)
	return func() { count(&f.ended) }, true
}

func TestPressesOfOneKeyAreOneFlight(t *testing.T) {
	at := storetest.Place{Config: store.File(filepath.Join(t.TempDir(), "kakehashi.db"))}
	h := buildLedgerIn(t, at, nil, nil)
	for range 2 {
		h.apply(worker, register("key-1", ledger.Party{Atena: mother}))
	}
	if _, err := h.Apply(t.Context(), auditor, register("key-2", ledger.Party{Atena: mother})); err == nil {
		t.Error("an auditor registered somebody")
	}
	if len(h.flights.begun) != 2 {
		t.Errorf("keys: got %d, want one for each command", len(h.flights.begun))
	}
	if diff := cmp.Diff(h.flights.begun, h.flights.ended); diff != "" {
		t.Errorf("begun and not ended (-begun +ended):\n%s", diff)
	}
}

func TestSecondPressGivesTheFirstResult(t *testing.T) {
	storetest.Engines(t, testSecondPressGivesTheFirstResult)
}

func testSecondPressGivesTheFirstResult(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	first := h.apply(worker, register("key-1", ledger.Party{Identity: elsewhere()}))
	again := h.apply(worker, register("key-1", ledger.Party{Identity: elsewhere()}))
	if !again.Repeated || again.LookupID == first.LookupID {
		t.Errorf("the second press: %+v", again)
	}
	if diff := cmp.Diff(owedKinds(first.Owed), owedKinds(again.Owed)); diff != "" {
		t.Errorf("owed (-first +second):\n%s", diff)
	}
	first.LookupID, first.Repeated, first.Owed, again.LookupID, again.Repeated, again.Owed = "", false, nil, "", false, nil
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the result (-first +second):\n%s", diff)
	}
	if n := h.rows("ledger_beneficiary"); n != 1 {
		t.Errorf("%d beneficiaries, want 1", n)
	}
	if e := h.newest(audit.Change); e.Detail["repeated"] != "true" || e.Subjects[0] != (audit.Subject{Atena: string(child), Role: "asked"}) {
		t.Errorf("the entry of the second press: %+v", e)
	}

	other := register("key-1", ledger.Party{Atena: mother})
	told, err := h.Apply(t.Context(), worker, other)
	h.refused(err, fault.Invalid, "KKH1312")
	if told.Beneficiary != first.Beneficiary || told.Number != first.Number || told.Change != "" {
		t.Errorf("what is told of the key's first press: %+v", told)
	}
	_, err = h.Apply(t.Context(), second, register("key-1", ledger.Party{Identity: elsewhere()}))
	h.refused(err, fault.Denied, "KKH1313")
	reader := auditor // of the same client: whose key it is, is told to nobody who may not press
	reader.Client = worker.Client
	_, err = h.Apply(t.Context(), reader, register("key-1", ledger.Party{Identity: elsewhere()}))
	h.refused(err, fault.Denied, "KKH1213")

	if err := h.CloseCase(t.Context(), staff.Member{Client: "case-system"}, "K-1"); err != nil {
		t.Fatal(err)
	}
	_, err = h.Apply(t.Context(), worker, register("key-1", ledger.Party{Identity: elsewhere()}))
	h.refused(err, fault.Denied, "KKH1219") // authorised again, by today's rules
}

func TestPressesAtOnceAreOneChange(t *testing.T) { storetest.Engines(t, testPressesAtOnceAreOneChange) }

func testPressesAtOnceAreOneChange(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	var all sync.WaitGroup
	var fresh, repeated atomic.Int64
	for range 8 {
		all.Go(func() {
			got, err := h.Apply(t.Context(), worker, register("key-1", ledger.Party{Atena: mother}))
			switch {
			case err != nil:
				t.Error(err)
			case got.Repeated:
				repeated.Add(1)
			default:
				fresh.Add(1)
			}
		})
	}
	all.Wait()
	if fresh.Load() != 1 || repeated.Load() != 7 || h.rows("outbox_change") != 2 {
		t.Errorf("%d first, %d repeated, %d owed; want 1, 7, 2", fresh.Load(), repeated.Load(), h.rows("outbox_change"))
	}
}

func TestTwoClerksOneConflict(t *testing.T) { storetest.Engines(t, testTwoClerksOneConflict) }

func testTwoClerksOneConflict(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	r := h.apply(worker, register("key-1", ledger.Party{Atena: mother}))
	moved := h.apply(second, move("key-2", r))
	if moved.Version != 2 || moved.Number != r.Number {
		t.Errorf("got %+v", moved)
	}
	_, err := h.Apply(t.Context(), worker, move("key-3", r))
	h.refused(err, fault.Conflict, "KKH1310")
	first, ok := errors.AsType[*ledger.Superseded](err)
	if !ok || first.By != "1002" || !first.At.Equal(now) || first.Version != 2 {
		t.Errorf("who was first: %+v", first)
	}
	if e := h.newest(audit.Refused); e.Detail["beneficiary"] != string(r.Beneficiary) || len(e.Subjects) != 2 || e.Subjects[0].Role != "asked" {
		t.Errorf("the entry of the conflict: %+v", e)
	}

	_, err = h.Apply(t.Context(), second, register("key-4", ledger.Party{Atena: mother}))
	h.refused(err, fault.Conflict, "KKH1311")
	if first, ok = errors.AsType[*ledger.Superseded](err); !ok || first.By != "1002" {
		t.Errorf("who registered the child: %+v", first)
	}
}

func TestRefusedCommandLeavesItsIDFree(t *testing.T) {
	storetest.Engines(t, testRefusedCommandLeavesItsIDFree)
}

func testRefusedCommandLeavesItsIDFree(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	bad := register("key-1", ledger.Party{Atena: mother})
	bad.Register.AppliedOn.Year = 2027
	_, err := h.Apply(t.Context(), worker, bad)
	h.refused(err, fault.Invalid, "KKH1303")
	for _, table := range []string{"ledger_command", "ledger_person", "ledger_beneficiary", "ledger_counter", "outbox_change"} {
		if n := h.rows(table); n != 0 {
			t.Errorf("a refused command left %d rows in %s", n, table)
		}
	}
	if got := h.apply(worker, register("key-1", ledger.Party{Atena: mother})); got.Repeated || got.Number != "0000018" {
		t.Errorf("the mended request under the same key: %+v", got)
	}
}

func TestWhoMayChangeWhat(t *testing.T) { storetest.Engines(t, testWhoMayChangeWhat) }

func testWhoMayChangeWhat(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	valid := register("key", ledger.Party{Atena: mother})
	for _, c := range []struct {
		name string
		who  staff.Member
		with func(*gateway.ApplyRequest)
		code string
	}{
		{"no role", staff.Member{Staff: "9999"}, nil, "KKH1211"},
		{"an operator", operator, nil, "KKH1213"},
		{"an auditor", auditor, nil, "KKH1213"},
		{"the case system", staff.Member{Client: "case-system"}, nil, "KKH1213"},
		{"a procedure that does not register", worker, func(r *gateway.ApplyRequest) {
			r.Basis = ledger.Basis{Procedure: "letters", Purpose: "post", Reason: "counter"}
		}, "KKH1224"},
		{"no such procedure", worker, func(r *gateway.ApplyRequest) { r.Basis.Procedure = "nope" }, "KKH1214"},
		{"another purpose", worker, func(r *gateway.ApplyRequest) { r.Basis.Purpose = "post" }, "KKH1216"},
		{"neither case nor reason", worker, func(r *gateway.ApplyRequest) { r.Basis.Case = "" }, "KKH1217"},
		{"no such case", worker, func(r *gateway.ApplyRequest) { r.Basis.Case = "K-9" }, "KKH1218"},
		{"another family's case", worker, func(r *gateway.ApplyRequest) { r.Basis.Case = "K-2" }, "KKH1220"},
		{"a guardian of another family", worker, func(r *gateway.ApplyRequest) { r.Register.Guardian.Atena = other }, "KKH1220"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := valid
			registration := *valid.Register
			r.Register = &registration
			if c.with != nil {
				c.with(&r)
			}
			_, err := h.Apply(t.Context(), c.who, r)
			h.t = t
			h.refused(err, fault.Denied, c.code)
		})
	}
	h.t = t
	noCase := valid
	noCase.Basis = ledger.Basis{Procedure: "registration", Purpose: "new", Reason: "counter"}
	h.apply(worker, noCase)
	if e := h.newest(audit.Change); !slices.Contains(e.Flags, audit.FlagNoCase) {
		t.Error("a change without a case is not flagged")
	}
}

func TestMalformedRequestIsInvalid(t *testing.T) { storetest.Engines(t, testMalformedRequestIsInvalid) }

func testMalformedRequestIsInvalid(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	for name, with := range map[string]func(*gateway.ApplyRequest){
		"KKH1319": func(r *gateway.ApplyRequest) { r.Key = "" },
		"KKH1103": func(r *gateway.ApplyRequest) { r.Register.Child = "123456789012" },
		"KKH1104": func(r *gateway.ApplyRequest) { r.Basis.Case = "案件" },
		"KKH1301": func(r *gateway.ApplyRequest) { r.Register.Guardian.Identity = elsewhere() },
		"KKH1302": func(r *gateway.ApplyRequest) { r.Register.Guardian.Atena = child },
	} {
		r := register("key", ledger.Party{Atena: mother})
		with(&r)
		if _, err := h.Apply(t.Context(), worker, r); !fault.Is(err, fault.Invalid) || fault.Code(err) != name {
			t.Errorf("got %v, want Invalid %s", err, name)
		}
	}
	for _, key := range []string{strings.Repeat("x", 256), "with space", "キー", "tab\t"} {
		r := register(key, ledger.Party{Atena: mother})
		if _, err := h.Apply(t.Context(), worker, r); fault.Code(err) != "KKH1319" {
			t.Errorf("key %q: got %v, want KKH1319", key, err)
		}
	}
	unknown := gateway.ApplyResult{Beneficiary: "B-AAAAAAAAAAAAAAAAAAAAAAAAAA", Version: 1}
	_, err := h.Apply(t.Context(), worker, move("key", unknown))
	h.refused(err, fault.NotFound, "KKH1314")
	odd := move("key", h.apply(worker, register("key", ledger.Party{Atena: mother})))
	odd.Key, odd.Amend.Kind = "key-2", "person_use"
	_, err = h.Apply(t.Context(), worker, odd)
	h.refused(err, fault.Invalid, "KKH1306")
}

// receive does what the relay does when the number has come.
func (h *house) receive(c ledger.Change, number ledger.AtenaNumber) error {
	return store.WithTx(h.t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
		return h.Receive(ctx, tx, c, ledger.Receipt{Atena: number})
	})
}

// guardianOf gives the numbering change of a registration.
func (h *house) numbering(r gateway.ApplyResult) ledger.Change {
	h.t.Helper()
	c := ledger.Change{ID: r.Owed[len(r.Owed)-1].Change, Kind: ledger.Numbering, Record: r.Beneficiary}
	err := store.Read(h.t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
		b, _, err := ledgerdb.BeneficiaryOf(ctx, tx, r.Beneficiary)
		c.Person = b.Guardian.ID
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func TestWhatNeedsTheNumberIsOwedWhenItComes(t *testing.T) {
	storetest.Engines(t, testWhatNeedsTheNumberIsOwedWhenItComes)
}

func testWhatNeedsTheNumberIsOwedWhenItComes(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	r := h.apply(worker, register("key-1", ledger.Party{Identity: elsewhere()}))
	if diff := cmp.Diff([]string{"person_use pending", "numbering pending"}, owedKinds(r.Owed)); diff != "" {
		t.Errorf("owed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]gateway.Waiting{{Change: r.Change.Nth(2), Kind: ledger.PersonUse}}, r.Waiting); diff != "" {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
	moved := h.apply(worker, move("key-2", r))
	if len(moved.Owed) != 0 || len(moved.Waiting) != 1 {
		t.Errorf("the mailing address of somebody without a number: %+v", moved)
	}
	c := h.numbering(r)
	for range 2 { // twice is no error, and nothing twice
		if err := h.receive(c, "1000000055"); err != nil {
			t.Fatal(err)
		}
	}
	shown, err := h.Show(t.Context(), worker, r.Beneficiary, onCase1)
	if err != nil {
		t.Fatal(err)
	}
	if shown.Beneficiary.Guardian.Atena != "1000000055" || shown.Beneficiary.Version != 2 || len(shown.Waiting) != 0 {
		t.Errorf("after the number came: %+v", shown)
	}
	var got []string
	for _, o := range shown.Owed {
		got = append(got, fmt.Sprintf("%s %s %d", o.Change, o.Kind, o.Version))
	}
	want := []string{
		fmt.Sprintf("%s person_use 1", r.Change), fmt.Sprintf("%s.1 numbering 1", r.Change),
		fmt.Sprintf("%s.2 person_use 1", r.Change), fmt.Sprintf("%s mailing_address 2", moved.Change),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("owed in order (-want +got):\n%s", diff)
	}
	again := h.apply(worker, register("key-1", ledger.Party{Identity: elsewhere()}))
	if len(again.Owed) != 3 || len(again.Waiting) != 0 || again.Version != 1 {
		t.Errorf("the first press again: %+v", again)
	}
}

func TestNumberThatCannotBeTaken(t *testing.T) { storetest.Engines(t, testNumberThatCannotBeTaken) }

func testNumberThatCannotBeTaken(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	c := h.numbering(h.apply(worker, register("key-1", ledger.Party{Identity: elsewhere()})))
	for _, try := range []struct {
		number ledger.AtenaNumber
		kind   fault.Kind
		code   string
	}{{child, fault.Conflict, "KKH1315"}, {"123456789012", fault.Invalid, "KKH1316"}, {"", fault.Invalid, "KKH1316"}} {
		if err := h.receive(c, try.number); !fault.Is(err, try.kind) || fault.Code(err) != try.code {
			t.Errorf("%q: got %v, want %s", try.number, err, try.code)
		}
	}
	if err := h.receive(c, "1000000055"); err != nil {
		t.Fatal(err)
	}
	if err := h.receive(c, "1000000066"); !fault.Is(err, fault.Conflict) || fault.Code(err) != "KKH1317" {
		t.Errorf("another number: got %v, want KKH1317", err)
	}
}

func TestGuardianNamedTwiceIsOnePerson(t *testing.T) {
	storetest.Engines(t, testGuardianNamedTwiceIsOnePerson)
}

func testGuardianNamedTwiceIsOnePerson(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	first := h.apply(worker, register("key-1", ledger.Party{Identity: elsewhere()}))
	sibling := func(key string, p ledger.AtenaNumber) gateway.ApplyRequest {
		i := elsewhere()
		i.Kana, i.Address = "かくう はなこ", "別市架空町9-8-7"
		r := register(key, ledger.Party{Identity: i})
		r.Basis.Case, r.Register.Child = "K-2", p
		return r
	}
	r := h.apply(worker, sibling("key-2", brother))
	if diff := cmp.Diff([]string{"person_use pending"}, owedKinds(r.Owed)); diff != "" || len(r.Waiting) != 0 {
		t.Errorf("of a sibling's guardian nothing new is owed (-want +got):\n%s%v", diff, r.Waiting)
	}
	if err := h.receive(h.numbering(first), "1000000055"); err != nil {
		t.Fatal(err)
	}
	if n := h.rows("ledger_person"); n != 3 {
		t.Errorf("%d persons, want 3", n)
	}
	found, _, err := h.SearchLedger(t.Context(), worker, gateway.LedgerSearch{
		Guardian: "1000000055", Basis: ledger.Basis{Procedure: "registration", Purpose: "new", Reason: "counter"},
	})
	if err != nil || len(found) != 2 {
		t.Errorf("by the guardian's number: got %+v, %v; want both children", found, err)
	}
}
