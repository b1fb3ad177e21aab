package outbox

import (
	"context"
	"fmt"
	"kakehashi/internal/storetest"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// A gateway that dies can write nothing more. So does one whose database is closed under
// it: whatever it was about to commit, settle or send ends there, and what was on its way
// takes effect, or not, unseen.
func TestDyingAnywhereLosesNothingAndRepeatsNothing(t *testing.T) {
	const records, versions, deaths = 40, 5, 25
	n := askable{newNeighbour()}
	draws := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	draw := func(n int) int { mu.Lock(); defer mu.Unlock(); return draws.IntN(n) }
	n.script = func(ctx context.Context, _ ledger.ChangeID, _ int) (bool, error) {
		timer := time.NewTimer(time.Duration(draw(3000)) * time.Microsecond)
		defer timer.Stop()
		<-timer.C
		switch draw(10) {
		case 0:
			return false, down()
		case 1, 2, 3:
			return true, unsure() // the work is done, the answer never comes
		case 4:
			return false, unsure()
		}
		return true, nil
	}
	cfg := quick()
	cfg.Settle, cfg.Tries = 50*time.Millisecond, 1000
	dir := t.TempDir()
	if err := audit.GenerateKeys(dir); err != nil {
		t.Fatal(err)
	}
	life := func(first bool, lasts time.Duration) (owed int) {
		h := revive(t, dir, cfg, to(n))
		if first {
			var all []ledger.Change
			for v := 1; v <= versions; v++ {
				for r := range records {
					all = append(all, use(fmt.Sprint(r), v))
				}
			}
			h.enqueue(all...)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.queue.Run(ctx, nil) }()
		timer := time.NewTimer(lasts)
		defer timer.Stop()
		if lasts > 0 {
			<-timer.C
		} else {
			until(t, "nothing is owed", func() bool {
				s, err := h.queue.Summary(t.Context())
				return err == nil && s.Owed == s.Parked+s.Waiting
			})
		}
		s, err := h.queue.Summary(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := h.db.Close(); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		return s.Owed
	}
	for i := range deaths {
		life(i == 0, time.Duration(1+draw(60))*time.Millisecond)
	}
	if owed := life(false, 0); owed != 0 {
		t.Errorf("%d are still owed", owed)
	}
	for r := range records {
		var got []int
		for _, id := range n.effects {
			for v := 1; v <= versions; v++ {
				if use(fmt.Sprint(r), v).ID == id {
					got = append(got, v)
				}
			}
		}
		if want := []int{1, 2, 3, 4, 5}; !slices.Equal(got, want) {
			t.Errorf("record %d: took effect in the order %v, want %v", r, got, want)
		}
	}
	sends := 0
	for _, times := range n.sends {
		sends += times
	}
	t.Logf("%d changes, %d deaths: %d deliveries, %d effects", records*versions, deaths, sends, len(n.effects))
}

// revive opens the database of a gateway that has died.
func revive(t *testing.T, dir string, cfg Config, routes ...Route) *house {
	t.Helper()
	db, err := store.Open(t.Context(), store.File(filepath.Join(dir, "kakehashi.db")))
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, db: db, record: recordIn(t, db, dir)}
	h.queue = h.open(cfg, routes...)
	return h
}

// A result that comes when its change has gone on settles nothing; where it took effect
// after its successor did, the successor is asked about again.
func TestALateFirstAttemptDoesNotOvertakeItsSuccessor(t *testing.T) {
	storetest.Engines(t, testALateFirstAttemptDoesNotOvertakeItsSuccessor)
}

func testALateFirstAttemptDoesNotOvertakeItsSuccessor(t *testing.T, at storetest.Place) {
	n := askable{newNeighbour()}
	let := make(chan struct{})
	n.script = func(_ context.Context, id ledger.ChangeID, nth int) (bool, error) {
		if id == "C-a-1" && nth == 1 {
			<-let // it stalls beyond its deadline and its lease, and then takes effect
		}
		return true, nil
	}
	cfg := quick()
	h := newHouse(t, at, cfg, to(n))
	h.enqueue(use("a", 1), use("a", 2))
	first := newRelay(t.Context(), h.queue, nil)
	untilMoved(t, first)
	until(t, "it is on its way", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.sends["C-a-1"] == 1
	})
	// Another takes over: it asks, is told that it did not arrive, and sends both.
	second := h.open(cfg, to(n))
	stop := h.run(second, nil)
	h.untilState("C-a-2", Delivered)
	stop()
	close(let)
	first.hear(<-first.events)
	if _, err := first.transact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := h.outcomes("C-a-1"); !slices.Equal(diff, []string{endLate, "asked:again", "delivered"}) {
		t.Errorf("attempts: %v", diff)
	}
	o := h.state("C-a-2")
	if o.State != InFlight || o.Question != QuestionArrived || o.Cause != CauseLate {
		t.Errorf("its successor: %+v", o)
	}
	n.confirm = func(id ledger.ChangeID, _ int) error {
		if id == "C-a-2" {
			return fault.New(fault.NotFound, "an older version stands there")
		}
		return nil
	}
	h.run(second, nil)
	h.untilState("C-a-2", Delivered)
	if last := n.effects[len(n.effects)-1]; last != "C-a-2" {
		t.Errorf("the neighbour was told %s last", last)
	}
}

