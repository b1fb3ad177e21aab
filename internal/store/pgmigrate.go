package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"kakehashi/internal/fault"
)

// marker says that a schema is ours, as applicationID does of a file.
const marker = "KKHS"

// Migrate brings the schema up to date for the command of that name, creating it where
// there is none, and tells from which version to which. On PostgreSQL it connects as the
// owner, gives the gateway's role and the auditor's exactly the rights that they need, and
// makes the coming months' partitions. Doing it twice is safe.
func Migrate(ctx context.Context, cfg Config) (from, to int64, err error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return 0, 0, err
	}
	if cfg.Engine() == Postgres {
		return migratePG(ctx, cfg)
	}
	if from, err = versionOf(ctx, cfg); err != nil {
		return 0, 0, err
	}
	db, err := Open(ctx, cfg)
	if err != nil {
		return 0, 0, err
	}
	to, err = schemaVersion(ctx, db.readers)
	return from, to, errors.Join(err, db.Close())
}

// versionOf gives the version of an SQLite database; 0 where there is none.
func versionOf(ctx context.Context, cfg Config) (int64, error) {
	db, err := OpenReadOnly(ctx, cfg)
	if fault.Is(err, fault.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	version, err := schemaVersion(ctx, db.readers)
	return version, errors.Join(err, db.Close())
}

// migratePG is Migrate on PostgreSQL. Of several that come at once, one does it and the
// others wait, and find it done.
func migratePG(ctx context.Context, cfg Config) (from, to int64, err error) {
	pool, err := ownerPool(cfg)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, classify(pool.Close())) }()
	release, err := migrationLock(ctx, pool, cfg)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, release()) }()
	state, err := inspectPG(ctx, pool, cfg)
	if err != nil {
		return 0, 0, err
	}
	if !state.marked {
		if err := markPG(ctx, pool, cfg, state.exists); err != nil {
			return 0, 0, err
		}
	}
	if to, err = upPG(ctx, pool); err != nil {
		return 0, 0, fmt.Errorf("migrate the database from version %d: %w", state.version, err)
	}
	if err := grantAll(ctx, pool, cfg); err != nil {
		return 0, 0, err
	}
	if _, err := pool.ExecContext(ctx, "SELECT kakehashi_partitions()"); err != nil {
		return 0, 0, fmt.Errorf("make the partitions: %w", classify(err))
	}
	return state.version, to, nil
}

// ownerPool connects as the owner of the tables. A step may take as long as it needs.
func ownerPool(cfg Config) (*sql.DB, error) {
	owner := cfg.Owner()
	conn, err := owner.connection(owner.URL, owner.PasswordFile)
	if err != nil {
		return nil, err
	}
	conn.RuntimeParams["statement_timeout"] = "0"
	conn.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	return stdlib.OpenDB(*conn), nil
}

// upPG runs the migrations that are due.
func upPG(ctx context.Context, pool *sql.DB) (version int64, err error) {
	steps, err := fs.Sub(pgMigrations, "migrations/postgres")
	if err != nil {
		return 0, fmt.Errorf("read the migrations: %w", err)
	}
	provider, err := goose.NewProvider(database.DialectPostgres, pool, steps, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return 0, fmt.Errorf("read the migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return 0, classify(err)
	}
	version, err = provider.GetDBVersion(ctx)
	return version, classify(err)
}

// markPG makes the schema and says that it is ours, both or neither.
func markPG(ctx context.Context, pool *sql.DB, cfg Config, exists bool) error {
	statements := []string{
		`CREATE TABLE kakehashi (marker TEXT COLLATE "C" NOT NULL PRIMARY KEY, made_at TEXT COLLATE "C" NOT NULL)`,
		"INSERT INTO kakehashi (marker, made_at) VALUES ('" + marker + "', '" + time.Now().UTC().Format(timeForm) + "')",
	}
	if !exists { // asking for it where it is needs a right that its owner may not have
		statements = append([]string{"CREATE SCHEMA " + pgx.Identifier{cfg.Schema}.Sanitize()}, statements...)
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("make the schema: %w", classify(err))
	}
	for _, s := range statements {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return errors.Join(fmt.Errorf("make the schema: %w", classify(err)), classify(tx.Rollback()))
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("make the schema: %w", classify(err))
	}
	return nil
}

// migrationLock waits, at most a few minutes, for the right to change the schema. It is
// the session's, so it ends with the program at the latest.
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
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		_, err := conn.ExecContext(ending, "SELECT pg_advisory_unlock($1, $2)", hash32(cfg.Schema), hash32("migrate"))
		return errors.Join(classify(err), conn.Close())
	}, nil
}

// pgState is what stands in a schema before anything is done to it.
type pgState struct {
	exists  bool
	marked  bool  // it is ours
	version int64 // of the last migration that it has seen; 0: none
	may     bool  // the role that asked may change the schema
}

// inspectPG identifies a schema without changing it. It refuses a server that is too old,
// a database that cannot hold every text, and a schema that is somebody else's or that a
// newer version has migrated.
func inspectPG(ctx context.Context, pool *sql.DB, cfg Config) (s pgState, err error) {
	var server int
	var encoding string
	var versioned bool
	var objects int64
	err = pool.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
		to_regnamespace($1) IS NOT NULL,
		(SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace($1)),
		to_regclass($1 || '.kakehashi') IS NOT NULL, to_regclass($1 || '.goose_db_version') IS NOT NULL,
		CASE WHEN to_regclass($1 || '.kakehashi') IS NOT NULL THEN pg_has_role((SELECT relowner FROM pg_catalog.pg_class WHERE oid = to_regclass($1 || '.kakehashi')), 'USAGE')
			WHEN to_regnamespace($1) IS NOT NULL THEN has_schema_privilege($1, 'CREATE')
			ELSE has_database_privilege(current_database(), 'CREATE') END`, cfg.Schema).
		Scan(&server, &encoding, &s.exists, &objects, &s.marked, &versioned, &s.may)
	switch {
	case err != nil:
		return s, fmt.Errorf("read whose the database is: %w", classify(err))
	case server < 140000:
		return s, fault.New(fault.Conflict, "the server is of version %d, and 14 is needed at least", server/10000).
			WithCode("KKH3225").WithReason("old_server")
	case !strings.EqualFold(encoding, "UTF8"):
		return s, fault.New(fault.Conflict, "the database's encoding is not UTF8").WithCode("KKH3225").WithReason("encoding")
	case !s.marked && objects > 0:
		return s, foreignSchema()
	case !s.marked:
		return s, nil
	}
	return s, s.readVersion(ctx, pool, cfg.Schema, versioned)
}

func (s *pgState) readVersion(ctx context.Context, pool *sql.DB, schema string, versioned bool) error {
	var ours bool
	if err := pool.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+schema+".kakehashi WHERE marker = '"+marker+"')").Scan(&ours); err != nil {
		return fmt.Errorf("read whose the database is: %w", classify(err))
	}
	if !ours {
		return foreignSchema()
	}
	if !versioned {
		return nil
	}
	err := pool.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM "+schema+".goose_db_version WHERE is_applied").Scan(&s.version)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", classify(err))
	}
	newest, err := newestVersion(Postgres)
	if err != nil {
		return err
	}
	if s.version > newest {
		return tooNew(s.version, newest)
	}
	return nil
}

func foreignSchema() error {
	return fault.New(fault.Conflict, "the schema holds tables that are not Kakehashi's").
		WithCode("KKH3203").WithReason("foreign_schema")
}
