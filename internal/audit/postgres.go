package audit

import (
	"context"
	"fmt"

	"kakehashi/internal/store"
)

// What PostgreSQL does otherwise than SQLite. Several gateways write at once, each many
// transactions at a time; an id is a sequence's and says nothing of the order of
// commitment; a lease is a row of audit_writer. Entries stand in a table for each month, so
// whoever looks one up by its id says its time too: audit_queue, audit_leaf and
// audit_subject bear it, or nothing where they were copied from a database that has no such
// column.

const (
	// insertAlive writes entries with their rows in the queue, if their writer is not
	// settled: its row is held until the transaction ends, so that it is not settled
	// meanwhile either. It gives how many rows of the queue were written, and the
	// transaction's number. What has been added to the schema may take away what was written;
	// on PostgreSQL a rule cannot in such a statement, so only a trigger can, perhaps as late
	// as at the commit: their number is given too.
	insertAlive = `WITH alive AS (SELECT writer FROM audit_writer WHERE writer = $1 AND settled = 0 FOR KEY SHARE),
		new AS (INSERT INTO audit_entry (writer, number, at, kind, lookup, staff, case_id, subjects, void, body, salt, mac)
			SELECT a.writer, n.number, n.at, n.kind, n.lookup, n.staff, n.case_id, n.subjects, n.void, n.body, n.salt, n.mac
			FROM alive a CROSS JOIN unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
				$8::text[], $9::text[], $10::text[], $11::bytea[], $12::bytea[])
				WITH ORDINALITY AS n (number, at, kind, lookup, staff, case_id, subjects, void, body, salt, mac, nth)
			ORDER BY n.nth RETURNING id, at, tableoid),
		queued AS (INSERT INTO audit_queue (entry, at) SELECT id, at FROM new RETURNING entry)
		SELECT (SELECT count(*) FROM alive), (SELECT count(*) FROM queued), pg_current_xact_id()::text::bigint,
			(SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN
				(SELECT tableoid FROM new UNION VALUES ('audit_entry'::regclass::oid), ('audit_queue'::regclass::oid)))`

	// transactionState tells how a transaction ended. One that the database has yet to
	// begin is of another history: the database was put back.
	transactionState = `SELECT CASE WHEN $1::text::xid8 < pg_snapshot_xmax(pg_current_snapshot())
		THEN coalesce(pg_xact_status($1::text::xid8), '') ELSE '' END`

	// entryOfC gives entry e of c, which names it by its id and, where it is known, its time.
	// Without the OFFSET the planner may read every entry instead.
	entryOfC = `LATERAL (SELECT * FROM audit_entry e WHERE e.id = c.entry
		AND e.at >= c.at AND e.at <= CASE WHEN c.at = '' THEN '9' ELSE c.at END OFFSET 0) e`
)

// insertPlaced adds rows that have their numbers, which follow one another, and gives the
// number of the transaction.
func insertPlaced(ctx context.Context, tx *store.Tx, writer string, rows []*row) (id int64, err error) {
	n := len(rows)
	numbers, salts, macs := make([]int64, n), make([][]byte, n), make([][]byte, n)
	var texts [8][]string
	for i := range texts {
		texts[i] = make([]string, n)
	}
	for i, r := range rows {
		numbers[i], salts[i], macs[i] = r.number, r.salt, r.mac
		for j, s := range [...]string{r.at, r.kind, r.lookup, r.staff, r.caseID, r.subjects, r.void, r.body} {
			texts[j][i] = s
		}
	}
	var alive, queued, triggers int64
	err = tx.QueryRow(ctx, insertAlive, writer, numbers, texts[0], texts[1], texts[2], texts[3], texts[4], texts[5],
		texts[6], texts[7], salts, macs).Scan(&alive, &queued, &id, &triggers)
	switch {
	case err != nil:
		return 0, fmt.Errorf("write entries: %w", err)
	case alive == 0:
		return 0, settledFault()
	case queued != int64(n) || triggers > 0:
		return 0, inconsistent("entries that were written do not stand there, or may not")
	}
	return id, nil
}

// transactionEnded tells whether a transaction is over, one way or the other.
func transactionEnded(ctx context.Context, tx *store.Tx, id int64) (bool, error) {
	var state string
	err := tx.QueryRow(ctx, transactionState, fmt.Sprint(id)).Scan(&state)
	return state != "in progress", err
}

// placed gives the entries of a writer that bear certain numbers.
func placed(ctx context.Context, tx *store.Tx, writer string, numbers []span) (found []*row, err error) {
	for _, v := range numbers {
		err := entries(ctx, tx, func(r *row) error {
			found = append(found, r)
			return nil
		}, "SELECT "+entryColumns+" FROM audit_entry e WHERE e.writer = $1 AND e.number BETWEEN $2 AND $3", writer, v.from, v.to)
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}
