package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

func TestOneMigratesAndTheRestFindItDone(t *testing.T) {
	at := storetest.Postgres(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { at.Open(t) })
	}
	all.Wait()
	from, to, err := store.Migrate(t.Context(), at.Config)
	if err != nil || from != to || to < 4 {
		t.Errorf("migrate again: from %d to %d, %v", from, to, err)
	}
}

func TestLockKeepsOthersOut(t *testing.T) {
	at := storetest.Postgres(t)
	at.Config.LockTimeout = 200 * time.Millisecond
	first, second := at.Open(t), at.Open(t)
	err := store.WithTx(t.Context(), first, func(ctx context.Context, tx *store.Tx) error {
		if err := tx.Lock(ctx, "ledger"); err != nil {
			return err
		}
		return store.WithTx(t.Context(), second, func(ctx context.Context, tx *store.Tx) error {
			if taken, err := tx.TryLock(ctx, "other"); !taken || err != nil {
				t.Errorf("another lock: got %t, %v", taken, err)
			}
			if taken, err := tx.TryLock(ctx, "ledger"); taken || err != nil {
				t.Errorf("try: got %t, %v", taken, err)
			}
			err := tx.Lock(ctx, "ledger")
			wantKind(t, err, fault.Unavailable, "KKH3207")
			return nil
		})
	})
	wantKind(t, err, fault.Unavailable, "KKH3207") // the inner one goes on failing, and says so
	err = store.WithTx(t.Context(), second, func(ctx context.Context, tx *store.Tx) error { return tx.Lock(ctx, "ledger") })
	if err != nil {
		t.Errorf("when it is free again: %v", err)
	}
}

func TestBellIsHeardByTheOthersAlone(t *testing.T) {
	at := storetest.Postgres(t)
	first, second := at.Open(t), at.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	var listening sync.WaitGroup
	hear := func(db *store.DB, topic string) <-chan struct{} {
		c := make(chan struct{}, 1000)
		listening.Go(func() { db.Listen(ctx, topic, func() { c <- struct{}{} }) })
		return c
	}
	defer listening.Wait()
	defer cancel()
	wait := func(c <-chan struct{}, what string) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: nothing was heard", what)
		}
	}
	theirs, own := hear(second, "outbox"), hear(first, "outbox")
	wait(theirs, "when the connection stands")
	wait(own, "when the connection stands")
	for range 100 {
		first.Ring("outbox")
	}
	wait(theirs, "a ring")
	other := hear(second, "ledger")
	wait(other, "a second topic")
	for len(theirs) > 0 {
		<-theirs
	}
	first.Ring("ledger")
	wait(other, "a ring of the second topic")
	if len(own) > 0 {
		t.Error("who rang was woken by it")
	}
	storetest.Admin(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kakehashi listen' AND query LIKE '%"+channelOf(at)+"%'")
	wait(theirs, "after the connection was lost")
}

func channelOf(at storetest.Place) string { return store.ChannelForTest(at.Config, "") }

func TestStatementThatTakesTooLong(t *testing.T) {
	at := storetest.Postgres(t)
	at.Config.StatementTimeout = 100 * time.Millisecond
	db := at.Open(t)
	sleep := func(ctx context.Context) error {
		return store.WithTx(ctx, db, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, "SELECT pg_sleep(20)")
			return err
		})
	}
	wantKind(t, sleep(t.Context()), fault.Unavailable, "")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	wantKind(t, sleep(ctx), fault.Unavailable, "")
	addCase(t, db, "after")
}

