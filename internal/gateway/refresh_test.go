package gateway_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/inbox"
	"kakehashi/internal/ledger"
	"kakehashi/internal/ledgerdb"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
	"kakehashi/outbox"
)

// registry is a resident registry whose answer a test changes, and that counts who was asked
// about.
type registry struct {
	mu     sync.Mutex
	values map[ledger.Item]string
	err    error
	asked  []ledger.AtenaNumber
}

func (r *registry) Lookup(_ context.Context, q ledger.Question) (ledger.Answer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, q.Person)
	if r.err != nil {
		return ledger.Answer{}, r.err
	}
	f := ledger.Facts{Person: q.Person, Outcome: ledger.Found, Relation: "子"}
	for _, item := range slices.Sorted(maps.Keys(r.values)) {
		if slices.Contains(q.Items, item) {
			f.Values = append(f.Values, ledger.Value{Item: item, Text: r.values[item], AsOf: "2026-11-21", Usable: true})
		}
	}
	return ledger.Answer{Outcome: ledger.Found, Persons: []ledger.Facts{f}}, nil
}

func (r *registry) set(err error, values map[ledger.Item]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.values = err, values
}

func (r *registry) times() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

// noticing is a gateway with a ledger, an inbox and a registry.
type noticing struct {
	*house
	box      *inbox.Box
	registry *registry
	result   gateway.ApplyResult // a registered child
	shielded *sync.Map           // of those who are protected
	n        int
}

// noticeType is the type of the tests' events; their data are the person and the kind.
const noticeType = "jp.lg.kakehashi.test.changed.v1"

// readNotice reads the tests' events, as mapping does the city's.
func readNotice(_ string, data []byte) (ledger.Notice, error) {
	person, kind, ok := strings.Cut(string(data), " ")
	if !ok {
		return ledger.Notice{}, fault.New(fault.Invalid, "no notice").WithReason("unreadable")
	}
	day := ledger.Date{Year: 2026, Month: 11, Day: 20}
	return ledger.Notice{Person: ledger.AtenaNumber(person), Kind: ledger.NoticeKind(kind), Effective: day}, nil
}

var system = staff.Member{Client: "resident-system"}

