package inbox

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// State is how it stands with a notice. The names are part of the API.
type State string

// The states.
const (
	Due       State = "due"       // it is going to be followed
	Working   State = "working"   // the person is being asked about
	Waiting   State = "waiting"   // often without an answer: it waits for a day, or until the neighbour is back
	Parked    State = "parked"    // somebody has to decide
	Settled   State = "settled"   // it has taken effect
	Discarded State = "discarded" // somebody decided that it is not to be followed
)

// States gives every state.
func States() []State { return []State{Due, Working, Waiting, Parked, Settled, Discarded} }

// Mark says who decided about a notice, when and why.
type Mark struct {
	By     string // 職員番号
	At     time.Time
	Reason string
}

// Item is one notice as operators see it. Nothing in it is about a person.
type Item struct {
	Name      string
	Source    string // empty: it has not the shape of one
	Type      string // empty: nothing could be read
	Topic     string // empty: it came through the API
	Partition int
	Offset    int64
	EventAt   time.Time // as the event says; zero: it says none
	Received  time.Time
	State     State
	Fails     int       // attempts in a row without an answer
	NextAt    time.Time // of a due one: when it goes on
	LastAt    time.Time // when the last attempt began
	Cause     string
	Code      string
	Result    string // of a settled one: refreshed or not_ours
	EndedAt   time.Time
	Discarded *Mark
}

// Filter says which notices are meant. Its zero value means everything that is not over.
type Filter struct {
	State  State
	Cause  string
	Source string
	Names  []string
	All    bool   // settled and discarded too
	Cursor string // what an earlier List gave as next
	Limit  int    // of a List; 0: 100, at most 1000
}

const (
	defaultPage = 100
	maxPage     = 1000
)

const selectItems = `SELECT seq, name, source, type, topic, part, place, event_at, received_at, state, fails, due_at, last_at,
	cause, code, result, ended_at, mark_by, mark_reason FROM inbox_notice`

// open is the condition of what is not over, as its index has it.
const open = "state IN ('due', 'working', 'waiting', 'parked')"

// check refuses a filter that nobody can have meant.
func (f Filter) check() error {
	wrong := func(field string) error {
		return fault.New(fault.Invalid, "the filter does not fit").WithCode(codeFilter).WithField(field)
	}
	switch {
	case len(f.Names) > maxPage:
		return wrong("/ids")
	case f.Limit < 0 || f.Limit > maxPage:
		return wrong("/limit")
	case f.Cause != "" && !isWord(f.Cause):
		return wrong("/where/cause")
	case f.Source != "" && !sourceFits(f.Source):
		return wrong("/where/source")
	}
	for _, name := range f.Names {
		if !IsName(name) {
			return wrong("/ids")
		}
	}
	switch f.State {
	case "", Due, Working, Waiting, Parked, Settled, Discarded:
		return nil
	}
	return wrong("/where/state")
}

// IsName tells whether a text has the shape of a notice's name.
func IsName(s string) bool {
	rest, ok := strings.CutPrefix(s, "N-")
	return ok && len(rest) == 26 && strings.IndexFunc(rest, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '2' || r > '7') }) < 0
}

// where gives the condition of a filter and its arguments.
func (f Filter) where() (string, []any) {
	var parts []string
	var args []any
	add := func(condition string, arg any) {
		args = append(args, arg)
		parts = append(parts, condition+"$"+strconv.Itoa(len(args)))
	}
	if f.State != "" {
		add("state = ", string(f.State))
	}
	if f.Cause != "" {
		add("cause = ", f.Cause)
	}
	if f.Source != "" {
		add("source = ", f.Source)
	}
	if f.State == "" && !f.All && len(f.Names) == 0 || f.State == Due || f.State == Working || f.State == Waiting || f.State == Parked {
		parts = append(parts, open)
	}
	if len(f.Names) > 0 {
		marks := make([]string, len(f.Names))
		for i, name := range f.Names {
			args = append(args, name)
			marks[i] = "$" + strconv.Itoa(len(args))
		}
		parts = append(parts, "name IN ("+strings.Join(marks, ", ")+")")
	}
	if len(parts) == 0 {
		parts = append(parts, "1 = 1")
	}
	return " WHERE " + strings.Join(parts, " AND "), args
}

// List gives a page of the notices that the filter means, oldest first, and where the next
// page begins; empty: there is none.
func (b *Box) List(ctx context.Context, f Filter) (page []Item, next string, err error) {
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
	where, args := f.where()
	args = append(args, after, int64(limit+1))
	query := selectItems + where + " AND seq > $" + strconv.Itoa(len(args)-1) + " ORDER BY seq LIMIT $" + strconv.Itoa(len(args))
	var seqs []int64
	err = store.Read(ctx, b.rooms.DB, func(ctx context.Context, tx *store.Tx) error {
		page, seqs, err = scanItems(tx.Query(ctx, query, args...))
		return err
	})
	if err != nil {
		return nil, "", err
	}
	if len(page) > limit {
		page = page[:limit]
		next = strconv.FormatInt(seqs[limit-1], 36)
	}
	return page, next, nil
}

// scanItems reads rows of selectItems, and closes them.
func scanItems(rows *store.Rows, err error) (items []Item, seqs []int64, _ error) {
	if err != nil {
		return nil, nil, fmt.Errorf("read notices: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var i Item
		var seq, event, received, due, last, ended int64
		var m Mark
		err := rows.Scan(&seq, &i.Name, &i.Source, &i.Type, &i.Topic, &i.Partition, &i.Offset, &event, &received, &i.State, &i.Fails,
			&due, &last, &i.Cause, &i.Code, &i.Result, &ended, &m.By, &m.Reason)
		if err != nil {
			return nil, nil, fmt.Errorf("read notices: %w", err)
		}
		i.EventAt, i.Received, i.LastAt, i.EndedAt = moment(event), moment(received), moment(last), moment(ended)
		if i.State == Due {
			i.NextAt = moment(due)
		}
		if i.State == Discarded {
			m.At = i.EndedAt
			i.Discarded = &m
		}
		items, seqs = append(items, i), append(seqs, seq)
	}
	if err := rows.Err(); err != nil {
		return nil, nil, fmt.Errorf("read notices: %w", err)
	}
	return items, seqs, nil
}
