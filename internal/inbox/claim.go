package inbox

import (
	"context"
	"fmt"
	"time"

	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

const (
	orphans = `UPDATE inbox_notice SET state = 'due', due_at = $1 WHERE state = 'working'`
	// expired and ahead bring back what a dead gateway held, and what a clock that has been put
	// back since had set.
	expired = `UPDATE inbox_notice SET state = 'due', due_at = $1 WHERE state = 'working' AND (due_at <= $1 OR due_at > $2)`
	ahead   = `UPDATE inbox_notice SET due_at = $1 WHERE state = 'due' AND due_at > $2`
	// somethingDue is cheap, so that an idle inbox begins no transaction.
	somethingDue = `SELECT (SELECT count(*) FROM (SELECT 1 FROM inbox_notice WHERE state = 'due' AND due_at <= $1 LIMIT 1) a)
		+ (SELECT count(*) FROM (SELECT 1 FROM inbox_notice WHERE state = 'due' AND due_at > $2 LIMIT 1) b)
		+ (SELECT count(*) FROM (SELECT 1 FROM inbox_notice WHERE state = 'working' AND (due_at <= $1 OR due_at > $2) LIMIT 1) c)`
	dueLanes = `SELECT n.lane FROM inbox_notice n WHERE n.state = 'due' AND n.due_at <= $1
		AND NOT EXISTS (SELECT 1 FROM inbox_notice w WHERE w.lane = n.lane AND w.state = 'working')
		ORDER BY n.due_at, n.seq LIMIT $2`
	ofLane = `SELECT seq, name, source, event_at, received_at, number, fails, body FROM inbox_notice
		WHERE lane = $1 AND state IN ('due', 'waiting') ORDER BY seq LIMIT $2`
	claimRow = `UPDATE inbox_notice SET state = 'working', due_at = $2, last_at = $3, number = number + 1
		WHERE seq = $1 AND state IN ('due', 'waiting')`
)

const (
	lockName  = "inbox" // held by whoever claims or presses: a person is claimed by one alone
	mostLane  = 100     // notices of one person that are settled together
	lookAhead = 8       // rows that are looked at for each person that is sought
	txTimeout = 10 * time.Second
)

// held is one claimed notice.
type held struct {
	seq, number int64
	fails       int
	notice      Notice
	broken      error // it cannot be opened
}

// batch is what was claimed of one person.
type batch struct {
	person  ledger.AtenaNumber
	notices []held
}

// fits gives the notices that can be asked about.
func (b batch) fits() []Notice {
	var all []Notice
	for _, h := range b.notices {
		if h.broken == nil {
			all = append(all, h.notice)
		}
	}
	return all
}

// anythingDue tells whether a claim would find anything.
func (b *Box) anythingDue(ctx context.Context) (bool, error) {
	now := b.rooms.Now()
	rows, err := store.Query(ctx, b.rooms.DB, somethingDue, micros(now), micros(now.Add(b.cfg.longest())))
	if err != nil {
		return false, fmt.Errorf("look for due notices: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var n int64
	if rows.Next() {
		if err := rows.Scan(&n); err != nil {
			return false, fmt.Errorf("look for due notices: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return false, fmt.Errorf("look for due notices: %w", err)
	}
	return n > 0, nil
}

// free makes due what is claimed by nobody any more: at the start of a gateway that is alone.
func (b *Box) free(ctx context.Context) error {
	if !b.rooms.Exclusive {
		return nil
	}
	return store.WithTx(ctx, b.rooms.DB, func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.Exec(ctx, orphans, micros(b.rooms.Now())); err != nil {
			return fmt.Errorf("free what was claimed: %w", err)
		}
		return nil
	})
}

// claim takes what is due of at most so many persons, those of the oldest notices. A person
// whom somebody asks about already is left to them.
func (b *Box) claim(ctx context.Context, persons int) (claimed []batch, err error) {
	ctx, cancel := context.WithTimeout(ctx, txTimeout)
	defer cancel()
	now := b.rooms.Now()
	err = store.WithTx(ctx, b.rooms.DB, func(ctx context.Context, tx *store.Tx) error {
		claimed = nil
		if err := tx.Lock(ctx, lockName); err != nil {
			return err
		}
		for _, back := range []string{expired, ahead} {
			if _, err := tx.Exec(ctx, back, micros(now), micros(now.Add(b.cfg.longest()))); err != nil {
				return fmt.Errorf("take back what was left behind: %w", err)
			}
		}
		lanes, err := b.lanes(ctx, tx, now, persons)
		if err != nil {
			return err
		}
		for _, lane := range lanes {
			c, err := b.claimLane(ctx, tx, lane, now)
			if err != nil {
				return err
			}
			claimed = append(claimed, c)
		}
		return nil
	})
	if err != nil { // where it is Unsure, the lease runs out
		return nil, err
	}
	return claimed, nil
}

// lanes gives the persons of the oldest due notices.
func (b *Box) lanes(ctx context.Context, tx *store.Tx, now time.Time, persons int) ([]string, error) {
	rows, err := tx.Query(ctx, dueLanes, micros(now), int64(persons*lookAhead))
	if err != nil {
		return nil, fmt.Errorf("find due notices: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var lanes []string
	known := map[string]bool{}
	for rows.Next() {
		var lane string
		if err := rows.Scan(&lane); err != nil {
			return nil, fmt.Errorf("find due notices: %w", err)
		}
		if !known[lane] && len(lanes) < persons {
			known[lane] = true
			lanes = append(lanes, lane)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("find due notices: %w", err)
	}
	return lanes, nil
}

func (b *Box) claimLane(ctx context.Context, tx *store.Tx, lane string, now time.Time) (batch, error) {
	c, err := b.readLane(ctx, tx, lane)
	if err != nil {
		return batch{}, err
	}
	until := micros(now.Add(b.cfg.lease()))
	updates := make([][]any, len(c.notices))
	for i, h := range c.notices {
		updates[i] = []any{h.seq, until, micros(now)}
	}
	if err := tx.Bulk(ctx, claimRow, updates); err != nil {
		return batch{}, fmt.Errorf("claim notices: %w", err)
	}
	return c, nil
}

// readLane reads the notices of a person as they will be once claimed.
func (b *Box) readLane(ctx context.Context, tx *store.Tx, lane string) (c batch, err error) {
	rows, err := tx.Query(ctx, ofLane, lane, int64(mostLane))
	if err != nil {
		return c, fmt.Errorf("read due notices: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var h held
		var event, received int64
		var body []byte
		n := &h.notice
		if err := rows.Scan(&h.seq, &n.Name, &n.Source, &event, &received, &h.number, &h.fails, &body); err != nil {
			return c, fmt.Errorf("read due notices: %w", err)
		}
		h.number++
		n.At, n.Received = moment(event), moment(received)
		h.broken = b.openNotice(body, n)
		if h.broken == nil {
			c.person = n.Person
		}
		c.notices = append(c.notices, h)
	}
	if err := rows.Err(); err != nil {
		return c, fmt.Errorf("read due notices: %w", err)
	}
	return c, nil
}

// openNotice fills in what a notice says.
func (b *Box) openNotice(body []byte, n *Notice) error {
	stored, err := b.seal.open(body, n.Name)
	if err != nil {
		return err
	}
	said, ok := stored.notice()
	if !ok {
		return unreadable("says nothing")
	}
	n.Notice, n.By = said, stored.By
	return nil
}
