package outbox

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// Replay is how a replay goes on.
type Replay struct {
	ID          string
	By          string // 職員番号
	At          time.Time
	Reason      string
	State       string // running, stopped, done
	Total       int    // frozen when it began
	Armed       int    // due again, not yet ended
	Delivered   int
	ParkedAgain int
	Skipped     int
	Why         []Reason // of Skipped
	Waiting     int      // not yet armed
}

const (
	lastParking  = `SELECT last FROM outbox_parking`
	countFrozen  = `SELECT count(*)` + fromOwed
	insertReplay = `INSERT INTO outbox_replay (id, at, by, reason, named, state, destination, record, cause, owed_before, bound, total,
		reached, filled) VALUES ($1, $2, $3, $4, $5, 'running', $6, $7, $8, $9, $10, $11, 0, $12)`
	freezeNamed = `INSERT INTO outbox_replay_item (replay, seq, parking, state, why)
		SELECT $1, o.seq, o.parking, 'waiting', '' FROM outbox_owed o WHERE o.seq = $2 AND o.parking <= $3 AND o.phase = 'parked'`
	replayColumns = `SELECT r.id, r.at, r.by, r.reason, r.state, r.total, r.filled, i.state, i.why, count(i.seq)
		FROM outbox_replay r LEFT JOIN outbox_replay_item i ON i.replay = r.id`
	oneReplay   = replayColumns + ` WHERE r.id = $1 GROUP BY r.id, r.at, r.by, r.reason, r.state, r.total, r.filled, i.state, i.why`
	lastReplays = replayColumns + ` WHERE r.id IN (SELECT id FROM outbox_replay ORDER BY at DESC, id LIMIT $1)
		GROUP BY r.id, r.at, r.by, r.reason, r.state, r.total, r.filled, i.state, i.why ORDER BY r.at DESC, r.id`
	setReplay = `UPDATE outbox_replay SET state = $2 WHERE id = $1 AND state = $3`
)

// Plan says what a replay of the filter would do now. It writes nothing.
func (q *Queue) Plan(ctx context.Context, f Filter) (p Plan, err error) {
	err = store.Read(ctx, q.rooms.DB, func(ctx context.Context, tx *store.Tx) error {
		p, err = plan(ctx, tx, f, q.now(), q.againstReplay(len(f.IDs) > 0))
		return err
	})
	return p, err
}

// PlanDiscard says what a discard of the filter would do now. It writes nothing.
func (q *Queue) PlanDiscard(ctx context.Context, f Filter, needed Needed) (p Plan, err error) {
	err = store.Read(ctx, q.rooms.DB, func(ctx context.Context, tx *store.Tx) error {
		p, err = plan(ctx, tx, f, q.now(), againstDiscard(len(f.IDs) > 0, needed))
		return err
	})
	return p, err
}

// Frozen is what was parked and meant by a filter at one moment. What is parked afterwards,
// and what is parked anew, is none of it: every parking has a number of its own, and Frozen
// knows the last of that moment.
type Frozen struct {
	Plan   Plan
	filter Filter
	bound  int64 // the number of the last parking
	total  int
	named  []int64 // rows, where changes were named
}

// Freeze freezes what is parked and meant by the filter, for BeginReplay. It writes nothing
// and is read from a snapshot: however much is parked, nobody who writes waits for it.
func (q *Queue) Freeze(ctx context.Context, f Filter) (frozen Frozen, err error) {
	frozen.filter = f
	err = store.Read(ctx, q.rooms.DB, func(ctx context.Context, tx *store.Tx) error {
		if frozen.Plan, err = plan(ctx, tx, f, q.now(), q.againstReplay(len(f.IDs) > 0)); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, lastParking).Scan(&frozen.bound); err != nil {
			return fmt.Errorf("freeze what is parked: %w", err)
		}
		if len(f.IDs) == 0 {
			c := f.frozen(frozen.bound)
			if err := tx.QueryRow(ctx, countFrozen+c.where(), c.args...).Scan(&frozen.total); err != nil {
				return fmt.Errorf("freeze what is parked: %w", err)
			}
			return nil
		}
		rows, err := plannedRows(ctx, tx, f, "o.phase = 'parked'", 2*maxPage*16)
		for _, row := range rows {
			frozen.named = append(frozen.named, row.seq)
			frozen.Plan.Touched = append(frozen.Plan.Touched, row.change)
		}
		frozen.total = len(rows)
		return err
	})
	return frozen, err
}

// frozen gives the conditions for what the filter means of what has been parked by then.
func (f Filter) frozen(bound int64) clauses {
	var c clauses
	f.common(&c, "o", namedChanges)
	c.add("o.parking <= %", bound)
	c.add("o.phase = 'parked'")
	if f.State != "" && f.State != Parked {
		c.add("1 = 0")
	}
	return c
}

