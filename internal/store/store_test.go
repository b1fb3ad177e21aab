package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

const newCase = "INSERT INTO ledger_case (id, procedure, opened_at, opened_by) VALUES ($1, $2, $3, $4)"

func addCase(t *testing.T, db *store.DB, id string) {
	t.Helper()
	err := store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, newCase, id, "new", time.Unix(0, 0), "case-system")
		return err
	})
	if err != nil {
		t.Fatalf("add a case: %v", err)
	}
}

func countCases(t *testing.T, db *store.DB) (n int) {
	t.Helper()
	err := store.Read(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*) FROM ledger_case").Scan(&n)
	})
	if err != nil {
		t.Fatalf("count the cases: %v", err)
	}
	return n
}

func wantKind(t *testing.T, err error, kind fault.Kind, code string) {
	t.Helper()
	if !fault.Is(err, kind) || fault.Code(err) != code {
		t.Errorf("got %v (%s), want kind %v and code %q", err, fault.KindOf(err), kind, code)
	}
}

func TestCommitAndRollback(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		db := at.Open(t)
		var told []bool
		addOne := func(id string, result error) error {
			return store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
				tx.Done(func(committed bool) { told = append(told, committed) })
				if _, err := tx.Exec(ctx, newCase, id, "new", time.Now(), "x"); err != nil {
					return err
				}
				var n int
				if err := tx.QueryRow(ctx, "SELECT count(*) FROM ledger_case WHERE id = $1", id).Scan(&n); err != nil || n != 1 {
					t.Errorf("the transaction does not see its own row: %d, %v", n, err)
				}
				return result
			})
		}
		if err := addOne("A", nil); err != nil {
			t.Fatalf("commit: %v", err)
		}
		refused := fault.New(fault.Conflict, "no")
		if err := addOne("B", refused); !errors.Is(err, refused) {
			t.Errorf("the function's error: got %v", err)
		}
		if err := addOne("A", nil); !fault.Is(err, fault.Conflict) {
			t.Errorf("the same key again: got %v, want a Conflict", err)
		}
		if got := countCases(t, db); got != 1 {
			t.Errorf("cases: got %d, want 1", got)
		}
		if got, want := fmt.Sprint(told), "[true false false]"; got != want {
			t.Errorf("told: got %s, want %s", got, want)
		}
	})
}

func TestFailTakesBackWhatReturnsNil(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		db := at.Open(t)
		no := fault.New(fault.Unavailable, "not whole")
		err := store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, newCase, "A", "", "", "")
			tx.Fail(no)
			return err
		})
		if !errors.Is(err, no) || countCases(t, db) != 0 {
			t.Errorf("got %v and %d cases, want the failure and none", err, countCases(t, db))
		}
	})
}

func TestNestedTransactionIsRefusedAndDoesNotWait(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		db := at.Open(t)
		err := store.WithTx(t.Context(), db, func(ctx context.Context, _ *store.Tx) error {
			if !store.InTx(ctx) {
				t.Error("InTx says no inside a transaction")
			}
			return store.WithTx(ctx, db, func(context.Context, *store.Tx) error { return nil })
		})
		wantKind(t, err, fault.Internal, "")
		addCase(t, db, "after")
	})
}

func TestPanicInATransactionTakesItBack(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		db := at.Open(t)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
				if _, err := tx.Exec(ctx, newCase, "A", "new", "", ""); err != nil {
					t.Error(err)
				}
				panic("boom")
			})
		}()
		if got := countCases(t, db); got != 0 {
			t.Errorf("cases after a panic: got %d, want 0", got)
		}
		addCase(t, db, "after")
	})
}

