package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kakehashi/internal/servers"
	"kakehashi/internal/storetest"
)

// migrate runs `kakehashi migrate` on the folder's configuration.
func (p *place) migrate(env []string, flags ...string) (migration, result) {
	p.t.Helper()
	r := kakehashiWith(p.t, "", env, append([]string{"migrate", "--config", filepath.Join(p.dir, configFile), "--json"}, flags...)...)
	var m migration
	if r.code == exitOK {
		if err := json.Unmarshal([]byte(r.out), &m); err != nil {
			p.t.Fatalf("migrate: %v %s", err, r.out)
		}
	}
	return m, r
}

// toPostgres has the folder's configuration name the place on PostgreSQL instead of its file.
func (p *place) toPostgres(url string, more ...string) {
	p.t.Helper()
	path := filepath.Join(p.dir, configFile)
	text, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "url: ") && strings.Contains(line, "sqlite:") {
			indent, _, _ := strings.Cut(line, "url: ")
			lines := append([]string{"url: " + url, "schema: " + p.schema}, more...)
			p.configure(line, indent+strings.Join(lines, "\n"+indent)+"\n")
			return
		}
	}
	p.t.Fatalf("the configuration names no SQLite database:\n%s", text)
}

// TestADemoMovesToPostgres: what a demo on SQLite has recorded, and what it still owes, goes
// on on PostgreSQL in the same folder. Whatever does not fit is refused with its exit code.
func TestADemoMovesToPostgres(t *testing.T) {
	t.Parallel()
	at := newPlace(t)
	startSandbox(t, at.dir)
	p := startDemo(t, at.dir, quick()...)
	worker, operator := token(t, at.dir, "case-worker"), token(t, at.dir, "operator")
	kids := children(personas(t, at.dir))
	promised := map[string][]string{}
	register := func(p *process, i int) {
		a := p.must("/v1/beneficiaries", worker, fmt.Sprintf("register-%d", i), p.registration(kids[i], outsiderOf(i).body()))
		promised[a.ID] = a.changes()
	}
	var answers []given
	look := func(p *process, i int) {
		a, _ := p.lookup(worker, kids[i])
		answers = append(answers, givenBy(a, "lookup"))
	}
	look(p, 0)
	register(p, 0)
	p.told(operator, 30*time.Second)
	setFault(t, at.dir, "address", "down")
	register(p, 1)
	look(p, 1)
	from := "sqlite:" + filepath.Join(at.dir, "kakehashi.db")
	target := []string{"KAKEHASHI_DATABASE_URL=" + at.database, "KAKEHASHI_DATABASE_SCHEMA=" + at.schema}
	if _, r := at.migrate(target, "--from", from); r.code != exitRunning {
		t.Errorf("migrate --from what a gateway writes: %d %s, want %d", r.code, r.err, exitRunning)
	}
	stop(t, p)
	before := checkContent(t, at.dir)
	at.toPostgres(at.database)
	at.refusesToMove()
	m, r := at.migrate(nil, "--from", from)
	if r.code != exitOK || !m.OK || m.Entries != before.Entries || m.Copied["audit_entry"] != before.Entries || m.Copied["ledger_beneficiary"] != 2 {
		t.Fatalf("migrate --from: %d %+v %s, want %d entries", r.code, m, r.err, before.Entries)
	}
	if v := checkContent(t, at.dir); v.Entries != before.Entries || v.Unproved != before.Unproved {
		t.Errorf("the record has moved as %+v; it was %+v", v, before)
	}
	if _, r := at.migrate(nil, "--from", from); r.code != exitData {
		t.Errorf("migrate into what is not empty: %d %s, want %d", r.code, r.err, exitData)
	}
	if m, r := at.migrate(nil); r.code != exitOK || m.From != m.To {
		t.Errorf("migrate again: %d %+v %s", r.code, m, r.err)
	}

	p = at.demo(quick()...)
	if q := p.queue(operator); q.Owed == 0 {
		t.Error("what was owed did not move")
	}
	clearFaults(t, at.dir)
	register(p, 2)
	look(p, 2)
	p.told(operator, 30*time.Second)
	if sum := reckon(t, at.dir, promised); sum.delivered != 9 {
		t.Errorf("delivered are %v, want 9", sum)
	}
	checkKept(t, record(t, at.dir), answers)
	stop(t, p)
	if v := checkContent(t, at.dir); v.Entries <= before.Entries || v.Unproved != 0 {
		t.Errorf("after going on: %+v", v)
	}
}

