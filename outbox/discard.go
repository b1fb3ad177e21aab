package outbox

import (
	"context"
	"fmt"
	"slices"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// Discard marks as needing no delivery, in the caller's transaction, what the filter means
// and is parked, and changes that it names and that were never sent. Each leaves its lane,
// so that its successors go on, and stays in the history with the mark; Undiscard undoes it.
// A numbering that is needed stays: what waits for it would wait for ever.
// It is Invalid where the filter means more than 1,000: others would wait too long for the
// transaction. Of a filter that names no changes the plan says nothing of what is not parked.
func (q *Queue) Discard(ctx context.Context, tx *store.Tx, f Filter, m Mark, needed Needed) (Plan, error) {
	a, p := againstDiscard(len(f.IDs) > 0, needed), Plan{At: m.At}
	if err := f.check(); err != nil {
		return p, err
	}
	only, limit := "o.phase = 'parked'", mostDiscarded+1
	if len(f.IDs) > 0 {
		only, limit = "", 2*maxPage*16
	}
	rows, err := heldRows(ctx, tx, f, only, limit)
	if err != nil {
		return p, err
	}
	p.sum(rows, f.IDs, a.why)
	if p.Can > mostDiscarded || len(f.IDs) == 0 && len(rows) == limit {
		return p, fault.New(fault.Invalid, "more than %d changes would be discarded at once", mostDiscarded).WithCode(codeTooMany)
	}
	var moves, deletes, promotes, ends [][]any
	for _, row := range rows {
		if a.why(row) != "" {
			continue
		}
		p.Touched = append(p.Touched, row.change)
		moves = append(moves, []any{row.seq, string(Discarded), micros(m.At), m.By, m.Reason})
		deletes = append(deletes, []any{row.seq})
		promotes = append(promotes, []any{row.destination, row.record})
		ends = append(ends, []any{row.seq})
	}
	const endItems = `UPDATE outbox_replay_item SET state = 'skipped', why = 'discarded' WHERE seq = $1 AND state = 'armed'
		AND replay = (SELECT o.replay FROM outbox_owed o WHERE o.seq = $1)`
	for _, w := range []struct {
		statement string
		rows      [][]any
	}{{endItems, ends}, {toHistory, moves}, {deleteOwed, deletes}, {deleteChange, deletes}, {q.texts.promote, promotes}} {
		if err := tx.Bulk(ctx, w.statement, w.rows); err != nil {
			return p, fmt.Errorf("discard changes: %w", err)
		}
	}
	q.wakeOn(tx)
	return p, nil
}

const (
	renumber       = `UPDATE outbox_owed SET parking = $2 WHERE seq = $1`
	laterDelivered = `SELECT count(*) FROM outbox_history WHERE record = $1 AND destination = $2 AND seq > $3 AND state = 'delivered'`
	// laterUnderWay counts the changes of a lane that may have been delivered by now.
	laterUnderWay = `SELECT count(*) FROM outbox_owed WHERE destination = $2 AND record = $1 AND seq > $3
		AND (phase NOT IN ('send', 'parked') OR question <> '')`
)

// Undiscard takes marks back, in the caller's transaction: each change is again what it was
// when it was discarded, in its place in its lane. It is refused for a change with a later
// one of its record delivered, or on its way, to that destination: the neighbour would be
// told the older after the newer; and for one whose fact was owed anew since. Who undid it
// is for the caller to record.
func (q *Queue) Undiscard(ctx context.Context, tx *store.Tx, ids []ledger.ChangeID, m Mark, anew Anew) (Plan, error) {
	p := Plan{At: m.At}
	f := Filter{IDs: ids}
	if err := f.check(); err != nil {
		return p, err
	}
	if len(ids) == 0 {
		return p, nil
	}
	rows, err := plannedRows(ctx, tx, f, "", 2*maxPage*16)
	if err != nil {
		return p, err
	}
	if _, err := holdLanes(ctx, tx, rows); err != nil {
		return p, err
	}
	words := map[int64]string{}
	for _, row := range slices.Backward(rows) { // the newest first: each stands before those put back already
		if words[row.seq], err = whyNoUndo(ctx, tx, row); err != nil {
			return p, err
		}
		if words[row.seq] == "" && anew[row.change] {
			words[row.seq] = whyAnew
		}
		if words[row.seq] != "" {
			continue
		}
		if err := q.putBack(ctx, tx, row.seq, row.destination, row.record); err != nil {
			return p, err
		}
		if err := parkAnew(ctx, tx, row); err != nil {
			return p, err
		}
		p.Touched = append(p.Touched, row.change)
	}
	slices.Reverse(p.Touched)
	p.sum(rows, ids, func(row planned) string { return words[row.seq] })
	q.wakeOn(tx)
	return p, nil
}

// parkAnew gives a row that is parked again a number of its own: it is none of what was
// frozen while it was discarded.
func parkAnew(ctx context.Context, tx *store.Tx, row planned) error {
	if row.at != parked {
		return nil
	}
	n, err := nextParking(ctx, tx)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, renumber, row.seq, n); err != nil {
		return fmt.Errorf("number a parking: %w", err)
	}
	return nil
}

func whyNoUndo(ctx context.Context, tx *store.Tx, row planned) (string, error) {
	switch row.past {
	case Discarded:
	case Delivered:
		return string(Delivered), nil
	case "", Pending, InFlight, Parked:
		return whyKept, nil
	}
	for _, against := range []struct{ query, word string }{{laterDelivered, whyLater}, {laterUnderWay, whyFlight}} {
		n, err := tx.Number(ctx, against.query, row.record, row.destination, row.seq)
		if err != nil {
			return "", fmt.Errorf("look for later changes: %w", err)
		}
		if n > 0 {
			return against.word, nil
		}
	}
	return "", nil
}
