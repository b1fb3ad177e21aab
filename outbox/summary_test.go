package outbox

import (
	"context"
	"errors"
	"fmt"
	"kakehashi/internal/storetest"
	"testing"
	"time"

	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// owe owes n changes, each of a record of its own.
func (h *house) owe(first, n int) {
	h.t.Helper()
	changes := make([]ledger.Change, n)
	for i := range changes {
		changes[i] = use(fmt.Sprint(first+i), 1)
	}
	h.enqueue(changes...)
}

func (h *house) sumUp() Summary {
	h.t.Helper()
	s, err := h.queue.Summary(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// A queue in which nothing happens is summed up once, and a short one anew after each change.
func TestSummaryIsReadOnceAChange(t *testing.T) { storetest.Engines(t, testSummaryIsReadOnceAChange) }

func testSummaryIsReadOnceAChange(t *testing.T, at storetest.Place) {
	h := newHouse(t, at, quick(), to(newNeighbour()))
	h.owe(0, 3)
	for range 5 {
		if s := h.sumUp(); s.Owed != 3 {
			t.Fatalf("%d are owed, want 3", s.Owed)
		}
	}
	if n := h.queue.summed.reads; n != 1 {
		t.Errorf("five summaries of the same queue read it %d times", n)
	}
	h.owe(3, 1)
	if s := h.sumUp(); s.Owed != 4 {
		t.Errorf("%d are owed after another, want 4", s.Owed)
	}
	turnedBack := errors.New("turned back")
	err := store.WithTx(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
		_, err := h.queue.Enqueue(ctx, tx, use("9", 1))
		return errors.Join(err, turnedBack)
	})
	if s := h.sumUp(); !errors.Is(err, turnedBack) || s.Owed != 4 {
		t.Errorf("%d are owed after one that was turned back (%v), want 4", s.Owed, err)
	}
}

// A long queue is summed up once a second at most, however much goes on in it.
func TestSummaryOfALongQueueIsASecondOld(t *testing.T) {
	storetest.Engines(t, testSummaryOfALongQueueIsASecondOld)
}

func testSummaryOfALongQueueIsASecondOld(t *testing.T, at storetest.Place) {
	h := newHouse(t, at, quick(), to(newNeighbour()))
	h.owe(0, shortQueue)
	h.sumUp()
	h.owe(shortQueue, 1)
	if s := h.sumUp(); s.Owed != shortQueue {
		t.Errorf("%d are owed: a long queue was read again within a second", s.Owed)
	}
	h.queue.summed.at, h.queue.summed.cost = h.queue.summed.at.Add(-keptSummary), keptSummary
	if s := h.sumUp(); s.Owed != shortQueue {
		t.Errorf("%d are owed: what took a second to read was read again after it", s.Owed)
	}
	h.queue.summed.cost = 0
	if s := h.sumUp(); s.Owed != shortQueue+1 {
		t.Errorf("%d are owed after a second, want %d", s.Owed, shortQueue+1)
	}
}

// Whoever changes a summary changes no other's.
func TestSummariesAreApart(t *testing.T) { storetest.Engines(t, testSummariesAreApart) }

func testSummariesAreApart(t *testing.T, at storetest.Place) {
	h := newHouse(t, at, quick(), to(newNeighbour()))
	h.owe(0, 1)
	one := h.sumUp()
	one.Groups[0].Count, one.Destinations[0].Owed = 7, 7
	if two := h.sumUp(); two.Groups[0].Count != 1 || two.Destinations[0].Owed != 1 {
		t.Errorf("another's summary was changed: %+v", two)
	}
}

// The relay's own commits are seen, and what another process may have written.
func TestSummarySeesTheRelayAndOthers(t *testing.T) {
	storetest.Engines(t, testSummarySeesTheRelayAndOthers)
}

func testSummarySeesTheRelayAndOthers(t *testing.T, at storetest.Place) {
	h := newHouse(t, at, quick(), to(newNeighbour()))
	h.owe(0, 2)
	h.sumUp()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.queue.Run(ctx, nil) }()
	until(t, "all are delivered", func() bool { return h.sumUp().Owed == 0 })
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	other := h.open(quick(), to(newNeighbour()))
	other.rooms.Exclusive = false
	if _, err := other.Summary(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.owe(5, 1)
	if s, err := other.Summary(t.Context()); err != nil || s.Owed != 1 {
		t.Errorf("what another process owed is not in the summary: %+v, %v", s, err)
	}
}

// Who has given up waiting for another's reading goes.
func TestSummaryWaitsNoLongerThanItsCaller(t *testing.T) {
	storetest.Engines(t, testSummaryWaitsNoLongerThanItsCaller)
}

func testSummaryWaitsNoLongerThanItsCaller(t *testing.T, at storetest.Place) {
	h := newHouse(t, at, quick(), to(newNeighbour()))
	h.queue.summed.turn <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := h.queue.Summary(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	<-h.queue.summed.turn
}
