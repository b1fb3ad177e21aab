package outbox

import (
	"context"
	"fmt"
	"log/slog"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

const (
	outcomeOf   = `SELECT outcome FROM outbox_attempt WHERE seq = $1 AND number = $2`
	markLate    = `UPDATE outbox_attempt SET outcome = 'late', ended_at = $3 WHERE seq = $1 AND number = $2`
	laterOfLane = `SELECT seq, change_id, kind FROM outbox_history
		WHERE record = $1 AND destination = $2 AND seq > $3 AND state = 'delivered' ORDER BY seq DESC LIMIT 1`
	changeBack = `INSERT INTO outbox_change (seq, destination, change_id, record, kind, version, enqueued_at, body)
		SELECT seq, destination, change_id, record, kind, version, enqueued_at, body FROM outbox_history WHERE seq = $1`
	owedBack = `INSERT INTO outbox_owed (seq, destination, record, waits, phase, due_at, number, sends, tries, fails, last_at,
		cause, code, detail, question, answered, digest, receipt, replay, parking)
		SELECT seq, destination, record, 1, phase, 0, number, sends, tries, fails, last_at,
		cause, code, detail, question, answered, digest, receipt, replay, parking FROM outbox_history WHERE seq = $1`
	deletePast = `DELETE FROM outbox_history WHERE seq = $1`
	// demote has those of a lane wait that stand behind its oldest.
	demote = `UPDATE outbox_owed SET waits = 1 WHERE destination = $1 AND record = $2 AND waits = 0
		AND seq > (SELECT min(seq) FROM outbox_owed WHERE destination = $1 AND record = $2)`
	askAnew = `UPDATE outbox_owed SET phase = 'ask', due_at = $2, cause = 'late', question = 'arrived', tries = tries + 1 WHERE seq = $1`
)

// late deals with a result that came when its attempt was no longer the row's current one.
// It settles nothing. Where it took effect after a later change of its record did, the
// neighbour now holds the older of the two, so the later one is asked about again.
func (r *relay) late(ctx context.Context, tx *store.Tx, f *flight, s *settlement) error {
	if !f.ended {
		return nil // it was judged without a call, and somebody was first
	}
	if err := s.flush(ctx, tx); err != nil {
		return err
	}
	var was string
	err := tx.QueryRow(ctx, outcomeOf, f.row.seq, f.row.number).Scan(&was)
	switch {
	case err == nil && was != endLost:
		return nil // this very result is settled: the reply to its commit was lost
	case err != nil && !fault.Is(err, fault.NotFound):
		return fmt.Errorf("look for a late attempt: %w", err)
	}
	r.log(slog.LevelWarn, codeLate, f.line, slog.String("outcome", f.verdict.outcome), slog.Int64("attempt", f.row.number))
	if _, err := tx.Exec(ctx, markLate, f.row.seq, f.row.number, s.now); err != nil {
		return fmt.Errorf("mark a late attempt: %w", err)
	}
	e := f.entry(endLate)
	e.Detail["outcome"] = f.verdict.outcome
	if f.err == nil && !f.ask {
		later, err := r.overtaken(ctx, tx, f)
		if err != nil {
			return err
		}
		if later != "" {
			e.Detail["overtaken"] = string(later)
		}
	}
	s.entries = append(s.entries, e)
	return nil
}

// overtaken puts the last change that was delivered after the flight's own back to be asked
// about, and gives its ID; empty: there is none.
func (r *relay) overtaken(ctx context.Context, tx *store.Tx, f *flight) (ledger.ChangeID, error) {
	var seq int64
	var id, kind string
	destination, record := f.line.route.Destination, string(f.row.record)
	err := tx.QueryRow(ctx, laterOfLane, record, destination, f.row.seq).Scan(&seq, &id, &kind)
	if fault.Is(err, fault.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for a later change: %w", err)
	}
	if err := putBack(ctx, tx, seq, destination, record); err != nil {
		return "", err
	}
	due := r.q.rooms.Now().Add(r.q.cfg.Settle)
	if _, err := tx.Exec(ctx, askAnew, seq, micros(due)); err != nil {
		return "", fmt.Errorf("ask about a later change: %w", err)
	}
	return ledger.ChangeID(id), r.q.rooms.Record.Append(ctx, tx, audit.Entry{
		Kind: audit.Delivery, Act: "confirm", Actor: audit.Actor{Client: "relay"}, Sources: []string{destination},
		Ends:   []audit.SourceEnd{{Source: destination, Outcome: endUnsure, Reason: CauseLate}},
		Detail: map[string]string{"change": id, "kind": kind, "record": record, "overtaken_by": string(f.row.change)},
	})
}

// putBack moves a row of the past back into its place in its lane, in the phase in which it
// left; what stands behind it waits.
func putBack(ctx context.Context, tx *store.Tx, seq int64, destination, record string) error {
	for _, w := range []struct {
		statement string
		args      []any
	}{
		{changeBack, []any{seq}}, {owedBack, []any{seq}}, {deletePast, []any{seq}},
		{promote, []any{destination, record}}, {demote, []any{destination, record}},
	} {
		if _, err := tx.Exec(ctx, w.statement, w.args...); err != nil {
			return fmt.Errorf("put a change back: %w", err)
		}
	}
	return nil
}
