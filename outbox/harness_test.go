package outbox

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"kakehashi/internal/audit"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// house is a database with its record, and the queue that stands on them.
type house struct {
	t      testing.TB
	at     storetest.Place
	db     *store.DB
	record *audit.Log
	queue  *Queue
}

func openRecord(t testing.TB, db *store.DB) *audit.Log {
	t.Helper()
	dir := t.TempDir()
	if err := audit.GenerateKeys(dir); err != nil {
		t.Fatal(err)
	}
	return recordIn(t, db, dir)
}

// recordIn opens the record whose keys lie in a folder.
func recordIn(t testing.TB, db *store.DB, dir string) *audit.Log {
	t.Helper()
	return recordOf(t, db, dir, filepath.Join(dir, "checkpoints"))
}

// recordOf opens the record with checkpoints of its own, as each of several gateways does.
func recordOf(t testing.TB, db *store.DB, dir, checkpoints string) *audit.Log {
	t.Helper()
	cfg := audit.Config{
		MACKeyFile: filepath.Join(dir, audit.MACKeyName), SigningKeyFile: filepath.Join(dir, audit.SigningKeyName),
		PublicKeyFile: filepath.Join(dir, audit.PublicKeyName), CheckpointsFile: checkpoints,
	}
	keys, err := audit.LoadKeys(cfg)
	if err != nil {
		t.Fatal(err)
	}
	record, err := audit.Open(t.Context(), db, cfg, keys)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// quick are settings that a test need not wait for.
func quick() Config {
	return Config{
		InFlight: 8, Settle: 20 * time.Millisecond, SendTimeout: 2 * time.Second,
		RetryFirst: 5 * time.Millisecond, RetryMax: 40 * time.Millisecond, Tries: 4,
	}
}

// onSQLite gives a place for what is SQLite's alone.
func onSQLite(t testing.TB) storetest.Place {
	t.Helper()
	return storetest.Place{Config: store.File(filepath.Join(t.TempDir(), "kakehashi.db"))}
}

// newHouse opens an empty database of the engine that the place is on.
func newHouse(t testing.TB, at storetest.Place, cfg Config, routes ...Route) *house {
	t.Helper()
	if at.Config.Path() == "" {
		at = storetest.Postgres(t)
		at.Config.Pool = 8
	} else {
		at = onSQLite(t)
	}
	db := at.Open(t)
	h := &house{t: t, at: at, db: db, record: openRecord(t, db)}
	h.queue = h.open(cfg, routes...)
	return h
}

// open opens another queue on the same database, as a gateway that is started again does.
func (h *house) open(cfg Config, routes ...Route) *Queue {
	h.t.Helper()
	q, err := New(cfg, Rooms{DB: h.db, Record: h.record, Key: [32]byte{1}, Routes: routes, Exclusive: true})
	if err != nil {
		h.t.Fatal(err)
	}
	return q
}

func (h *house) tx(f func(context.Context, *store.Tx) error) {
	h.t.Helper()
	if err := store.WithTx(h.t.Context(), h.db, f); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) enqueue(changes ...ledger.Change) []Owed {
	h.t.Helper()
	var owed []Owed
	h.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		owed, err = h.queue.Enqueue(ctx, tx, changes...)
		return err
	})
	return owed
}

// use is a change of a record, its nth.
func use(record string, n int) ledger.Change {
	return ledger.Change{
		ID: ledger.ChangeID(fmt.Sprintf("C-%s-%d", record, n)), Kind: ledger.PersonUse, Record: ledger.BeneficiaryID("B-" + record),
		Version: n, Person: "P-1", Atena: "100000000000008", Number: "0000019", Operator: "1001",
		At: time.Date(2026, 11, 24, 1, 2, 3, 0, time.UTC),
	}
}

// untilMoved runs rounds until one claims or settles: a preparation may take longer than a
// round waits for it.
func untilMoved(t testing.TB, r *relay) {
	t.Helper()
	until(t, "a round moves something", func() bool {
		r.drain()
		moved, err := r.round(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return moved
	})
}
