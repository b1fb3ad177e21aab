package outbox

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
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
	insertReplay = `INSERT INTO outbox_replay (id, at, by, reason, named, state) VALUES ($1, $2, $3, $4, $5, 'running')`
	freezeHead   = `INSERT INTO outbox_replay_item (replay, seq, parking, state, why)
		SELECT $%d, o.seq, o.parking, 'waiting', '' FROM outbox_owed o JOIN outbox_change c ON c.seq = o.seq`
	replayColumns = `SELECT r.id, r.at, r.by, r.reason, r.state, i.state, i.why, count(i.seq)
		FROM outbox_replay r LEFT JOIN outbox_replay_item i ON i.replay = r.id`
	oneReplay   = replayColumns + ` WHERE r.id = $1 GROUP BY r.id, r.at, r.by, r.reason, r.state, i.state, i.why`
	lastReplays = replayColumns + ` WHERE r.id IN (SELECT id FROM outbox_replay ORDER BY at DESC, id LIMIT $1)
		GROUP BY r.id, r.at, r.by, r.reason, r.state, i.state, i.why ORDER BY r.at DESC, r.id`
	setReplay = `UPDATE outbox_replay SET state = $2 WHERE id = $1 AND state = $3`
)

// Plan says what a replay of the filter would do now. It writes nothing.
func (q *Queue) Plan(ctx context.Context, f Filter) (p Plan, err error) {
	err = store.Read(ctx, q.rooms.DB, func(ctx context.Context, tx *store.Tx) error {
		p, err = plan(ctx, tx, f, q.rooms.Now(), q.againstReplay(len(f.IDs) > 0))
		return err
	})
	return p, err
}

// PlanDiscard says what a discard of the filter would do now. It writes nothing.
func (q *Queue) PlanDiscard(ctx context.Context, f Filter, needed Needed) (p Plan, err error) {
	err = store.Read(ctx, q.rooms.DB, func(ctx context.Context, tx *store.Tx) error {
		p, err = plan(ctx, tx, f, q.rooms.Now(), againstDiscard(len(f.IDs) > 0, needed))
		return err
	})
	return p, err
}

