package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"kakehashi/internal/fault"
)

// Cells are the rows of a query as the database keeps them: each cell an int64, float64,
// string, []byte or nil, whatever its column was declared to be. They are for reading
// millions of rows, and rows that a stranger may have written.
type Cells struct {
	Row  []driver.Value  // the row; valid until the next
	Live bool            // there is a row
	ctx  context.Context //nolint:containedctx // of the query whose rows these are; it ends with them
	stmt driver.Stmt
	rows driver.Rows
	read int
	pg   *cursor // nil: SQLite
}

// Cells runs a query on a snapshot and goes to its first row. Several may be open at once;
// each is closed before the snapshot ends.
func (tx *Tx) Cells(ctx context.Context, query string) (*Cells, error) {
	if tx.pg != nil && tx.pg.snapshot {
		return tx.cellsPG(ctx, query)
	}
	if tx.read == nil {
		return nil, fault.New(fault.Internal, "cells were read outside of a snapshot")
	}
	c := &Cells{ctx: ctx}
	// The driver would watch the context at every step; Next asks it now and then.
	deaf := context.WithoutCancel(ctx)
	err := tx.conn.Raw(func(raw any) (err error) {
		preparer, ok := raw.(driver.ConnPrepareContext)
		if !ok {
			return fault.New(fault.Internal, "the driver cannot prepare statements")
		}
		stmt, err := preparer.PrepareContext(deaf, query)
		if err != nil {
			return err // beside which the driver's statement is one of nothing
		}
		c.stmt = stmt
		s, ok := c.stmt.(driver.StmtQueryContext)
		if !ok {
			return fault.New(fault.Internal, "the driver cannot run prepared statements")
		}
		c.rows, err = s.QueryContext(deaf, nil)
		return err
	})
	if err != nil {
		return nil, errors.Join(classify(err), c.Close())
	}
	c.Row = make([]driver.Value, len(c.rows.Columns()))
	if err := c.Next(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Next goes to the next row; Live tells whether there is one.
func (c *Cells) Next() error {
	c.Live = false
	if c.pg != nil {
		return c.nextPG()
	}
	if c.read++; c.read%1024 == 0 && c.ctx.Err() != nil {
		return fmt.Errorf("read on: %w", classify(c.ctx.Err()))
	}
	err := c.rows.Next(c.Row)
	if errors.Is(err, io.EOF) {
		return nil
	}
	c.Live = err == nil
	return classify(err)
}

// Close ends the query. Closing twice is safe.
func (c *Cells) Close() error {
	if c.pg != nil {
		open := c.pg
		c.pg = nil
		return open.close(c.ctx)
	}
	var errs []error
	if c.rows != nil {
		errs = append(errs, c.rows.Close())
	}
	if c.stmt != nil {
		errs = append(errs, c.stmt.Close())
	}
	c.rows, c.stmt = nil, nil
	return classify(errors.Join(errs...))
}

func (tx *Tx) cellsPG(ctx context.Context, query string) (*Cells, error) {
	pg, err := tx.cursorPG(ctx, query)
	if err != nil {
		return nil, err
	}
	c := &Cells{ctx: ctx, pg: pg}
	if err := c.nextPG(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cells) nextPG() (err error) {
	c.Row, err = c.pg.next(c.ctx)
	c.Live = err == nil && c.Row != nil
	return err
}
