package inbox

import (
	"context"
	"fmt"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

const (
	settleRow = `UPDATE inbox_notice SET state = 'settled', result = $3, ended_at = $4, lane = '', body = NULL, cause = '', code = ''
		WHERE seq = $1 AND number = $2 AND state = 'working'`
	putBackRow = `UPDATE inbox_notice SET state = $3, due_at = $4, fails = $5, cause = $6, code = $7
		WHERE seq = $1 AND number = $2 AND state = 'working'`
	forget = `DELETE FROM inbox_notice WHERE seq IN
		(SELECT seq FROM inbox_notice WHERE state IN ('settled', 'discarded') AND ended_at < $1 ORDER BY ended_at LIMIT 500)`
	// wakeRows makes due what waits and was last tried before $2, or, by a clock that has been
	// put back since, after $3.
	wakeRows = `UPDATE inbox_notice SET state = 'due', due_at = $1, fails = 0 WHERE state = 'waiting' AND ` + open +
		` AND (last_at <= $2 OR last_at > $3)`
)

// waitsFor is how long what waits is left alone where no trouble ends before.
const waitsFor = 24 * time.Hour

// forgetAtOnce is how many the statement above forgets at once.
const forgetAtOnce = 500

// patience is how often the end of a refresh is tried to be written before the lease is left
// to run out.
const patience = 3

// gone says that notices have gone on since they were claimed: the lease ran out, or the
// reply to an earlier commit was lost. What was found of the person counts for nothing.
func gone() error {
	return fault.New(fault.Conflict, "a notice has gone on since it was claimed").WithReason("gone")
}

// settle writes the effect of a refresh and settles its notices in one transaction.
func (b *Box) settle(ctx context.Context, c batch, r Result) error {
	return b.insist(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := tx.Lock(ctx, "ledger"); err != nil {
			return err
		}
		now := micros(b.rooms.Now())
		for _, h := range c.notices {
			if h.broken != nil {
				continue
			}
			n, err := tx.Exec(ctx, settleRow, h.seq, h.number, r.Word, now)
			if err != nil {
				return fmt.Errorf("settle a notice: %w", err)
			}
			if n != 1 {
				return gone()
			}
		}
		if r.Keep == nil {
			return nil
		}
		return r.Keep(ctx, tx)
	})
}

// putBack writes what becomes of notices that are not settled.
func (b *Box) putBack(ctx context.Context, held []held, verdicts []verdict) error {
	return b.insist(ctx, func(ctx context.Context, tx *store.Tx) error {
		rows := make([][]any, len(held))
		for i, h := range held {
			v := verdicts[i]
			rows[i] = []any{h.seq, h.number, string(v.to), micros(v.due), int64(v.fails), v.cause, v.code}
		}
		if err := tx.Bulk(ctx, putBackRow, rows); err != nil {
			return fmt.Errorf("put notices back: %w", err)
		}
		return nil
	})
}

// insist runs a transaction, and again where the database was busy or the reply was lost:
// both leave the rows in a state that the next run sees.
func (b *Box) insist(ctx context.Context, f func(context.Context, *store.Tx) error) (err error) {
	for n := range patience {
		if n > 0 {
			if err := pause(ctx, time.Duration(n)*100*time.Millisecond); err != nil {
				return err
			}
		}
		err = b.transact(ctx, f)
		if !later(err) {
			return err
		}
	}
	return err
}

func (b *Box) transact(ctx context.Context, f func(context.Context, *store.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, txTimeout)
	defer cancel()
	return store.WithTx(ctx, b.rooms.DB, f)
}

// pause waits, or gives why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fault.New(fault.Unavailable, "the inbox is being stopped").WithReason("cancelled")
	}
}

// sweep forgets what ended long ago, and makes due what has waited for a day.
func (b *Box) sweep(ctx context.Context) error {
	before := micros(b.rooms.Now().Add(-b.cfg.Keep))
	for forgot := int64(forgetAtOnce); forgot >= forgetAtOnce; {
		err := b.transact(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
			if forgot, err = tx.Exec(ctx, forget, before); err != nil {
				return fmt.Errorf("forget what ended long ago: %w", err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return b.wakeTriedBefore(ctx, b.rooms.Now().Add(-waitsFor))
}

// rouse makes due everything that waits.
func (b *Box) rouse(ctx context.Context) error { return b.wakeTriedBefore(ctx, b.rooms.Now()) }

// wakeTriedBefore makes due what waits and was last tried before a moment.
func (b *Box) wakeTriedBefore(ctx context.Context, last time.Time) error {
	now := b.rooms.Now()
	return b.transact(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := tx.Lock(ctx, lockName); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, wakeRows, micros(now), micros(last), micros(now.Add(b.cfg.longest())))
		if err != nil {
			return fmt.Errorf("make due what waits: %w", err)
		}
		if n > 0 {
			b.wakeOn(tx)
		}
		return nil
	})
}