// BeginReplay freezes what is parked and meant by the filter, in the caller's transaction:
// what is parked afterwards is none of it. The relay then arms it in chunks, oldest first,
// each row in its place. A row that has gone on by then, by another replay perhaps, is
// skipped. A change whose outcome is unknown is asked about before it is sent again, where
// its neighbour can be asked; where nobody can tell, it is sent only if it was named.
func (q *Queue) BeginReplay(ctx context.Context, tx *store.Tx, f Filter, by, reason string, at time.Time) (Plan, error) {
	p, err := plan(ctx, tx, f, at, q.againstReplay(len(f.IDs) > 0))
	if err != nil {
		return p, err
	}
	p.ID = "R-" + rand.Text()
	named := 0
	if len(f.IDs) > 0 {
		named = 1
	}
	if _, err := tx.Exec(ctx, insertReplay, p.ID, micros(at), by, reason, named); err != nil {
		return p, fmt.Errorf("begin a replay: %w", err)
	}
	var c clauses
	f.common(&c, "o")
	c.add("o.phase = 'parked'")
	if f.State != "" && f.State != Parked {
		c.add("1 = 0")
	}
	c.args = append(c.args, p.ID)
	if _, err := tx.Exec(ctx, strings.Replace(freezeHead, "%d", strconv.Itoa(len(c.args)), 1)+c.where(), c.args...); err != nil {
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
			signal(q.wake)
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
	counts := map[string]int{}
	for rows.Next() {
		var r Replay
		var at int64
		var state, why *string
		var n int
		if err := rows.Scan(&r.ID, &at, &r.By, &r.Reason, &r.State, &state, &why, &n); err != nil {
			return nil, fmt.Errorf("read replays: %w", err)
		}
		if len(list) == 0 || list[len(list)-1].ID != r.ID {
			r.At = moment(at)
			list = append(list, r)
			clear(counts)
		}
		if state != nil && why != nil {
			list[len(list)-1].add(*state, *why, n, counts)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read replays: %w", err)
	}
	return list, nil
}

func (r *Replay) add(state, word string, n int, counts map[string]int) {
	r.Total += n
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
		r.Skipped += n
		counts[word] += n
		r.Why = reasons(counts)
	}
}

const (
	runningReplays = `SELECT r.id, r.named,
		(SELECT count(*) FROM outbox_replay_item i WHERE i.replay = r.id AND i.state = 'armed'),
		EXISTS (SELECT 1 FROM outbox_replay_item i WHERE i.replay = r.id AND i.state = 'waiting')
		FROM outbox_replay r WHERE r.state = 'running' ORDER BY r.at, r.id`
	waitingItems = `SELECT i.seq, i.parking, coalesce(c.destination, '') FROM outbox_replay_item i
		LEFT JOIN outbox_change c ON c.seq = i.seq
		WHERE i.replay = $1 AND i.state = 'waiting' ORDER BY i.seq LIMIT $2`
	// armRow makes a parked row due, as early as it was owed, so that it comes before what
	// was owed later. What is kept of a receipt is taken in. What may have arrived is asked
	// about where that can be ($4), sent again as it was where a key takes effect once ($6),
	// and otherwise sent only where somebody looked and named it ($5).
	armRow = `UPDATE outbox_owed SET
		phase = CASE WHEN receipt IS NOT NULL THEN 'receive' WHEN question <> '' AND $4 = 1 THEN 'ask' ELSE 'send' END,
		question = CASE WHEN $4 = 1 OR $6 = 1 AND $5 = 0 THEN question ELSE '' END,
		due_at = (SELECT c.enqueued_at FROM outbox_change c WHERE c.seq = outbox_owed.seq),
		tries = 0, fails = 0, replay = $3,
		answered = CASE WHEN question <> '' THEN $5 ELSE 0 END
		WHERE seq = $1 AND parking = $2 AND phase = 'parked' AND (question = '' OR receipt IS NOT NULL OR $4 + $5 + $6 > 0)`
	stillParked = `SELECT count(*) FROM outbox_owed WHERE seq = $1 AND parking = $2 AND phase = 'parked'`
	setItem     = `UPDATE outbox_replay_item SET state = $3, why = $4 WHERE replay = $1 AND seq = $2`
)

// running is a replay that runs.
type running struct {
	id    string
	named bool
	armed int
	waits bool // there is something to arm
}

// item is a row that a replay has frozen.
type item struct {
	seq, parking int64
	destination  string
}

// replays arms a chunk of each running replay whose armed rows have mostly ended, and ends
// those of which nothing is left. It tells whether anything moved.
func (r *relay) replays(ctx context.Context) (moved bool, err error) {
	if !r.q.arming.Swap(false) {
		return false, nil
	}
	list, err := r.runningReplays(ctx)
	if len(list) > 0 || err != nil {
		r.q.arming.Store(true)
	}
	for _, p := range list {
		if p.armed > chunk/2 || p.armed > 0 && !p.waits || err != nil {
			continue
		}
		var n int
		n, err = r.arm(ctx, p)
		moved = moved || n > 0
	}
	return moved, err
}

func (r *relay) runningReplays(ctx context.Context) ([]running, error) {
	rows, err := store.Query(ctx, r.q.rooms.DB, runningReplays)
	if err != nil {
		return nil, fmt.Errorf("look for replays: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var list []running
	for rows.Next() {
		var p running
		if err := rows.Scan(&p.id, &p.named, &p.armed, &p.waits); err != nil {
			return nil, fmt.Errorf("look for replays: %w", err)
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

// arm arms a chunk of a replay in one transaction, and gives how many rows that was.
func (r *relay) arm(ctx context.Context, p running) (n int, err error) {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), txTimeout)
	defer cancel()
	done := false
	err = store.WithTx(within, r.q.rooms.DB, func(ctx context.Context, tx *store.Tx) error {
		r.q.touch(tx)
		items, err := waiting(ctx, tx, p.id)
		if err != nil {
			return err
		}
		n = len(items)
		if n == 0 && p.armed == 0 {
			ended, err := tx.Exec(ctx, setReplay, p.id, "done", "running")
			done = ended == 1
			return err
		}
		for _, i := range items {
			if err := r.armOne(ctx, tx, p, i); err != nil {
				return fmt.Errorf("arm a change: %w", err)
			}
		}
		return nil
	})
	if err == nil && done {
		r.log(slog.LevelInfo, codeReplayEnded, nil)
	}
	return n, err
}

func waiting(ctx context.Context, tx *store.Tx, id string) ([]item, error) {
	rows, err := tx.Query(ctx, waitingItems, id, chunk)
	if err != nil {
		return nil, fmt.Errorf("read what is to be armed: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var items []item
	for rows.Next() {
		var i item
		if err := rows.Scan(&i.seq, &i.parking, &i.destination); err != nil {
			return nil, fmt.Errorf("read what is to be armed: %w", err)
		}
		items = append(items, i)
	}
	return items, rows.Err()
}

func (r *relay) armOne(ctx context.Context, tx *store.Tx, p running, i item) error {
	asks, named, keys := 0, 0, 0
	for _, l := range r.lines {
		if l.route.Destination != i.destination {
			continue
		}
		if _, ok := l.route.To.(Confirmer); ok {
			asks = 1
		}
		if l.route.Keys {
			keys = 1
		}
	}
	if p.named {
		named = 1
	}
	n, err := tx.Exec(ctx, armRow, i.seq, i.parking, p.id, asks, named, keys)
	if err != nil {
		return err
	}
	state, why := "armed", ""
	if n == 0 {
		state, why = "skipped", whyElsewhere
		if n, err = tx.Number(ctx, stillParked, i.seq, i.parking); err != nil {
			return err
		}
		if n > 0 {
			why = whyByName
		}
	}
	_, err = tx.Exec(ctx, setItem, p.id, i.seq, state, why)
	return err
}
