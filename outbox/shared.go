package outbox

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"kakehashi/internal/store"
)

const (
	// ahead is for how long a row that one relay has picked is left alone by the others. It
	// is a hint, which spares them work: what a relay dies over is due again after it, and
	// whose the row is is settled by the claim.
	ahead = 2 * time.Second
	// rivalry is for how long rows are picked so after a claim was lost to another relay. One
	// that is alone need not.
	rivalry = 10 * time.Second
	// behindhand is how late a change may be seen that was owed in a slow transaction: its
	// moment is the statement's, not the commit's.
	behindhand = 10 * time.Second
	// unhurried is how much longer a look from the beginning is put off than it took.
	unhurried = 20
	// measured is how often the database's clock is read.
	measured = 10 * time.Second
	// reminded is how often replays are looked for that another gateway began.
	reminded = 5 * time.Second
)

const (
	pickOldest = ` AND o.due_at <= ` + clockThere + ` AND o.due_at >= $2 AND o.seq <> ALL($3::bigint[]) ORDER BY o.due_at, o.seq LIMIT $4`
	pickNewest = ` AND o.due_at <= least(` + clockThere + `, $2) AND o.seq <> ALL($3::bigint[])
		ORDER BY o.due_at DESC, o.seq DESC LIMIT $4`
	pickBegins = `WITH p AS MATERIALIZED (SELECT o.seq, o.due_at FROM outbox_owed o
		WHERE o.destination = $1 AND o.waits = 0 AND o.phase <> 'parked'`
	pickEnds = ` FOR NO KEY UPDATE SKIP LOCKED)
		UPDATE outbox_owed o SET due_at = ` + clockThere + ` + $5 FROM p JOIN outbox_change c ON c.seq = p.seq WHERE o.seq = p.seq
		RETURNING o.seq, o.phase, p.due_at, o.number, o.tries, o.fails, o.last_at, o.question, o.answered, o.digest, o.receipt,
		o.replay, c.change_id, c.record, c.kind, c.version, c.body`
	seeOldest    = rowColumns + pickOldest
	seeNewest    = rowColumns + pickNewest
	takeOldest   = pickBegins + pickOldest + pickEnds
	takeNewest   = pickBegins + pickNewest + pickEnds
	holdAllLanes = `SELECT o.seq FROM (SELECT DISTINCT u.destination, u.record FROM unnest($1::text[], $2::text[]) AS u (destination, record)) l
		JOIN outbox_owed o ON o.destination = l.destination AND o.record = l.record ORDER BY o.seq FOR UPDATE OF o`
)

// view is where a line looks in the index of what is due. Rows that have gone on leave dead
// entries in it, which the database cannot clear away while anybody holds a transaction
// open: looking from the beginning each time would cost more with each change delivered. So
// it is looked from where the last look ended, and from the beginning only as often as that
// costs a small part of the time.
type view struct {
	floor, ceiling int64     // the moments between which live rows were seen last
	whole          time.Time // when it was last looked from the beginning, by this process's clock
	cost           time.Duration
	rivals         time.Time // until when other relays are reckoned with
}

// dueOfAll is due where other relays may run beside this one.
func (r *relay) dueOfAll(ctx context.Context, l *line, n int) (list []row, err error) {
	oldest, newest := n, 0
	if !l.gate.shut {
		oldest, newest = l.mix.split(n)
	}
	began := time.Now()
	now := r.q.now()
	l.looked = now.Add(-5 * time.Millisecond) // the database's clock is known about so well
	l.rested(began)
	v := &l.view
	whole := began.Sub(v.whole) >= unhurried*v.cost
	if whole {
		v.floor, v.ceiling = 0, math.MaxInt64
	}
	if list, err = r.pick(ctx, l, true, oldest, nil); err != nil {
		return nil, err
	}
	if len(list) == oldest && newest > 0 {
		last, err := r.pick(ctx, l, false, newest, list)
		if err != nil {
			return list, err
		}
		for _, row := range last {
			v.ceiling = min(v.ceiling, row.due)
		}
		list = append(list, last...)
	}
	if whole {
		v.whole, v.cost = time.Now(), time.Since(began)
		v.floor = micros(now.Add(-behindhand))
	}
	if len(list) > 0 {
		v.floor = min(micros(now.Add(-behindhand)), list[0].due)
	}
	if len(list) < n && whole {
		after, err := r.fromAhead(ctx, l, n-len(list), now)
		return append(list, after...), err
	}
	return list, nil
}

