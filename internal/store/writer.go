package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"kakehashi/internal/fault"
)

// writer is the one connection that writes. It is driven below database/sql: statements
// stay prepared, and a statement in the middle of a transaction is not interrupted when
// its caller hangs up, since an interrupted write ends the whole transaction.
type writer struct {
	pool   *sql.DB
	turn   chan struct{} // holds one token: the right to use what follows
	conn   *sql.Conn     // nil: to be opened
	ready  map[string]prepared
	forms  map[string]forms // of statements, by their text
	limit  int64            // pages that the file may hold; 0: what the data source name says
	ending string           // COMMIT, but in tests
	closed bool
}

// prepared is what the driver's statements can do.
type prepared interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

func openWriter(path string, cfg Config) (*writer, error) {
	pragmas := []string{
		busyPragma(cfg.BusyTimeout), "journal_mode(wal)", "synchronous(full)", "foreign_keys(1)",
		// What a statement of several rows would need to take back half of them goes to a
		// temporary file otherwise.
		"temp_store(memory)",
		fmt.Sprintf("wal_autocheckpoint(%d)", checkpointPages),
		fmt.Sprintf("journal_size_limit(%d)", 4*checkpointPages*pageSize),
	}
	if cfg.MaxSize > 0 {
		pragmas = append(pragmas, fmt.Sprintf("max_page_count(%d)", pages(cfg.MaxSize)))
	}
	// Without immediate, a transaction that reads first and writes then fails at once
	// where another wrote in between, however long it was ready to wait.
	pool, err := sql.Open("sqlite", source(path, pragmas, "_txlock=immediate"))
	if err != nil {
		return nil, fmt.Errorf("open the writer: %w", classify(err))
	}
	pool.SetMaxOpenConns(1)
	pool.SetMaxIdleConns(1)
	w := &writer{pool: pool, turn: make(chan struct{}, 1), ready: map[string]prepared{}, forms: map[string]forms{}, ending: "COMMIT"}
	w.turn <- struct{}{}
	return w, nil
}

// take waits for the turn to write. Every take that succeeds is followed by giveBack.
func (w *writer) take(ctx context.Context) error {
	select {
	case <-w.turn:
	case <-ctx.Done():
		return fmt.Errorf("wait for the turn to write: %w", classify(ctx.Err()))
	}
	if err := w.connect(ctx); err != nil {
		w.giveBack()
		return err
	}
	return nil
}

func (w *writer) connect(ctx context.Context) error {
	switch {
	case w.closed:
		return fault.New(fault.Unavailable, "the database is closed").WithReason("closed")
	case w.conn != nil:
		return nil
	}
	conn, err := w.pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect to write: %w", classify(err))
	}
	w.conn = conn
	return w.applyLimit(ctx)
}

// applyLimit sets how many pages the file may hold, which is a property of the connection.
func (w *writer) applyLimit(ctx context.Context) error {
	if w.limit == 0 {
		return nil
	}
	if _, err := w.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", w.limit)); err != nil {
		return fmt.Errorf("limit the database: %w", errors.Join(classify(err), w.drop()))
	}
	return nil
}

func (w *writer) giveBack() { w.turn <- struct{}{} }

// drop closes the connection after a failure that leaves its state unknown; the next
// take opens another.
func (w *writer) drop() error {
	if w.conn == nil {
		return nil
	}
	var errs []error
	for _, s := range w.ready {
		errs = append(errs, s.Close())
	}
	clear(w.ready)
	// ErrBadConn tells the pool not to keep the connection.
	if err := w.conn.Raw(func(any) error { return driver.ErrBadConn }); !errors.Is(err, driver.ErrBadConn) {
		errs = append(errs, err)
	}
	if err := w.conn.Close(); !errors.Is(err, sql.ErrConnDone) && !errors.Is(err, driver.ErrBadConn) {
		errs = append(errs, err)
	}
	w.conn = nil
	return errors.Join(errs...)
}

func (w *writer) close() error {
	<-w.turn // whoever is writing finishes first
	defer w.giveBack()
	w.closed = true
	return errors.Join(w.drop(), w.pool.Close())
}

// prepare gives the statement of the text, prepared at its first use.
func (w *writer) prepare(ctx context.Context, raw any, query string) (prepared, error) {
	if s, ok := w.ready[query]; ok {
		return s, nil
	}
	preparer, ok := raw.(driver.ConnPrepareContext)
	if !ok {
		return nil, fault.New(fault.Internal, "the driver cannot prepare statements")
	}
	stmt, err := preparer.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s, ok := stmt.(prepared)
	if !ok {
		return nil, errors.Join(fault.New(fault.Internal, "the driver cannot run prepared statements"), stmt.Close())
	}
	w.ready[query] = s
	return s, nil
}

// bulk runs one statement for each row of arguments and gives how many rows it changed.
func (w *writer) bulk(ctx context.Context, query string, rows [][]any) (changed int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	ctx = context.WithoutCancel(ctx)
	form := w.form(query)
	err = w.conn.Raw(func(raw any) error {
		if form.several != "" {
			n, err := w.each(ctx, raw, form.several, together, rows)
			changed += n
			if err != nil {
				return err
			}
			rows = rows[len(rows)/together*together:]
		}
		n, err := w.each(ctx, raw, form.one, 1, rows)
		changed += n
		return err
	})
	return changed, err
}

// each runs a statement for as many rows at a time as it takes, and leaves what is over.
func (w *writer) each(ctx context.Context, raw any, query string, take int, rows [][]any) (changed int64, err error) {
	if len(rows) < take {
		return 0, nil
	}
	stmt, err := w.prepare(ctx, raw, query)
	if err != nil {
		return 0, err
	}
	var args []driver.NamedValue
	for ; len(rows) >= take; rows = rows[take:] {
		args = args[:0]
		for _, row := range rows[:take] {
			if args, err = named(args, row); err != nil {
				return changed, err
			}
		}
		result, err := stmt.ExecContext(ctx, args)
		if err != nil {
			return changed, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return changed, err
		}
		changed += n
	}
	return changed, nil
}

// number runs a query for one number, by a statement that stays prepared.
func (w *writer) number(ctx context.Context, query string, args []any) (n int64, err error) {
	bound, err := named(nil, args)
	if err != nil {
		return 0, err
	}
	ctx = context.WithoutCancel(ctx)
	err = w.conn.Raw(func(raw any) (err error) {
		stmt, err := w.prepare(ctx, raw, query)
		if err != nil {
			return err
		}
		rows, err := stmt.QueryContext(ctx, bound)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		row := make([]driver.Value, 1)
		if err := rows.Next(row); err != nil {
			return err
		}
		var ok bool
		if n, ok = row[0].(int64); !ok {
			return fault.New(fault.Internal, "a number was asked for and something else found")
		}
		return nil
	})
	return n, err
}

// forms are the texts in which a statement is executed.
type forms struct {
	one     string
	several string // for together rows of arguments; empty: there is none
}

func (w *writer) form(query string) forms {
	f, known := w.forms[query]
	if !known {
		f = forms{one: widen(query, 1), several: widen(query, together)}
		if f.one == "" {
			f.one = query
		}
		w.forms[query] = f
	}
	return f
}

func named(into []driver.NamedValue, row []any) ([]driver.NamedValue, error) {
	for i, arg := range row {
		v, err := value(arg)
		if err != nil {
			return nil, fault.New(fault.Internal, "argument %d has a type that the database does not know", i+1)
		}
		into = append(into, driver.NamedValue{Ordinal: len(into) + 1, Value: v})
	}
	return into, nil
}
