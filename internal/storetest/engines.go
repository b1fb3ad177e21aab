package storetest

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kakehashi/internal/servers"
	"kakehashi/internal/store"
)

// Place is one database for a test: a file, or a schema of its own on the PostgreSQL
// server, which is dropped when the test ends.
type Place struct{ Config store.Config }

// Open opens the database and closes it when the test ends. On PostgreSQL it may be opened
// several times at once, as several gateways do.
func (p Place) Open(t testing.TB) *store.DB {
	t.Helper()
	return OpenAt(t, p.Config)
}

// Engines runs f on each engine, as the subtests sqlite and postgres.
func Engines(t *testing.T, f func(t *testing.T, at Place)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		f(t, Place{store.File(filepath.Join(t.TempDir(), "kakehashi.db"))})
	})
	t.Run("postgres", func(t *testing.T) { f(t, Postgres(t)) })
}

// Postgres gives an empty schema of its own, or skips the test where there is no server.
func Postgres(t testing.TB) Place {
	t.Helper()
	url := servers.Postgres(t)
	schema := "test_" + strings.ToLower(rand.Text()[:16])
	t.Cleanup(func() { Admin(t, "DROP SCHEMA IF EXISTS "+schema+" CASCADE") })
	return Place{store.Config{URL: url, Schema: schema}}
}

// Admin executes statements as the role that servers.Postgres names, on a connection of
// their own.
func Admin(t testing.TB, statements ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, servers.Postgres(t))
	if err != nil {
		t.Fatalf("connect to the PostgreSQL server: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
}