func TestAnAdapterThatBreaksDownParksItsChangeAlone(t *testing.T) {
	storetest.Engines(t, testAnAdapterThatBreaksDownParksItsChangeAlone)
}

func testAnAdapterThatBreaksDownParksItsChangeAlone(t *testing.T, at storetest.Place) {
	n := askable{newNeighbour()}
	n.prepare = func(c ledger.Change) ([]byte, error) {
		if c.ID == "C-a-1" {
			panic("a letter")
		}
		return nil, nil
	}
	n.script = func(_ context.Context, id ledger.ChangeID, nth int) (bool, error) {
		if id == "C-b-1" && nth == 1 {
			panic("a delivery")
		}
		return true, nil
	}
	receiver := ledgerOf(func(_ context.Context, _ *store.Tx, c ledger.Change, _ ledger.Receipt) error {
		if c.ID == "C-c-1" {
			panic("a receipt")
		}
		return nil
	})
	h := newHouse(t, at, quick(), to(n))
	h.enqueue(use("a", 1), use("b", 1), use("c", 1), use("d", 1))
	h.run(h.queue, receiver)
	if o := h.untilState("C-a-1", Parked); o.Code != codePanic || o.Question != "" {
		t.Errorf("a letter: %+v", o)
	}
	if h.untilState("C-b-1", Delivered); !slices.Contains(h.outcomes("C-b-1"), endUnsure) {
		t.Errorf("a delivery: %v", h.outcomes("C-b-1"))
	}
	if o := h.untilState("C-c-1", Parked); o.Cause != CauseReceiver || o.Code != codePanic {
		t.Errorf("a receipt: %+v", o)
	}
	h.untilState("C-d-1", Delivered)
}

// The clock was a year ahead when everything was owed, and has been put back.
func TestAClockThatWasAheadDelaysNothing(t *testing.T) {
	storetest.Engines(t, testAClockThatWasAheadDelaysNothing)
}

func testAClockThatWasAheadDelaysNothing(t *testing.T, at storetest.Place) {
	n := newNeighbour()
	h := newHouse(t, at, quick(), to(n))
	ahead := h.open(quick(), to(n))
	ahead.rooms.Now = func() time.Time { return time.Now().AddDate(1, 0, 0) }
	h.tx(func(ctx context.Context, tx *store.Tx) error {
		_, err := ahead.Enqueue(ctx, tx, use("a", 1))
		return err
	})
	h.run(h.queue, nil)
	h.untilState("C-a-1", Delivered)
}

// A letter takes longer than its time: nobody knows whether it arrived.
func TestASlowNeighbourIsAskedAbout(t *testing.T) {
	storetest.Engines(t, testASlowNeighbourIsAskedAbout)
}

