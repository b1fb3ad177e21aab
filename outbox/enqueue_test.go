package outbox

import (
	"bytes"
	"context"
	"errors"
	"kakehashi/internal/storetest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// nobody is a destination that is never told anything.
type nobody struct{}

func (nobody) Prepare(context.Context, ledger.Change) (ledger.Letter, error) {
	return ledger.Letter{}, fault.New(fault.Unavailable, "nobody is there")
}

func (nobody) Send(context.Context, ledger.Letter) (ledger.Receipt, error) {
	return ledger.Receipt{}, fault.New(fault.Unavailable, "nobody is there")
}

func TestEnqueueOwesToEveryRouteThatTakesTheKind(t *testing.T) {
	storetest.Engines(t, testEnqueueOwesToEveryRouteThatTakesTheKind)
}

func testEnqueueOwesToEveryRouteThatTakesTheKind(t *testing.T, at storetest.Place) {
	h := newHouse(t, at, quick(),
		Route{Destination: "address", Kinds: []ledger.ChangeKind{ledger.PersonUse, ledger.Numbering}, To: nobody{}},
		Route{Destination: "other", Kinds: []ledger.ChangeKind{ledger.PersonUse}, To: nobody{}})
	mailing := use("b", 1)
	mailing.Kind = ledger.MailingChange
	h.enqueue(use("a", 1))
	got := h.enqueue(use("a", 2), use("a", 3), use("c", 1), mailing)
	want := []Owed{
		{Change: "C-a-2", Destination: "address", Record: "B-a", Version: 2, WaitsFor: "C-a-1", Behind: 1},
		{Change: "C-a-2", Destination: "other", Record: "B-a", Version: 2, WaitsFor: "C-a-1", Behind: 1},
		{Change: "C-a-3", Destination: "address", Record: "B-a", Version: 3, WaitsFor: "C-a-1"},
		{Change: "C-a-3", Destination: "other", Record: "B-a", Version: 3, WaitsFor: "C-a-1"},
		{Change: "C-c-1", Destination: "address", Record: "B-c", Version: 1},
		{Change: "C-c-1", Destination: "other", Record: "B-c", Version: 1},
	}
	for i := range want {
		want[i].Kind, want[i].State = ledger.PersonUse, Pending
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Owed{}, "EnqueuedAt", "NextAt")); diff != "" {
		t.Errorf("owed (-want +got):\n%s", diff)
	}
	stands, err := h.queue.States(t.Context(), "C-a-2", "C-a-3", "C-c-1", "C-b-1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, stands); diff != "" {
		t.Errorf("what stands is not what was said (-said +stands):\n%s", diff)
	}
	of, err := h.queue.OfRecord(t.Context(), "B-a")
	if err != nil || len(of) != 6 || of[0].Change != "C-a-1" || of[0].Behind != 2 {
		t.Errorf("of the record: got %+v, %v", of, err)
	}
}

func TestEnqueueRefusesAChangeTwice(t *testing.T) {
	storetest.Engines(t, testEnqueueRefusesAChangeTwice)
}

func testEnqueueRefusesAChangeTwice(t *testing.T, at storetest.Place) {
	h := newHouse(t, at, quick(), Route{Destination: "address", Kinds: ledger.ChangeKinds(), To: nobody{}})
	h.enqueue(use("a", 1))
	err := store.WithTx(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
		_, err := h.queue.Enqueue(ctx, tx, use("a", 1))
		return err
	})
	if !fault.Is(err, fault.Conflict) || fault.Code(err) != codeTwice {
		t.Errorf("got %v, want a Conflict", err)
	}
}

func TestNothingIsOwedWhereTheCallerTurnsBack(t *testing.T) {
	storetest.Engines(t, testNothingIsOwedWhereTheCallerTurnsBack)
}

func testNothingIsOwedWhereTheCallerTurnsBack(t *testing.T, at storetest.Place) {
	h := newHouse(t, at, quick(), Route{Destination: "address", Kinds: ledger.ChangeKinds(), To: nobody{}})
	sentinel := errors.New("turned back")
	err := store.WithTx(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
		if _, err := h.queue.Enqueue(ctx, tx, use("a", 1)); err != nil {
			return err
		}
		return sentinel
	})
	if !errors.Is(err, sentinel) {
		t.Fatal(err)
	}
	if owed, err := h.queue.States(t.Context(), "C-a-1"); err != nil || len(owed) != 0 {
		t.Errorf("got %v, %v; want nothing", owed, err)
	}
}

func TestListGoesOnWhereItStopped(t *testing.T) { storetest.Engines(t, testListGoesOnWhereItStopped) }

func testListGoesOnWhereItStopped(t *testing.T, at storetest.Place) {
	h := newHouse(t, at, quick(), Route{Destination: "address", Kinds: ledger.ChangeKinds(), To: nobody{}})
	for _, r := range []string{"a", "b", "c", "d", "e"} {
		h.enqueue(use(r, 1))
	}
	var got []ledger.ChangeID
	f := Filter{Limit: 2, All: true}
	for {
		page, next, err := h.queue.List(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page {
			got = append(got, o.Change)
		}
		if f.Cursor = next; next == "" {
			break
		}
	}
	if diff := cmp.Diff([]ledger.ChangeID{"C-a-1", "C-b-1", "C-c-1", "C-d-1", "C-e-1"}, got); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	page, _, err := h.queue.List(t.Context(), Filter{IDs: []ledger.ChangeID{"C-b-1", "C-d-1"}, Destination: "address", Record: "B-d", State: Pending})
	if err != nil || len(page) != 1 || page[0].Change != "C-d-1" {
		t.Errorf("filtered: got %v, %v", page, err)
	}
	if _, _, err := h.queue.List(t.Context(), Filter{State: "lost"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("an unknown state: got %v", err)
	}
}

// What lies in the database tells nobody who it is about.
func TestNoPersonStandsInTheTables(t *testing.T) { storetest.Engines(t, testNoPersonStandsInTheTables) }

func testNoPersonStandsInTheTables(t *testing.T, at storetest.Place) {
	h := newHouse(t, at, quick(), Route{Destination: "address", Kinds: ledger.ChangeKinds(), To: nobody{}})
	c := use("a", 1)
	c.Kind, c.Identity = ledger.Numbering, ledger.Identity{Name: "架橋 花子", Kana: "カケハシ ハナコ", Address: "架橋市1番地"}
	h.enqueue(c)
	var body []byte
	rows, err := store.Query(t.Context(), h.db, "SELECT body FROM outbox_change")
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	if err := rows.Scan(&body); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"花子", "カケハシ", "架橋市", string(c.Atena)} {
		if bytes.Contains(body, []byte(secret)) {
			t.Errorf("%q can be read", secret)
		}
	}
	if _, err := h.queue.seal.openChange(body, c.ID, "other"); !fault.Is(err, fault.Internal) {
		t.Errorf("it opens in another row: %v", err)
	}
	got, err := h.queue.seal.openChange(body, c.ID, "address")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, got); diff != "" {
		t.Errorf("change (-want +got):\n%s", diff)
	}
}
