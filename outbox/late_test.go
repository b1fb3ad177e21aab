package outbox

import (
	"context"
	"slices"
	"testing"
	"time"

	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// stalled is a house in which the first delivery of C-a-1 stalls, takes effect late, and is
// heard of by a relay that has lost its row meanwhile.
type stalled struct {
	*house
	first *relay
	let   chan struct{} // closed: the stalled delivery takes effect
	next  chan struct{} // closed: C-a-2 does
}

func stall(t *testing.T, at storetest.Place, n *neighbour, cfg Config, receiver Receiver) *stalled {
	t.Helper()
	s := &stalled{let: make(chan struct{}), next: make(chan struct{})}
	n.script = func(_ context.Context, id ledger.ChangeID, nth int) (bool, error) {
		switch {
		case id == "C-a-1" && nth == 1:
			<-s.let
		case id == "C-a-2":
			<-s.next
		}
		return true, nil
	}
	s.house = newHouse(t, at, cfg, to(askable{n}))
	s.enqueue(use("a", 1), use("a", 2))
	s.first = newRelay(t.Context(), s.queue, receiver)
	until(t, "it is on its way", func() bool {
		s.first.drain() // a preparation may take longer than a round waits for it
		if _, err := s.first.round(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.sends["C-a-1"] == 1
	})
	return s
}

// takeOver has another relay adopt the row and go on until something is so.
func (s *stalled) takeOver(what string, is func() bool) *relay {
	s.t.Helper()
	second := newRelay(s.t.Context(), s.queue, nil)
	second.begin(s.t.Context())
	until(s.t, what, func() bool {
		second.drain()
		if _, err := second.round(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		return is()
	})
	return second
}

// hear lets the stalled delivery end, and gives it.
func (s *stalled) hear() *flight {
	close(s.let)
	f := <-s.first.events
	s.first.hear(f)
	return f
}

func (s *stalled) settle(r *relay) {
	s.t.Helper()
	if _, err := r.transact(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stalled) askedAnew(id ledger.ChangeID) {
	s.t.Helper()
	if o := s.state(id); o.State != InFlight || o.Question != QuestionArrived || o.Cause != CauseLate {
		s.t.Errorf("its successor: %+v", o)
	}
}

// The late result and its successor's delivery are settled in one transaction.
func TestALateResultSeesWhatIsSettledWithIt(t *testing.T) {
	storetest.Engines(t, testALateResultSeesWhatIsSettledWithIt)
}

func testALateResultSeesWhatIsSettledWithIt(t *testing.T, at storetest.Place) {
	n := newNeighbour()
	s := stall(t, at, n, quick(), nil)
	second := s.takeOver("its successor is on its way", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.sends["C-a-2"] == 1
	})
	close(s.next)
	second.hear(<-second.events)
	second.ended = append(second.ended, s.hear())
	s.settle(second)
	s.askedAnew("C-a-2")
}

// The successor is on its way when the late result comes: which of the two the neighbour
// holds now is not known, whatever it answers.
func TestALateResultPutsItsSuccessorUnderWayInQuestion(t *testing.T) {
	storetest.Engines(t, testALateResultPutsItsSuccessorUnderWayInQuestion)
}

func testALateResultPutsItsSuccessorUnderWayInQuestion(t *testing.T, at storetest.Place) {
	n := newNeighbour()
	s := stall(t, at, n, quick(), nil)
	second := s.takeOver("its successor is on its way", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.sends["C-a-2"] == 1
	})
	s.hear()
	s.settle(s.first)
	s.askedAnew("C-a-2")
	close(s.next)
	second.hear(<-second.events)
	s.settle(second)
	s.askedAnew("C-a-2")
	if got := s.outcomes("C-a-2"); !slices.Equal(got, []string{endLate}) {
		t.Errorf("attempts of its successor: %v", got)
	}
}

// The change itself is still asked about, or parked with the question, when its delivery
// turns out to have taken effect: that is the answer.
func TestALateSuccessAnswersTheQuestion(t *testing.T) {
	storetest.Engines(t, testALateSuccessAnswersTheQuestion)
}

func testALateSuccessAnswersTheQuestion(t *testing.T, at storetest.Place) {
	for name, settle := range map[string]time.Duration{"asked about": time.Hour, "parked": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			n := newNeighbour()
			n.confirm = func(ledger.ChangeID, int) error { return unsure() }
			cfg := quick()
			cfg.Settle = settle
			var received []ledger.ChangeID
			s := stall(t, at, n, cfg, ledgerOf(func(_ context.Context, _ *store.Tx, c ledger.Change, _ ledger.Receipt) error {
				received = append(received, c.ID)
				return nil
			}))
			want := InFlight
			if name == "parked" {
				want = Parked
			}
			s.takeOver("it is in question", func() bool {
				o := s.state("C-a-1")
				return o.Question != "" && o.State == want
			})
			s.hear()
			s.settle(s.first)
			if o := s.state("C-a-1"); o.State != Delivered || !slices.Equal(received, []ledger.ChangeID{"C-a-1"}) {
				t.Errorf("received %v: %+v", received, o)
			}
			if o := s.state("C-a-2"); o.WaitsFor != "" || o.State != Pending {
				t.Errorf("its successor: %+v", o)
			}
		})
	}
}

// What is settled without a call says all the same whom it is about.
func TestTheRecordSaysWhoseChangeWasLost(t *testing.T) {
	storetest.Engines(t, testTheRecordSaysWhoseChangeWasLost)
}

func testTheRecordSaysWhoseChangeWasLost(t *testing.T, at storetest.Place) {
	s := stall(t, at, newNeighbour(), quick(), nil)
	s.takeOver("it is asked about", func() bool { return s.state("C-a-1").Question != "" })
	var n int64
	s.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		n, err = tx.Number(ctx, `SELECT count(*) FROM audit_entry WHERE subjects LIKE '%100000000000008%'`)
		return err
	})
	if n == 0 {
		t.Error("the entry names nobody")
	}
	close(s.let)
}
