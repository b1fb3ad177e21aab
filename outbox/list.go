package outbox

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

const (
	// owedColumns and pastColumns give the same columns of what is owed and of what was.
	owedColumns = `SELECT c.seq AS seq, c.change_id, c.destination AS destination, c.record AS record, c.kind, c.version,
		c.enqueued_at, o.phase, o.sends, o.due_at, o.last_at, o.cause, o.code, o.detail, o.question, o.replay, o.waits,
		(SELECT count(*) FROM outbox_owed l WHERE l.destination = o.destination AND l.record = o.record AND l.seq > o.seq),
		CASE WHEN o.waits = 0 THEN '' ELSE (SELECT h.change_id FROM outbox_change h WHERE h.seq =
			(SELECT min(l.seq) FROM outbox_owed l WHERE l.destination = o.destination AND l.record = o.record)) END,
		'' AS state, 0 AS ended_at, '' AS mark_by, '' AS mark_reason
		FROM outbox_change c JOIN outbox_owed o ON o.seq = c.seq`
	pastColumns = `SELECT c.seq, c.change_id, c.destination, c.record, c.kind, c.version,
		c.enqueued_at, c.phase, c.sends, 0, c.last_at, c.cause, c.code, c.detail, c.question, c.replay, 0,
		0, '', c.state, c.ended_at, c.mark_by, c.mark_reason FROM outbox_history c`

	stateOfRecord = owedColumns + ` WHERE c.seq IN (SELECT seq FROM outbox_owed WHERE destination = $2 AND record = $1)
		UNION ALL ` + pastColumns + ` WHERE c.record = $1 AND c.destination = $2`
	// attemptNow is the attempt at a change that is under way.
	attemptNow = `SELECT o.destination, o.number, CASE WHEN o.phase = 'asking' THEN 1 ELSE 0 END, o.last_at, 0, '', '', o.digest, o.replay
		FROM outbox_change c JOIN outbox_owed o ON o.seq = c.seq
		WHERE c.change_id = $1 AND o.phase IN ('sending', 'asking')`
)

// numbered is an Owed with its place in the queue.
type numbered struct {
	Owed
	seq int64
}

// scanOwed reads rows of owedColumns and pastColumns, and closes them.
func scanOwed(rows *store.Rows, err error) ([]numbered, error) {
	if err != nil {
		return nil, fmt.Errorf("read what is owed: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var list []numbered
	for rows.Next() {
		var o numbered
		var enqueued, due, last, ended int64
		var at phase
		var waits bool
		var mark Mark
		err := rows.Scan(&o.seq, &o.Change, &o.Destination, &o.Record, &o.Kind, &o.Version, &enqueued, &at, &o.Attempts,
			&due, &last, &o.Cause, &o.Code, &o.Detail, &o.Question, &o.Replay, &waits, &o.Behind, &o.WaitsFor,
			&o.State, &ended, &mark.By, &mark.Reason)
		if err != nil {
			return nil, fmt.Errorf("read what is owed: %w", err)
		}
		o.EnqueuedAt, o.LastAt = moment(enqueued), moment(last)
		switch o.State {
		case Delivered:
			o.DeliveredAt = moment(ended)
			if mark.By != "" {
				mark.At = moment(ended)
				o.Answered = &mark
			}
		case Discarded:
			mark.At = moment(ended)
			o.Discarded = &mark
		case Pending, InFlight, Parked:
		default:
			o.State = at.state()
			if o.State != Parked && !waits {
				o.NextAt = moment(due)
			}
		}
		list = append(list, o)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read what is owed: %w", err)
	}
	return list, nil
}

func bare(list []numbered) []Owed {
	owed := make([]Owed, len(list))
	for i, o := range list {
		owed[i] = o.Owed
	}
	return owed
}

// States gives how it stands with the changes today, delivered and discarded ones too, in
// the order of ids and then of destinations. A change that was owed to nobody is not in it.
func (q *Queue) States(ctx context.Context, ids ...ledger.ChangeID) ([]Owed, error) {
	var all []Owed
	for _, id := range ids {
		list, err := scanOwed(store.Query(ctx, q.rooms.DB, q.texts.ofChange, string(id)))
		if err != nil {
			return nil, err
		}
		slices.SortFunc(list, func(a, b numbered) int { return cmp.Compare(a.Destination, b.Destination) })
		all = append(all, bare(list)...)
	}
	return all, nil
}

// OfRecord gives everything that is or was owed of a record, oldest first.
func (q *Queue) OfRecord(ctx context.Context, id ledger.BeneficiaryID) ([]Owed, error) {
	var all []numbered
	for _, r := range q.rooms.Routes {
		list, err := scanOwed(store.Query(ctx, q.rooms.DB, stateOfRecord, string(id), r.Destination))
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b numbered) int { return cmp.Compare(a.seq, b.seq) })
	return bare(all), nil
}

// Attempts gives every attempt at a change, by destination and number.
func (q *Queue) Attempts(ctx context.Context, id ledger.ChangeID) ([]Attempt, error) {
	rows, err := store.Query(ctx, q.rooms.DB, q.texts.attempts, string(id))
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var all []Attempt
	for rows.Next() {
		var a Attempt
		var at, ended int64
		var digest []byte
		if err := rows.Scan(&a.Destination, &a.Number, &a.Confirm, &at, &ended, &a.Outcome, &a.Code, &digest, &a.Replay); err != nil {
			return nil, fmt.Errorf("read attempts: %w", err)
		}
		a.At, a.Ended, a.Digest = moment(at), moment(ended), hex.EncodeToString(digest)
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Attempt) int {
		return cmp.Or(cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Number, b.Number))
	})
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	return all, nil
}

