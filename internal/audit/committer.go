package audit

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

const (
	maxBatch   = 512   // entries of one transaction
	maxWaiting = 16384 // entries that may wait; beyond, callers are told at once
	// many is from how many at a time on it pays to wait for more; lingering is how long.
	many      = 16
	lingering = 500 * time.Microsecond
	heartbeat = time.Second
)

// A waiter's state: whoever changes it first, the committer or the caller's patience.
const (
	waiting int32 = iota
	settled
	abandoned
)

// waiter is an entry on its way to the disk and the caller who waits for it.
type waiter struct {
	row   *row
	entry Entry
	state atomic.Int32
	told  bool       // the record says that its answer was withheld
	ended chan error // one place, so that the committer never waits
}

// intake is where callers leave their entries. The committer takes all that wait at once,
// so that many callers share one flush, and the next batch fills while the disk works.
type intake struct {
	mu      sync.Mutex
	waiting []*waiter
	owed    []Entry // to be written with the next batch, before it
	closed  bool
	wanted  int           // how many the committer lingers for; 0: it does not
	wake    chan struct{} // something waits
	enough  chan struct{} // as many wait as were wanted
}

func newIntake() *intake {
	return &intake{wake: make(chan struct{}, 1), enough: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (in *intake) add(w *waiter) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.closed:
		return fault.New(fault.Unavailable, "the gateway is stopping").WithReason("stopping")
	case len(in.waiting) >= maxWaiting:
		return fault.New(fault.Unavailable, "too many entries wait to be written").WithReason("busy")
	}
	in.waiting = append(in.waiting, w)
	if len(in.waiting) == 1 {
		signal(in.wake)
	}
	if len(in.waiting) == in.wanted {
		signal(in.enough)
	}
	return nil
}

// take gives what waits, at most maxBatch, and everything that is owed.
func (in *intake) take() ([]*waiter, []Entry) {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := min(len(in.waiting), maxBatch)
	batch := in.waiting[:n:n]
	in.waiting = in.waiting[n:]
	if len(in.waiting) > 0 {
		signal(in.wake)
	} else {
		in.waiting = nil
	}
	owed := in.owed
	in.owed = nil
	return batch, owed
}

func (in *intake) owe(owed []Entry) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.owed = append(owed, in.owed...)
}

func (in *intake) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
}

// linger waits until n entries wait, or for half a millisecond.
func (in *intake) linger(n int) {
	in.mu.Lock()
	if len(in.waiting) >= n {
		in.mu.Unlock()
		return
	}
	select { // what an earlier round has left
	case <-in.enough:
	default:
	}
	in.wanted = n
	in.mu.Unlock()
	limit := time.NewTimer(lingering)
	defer limit.Stop()
	select {
	case <-in.enough:
	case <-limit.C:
	}
	in.mu.Lock()
	in.wanted = 0
	in.mu.Unlock()
}

// owe has an entry written before the writer's next intent, or by the heartbeat.
func (l *Log) owe(e Entry) { l.intake.owe([]Entry{e}) }

// commitLoop writes what callers leave until ctx ends, and then what is left.
func (l *Log) commitLoop(ctx context.Context) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	last := 0
	for {
		select {
		case <-ctx.Done():
			l.intake.close()
			l.tokens.stop(l.intake)
			for left := 1; left > 0; {
				left = l.commit(ctx)
			}
			return
		case <-beat.C:
			l.beat(ctx)
		case <-l.intake.wake:
			if last >= many {
				l.intake.linger(last)
			}
			last = l.commit(ctx)
		}
	}
}

// beat writes what is owed though nobody calls, and finds out whether a record that could
// not be written can be written again.
func (l *Log) beat(ctx context.Context) {
	l.tokens.turn(l.now(), l.intake)
	if !l.writable.Load() {
		l.owe(Entry{Kind: Probe})
		l.commit(ctx)
		if !l.writable.Load() {
			l.intake.forget(Probe)
		}
		return
	}
	if l.intake.owes() {
		l.commit(ctx)
	}
}

func (in *intake) owes() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.owed) > 0
}

// forget drops what is owed of a kind.
func (in *intake) forget(kind Kind) {
	in.mu.Lock()
	defer in.mu.Unlock()
	kept := in.owed[:0]
	for _, e := range in.owed {
		if e.Kind != kind {
			kept = append(kept, e)
		}
	}
	in.owed = kept
}

// commit writes one batch in one transaction and tells everybody in it how that ended. It
// gives how many entries callers had left.
func (l *Log) commit(ctx context.Context) int {
	batch, owed := l.intake.take()
	if len(batch) == 0 && len(owed) == 0 {
		return 0
	}
	err := l.commitRows(ctx, batch, owed)
	if err != nil {
		l.intake.owe(owed)
		err = unwritable(err)
	}
	l.health(ctx, err)
	for _, w := range batch {
		if w.state.CompareAndSwap(waiting, settled) {
			w.ended <- err
		} else if err == nil && w.entry.Kind == Intent && !w.told {
			l.owe(withheld(w.entry, "caller_gone"))
		}
	}
	if err == nil {
		l.wakeSealer()
	}
	return len(batch)
}

func (l *Log) commitRows(ctx context.Context, batch []*waiter, owed []Entry) error {
	rows := make([]*row, 0, len(batch)+len(owed))
	for _, e := range owed {
		r, err := l.encode(e)
		if err != nil {
			return err
		}
		rows = append(rows, r)
	}
	for _, w := range batch {
		rows = append(rows, w.row)
		if w.entry.Kind == Intent && w.state.Load() == abandoned {
			r, err := l.encode(withheld(w.entry, "caller_gone"))
			if err != nil {
				return err
			}
			rows = append(rows, r)
			w.told = true
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.cfg.WriteTimeout)
	defer cancel()
	return store.WithTx(store.Urgent(ctx), l.db, func(ctx context.Context, tx *store.Tx) error {
		return l.place(ctx, tx, rows)
	})
}

// health remembers whether the record can be written and tells operators when that
// changes.
func (l *Log) health(ctx context.Context, err error) {
	now := err == nil
	if was := l.writable.Swap(now); was == now {
		return
	}
	if now {
		tell(ctx, slog.LevelInfo, "KKH3109", nil)
		return
	}
	if cause := fault.Find(err).Err; cause != nil { // what stood in the way
		err = cause
	}
	tell(ctx, slog.LevelError, "KKH3101", err)
}
