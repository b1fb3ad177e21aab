package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// What is SQLite's alone. One gateway runs on a database, kept by the store's lock, and one
// transaction writes at a time. So the lock is the writer's lease; every other writer is
// gone when a new one begins; and entries get their id in the order in which they are
// committed, from a counter of the one process that writes. postgres.go says what
// PostgreSQL does otherwise.

const (
	insertEntry = `INSERT INTO audit_entry
		(id, writer, number, at, kind, lookup, staff, case_id, subjects, void, body, salt, mac)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`
	insertQueue = `INSERT INTO audit_queue (entry) SELECT id FROM audit_entry WHERE id BETWEEN $1 AND $2`
	countPlaced = `SELECT count(*) FROM audit_queue q CROSS JOIN audit_entry e ON e.id = q.entry
		WHERE q.entry BETWEEN $1 AND $2`

	entryColumns = `e.id, e.writer, e.number, e.at, e.kind, e.lookup, e.staff, e.case_id, e.subjects, e.void, e.body, e.salt, e.mac`

	selectQueued = `SELECT ` + entryColumns + ` FROM audit_queue q JOIN audit_entry e ON e.id = q.entry
		WHERE q.entry > $1 ORDER BY q.entry LIMIT $2`
	deleteQueued  = `DELETE FROM audit_queue WHERE entry = $1`
	insertLeaf    = `INSERT INTO audit_leaf (position, entry, lookup, hash) VALUES ($1, $2, $3, $4)`
	insertSubject = `INSERT INTO audit_subject (entry, atena_number, role) VALUES ($1, $2, $3)`
	insertNote    = `INSERT INTO audit_checkpoint (size, hashes, note) VALUES ($1, $2, $3)`
)

// cell takes what stands in a column, of whatever type it is: a column keeps what another
// program writes into it, and that must not end the reading of the others.
type cell[T int64 | string | []byte] struct {
	into  *T
	wrong *bool // set where it is of another type
}

// Scan takes the column's value.
func (c cell[T]) Scan(value any) error {
	v, ok := value.(T)
	if b, isBytes := any(v).([]byte); isBytes {
		v, _ = any(bytes.Clone(b)).(T) // the database's own, until the next row
	}
	*c.into = v
	*c.wrong = *c.wrong || !ok
	return nil
}

// columns are where the columns of an entry go: those of entryColumns.
func (r *row) columns() []any {
	text := func(s *string) any { return &cell[string]{s, &r.mistyped} }
	return []any{
		&cell[int64]{&r.id, &r.mistyped}, text(&r.writer), &cell[int64]{&r.number, &r.mistyped}, text(&r.at), text(&r.kind),
		text(&r.lookup), text(&r.staff), text(&r.caseID), text(&r.subjects), text(&r.void), text(&r.body),
		&cell[[]byte]{&r.salt, &r.mistyped}, &cell[[]byte]{&r.mac, &r.mistyped},
	}
}

// queryRows gives every row of a query to each.
func queryRows(ctx context.Context, tx *store.Tx, each func(*store.Rows) error, query string, args ...any) (err error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// entries reads whole entries: query selects entryColumns of audit_entry e.
func entries(ctx context.Context, tx *store.Tx, each func(*row) error, query string, args ...any) error {
	var now row
	into := now.columns()
	return queryRows(ctx, tx, func(rows *store.Rows) error {
		now.mistyped = false
		if err := rows.Scan(into...); err != nil {
			return err
		}
		r := now
		return each(&r)
	}, query, args...)
}

func lastID(ctx context.Context, tx *store.Tx) (id int64, err error) {
	err = tx.QueryRow(ctx, "SELECT coalesce(max(id), 0) FROM audit_entry").Scan(&id)
	return id, err
}

// lastOpened gives the entry with which the last writer began; NotFound: nobody has.
func lastOpened(ctx context.Context, tx *store.Tx) (id int64, writer string, err error) {
	err = tx.QueryRow(ctx, "SELECT id, writer FROM audit_entry WHERE kind = 'opened' ORDER BY id DESC LIMIT 1").Scan(&id, &writer)
	return id, writer, err
}

// lastCheckpoint gives the newest checkpoint and the edge of its tree, as they stand; a
// size of 0: there is none.
func lastCheckpoint(ctx context.Context, tx *store.Tx) (size int64, hashes []byte, note string, err error) {
	err = tx.QueryRow(ctx, "SELECT size, hashes, note FROM audit_checkpoint ORDER BY size DESC LIMIT 1").
		Scan(&size, &hashes, &note)
	if fault.Is(err, fault.NotFound) {
		return 0, nil, "", nil
	}
	if err != nil {
		return 0, nil, "", fmt.Errorf("read the last checkpoint: %w", err)
	}
	return size, hashes, note, nil
}
