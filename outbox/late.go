package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

const (
	outcomeOf   = `SELECT outcome FROM outbox_attempt WHERE seq = $1 AND number = $2`
	markLate    = `UPDATE outbox_attempt SET outcome = 'late', ended_at = $3 WHERE seq = $1 AND number = $2`
	laterOfLane = `SELECT seq, change_id, kind FROM outbox_history
		WHERE record = $1 AND destination = $2 AND seq > $3 AND state = 'delivered' ORDER BY seq DESC LIMIT 1`
	// underWayOfLane is the change of a lane that is being told, or asked about, now.
	underWayOfLane = `SELECT c.seq, c.change_id, c.kind FROM outbox_owed o JOIN outbox_change c ON c.seq = o.seq
		WHERE o.record = $1 AND o.destination = $2 AND o.seq > $3 AND o.phase IN ('sending', 'asking') ORDER BY o.seq DESC LIMIT 1`
	standsNow  = `SELECT number, phase, cause, replay FROM outbox_owed WHERE seq = $1`
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
// Where it took effect, a row that has not been sent again since is settled by it. Otherwise
// it settles nothing; and what may have taken effect before it though it is later of its
// record is asked about again, for the neighbour may now hold the older of the two.
func (r *relay) late(ctx context.Context, tx *store.Tx, f *flight, s *settlement) error {
	if !f.ended {
		return nil // it was judged without a call, and somebody was first
	}
	if err := s.flush(ctx, tx); err != nil {
		return err
	}
	if _, err := holdLanes(ctx, tx, []planned{{destination: f.line.route.Destination, record: string(f.row.record)}}); err != nil {
		return err
	}
	settled, err := f.mark(ctx, tx, s.now)
	if err != nil || settled {
		return err
	}
	r.log(slog.LevelWarn, codeLate, f.line, slog.String("outcome", f.verdict.outcome), slog.Int64("attempt", f.row.number))
	e := f.entry(endLate)
	e.Detail["outcome"] = f.verdict.outcome
	if !f.ask && (f.err == nil || f.refused) {
		regained, err := r.regain(ctx, tx, f, s)
		if err != nil {
			return err
		}
		if regained {
			e.Detail["settled"] = "1"
		} else if e.Detail["overtaken"], err = r.overtaken(ctx, tx, f, s); err != nil {
			return err
		}
		if e.Detail["overtaken"] == "" {
			delete(e.Detail, "overtaken")
		}
	}
	s.entries = append(s.entries, e)
	return nil
}

// mark writes down that an attempt ended late, and tells whether that very end is settled
// already: then the reply to its commit was lost.
func (f *flight) mark(ctx context.Context, tx *store.Tx, now int64) (settled bool, err error) {
	var was string
	err = tx.QueryRow(ctx, outcomeOf, f.row.seq, f.row.number).Scan(&was)
	switch {
	case fault.Is(err, fault.NotFound): // its row was taken from it while it was under way
		_, err = tx.Exec(ctx, insertAttempt, f.attempt(now, endLate)...)
	case err == nil && was != endLost:
		return true, nil
	case err == nil:
		_, err = tx.Exec(ctx, markLate, f.row.seq, f.row.number, now)
	}
	if err != nil {
		return false, fmt.Errorf("mark a late attempt: %w", err)
	}
	return false, nil
}

// regain settles a row by a delivery of it that took effect and was heard of late, and tells
// whether it stood so that it could: not sent again meanwhile, its receipt not there yet, and
// not itself asked about because an earlier change came late.
func (r *relay) regain(ctx context.Context, tx *store.Tx, f *flight, s *settlement) (bool, error) {
	as := *f
	var cause string
	err := tx.QueryRow(ctx, standsNow, f.row.seq).Scan(&as.row.number, &as.row.at, &cause, &as.row.replay)
	switch {
	case fault.Is(err, fault.NotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look how a late change stands: %w", err)
	case as.row.at == sending || as.row.at == toReceive || cause == CauseLate || cause == CauseReceiver:
		return false, nil
	}
	if s.held != nil { // the lane is held, and with it the row
		s.held[f.row.seq] = stands{as.row.number, as.row.at, cause, as.row.replay}
	}
	regained, err := r.settleOne(ctx, tx, &as, s)
	if err != nil || !regained {
		return false, err
	}
	end := Delivered
	if as.verdict.to == parked {
		end = Parked
	}
	s.ends = append(s.ends, []any{as.row.replay, as.row.seq, string(end)})
	return true, s.flush(ctx, tx)
}

// overtaken has the last later change of the record that was delivered asked about, and one
// that is under way, and gives their IDs; empty: there is none.
func (r *relay) overtaken(ctx context.Context, tx *store.Tx, f *flight, s *settlement) (string, error) {
	var names []string
	destination, record := f.line.route.Destination, string(f.row.record)
	for _, later := range []struct {
		query string
		past  bool
		after time.Duration // it is not asked about before
	}{{laterOfLane, true, r.q.cfg.Settle}, {underWayOfLane, false, r.q.lease + r.q.cfg.Settle}} {
		var seq int64
		var id, kind string
		err := tx.QueryRow(ctx, later.query, record, destination, f.row.seq).Scan(&seq, &id, &kind)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("look for a later change: %w", err)
		}
		if later.past {
			if err := r.q.putBack(ctx, tx, seq, destination, record); err != nil {
				return "", err
			}
		}
		if _, err := tx.Exec(ctx, askAnew, seq, micros(r.q.now().Add(later.after))); err != nil {
			return "", fmt.Errorf("ask about a later change: %w", err)
		}
		f.line.rests[seq] = time.Now().Add(later.after)
		names = append(names, id)
		s.entries = append(s.entries, audit.Entry{
			Kind: audit.Delivery, Act: "confirm", Actor: audit.Actor{Client: "relay"}, Sources: []string{destination},
			Ends:   []audit.SourceEnd{{Source: destination, Outcome: endUnsure, Reason: CauseLate}},
			Detail: map[string]string{"change": id, "kind": kind, "record": record, "overtaken_by": string(f.row.change)},
		})
	}
	return strings.Join(names, " "), nil
}

// putBack moves a row of the past back into its place in its lane, in the phase in which it
// left; what stands behind it waits.
func (q *Queue) putBack(ctx context.Context, tx *store.Tx, seq int64, destination, record string) error {
	statements := []statement{{changeBack, []any{seq}}, {owedBack, []any{seq}}, {deletePast, []any{seq}}}
	if q.shared {
		statements = append(statements, statement{forgetTold, []any{seq}})
	}
	lane := []any{destination, record}
	for _, w := range append(statements, statement{q.texts.promote, lane}, statement{demote, lane}) {
		if _, err := tx.Exec(ctx, w.text, w.args...); err != nil {
			return fmt.Errorf("put a change back: %w", err)
		}
	}
	return nil
}

// statement is one with its arguments.
type statement struct {
	text string
	args []any
}
