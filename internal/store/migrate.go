package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"kakehashi/internal/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed migrations/postgres/*.sql
var pgMigrations embed.FS

// migrate brings the schema up to date, each step in a transaction of its own. The lock
// on the database keeps others out meanwhile.
func migrate(ctx context.Context, pool *sql.DB) error {
	steps, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, pool, steps, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	sources := provider.ListSources()
	newest := sources[len(sources)-1].Version
	stands, err := schemaVersion(ctx, pool)
	if err != nil {
		return err
	}
	if stands > newest {
		return tooNew(stands, newest)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the database from version %d to %d: %w", stands, newest, classify(err))
	}
	return nil
}

func tooNew(stands, newest int64) error {
	return fault.New(fault.Conflict,
		"the database is of schema version %d and this program knows versions up to %d; use the newer program", stands, newest).
		WithCode("KKH3202").WithReason("newer_version")
}

// newestVersion gives the version of the last migration that this program knows.
func newestVersion(engine Engine) (int64, error) {
	files, pattern := migrations, "migrations/*.sql"
	if engine == Postgres {
		files, pattern = pgMigrations, "migrations/postgres/*.sql"
	}
	names, err := fs.Glob(files, pattern)
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("list the migrations: %w", err)
	}
	return goose.NumericComponent(names[len(names)-1])
}
