package outbox

import (
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// Route is one destination: what it is called, which kinds of change it is told, and who
// tells it.
type Route struct {
	Destination string // the neighbour's name: a short lower-case word
	Kinds       []ledger.ChangeKind
	Keys        bool // the neighbour's own interface promises that a key takes effect once
	To          Destination
}

// Rooms are what a Queue stands on.
type Rooms struct {
	DB        *store.DB
	Record    *audit.Log
	Key       [32]byte // of this municipality: encrypts what is kept, and keys digests
	Routes    []Route
	Exclusive bool             // no other process can run on this database: what is in flight at the start is orphaned
	Restored  bool             // a backup was put back before this start: what stands as not told may have been told since
	Now       func() time.Time // nil: the clock of the machine
	Log       *slog.Logger     // nil: nothing is logged
}

// Queue is what one municipality owes to its neighbours. It is safe for concurrent use.
type Queue struct {
	cfg     Config
	rooms   Rooms
	seal    *sealer
	wake    chan struct{} // something was owed, or armed
	running atomic.Bool
	arming  atomic.Bool // there may be replays that are not done
	shown   shown
	summed  summed
}

// New makes the queue. It is Invalid where the configuration or the routes are wrong. It
// starts nothing; Run does.
func New(cfg Config, r Rooms) (*Queue, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	for i, route := range r.Routes {
		same := func(o Route) bool { return o.Destination == route.Destination }
		if route.Destination == "" || route.To == nil || slices.ContainsFunc(r.Routes[:i], same) {
			return nil, fault.New(fault.Invalid, "route %d has no name of its own or leads nowhere", i).WithCode(codeRoutes)
		}
	}
	if r.DB == nil || r.Record == nil {
		return nil, fault.New(fault.Invalid, "the outbox has no database or no record").WithCode(codeRoutes)
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	seal, err := newSealer(r.Key)
	if err != nil {
		return nil, err
	}
	q := &Queue{cfg: cfg.withDefaults(), rooms: r, seal: seal, wake: make(chan struct{}, 1)}
	q.summed.turn = make(chan struct{}, 1)
	return q, nil
}

// signal wakes who waits on c, once.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wakeOn wakes the relay when tx, which has written to the queue, is committed.
func (q *Queue) wakeOn(tx *store.Tx) {
	q.touch(tx)
	tx.Done(func(committed bool) {
		if committed {
			signal(q.wake)
		}
	})
}

// micros is how a moment is kept: microseconds since 1970; 0: none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment is the inverse of micros.
func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