func TestSnapshotDoesNotMove(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		db := at.Open(t)
		addCase(t, db, "A")
		err := store.Read(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
			count := func() (n int) {
				if err := tx.QueryRow(ctx, "SELECT count(*) FROM ledger_case").Scan(&n); err != nil {
					t.Error(err)
				}
				return n
			}
			before := count()
			addCase(t, db, "B") // the writer does not wait for the reader
			if after := count(); after != before {
				t.Errorf("the snapshot moved from %d to %d", before, after)
			}
			_, err := tx.Exec(ctx, newCase, "C", "", "", "")
			wantKind(t, err, fault.Internal, "")
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestQuerySeesWhatIsCommittedAndGivesItsReaderBack(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		db := at.Open(t)
		count := func(ctx context.Context, query string, args ...any) (n int, err error) {
			rows, err := store.Query(ctx, db, query, args...)
			if err != nil {
				return 0, err
			}
			for rows.Next() {
				n++
			}
			return n, errors.Join(rows.Err(), rows.Close())
		}
		const named = "SELECT id FROM ledger_case WHERE procedure = $1"
		for want := range 20 { // more than there are readers
			if got, err := count(t.Context(), named, "new"); err != nil || got != want {
				t.Fatalf("got %d rows, %v; want %d", got, err, want)
			}
			addCase(t, db, fmt.Sprint(want))
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if got, err := count(t.Context(), named, "new"); err != nil || got != 20 {
					t.Errorf("at once: got %d rows, %v; want 20", got, err)
				}
			})
		}
		all.Wait()
		if _, err := count(t.Context(), "SELECT nothing FROM ledger_case"); !fault.Is(err, fault.Internal) {
			t.Errorf("a query that is none: got %v, want Internal", err)
		}
		if _, err := count(t.Context(), named, struct{}{}); !fault.Is(err, fault.Internal) {
			t.Errorf("an argument of no known type: got %v, want Internal", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := count(ctx, named, "new"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("cancelled: got %v, want Unavailable", err)
		}
	})
}

func TestWaitingForTheTurnEndsWithTheContext(t *testing.T) {
	db := storetest.Open(t)
	err := store.WithTx(t.Context(), db, func(context.Context, *store.Tx) error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		err := store.WithTx(ctx, db, func(context.Context, *store.Tx) error { return nil })
		wantKind(t, err, fault.Unavailable, "")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCommitOutlivesItsCaller(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		db := at.Open(t)
		ctx, cancel := context.WithCancel(t.Context())
		err := store.WithTx(ctx, db, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, newCase, "A", "", "", "")
			cancel()
			return err
		})
		if err != nil || countCases(t, db) != 1 {
			t.Errorf("got %v and %d cases, want the transaction committed", err, countCases(t, db))
		}
	})
}

func TestNoRoomThenRoomAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k.db")
	db := storetest.OpenAt(t, store.Config{URL: "sqlite:" + path, MaxSize: 1 << 20})
	fill := func() error {
		return store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
			for i := range 8 {
				if _, err := tx.Exec(ctx, newCase, fmt.Sprint(time.Now().UnixNano(), "-", i), strings.Repeat("x", 30_000), "", ""); err != nil && i%2 == 0 {
					return err // every second error is ignored: the transaction must fail all the same
				}
			}
			return nil
		})
	}
	var err error
	for range 100 {
		if err = fill(); err != nil {
			break
		}
	}
	wantKind(t, err, fault.Unavailable, "KKH3205")
	n := countCases(t, db)
	if n == 0 || n%8 != 0 {
		t.Errorf("cases: got %d, want a multiple of 8: a transaction was kept in part", n)
	}
	if err := db.SetMaxSize(t.Context(), 8<<20); err != nil {
		t.Fatal(err)
	}
	if err := fill(); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestSecondGatewayIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k.db")
	db := storetest.OpenAt(t, store.File(path))
	_, err := store.Open(t.Context(), store.File(path))
	wantKind(t, err, fault.Conflict, "KKH3201")
	if want := fmt.Sprintf("pid %d", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want the text to name %s", err, want)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := store.Open(t.Context(), store.File(path))
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	if err := errors.Join(again.Close(), again.Close()); err != nil {
		t.Errorf("close twice: %v", err)
	}
	err = store.WithTx(t.Context(), again, func(context.Context, *store.Tx) error { return nil })
	wantKind(t, err, fault.Unavailable, "")
}

func TestFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k 100%?#.db")
	db := storetest.OpenAt(t, store.File(path))
	addCase(t, db, "A")
	for _, name := range []string{path, path + "-wal", path + ".lock"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, want 0600", filepath.Base(name), info.Mode().Perm())
		}
	}
}

