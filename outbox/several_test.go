package outbox

import (
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// ownRole gives the place a role of its own on the server, so that a test can tell its own
// connections from those of others. The role and the schema go when the test ends.
func ownRole(t *testing.T, at storetest.Place) (_ storetest.Place, role string) {
	t.Helper()
	role = "test_" + strings.ToLower(rand.Text()[:12])
	storetest.Admin(t, "CREATE ROLE "+role+" LOGIN SUPERUSER")
	t.Cleanup(func() {
		storetest.Admin(t, "DROP SCHEMA IF EXISTS "+at.Config.Schema+" CASCADE", "DROP ROLE "+role)
	})
	u, err := url.Parse(at.Config.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	at.Config.URL = u.String()
	return at, role
}

// gateways are several houses on one schema, as several gateways are: each has its own
// connections, record and relay.
func gateways(t *testing.T, at storetest.Place, n int, cfg Config, routes ...Route) []*house {
	t.Helper()
	dir := t.TempDir()
	if err := audit.GenerateKeys(dir); err != nil {
		t.Fatal(err)
	}
	list := make([]*house, n)
	for i := range list {
		db := at.Open(t)
		h := &house{t: t, at: at, db: db, record: recordOf(t, db, dir, filepath.Join(t.TempDir(), "checkpoints"))}
		h.queue = h.open(cfg, routes...)
		h.queue.rooms.Exclusive, h.queue.lease = false, h.queue.cfg.SendTimeout+2*time.Second
		list[i] = h
	}
	return list
}

// insist owes changes whatever becomes of the connection meanwhile.
func (h *house) insist(changes ...ledger.Change) {
	for {
		err := store.WithTx(h.t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
			_, err := h.queue.Enqueue(ctx, tx, changes...)
			return err
		})
		switch {
		case err == nil, fault.Code(err) == codeTwice: // an earlier attempt was committed, whose reply was lost
			return
		case !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Unsure):
			h.t.Errorf("owe: %v", err)
			return
		}
	}
}

// Three gateways on one schema, one an hour ahead, tell a neighbour that loses replies. One
// dies in the middle, and connections are cut now and then: every change takes effect once,
// in the order of its record, and the history is whole.
func TestThreeRelaysTellEveryChangeOnceInOrder(t *testing.T) {
	const records, versions = 200, 10
	at, role := ownRole(t, storetest.Postgres(t))
	n := askable{newNeighbour()}
	n.script = func(context.Context, ledger.ChangeID, int) (bool, error) {
		timer := time.NewTimer(time.Duration(mrand.IntN(2000)) * time.Microsecond)
		defer timer.Stop()
		<-timer.C
		switch mrand.IntN(20) {
		case 0:
			return false, down()
		case 1, 2:
			return true, unsure()
		case 3:
			return false, unsure()
		}
		return true, nil
	}
	cfg := quick()
	cfg.Settle, cfg.Tries, cfg.InFlight = 50*time.Millisecond, 1000, 32
	all := gateways(t, at, 3, cfg, to(n))
	all[2].queue.rooms.Now = func() time.Time { return time.Now().Add(time.Hour) }
	stops := make([]func(), len(all))
	for i, h := range all {
		stops[i] = h.run(h.queue, nil)
	}
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for v := 1; v <= versions; v++ {
				for r := w; r < records; r += 4 {
					all[(r+v)%2*2].insist(use(fmt.Sprint(r), v)) // by those that live on
				}
			}
		})
	}
	stopCutting := cutting(t, role)
	until(t, "half is told", func() bool { return n.effectsSoFar() > records*versions/2 })
	if err := all[1].db.Close(); err != nil { // whatever it was about to write ends here
		t.Fatal(err)
	}
	stops[1]()
	writers.Wait()
	stopCutting()
	untilEmpty(t, all[0])
	for r := range records {
		var got []ledger.ChangeID
		for _, id := range n.effects {
			if between(string(id)) == fmt.Sprint(r) || strings.HasPrefix(string(id), fmt.Sprintf("C-%d-", r)) {
				got = append(got, id)
			}
		}
		var want []ledger.ChangeID
		for v := 1; v <= versions; v++ {
			want = append(want, use(fmt.Sprint(r), v).ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("record %d: took effect in the order %v", r, got)
		}
	}
	wholeHistory(t, all[0], records, versions)
	sends := 0
	for _, times := range n.sends {
		sends += times
	}
	t.Logf("%d changes: %d deliveries, %d effects, %d questions", records*versions, sends, len(n.effects), len(n.asked))
}

