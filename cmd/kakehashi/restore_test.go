package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// putBack puts a backup in the database's place, as the manual says.
func putBack(t testing.TB, dir, backup string) {
	t.Helper()
	b, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(dir, "kakehashi.db")
	for _, name := range []string{db + "-wal", db + "-shm"} {
		if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(db, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// backUp takes a backup of the folder's database.
func backUp(t testing.TB, dir, name string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), name)
	if r := kakehashi(t, "backup", "--dir", dir, file); r.code != exitOK {
		t.Fatalf("backup: %d %s", r.code, r.err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the backup: %v", info.Mode())
	}
	return file
}

func TestABackupUnderLoadIsRestoredAndTellsWhatIsLost(t *testing.T) {
	dir := t.TempDir()
	startSandbox(t, dir)
	people := askable(personas(t, dir))
	staffToken := token(t, dir, "case-worker")
	p := startDemo(t, dir)
	l := startLoad(p, staffToken, people)
	enough := func(n int) func() bool { return func() bool { all, _ := l.count(); return all >= n } }
	eventually(t, 30*time.Second, "answers before the backup", enough(100))
	before, _ := l.count()
	file := backUp(t, dir, "under-load.db")
	if r := kakehashi(t, "backup", "--dir", dir, file); r.code != exitData || !strings.Contains(r.err, "KKH3211") {
		t.Errorf("a backup over a file that exists: %d %s", r.code, r.err)
	}
	checkContent(t, dir) // of a gateway that runs and is asked
	after, _ := l.count()
	eventually(t, 30*time.Second, "answers after the backup", enough(after+100))
	l.end()
	if code := p.stop(); code != exitOK {
		t.Fatalf("the gateway stopped with %d", code)
	}
	full := checkContent(t, dir)

	putBack(t, dir, file)
	v, code := verify(t, dir)
	if v.OK || code != exitRecord || len(v.Problems) != 1 || v.Problems[0].Kind != "cut" {
		t.Fatalf("verify after the restore: %d %+v; want one problem, cut", code, v)
	}
	lost := fmt.Sprintf("%d件少なくなっています", full.Entries-v.Entries)
	if !strings.Contains(v.Problems[0].Text, lost) {
		t.Errorf("verify says %q; want %s", v.Problems[0].Text, lost)
	}

	p = startDemo(t, dir)
	for _, who := range people[:5] {
		a, _ := p.lookup(staffToken, who)
		l.given = append(l.given, givenBy(a, "lookup"))
	}
	all := record(t, dir)
	i := slices.IndexFunc(all, func(r recorded) bool { return r.Kind == "loss" })
	if i < 0 || all[i].Reason != "database_behind" || all[i].Detail["lost_size"] != fmt.Sprint(full.Sealed) {
		t.Errorf("the gateway did not declare what is lost: %+v", all[max(i, 0)])
	}
	kept := slices.Concat(l.given[:before], l.given[len(l.given)-5:])
	checkKept(t, all, kept)
	if code := p.stop(); code != exitOK {
		t.Errorf("the gateway stopped with %d", code)
	}
	// The loss stays visible for ever, and is the only thing that is amiss.
	again, code := verify(t, dir)
	if again.OK || code != exitRecord || len(again.Problems) != 1 || again.Problems[0].Kind != "cut" || again.Unproved != 0 {
		t.Errorf("verify after going on: %d %+v; want one problem, cut", code, again)
	}
	span := fmt.Sprintf("第%d件から第%d件まで", v.Entries+1, full.Entries)
	if text := again.Problems[0].Text; !strings.Contains(text, span) || !strings.Contains(text, "申告済み") {
		t.Errorf("verify says %q; want %s and that this was declared", text, span)
	}
	say(t, "backup under load with %d answers before it, %d entries lost by the restore, told and declared, %d entries at the end",
		before, full.Entries-v.Entries, again.Entries)
}

func TestABackupOfAQuietGatewayIsRestoredWithoutLoss(t *testing.T) {
	dir := t.TempDir()
	startSandbox(t, dir)
	people := askable(personas(t, dir))
	staffToken := token(t, dir, "case-worker")
	p := startDemo(t, dir)
	var answers []given
	ask := func(p *process, some []persona) {
		for _, who := range some {
			a, _ := p.lookup(staffToken, who)
			answers = append(answers, givenBy(a, "lookup"))
		}
	}
	ask(p, people[:10])
	// The last entries are not sealed yet: what the gateway seals after the backup is no loss.
	file := backUp(t, dir, "quiet.db")
	if code := p.stop(); code != exitOK {
		t.Fatalf("the gateway stopped with %d", code)
	}
	full := checkContent(t, dir)
	putBack(t, dir, file)
	if v := checkContent(t, dir); v.Entries != full.Entries {
		t.Errorf("the backup has %d entries; want %d", v.Entries, full.Entries)
	}
	p = startDemo(t, dir)
	ask(p, people[10:15])
	sum := checkKept(t, record(t, dir), answers)
	if code := p.stop(); code != exitOK {
		t.Errorf("the gateway stopped with %d", code)
	}
	if v := checkContent(t, dir); v.Unproved != 0 || sum.outcomes != len(answers) {
		t.Errorf("after going on: %+v, %+v", v, sum)
	}
	// And the same of a gateway that does not run.
	still := backUp(t, dir, "stopped.db")
	putBack(t, dir, still)
	checkContent(t, dir)
}