func TestForeignAndNewerFilesAreRefusedAndLeftAlone(t *testing.T) {
	dir := t.TempDir()
	newer := filepath.Join(dir, "newer.db")
	db := storetest.OpenAt(t, store.File(newer))
	err := store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9001, 1)")
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "foreign.db")
	plain, err := sql.Open("sqlite", foreign)
	if err == nil {
		_, err = plain.ExecContext(t.Context(), "CREATE TABLE theirs (a)")
	}
	if err := errors.Join(err, plain.Close()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, code string
		kind       fault.Kind
	}{{foreign, "KKH3203", fault.Conflict}, {newer, "KKH3202", fault.Conflict}, {text, "KKH3208", fault.Internal}} {
		before, err := os.ReadFile(c.path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = store.Open(t.Context(), store.File(c.path))
		wantKind(t, err, c.kind, c.code)
		_, err = store.OpenReadOnly(t.Context(), store.File(c.path))
		wantKind(t, err, c.kind, c.code)
		after, err := os.ReadFile(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if string(before) != string(after) {
			t.Errorf("%s was changed", c.path)
		}
	}
	if _, err := store.Open(t.Context(), store.File(newer)); err == nil || !strings.Contains(err.Error(), "9001") {
		t.Errorf("got %v, want a refusal that names the version", err)
	}
}

func TestReadOnlyBesideARunningGateway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k.db")
	db := storetest.OpenAt(t, store.File(path))
	addCase(t, db, "A")
	reader, err := store.OpenReadOnly(t.Context(), store.File(path))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if got := countCases(t, reader); got != 1 {
		t.Errorf("cases: got %d, want 1", got)
	}
	addCase(t, db, "B")
	if got := countCases(t, reader); got != 2 {
		t.Errorf("cases: got %d, want 2", got)
	}
	err = store.WithTx(t.Context(), reader, func(context.Context, *store.Tx) error { return nil })
	wantKind(t, err, fault.Internal, "")
	_, err = store.OpenReadOnly(t.Context(), store.File(path+".none"))
	wantKind(t, err, fault.NotFound, "KKH3204")
}

func TestBackupWhileRunning(t *testing.T) {
	dir := t.TempDir()
	db := storetest.OpenAt(t, store.File(filepath.Join(dir, "k.db")))
	addCase(t, db, "A")
	file := filepath.Join(dir, "backup.db")
	reader, err := store.OpenReadOnly(t.Context(), store.File(filepath.Join(dir, "k.db")))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := store.Backup(t.Context(), reader, file); err != nil {
		t.Fatal(err)
	}
	addCase(t, db, "B")
	wantKind(t, store.Backup(t.Context(), db, file), fault.Conflict, "KKH3211")
	if err := store.Backup(t.Context(), db, filepath.Join(dir, "second.db")); err != nil {
		t.Errorf("back up through the gateway's own handle: %v", err)
	}
	err = store.Backup(t.Context(), db, filepath.Join(dir, "no", "such", "folder.db"))
	wantKind(t, err, fault.Unavailable, "KKH3212")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup: %v, %v, want mode 0600", info, err)
	}
	restored := storetest.OpenAt(t, store.File(file))
	if got := countCases(t, restored); got != 1 {
		t.Errorf("cases in the backup: got %d, want 1", got)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*partial*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestConfigValidate(t *testing.T) {
	for _, c := range []store.Config{
		{}, {URL: "sqlite:x", MaxSize: 1}, {URL: "sqlite:x", Readers: -1}, {URL: "sqlite:x", BusyTimeout: -1},
	} {
		wantKind(t, c.Validate(), fault.Invalid, "KKH3210")
	}
	if err := (store.File("x")).Validate(); err != nil {
		t.Error(err)
	}
}

func TestEmptyFileIsNotBackedUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kakehashi.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := store.OpenReadOnly(t.Context(), store.File(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	copied := path + ".copy"
	if err := store.Backup(t.Context(), db, copied); !fault.Is(err, fault.Conflict) {
		t.Errorf("got %v, want Conflict", err)
	}
	if _, err := os.Stat(copied); err == nil {
		t.Error("a copy of nothing was left")
	}
}
