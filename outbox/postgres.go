package outbox

import (
	"context"
	"fmt"
	"strings"

	"kakehashi/internal/store"
)

// What PostgreSQL is asked differently stands here, with why it holds while several gateways
// owe, claim and settle at once. All of it is READ COMMITTED: a statement sees what was
// committed when it began, and where it waited for a row it sees that row as it is then, or
// passes it over where it is gone.

const (
	// clockThere is the database's clock in microseconds, fixed for a statement so that an
	// index can be read by it.
	clockThere = `(extract(epoch FROM statement_timestamp()) * 1000000)::bigint`
	// byIndex has a transaction look rows up one by one. What the database knows of a table that
	// is a queue is of another hour, and by it reading all of the backlog looks cheap.
	byIndex   = `SET LOCAL enable_seqscan = off`
	readClock = `SELECT ` + clockThere

	// oweBegins, oweEnds and what stands between owe many changes in one round trip. The oldest
	// of each lane is held FOR KEY SHARE until we commit. Whoever settles that one meanwhile
	// waits for us before the row is deleted, and looks for the next of the lane after that:
	// it finds ours. Was the row being deleted already, we wait, pass it over and take the
	// next, or find the lane empty. Claims and promotions leave the key alone and wait for
	// nobody. The lanes are held in the order of their oldest, as everybody takes rows.
	// Callers on one record come one after the other, so that numbers grow within a lane in
	// the order of commits. A change that is owed already breaks the key of outbox_change.
	oweBegins = `WITH asked AS MATERIALIZED (
		SELECT a.*, nextval('outbox_change_seq_seq') AS seq, ` + clockThere + ` AS now FROM `
	oweEnds = ` AS a (destination, change_id, record, kind, version, body, place)
	), lanes AS MATERIALIZED (
		SELECT a.destination, a.record, (SELECT min(o.seq) FROM outbox_owed o
			WHERE o.destination = a.destination AND o.record = a.record) AS oldest
		FROM asked a GROUP BY 1, 2 ORDER BY 3
	), heads AS MATERIALIZED (
		SELECT l.destination, l.record, h.seq FROM lanes l CROSS JOIN LATERAL (SELECT o.seq FROM outbox_owed o
			WHERE o.destination = l.destination AND o.record = l.record ORDER BY o.seq LIMIT 1 FOR KEY SHARE) h
	), known AS MATERIALIZED (
		SELECT count(*) AS n FROM asked a
		WHERE EXISTS (SELECT 1 FROM outbox_told t WHERE t.change_id = a.change_id AND t.destination = a.destination)
	), wide AS (
		INSERT INTO outbox_change (seq, destination, change_id, record, kind, version, enqueued_at, body)
		SELECT a.seq, a.destination, a.change_id, a.record, a.kind, a.version, a.now, a.body FROM asked a, known k WHERE k.n = 0
	), narrow AS (
		INSERT INTO outbox_owed (seq, destination, record, waits, phase, due_at, number, sends, tries, fails, last_at,
			cause, code, detail, question, answered, replay, parking)
		SELECT a.seq, a.destination, a.record,
			CASE WHEN h.seq IS NULL AND row_number() OVER (PARTITION BY a.destination, a.record ORDER BY a.place) = 1 THEN 0 ELSE 1 END,
			'send', a.now, 0, 0, 0, 0, 0, '', '', '', '', 0, '', 0
		FROM known k, asked a LEFT JOIN heads h ON h.destination = a.destination AND h.record = a.record WHERE k.n = 0
	)
	SELECT k.n, a.now, coalesce((SELECT c.change_id FROM outbox_change c WHERE c.seq = h.seq), '')
	FROM known k, asked a LEFT JOIN heads h ON h.destination = a.destination AND h.record = a.record ORDER BY a.place`
	oweArrays = `unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bytea[]) WITH ORDINALITY`
	// oweOne is the same for one change.
	oweOne = `WITH head AS MATERIALIZED (
		SELECT o.seq FROM outbox_owed o WHERE o.destination = $1 AND o.record = $3 ORDER BY o.seq LIMIT 1 FOR KEY SHARE
	), wide AS (
		INSERT INTO outbox_change (destination, change_id, record, kind, version, enqueued_at, body)
		SELECT $1, $2, $3, $4, $5, ` + clockThere + `, $6
		WHERE NOT EXISTS (SELECT 1 FROM outbox_told t WHERE t.change_id = $2 AND t.destination = $1)
		RETURNING seq, enqueued_at
	), narrow AS (
		INSERT INTO outbox_owed (seq, destination, record, waits, phase, due_at, number, sends, tries, fails, last_at,
			cause, code, detail, question, answered, replay, parking)
		SELECT w.seq, $1, $3, CASE WHEN EXISTS (SELECT 1 FROM head) THEN 1 ELSE 0 END,
			'send', w.enqueued_at, 0, 0, 0, 0, 0, '', '', '', '', 0, '', 0 FROM wide w
	)
	SELECT 0::bigint, w.enqueued_at, coalesce((SELECT c.change_id FROM outbox_change c WHERE c.seq = (SELECT seq FROM head)), '') FROM wide w`

	// claimAll claims, of the rows named, those that stand as they were read, are nobody
	// else's at this moment and are the oldest of their lane. It waits for nobody: what
	// another has is not ours to claim.
	claimAll = `WITH mine AS MATERIALIZED (
		SELECT o.seq, a.ends, a.sends, a.going, a.digest
		FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bytea[])
			AS a (seq, number, phase, going, sends, ends, digest)
		JOIN outbox_owed o ON o.seq = a.seq
		WHERE o.number = a.number AND o.phase = a.phase AND o.waits = 0 AND NOT EXISTS (SELECT 1 FROM outbox_owed e
			WHERE e.destination = o.destination AND e.record = o.record AND e.seq < o.seq)
		ORDER BY o.seq FOR NO KEY UPDATE OF o SKIP LOCKED
	)
	UPDATE outbox_owed o SET phase = m.going, due_at = m.ends, number = o.number + 1, sends = o.sends + m.sends,
		last_at = $8, digest = coalesce(m.digest, o.digest)
	FROM mine m WHERE o.seq = m.seq RETURNING o.seq`

	// lockRows holds the rows of what is to be settled, lowest first, and says how they stand.
	lockRows = `SELECT seq, number, phase, cause, replay FROM outbox_owed WHERE seq = ANY($1::bigint[]) ORDER BY seq FOR UPDATE`
	// lockNamed holds the rows of changes, lowest first.
	lockNamed = `SELECT o.seq FROM outbox_change c JOIN outbox_owed o ON o.seq = c.seq
		WHERE c.change_id = $1 AND ($2 = '' OR c.destination = $2) ORDER BY o.seq FOR UPDATE OF o`

	// moveAll moves delivered rows, which are held, to the history.
	moveAll = `WITH o AS (
		DELETE FROM outbox_owed WHERE seq = ANY($1::bigint[]) RETURNING *
	), c AS (
		DELETE FROM outbox_change WHERE seq = ANY($1::bigint[]) RETURNING *
	)
	INSERT INTO outbox_history (seq, destination, change_id, record, kind, version, enqueued_at, body, phase, number,
		sends, tries, fails, last_at, cause, code, detail, question, answered, digest, receipt, replay, parking,
		state, ended_at, mark_by, mark_reason)
	SELECT c.seq, c.destination, c.change_id, c.record, c.kind, c.version, c.enqueued_at, c.body, o.phase, o.number,
		o.sends, o.tries, o.fails, o.last_at, '', '', '', '', o.answered, o.digest, NULL, o.replay, o.parking,
		'delivered', $2, '', '' FROM c JOIN o ON o.seq = c.seq`

	// promoteAll lets the oldest that is left of each lane go on. It takes that row by holding
	// it, not by min(seq): a row that another is about to delete would be the lowest still,
	// and the one behind it would wait for ever. Held, such a row is passed over.
	promoteAll = `WITH p AS MATERIALIZED (
		SELECT h.seq FROM (SELECT DISTINCT u.destination, u.record FROM unnest($1::text[], $2::text[]) AS u (destination, record)) l
		CROSS JOIN LATERAL (SELECT w.seq FROM outbox_owed w
			WHERE w.destination = l.destination AND w.record = l.record ORDER BY w.seq LIMIT 1 FOR NO KEY UPDATE) h
	)
	UPDATE outbox_owed o SET waits = 0 FROM p WHERE o.seq = p.seq AND o.waits = 1`
	promoteHeld = `UPDATE outbox_owed SET waits = 0 WHERE seq = (SELECT seq FROM outbox_owed
		WHERE destination = $1 AND record = $2 ORDER BY seq LIMIT 1 FOR NO KEY UPDATE) AND waits = 1`

	takeParking = `UPDATE outbox_parking SET last = last + $1 RETURNING last`
	forgetTold  = `DELETE FROM outbox_told t USING outbox_change c
		WHERE c.seq = $1 AND t.change_id = c.change_id AND t.destination = c.destination`
	// doubtSomeRows is doubtRow for a chunk of rows, and gives their numbers.
	doubtSomeRows = `WITH few AS MATERIALIZED (
		SELECT seq FROM outbox_owed WHERE seq > $1 AND phase IN ('send', 'parked') AND question = '' AND receipt IS NULL
		ORDER BY seq LIMIT $2 FOR NO KEY UPDATE
	)
	UPDATE outbox_owed o SET question = 'arrived',
		due_at = CASE WHEN phase = 'send' THEN $3 ELSE due_at END,
		cause = CASE WHEN phase = 'send' THEN 'restored' ELSE cause END,
		phase = CASE WHEN phase = 'send' THEN 'ask' ELSE phase END
	FROM few WHERE o.seq = few.seq RETURNING o.seq`
)

