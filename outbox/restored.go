package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"kakehashi/internal/store"
)

const (
	untold = `SELECT seq FROM outbox_owed WHERE seq > $1 AND phase IN ('send', 'parked') AND question = '' AND receipt IS NULL
		ORDER BY seq LIMIT $2`
	// doubtRow has what would be sent asked about first. What is parked stays parked, and its
	// cause says why: a replay asks first.
	doubtRow = `UPDATE outbox_owed SET question = 'arrived',
		due_at = CASE WHEN phase = 'send' THEN $2 ELSE due_at END,
		cause = CASE WHEN phase = 'send' THEN 'restored' ELSE cause END,
		phase = CASE WHEN phase = 'send' THEN 'ask' ELSE phase END
		WHERE seq = $1`
)

// following marks the context in which a receipt is taken, with the follow of what is owed.
type following struct{}

// follow is what was owed while a receipt was taken into the ledger.
type follow struct{ list []wanted }

// doubtFollower has one that was just owed asked about before it is sent.
const doubtFollower = `UPDATE outbox_owed SET phase = 'ask', question = 'arrived'
	WHERE seq = (SELECT seq FROM outbox_change WHERE change_id = $1 AND destination = $2)`

// doubtWhatFollows makes it a question whether that arrived which follows from a receipt that
// was learnt by asking: over a database that was put back it may have been told already, in
// the days that are lost. Where the destination cannot be asked that would only leave it to a
// person, so it is done there only where a backup is known to have been put back.
func (r *relay) doubtWhatFollows(ctx context.Context, tx *store.Tx, list []wanted) error {
	var rows [][]any
	for _, w := range list {
		i := slices.IndexFunc(r.lines, func(l *line) bool { return l.route.Destination == w.destination })
		if i < 0 {
			continue
		}
		if _, asks := r.lines[i].route.To.(Confirmer); asks || r.q.rooms.Restored {
			rows = append(rows, []any{string(w.change.ID), w.destination})
		}
	}
	return bulk(ctx, tx, doubtFollower, rows)
}

// doubt makes it a question, at the start over a database that was put back to an older day,
// whether anything arrived of what stands as not told: it may have been told after the
// backup was taken. It may still be working on what the last run sent, so Settle applies.
func (r *relay) doubt(ctx context.Context) error {
	due := micros(r.q.now().Add(r.q.cfg.Settle))
	total, after := 0, int64(0)
	for more := true; more && ctx.Err() == nil; {
		n, last, err := r.doubtSome(ctx, after, due)
		if err != nil {
			return err
		}
		total, after, more = total+n, last, n == chunk
	}
	if total > 0 {
		r.log(slog.LevelWarn, codeRestored, nil, slog.Int("count", total))
	}
	return nil
}

// doubtSome deals with a chunk of the rows after one, and gives how many and the last.
func (r *relay) doubtSome(ctx context.Context, after, due int64) (n int, last int64, err error) {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), txTimeout)
	defer cancel()
	err = r.write(within, false, func(ctx context.Context, tx *store.Tx, _ bool) error {
		if r.q.shared {
			seqs, err := readNumbers(tx.Query(ctx, doubtSomeRows, after, chunk, due))
			if err != nil {
				return fmt.Errorf("have what is not told asked about: %w", err)
			}
			if n = len(seqs); n > 0 {
				last = slices.Max(seqs)
			}
			return nil
		}
		rows, err := tx.Query(ctx, untold, after, chunk)
		if err != nil {
			return fmt.Errorf("read what is not told: %w", err)
		}
		defer func() { _ = rows.Close() }()
		var list [][]any
		for rows.Next() {
			if err := rows.Scan(&last); err != nil {
				return fmt.Errorf("read what is not told: %w", err)
			}
			list = append(list, []any{last, due})
		}
		if err := rows.Err(); err != nil {
			return fmt.Errorf("read what is not told: %w", err)
		}
		if n = len(list); n == 0 {
			return nil
		}
		if err := tx.Bulk(ctx, doubtRow, list); err != nil {
			return fmt.Errorf("have what is not told asked about: %w", err)
		}
		return nil
	})
	return n, last, err
}
