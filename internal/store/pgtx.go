package store

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"kakehashi/internal/fault"
)

// pgTx is a transaction or a snapshot on PostgreSQL.
type pgTx struct {
	c        *cluster
	conn     *pgxpool.Conn
	snapshot bool
	doubtful bool // a statement on the connection was cut off
	cursors  int  // how many were opened
}

// withTxPG is WithTx on PostgreSQL. Any number run at the same time, at READ COMMITTED.
func withTxPG(ctx context.Context, c *cluster, f func(context.Context, *Tx) error) error {
	release, err := c.takeToWrite(ctx)
	if err != nil {
		return err
	}
	defer release()
	conn, err := c.acquire(ctx, c.begin("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"))
	if err != nil {
		return err
	}
	tx := &Tx{pg: &pgTx{c: c, conn: conn}}
	open := true
	defer func() {
		if open { // f panicked
			discardConn(ctx, conn)
			_ = tx.end(false) // the panic goes on and says more
		}
	}()
	err = f(context.WithValue(ctx, inTx{}, true), tx)
	open = false
	if err == nil {
		err = tx.failed
	}
	if err != nil {
		tx.pg.rollback(ctx)
		return tx.end(false, err)
	}
	err = tx.pg.commit(ctx)
	return tx.end(err == nil, err)
}

// begin gives the statement that begins, with the session's settings where a pooler gives
// each transaction another session.
func (c *cluster) begin(statement string) string {
	if !c.cfg.Pooler {
		return statement
	}
	var b strings.Builder
	b.WriteString(statement)
	for name, value := range c.cfg.session() {
		if name == "search_path" {
			b.WriteString("; SET LOCAL search_path = " + value)
		} else {
			b.WriteString("; SET LOCAL " + name + " = '" + value + "'")
		}
	}
	return b.String()
}

// rollback takes everything back. Where that fails the connection is closed, by which the
// server takes it back.
func (t *pgTx) rollback(ctx context.Context) {
	if t.doubtful || t.conn.Conn().IsClosed() {
		discardConn(ctx, t.conn)
		return
	}
	ctx, cancel := t.c.detached(ctx)
	defer cancel()
	if _, err := t.conn.Exec(ctx, "ROLLBACK"); err != nil {
		discardConn(ctx, t.conn)
		return
	}
	t.conn.Release()
}

func (t *pgTx) commit(ctx context.Context) error {
	if t.conn.Conn().IsClosed() {
		discardConn(ctx, t.conn)
		return fmt.Errorf("commit: %w", unreachable())
	}
	ctx, cancel := t.c.detached(ctx)
	defer cancel()
	tag, err := t.conn.Exec(ctx, "COMMIT")
	if err == nil {
		t.conn.Release()
		if tag.String() != "COMMIT" {
			return fault.New(fault.Unavailable, "commit: the transaction had failed, and nothing of it was kept")
		}
		return nil
	}
	meant := t.meaning(ctx, err)
	discardConn(ctx, t.conn)
	if surelyNot(err) {
		return fmt.Errorf("commit: %w", meant)
	}
	return fault.New(fault.Unsure, "commit: %w", meant).WithCode("KKH3209").WithReason("commit")
}

// surelyNot tells whether a COMMIT that failed in this way has certainly not taken effect:
// the server refused it and lives on. One that dies says so of its sessions too, whatever
// has become of what they were at. The driver is not asked: where the reply is lost it
// says that nothing was sent.
func surelyNot(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Severity == "ERROR" || e.SeverityUnlocalized == "ERROR")
}

// meaning gives a statement's error its meaning.
func (t *pgTx) meaning(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		t.doubtful = true
		err = context.Cause(ctx)
	}
	meant := classifyQuiet(err)
	if fault.Is(meant, fault.Internal) && t.conn.Conn().IsClosed() {
		return unreachable()
	}
	return meant
}