func buildNoticing(t *testing.T, at storetest.Place) *noticing {
	t.Helper()
	n := &noticing{registry: &registry{}, shielded: &sync.Map{}}
	db := at.Open(t)
	record := openRecord(t, db)
	box, err := inbox.New(inbox.Config{RetryFirst: 2 * time.Millisecond, RetryMax: 8 * time.Millisecond, Tries: 1000}, inbox.Rooms{
		DB: db, Record: record, Key: [32]byte{7}, Read: readNotice,
	})
	if err != nil {
		t.Fatal(err)
	}
	queue, err := outbox.New(outbox.Config{}, outbox.Rooms{DB: db, Record: record, Key: [32]byte{1}, Routes: []outbox.Route{
		{Destination: "address", Kinds: ledger.ChangeKinds(), To: neighbour{}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	rules := staff.NewRules(staff.Config{RequiredACR: []string{"card+vein"}, Grants: []staff.Grant{
		{Staff: "1001", Role: "case-worker"}, {Staff: "2001", Role: "operator"}, {Staff: "4001", Role: "contractor"},
		{Client: "case-system", Role: "case-system"}, {Client: "resident-system", Role: "notifier"},
	}}, []staff.Procedure{{
		ID: "registration", LegalBasis: "条例", Purposes: []staff.Code{{Code: "new"}}, WithoutCase: []staff.Code{{Code: "counter"}},
		Changes: []string{"registration", "mailing_address"},
		Rights:  []staff.Right{{Roles: []string{"case-worker"}, Items: []string{"name", "kana", "birth_date", "residency", "address", "relation"}}},
	}}, time.UTC)
	g := gateway.New(gateway.Config{Budget: 300 * time.Millisecond, Candidates: 20}, gateway.Rooms{
		DB: db, Record: record, Rules: rules, Outbox: queue, Inbox: box,
		Sources: []gateway.Neighbour{{System: ledger.Residents, Source: n.registry}},
		Shield: shield(func(_ context.Context, persons []ledger.AtenaNumber) (ledger.Protected, error) {
			p := ledger.Protected{}
			for _, one := range persons {
				_, yes := n.shielded.Load(one)
				p[one] = ledger.Shielding{Protected: yes, Household: []ledger.AtenaNumber{one}}
			}
			return p, nil
		}),
	})
	n.house, n.box = &house{Gateway: g, t: t, record: record, db: db, queue: queue}, box
	n.result, err = g.Apply(t.Context(), worker, gateway.ApplyRequest{
		Key: "key-1", Basis: counter(), Register: &ledger.Registration{
			Child: child, Birth: ledger.Date{Year: 2020, Month: 5, Day: 3}, Guardian: ledger.Party{Atena: mother}, AppliedOn: ledger.Date{Year: 2026, Month: 11, Day: 20},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func counter() ledger.Basis {
	return ledger.Basis{Reason: "counter", Procedure: "registration", Purpose: "new"}
}

// notice brings a notice through the API.
func (n *noticing) notice(p ledger.AtenaNumber, kind ledger.NoticeKind) inbox.Taken {
	n.t.Helper()
	n.n++
	taken, err := n.TakeNotice(n.t.Context(), system, inbox.Message{
		Source: "urn:kakehashi:test", ID: fmt.Sprint("e-", n.n), Type: noticeType, Time: "2026-11-20T09:00:00+09:00",
		Value: []byte(string(p) + " " + string(kind)),
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return taken
}

func (n *noticing) run() {
	n.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(n.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- n.box.Run(ctx, n) }()
	n.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			n.t.Error(err)
		}
	})
}

// settled waits until so many notices have taken effect.
func (n *noticing) settled(want int) {
	n.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	over := time.After(20 * time.Second)
	for {
		items, _, err := n.box.List(n.t.Context(), inbox.Filter{State: inbox.Settled, Limit: 1000})
		if err != nil {
			n.t.Fatal(err)
		}
		if len(items) == want {
			return
		}
		select {
		case <-tick.C:
		case <-over:
			all, _, _ := n.box.List(n.t.Context(), inbox.Filter{All: true})
			n.t.Fatalf("%d are settled, want %d: %+v", len(items), want, all)
		}
	}
}

func (n *noticing) sights(p ledger.AtenaNumber) (all []ledgerdb.Sight) {
	n.t.Helper()
	err := store.Read(n.t.Context(), n.db, func(ctx context.Context, tx *store.Tx) (err error) {
		all, err = ledgerdb.Sights(ctx, tx, p)
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return all
}

// refreshed gives the entries of refreshes by kind.
func (n *noticing) refreshed() map[audit.Kind][]audit.Entry {
	n.t.Helper()
	all := map[audit.Kind][]audit.Entry{}
	for _, kind := range []audit.Kind{audit.Intent, audit.Outcome, audit.Change, audit.Refused} {
		found, _, err := n.record.Search(n.t.Context(), audit.Filter{Kind: kind, Limit: 200})
		if err != nil {
			n.t.Fatal(err)
		}
		for _, e := range found {
			if e.Entry.Act == gateway.ActRefresh {
				all[kind] = append(all[kind], e.Entry)
			}
		}
	}
	return all
}

func TestANoticeBecomesASight(t *testing.T) { storetest.Engines(t, testANoticeBecomesASight) }

func testANoticeBecomesASight(t *testing.T, at storetest.Place) {
	n := buildNoticing(t, at)
	before := map[ledger.Item]string{ledger.Name: "架空　子", ledger.AddressText: "架空町1", ledger.ResidencyStatus: "住民", ledger.Phone: "000"}
	n.registry.set(nil, before)
	n.notice(child, ledger.DataChanged)
	n.run()
	n.settled(1)
	if s := n.sights(child); len(s) != 1 || !s[0].First || s[0].Residency != "住民" || s[0].Protection != ledgerdb.Unprotected || s[0].AsOf != "2026-11-21" || len(s[0].Changed) != 0 {
		t.Errorf("the first sight is %+v", s)
	}
	after := maps.Clone(before)
	after[ledger.AddressText], after[ledger.Name], after[ledger.Phone] = "架空町2", "架空　娘", "111"
	n.registry.set(nil, after)
	taken := n.notice(child, ledger.HouseholdChanged)
	n.settled(2)
	got := n.sights(child)
	want := []ledger.Item{ledger.Name, ledger.AddressText} // nobody may see the telephone number
	if len(got) != 1 || got[0].First || !slices.Equal(got[0].Changed, want) || got[0].Kind != ledger.HouseholdChanged || got[0].Notice != taken.Name {
		t.Errorf("the second sight is %+v; want %v changed", got, want)
	}
	if _, known := got[0].Digests[ledger.Phone]; known || len(got[0].Digests) != 6 {
		t.Errorf("digests of %v", got[0].Digests)
	}
	entries := n.refreshed()
	if len(entries[audit.Intent]) != 2 || len(entries[audit.Outcome]) != 2 || len(entries[audit.Change]) != 2 {
		t.Errorf("%d intents, %d outcomes, %d changes", len(entries[audit.Intent]), len(entries[audit.Outcome]), len(entries[audit.Change]))
	}
	e := entries[audit.Intent][0]
	if e.Actor.Client != "inbox" || e.Procedure != "registration" || e.Subjects[0].Atena != string(child) || e.Detail["brought_by"] != "resident-system" {
		t.Errorf("the intent is %+v", e)
	}
}

func TestStaffSeeWhatANoticeLedTo(t *testing.T) { storetest.Engines(t, testStaffSeeWhatANoticeLedTo) }

func testStaffSeeWhatANoticeLedTo(t *testing.T, at storetest.Place) {
	n := buildNoticing(t, at)
	n.registry.set(nil, map[ledger.Item]string{ledger.Name: "架空　子", ledger.AddressText: "架空町1", ledger.ResidencyStatus: "住民"})
	n.notice(child, ledger.DataChanged)
	n.run()
	n.settled(1)
	n.registry.set(nil, map[ledger.Item]string{ledger.Name: "架空　娘", ledger.AddressText: "別市1", ledger.ResidencyStatus: "転出"})
	n.notice(child, ledger.MovedOut)
	n.settled(2)
	shown, err := n.Show(t.Context(), worker, n.result.Beneficiary, counter())
	if err != nil {
		t.Fatal(err)
	}
	want := []gateway.Seen{{
		Child: true, System: ledger.Residents, Kind: ledger.MovedOut, Effective: ledger.Date{Year: 2026, Month: 11, Day: 20}, AsOf: "2026-11-21",
		Outcome: ledger.Found, Residency: "転出", Changed: []ledger.Item{ledger.Name, ledger.ResidencyStatus, ledger.AddressText},
	}}
	check := func(what string, want, got []gateway.Seen) {
		t.Helper()
		for i := range got {
			if got[i].Received.IsZero() || got[i].SeenAt.IsZero() {
				t.Errorf("%s: without its moments: %+v", what, got[i])
			}
			got[i].Received, got[i].SeenAt = time.Time{}, time.Time{}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("on a basis", want, shown.Seen)
	n.shielded.Store(mother, true) // what locates one of the two locates the other
	if shown, err = n.Show(t.Context(), worker, n.result.Beneficiary, counter()); err != nil {
		t.Fatal(err)
	}
	want[0].Changed = []ledger.Item{ledger.Name, ledger.ResidencyStatus}
	check("of a protected person", want, shown.Seen)
	if shown, err = n.Show(t.Context(), worker, n.result.Beneficiary, ledger.Basis{}); err != nil || len(shown.Seen) != 0 {
		t.Errorf("without a basis: got %+v, %v", shown.Seen, err)
	}
}

func TestAStrangerIsNotAskedAbout(t *testing.T) { storetest.Engines(t, testAStrangerIsNotAskedAbout) }

func testAStrangerIsNotAskedAbout(t *testing.T, at storetest.Place) {
	n := buildNoticing(t, at)
	n.notice(other, ledger.MovedIn)
	n.run()
	n.settled(1)
	if n.registry.times() != 0 || len(n.sights(other)) != 0 {
		t.Errorf("the registry was asked %d times, and there are sights %v", n.registry.times(), n.sights(other))
	}
	entries := n.refreshed()
	if len(entries[audit.Intent]) != 0 || len(entries[audit.Change]) != 1 {
		t.Fatalf("the record has %+v", entries)
	}
	if e := entries[audit.Change][0]; e.Detail["result"] != inbox.NotOurs || len(e.Subjects) != 0 || strings.Contains(fmt.Sprintf("%+v", e), string(other)) {
		t.Errorf("the entry is %+v", e)
	}
	// Whom an open case lists is ours.
	if _, err := n.OpenCase(t.Context(), staff.Member{Client: "case-system"}, ledger.Case{ID: "K-2", Procedure: "registration", Persons: []ledger.AtenaNumber{other}}); err != nil {
		t.Fatal(err)
	}
	n.registry.set(nil, map[ledger.Item]string{ledger.Name: "他人"})
	n.notice(other, ledger.MovedIn)
	n.settled(2)
	if n.registry.times() != 1 || len(n.sights(other)) != 1 {
		t.Errorf("the registry was asked %d times, and there are sights %v", n.registry.times(), n.sights(other))
	}
}

func TestAnAbsentRegistryIsAskedAgain(t *testing.T) {
	storetest.Engines(t, testAnAbsentRegistryIsAskedAgain)
}

func testAnAbsentRegistryIsAskedAgain(t *testing.T, at storetest.Place) {
	n := buildNoticing(t, at)
	n.registry.set(fault.New(fault.Unavailable, "away").WithReason("timeout"), nil)
	n.notice(child, ledger.Died)
	n.run()
	deadline := time.After(10 * time.Second)
	for n.registry.times() < 3 {
		select {
		case <-deadline:
			t.Fatal("the registry is not asked again")
		case <-time.After(2 * time.Millisecond):
		}
	}
	n.registry.set(nil, map[ledger.Item]string{ledger.ResidencyStatus: "死亡"})
	n.settled(1)
	if e := n.refreshed(); len(e[audit.Change]) != 1 || len(e[audit.Intent]) != n.registry.times() || len(e[audit.Outcome]) != len(e[audit.Intent]) {
		t.Errorf("%d changes, %d intents, %d outcomes for %d questions", len(e[audit.Change]), len(e[audit.Intent]), len(e[audit.Outcome]), n.registry.times())
	}
}

func TestWhoMayDoWhatWithNotices(t *testing.T) { storetest.Engines(t, testWhoMayDoWhatWithNotices) }

func testWhoMayDoWhatWithNotices(t *testing.T, at storetest.Place) {
	n := buildNoticing(t, at)
	operator := staff.Member{Staff: "2001", Authentication: "card+vein"}
	contractor := staff.Member{Staff: "4001", Authentication: "card+vein"}
	parked, err := n.TakeNotice(t.Context(), system, inbox.Message{Source: "urn:kakehashi:test", ID: "bad", Type: noticeType, Value: []byte("{")})
	if err != nil || parked.State != inbox.Parked {
		t.Fatalf("got %+v, %v", parked, err)
	}
	if _, err := n.TakeNotice(t.Context(), worker, inbox.Message{Source: "a", ID: "b", Type: "c"}); !fault.Is(err, fault.Denied) {
		t.Errorf("a case worker brings a notice: %v", err)
	}
	if _, err := n.TakeNotice(t.Context(), system, inbox.Message{ID: "b", Type: "c"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("an event without a source: %v", err)
	}
	r := gateway.NoticeRequest{Filter: inbox.Filter{Names: []string{parked.Name}}, Reason: "送り元の誤り"}
	for _, who := range []staff.Member{worker, contractor, system, {Staff: "9999", Authentication: "card+vein"}} {
		if _, err := n.ReplayNotices(t.Context(), who, r); !fault.Is(err, fault.Denied) {
			t.Errorf("%s%s replays: %v", who.Staff, who.Client, err)
		}
		if _, err := n.DiscardNotices(t.Context(), who, r); !fault.Is(err, fault.Denied) {
			t.Errorf("%s%s discards: %v", who.Staff, who.Client, err)
		}
	}
	if page, err := n.Notices(t.Context(), worker, inbox.Filter{}); err != nil || len(page.Notices) != 1 || page.Summary.Parked != 1 {
		t.Errorf("everybody with a role sees the list: %+v, %v", page, err)
	}
	for _, bad := range []gateway.NoticeRequest{{Filter: r.Filter}, {Filter: r.Filter, Reason: "1000000001 の人"}, {Filter: inbox.Filter{Names: []string{"1000000001"}}, Reason: "誤り"}} {
		if _, err := n.DiscardNotices(t.Context(), operator, bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	dry := r
	dry.DryRun = true
	if plan, err := n.DiscardNotices(t.Context(), operator, dry); err != nil || plan.Can != 1 {
		t.Errorf("a dry run: %+v, %v", plan, err)
	}
	wrong := r
	wrong.Count = 5
	if _, err := n.DiscardNotices(t.Context(), operator, wrong); !fault.Is(err, fault.Conflict) {
		t.Errorf("another count: %v", err)
	}
	if plan, err := n.ReplayNotices(t.Context(), operator, r); err != nil || plan.Cannot != 1 {
		t.Errorf("a replay of what still cannot be read: %+v, %v", plan, err)
	}
	if plan, err := n.DiscardNotices(t.Context(), operator, r); err != nil || plan.Can != 1 {
		t.Errorf("a discard: %+v, %v", plan, err)
	}
	e := n.newest(audit.Change)
	if e.Act != string(staff.Discard) || e.Actor.Staff != "2001" || e.Detail["notices"] != parked.Name || e.Detail["of"] != "inbox" || e.Detail["reason"] != r.Reason {
		t.Errorf("the entry is %+v", e)
	}
}
