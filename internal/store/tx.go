package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kakehashi/internal/fault"
)

// Tx is a transaction of WithTx, or a snapshot of Read. It is used by one goroutine, and
// not after the function it was given to has returned.
type Tx struct {
	w      *writer   // nil: a snapshot
	read   *sql.Tx   // nil: a transaction
	conn   *sql.Conn // of a snapshot
	pg     *pgTx     // nil: SQLite
	failed error     // the first failure after which the transaction cannot go on
	done   []func(committed bool)
}

// inTx marks the context of a transaction.
type inTx struct{}

// InTx tells whether ctx belongs to a transaction of WithTx: whoever would wait there
// for the writer would wait for ever.
func InTx(ctx context.Context) bool { return ctx.Value(inTx{}) != nil }

// urgent marks the context of a transaction that must not wait behind others.
type urgent struct{}

// Urgent marks a context: a transaction begun with it has a connection to write that no other
// can take. It is for the few short ones that wait for no lock and on which all else depends,
// as the record's own. On SQLite there is one turn to write, and it changes nothing.
func Urgent(ctx context.Context) context.Context { return context.WithValue(ctx, urgent{}, true) }

// WithTx runs f once, in a transaction: nil commits, an error takes everything back and
// is returned. It waits for its turn to write, on PostgreSQL for a connection, as long as
// ctx lives; once f has returned nil, the transaction is committed whatever becomes of ctx.
//
// On SQLite one transaction writes at a time. On PostgreSQL any number do, at READ
// COMMITTED, in this process and in others: what must not happen at the same time is kept
// apart by rows that are locked, by unique keys, or by Tx.Lock. Whoever was chosen to give
// way is told Unavailable, reason busy.
//
// An error of kind Unsure means that the transaction may have been committed; with every
// other nothing happened. Inside a transaction it is Internal: the inner one would wait
// for ever. The context that f receives is the one to use in it.
func WithTx(ctx context.Context, db *DB, f func(context.Context, *Tx) error) error {
	if InTx(ctx) {
		return fault.New(fault.Internal, "a transaction was begun inside a transaction").WithReason("nested")
	}
	if db.writer == nil && (db.pg == nil || db.pg.readOnly) {
		return fault.New(fault.Internal, "the database was opened for reading alone")
	}
	if db.pg != nil {
		return withTxPG(ctx, db.pg, f)
	}
	w := db.writer
	if err := w.take(ctx); err != nil {
		return err
	}
	defer w.giveBack()
	tx := &Tx{w: w}
	if _, err := w.bulk(ctx, "BEGIN IMMEDIATE", once); err != nil {
		return errors.Join(fmt.Errorf("begin: %w", classify(err)), w.drop())
	}
	open := true
	defer func() {
		if open { // f panicked
			_ = tx.end(false, w.drop()) // the panic goes on and says more
		}
	}()
	err := f(context.WithValue(ctx, inTx{}, true), tx)
	open = false
	if err == nil {
		err = tx.failed
	}
	if err != nil {
		return tx.end(false, tx.rollback(ctx), err)
	}
	return tx.commit(ctx)
}

// end tells those who wait for it how the transaction ended.
func (tx *Tx) end(committed bool, errs ...error) error {
	for _, f := range tx.done {
		f(committed)
	}
	return errors.Join(errs...)
}

func (tx *Tx) rollback(ctx context.Context) error {
	if _, err := tx.w.bulk(context.WithoutCancel(ctx), "ROLLBACK", once); err != nil {
		// SQLite has rolled back by itself, or the connection is of no more use.
		return tx.w.drop()
	}
	return nil
}

func (tx *Tx) commit(ctx context.Context) error {
	_, err := tx.w.bulk(context.WithoutCancel(ctx), tx.w.ending, once)
	if err == nil {
		return tx.end(true)
	}
	meant := fmt.Errorf("commit: %w", classify(err))
	if maybeCommitted(err) {
		meant = fault.New(fault.Unsure, "commit: %w", classify(err)).WithCode("KKH3209").WithReason("commit")
	}
	return tx.end(false, meant, tx.rollback(ctx))
}

// once is the argument of a statement that is executed once, without arguments.
var once = [][]any{nil}

// Exec runs one statement, in one round trip, and gives how many rows it changed. A rule of
// the schema that forbids it is a Conflict. On SQLite the transaction goes on after it; on
// PostgreSQL, as after any failure there, it has ended: every further statement gives the
// same error, and WithTx takes everything back. Who has to go on says ON CONFLICT DO NOTHING
// and looks at the number of rows.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	return tx.write(ctx, query, [][]any{args})
}

// Bulk runs one statement once for each row of arguments, in their order. On PostgreSQL it
// takes one round trip: an INSERT whose VALUES are the arguments alone, with or without ON
// CONFLICT DO NOTHING, becomes one statement for all rows.
func (tx *Tx) Bulk(ctx context.Context, query string, rows [][]any) error {
	_, err := tx.write(ctx, query, rows)
	return err
}

func (tx *Tx) write(ctx context.Context, query string, rows [][]any) (int64, error) {
	if tx.pg != nil {
		return tx.writePG(ctx, query, rows)
	}
	if tx.w == nil {
		return 0, fault.New(fault.Internal, "a snapshot was written to")
	}
	if tx.failed != nil {
		return 0, tx.failed
	}
	n, err := tx.w.bulk(ctx, query, rows)
	if err != nil && !mild(err) {
		tx.failed = classify(err)
	}
	return n, classify(err)
}