// settle is meaning inside a transaction: where the server has ended it, tx is told.
func (tx *Tx) settle(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	meant := tx.pg.meaning(ctx, err)
	conn := tx.pg.conn.Conn()
	if tx.failed == nil && (tx.pg.doubtful || conn.IsClosed() || conn.PgConn().TxStatus() != 'T') {
		tx.failed = meant
	}
	return meant
}

func (tx *Tx) writePG(ctx context.Context, query string, rows [][]any) (n int64, err error) {
	switch {
	case tx.pg.snapshot:
		return 0, fault.New(fault.Internal, "a snapshot was written to")
	case tx.failed != nil:
		return 0, tx.failed
	case len(rows) == 0:
		return 0, nil
	}
	args := make([][]any, len(rows))
	for i, row := range rows {
		if args[i], err = pgArgs(row); err != nil {
			return 0, err
		}
	}
	ctx, cancel := tx.pg.c.patience(ctx)
	defer cancel()
	if len(rows) == 1 {
		tag, err := tx.pg.conn.Exec(ctx, query, args[0]...)
		return tag.RowsAffected(), tx.settle(ctx, err)
	}
	return tx.severalPG(ctx, query, args)
}

func (tx *Tx) numberPG(ctx context.Context, query string, args []any) (n int64, err error) {
	if tx.pg.snapshot {
		return 0, fault.New(fault.Internal, "a statement was to stay prepared on a snapshot")
	}
	if tx.failed != nil {
		return 0, tx.failed
	}
	values, err := pgArgs(args)
	if err != nil {
		return 0, err
	}
	ctx, cancel := tx.pg.c.patience(ctx)
	defer cancel()
	err = tx.pg.conn.QueryRow(ctx, query, values...).Scan(&n)
	return n, tx.settle(ctx, err)
}

func (tx *Tx) queryPG(ctx context.Context, query string, args []any) (*Rows, error) {
	values, err := pgArgs(args)
	if err != nil {
		return nil, err
	}
	ctx, cancel := tx.pg.c.patience(ctx)
	rows, err := tx.pg.conn.Query(ctx, query, values...)
	if err != nil {
		defer cancel()
		return nil, tx.settle(ctx, err)
	}
	return &Rows{pg: &pgRows{rows: rows, settle: func(err error) error { return tx.settle(ctx, err) }, end: cancel}}, nil
}

