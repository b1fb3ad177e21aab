package audit

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// settle ends a writer that is gone: it says how far that writer came, which of its numbers
// nothing bears, and of each of its intents without an end that it was interrupted. While
// its row is held no transaction of that writer can be committed; false: one is under way,
// or it is settled already.
func (l *Log) settle(ctx context.Context, writer string) (done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.WriteTimeout)
	defer cancel()
	err = store.WithTx(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		var low int64
		err := tx.QueryRow(ctx, "SELECT low FROM audit_writer WHERE writer = $1 AND settled = 0 FOR UPDATE SKIP LOCKED", writer).Scan(&low)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		last, written, err := leftBehind(ctx, tx, writer, low)
		if err != nil {
			return err
		}
		rows, err := l.encodeAll(written)
		if err != nil {
			return err
		}
		if err := l.place(ctx, tx, rows); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE audit_writer SET settled = $2 WHERE writer = $1", writer, max(last, 1)); err != nil {
			return err
		}
		done = true
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("settle a writer: %w", err)
	}
	if done {
		l.wakeSealer()
	}
	return done, nil
}

// leftBehind reads what a writer has left from the number low on, and gives its last
// number and the entries that end it.
func leftBehind(ctx context.Context, tx *store.Tx, writer string, low int64) (last int64, ends []Entry, err error) {
	err = tx.QueryRow(ctx, "SELECT coalesce(max(number), 0) FROM audit_entry WHERE writer = $1", writer).Scan(&last)
	if err != nil {
		return 0, nil, err
	}
	unended := newUnended()
	var void []span
	due := max(low, 1)
	err = queryRows(ctx, tx, func(rows *store.Rows) error {
		r := row{writer: writer}
		if err := rows.Scan(&r.number, &r.kind, &r.lookup, &r.staff, &r.caseID); err != nil {
			return err
		}
		if r.number > due {
			void = addSpan(void, span{due, r.number - 1})
		}
		due = max(due, r.number+1)
		unended.take(&r)
		return nil
	}, "SELECT number, kind, lookup, staff, case_id FROM audit_entry WHERE writer = $1 AND number >= $2 ORDER BY number", writer, low)
	if err != nil {
		return 0, nil, err
	}
	ends = append(ends, Entry{Kind: Settled, Detail: map[string]string{
		"settled": fmt.Sprintf("%s/%d", writer, last), "void": joinSpans(void),
	}})
	return last, append(ends, unended.interrupted()...), nil
}

// settleSelf settles this writer at its end. Where that cannot be done, another does it
// when the lease is over.
func (l *Log) settleSelf(ctx context.Context, again <-chan time.Time) {
	if l.lease.expired() {
		return
	}
	patience := time.NewTimer(l.cfg.WriteTimeout)
	defer patience.Stop()
	for {
		done, err := l.settle(ctx, l.issuer.writer)
		if done {
			return
		}
		if err != nil {
			tell(ctx, slog.LevelWarn, "KKH3114", err)
			return
		}
		select {
		case <-patience.C:
			return
		case <-again:
		}
	}
}

// unended are the intents without an end, in their order.
type unended struct {
	open  map[string]Entry
	order []string
}

func newUnended() *unended { return &unended{open: map[string]Entry{}} }

func (u *unended) take(r *row) {
	switch Kind(r.kind) {
	case Intent:
		u.open[r.lookup] = Entry{
			Kind: Interrupted, Lookup: r.lookup, Actor: Actor{Staff: r.staff}, Case: r.caseID, Reason: "writer_gone",
		}
		u.order = append(u.order, r.lookup)
	case Outcome, Withheld, Interrupted, Refused:
		delete(u.open, r.lookup)
	}
	if len(u.order) > 4096 && len(u.order) > 2*len(u.open) {
		kept := u.order[:0]
		for _, lookup := range u.order {
			if _, still := u.open[lookup]; still {
				kept = append(kept, lookup)
			}
		}
		u.order = kept
	}
}

// interrupted gives the entries that end them.
func (u *unended) interrupted() (ends []Entry) {
	for _, lookup := range u.order {
		if e, still := u.open[lookup]; still {
			ends = append(ends, e)
			delete(u.open, lookup)
		}
	}
	return ends
}