func testASlowNeighbourIsAskedAbout(t *testing.T, at storetest.Place) {
	n := askable{newNeighbour()}
	n.script = func(ctx context.Context, _ ledger.ChangeID, nth int) (bool, error) {
		if nth == 1 {
			<-ctx.Done()
			return true, ctx.Err()
		}
		return true, nil
	}
	cfg := quick()
	cfg.SendTimeout = 20 * time.Millisecond
	h := newHouse(t, at, cfg, to(n))
	h.enqueue(use("a", 1))
	h.run(h.queue, nil)
	h.untilState("C-a-1", Delivered)
	if n.sends["C-a-1"] != 1 {
		t.Errorf("sent %d times", n.sends["C-a-1"])
	}
}

// The record cannot be written for a while: what is on its way cannot be settled, so nothing
// more is sent; when it can be, all of it goes on and nothing twice.
func TestWhileTheRecordCannotBeWrittenNothingIsSent(t *testing.T) {
	n := newNeighbour()
	h := newHouse(t, onSQLite(t), quick(), to(n))
	h.enqueue(uses("r", 100)...)
	turn := func(statement string) {
		h.tx(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, statement)
			return err
		})
	}
	turn("CREATE TRIGGER broken BEFORE INSERT ON audit_entry BEGIN SELECT RAISE(ABORT, 'no'); END")
	h.run(h.queue, nil)
	sent := func() int {
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.effects)
	}
	until(t, "the first are sent", func() bool { return sent() > 0 })
	until(t, "a while has passed", pause())
	if s, err := h.queue.Summary(t.Context()); err != nil || s.Owed != 100 || sent() > quick().InFlight {
		t.Errorf("%d were sent and %d are owed, %v", sent(), s.Owed, err)
	}
	turn("DROP TRIGGER broken")
	until(t, "all is delivered", func() bool {
		s, err := h.queue.Summary(t.Context())
		return err == nil && s.Owed == 0
	})
	if sent() != 100 {
		t.Errorf("%d effects", sent())
	}
}

// pause is true after a moment.
func pause() func() bool {
	over := time.Now().Add(300 * time.Millisecond)
	return func() bool { return time.Now().After(over) }
}

// The process is held up between a claim and its letter until the lease has no time left for
// it: it sends nothing, and what it has claimed is asked about when the lease is over.
func TestAClaimThatWasHeldUpIsNotSent(t *testing.T) {
	storetest.Engines(t, testAClaimThatWasHeldUpIsNotSent)
}

func testAClaimThatWasHeldUpIsNotSent(t *testing.T, at storetest.Place) {
	n := askable{newNeighbour()}
	cfg := quick()
	cfg.SendTimeout = 500 * time.Millisecond
	h := newHouse(t, at, cfg, to(n))
	h.queue.lease = h.queue.cfg.SendTimeout + 200*time.Millisecond
	h.enqueue(use("a", 1))
	r := newRelay(t.Context(), h.queue, nil)
	if err := r.fill(t.Context(), r.lines[0]); err != nil {
		t.Fatal(err)
	}
	r.hear(<-r.events)
	var won []*flight
	h.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		won, err = r.claimEach(ctx, tx, r.ready)
		return err
	})
	until(t, "it goes on", pause())
	r.release(r.ready)
	r.launch(won)
	r.hear(<-r.events)
	if l := r.lines[0]; n.sends["C-a-1"] != 0 || l.busy+len(l.flights)+len(l.held)+len(r.ended) > 0 || h.state("C-a-1").State != InFlight {
		t.Errorf("sent %d times, %d busy, %d to settle, %+v", n.sends["C-a-1"], l.busy, len(r.ended), h.state("C-a-1"))
	}
	h.queue.rooms.Exclusive, h.queue.lease = false, h.queue.cfg.lease()
	h.run(h.queue, nil)
	h.untilState("C-a-1", Delivered)
	if got := h.outcomes("C-a-1"); got[0] != endLost || n.took("C-a-1") != 1 {
		t.Errorf("took effect %d times, attempts %v", n.took("C-a-1"), got)
	}
}
