package store

import (
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// pgRows are the rows of a query on PostgreSQL.
type pgRows struct {
	rows   pgx.Rows
	peeked bool // Next was called already, and gave first
	first  bool
	closed bool
	settle func(error) error
	end    func() // gives back what the query used
}

func (r *pgRows) next() bool {
	if r.peeked {
		r.peeked = false
		return r.first
	}
	return r.rows.Next()
}

// scan copies the columns. Where a number stands for yes or no it is read as SQLite's
// driver does.
func (r *pgRows) scan(into []any) error {
	fields := r.rows.FieldDescriptions()
	for i, to := range into {
		if i >= len(fields) {
			break
		}
		switch to := to.(type) {
		case *bool:
			if fields[i].DataTypeOID != pgtype.BoolOID {
				into[i] = (*flag)(to)
			}
		case *int64:
			if fields[i].DataTypeOID == pgtype.BoolOID {
				into[i] = (*count)(to)
			}
		}
	}
	return r.settle(r.rows.Scan(into...))
}

func (r *pgRows) err() error { return r.settle(r.rows.Err()) }

func (r *pgRows) close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	r.rows.Close()
	err := r.settle(r.rows.Err())
	r.end()
	return err
}

// flag reads a number as yes or no.
type flag bool

// ScanInt64 takes the number.
func (f *flag) ScanInt64(n pgtype.Int8) error {
	*f = flag(n.Int64 != 0)
	return nil
}

// count reads yes or no as a number.
type count int64

// ScanBool takes yes or no.
func (c *count) ScanBool(b pgtype.Bool) error {
	*c = 0
	if b.Bool {
		*c = 1
	}
	return nil
}