func (n *neighbour) effectsSoFar() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.effects)
}

// cutting ends a connection of the role now and then, until it is stopped.
func cutting(t *testing.T, role string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		tick := time.NewTicker(300 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				storetest.Admin(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+role+"' ORDER BY random() LIMIT 1")
			}
		}
	})
	return func() { cancel(); work.Wait() }
}

func untilEmpty(t *testing.T, h *house) {
	t.Helper()
	limit := time.Now().Add(90 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := h.queue.Summary(t.Context())
		if err == nil && s.Owed == 0 {
			return
		}
		if time.Now().After(limit) {
			list, _, _ := h.queue.List(t.Context(), Filter{})
			t.Fatalf("%+v are still owed (%v): %+v", s, err, list[:min(5, len(list))])
		}
		<-tick.C
	}
}

// wholeHistory makes sure that every change is in the history once, with every attempt.
func wholeHistory(t *testing.T, h *house, records, versions int) {
	t.Helper()
	for r := range records {
		for v := 1; v <= versions; v++ {
			id := use(fmt.Sprint(r), v).ID
			if o := h.state(id); o.State != Delivered || o.DeliveredAt.IsZero() || o.Behind != 0 {
				t.Errorf("%s: %+v", id, o)
			}
			attempts, err := h.queue.Attempts(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			for i, a := range attempts {
				if a.Number != i+1 || a.Ended.IsZero() {
					t.Errorf("%s: attempts %+v", id, attempts)
					break
				}
			}
		}
	}
}

// A record's changes are owed by one gateway while another tells them: whatever the moment,
// the next goes on.
func TestOwingMeetsTheSettlementOfTheHead(t *testing.T) {
	const changes = 300
	n := newNeighbour()
	all := gateways(t, storetest.Postgres(t), 2, quick(), to(n))
	all[1].run(all[1].queue, nil)
	var want []ledger.ChangeID
	for v := 1; v <= changes; v++ {
		c := use("a", v)
		all[0].enqueue(c)
		want = append(want, c.ID)
	}
	untilEmpty(t, all[0])
	if !slices.Equal(n.effects, want) {
		t.Errorf("took effect in the order %v", n.effects)
	}
}

// Somebody owes or discards a change at the very moment at which the head of its lane is
// settled: whoever is first, the other waits for it, and what is left of the lane goes on.
func TestALaneIsChangedWhileItsHeadIsSettled(t *testing.T) {
	owe := func(ctx context.Context, tx *store.Tx, q *Queue) error {
		_, err := q.Enqueue(ctx, tx, use("a", 4))
		return err
	}
	discard := func(ctx context.Context, tx *store.Tx, q *Queue) error {
		p, err := q.Discard(ctx, tx, Filter{IDs: []ledger.ChangeID{"C-a-2"}}, Mark{By: "2001", At: time.Now(), Reason: "r"}, nil)
		if err == nil && p.Can != 1 {
			err = fmt.Errorf("discarded %+v", p)
		}
		return err
	}
	for name, c := range map[string]struct {
		change func(context.Context, *store.Tx, *Queue) error
		owed   []ledger.Change
		last   ledger.ChangeID
	}{
		"owed behind it":              {owe, []ledger.Change{use("a", 1)}, "C-a-4"},
		"owed behind others":          {owe, []ledger.Change{use("a", 1), use("a", 2)}, "C-a-4"},
		"discarded, others behind it": {discard, []ledger.Change{use("a", 1), use("a", 2), use("a", 3)}, "C-a-3"},
	} {
		for _, settlesFirst := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, settled first %v", name, settlesFirst), func(t *testing.T) {
				all := gateways(t, storetest.Postgres(t), 2, quick(), to(newNeighbour()))
				all[0].enqueue(c.owed...)
				r := newRelay(t.Context(), all[1].queue, nil)
				untilMoved(t, r)
				r.hear(<-r.events)
				change := func(ctx context.Context, tx *store.Tx) error { return c.change(ctx, tx, all[0].queue) }
				settle := func(ctx context.Context, tx *store.Tx) error { return r.settle(ctx, tx, r.ended, false) }
				if settlesFirst {
					inTurn(t, all[1], settle, all[0], change)
				} else {
					inTurn(t, all[0], change, all[1], settle)
				}
				all[1].run(all[1].queue, nil)
				all[0].untilState(c.last, Delivered)
			})
		}
	}
}

