package store_test

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// role makes a role of its own for the test and gives the URL by which it connects.
func role(t *testing.T, at storetest.Place) (name, asRole string) {
	t.Helper()
	name = "kkh_" + strings.ToLower(rand.Text()[:12])
	storetest.Admin(t, "CREATE ROLE "+name+" LOGIN")
	t.Cleanup(func() { storetest.Admin(t, "DROP OWNED BY "+name+" CASCADE", "DROP ROLE "+name) })
	u, err := url.Parse(at.Config.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(name)
	return name, u.String()
}

func try(t *testing.T, db *store.DB, statement string) error {
	t.Helper()
	return store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, statement)
		return err
	})
}

func TestRolesMayDoNoMoreThanTheyNeed(t *testing.T) {
	at := storetest.Postgres(t)
	_, asGateway := role(t, at)
	auditor, asAuditor := role(t, at)
	cfg := at.Config
	cfg.OwnerURL, cfg.URL, cfg.Auditor = cfg.URL, asGateway, auditor
	if _, err := store.Open(t.Context(), cfg); !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Internal) {
		t.Errorf("before anything was migrated: got %v", err)
	}
	for range 2 {
		if _, _, err := store.Migrate(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	gateway := storetest.OpenAt(t, cfg)
	if _, err := gateway.Partitions(t.Context()); err != nil {
		t.Errorf("partitions: %v", err)
	}
	for _, s := range []string{
		"INSERT INTO audit_entry (writer, number, at, kind, lookup, staff, case_id, subjects, void, body, salt, mac) VALUES ('w', 1, '2026-11-24', '', '', '', '', '', '', '', '', '')",
		"INSERT INTO audit_queue (entry) VALUES (1)", "DELETE FROM audit_queue",
		"INSERT INTO ledger_case (id, procedure, opened_at, opened_by) VALUES ('A', '', '', '')", "UPDATE ledger_case SET procedure = 'x'",
		"UPDATE outbox_parking SET last = 1", "SELECT 1 FROM goose_db_version",
	} {
		if err := try(t, gateway, s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{
		"UPDATE audit_entry SET body = ''", "DELETE FROM audit_entry", "TRUNCATE audit_entry", "DELETE FROM audit_leaf",
		"UPDATE audit_leaf SET hash = ''", "UPDATE audit_checkpoint SET note = ''", "DELETE FROM audit_subject", "DELETE FROM audit_writer",
		"CREATE TABLE mine (a int)", "SELECT kakehashi_month(now()::timestamp)", "UPDATE goose_db_version SET version_id = 0", "DROP TABLE audit_entry_default",
		"INSERT INTO audit_entry_default SELECT * FROM audit_entry",
	} {
		wantKind(t, try(t, gateway, s), fault.Internal, "KKH3223")
	}
	readerCfg := at.Config
	readerCfg.URL = asAuditor
	reader, err := store.OpenReadOnly(t.Context(), readerCfg)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	rows, err := store.Query(t.Context(), reader, "SELECT id FROM audit_entry")
	if err != nil {
		t.Fatal(err)
	}
	if !rows.Next() {
		t.Error("the auditor sees no entry")
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
	_, err = store.Query(t.Context(), reader, "SELECT id FROM ledger_case")
	wantKind(t, err, fault.Internal, "KKH3223")
}

func TestOwnerThatIsTheGatewayTooKeepsItsHandsOffTheRecord(t *testing.T) {
	at := storetest.Postgres(t)
	name, asRole := role(t, at)
	storetest.Admin(t, "CREATE SCHEMA "+at.Config.Schema+" AUTHORIZATION "+name)
	at.Config.URL = asRole
	db := at.Open(t)
	wantKind(t, try(t, db, "DELETE FROM audit_entry"), fault.Internal, "KKH3223")
	if err := try(t, db, "DELETE FROM audit_queue"); err != nil {
		t.Error(err)
	}
}

func TestSchemaOfAnother(t *testing.T) {
	at := storetest.Postgres(t)
	storetest.Admin(t, "CREATE SCHEMA "+at.Config.Schema, "CREATE TABLE "+at.Config.Schema+".theirs (a int)")
	_, err := store.Open(t.Context(), at.Config)
	wantKind(t, err, fault.Conflict, "KKH3203")
	newer := storetest.Postgres(t)
	db := newer.Open(t)
	if err := try(t, db, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9001, true)"); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), newer.Config)
	wantKind(t, err, fault.Conflict, "KKH3202")
	_, err = store.OpenReadOnly(t.Context(), newer.Config)
	wantKind(t, err, fault.Conflict, "KKH3202")
	none := storetest.Postgres(t)
	_, err = store.OpenReadOnly(t.Context(), none.Config)
	wantKind(t, err, fault.NotFound, "KKH3204")
	nowhere := none.Config
	nowhere.URL = "postgres://postgres@127.0.0.1:1/postgres"
	_, err = store.Open(t.Context(), nowhere)
	wantKind(t, err, fault.Unavailable, "KKH3221")
}

func TestCopyBringsEverythingOver(t *testing.T) {
	at := storetest.Postgres(t)
	from, to := storetest.Open(t), at.Open(t)
	err := store.WithTx(t.Context(), from, func(ctx context.Context, tx *store.Tx) error {
		for i := range 3 {
			at := []string{"2025-01-31T00:00:00Z", "2026-11-01T00:00:00Z", "2026-11-24T00:00:00Z"}[i]
			if _, err := tx.Exec(ctx, "INSERT INTO audit_entry (writer, number, at, kind, lookup, staff, case_id, subjects, void, body, salt, mac) VALUES ('w', $1, $2, '', '', '', '', '', '', '', $3, $4)", i, at, []byte{1, 2}, []byte{}); err != nil {
				return err
			}
		}
		var rows [][]any
		for i := range 12_000 {
			rows = append(rows, []any{i, i})
		}
		if err := tx.Bulk(ctx, "INSERT INTO audit_subject (atena_number, entry, role) VALUES ($1, $2, '')", rows); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE outbox_parking SET last = 7")
		if err == nil {
			_, err = tx.Exec(ctx, "INSERT INTO ledger_case (id, procedure, opened_at, opened_by) VALUES ('A', '', '', '')")
		}
		if err == nil {
			_, err = tx.Exec(ctx, "INSERT INTO ledger_case_person (case_id, atena_number) VALUES ('A', '1')")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]int64{}
	progress := func(table string, rows int64) { told[table] = rows }
	if err := store.Copy(t.Context(), from, to, progress); err != nil {
		t.Fatal(err)
	}
	if told["audit_subject"] != 12_000 || told["audit_entry"] != 3 || told["ledger_case_person"] != 1 {
		t.Errorf("told %v", told)
	}
	if err := store.Copy(t.Context(), from, to, progress); !fault.Is(err, fault.Conflict) || fault.Code(err) != "KKH3228" {
		t.Errorf("again: got %v", err)
	}
	err = store.WithTx(t.Context(), to, func(ctx context.Context, tx *store.Tx) error {
		for query, want := range map[string]int64{
			"SELECT last FROM outbox_parking":                                      7,
			"SELECT count(*) FROM audit_entry_202501":                              1,
			"SELECT count(*) FROM audit_entry_default":                             0,
			"SELECT count(*) FROM audit_entry WHERE salt = '\\x0102' AND mac = ''": 3,
			"SELECT count(*) FROM audit_subject WHERE id - 1 = entry":              12_000,
			"SELECT nextval('audit_entry_id')":                                     12_001,
		} {
			if n, err := tx.Number(ctx, query); err != nil || n != want {
				t.Errorf("%s: got %d, %v; want %d", query, n, err, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if s := to.Stats(); s.Max != 4 {
		t.Errorf("stats: %+v", s)
	}
	if err := to.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
