package gateway_test

import (
	"path/filepath"
	"strings"
	"testing"

	"kakehashi/internal/audit"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// another gives an empty database of the same engine, since a test may build several houses.
func another(t *testing.T, at storetest.Place) storetest.Place {
	t.Helper()
	if at.Config.Path() != "" {
		return file(t)
	}
	return storetest.Postgres(t)
}

// file gives an empty database of SQLite.
func file(t *testing.T) storetest.Place {
	t.Helper()
	return storetest.Place{Config: store.File(filepath.Join(t.TempDir(), "kakehashi.db"))}
}

// full makes the record unwritable, also in the middle of a lookup or search: no page is
// left, or on PostgreSQL the table is gone. What was written before stays; what is written
// next fails.
func (h *house) full(t *testing.T) {
	t.Helper()
	if schema := h.at.Config.Schema; schema != "" {
		storetest.Admin(t, "ALTER TABLE IF EXISTS "+schema+".audit_entry RENAME TO audit_entry_away")
		t.Cleanup(func() { h.room(t) }) // or the record could not end in order
		return
	}
	if err := h.db.SetMaxSize(t.Context(), 1); err != nil {
		t.Error(err)
	}
	for _, pad := range []int{2000, 100, 0} { // down to what is left of the last pages
		var err error
		for range 5000 {
			if err = h.record.Record(t.Context(), audit.Entry{Kind: audit.Probe, Detail: map[string]string{"pad": strings.Repeat("x", pad)}}); err != nil {
				break
			}
		}
		if err == nil {
			t.Error("the record never filled up")
		}
	}
}

// room makes the record writable again.
func (h *house) room(t *testing.T) {
	t.Helper()
	if schema := h.at.Config.Schema; schema != "" {
		storetest.Admin(t, "ALTER TABLE IF EXISTS "+schema+".audit_entry_away RENAME TO audit_entry")
		return
	}
	if err := h.db.SetMaxSize(t.Context(), 1<<30); err != nil {
		t.Fatal(err)
	}
}