// readPG is Read on PostgreSQL.
func readPG(ctx context.Context, c *cluster, f func(context.Context, *Tx) error) error {
	release, err := c.readers.take(ctx, c)
	if err != nil {
		return err
	}
	defer release()
	conn, err := c.acquire(ctx, c.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"))
	if err != nil {
		return err
	}
	tx := &Tx{pg: &pgTx{c: c, conn: conn, snapshot: true}}
	open := true
	defer func() {
		if open { // f panicked
			discardConn(ctx, conn)
		}
	}()
	err = f(ctx, tx)
	open = false
	tx.pg.rollback(ctx)
	return err
}

// queryPG is Query on PostgreSQL: one statement, which is a snapshot by itself.
func queryPG(ctx context.Context, c *cluster, query string, args []any) (*Rows, error) {
	values, err := pgArgs(args)
	if err != nil {
		return nil, err
	}
	release, err := c.readers.take(ctx, c)
	if err != nil {
		return nil, err
	}
	rows, err := c.query(ctx, query, values, release)
	if err != nil {
		release()
		return nil, err
	}
	return rows, nil
}

func (c *cluster) query(ctx context.Context, query string, values []any, release func()) (*Rows, error) {
	var begin []string
	if c.cfg.Pooler {
		begin = []string{c.begin("BEGIN READ ONLY")}
	}
	for again := true; ; again = false {
		conn, err := c.acquire(ctx, begin...)
		if err != nil {
			return nil, err
		}
		within, cancel := c.patience(ctx)
		t := &pgTx{c: c, conn: conn, snapshot: c.cfg.Pooler}
		end := func() {
			cancel()
			t.giveBack(ctx)
		}
		rows, err := conn.Query(within, query, values...)
		first := err == nil && rows.Next()
		if err == nil && !first {
			err = rows.Err()
		}
		if err == nil {
			return &Rows{pg: &pgRows{rows: rows, peeked: true, first: first, settle: t.judge(within), end: func() {
				end()
				release()
			}}}, nil
		}
		meant, lost := t.meaning(within, err), conn.Conn().IsClosed()
		end()
		if !again || !lost || ctx.Err() != nil {
			return nil, meant
		}
		c.pool.Reset()
	}
}

// judge is meaning outside of a transaction.
func (t *pgTx) judge(ctx context.Context) func(error) error {
	return func(err error) error {
		if err == nil {
			return nil
		}
		return t.meaning(ctx, err)
	}
}

// giveBack ends what a query outside of a transaction used.
func (t *pgTx) giveBack(ctx context.Context) {
	switch {
	case t.snapshot:
		t.rollback(ctx)
	case t.doubtful || t.conn.Conn().IsClosed():
		discardConn(ctx, t.conn)
	default:
		t.conn.Release()
	}
}

// lockPG takes a lock of the schema till the end of the transaction.
func (tx *Tx) lockPG(ctx context.Context, name string, wait bool) (taken bool, err error) {
	query := "SELECT pg_try_advisory_xact_lock($1, $2)"
	if wait {
		query = "SELECT pg_advisory_xact_lock($1, $2) IS NOT NULL"
	}
	ctx, cancel := tx.pg.c.patience(ctx)
	defer cancel()
	err = tx.pg.conn.QueryRow(ctx, query, hash32(tx.pg.c.cfg.Schema), hash32(name)).Scan(&taken)
	return taken, tx.settle(ctx, err)
}

func hash32(text string) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text)) // never fails
	return int32(h.Sum32())
}

// integer is a whole number for whatever type the statement has it as.
type integer int64

// Int64Value gives it to a column of numbers.
func (n integer) Int64Value() (pgtype.Int8, error) {
	return pgtype.Int8{Int64: int64(n), Valid: true}, nil
}

// TextValue gives it to a column of texts.
func (n integer) TextValue() (pgtype.Text, error) {
	return pgtype.Text{String: fmt.Sprint(int64(n)), Valid: true}, nil
}

// BoolValue gives it where yes or no is asked for: everything but 0 is yes.
func (n integer) BoolValue() (pgtype.Bool, error) { return pgtype.Bool{Bool: n != 0, Valid: true}, nil }

// unfitText tells whether PostgreSQL cannot hold a text.
func unfitText(text string) bool { return strings.IndexByte(text, 0) >= 0 || !utf8.ValidString(text) }

// pgArgs turns arguments into what PostgreSQL keeps: the same cells as on SQLite, and, on
// PostgreSQL alone, arrays of numbers, texts and bytes for statements that take many rows. A text
// that PostgreSQL cannot hold is Invalid; it was not sent, and the transaction goes on.
func pgArgs(args []any) ([]any, error) {
	values := make([]any, len(args))
	for i, arg := range args {
		switch arg := arg.(type) {
		case []int64, [][]byte:
			values[i] = arg
			continue
		case []string:
			if slices.ContainsFunc(arg, unfitText) {
				return nil, fault.New(fault.Invalid, "argument %d has a text that the database cannot hold", i+1).WithReason("text")
			}
			values[i] = arg
			continue
		}
		v, err := value(arg)
		if err != nil {
			return nil, fault.New(fault.Internal, "argument %d has a type that the database does not know", i+1)
		}
		switch v := v.(type) {
		case int64:
			values[i] = integer(v)
		case bool:
			values[i] = integer(0)
			if v {
				values[i] = integer(1)
			}
		case string:
			if unfitText(v) {
				return nil, fault.New(fault.Invalid, "argument %d is a text that the database cannot hold", i+1).WithReason("text")
			}
			values[i] = v
		default:
			values[i] = v
		}
	}
	return values, nil
}
