package outbox

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

const (
	isCurrent = `SELECT count(*) FROM outbox_owed WHERE seq = $1 AND number = $2 AND phase = $3`
	moveOn    = `UPDATE outbox_owed SET phase = $4, due_at = $5, tries = $6, fails = $7, cause = $8, code = $9, detail = $10,
		question = $11, answered = $12, receipt = $13,
		parking = CASE WHEN CAST($14 AS BIGINT) > 0 THEN CAST($14 AS BIGINT) ELSE parking END
		WHERE seq = $1 AND number = $2 AND phase = $3`
	toHistory = `INSERT INTO outbox_history (seq, destination, change_id, record, kind, version, enqueued_at, body, phase, number,
		sends, tries, fails, last_at, cause, code, detail, question, answered, digest, receipt, replay, parking,
		state, ended_at, mark_by, mark_reason)
		SELECT c.seq, c.destination, c.change_id, c.record, c.kind, c.version, c.enqueued_at, c.body, o.phase, o.number,
		o.sends, o.tries, o.fails, o.last_at, CASE WHEN $2 = 'delivered' THEN '' ELSE o.cause END,
		CASE WHEN $2 = 'delivered' THEN '' ELSE o.code END, CASE WHEN $2 = 'delivered' THEN '' ELSE o.detail END,
		CASE WHEN $2 = 'delivered' THEN '' ELSE o.question END, o.answered, o.digest,
		CASE WHEN $2 = 'delivered' THEN NULL ELSE o.receipt END, o.replay, o.parking, $2, $3, $4, $5
		FROM outbox_change c JOIN outbox_owed o ON o.seq = c.seq WHERE c.seq = $1`
	deleteOwed   = `DELETE FROM outbox_owed WHERE seq = $1`
	deleteChange = `DELETE FROM outbox_change WHERE seq = $1`
	// promote lets the oldest that is left of a lane go on.
	promote = `UPDATE outbox_owed SET waits = 0
		WHERE seq = (SELECT min(seq) FROM outbox_owed WHERE destination = $1 AND record = $2) AND waits = 1`
	countParking  = `UPDATE outbox_parking SET last = last + 1`
	insertAttempt = `INSERT INTO outbox_attempt (seq, number, confirm, at, ended_at, outcome, code, digest, replay)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	endItem = `UPDATE outbox_replay_item SET state = $3 WHERE replay = $1 AND seq = $2 AND state = 'armed'`
)

// refusal says whose receipt the receiver does not take.
type refusal struct {
	flight *flight
	err    error
}

// Error gives the text for operators.
func (r *refusal) Error() string { return "take a receipt into the ledger: " + r.err.Error() }

// Unwrap gives what the receiver said.
func (r *refusal) Unwrap() error { return r.err }

func sameLetter(a, b []byte) bool { return bytes.Equal(a, b) }

// settlement collects what one transaction writes about the flights that it settles.
type settlement struct {
	seen     map[int64]bool   // rows of flights looked at since the last flush
	held     map[int64]stands // on PostgreSQL: how the rows stand, which are held
	parks    int              // … and how many of them may be parked, whose parking is not numbered yet
	parked   int64            // the last parking that was numbered for these
	now      int64
	attempts [][]any
	turns    [][]any
	moves    [][]any
	deletes  [][]any
	promotes [][]any
	ends     [][]any
	entries  []audit.Entry
}

// settle writes what became of the flights. It is a refusal where the receiver does not
// take a receipt, and needsLedger where a result is late and the ledger, under whose lock
// lanes are rearranged, is not locked; then the transaction must be taken back.
func (r *relay) settle(ctx context.Context, tx *store.Tx, flights []*flight, locked bool) (err error) {
	if len(flights) == 0 {
		return nil
	}
	s := &settlement{now: micros(r.q.now()), seen: map[int64]bool{}}
	if r.q.shared {
		if s.held, err = lockAll(ctx, tx, flights); err != nil {
			return err
		}
		for _, f := range flights {
			if f.verdict.to == parked {
				s.parks++
			}
		}
	}
	for _, f := range flights {
		if s.seen[f.row.seq] { // two ends of one attempt: the second must see the first
			if err := s.flush(ctx, tx); err != nil {
				return err
			}
		}
		s.seen[f.row.seq] = true
		current, err := r.settleOne(ctx, tx, f, s)
		if err != nil {
			return err
		}
		switch {
		case current:
			s.note(f)
		case r.q.shared && !locked:
			return needsLedger{}
		default:
			if err := r.late(ctx, tx, f, s); err != nil {
				return err
			}
		}
	}
	if err := s.flush(ctx, tx); err != nil {
		return err
	}
	return r.q.rooms.Record.AppendAll(ctx, tx, s.entries)
}

// flush writes what is put off until it can be written for many at once.
func (s *settlement) flush(ctx context.Context, tx *store.Tx) error {
	for _, w := range []struct {
		statement string
		rows      [][]any
	}{{insertAttempt, s.attempts}, {moveOn, s.turns}} {
		if err := bulk(ctx, tx, w.statement, w.rows); err != nil {
			return err
		}
	}
	if err := s.move(ctx, tx); err != nil {
		return err
	}
	if err := bulk(ctx, tx, endItem, s.ends); err != nil {
		return err
	}
	s.attempts, s.turns, s.moves, s.deletes, s.promotes, s.ends = nil, nil, nil, nil, nil, nil
	clear(s.seen)
	return nil
}

func bulk(ctx context.Context, tx *store.Tx, statement string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	if err := tx.Bulk(ctx, statement, rows); err != nil {
		return fmt.Errorf("settle changes: %w", err)
	}
	return nil
}

// move moves what is delivered to the history, and lets the next of each lane go on.
func (s *settlement) move(ctx context.Context, tx *store.Tx) error {
	if s.held != nil {
		return s.moveTogether(ctx, tx)
	}
	for _, w := range []struct {
		statement string
		rows      [][]any
	}{{toHistory, s.moves}, {deleteOwed, s.deletes}, {deleteChange, s.deletes}, {promote, s.promotes}} {
		if err := bulk(ctx, tx, w.statement, w.rows); err != nil {
			return err
		}
	}
	return nil
}

// settleOne does for one flight what cannot be done for many at once, and tells whether
// its attempt is still the row's current one.
func (r *relay) settleOne(ctx context.Context, tx *store.Tx, f *flight, s *settlement) (current bool, err error) {
	v := f.verdict
	if v.to != "" {
		return r.moveOn(ctx, tx, f, s)
	}
	if current, err := s.current(ctx, tx, f); err != nil || !current {
		return false, err
	}
	owes := &follow{}
	if err := r.receive(context.WithValue(ctx, following{}, owes), tx, f); err != nil {
		return false, &refusal{flight: f, err: err}
	}
	if f.ask {
		if err := r.doubtWhatFollows(ctx, tx, owes.list); err != nil {
			return false, err
		}
	}
	delete(s.held, f.row.seq)
	s.moves = append(s.moves, []any{f.row.seq, string(Delivered), s.now, "", ""})
	s.deletes = append(s.deletes, []any{f.row.seq})
	s.promotes = append(s.promotes, []any{f.line.route.Destination, string(f.row.record)})
	return true, nil
}

// current tells whether a flight's attempt is still the row's current one.
func (s *settlement) current(ctx context.Context, tx *store.Tx, f *flight) (bool, error) {
	if s.held != nil {
		row := s.held[f.row.seq]
		return row.number == f.row.number && row.at == f.row.at, nil
	}
	n, err := tx.Number(ctx, isCurrent, f.row.seq, f.row.number, string(f.row.at))
	return n > 0, err
}

func (r *relay) moveOn(ctx context.Context, tx *store.Tx, f *flight, s *settlement) (bool, error) {
	v := f.verdict
	if s.held != nil {
		if current, err := s.current(ctx, tx, f); err != nil || !current {
			return false, err
		}
	}
	var receipt any
	var parking int64
	if v.to == parked {
		var err error
		if parking, err = s.parking(ctx, tx); err != nil {
			return false, err
		}
	}
	if f.refused {
		sealed, err := r.q.seal.closeReceipt(f.receipt, f.row.change, f.line.route.Destination)
		if err != nil {
			return false, err
		}
		receipt = sealed
	} else if f.row.receipt != nil {
		receipt = f.row.receipt
	}
	answered := 0
	if v.answered {
		answered = 1
	}
	args := []any{
		f.row.seq, f.row.number, string(f.row.at), string(v.to), micros(v.due), v.tries, v.fails,
		v.cause, v.code, v.detail, v.question, answered, receipt, parking,
	}
	if s.held != nil {
		s.turns = append(s.turns, args)
		s.held[f.row.seq] = stands{number: f.row.number, at: v.to, cause: v.cause, replay: f.row.replay}
		return true, nil
	}
	n, err := tx.Exec(ctx, moveOn, args...)
	if err != nil {
		return false, fmt.Errorf("settle a change: %w", err)
	}
	return n == 1, nil
}

// nextParking gives the number of a parking. They only grow, so that whoever freezes what is
// parked need only remember the last.
func nextParking(ctx context.Context, tx *store.Tx) (n int64, err error) {
	if tx.Engine() == store.Postgres {
		return takeParkings(ctx, tx, 1)
	}
	if _, err := tx.Exec(ctx, countParking); err != nil {
		return 0, fmt.Errorf("number a parking: %w", err)
	}
	if n, err = tx.Number(ctx, lastParking); err != nil {
		return 0, fmt.Errorf("number a parking: %w", err)
	}
	return n, nil
}

// receive hands the receipt to the receiver. What breaks down there is a refusal.
func (r *relay) receive(ctx context.Context, tx *store.Tx, f *flight) (err error) {
	if r.receiver == nil {
		return nil
	}
	defer func() {
		if recover() != nil { // what it panicked with may hold anything
			err = fault.New(fault.Internal, "the receiver broke down").WithCode(codePanic).WithReason("panic")
		}
	}()
	return r.receiver.Receive(ctx, tx, f.change, f.receipt)
}

// attempted tells whether the flight was an attempt: something that was claimed.
func (f *flight) attempted() bool { return f.row.at == sending || f.row.at == asking }

// note writes down an attempt, what it means for a replay, and the entry of the record.
func (s *settlement) note(f *flight) {
	v := f.verdict
	if f.attempted() {
		s.attempts = append(s.attempts, f.attempt(s.now, v.outcome))
	}
	switch {
	case f.row.replay == "":
	case v.to == "":
		s.ends = append(s.ends, []any{f.row.replay, f.row.seq, string(Delivered)})
	case v.to == parked:
		s.ends = append(s.ends, []any{f.row.replay, f.row.seq, string(Parked)})
	}
	if v.outcome == endAgain && fault.Is(f.err, fault.Unavailable) {
		return // nothing happened; the attempts tell the rest
	}
	s.entries = append(s.entries, f.entry(v.outcome))
}

// attempt gives the row of outbox_attempt.
func (f *flight) attempt(now int64, outcome string) []any {
	confirm := 0
	if f.row.at == asking {
		confirm = 1
	}
	var digest any
	if d := f.lastDigest(); d != nil && confirm == 0 {
		digest = d
	}
	return []any{f.row.seq, f.row.number, confirm, f.row.last, now, outcome, f.verdict.code, digest, f.row.replay}
}

func (f *flight) lastDigest() []byte {
	if f.digest != nil {
		return f.digest
	}
	return f.row.digest
}

// entry is what the record keeps of a settled change.
func (f *flight) entry(outcome string) audit.Entry {
	e := audit.Entry{
		Kind: audit.Delivery, Act: "deliver", Actor: audit.Actor{Client: "relay"}, Sources: []string{f.line.route.Destination},
		Ends: []audit.SourceEnd{{Source: f.line.route.Destination, Outcome: outcome, Reason: f.verdict.cause}},
		Code: f.verdict.code,
		Detail: map[string]string{
			"change": string(f.row.change), "kind": string(f.row.kind), "record": string(f.row.record),
			"attempt": strconv.FormatInt(f.row.number, 10),
		},
	}
	if f.ask {
		e.Act = "confirm"
	}
	if d := f.lastDigest(); d != nil {
		e.Detail["digest"] = hex.EncodeToString(d)
	}
	if f.row.replay != "" {
		e.Detail["replay"] = f.row.replay
	}
	if outcome == endLost {
		e.Ends[0].Outcome = endUnsure
	}
	switch told, numbered := string(f.change.Atena), string(f.receipt.Atena); {
	case isNumber(told):
		e.Subjects = []audit.Subject{{Atena: told, Role: "told"}}
	case isNumber(numbered):
		e.Subjects = []audit.Subject{{Atena: numbered, Role: "numbered"}}
	}
	return e
}

// isNumber tells whether a text may stand in the record as the number of a person. One
// that may not, from a neighbour that answers nonsense, must not keep the others from
// being settled.
func isNumber(s string) bool { return s != "" && len(s) <= 32 && strings.Trim(s, "0123456789") == "" }

// settled forgets what is committed, and tells operators what was parked.
func (r *relay) settled(flights []*flight) {
	for _, f := range flights {
		f.letGo()
		if v := f.verdict; v.to == toAsk && (v.outcome == endUnsure || v.outcome == endLost && f.row.at == sending) {
			f.line.rests[f.row.seq] = time.Now().Add(r.q.cfg.Settle) // whatever becomes of the stored clock
		}
		switch f.verdict.to {
		case "":
			f.line.done.add(r.q.now(), 1)
		case parked:
			level := slog.LevelWarn
			if f.verdict.cause == CauseInternal {
				level = slog.LevelError
			}
			r.log(level, codeParked, f.line, slog.String("cause", f.verdict.cause), slog.Int64("attempt", f.row.number))
		case toSend, sending, toAsk, asking, toReceive:
		}
	}
}