// terminate ends all connections of the schema's gateways but the admin's own.
func terminate(t *testing.T, at storetest.Place) {
	t.Helper()
	storetest.Admin(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity a WHERE application_name = 'kakehashi' AND pid <> pg_backend_pid() AND EXISTS (SELECT 1 FROM "+at.Config.Schema+".test_pids p WHERE p.pid = a.pid)")
}

// notePids writes down which connections are the test's own: others use the server too.
func notePids(t *testing.T, at storetest.Place, dbs ...*store.DB) {
	t.Helper()
	storetest.Admin(t, "CREATE TABLE IF NOT EXISTS "+at.Config.Schema+".test_pids (pid int)")
	for _, db := range dbs {
		err := store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO test_pids SELECT pg_backend_pid()")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestConnectionsThatDiedIdleAreNobodysBusiness(t *testing.T) {
	at := storetest.Postgres(t)
	db := at.Open(t)
	for range 3 {
		notePids(t, at, db)
		terminate(t, at)
		addCase(t, db, fmt.Sprint("tx", time.Now().UnixNano()))
		notePids(t, at, db)
		terminate(t, at)
		if countCases(t, db) == 0 {
			t.Error("no case")
		}
		notePids(t, at, db)
		terminate(t, at)
		rows, err := store.Query(t.Context(), db, "SELECT id FROM ledger_case")
		if err != nil {
			t.Fatal(err)
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestConnectionLostInATransaction(t *testing.T) {
	at := storetest.Postgres(t)
	db := at.Open(t)
	notePids(t, at, db)
	lose := func(before bool) error {
		return store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
			if _, err := tx.Exec(ctx, newCase, "A", "", "", ""); err != nil {
				return err
			}
			var pid int
			if err := tx.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
				return err
			}
			storetest.Admin(t, fmt.Sprintf("SELECT pg_terminate_backend(%d, 5000)", pid))
			if before {
				_, err := tx.Exec(ctx, newCase, "B", "", "", "")
				wantKind(t, err, fault.Unavailable, "KKH3221")
			}
			return nil
		})
	}
	wantKind(t, lose(true), fault.Unavailable, "KKH3221")
	if err := lose(false); !fault.Is(err, fault.Unsure) || fault.Code(err) != "KKH3209" {
		t.Errorf("at the commit: got %v, want Unsure with KKH3209", err)
	}
	if n := countCases(t, db); n != 0 {
		t.Errorf("cases: got %d, want none", n)
	}
}

func TestTextsThatCannotBeKept(t *testing.T) {
	at := storetest.Postgres(t)
	db := at.Open(t)
	err := store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
		for _, text := range []string{"a\x00b", "\xff"} {
			_, err := tx.Exec(ctx, newCase, text, "", "", "")
			wantKind(t, err, fault.Invalid, "")
		}
		_, err := tx.Exec(ctx, newCase, "A", "", "", "")
		return err
	})
	if err != nil || countCases(t, db) != 1 {
		t.Errorf("got %v and %d cases", err, countCases(t, db))
	}
}

