package inbox

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"kakehashi/internal/store"
)

// Plan is what a replay or a discard does, or would do, with what its filter means.
type Plan struct {
	At     time.Time
	Total  int // notices that are meant
	Can    int
	Cannot int
	Left   int // meant too, beyond what one transaction takes: press again
	Why    []Reason
	Names  []string // of those that can
}

// Reason is why notices cannot, and how many.
type Reason struct {
	Word  string // a state, not_found, cut, or the cause for which it still cannot be read
	Count int
}

const (
	mostPressed = 1000
	rearmRow    = `UPDATE inbox_notice SET state = 'due', due_at = $2, fails = 0, cause = '', code = '', ended_at = 0,
		mark_by = '', mark_reason = '' WHERE seq = $1`
	rereadRow = `UPDATE inbox_notice SET state = 'due', due_at = $2, fails = 0, cause = '', code = '', ended_at = 0,
		mark_by = '', mark_reason = '', source = $3, type = $4, lane = $5, event_at = $6, body = $7 WHERE seq = $1`
	discardRow = `UPDATE inbox_notice SET state = 'discarded', ended_at = $2, mark_by = $3, mark_reason = $4 WHERE seq = $1`
)

// pressed is a notice on which a button was pressed.
type pressed struct {
	seq   int64
	name  string
	state State
	lane  string
}

// Replay makes due again, in the caller's transaction, what the filter means and is parked
// or waits; of what it names also what was discarded. What could not be read is read again:
// the program, or the configuration, may know more by now. Where the envelope could not be
// read, Rooms.Envelope tries it again; such a notice keeps its name, so that the same event,
// sent once more, is another notice. It does as many as one transaction should; Plan.Left
// says how many are left.
func (b *Box) Replay(ctx context.Context, tx *store.Tx, f Filter) (Plan, error) {
	return b.press(ctx, tx, f, func(ctx context.Context, p pressed) (string, error) {
		if p.state != Parked && p.state != Waiting && (p.state != Discarded || len(f.Names) == 0) {
			return string(p.state), nil
		}
		now := micros(b.rooms.Now())
		if p.lane != "" {
			if _, err := tx.Exec(ctx, rearmRow, p.seq, now); err != nil {
				return "", fmt.Errorf("replay a notice: %w", err)
			}
			return "", nil
		}
		return b.reread(ctx, tx, p, now)
	})
}

// reread reads what is kept of a message once more. It gives the cause for which it still
// cannot be read, or "".
func (b *Box) reread(ctx context.Context, tx *store.Tx, p pressed, now int64) (string, error) {
	var sealed []byte
	if err := tx.QueryRow(ctx, "SELECT body FROM inbox_notice WHERE seq = $1", p.seq).Scan(&sealed); err != nil {
		return "", fmt.Errorf("read a notice: %w", err)
	}
	stored, err := b.seal.open(sealed, p.name)
	if err != nil {
		return CauseInternal, nil //nolint:nilerr // it stays parked, and the plan says so
	}
	if stored.Cut {
		return "cut", nil
	}
	k := b.read(b.unwrap(stored.message()))
	if k.State == Parked {
		return k.Cause, nil
	}
	body, err := b.seal.close(k.stored, p.name)
	if err != nil {
		return "", err
	}
	if _, err := tx.Exec(ctx, rereadRow, p.seq, now, k.source, k.kind, k.lane, micros(k.at), body); err != nil {
		return "", fmt.Errorf("replay a notice: %w", err)
	}
	return "", nil
}

// unwrap reads the envelope of a message again, where no source or id could be read when it
// came: then all that came is kept as its value.
func (b *Box) unwrap(m Message) Message {
	if m.Source != "" && m.ID != "" || b.rooms.Envelope == nil {
		return m
	}
	read, ok := b.rooms.Envelope(m.Headers, m.Value)
	if !ok {
		return m
	}
	read.Headers, read.By = m.Headers, m.By
	return read
}

// Discard marks, in the caller's transaction, what the filter means and is parked or waits
// as not to be followed. The mark stands with its reason, and a replay that names the notice
// takes it back.
func (b *Box) Discard(ctx context.Context, tx *store.Tx, f Filter, m Mark) (Plan, error) {
	return b.press(ctx, tx, f, func(ctx context.Context, p pressed) (string, error) {
		if p.state != Parked && p.state != Waiting {
			return string(p.state), nil
		}
		if _, err := tx.Exec(ctx, discardRow, p.seq, micros(m.At), m.By, m.Reason); err != nil {
			return "", fmt.Errorf("discard a notice: %w", err)
		}
		return "", nil
	})
}

// press does something with every notice that the filter means. do gives why it cannot be
// done with one, or "".
func (b *Box) press(ctx context.Context, tx *store.Tx, f Filter, do func(context.Context, pressed) (string, error)) (Plan, error) {
	p := Plan{At: b.rooms.Now()}
	if err := f.check(); err != nil {
		return p, err
	}
	if err := tx.Lock(ctx, lockName); err != nil {
		return p, err
	}
	rows, err := meant(ctx, tx, f)
	if err != nil {
		return p, err
	}
	if p.Total, err = countMeant(ctx, tx, f, rows); err != nil {
		return p, err
	}
	p.Left = p.Total - len(rows)
	for _, row := range rows {
		why, err := do(ctx, row)
		if err != nil {
			return p, err
		}
		p.count(row.name, why)
	}
	for _, name := range f.Names {
		if !slices.ContainsFunc(rows, func(r pressed) bool { return r.name == name }) {
			p.Total++
			p.count(name, "not_found")
		}
	}
	if p.Can > 0 {
		b.wakeOn(tx)
	}
	return p, nil
}

func (p *Plan) count(name, why string) {
	if why == "" {
		p.Can++
		p.Names = append(p.Names, name)
		return
	}
	p.Cannot++
	i := slices.IndexFunc(p.Why, func(r Reason) bool { return r.Word == why })
	if i < 0 {
		i = len(p.Why)
		p.Why = append(p.Why, Reason{Word: why})
	}
	p.Why[i].Count++
}

// pressable narrows a filter that names nothing to what can be pressed at all.
func (f Filter) pressable() (string, []any) {
	where, args := f.where()
	if len(f.Names) == 0 {
		where += " AND state IN ('parked', 'waiting') AND " + open
	}
	return where, args
}

// meant reads what a filter means, oldest first.
func meant(ctx context.Context, tx *store.Tx, f Filter) ([]pressed, error) {
	where, args := f.pressable()
	args = append(args, int64(mostPressed))
	rows, err := tx.Query(ctx, "SELECT seq, name, state, lane FROM inbox_notice"+where+
		" ORDER BY seq LIMIT $"+strconv.Itoa(len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var all []pressed
	for rows.Next() {
		var p pressed
		if err := rows.Scan(&p.seq, &p.name, &p.state, &p.lane); err != nil {
			return nil, fmt.Errorf("read notices: %w", err)
		}
		all = append(all, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	return all, nil
}

// countMeant counts what a filter means, where that is more than was read.
func countMeant(ctx context.Context, tx *store.Tx, f Filter, rows []pressed) (n int, err error) {
	if len(rows) < mostPressed {
		return len(rows), nil
	}
	where, args := f.pressable()
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM inbox_notice"+where, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count notices: %w", err)
	}
	return n, nil
}