// BeginReplay begins, in the caller's transaction, the replay of what was frozen. The relay
// arms it in chunks, what was parked first first, each row in its place. A row that has gone on by then, by
// another replay perhaps, is skipped. A change whose outcome is unknown is asked about before
// it is sent again, where its neighbour can be asked; where nobody can tell, it is sent only
// if it was named.
func (q *Queue) BeginReplay(ctx context.Context, tx *store.Tx, frozen Frozen, m Mark) (Plan, error) {
	p, f := frozen.Plan, frozen.filter
	p.ID = "R-" + rand.Text()
	named, filled := 0, 0
	if len(f.IDs) > 0 {
		named, filled = 1, 1
	} else if frozen.total == 0 {
		filled = 1
	}
	if _, err := tx.Exec(ctx, insertReplay, p.ID, micros(m.At), m.By, m.Reason, named, f.Destination, string(f.Record), f.Cause,
		micros(f.Before), frozen.bound, frozen.total, filled); err != nil {
		return p, fmt.Errorf("begin a replay: %w", err)
	}
	items := make([][]any, len(frozen.named))
	for i, seq := range frozen.named {
		items[i] = []any{p.ID, seq, frozen.bound}
	}
	if err := tx.Bulk(ctx, freezeNamed, items); err != nil {
		return p, fmt.Errorf("freeze what is replayed: %w", err)
	}
	q.armOn(tx)
	tx.Done(func(committed bool) {
		if committed {
			q.rooms.Log.LogAttrs(ctx, slog.LevelInfo, "outbox", slog.String("code", codeReplayBegan), slog.Int("count", p.Can))
		}
	})
	return p, nil
}

// armOn has the relay look for replays when tx is committed.
func (q *Queue) armOn(tx *store.Tx) {
	tx.Done(func(committed bool) {
		if committed {
			q.arming.Store(true)
			q.rouse()
		}
	})
}

// StopReplay stops arming. What is armed goes on; what is not stays parked, and loses
// nothing. It is NotFound where there is no such replay, a Conflict where it does not run.
func (q *Queue) StopReplay(ctx context.Context, tx *store.Tx, id string) error {
	return q.turnReplay(ctx, tx, id, "stopped", "running")
}

// ResumeReplay goes on with a replay that was stopped.
func (q *Queue) ResumeReplay(ctx context.Context, tx *store.Tx, id string) error {
	return q.turnReplay(ctx, tx, id, "running", "stopped")
}

func (q *Queue) turnReplay(ctx context.Context, tx *store.Tx, id, to, from string) error {
	n, err := tx.Exec(ctx, setReplay, id, to, from)
	if err != nil {
		return fmt.Errorf("turn a replay: %w", err)
	}
	if n == 1 {
		q.armOn(tx)
		return nil
	}
	n, err = tx.Number(ctx, `SELECT count(*) FROM outbox_replay WHERE id = $1`, id)
	switch {
	case err != nil:
		return fmt.Errorf("look for a replay: %w", err)
	case n == 0:
		return fault.New(fault.NotFound, "there is no such replay").WithCode(codeNoReplay)
	}
	return fault.New(fault.Conflict, "the replay is not %s", from).WithCode(codeReplayOver)
}

// ReplayState gives how a replay goes on. It is NotFound where there is none.
func (q *Queue) ReplayState(ctx context.Context, id string) (Replay, error) {
	list, err := readReplays(store.Query(ctx, q.rooms.DB, oneReplay, id))
	switch {
	case err != nil:
		return Replay{}, err
	case len(list) == 0:
		return Replay{}, fault.New(fault.NotFound, "there is no such replay").WithCode(codeNoReplay)
	}
	return list[0], nil
}

// Replays gives the newest replays, newest first.
func (q *Queue) Replays(ctx context.Context, limit int) ([]Replay, error) {
	if limit <= 0 || limit > maxPage {
		limit = defaultPage
	}
	return readReplays(store.Query(ctx, q.rooms.DB, lastReplays, limit))
}

// readReplays reads rows of replayColumns, one for each replay, state of items and why.
func readReplays(rows *store.Rows, err error) ([]Replay, error) {
	if err != nil {
		return nil, fmt.Errorf("read replays: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var list []Replay
	for rows.Next() {
		var r Replay
		var at int64
		var filled bool
		var state, why *string
		var n int
		if err := rows.Scan(&r.ID, &at, &r.By, &r.Reason, &r.State, &r.Total, &filled, &state, &why, &n); err != nil {
			return nil, fmt.Errorf("read replays: %w", err)
		}
		if len(list) == 0 || list[len(list)-1].ID != r.ID {
			r.At = moment(at)
			if filled { // those of which there is no item have gone on before they were reached
				r.skip(whyElsewhere, r.Total)
			} else {
				r.Waiting = r.Total
			}
			list = append(list, r)
		}
		if last := &list[len(list)-1]; state != nil && why != nil {
			if filled {
				last.skip(whyElsewhere, -n)
			} else {
				last.Waiting -= n
			}
			last.add(*state, *why, n)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read replays: %w", err)
	}
	return list, nil
}

func (r *Replay) add(state, word string, n int) {
	switch state {
	case "waiting":
		r.Waiting += n
	case "armed":
		r.Armed += n
	case string(Delivered):
		r.Delivered += n
	case string(Parked):
		r.ParkedAgain += n
	default:
		r.skip(word, n)
	}
}

// skip counts n more that were skipped for one reason.
func (r *Replay) skip(word string, n int) {
	counts := map[string]int{word: n}
	for _, w := range r.Why {
		counts[w.Word] += w.Count
	}
	if counts[word] == 0 {
		delete(counts, word)
	}
	r.Skipped += n
	r.Why = reasons(counts)
}