// inTurn runs a transaction, and another in the middle of it, which must wait for the first.
func inTurn(t *testing.T, a *house, first func(context.Context, *store.Tx) error, b *house, second func(context.Context, *store.Tx) error) {
	t.Helper()
	ended := make(chan error, 1)
	a.tx(func(ctx context.Context, tx *store.Tx) error {
		if err := first(ctx, tx); err != nil {
			return err
		}
		go func() { ended <- store.WithTx(t.Context(), b.db, second) }()
		until(t, "the second waits for the first", func() bool {
			waiting, err := readNumbers(store.Query(t.Context(), a.db, `SELECT count(*) FROM pg_stat_activity s JOIN pg_locks l ON l.pid = s.pid
				WHERE s.wait_event_type = 'Lock' AND l.relation = 'outbox_owed'::regclass`))
			return err == nil && waiting[0] > 0
		})
		return nil
	})
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// Two relays see the same rows; what one claims is none of the other's.
func TestARowIsClaimedByOne(t *testing.T) {
	n := newNeighbour()
	all := gateways(t, storetest.Postgres(t), 2, quick(), to(n))
	all[0].enqueue(uses("r", 8)...)
	relays := []*relay{newRelay(t.Context(), all[0].queue, nil), newRelay(t.Context(), all[1].queue, nil)}
	for _, r := range relays { // both prepare all of them
		if err := r.fill(t.Context(), r.lines[0]); err != nil {
			t.Fatal(err)
		}
		for r.started > 0 {
			r.hear(<-r.events)
		}
	}
	for i, r := range relays {
		if _, err := r.transact(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := len(r.lines[0].flights), 8*(1-i); got != want {
			t.Errorf("relay %d has %d on their way, want %d", i, got, want)
		}
	}
	if relays[1].lines[0].view.rivals.IsZero() {
		t.Error("the second does not reckon with the first")
	}
	rows, err := relays[1].pick(t.Context(), relays[1].lines[0], true, 8, nil)
	if err != nil || len(rows) != 0 {
		t.Errorf("what is on its way was picked: %v, %v", rows, err)
	}
}

// What a relay has picked and dies over is picked by another a little later.
func TestWhatWasPickedIsLeftAloneForAWhile(t *testing.T) {
	n := newNeighbour()
	all := gateways(t, storetest.Postgres(t), 2, quick(), to(n))
	all[0].enqueue(uses("r", 8)...)
	pick := func(h *house) []row {
		r := newRelay(t.Context(), h.queue, nil)
		r.lines[0].view.rivals = time.Now().Add(time.Minute)
		rows, err := r.pick(t.Context(), r.lines[0], true, 4, nil)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	first, second, third := pick(all[0]), pick(all[1]), pick(all[1])
	if len(first) != 4 || len(second) != 4 || len(third) != 0 || first[3].seq >= second[0].seq {
		t.Fatalf("picked %d, %d and %d", len(first), len(second), len(third))
	}
	until(t, "they are due again", func() bool { return len(pick(all[1])) > 0 })
}

// A replay that one gateway began is armed once, whichever relays run.
func TestAReplayIsArmedByOneRelayAtATime(t *testing.T) {
	n, refuses := refusing()
	cfg := quick()
	all := gateways(t, storetest.Postgres(t), 3, cfg, to(n))
	for _, h := range all {
		h.run(h.queue, nil)
	}
	const changes = 500
	all[0].enqueue(uses("r", changes)...)
	all[0].untilParked(changes)
	refuses.Store(false)
	p := all[0].replay(Filter{State: Parked})
	r := all[0].untilReplay(p.ID, "done")
	if r.Delivered != changes || r.Skipped != 0 || len(n.effects) != changes {
		t.Errorf("%d took effect: %+v", len(n.effects), r)
	}
}

// A commit in one gateway wakes the relay of another by the bell.
func TestACommitWakesTheRelayOfAnotherGateway(t *testing.T) {
	n := newNeighbour()
	all := gateways(t, storetest.Postgres(t), 2, quick(), to(n))
	rings := make(bell, 16)
	all[0].queue.rooms.Bell, all[1].queue.rooms.Bell = rings, rings
	all[1].run(all[1].queue, nil)
	until(t, "it listens", func() bool { return len(rings) == 0 })
	all[0].enqueue(use("a", 1))
	all[0].untilState("C-a-1", Delivered)
	if len(rings) > 1 {
		t.Errorf("%d rings were not heard", len(rings))
	}
}

// bell is one between two gateways.
type bell chan string

func (b bell) Ring(topic string) { b <- topic }

func (b bell) Listen(ctx context.Context, topic string, woken func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case rung := <-b:
			if rung == topic {
				woken()
			}
		}
	}
}

// A route's own numbers stand before those of the configuration.
func TestARouteHasItsOwnNumbers(t *testing.T) {
	h := newHouse(t, onSQLite(t), quick(), Route{Destination: "events", InFlight: 200, Rate: 7, To: nobody{}}, to(nobody{}))
	r := newRelay(t.Context(), h.queue, nil)
	if own, other := r.lines[0], r.lines[1]; own.gate.most != 200 || own.rate.perSecond != 7 || other.gate.most != quick().InFlight {
		t.Errorf("own: %d at once, %v a second; other: %d", own.gate.most, own.rate.perSecond, other.gate.most)
	}
	_, err := New(quick(), Rooms{DB: h.db, Record: h.record, Routes: []Route{{Destination: "events", InFlight: 257, To: nobody{}}}})
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("257 at once: %v", err)
	}
}