// refusesToMove tries everything else that migrate's help says of its exit codes, but 20.
func (p *place) refusesToMove() {
	p.t.Helper()
	expect := func(what string, want int, env []string, flags ...string) result {
		p.t.Helper()
		_, r := p.migrate(env, flags...)
		if r.code != want {
			p.t.Errorf("migrate %s: %d %s%s, want %d", what, r.code, r.out, r.err, want)
		}
		return r
	}
	expect("without a server", exitUnavailable, []string{"KAKEHASHI_DATABASE_URL=postgres://postgres@" + nobody(p.t) + "/postgres"})
	expect("with a setting that is none", exitUsage, []string{"KAKEHASHI_DATABASE_POOL=-1"})
	expect("from PostgreSQL", exitUsage, nil, "--from", p.database)
	copied := filepath.Join(p.t.TempDir(), "kakehashi.db")
	text, err := os.ReadFile(filepath.Join(p.dir, "kakehashi.db"))
	if err == nil {
		err = os.WriteFile(copied, text, 0o600)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	expect("into SQLite", exitUsage, []string{"KAKEHASHI_DATABASE_URL=sqlite:" + filepath.Join(p.t.TempDir(), "new.db")}, "--from", "sqlite:"+copied)
	if r := kakehashi(p.t, "migrate", "--config", filepath.Join(p.t.TempDir(), "none.yaml")); r.code != exitUsage {
		p.t.Errorf("migrate without a configuration: %d %s", r.code, r.err)
	}
	tamper(p.t, copied, "UPDATE audit_entry SET staff = '9999' WHERE id = (SELECT min(id) FROM audit_entry WHERE lookup <> '')")
	r := expect("of a record that was changed", exitRecord, []string{"KAKEHASHI_DATABASE_SCHEMA=" + newPlace(p.t).schema}, "--from", "sqlite:"+copied)
	if !strings.Contains(r.err, "KKH5050") {
		p.t.Errorf("migrate of a record that was changed says %s", r.err)
	}
}

// tamper changes what an SQLite database holds, as somebody with the file could.
func tamper(t testing.TB, file, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// runTool runs a program of somebody else's to its end.
func runTool(t testing.TB, env []string, path string, args ...string) string {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(path), err, out.String())
	}
	return out.String()
}

// TestADumpIsRestoredAndTellsWhatIsLost: a dump that was taken of a gateway at work is put
// back. The loss is told, verify names it, and what was owed is asked about before it is sent.
func TestADumpIsRestoredAndTellsWhatIsLost(t *testing.T) {
	t.Parallel()
	dump, restore := servers.Program(t, "postgres", "pg_dump"), servers.Program(t, "postgres", "pg_restore")
	at := newPlace(t)
	startSandbox(t, at.dir)
	env := append(quick(), "KAKEHASHI_RECORD_LEASE=2s", "KAKEHASHI_RECORD_SEAL_EVERY=50ms")
	p := at.demo(env...)
	worker, operator := token(t, at.dir, "case-worker"), token(t, at.dir, "operator")
	all := personas(t, at.dir)
	kids, people := children(all), askable(all)
	made := p.must("/v1/beneficiaries", worker, "made", p.registration(kids[0], outsiderOf(0).body()))
	p.told(operator, 30*time.Second)
	setFault(t, at.dir, "address", "down")
	owed := p.must("/v1/beneficiaries/"+made.ID+"/changes", worker, "owed", p.mailing(kids[0].Case, 1, 1))
	l := startLoad(p, worker, people)
	enough := func(n int) func() bool { return func() bool { all, _ := l.count(); return all >= n } }
	eventually(t, 30*time.Second, "answers before the dump", enough(30))
	file := filepath.Join(t.TempDir(), "kakehashi.dump")
	before, _ := l.count()
	runTool(t, nil, dump, "-Fc", "-n", at.schema, "-d", at.database, "-f", file)
	after, _ := l.count()
	eventually(t, 30*time.Second, "answers after the dump", enough(after+30))
	l.end()
	clearFaults(t, at.dir)
	p.told(operator, 30*time.Second) // the neighbour has it; the dump does not know
	stop(t, p)
	full := checkContent(t, at.dir)

	storetest.Admin(t, "DROP SCHEMA "+at.schema+" CASCADE")
	runTool(t, nil, restore, "-d", at.database, "--exit-on-error", file)
	v, code := verify(t, at.dir)
	if v.OK || code != exitRecord || len(v.Problems) != 1 || v.Problems[0].Kind != "cut" {
		t.Fatalf("verify after the restore: %d %+v; want one problem, cut", code, v)
	}
	if lost := fmt.Sprintf("%d件少なくなっています", full.Entries-v.Entries); !strings.Contains(v.Problems[0].Text, lost) {
		t.Errorf("verify says %q; want %s", v.Problems[0].Text, lost)
	}
	p = at.demo(env...)
	kept := l.given[:before]
	for _, who := range people[:3] {
		a, _ := p.lookup(worker, who)
		kept = append(slices.Clip(kept), givenBy(a, "lookup"))
	}
	more := p.must("/v1/beneficiaries", worker, "more", p.registration(kids[1], outsiderOf(1).body()))
	p.told(operator, time.Minute)
	reckon(t, at.dir, map[string][]string{made.ID: append(made.changes(), owed.changes()...), more.ID: more.changes()})
	if ends := p.attempts(operator, owed.changes()); ends["asked delivered"] == 0 {
		t.Errorf("what was owed at the time of the dump ended %v; want that it was asked about", ends)
	}
	for _, want := range []string{"KKH3103-E", "KKH3309-W"} {
		if !strings.Contains(p.log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, p.log)
		}
	}
	allEnded(t, at.dir)
	checkKept(t, record(t, at.dir), kept)
	stop(t, p)
	again, code := verify(t, at.dir)
	if again.OK || code != exitRecord || len(again.Problems) != 1 || again.Problems[0].Kind != "cut" || again.Unproved != 0 {
		t.Errorf("verify after going on: %d %+v; want one problem, cut", code, again)
	}
	say(t, "a dump under load with %d answers before it, %d entries lost by the restore, told and declared, %d entries at the end",
		before, full.Entries-v.Entries, again.Entries)
}
