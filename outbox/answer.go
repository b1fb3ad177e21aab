package outbox

import (
	"context"
	"fmt"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// Arrival is what somebody found at a neighbour: that a change arrived there.
type Arrival struct {
	Change      ledger.ChangeID
	Destination string         // empty: the only one that it is owed to
	Receipt     ledger.Receipt // as the neighbour would have given it
	Mark        Mark
}

const (
	questioned = `SELECT o.seq, o.destination, o.record, o.waits, o.phase, o.question, c.body
		FROM outbox_change c JOIN outbox_owed o ON o.seq = c.seq
		WHERE c.change_id = $1 AND ($2 = '' OR c.destination = $2) ORDER BY o.seq`
)

// askedRow is a row about which somebody gives an answer.
type askedRow struct {
	seq                 int64
	destination, record string
	waits               bool
	at                  phase
	question            string
	body                []byte
}

// Answer settles, in the caller's transaction, a parked change of which nobody could tell
// whether it arrived, by what somebody found at the neighbour: the receipt is taken in as if
// it had come with the delivery, the change is delivered, and the next of its lane is due.
// It gives how it stands then. Errors: NotFound where the change is not owed and never was;
// Conflict where it is not parked with the question, or an earlier one of its record is to
// be dealt with first; Invalid where it is owed to several and none is named; and those of
// the receiver, after which the transaction must be taken back.
func (q *Queue) Answer(ctx context.Context, tx *store.Tx, a Arrival, receiver Receiver) (Owed, error) {
	row, err := q.answerable(ctx, tx, a)
	if err != nil {
		return Owed{}, err
	}
	change, err := q.seal.openChange(row.body, a.Change, row.destination)
	if err != nil {
		return Owed{}, err
	}
	if err := receiver.Receive(ctx, tx, change, a.Receipt); err != nil {
		return Owed{}, fmt.Errorf("take an answer into the ledger: %w", err)
	}
	for _, w := range []struct {
		statement string
		args      []any
	}{
		{toHistory, []any{row.seq, string(Delivered), micros(a.Mark.At), a.Mark.By, a.Mark.Reason}},
		{deleteOwed, []any{row.seq}}, {deleteChange, []any{row.seq}}, {q.texts.promote, []any{row.destination, row.record}},
	} {
		if _, err := tx.Exec(ctx, w.statement, w.args...); err != nil {
			return Owed{}, fmt.Errorf("settle a change by an answer: %w", err)
		}
	}
	q.wakeOn(tx)
	list, err := scanOwed(tx.Query(ctx, q.texts.ofChange, string(a.Change)))
	for _, o := range list {
		if o.Destination == row.destination {
			return o.Owed, err
		}
	}
	return Owed{}, err
}

// answerable finds the one row that an answer is about.
func (q *Queue) answerable(ctx context.Context, tx *store.Tx, a Arrival) (askedRow, error) {
	if _, err := hold(ctx, tx, lockNamed, string(a.Change), a.Destination); err != nil {
		return askedRow{}, err
	}
	rows, err := readAsked(tx.Query(ctx, questioned, string(a.Change), a.Destination))
	if err != nil {
		return askedRow{}, err
	}
	switch len(rows) {
	case 0:
		n, err := tx.Number(ctx, q.texts.past, string(a.Change), a.Destination)
		switch {
		case err != nil:
			return askedRow{}, fmt.Errorf("look for an answered change: %w", err)
		case n == 0:
			return askedRow{}, fault.New(fault.NotFound, "there is no such change").WithCode(codeNoQuestion)
		}
		return askedRow{}, fault.New(fault.Conflict, "the change is delivered or discarded").WithCode(codeNoQuestion)
	case 1:
	default:
		return askedRow{}, fault.New(fault.Invalid, "the change is owed to several").WithCode(codeWhichOne).WithField("/destination")
	}
	switch row := rows[0]; {
	case row.at != parked || row.question == "":
		return askedRow{}, fault.New(fault.Conflict, "nobody is asked whether the change arrived").WithCode(codeNoQuestion)
	case row.waits:
		return askedRow{}, fault.New(fault.Conflict, "an earlier change of the record comes first").WithCode(codeNoQuestion).WithReason(whyBehind)
	default:
		return row, nil
	}
}

func readAsked(rows *store.Rows, err error) ([]askedRow, error) {
	if err != nil {
		return nil, fmt.Errorf("read an answered change: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var list []askedRow
	for rows.Next() {
		var r askedRow
		if err := rows.Scan(&r.seq, &r.destination, &r.record, &r.waits, &r.at, &r.question, &r.body); err != nil {
			return nil, fmt.Errorf("read an answered change: %w", err)
		}
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read an answered change: %w", err)
	}
	return list, nil
}