// The clock of one gateway is stepped, and it claims before it has read the database's again:
// the other leaves alone what is on its way.
func TestAStepOfOneGatewaysClockGivesNothingAway(t *testing.T) {
	for _, jump := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(fmt.Sprint(jump), func(t *testing.T) {
			n := askable{newNeighbour()}
			onItsWay, let := make(chan struct{}), make(chan struct{})
			n.script = func(_ context.Context, id ledger.ChangeID, nth int) (bool, error) {
				if id == "C-a-1" && nth == 1 {
					close(onItsWay)
					<-let
				}
				return true, nil
			}
			all := gateways(t, storetest.Postgres(t), 2, quick(), to(n))
			step := all[0].skewed()
			all[0].run(all[0].queue, nil)
			all[0].enqueue(use("first", 1))
			all[0].untilState("C-first-1", Delivered)
			step(jump)
			all[0].enqueue(use("a", 1))
			<-onItsWay
			all[1].run(all[1].queue, nil)
			all[1].enqueue(use("b", 1))
			all[1].untilState("C-b-1", Delivered)
			until(t, "rounds have passed", pause())
			close(let)
			all[0].untilState("C-a-1", Delivered)
			if got := all[0].outcomes("C-a-1"); !slices.Equal(got, []string{endDelivered}) || n.took("C-a-1") != 1 {
				t.Errorf("took effect %d times, attempts %v", n.took("C-a-1"), got)
			}
		})
	}
}