// ledgerLock is the lock under which the ledger has one writer at a time. Whoever takes it
// takes it first.
const ledgerLock = "ledger"

// replayLock is held by the one relay that arms.
const replayLock = "outbox replay"

// texts are the statements in which the two databases differ by a few words.
type texts struct {
	ofChange  string // how it stands with a change, from all that is and was owed
	attempts  string // at a change
	past      string // how often a change is in the history
	discarded string // … with a mark
	standing  string // where it is owed, or was delivered
	named     string // which rows of the history bear one of the names that stand for #
	promote   string
}

func textsOf(e store.Engine) texts {
	told, byName, named, one := "outbox_history", ` WHERE c.change_id = $1`, `c.change_id IN (#)`, promote
	if e == store.Postgres {
		told, one = "outbox_told", promoteHeld
		byName = ` JOIN outbox_told t ON t.seq = c.seq AND t.ended_at = c.ended_at WHERE t.change_id = $1`
		named = `(c.seq, c.ended_at) IN (SELECT t.seq, t.ended_at FROM outbox_told t WHERE t.change_id IN (#))`
	}
	return texts{
		ofChange: owedColumns + ` WHERE c.change_id = $1 UNION ALL ` + pastColumns + byName,
		attempts: `SELECT w.destination, a.number, a.confirm, a.at, a.ended_at, a.outcome, a.code, a.digest, a.replay
			FROM (SELECT seq, destination FROM outbox_change WHERE change_id = $1
				UNION ALL SELECT seq, destination FROM ` + told + ` WHERE change_id = $1) w
			JOIN outbox_attempt a ON a.seq = w.seq UNION ALL ` + attemptNow,
		past:      `SELECT count(*) FROM ` + told + ` WHERE change_id = $1 AND ($2 = '' OR destination = $2)`,
		discarded: `SELECT count(*) FROM ` + told + ` WHERE change_id = $1 AND state = 'discarded'`,
		standing: `SELECT (SELECT count(*) FROM outbox_change WHERE change_id = $1)
			+ (SELECT count(*) FROM ` + told + ` WHERE change_id = $1 AND state <> 'discarded')`,
		named:   named,
		promote: one,
	}
}

