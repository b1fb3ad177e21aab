package store

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/jackc/pgx/v5/pgtype"

	"kakehashi/internal/fault"
)

// fetched is how many rows a cursor brings at a time.
const fetched = 2000

// cursor is a query of a snapshot that is read a piece at a time, so that several can be
// open on one connection.
type cursor struct {
	tx   *Tx
	name string
	rows [][]driver.Value // of this piece, from at
	at   int
	last bool // there is no other piece
}

func (tx *Tx) cursorPG(ctx context.Context, query string) (*cursor, error) {
	t := tx.pg
	if t.cursors == 0 { // whoever opens a cursor here reads it to its end
		if err := t.simple(ctx, tx, "SET LOCAL cursor_tuple_fraction = 1"); err != nil {
			return nil, err
		}
	}
	t.cursors++
	c := &cursor{tx: tx, name: "kakehashi_" + strconv.Itoa(t.cursors)}
	if err := t.simple(ctx, tx, "DECLARE "+c.name+" NO SCROLL CURSOR FOR "+query); err != nil {
		return nil, err
	}
	return c, nil
}

// simple executes a statement without arguments and without having it prepared.
func (t *pgTx) simple(ctx context.Context, tx *Tx, statement string) error {
	ctx, cancel := t.c.patience(ctx)
	defer cancel()
	_, err := t.conn.Conn().PgConn().Exec(ctx, statement).ReadAll()
	return tx.settle(ctx, err)
}

// next gives the next row; nil after the last.
func (c *cursor) next(ctx context.Context) ([]driver.Value, error) {
	if c.at == len(c.rows) && !c.last {
		if err := c.fetch(ctx); err != nil {
			return nil, err
		}
	}
	if c.at == len(c.rows) {
		return nil, nil
	}
	row := c.rows[c.at]
	c.at++
	return row, nil
}

// fetch brings the next piece, all cells in their binary form.
func (c *cursor) fetch(ctx context.Context) error {
	ctx, cancel := c.tx.pg.c.patience(ctx)
	defer cancel()
	c.rows, c.at = c.rows[:0], 0
	conn := c.tx.pg.conn.Conn().PgConn()
	result := conn.ExecParams(ctx, "FETCH "+strconv.Itoa(fetched)+" FROM "+c.name, nil, nil, nil, []int16{pgtype.BinaryFormatCode})
	var failed error
	for result.NextRow() {
		raw, fields := result.Values(), result.FieldDescriptions()
		row := make([]driver.Value, len(raw))
		for i, cell := range raw {
			if failed == nil {
				row[i], failed = cellOf(fields[i].DataTypeOID, cell)
			}
		}
		c.rows = append(c.rows, row)
	}
	_, err := result.Close()
	if err := c.tx.settle(ctx, err); err != nil {
		return err
	}
	c.last = len(c.rows) < fetched
	return failed
}

func (c *cursor) close(ctx context.Context) error {
	if c.tx.failed != nil || c.tx.pg.conn.Conn().IsClosed() {
		return nil //nolint:nilerr // it ended with the transaction, whose error is told already
	}
	return c.tx.pg.simple(context.WithoutCancel(ctx), c.tx, "CLOSE "+c.name)
}

// cellOf reads a cell from its binary form.
func cellOf(oid uint32, raw []byte) (driver.Value, error) {
	if raw == nil {
		return nil, nil //nolint:nilnil // NULL
	}
	switch {
	case oid == pgtype.Int8OID && len(raw) == 8:
		return int64(binary.BigEndian.Uint64(raw)), nil
	case oid == pgtype.Int4OID && len(raw) == 4:
		return int64(int32(binary.BigEndian.Uint32(raw))), nil
	case oid == pgtype.Int2OID && len(raw) == 2:
		return int64(int16(binary.BigEndian.Uint16(raw))), nil
	case oid == pgtype.BoolOID && len(raw) == 1:
		return int64(raw[0]), nil
	case oid == pgtype.Float8OID && len(raw) == 8:
		return math.Float64frombits(binary.BigEndian.Uint64(raw)), nil
	case oid == pgtype.ByteaOID:
		return append([]byte{}, raw...), nil
	case oid == pgtype.TextOID || oid == pgtype.VarcharOID || oid == pgtype.NameOID || oid == pgtype.UnknownOID:
		return string(raw), nil
	case oid == pgtype.NumericOID:
		var n pgtype.Int8
		if err := pgtype.NewMap().Scan(oid, pgtype.BinaryFormatCode, raw, &n); err == nil {
			return n.Int64, nil
		}
	}
	return nil, fault.New(fault.Internal, "a column has a type that cells are not read from: %s", fmt.Sprint(oid))
}
