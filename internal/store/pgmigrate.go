package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

)

// migratePG brings the schema up to date, creating it where there is none. Of several that
// start at once, one does it and the others wait.
func migratePG(ctx context.Context, cfg Config) (err error) {
	conn, err := cfg.connection(cfg.URL, cfg.PasswordFile)
	if err != nil {
		return err
	}
	conn.RuntimeParams["search_path"] = cfg.searchPath()
	conn.RuntimeParams["statement_timeout"] = "0"
	pool := stdlib.OpenDB(*conn)
	defer func() { err = errors.Join(err, pool.Close()) }()
	release, err := migrationLock(ctx, pool, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if _, err := pool.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{cfg.Schema}.Sanitize()); err != nil {
		return fmt.Errorf("create the schema: %w", classify(err))
	}
	steps, err := fs.Sub(pgMigrations, "migrations/postgres")
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	provider, err := goose.NewProvider(database.DialectPostgres, pool, steps, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the database: %w", classify(err))
	}
	if _, err := pool.ExecContext(ctx, "SELECT kakehashi_partitions()"); err != nil {
		return fmt.Errorf("make the partitions: %w", classify(err))
	}
	return nil
}

// migrationLock waits, at most a few minutes, for the right to change the schema.
func migrationLock(ctx context.Context, pool *sql.DB, cfg Config) (release func() error, err error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", classify(err))
	}
	waiting, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if _, err = conn.ExecContext(waiting, "SET lock_timeout = 0"); err == nil {
		_, err = conn.ExecContext(waiting, "SELECT pg_advisory_lock($1, $2)", hash32(cfg.Schema), hash32("migrate"))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("wait for another that migrates: %w", classify(err)), conn.Close())
	}
	return func() error {
		// The lock is the session's, which ends with the connection at the latest.
		_, err := conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1, $2)", hash32(cfg.Schema), hash32("migrate"))
		return errors.Join(classify(err), conn.Close())
	}, nil
}

