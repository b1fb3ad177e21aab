package outbox

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// neighbour is told changes and remembers what took effect, in order. It ignores keys, as
// the public specification does.
type neighbour struct {
	mu      sync.Mutex
	effects []ledger.ChangeID
	sends   map[ledger.ChangeID]int
	asked   map[ledger.ChangeID]int
	// script says how the nth delivery of a change ends: whether it takes effect, and the
	// error; nil: it does, and well.
	script func(ctx context.Context, id ledger.ChangeID, n int) (effect bool, err error)
	// confirm says how the nth question about a change ends; nil: by what took effect.
	confirm func(id ledger.ChangeID, n int) error
	// prepare may refuse to make a letter, or make another.
	prepare func(c ledger.Change) ([]byte, error)
}

func newNeighbour() *neighbour {
	return &neighbour{sends: map[ledger.ChangeID]int{}, asked: map[ledger.ChangeID]int{}}
}

func (n *neighbour) Prepare(_ context.Context, c ledger.Change) (ledger.Letter, error) {
	l := ledger.Letter{Call: "use", Key: string(c.ID)}
	var err error
	if n.prepare != nil {
		l.Body, err = n.prepare(c)
		return l, err
	}
	l.Body, err = json.Marshal(map[string]any{"record": c.Record, "version": c.Version})
	return l, err
}

func (n *neighbour) Send(ctx context.Context, l ledger.Letter) (ledger.Receipt, error) {
	id := ledger.ChangeID(l.Key)
	n.mu.Lock()
	n.sends[id]++
	nth := n.sends[id]
	n.mu.Unlock()
	effect, err := true, error(nil)
	if n.script != nil {
		effect, err = n.script(ctx, id, nth)
	}
	if effect {
		n.mu.Lock()
		n.effects = append(n.effects, id)
		n.mu.Unlock()
	}
	return ledger.Receipt{}, err
}

func (n *neighbour) took(id ledger.ChangeID) (times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.effects {
		if e == id {
			times++
		}
	}
	return times
}

// asking is a neighbour that can be asked.
type askable struct{ *neighbour }

func (n askable) Confirm(_ context.Context, c ledger.Change) (ledger.Receipt, error) {
	n.mu.Lock()
	n.asked[c.ID]++
	nth := n.asked[c.ID]
	n.mu.Unlock()
	if n.confirm != nil {
		return ledger.Receipt{}, n.confirm(c.ID, nth)
	}
	if n.took(c.ID) == 0 {
		return ledger.Receipt{}, fault.New(fault.NotFound, "it did not arrive")
	}
	return ledger.Receipt{}, nil
}

func down() error   { return fault.New(fault.Unavailable, "down").WithReason("down").WithCode("KKH2101") }
func unsure() error { return fault.New(fault.Unsure, "lost").WithReason("timeout").WithCode("KKH2131") }
func refused() error {
	return fault.New(fault.Rejected, "the neighbour refused: E0004").WithReason("rejected").WithCode("KKH2115")
}

// ledgerOf takes receipts, as the gateway does.
type ledgerOf func(context.Context, *store.Tx, ledger.Change, ledger.Receipt) error

func (f ledgerOf) Receive(ctx context.Context, tx *store.Tx, c ledger.Change, r ledger.Receipt) error {
	return f(ctx, tx, c, r)
}

// run runs the relay until the test or the function it gives ends it.
func (h *house) run(q *Queue, receiver Receiver) (stop func()) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx, receiver) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Errorf("the relay ended with %v", err)
		}
	})
	h.t.Cleanup(stop)
	return stop
}

// until waits for something that another goroutine brings about.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	limit := time.NewTimer(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer limit.Stop()
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("it did not come about: %s", what)
		}
	}
}

// state gives how it stands with a change that one destination is or was owed.
func (h *house) state(id ledger.ChangeID) Owed {
	h.t.Helper()
	owed, err := h.queue.States(h.t.Context(), id)
	if err != nil || len(owed) != 1 {
		h.t.Fatalf("states of %s: %v, %v", id, owed, err)
	}
	return owed[0]
}

func (h *house) untilState(id ledger.ChangeID, want State) Owed {
	h.t.Helper()
	var o Owed
	until(h.t, string(id)+" is "+string(want), func() bool {
		o = h.state(id)
		return o.State == want
	})
	return o
}

// outcomes gives the outcomes of a change's attempts.
func (h *house) outcomes(id ledger.ChangeID) []string {
	h.t.Helper()
	attempts, err := h.queue.Attempts(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	list := make([]string, len(attempts))
	for i, a := range attempts {
		list[i] = a.Outcome
		if a.Confirm {
			list[i] = "asked:" + a.Outcome
		}
	}
	return list
}

func to(d Destination) Route {
	return Route{Destination: "address", Kinds: ledger.ChangeKinds(), To: d}
}