// fromAhead gives rows that stand so far ahead that a clock was put back since.
func (r *relay) fromAhead(ctx context.Context, l *line, n int, now time.Time) (list []row, err error) {
	rows, err := readRows(store.Query(ctx, r.q.rooms.DB, dueAfter, l.route.Destination, micros(now.Add(r.q.cfg.longest())), n))
	for _, row := range rows {
		if l.free(row.seq) {
			list = append(list, row)
		}
	}
	return list, err
}

// pick gives rows that are due, the oldest or the newest first: looked at alone, or, where other relays
// run, put off for them.
func (r *relay) pick(ctx context.Context, l *line, oldest bool, n int, taken []row) (list []row, err error) {
	if n == 0 {
		return nil, nil
	}
	none := make([]int64, 0, len(l.held)+len(l.rests)+len(taken))
	for seq := range l.held {
		none = append(none, seq)
	}
	for seq := range l.rests {
		none = append(none, seq)
	}
	for _, row := range taken {
		none = append(none, row.seq)
	}
	see, take, bound := seeOldest, takeOldest, l.view.floor
	if !oldest {
		see, take, bound = seeNewest, takeNewest, l.view.ceiling
	}
	args := []any{l.route.Destination, bound, none, n}
	if time.Now().After(l.view.rivals) {
		list, err = readRows(store.Query(ctx, r.q.rooms.DB, see, args...))
	} else {
		err = r.write(ctx, false, func(ctx context.Context, tx *store.Tx, _ bool) (err error) {
			list, err = readRows(tx.Query(ctx, take, append(args, ahead.Microseconds())...))
			return err
		})
	}
	slices.SortFunc(list, func(a, b row) int { return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.seq, b.seq)) })
	if !oldest {
		slices.Reverse(list)
	}
	return list, err
}

// rivalled remembers that another relay was faster.
func (r *relay) rivalled(claims, won []*flight) {
	if !r.q.shared || len(claims) == len(won) {
		return
	}
	for _, f := range claims {
		if !slices.Contains(won, f) {
			f.line.view.rivals = time.Now().Add(rivalry)
		}
	}
}

// reckon learns, now and then, what the database's clock shows, and looks for replays that
// another gateway began.
func (r *relay) reckon(ctx context.Context) error {
	if !r.q.shared {
		return nil
	}
	if time.Since(r.reminded) >= reminded {
		r.reminded = time.Now()
		r.q.arming.Store(true)
	}
	if time.Since(r.measured) < measured {
		return nil
	}
	before := time.Now()
	list, err := readNumbers(store.Query(ctx, r.q.rooms.DB, readClock))
	if err != nil || len(list) == 0 {
		return fmt.Errorf("read the database's clock: %w", err)
	}
	r.q.there.Store(&reading{showed: moment(list[0]), at: before.Add(time.Since(before) / 2)})
	r.measured = time.Now()
	return nil
}

// listen has the relay woken by others until ctx ends, and gives what waits for that.
func (q *Queue) listen(ctx context.Context) (over func()) {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { q.rooms.Bell.Listen(ctx, bellTopic, func() { signal(q.wake) }) })
	return func() {
		cancel()
		work.Wait()
	}
}

// heldRows is plannedRows of rows that nobody else claims, settles or arms until the
// transaction ends. Their lanes are held whole, lowest first: held one by one, a row and the
// head before it would be wanted by a settlement in the other order.
func heldRows(ctx context.Context, tx *store.Tx, f Filter, only string, limit int) ([]planned, error) {
	rows, err := plannedRows(ctx, tx, f, only, limit)
	if err != nil || tx.Engine() != store.Postgres {
		return rows, err
	}
	held, err := holdLanes(ctx, tx, rows)
	if err != nil {
		return nil, err
	}
	rows, err = plannedRows(ctx, tx, f, only, limit)
	return slices.DeleteFunc(rows, func(p planned) bool { // it has come since
		_, found := slices.BinarySearch(held, p.seq)
		return p.past == "" && !found
	}), err
}

// holdLanes holds everything that is owed of the lanes of rows, and gives the numbers,
// lowest first: nothing of it is claimed or settled until the transaction ends.
func holdLanes(ctx context.Context, tx *store.Tx, rows []planned) ([]int64, error) {
	destinations, records := make([]string, len(rows)), make([]string, len(rows))
	for i, row := range rows {
		destinations[i], records[i] = row.destination, row.record
	}
	return hold(ctx, tx, holdAllLanes, destinations, records)
}