const (
	defaultPage = 100
	maxPage     = 1000
)

// Filter says which changes are meant. Its zero value means everything that is owed.
type Filter struct {
	Destination string
	State       State // Delivered and Discarded include what is over, without All
	Cause       string
	Record      ledger.BeneficiaryID
	IDs         []ledger.ChangeID
	All         bool      // delivered and discarded too
	Before      time.Time // owed before it
	Cursor      string    // what an earlier List gave as next
	Limit       int       // of a List; 0: 100, at most 1000
}

// clauses collects the conditions of a query and their arguments.
type clauses struct {
	parts []string
	args  []any
}

// add adds a condition in which each % stands for the next argument.
func (c *clauses) add(condition string, args ...any) {
	for _, a := range args {
		c.args = append(c.args, a)
		condition = strings.Replace(condition, "%", "$"+strconv.Itoa(len(c.args)), 1)
	}
	c.parts = append(c.parts, condition)
}

func (c *clauses) where() string {
	if len(c.parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.parts, " AND ")
}

// namedChanges are the rows of the changes whose names stand for #.
const namedChanges = `c.change_id IN (#)`

// common adds what a filter says of what is owed and of what was alike; s is the table that
// holds the cause, and named says which rows bear one of the names that stand for #.
func (f Filter) common(c *clauses, s, named string) {
	if f.Destination != "" {
		c.add("c.destination = %", f.Destination)
	}
	if f.Record != "" {
		c.add("c.record = %", string(f.Record))
	}
	if f.Cause != "" {
		c.add(s+".cause = %", f.Cause)
	}
	if !f.Before.IsZero() {
		c.add("c.enqueued_at < %", micros(f.Before))
	}
	if len(f.IDs) > 0 {
		marks := strings.TrimSuffix(strings.Repeat("%, ", len(f.IDs)), ", ")
		args := make([]any, len(f.IDs))
		for i, id := range f.IDs {
			args[i] = string(id)
		}
		c.add(strings.Replace(named, "#", marks, 1), args...)
	}
}

// phases are the rows of outbox_owed that are in a state; false: it is a state of the past.
func (s State) phases() (string, bool) {
	switch s {
	case "":
		return "", true
	case Pending:
		return "o.phase IN ('send', 'receive')", true
	case InFlight:
		return "o.phase IN ('sending', 'ask', 'asking')", true
	case Parked:
		return "o.phase = 'parked'", true
	case Delivered, Discarded:
	}
	return "", false
}

// check refuses a filter that nobody can have meant.
func (f Filter) check() error {
	switch {
	case len(f.IDs) > maxPage:
		return fault.New(fault.Invalid, "more than %d changes were named", maxPage).WithCode(codeFilter).WithField("/ids")
	case f.Limit < 0 || f.Limit > maxPage:
		return fault.New(fault.Invalid, "the limit is not between 1 and %d", maxPage).WithCode(codeFilter).WithField("/limit")
	}
	switch f.State {
	case "", Pending, InFlight, Parked, Delivered, Discarded:
		return nil
	}
	return fault.New(fault.Invalid, "there is no such state").WithCode(codeFilter).WithField("/state")
}

// List gives a page of the changes that the filter means, oldest first, and where the next
// page begins; empty: there is none.
func (q *Queue) List(ctx context.Context, f Filter) (page []Owed, next string, err error) {
	if err := f.check(); err != nil {
		return nil, "", err
	}
	var after int64
	if f.Cursor != "" {
		if after, err = strconv.ParseInt(f.Cursor, 36, 64); err != nil || after < 1 {
			return nil, "", fault.New(fault.Invalid, "the cursor is none of ours").WithCode(codeFilter).WithField("/cursor")
		}
	}
	limit := cmp.Or(f.Limit, defaultPage)
	query, args := f.query(q.texts, after, limit+1)
	var list []numbered
	err = store.Read(ctx, q.rooms.DB, func(ctx context.Context, tx *store.Tx) error {
		list, err = scanOwed(tx.Query(ctx, query, args...))
		return err
	})
	if err != nil {
		return nil, "", err
	}
	if len(list) > limit {
		list = list[:limit]
		next = strconv.FormatInt(list[limit-1].seq, 36)
	}
	return bare(list), next, nil
}

// query gives the query for the rows after a number, oldest first.
func (f Filter) query(t texts, after int64, limit int) (string, []any) {
	var c clauses
	var parts []string
	condition, owed := f.State.phases()
	if owed {
		c.add("c.seq > %", after)
		f.common(&c, "o", namedChanges)
		if condition != "" {
			c.add(condition)
		}
		parts = append(parts, owedColumns+c.where())
	}
	if !owed || f.All && f.State == "" {
		c.parts = nil
		c.add("c.seq > %", after)
		f.common(&c, "c", t.named)
		if f.State != "" {
			c.add("c.state = %", string(f.State))
		}
		parts = append(parts, pastColumns+c.where())
	}
	c.args = append(c.args, limit)
	return strings.Join(parts, " UNION ALL ") + " ORDER BY seq LIMIT $" + strconv.Itoa(len(c.args)), c.args
}
