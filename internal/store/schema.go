package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"

	"kakehashi/internal/fault"
)

// Object is a thing of the schema: a table, an index, a trigger or a view.
type Object struct {
	Kind  string // table, index, trigger, view; on PostgreSQL also constraint, rule, policy, function, sequence, operator, type
	Name  string
	Table string // the table that it is, or is on
	SQL   string // how it was made, without comments and with single spaces; empty: made by the database
}

// Schema gives the objects that the snapshot's database has, and those that it should
// have: what the migrations make of an empty database, up to the last that the snapshot's
// has seen.
func Schema(ctx context.Context, tx *Tx) (has, wants []Object, err error) {
	if tx.pg != nil && tx.pg.snapshot {
		return schemaPG(ctx, tx)
	}
	if tx.read == nil {
		return nil, nil, fault.New(fault.Internal, "the schema was read outside of a snapshot")
	}
	if has, err = objects(ctx, tx.conn.QueryContext); err != nil {
		return nil, nil, err
	}
	version, err := schemaVersion(ctx, tx.conn)
	if err != nil {
		return nil, nil, err
	}
	if wants, err = made(ctx, version); err != nil {
		return nil, nil, err
	}
	return has, wants, nil
}

// made gives the objects that the migrations make of an empty database.
func made(ctx context.Context, version int64) (wants []Object, err error) {
	if version < 1 {
		return nil, nil
	}
	err = inMemory(ctx, version, func(pool *sql.DB) (err error) {
		wants, err = objects(ctx, pool.QueryContext)
		return err
	})
	return wants, err
}

// inMemory runs f on an empty database that has seen the migrations up to a version.
func inMemory(ctx context.Context, version int64, f func(*sql.DB) error) (err error) {
	steps, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	pool, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return fmt.Errorf("make an empty database: %w", classify(err))
	}
	pool.SetMaxOpenConns(1) // each connection has a memory of its own
	defer func() { err = errors.Join(err, classify(pool.Close())) }()
	provider, err := goose.NewProvider(goose.DialectSQLite3, pool, steps, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if _, err := provider.UpTo(ctx, version); err != nil {
		return fmt.Errorf("migrate an empty database: %w", classify(err))
	}
	return f(pool)
}

// plain leaves comments and spacing out of a statement. No text of our schema holds what
// begins a comment; a text that another had put there would show by its quotes.
func plain(statement string) string {
	var words []string
	for line := range strings.Lines(statement) {
		code, _, _ := strings.Cut(line, "--")
		words = append(words, strings.Fields(code)...)
	}
	return strings.Join(words, " ")
}

func objects(ctx context.Context, query func(context.Context, string, ...any) (*sql.Rows, error)) (list []Object, err error) {
	rows, err := query(ctx, "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master ORDER BY type, name")
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", classify(err))
	}
	defer func() { err = errors.Join(err, classify(rows.Close())) }()
	for rows.Next() {
		var o Object
		if err := rows.Scan(&o.Kind, &o.Name, &o.Table, &o.SQL); err != nil {
			return nil, fmt.Errorf("read the schema: %w", classify(err))
		}
		o.SQL = plain(o.SQL)
		list = append(list, o)
	}
	return list, classify(rows.Err())
}
