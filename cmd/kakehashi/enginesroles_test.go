package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"kakehashi/internal/servers"
	"kakehashi/internal/storetest"
)

// urlAs gives a server's URL as another role and of another database.
func urlAs(t testing.TB, server, role, database string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.User, u.Path = url.User(role), "/"+database
	return u.String()
}

// roleOf gives the role of a URL.
func roleOf(t testing.TB, server string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	return u.User.Username()
}

// connected opens a connection that looks at the schema first.
func connected(t testing.TB, server, schema string) (context.Context, *pgx.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	t.Cleanup(cancel)
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(ctx) })
	if _, err := conn.Exec(ctx, "SET search_path TO "+schema); err != nil {
		t.Fatal(err)
	}
	return ctx, conn
}

// refuses makes sure that the server forbids the role every statement.
func refuses(t testing.TB, server, schema string, statements ...string) {
	t.Helper()
	ctx, conn := connected(t, server, schema)
	for _, s := range statements {
		_, err := conn.Exec(ctx, s)
		if told, ok := errors.AsType[*pgconn.PgError](err); !ok || told.Code != "42501" {
			t.Errorf("as %s, %s: %v; want that it is not permitted", roleOf(t, server), s, err)
		}
	}
}

// tablesOf lists the tables that hold rows, the partitions among them.
func tablesOf(t testing.TB, server, schema, like string) []string {
	t.Helper()
	ctx, conn := connected(t, server, schema)
	rows, err := conn.Query(ctx, `SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname LIKE $2 ORDER BY 1`, schema, like)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(names) == 0 {
		t.Fatalf("there are no tables like %s: %v", like, err)
	}
	return names
}

// monthsOf lists the partitions of the record's entries.
func monthsOf(t testing.TB, p *place, server string) []string {
	t.Helper()
	return tablesOf(t, server, p.schema, `audit\_entry\_%`)
}

// roles are the three of one deployment, as config/deploy/postgres/roles.sql makes them.
type roles struct{ owner, gateway, auditor string }

// deployed runs roles.sql on the server and gives the database it made, by role.
func deployed(t *testing.T, server string) roles {
	t.Helper()
	psql := servers.Program(t, "postgres", "psql")
	name := storetest.Postgres(t).Config.Schema // a name of our own
	secrets := t.TempDir()
	for _, role := range []string{"owner", "gateway", "auditor"} {
		if err := os.WriteFile(filepath.Join(secrets, "postgres-"+role), []byte("secret-of-"+role+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		storetest.Admin(t, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)",
			"DROP ROLE IF EXISTS "+name, "DROP ROLE IF EXISTS "+name+"_owner", "DROP ROLE IF EXISTS "+name+"_auditor")
	})
	file := filepath.Join("..", "..", "config", "deploy", "postgres", "roles.sql")
	for range 2 { // a second time changes nothing
		runTool(t, []string{"KAKEHASHI_SECRETS=" + secrets}, psql, "-v", "ON_ERROR_STOP=1", "-v", "name="+name, "-d", server, "-f", file)
	}
	at := func(role string) string { return urlAs(t, server, role, name) }
	return roles{at(name + "_owner"), at(name), at(name + "_auditor")}
}

// TestAGatewayMayDoNoMoreThanItNeeds: with the roles as they are shipped, the gateway works,
// and the server refuses it what would change the record; the auditor reads the record alone.
func TestAGatewayMayDoNoMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	at := newPlace(t)
	by := deployed(t, at.database)
	startDemo(t, at.dir).stop() // for its folder
	for _, name := range []string{"checkpoints.txt", casesFile, "kakehashi.db"} {
		if err := os.Remove(filepath.Join(at.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	at.toPostgres(by.gateway, "owner_url: "+by.owner, "auditor: "+roleOf(t, by.auditor))
	if r := kakehashi(t, "serve", "--dir", at.dir); r.code == exitOK || !strings.Contains(r.err, "KKH") {
		t.Errorf("a gateway starts before anybody made its tables: %d %s", r.code, r.err)
	}
	first, r := at.migrate(nil)
	if r.code != exitOK || first.From != 0 || first.To < 5 {
		t.Fatalf("migrate: %d %+v %s", r.code, first, r.err)
	}
	if second, r := at.migrate(nil); r.code != exitOK || second.From != first.To || second.To != first.To {
		t.Errorf("migrate again: %d %+v %s", r.code, second, r.err)
	}
	p := at.demo()
	worker := token(t, at.dir, "case-worker")
	child := children(personas(t, at.dir))[0]
	p.lookup(worker, child)
	a := p.must("/v1/beneficiaries", worker, "register", p.registration(child, outsiderOf(1).body()))
	p.told(token(t, at.dir, "operator"), 30*time.Second)
	reckon(t, at.dir, map[string][]string{a.ID: a.changes()})
	if r := p.get("/readyz"); r.status != http.StatusOK {
		t.Errorf("/readyz: %d %s", r.status, r.body)
	}
	stop(t, p)
	checkContent(t, at.dir)

	refuses(t, by.gateway, at.schema,
		"UPDATE audit_entry SET staff = ''", "DELETE FROM audit_entry", "TRUNCATE audit_entry", "DELETE FROM audit_leaf",
		"UPDATE audit_checkpoint SET note = ''", "DELETE FROM audit_subject", "DROP TABLE audit_entry", "ALTER TABLE audit_entry ADD x TEXT",
		"CREATE TABLE more (x TEXT)", "UPDATE goose_db_version SET is_applied = false", "CREATE SCHEMA more")
	for _, month := range monthsOf(t, at, by.owner) {
		refuses(t, by.gateway, at.schema, "UPDATE "+month+" SET staff = ''", "DELETE FROM "+month, "TRUNCATE "+month)
	}
	refuses(t, by.auditor, at.schema,
		"SELECT * FROM ledger_beneficiary", "SELECT * FROM ledger_person", "SELECT * FROM ledger_mailing", "SELECT * FROM ledger_case",
		"SELECT * FROM outbox_change", "SELECT * FROM outbox_history", "SELECT * FROM inbox_notice", "INSERT INTO audit_queue (entry) VALUES (1)",
		"DELETE FROM audit_entry", "CREATE TABLE more (x TEXT)")
	r = kakehashiWith(t, "", []string{"KAKEHASHI_DATABASE_URL=" + by.auditor}, "audit", "verify", "--dir", at.dir, "--json")
	if r.code != exitOK {
		t.Errorf("audit verify as the auditor: %d %s%s", r.code, r.out, r.err)
	}
	if r := kakehashiWith(t, "", []string{"KAKEHASHI_DATABASE_URL=" + by.auditor}, "serve", "--dir", at.dir); r.code == exitOK {
		t.Error("a gateway starts as the auditor")
	}
}