func TestBulkOfManyKinds(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		db := at.Open(t)
		err := store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
			cases := [][]any{{"A", nil}, {"B", "2026"}, {"C", nil}}
			if err := tx.Bulk(ctx, "INSERT INTO ledger_case (id, closed_at, procedure, opened_at, opened_by) VALUES ($1, $2, '', '', '')", cases); err != nil {
				return err
			}
			people := [][]any{{"A", "1"}, {"A", "2"}, {"A", "1"}}
			if err := tx.Bulk(ctx, "INSERT INTO ledger_case_person (case_id, atena_number) VALUES ($1, $2) ON CONFLICT DO NOTHING", people); err != nil {
				return err
			}
			if err := tx.Bulk(ctx, "UPDATE ledger_case SET procedure = $2 WHERE id = $1", [][]any{{"A", "a"}, {"B", 7}}); err != nil {
				return err
			}
			var closed, persons int
			var text string
			if err := tx.QueryRow(ctx, "SELECT count(*), (SELECT count(*) FROM ledger_case_person) FROM ledger_case WHERE closed_at IS NULL").Scan(&closed, &persons); err != nil {
				return err
			}
			if err := tx.QueryRow(ctx, "SELECT procedure FROM ledger_case WHERE id = 'B'").Scan(&text); err != nil {
				return err
			}
			if closed != 2 || persons != 2 || text != "7" {
				t.Errorf("got %d, %d, %q", closed, persons, text)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestCellsOfSeveralQueriesAtOnce(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		db := at.Open(t)
		const many = 4500
		err := store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
			var rows [][]any
			for i := range many {
				rows = append(rows, []any{i, i, fmt.Sprint(i), []byte{byte(i)}})
			}
			return tx.Bulk(ctx, "INSERT INTO audit_leaf (position, entry, lookup, hash) VALUES ($1, $2, $3, $4)", rows)
		})
		if err != nil {
			t.Fatal(err)
		}
		err = store.Read(t.Context(), db, func(ctx context.Context, tx *store.Tx) (err error) {
			up, err := tx.Cells(ctx, "SELECT position, lookup, hash, NULL FROM audit_leaf ORDER BY position")
			if err != nil {
				return err
			}
			down, err := tx.Cells(ctx, "SELECT position FROM audit_leaf ORDER BY position DESC")
			if err != nil {
				return errors.Join(err, up.Close())
			}
			defer func() { err = errors.Join(err, up.Close(), down.Close(), down.Close()) }()
			n := int64(0)
			for ; up.Live && down.Live; n++ {
				hash, _ := up.Row[2].([]byte)
				if up.Row[0] != n || up.Row[1] != fmt.Sprint(n) || len(hash) != 1 || hash[0] != byte(n) || up.Row[3] != nil || down.Row[0] != many-1-n {
					t.Fatalf("row %d: got %v and %v", n, up.Row, down.Row)
				}
				if err := errors.Join(up.Next(), down.Next()); err != nil {
					return err
				}
			}
			if n != many || up.Live || down.Live {
				t.Errorf("got %d rows, want %d", n, many)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestSchemaShowsWhatWasAdded(t *testing.T) {
	at := storetest.Postgres(t)
	db := at.Open(t)
	s := at.Config.Schema
	has, wants, err := schemaOf(t, db)
	if err != nil || len(has) != len(wants) {
		t.Fatalf("has %d, wants %d, %v", len(has), len(wants), err)
	}
	storetest.Admin(t,
		"CREATE FUNCTION "+s+".f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
		"CREATE TRIGGER t BEFORE INSERT ON "+s+".audit_leaf FOR EACH ROW EXECUTE FUNCTION "+s+".f()",
		"ALTER TABLE "+s+".audit_checkpoint ADD COLUMN more text",
		"CREATE POLICY p ON "+s+".audit_queue USING (false)",
		"ALTER TABLE "+s+".audit_queue ENABLE ROW LEVEL SECURITY",
		"CREATE RULE r AS ON DELETE TO "+s+".audit_subject DO INSTEAD NOTHING",
		"CREATE VIEW "+s+".v AS SELECT 1 AS one",
		"DROP INDEX "+s+".audit_leaf_lookup",
		"CREATE TABLE "+s+".audit_entry_199901 PARTITION OF "+s+".audit_entry FOR VALUES FROM ('1999-01') TO ('1999-02')",
		"CREATE TABLE "+s+".audit_entry_199902 PARTITION OF "+s+".audit_entry FOR VALUES FROM ('1999-02') TO ('1999-04')")
	if has, wants, err = schemaOf(t, db); err != nil {
		t.Fatal(err)
	}
	due := map[store.Object]bool{}
	for _, o := range wants {
		due[o] = true
	}
	var odd []string
	for _, o := range has {
		if !due[o] {
			odd = append(odd, o.Kind+" "+o.Name)
		}
		delete(due, o)
	}
	for o := range due {
		odd = append(odd, "no "+o.Kind+" "+o.Name)
	}
	got := strings.Join(odd, "\n")
	for _, want := range []string{"function f()", "trigger t", "table audit_checkpoint", "no table audit_checkpoint", "policy p", "table audit_queue", "rule r", "view v", "no index audit_leaf_lookup", "table audit_entry_199902"} {
		if !strings.Contains(got+"\n", want+"\n") {
			t.Errorf("not shown: %s", want)
		}
	}
	if strings.Contains(got, "199901") {
		t.Errorf("a partition as it should be is shown: %s", got)
	}
}

func TestNumberIsReadInATransactionAlone(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		db := at.Open(t)
		read := func(ctx context.Context, tx *store.Tx) error {
			for want := range int64(3) { // its statement is used again
				n, err := tx.Number(ctx, "SELECT count(*) + $1 FROM audit_queue", want)
				if err != nil || n != want {
					return fault.New(fault.Internal, "got %d and %w, want %d", n, err, want)
				}
			}
			if _, err := tx.Number(ctx, "SELECT 'word'"); !fault.Is(err, fault.Internal) {
				t.Errorf("a word: got %v, want Internal", err)
			}
			return nil
		}
		if err := store.WithTx(t.Context(), db, read); err != nil {
			t.Error(err)
		}
		if err := store.Read(t.Context(), db, read); !fault.Is(err, fault.Internal) {
			t.Errorf("on a snapshot: got %v, want Internal", err)
		}
	})
}

func TestReadOnlyBesideGateways(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		db := at.Open(t)
		addCase(t, db, "A")
		reader, err := store.OpenReadOnly(t.Context(), at.Config)
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
		if err := reader.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Whoever waits for a lock keeps nobody from reading, and comes to its turn.
func TestMoreWritersThanConnections(t *testing.T) {
	at := storetest.Postgres(t)
	at.Config.Pool = 2
	db := at.Open(t)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			err := store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
				if err := tx.Lock(ctx, "ledger"); err != nil {
					return err
				}
				countCases(t, db)
				_, err := tx.Exec(ctx, newCase, fmt.Sprint(i), "", "", "")
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := countCases(t, db); n != 20 {
		t.Errorf("cases: got %d, want 20", n)
	}
	if s := db.Stats(); s.InUse != 0 || s.Max != 2 {
		t.Errorf("stats: %+v", s)
	}
}

func TestRowsThatAreLeftOpenAreOurOwnMistake(t *testing.T) {
	db := storetest.Postgres(t).Open(t)
	err := store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
		rows, err := tx.Query(ctx, "SELECT 1")
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, newCase, "A", "", "", "")
		return errors.Join(err, rows.Close())
	})
	wantKind(t, err, fault.Internal, "")
	addCase(t, db, "after")
}
