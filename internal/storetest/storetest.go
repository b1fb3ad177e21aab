// Package storetest gives each test a database of its own.
package storetest

import (
	"path/filepath"
	"testing"

	"kakehashi/internal/store"
)

// Open opens an empty database in a folder of the test and closes it when the test ends.
func Open(t testing.TB) *store.DB {
	t.Helper()
	return OpenAt(t, store.File(filepath.Join(t.TempDir(), "kakehashi.db")))
}

// OpenAt opens the database that cfg says and closes it when the test ends.
func OpenAt(t testing.TB, cfg store.Config) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open a database: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	})
	return db
}
