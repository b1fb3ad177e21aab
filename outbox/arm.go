package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"

	"kakehashi/internal/store"
)

const (
	runningReplays = `SELECT r.id, r.named, r.destination, r.record, r.cause, r.owed_before, r.bound, r.reached, r.filled,
		(SELECT count(*) FROM outbox_replay_item i WHERE i.replay = r.id AND i.state = 'armed'),
		EXISTS (SELECT 1 FROM outbox_replay_item i WHERE i.replay = r.id AND i.state = 'waiting')
		FROM outbox_replay r WHERE r.state = 'running' ORDER BY r.at, r.id`
	frozenItems  = `SELECT o.seq, o.parking, o.destination` + fromOwed
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
		answered = CASE WHEN question <> '' THEN CAST($5 AS BIGINT) ELSE 0 END
		WHERE seq = $1 AND parking = $2 AND phase = 'parked' AND (question = '' OR receipt IS NOT NULL OR $4 = 1 OR $5 = 1 OR $6 = 1)`
	stillParked = `SELECT count(*) FROM outbox_owed WHERE seq = $1 AND parking = $2 AND phase = 'parked'`
	setItem     = `INSERT INTO outbox_replay_item (replay, seq, parking, state, why) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (replay, seq) DO UPDATE SET state = excluded.state, why = excluded.why`
	setReached = `UPDATE outbox_replay SET reached = $2, filled = $3 WHERE id = $1 AND state = 'running'`
)

// running is a replay that runs.
type running struct {
	id      string
	named   bool
	filter  Filter
	bound   int64 // number of the last parking that it means
	reached int64 // number of the last parking that it has come to
	filled  bool  // it has come to all of them
	armed   int
	waits   bool // there is something to arm
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
	return readRunning(store.Query(ctx, r.q.rooms.DB, runningReplays))
}

func readRunning(rows *store.Rows, err error) ([]running, error) {
	if err != nil {
		return nil, fmt.Errorf("look for replays: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var list []running
	for rows.Next() {
		var p running
		var before int64
		if err := rows.Scan(&p.id, &p.named, &p.filter.Destination, &p.filter.Record, &p.filter.Cause, &before, &p.bound, &p.reached,
			&p.filled, &p.armed, &p.waits); err != nil {
			return nil, fmt.Errorf("look for replays: %w", err)
		}
		p.filter.Before, p.waits = moment(before), p.waits || !p.filled
		list = append(list, p)
	}
	return list, rows.Err()
}

// arm arms a chunk of a replay in one transaction, and gives how many rows that was.
func (r *relay) arm(ctx context.Context, p running) (n int, err error) {
	var items []item
	if !r.q.shared {
		query, args := p.toArm()
		if items, err = readItems(store.Query(ctx, r.q.rooms.DB, query, args...)); err != nil {
			return 0, err
		}
	}
	done := false
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), txTimeout)
	defer cancel()
	err = r.write(within, false, func(ctx context.Context, tx *store.Tx, _ bool) (err error) {
		n, done = 0, false
		now, list := p, items
		if r.q.shared {
			var runs bool
			if now, list, runs, err = heldReplay(ctx, tx, p.id); err != nil || !runs {
				return err
			}
		}
		n = len(list)
		done, err = r.armSome(ctx, tx, now, list)
		return err
	})
	if err == nil && done {
		r.log(slog.LevelInfo, codeReplayEnded, nil)
	}
	return n, err
}

// heldReplay gives a replay as it stands, and what it comes to next, where no other relay is
// arming: one at a time does.
func heldReplay(ctx context.Context, tx *store.Tx, id string) (p running, items []item, runs bool, err error) {
	if runs, err = tx.TryLock(ctx, replayLock); err != nil || !runs {
		return p, nil, false, err
	}
	list, err := readRunning(tx.Query(ctx, runningReplays))
	if err != nil {
		return p, nil, false, err
	}
	i := slices.IndexFunc(list, func(o running) bool { return o.id == id })
	if i < 0 {
		return p, nil, false, nil
	}
	query, args := list[i].toArm()
	items, err = readItems(tx.Query(ctx, query, args...))
	return list[i], items, true, err
}

// armSome arms rows of a replay, or ends it where nothing of it is left.
func (r *relay) armSome(ctx context.Context, tx *store.Tx, p running, items []item) (done bool, err error) {
	n, filled := len(items), 0
	if p.filled || n < chunk {
		filled = 1
	}
	if n > 0 {
		p.reached = items[n-1].parking
	}
	if runs, err := tx.Exec(ctx, setReached, p.id, p.reached, filled); err != nil || runs == 0 { // it was stopped meanwhile
		return false, err
	}
	for _, i := range items {
		if err := r.armOne(ctx, tx, p, i); err != nil {
			return false, fmt.Errorf("arm a change: %w", err)
		}
	}
	if n > 0 || p.armed > 0 {
		return false, nil
	}
	ended, err := tx.Exec(ctx, setReplay, p.id, "done", "running")
	return ended == 1, err
}

// toArm gives the query for the next rows of a replay, at most a chunk. On SQLite it is read
// outside of the transaction that arms them, which looks at each again.
func (p running) toArm() (string, []any) {
	if p.named {
		return waitingItems, []any{p.id, chunk}
	}
	return p.next()
}

func readItems(rows *store.Rows, err error) ([]item, error) {
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

// next gives the query for the rows that a replay by filter comes to next.
func (p running) next() (string, []any) {
	c := p.filter.frozen(p.bound)
	c.add("o.parking > %", p.reached)
	if p.filled {
		c.add("1 = 0")
	}
	c.args = append(c.args, chunk)
	return frozenItems + c.where() + " ORDER BY o.parking LIMIT $" + strconv.Itoa(len(c.args)), c.args
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
	_, err = tx.Exec(ctx, setItem, p.id, i.seq, i.parking, state, why)
	return err
}
