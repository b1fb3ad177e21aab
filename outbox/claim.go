package outbox

import (
	"context"
	"fmt"
	"time"

	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

const (
	rowColumns = `SELECT o.seq, o.phase, o.due_at, o.number, o.tries, o.fails, o.last_at, o.question, o.answered, o.digest, o.receipt,
		o.replay, c.change_id, c.record, c.kind, c.version, c.body
		FROM outbox_owed o JOIN outbox_change c ON c.seq = o.seq
		WHERE o.destination = $1 AND o.waits = 0 AND o.phase <> 'parked'`
	// oldestDue and newestDue read one index, from its two ends.
	oldestDue = rowColumns + ` AND o.due_at <= $2 ORDER BY o.due_at, o.seq LIMIT $3`
	newestDue = rowColumns + ` AND o.due_at <= $2 ORDER BY o.due_at DESC, o.seq DESC LIMIT $3`
	dueAfter  = rowColumns + ` AND o.due_at > $2 ORDER BY o.due_at, o.seq LIMIT $3`
	leasedRow = rowColumns + ` AND o.due_at > $2 AND o.phase IN ('sending', 'asking') ORDER BY o.due_at, o.seq LIMIT $3`
	nextDue   = `SELECT due_at FROM outbox_owed WHERE destination = $1 AND waits = 0 AND phase <> 'parked' AND due_at > $2
		ORDER BY due_at LIMIT 1`
	claimRow = `UPDATE outbox_owed SET phase = $4, due_at = $5, number = number + 1, sends = sends + $6, last_at = $7,
		digest = coalesce($8, digest)
		WHERE seq = $1 AND number = $2 AND phase = $3 AND waits = 0`
	isClaimed = `SELECT due_at FROM outbox_owed WHERE seq = $1 AND number = $2 AND phase = $3`
)

// row is a change that is due, as it was read.
type row struct {
	seq, number  int64
	at           phase
	due, last    int64
	tries, fails int
	question     string
	answered     bool
	digest       []byte
	receipt      []byte
	replay       string
	change       ledger.ChangeID
	record       ledger.BeneficiaryID
	kind         ledger.ChangeKind
	version      int
	body         []byte
}

// readRows reads rows of rowColumns, and closes them.
func readRows(rows *store.Rows, err error) ([]row, error) {
	if err != nil {
		return nil, fmt.Errorf("read what is due: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var list []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.seq, &r.at, &r.due, &r.number, &r.tries, &r.fails, &r.last, &r.question, &r.answered, &r.digest,
			&r.receipt, &r.replay, &r.change, &r.record, &r.kind, &r.version, &r.body); err != nil {
			return nil, fmt.Errorf("read what is due: %w", err)
		}
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read what is due: %w", err)
	}
	return list, nil
}

// due gives at most n rows of a destination that are due, none of which this run holds or lets rest.
func (r *relay) due(ctx context.Context, l *line, n int) ([]row, error) {
	if r.q.shared {
		return r.dueOfAll(ctx, l, n)
	}
	oldest, newest := n, 0
	if !l.gate.shut {
		oldest, newest = l.mix.split(n)
	}
	now := r.q.now()
	l.looked = now
	l.rested(time.Now())
	taken := map[int64]bool{}
	var list []row
	read := func(query string, after time.Time, want int) error {
		if want == 0 {
			return nil
		}
		rows, err := readRows(store.Query(ctx, r.q.rooms.DB, query, l.route.Destination, micros(after), want+len(l.held)+len(l.rests)+len(taken)))
		for _, row := range rows {
			if want > 0 && l.free(row.seq) && !taken[row.seq] {
				taken[row.seq] = true
				list = append(list, row)
				want--
			}
		}
		return err
	}
	if err := read(oldestDue, now, oldest); err != nil {
		return nil, err
	}
	if len(list) == oldest { // otherwise they were all that is due
		if err := read(newestDue, now, newest); err != nil {
			return nil, err
		}
	}
	if len(list) < n {
		return list, read(dueAfter, now.Add(r.q.cfg.longest()), n-len(list))
	}
	return list, nil
}

// free tells whether a row may be taken up: this run does not hold it, nor lets it rest.
func (l *line) free(seq int64) bool {
	_, rests := l.rests[seq]
	return l.held[seq] == nil && !rests
}

// rested forgets the rests that are over.
func (l *line) rested(now time.Time) {
	for seq, until := range l.rests {
		if now.After(until) {
			delete(l.rests, seq)
		}
	}
}

// letGo lets the flight's row be taken up again, where it is this flight that holds it.
func (f *flight) letGo() {
	if f.line.held[f.row.seq] == f {
		delete(f.line.held, f.row.seq)
	}
}

// leased gives rows of a destination that are on their way, at most a chunk.
func (r *relay) leased(ctx context.Context, l *line) ([]row, error) {
	return readRows(store.Query(ctx, r.q.rooms.DB, leasedRow, l.route.Destination, micros(r.q.now()), chunk))
}

// nextDue gives when the next row of a destination is due that was not when the relay looked
// last, which may be by now; zero: none will be by itself.
func (r *relay) nextDue(ctx context.Context, l *line) (at time.Time, err error) {
	rows, err := store.Query(ctx, r.q.rooms.DB, nextDue, l.route.Destination, micros(l.looked))
	if err != nil {
		return time.Time{}, fmt.Errorf("read what is due next: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var due int64
	if rows.Next() {
		err = rows.Scan(&due)
	} else {
		err = rows.Err()
	}
	return moment(due), err
}

// becomes gives the phase that claiming a flight brings its row to, and how many deliveries
// that is.
func (f *flight) becomes() (phase, int) {
	if f.ask {
		return asking, 0
	}
	return sending, 1
}

// claimEach claims flights, and gives those whose row stood as it was read: from then on
// this attempt, and no other, may settle it until the lease ends.
func (r *relay) claimEach(ctx context.Context, tx *store.Tx, claims []*flight) (won []*flight, err error) {
	until := time.Now().Add(r.q.lease) // before the transaction: however long that takes is of the lease
	now := r.q.now()
	for _, f := range claims {
		f.began, f.ends, f.until = now, now.Add(r.q.lease), until
	}
	if r.q.shared {
		return claimTogether(ctx, tx, claims)
	}
	for _, f := range claims {
		ok, err := f.claim(ctx, tx)
		if err != nil {
			return nil, err
		}
		if ok {
			won = append(won, f)
		}
	}
	return won, nil
}

func (f *flight) claim(ctx context.Context, tx *store.Tx) (bool, error) {
	to, sends := f.becomes()
	var digest any
	if f.digest != nil {
		digest = f.digest
	}
	n, err := tx.Exec(ctx, claimRow, f.row.seq, f.row.number, string(f.row.at), string(to), micros(f.ends), sends, micros(f.began), digest)
	if err != nil {
		return false, fmt.Errorf("claim a change: %w", err)
	}
	return n == 1, nil
}

// claimed moves the flight's own picture of its row on, once the claim is committed.
func (f *flight) claimed() {
	f.row.number++
	f.row.last = micros(f.began)
	f.row.at, _ = f.becomes()
}

// stands finds out whether a claim whose commit's reply was lost was committed.
func (r *relay) stands(ctx context.Context, f *flight) bool {
	at, _ := f.becomes()
	rows, err := store.Query(ctx, r.q.rooms.DB, isClaimed, f.row.seq, f.row.number+1, string(at))
	if err != nil {
		return false
	}
	defer func() { _ = rows.Close() }()
	var due int64
	return rows.Next() && rows.Scan(&due) == nil && due == micros(f.ends)
}