// Number runs, inside a transaction, a query for one number. Its statement stays prepared,
// so that a query that is part of every transaction costs little.
func (tx *Tx) Number(ctx context.Context, query string, args ...any) (int64, error) {
	if tx.pg != nil {
		return tx.numberPG(ctx, query, args)
	}
	if tx.w == nil {
		return 0, fault.New(fault.Internal, "a statement was to stay prepared on a snapshot")
	}
	if tx.failed != nil {
		return 0, tx.failed
	}
	n, err := tx.w.number(ctx, query, args)
	return n, classify(err)
}

// Query runs a query. The caller closes its rows before anything else is done with tx.
func (tx *Tx) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	if tx.failed != nil {
		return nil, tx.failed
	}
	if tx.pg != nil {
		return tx.queryPG(ctx, query, args)
	}
	values, err := valuesOf(args)
	if err != nil {
		return nil, err
	}
	var rows *sql.Rows
	if tx.read != nil {
		rows, err = tx.read.QueryContext(ctx, query, values...) //nolint:rowserrcheck // for who reads them
	} else {
		rows, err = tx.w.conn.QueryContext(ctx, query, values...) //nolint:rowserrcheck // for who reads them
	}
	if err != nil {
		return nil, classify(err)
	}
	return &Rows{rows: rows}, nil
}

// QueryRow runs a query for its first row.
func (tx *Tx) QueryRow(ctx context.Context, query string, args ...any) *Row {
	rows, err := tx.Query(ctx, query, args...)
	return &Row{rows: rows, err: err}
}

// Done has f told, once, whether the transaction was committed; false also where that is
// Unsure. It is told before the next transaction begins, and must not wait.
func (tx *Tx) Done(f func(committed bool)) { tx.done = append(tx.done, f) }

// Fail makes sure that the transaction is taken back, even where the function returns nil
// all the same: for work that must be done whole or not at all.
func (tx *Tx) Fail(err error) {
	if tx.failed == nil {
		tx.failed = err
	}
}

// Read runs f on a snapshot: all its queries see the database as it was at the first.
// It waits for one of the readers as long as ctx lives, never for the writer.
func Read(ctx context.Context, db *DB, f func(context.Context, *Tx) error) (err error) {
	if db.pg != nil {
		return readPG(ctx, db.pg, f)
	}
	conn, err := db.readers.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect to read: %w", classify(err))
	}
	defer func() {
		if over := conn.Close(); err == nil && over != nil {
			err = fmt.Errorf("end reading: %w", classify(over))
		}
	}()
	// Were ctx given here, its end would roll back beside a query that is running.
	snapshot, err := conn.BeginTx(context.WithoutCancel(ctx), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("begin to read: %w", classify(err))
	}
	defer func() {
		if over := snapshot.Rollback(); over != nil && err == nil && !errors.Is(over, sql.ErrTxDone) {
			err = fmt.Errorf("end reading: %w", classify(over))
		}
	}()
	return f(ctx, &Tx{read: snapshot, conn: conn})
}

// Query runs one query on a snapshot of its own. Its statement stays prepared, so the text
// must be one of a few that never change. The caller closes the rows; until then one of the
// readers is taken.
func Query(ctx context.Context, db *DB, query string, args ...any) (*Rows, error) {
	if db.pg != nil {
		return queryPG(ctx, db.pg, query, args)
	}
	stmt, err := db.prepare(ctx, query) //nolint:sqlclosecheck // closed with the readers
	if err != nil {
		return nil, fmt.Errorf("prepare a query: %w", classify(err))
	}
	values, err := valuesOf(args)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(ctx, values...) //nolint:rowserrcheck // for who reads them
	if err != nil {
		return nil, classify(err)
	}
	return &Rows{rows: rows}, nil
}

// prepare gives the readers' statement of the text. Who is first at a time when every
// reader is taken keeps the others waiting no longer than that.
func (db *DB) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if stmt := db.prepared[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := db.readers.PrepareContext(ctx, query) //nolint:sqlclosecheck // closed with the readers
	if err != nil {
		return nil, err
	}
	if db.prepared == nil {
		db.prepared = map[string]*sql.Stmt{}
	}
	db.prepared[query] = stmt
	return stmt, nil
}

func valuesOf(args []any) ([]any, error) {
	values := make([]any, len(args))
	for i, arg := range args {
		v, err := value(arg)
		if err != nil {
			return nil, fault.New(fault.Internal, "argument %d has a type that the database does not know", i+1)
		}
		values[i] = v
	}
	return values, nil
}

// Rows are the rows of a query.
type Rows struct {
	rows *sql.Rows
	pg   *pgRows // nil: SQLite
}

// Next goes to the next row; false after the last, and where Err says why not.
func (r *Rows) Next() bool {
	if r.pg != nil {
		return r.pg.next()
	}
	return r.rows.Next()
}

// Scan copies the columns of the row.
func (r *Rows) Scan(into ...any) error {
	if r.pg != nil {
		return r.pg.scan(into)
	}
	return classify(r.rows.Scan(into...))
}

// Err tells what ended the rows before the last; nil: nothing.
func (r *Rows) Err() error {
	if r.pg != nil {
		return r.pg.err()
	}
	return classify(r.rows.Err())
}

// Close ends the query. Closing twice is safe.
func (r *Rows) Close() error {
	if r.pg != nil {
		return r.pg.close()
	}
	return classify(r.rows.Close())
}

// Row is the first row of a query.
type Row struct {
	rows *Rows
	err  error
}

// Scan copies the columns of the row and ends the query. It is NotFound where there is
// no row.
func (r *Row) Scan(into ...any) (err error) {
	if r.err != nil {
		return r.err
	}
	defer func() {
		if closing := r.rows.Close(); err == nil {
			err = closing
		}
	}()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return classify(sql.ErrNoRows)
	}
	return r.rows.Scan(into...)
}
