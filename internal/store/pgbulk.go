package store

import (
	"context"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// severalPG runs the statement once for each row of arguments, in one round trip.
func (tx *Tx) severalPG(ctx context.Context, query string, rows [][]any) (changed int64, err error) {
	w, err := tx.wide(ctx, query)
	if err != nil {
		return 0, tx.settle(ctx, err)
	}
	if columns, ok := w.columns(rows); ok {
		tag, err := tx.pg.conn.Exec(ctx, w.query, columns...)
		return tag.RowsAffected(), tx.settle(ctx, err)
	}
	var b pgx.Batch
	for _, row := range rows {
		b.Queue(query, row...)
	}
	results := tx.pg.conn.SendBatch(ctx, &b)
	for range rows {
		tag, failed := results.Exec()
		if err = failed; err != nil {
			break
		}
		changed += tag.RowsAffected()
	}
	if closing := results.Close(); err == nil {
		err = closing
	}
	return changed, tx.settle(ctx, err)
}

// wide is an INSERT that takes any number of rows, column by column.
type wide struct {
	query string // empty: there is none
	types []uint32
}

// wide gives the wide form of a statement. What types its columns have is asked of the
// server, once.
func (tx *Tx) wide(ctx context.Context, query string) (wide, error) {
	c := tx.pg.c
	if known, ok := c.wides.Load(query); ok {
		w, _ := known.(wide)
		return w, nil
	}
	var w wide
	if head, columns, tail := splitInsert(query); columns > 0 {
		told, err := tx.pg.conn.Conn().PgConn().Prepare(ctx, "", query, nil)
		if err != nil {
			return w, err
		}
		w = widePG(head, tail, told.ParamOIDs)
	}
	c.wides.Store(query, w)
	return w, nil
}

// splitInsert takes an INSERT apart whose VALUES are the arguments of a single row in
// their order, followed by nothing or by a conflict that is passed over. It gives no
// columns for any other statement.
func splitInsert(query string) (head string, columns int, tail string) {
	head, rest, ok := strings.Cut(query, "VALUES (")
	row, tail, closed := strings.Cut(rest, ")")
	tail = strings.TrimSpace(tail)
	if !ok || !closed || !strings.HasPrefix(strings.TrimSpace(head), "INSERT") {
		return "", 0, ""
	}
	if tail != "" && (!strings.HasPrefix(tail, "ON CONFLICT") || !strings.HasSuffix(tail, "DO NOTHING")) {
		return "", 0, ""
	}
	names := strings.Split(row, ",")
	for i, c := range names {
		if strings.TrimSpace(c) != "$"+strconv.Itoa(i+1) {
			return "", 0, ""
		}
	}
	return head, len(names), tail
}

func widePG(head, tail string, types []uint32) wide {
	arrays := make([]string, len(types))
	for i, oid := range types {
		name := map[uint32]string{pgtype.Int8OID: "int8", pgtype.TextOID: "text", pgtype.ByteaOID: "bytea"}[oid]
		if name == "" {
			return wide{}
		}
		arrays[i] = "$" + strconv.Itoa(i+1) + "::" + name + "[]"
	}
	return wide{query: strings.TrimSpace(head + "SELECT * FROM unnest(" + strings.Join(arrays, ", ") + ") " + tail), types: types}
}

// columns turns rows into columns; false where an argument is not of its column's type.
func (w wide) columns(rows [][]any) ([]any, bool) {
	if w.query == "" {
		return nil, false
	}
	columns := make([]any, len(w.types))
	for i, oid := range w.types {
		var ok bool
		switch oid {
		case pgtype.Int8OID:
			columns[i], ok = column(rows, i, func(n integer) int64 { return int64(n) })
		case pgtype.TextOID:
			columns[i], ok = column(rows, i, func(s string) string { return s })
		default:
			columns[i], ok = bytesColumn(rows, i)
		}
		if !ok {
			return nil, false
		}
	}
	return columns, true
}

// column gives one column of the rows. One without NULL is a plain slice, which the driver
// writes fastest.
func column[A, T any](rows [][]any, i int, as func(A) T) (any, bool) {
	list := make([]T, len(rows))
	var gaps []bool
	for n, row := range rows {
		if len(row) <= i {
			return nil, false
		}
		switch v := row[i].(type) {
		case nil:
			if gaps == nil {
				gaps = make([]bool, len(rows))
			}
			gaps[n] = true
		case A:
			list[n] = as(v)
		default:
			return nil, false
		}
	}
	if gaps == nil {
		return list, true
	}
	pointers := make([]*T, len(rows))
	for n := range list {
		if !gaps[n] {
			pointers[n] = &list[n]
		}
	}
	return pointers, true
}

func bytesColumn(rows [][]any, i int) (any, bool) {
	list := make([][]byte, len(rows))
	for n, row := range rows {
		if len(row) <= i {
			return nil, false
		}
		switch v := row[i].(type) {
		case []byte:
			list[n] = v
		case nil:
		default:
			return nil, false
		}
	}
	return list, true
}
