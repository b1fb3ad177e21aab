package outbox

import (
	"context"
	"fmt"
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
	InFlight    int  // deliveries at once; 0: as the configuration says
	Rate        int  // deliveries a second; 0: as the configuration says
	To          Destination
}

// Bell tells the other gateways on this database that there is something to do, and hears
// them. Ring must not wait, and one may be lost; Listen returns when its context ends.
type Bell interface {
	Ring(topic string)
	Listen(ctx context.Context, topic string, woken func())
}

// bellTopic is what relays ring for and listen to.
const bellTopic = "outbox"

// Rooms are what a Queue stands on.
type Rooms struct {
	DB        *store.DB
	Record    *audit.Log
	Key       [32]byte // of this municipality: encrypts what is kept, and keys digests
	Routes    []Route
	Exclusive bool             // no other process can run on this database: what is in flight at the start is orphaned
	Restored  bool             // a backup was put back before this start: what stands as not told may have been told since
	Bell      Bell             // nil: the database's own
	Now       func() time.Time // nil: the clock of the machine
	Log       *slog.Logger     // nil: nothing is logged
}

// Queue is what one municipality owes to its neighbours. It is safe for concurrent use.
type Queue struct {
	cfg     Config
	rooms   Rooms
	seal    *sealer
	lease   time.Duration           // how long a claimed change belongs to who claimed it; tests shorten it
	shared  bool                    // other gateways may run on this database: it is PostgreSQL
	texts   texts                   // of the queries in which the two databases differ
	there   atomic.Pointer[reading] // of the database's clock, where it is shared; nil: not read yet
	wake    chan struct{}           // something was owed, or armed
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
		own := Config{InFlight: route.InFlight, Rate: route.Rate}
		if err := own.Validate(); err != nil {
			return nil, fmt.Errorf("route %d: %w", i, err)
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
	if r.Bell == nil {
		r.Bell = r.DB
	}
	seal, err := newSealer(r.Key)
	if err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	q := &Queue{
		cfg: cfg, rooms: r, seal: seal, lease: cfg.lease(), wake: make(chan struct{}, 1),
		shared: r.DB.Engine() == store.Postgres, texts: textsOf(r.DB.Engine()),
	}
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
			q.rouse()
		}
	})
}

// rouse wakes the relays: our own at once, the others by the bell.
func (q *Queue) rouse() {
	signal(q.wake)
	q.rooms.Bell.Ring(bellTopic)
}

// reading is what the database's clock showed.
type reading struct {
	showed time.Time
	at     time.Time // when, by this process's clock, whose steps do not count
}

// now is the moment by the clock that moments are kept by. Where several gateways share a
// database it is that of the database: what it showed last, and the time that has passed
// since, which no step of this host's clock changes.
func (q *Queue) now() time.Time {
	if r := q.there.Load(); r != nil {
		return r.showed.Add(time.Since(r.at))
	}
	return q.rooms.Now()
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
