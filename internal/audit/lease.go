package audit

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// settledCode is the number of the message that this writer was taken for gone.
const settledCode = "KKH3113"

// settledFault says that this writer was taken for gone, so that it can write no more.
func settledFault() error {
	return fault.New(fault.Unavailable, "this writer of the record was taken for gone and settled by another").
		WithCode(settledCode).WithReason("settled")
}

// lease is a writer's right to write, which ends when another takes it for gone.
type lease struct {
	over chan struct{} // closed when it has ended
	once *sync.Once
}

func newLease() lease { return lease{over: make(chan struct{}), once: new(sync.Once)} }

func (e *lease) expired() bool {
	select {
	case <-e.over:
		return true
	default:
		return false
	}
}

// expire ends the lease for good: another has settled this writer.
func (l *Log) expire(ctx context.Context) {
	l.lease.once.Do(func() {
		tell(ctx, slog.LevelError, settledCode, settledFault())
		close(l.lease.over)
	})
}

// startPatience is for how many leases a writer that was opened may take to begin to run:
// until then its beats do not grow.
const startPatience = 20

// watch says, of the other writers, which are gone. There is no clock that all gateways
// share: a writer is gone whose beats have not grown for as long as a lease by the watcher's
// own clock, while the watcher's own beats succeeded all the time. A database that stands
// still makes nobody gone.
type watch struct {
	lease time.Duration
	last  time.Time // of our own beat
	seen  map[string]sight
}

type sight struct {
	beats int64
	since time.Time
}

// beat takes what the other writers' beats are, at the moment of a beat of our own, and
// gives those that are gone.
func (w *watch) beat(now time.Time, others map[string]int64) (gone []string) {
	if now.Sub(w.last) > w.lease/2 {
		w.seen = nil // we may have stood still ourselves
	}
	w.last = now
	seen := map[string]sight{}
	for writer, beats := range others {
		s, known := w.seen[writer]
		if !known || s.beats != beats {
			s = sight{beats, now}
		}
		seen[writer] = s
		patience := w.lease
		if beats == 0 {
			patience *= startPatience
		}
		if now.Sub(s.since) >= patience {
			gone = append(gone, writer)
		}
	}
	w.seen = seen
	return gone
}

// holdLease shows that this writer lives until written is closed, and settles writers that
// are gone. At the end it settles this one, so that nobody waits for it. Where one gateway
// alone writes, the database's lock is the lease.
func (l *Log) holdLease(ctx context.Context, written <-chan struct{}) {
	if l.issuer == nil {
		<-written
		return
	}
	ctx = context.WithoutCancel(ctx)
	pace := time.NewTicker(min(max(l.cfg.Lease/6, 100*time.Millisecond), 3*time.Second))
	defer pace.Stop()
	others := watch{lease: l.cfg.Lease}
	for ended := false; !ended; {
		l.beatAndWatch(ctx, &others) // at once: from now on it lives
		select {
		case <-written:
			ended = true
		case <-pace.C:
		}
	}
	l.settleSelf(ctx, pace.C)
}

// beatAndWatch shows that this writer lives and settles those that are gone.
func (l *Log) beatAndWatch(ctx context.Context, others *watch) {
	if l.lease.expired() {
		return
	}
	beats, err := l.showLife(ctx)
	if err != nil {
		return // the record's own writing says so, and nobody is gone while it lasts
	}
	for _, writer := range others.beat(time.Now(), beats) {
		if _, err := l.settle(ctx, writer); err != nil {
			tell(ctx, slog.LevelWarn, "KKH3114", err)
		}
	}
}

// showLife makes this writer's beats grow and gives those of all others that live.
func (l *Log) showLife(ctx context.Context) (others map[string]int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Lease/3)
	defer cancel()
	var alive int64
	err = store.WithTx(store.Urgent(ctx), l.db, func(ctx context.Context, tx *store.Tx) error {
		alive, err = tx.Exec(ctx, "UPDATE audit_writer SET beats = beats + 1, low = $2 WHERE writer = $1 AND settled = 0",
			l.issuer.writer, l.issuer.low())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("show that this writer lives: %w", err)
	}
	if alive == 0 {
		l.expire(ctx)
		return nil, settledFault()
	}
	others = map[string]int64{}
	err = store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		return queryRows(ctx, tx, func(rows *store.Rows) error {
			var writer string
			var beats int64
			err := rows.Scan(&writer, &beats)
			others[writer] = beats
			return err
		}, "SELECT writer, beats FROM audit_writer WHERE settled = 0 AND writer <> $1", l.issuer.writer)
	})
	if err != nil {
		return nil, fmt.Errorf("see which writers live: %w", err)
	}
	return others, nil
}