// oweFew is the most changes whose number a statement's text shows: then the database plans
// it once, and not anew for each call.
const oweFew = 8

// oweStatement gives the statement that owes the changes, and its arguments.
func oweStatement(list []wanted) (string, []any) {
	n := len(list)
	if n > oweFew {
		destinations, ids, records, kinds := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		versions, bodies := make([]int64, n), make([][]byte, n)
		for i, w := range list {
			destinations[i], ids[i], records[i], kinds[i] = w.destination, string(w.change.ID), string(w.change.Record), string(w.change.Kind)
			versions[i], bodies[i] = int64(w.change.Version), w.body
		}
		return oweBegins + oweArrays + oweEnds, []any{destinations, ids, records, kinds, versions, bodies}
	}
	var rows []string
	var args []any
	for i, w := range list {
		rows = append(rows, fmt.Sprintf("($%d::text, $%d::text, $%d::text, $%d::text, $%d::bigint, $%d::bytea, %d)",
			6*i+1, 6*i+2, 6*i+3, 6*i+4, 6*i+5, 6*i+6, i))
		args = append(args, w.destination, string(w.change.ID), string(w.change.Record), string(w.change.Kind), w.change.Version, w.body)
	}
	if n == 1 {
		return oweOne, args
	}
	return oweBegins + "(VALUES " + strings.Join(rows, ", ") + ")" + oweEnds, args
}

// oweAtOnce is what Enqueue does on PostgreSQL.
func oweAtOnce(ctx context.Context, tx *store.Tx, list []wanted) ([]placement, error) {
	query, args := oweStatement(list)
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, twice(err)
	}
	defer func() { _ = rows.Close() }()
	places := make([]placement, 0, len(list))
	for rows.Next() {
		var known int64
		var p placement
		if err := rows.Scan(&known, &p.at, &p.head); err != nil {
			return nil, err
		}
		if known > 0 {
			return nil, alreadyOwed()
		}
		places = append(places, p)
	}
	if err := rows.Err(); err != nil {
		return nil, twice(err)
	}
	if len(places) < len(list) {
		return nil, alreadyOwed()
	}
	return places, nil
}

