package outbox

import (
	"context"
	"fmt"
	"slices"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

const (
	// lastSeq is the highest number given so far: a row that has moved keeps its own.
	lastSeq = `SELECT coalesce(max(seq), 0) FROM (
		SELECT max(seq) AS seq FROM outbox_change UNION ALL SELECT max(seq) FROM outbox_history) AS given`
	// headOf is the oldest that is owed of a lane; 0: nothing, -1: this very change was
	// delivered or discarded already.
	headOf = `SELECT CASE WHEN EXISTS (SELECT 1 FROM outbox_history WHERE change_id = $3 AND destination = $1) THEN -1
		ELSE coalesce((SELECT min(seq) FROM outbox_owed WHERE destination = $1 AND record = $2), 0) END`
	insertChange = `INSERT INTO outbox_change (seq, destination, change_id, record, kind, version, enqueued_at, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	insertOwed = `INSERT INTO outbox_owed (seq, destination, record, waits, phase, due_at, number, sends, tries, fails, last_at,
		cause, code, detail, question, answered, replay, parking)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`
)

// lane is what one destination is owed of one record.
type lane struct {
	destination string
	record      ledger.BeneficiaryID
}

// Enqueue owes the changes, in their order, to every destination whose route takes their
// kind, in the caller's transaction; the relay wakes when that is committed. A change that
// no route takes is owed to nobody. It is a Conflict where a change is or was owed already.
func (q *Queue) Enqueue(ctx context.Context, tx *store.Tx, changes ...ledger.Change) ([]Owed, error) {
	b := batch{q: q, heads: map[lane]int64{}, names: map[int64]ledger.ChangeID{}, at: micros(q.rooms.Now())}
	for _, c := range changes {
		for _, r := range q.rooms.Routes {
			if !slices.Contains(r.Kinds, c.Kind) {
				continue
			}
			if err := b.add(ctx, tx, c, r.Destination); err != nil {
				return nil, fmt.Errorf("owe a change: %w", err)
			}
		}
	}
	if len(b.owed) == 0 {
		return nil, nil
	}
	if err := tx.Bulk(ctx, insertChange, b.wide); err != nil {
		if fault.Is(err, fault.Conflict) {
			err = fault.New(fault.Conflict, "a change is owed already: %w", err).WithCode(codeTwice)
		}
		return nil, fmt.Errorf("owe changes: %w", err)
	}
	if err := tx.Bulk(ctx, insertOwed, b.narrow); err != nil {
		return nil, fmt.Errorf("owe changes: %w", err)
	}
	q.wakeOn(tx)
	return b.owed, nil
}

// batch is what one Enqueue writes.
type batch struct {
	q            *Queue
	at           int64
	seq          int64
	heads        map[lane]int64
	names        map[int64]ledger.ChangeID // of heads
	wide, narrow [][]any
	owed         []Owed
}

func (b *batch) add(ctx context.Context, tx *store.Tx, c ledger.Change, destination string) error {
	if b.seq == 0 {
		var err error
		if b.seq, err = tx.Number(ctx, lastSeq); err != nil {
			return err
		}
	}
	l := lane{destination, c.Record}
	head, err := b.head(ctx, tx, l, c.ID)
	if err != nil {
		return err
	}
	body, err := b.q.seal.closeChange(c, destination)
	if err != nil {
		return err
	}
	b.seq++
	waits := 1
	if head == 0 {
		waits, b.heads[l], b.names[b.seq] = 0, b.seq, c.ID
	}
	b.wide = append(b.wide, []any{b.seq, destination, string(c.ID), string(c.Record), string(c.Kind), c.Version, b.at, body})
	b.narrow = append(b.narrow, []any{b.seq, destination, string(c.Record), waits, string(toSend), b.at, 0, 0, 0, 0, 0, "", "", "", "", 0, "", 0})
	o := Owed{
		Change: c.ID, Destination: destination, Record: c.Record, Kind: c.Kind, Version: c.Version, State: Pending,
		EnqueuedAt: moment(b.at), NextAt: moment(b.at),
	}
	if waits == 1 {
		o.NextAt, o.WaitsFor = moment(0), b.names[head]
	}
	for i := range b.owed {
		if prior := &b.owed[i]; prior.Destination == destination && prior.Record == c.Record {
			prior.Behind++
		}
	}
	b.owed = append(b.owed, o)
	return nil
}

// head gives the number of the lane's oldest change, 0 where it is empty.
func (b *batch) head(ctx context.Context, tx *store.Tx, l lane, id ledger.ChangeID) (int64, error) {
	head, err := tx.Number(ctx, headOf, l.destination, string(l.record), string(id))
	switch {
	case err != nil:
		return 0, err
	case head < 0:
		return 0, fault.New(fault.Conflict, "a change was owed already").WithCode(codeTwice)
	case b.heads[l] != 0:
		return b.heads[l], nil
	case head == 0:
		return 0, nil
	}
	var name string
	if err := tx.QueryRow(ctx, `SELECT change_id FROM outbox_change WHERE seq = $1`, head).Scan(&name); err != nil {
		return 0, err
	}
	b.heads[l], b.names[head] = head, ledger.ChangeID(name)
	return head, nil
}
