package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// newTables are those of the migrations after the second, each before what it refers to.
func newTables() []string {
	return []string{
		"ledger_sight", "inbox_notice",
		"outbox_replay_item", "outbox_replay", "outbox_parking", "outbox_attempt", "outbox_history", "outbox_owed", "outbox_change",
		"ledger_held", "ledger_use", "ledger_command", "ledger_mailing", "ledger_beneficiary", "ledger_person", "ledger_counter",
	}
}

// makeOld takes from a demo's folder what the version that only looked things up did not
// have: tables, settings and the newest personas' cases.
func makeOld(t *testing.T, dir, lastCase string) {
	t.Helper()
	statements := []string{
		"DELETE FROM ledger_case_person WHERE case_id > '" + lastCase + "'", "DELETE FROM ledger_case WHERE id > '" + lastCase + "'",
		"DELETE FROM goose_db_version WHERE version_id > 2",
	}
	for _, table := range newTables() {
		statements = append(statements, "DROP TABLE "+table)
	}
	edit(t, dir, statements...)
	path := filepath.Join(dir, configFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`(?m)^(    # .*\n)?    changes: .*\n`).ReplaceAll(text, nil)
	text = regexp.MustCompile(`(?m)^(# .*\n)?outbox:\n(  .*\n)*`).ReplaceAll(text, nil)
	if strings.Contains(string(text), "outbox:") || strings.Contains(string(text), "changes:") {
		t.Fatal("the configuration is not as the older version wrote it")
	}
	for name, content := range map[string][]byte{configFile: text, casesFile: nil} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAnOlderFolderGoesOn: what an older version has written serves on, says what its
// configuration lacks, and tells the neighbour once that is there.
func TestAnOlderFolderGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startDemo(t, dir)
	all := personas(t, dir)
	kids := children(all)
	first, newest := kids[0], kids[len(kids)-1]
	worker := token(t, dir, "case-worker")
	p.lookup(worker, first)
	if code := p.stop(); code != exitOK {
		t.Fatalf("the demo stopped with %d", code)
	}
	before := checkContent(t, dir)
	makeOld(t, dir, all[len(all)-5].Case)

	p = startDemo(t, dir)
	p.lookup(worker, first)
	p.lookup(worker, newest) // of a case that the older version did not know
	_, r, err := p.press("/v1/beneficiaries", worker, "too-early", p.registration(first, outsiderOf(1).body()))
	if err != nil || r.status != http.StatusForbidden || !strings.Contains(r.body, "KKH1224") || !strings.Contains(r.body, "changes") {
		t.Errorf("a registration without the setting: %d %v %s", r.status, err, r.body)
	}
	if code := p.stop(); code != exitOK {
		t.Fatalf("the demo stopped with %d", code)
	}
	path := filepath.Join(dir, configFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	added := regexp.MustCompile(`(?m)^  - id: `+exampleProcedure+`\n`).ReplaceAll(text, []byte("${0}    changes: [registration]\n"))
	if err := os.WriteFile(path, added, 0o600); err != nil {
		t.Fatal(err)
	}
	p = startDemo(t, dir)
	a := p.must("/v1/beneficiaries", worker, "now", p.registration(first, outsiderOf(1).body()))
	p.told(token(t, dir, "operator"), 20*time.Second)
	if sum := reckon(t, dir, map[string][]string{a.ID: a.changes()}); sum.delivered != 3 {
		t.Errorf("delivered %d of 3", sum.delivered)
	}
	p.stop()
	if v := checkContent(t, dir); v.Entries <= before.Entries {
		t.Errorf("the record has %d entries; before %d", v.Entries, before.Entries)
	}
}