// claimTogether claims flights, and gives those that were won.
func claimTogether(ctx context.Context, tx *store.Tx, claims []*flight) ([]*flight, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	n := len(claims)
	seqs, numbers, sends, ends := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	phases, going, digests := make([]string, n), make([]string, n), make([][]byte, n)
	bySeq := make(map[int64]*flight, n)
	for i, f := range claims {
		to, sent := f.becomes()
		seqs[i], numbers[i], sends[i], ends[i] = f.row.seq, f.row.number, int64(sent), micros(f.ends)
		phases[i], going[i], digests[i] = string(f.row.at), string(to), f.digest
		bySeq[f.row.seq] = f
	}
	list, err := readNumbers(tx.Query(ctx, claimAll, seqs, numbers, phases, going, sends, ends, digests, micros(claims[0].began)))
	if err != nil {
		return nil, fmt.Errorf("claim changes: %w", err)
	}
	won := make([]*flight, 0, len(list))
	for _, seq := range list {
		won = append(won, bySeq[seq])
	}
	return won, nil
}

// readNumbers reads rows of one number, and closes them.
func readNumbers(rows *store.Rows, err error) ([]int64, error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, rows.Err()
}

// hold takes rows for the rest of the transaction; on SQLite they are the transaction's as
// all others.
func hold(ctx context.Context, tx *store.Tx, query string, args ...any) ([]int64, error) {
	if tx.Engine() != store.Postgres {
		return nil, nil
	}
	list, err := readNumbers(tx.Query(ctx, query, args...))
	if err != nil {
		return nil, fmt.Errorf("hold what is owed: %w", err)
	}
	return list, nil
}

// lockAll holds the rows of flights that are to be settled, and says how they stand.
func lockAll(ctx context.Context, tx *store.Tx, flights []*flight) (map[int64]stands, error) {
	seqs := make([]int64, len(flights))
	for i, f := range flights {
		seqs[i] = f.row.seq
	}
	rows, err := tx.Query(ctx, lockRows, seqs)
	if err != nil {
		return nil, fmt.Errorf("hold what is settled: %w", err)
	}
	defer func() { _ = rows.Close() }()
	found := make(map[int64]stands, len(flights))
	for rows.Next() {
		var seq int64
		var s stands
		if err := rows.Scan(&seq, &s.number, &s.at, &s.cause, &s.replay); err != nil {
			return nil, fmt.Errorf("hold what is settled: %w", err)
		}
		found[seq] = s
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("hold what is settled: %w", err)
	}
	return found, nil
}

// stands is how a row stands that a settlement holds.
type stands struct {
	number        int64
	at            phase
	cause, replay string
}

// moveTogether moves what is delivered to the history, in one statement, and then, in one
// that sees what others have committed by now, lets the next of each lane go on.
func (s *settlement) moveTogether(ctx context.Context, tx *store.Tx) error {
	if len(s.deletes) == 0 {
		return nil
	}
	seqs := make([]int64, 0, len(s.deletes))
	for _, d := range s.deletes {
		if seq, ok := d[0].(int64); ok {
			seqs = append(seqs, seq)
		}
	}
	if _, err := tx.Exec(ctx, moveAll, seqs, s.now); err != nil {
		return fmt.Errorf("move delivered changes: %w", err)
	}
	var destinations, records []string
	for _, p := range s.promotes {
		destination, _ := p[0].(string)
		record, _ := p[1].(string)
		destinations, records = append(destinations, destination), append(records, record)
	}
	if _, err := tx.Exec(ctx, promoteAll, destinations, records); err != nil {
		return fmt.Errorf("let the next go on: %w", err)
	}
	return nil
}

// takeParkings numbers so many parkings, and gives the number of the last.
func takeParkings(ctx context.Context, tx *store.Tx, n int) (last int64, err error) {
	if err := tx.QueryRow(ctx, takeParking, n).Scan(&last); err != nil {
		return 0, fmt.Errorf("number parkings: %w", err)
	}
	return last, nil
}

// parking gives the number of a parking. On PostgreSQL those of a settlement are numbered at
// the first, since each number is a version of one row.
func (s *settlement) parking(ctx context.Context, tx *store.Tx) (n int64, err error) {
	if s.parks == 0 {
		return nextParking(ctx, tx)
	}
	if s.parked == 0 {
		if s.parked, err = takeParkings(ctx, tx, s.parks); err != nil {
			return 0, err
		}
	}
	s.parks--
	return s.parked - int64(s.parks), nil
}
