package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

func (h *house) input() VerifyInput {
	return VerifyInput{
		DB: h.database(), Checkpoints: h.cfg.CheckpointsFile,
		PublicKeyFile: h.cfg.PublicKeyFile, MACKeyFile: h.cfg.MACKeyFile,
	}
}

func (h *house) verify() Report {
	h.t.Helper()
	r, err := Verify(context.Background(), h.input())
	if err != nil {
		h.t.Fatalf("verify: %v", err)
	}
	return r
}

func (h *house) wantOK() Report {
	h.t.Helper()
	r := h.verify()
	if !r.OK {
		h.t.Errorf("the record should verify: %+v", r)
	}
	return r
}

// wantKinds wants the record not to verify, and a problem of one of the kinds.
func wantKinds(t testing.TB, r Report, kinds ...ProblemKind) {
	t.Helper()
	if r.OK {
		t.Errorf("nothing was found; want %v", kinds)
		return
	}
	if !slices.ContainsFunc(r.Problems, func(p Problem) bool { return slices.Contains(kinds, p.Kind) }) {
		t.Errorf("got %+v, want one of %v", r.Problems, kinds)
	}
}

// copy gives a house of the same things in another folder, for a test of its own.
func (h *house) copy(t testing.TB) *house {
	t.Helper()
	c := &house{t: t, dir: t.TempDir(), keys: h.keys, cfg: h.cfg}
	names, err := os.ReadDir(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		content, err := os.ReadFile(h.path(name.Name()))
		if err == nil {
			err = os.WriteFile(c.path(name.Name()), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []*string{&c.cfg.MACKeyFile, &c.cfg.SigningKeyFile, &c.cfg.PublicKeyFile, &c.cfg.CheckpointsFile} {
		*p = c.path(filepath.Base(*p))
	}
	return c
}

// tamper changes the database behind the gateway's back.
func (h *house) tamper(statements ...string) {
	h.t.Helper()
	db := h.stranger()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			h.t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		h.t.Fatal(err)
	}
}

// stranger opens the database as whoever owns it may.
func (h *house) stranger() *sql.DB {
	h.t.Helper()
	if h.at.Config.Engine() == store.Postgres {
		cfg, err := pgx.ParseConfig(h.at.Config.URL)
		if err != nil {
			h.t.Fatal(err)
		}
		cfg.RuntimeParams["search_path"] = h.at.Config.Schema
		cfg.RuntimeParams["synchronous_commit"] = "off"
		cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // several statements at once
		return stdlib.OpenDB(*cfg)
	}
	db, err := sql.Open("sqlite", h.path("kakehashi.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		h.t.Fatal(err)
	}
	return db
}

// filled gives a record with something in every table: several writers, a number that is
// void, and entries that wait to be sealed.
func filled(t testing.TB) *house {
	t.Helper()
	return fill(newHouse(t))
}

func fill(h *house) *house {
	t := h.t
	t.Helper()
	for run := range 3 {
		h.start()
		for i := range 4 {
			h.ask(fmt.Sprintf("Q-%d-%d", run, i))
			h.settle()
		}
		err := store.WithTx(context.Background(), h.db, func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(h.log.Append(ctx, tx, Entry{Kind: Change}), fault.New(fault.Conflict, "taken back"))
		})
		if !fault.Is(err, fault.Conflict) {
			t.Fatalf("a change that is taken back: %v", err)
		}
		if err := h.log.Record(context.Background(), Entry{Kind: Refused, Lookup: fmt.Sprint("R-", run), Code: "KKH1201"}); err != nil {
			t.Fatal(err)
		}
		h.stop()
	}
	h.open()
	for i := range 7 {
		err := store.WithTx(context.Background(), h.db, func(ctx context.Context, tx *store.Tx) error {
			return h.log.Append(ctx, tx, lookupEntryOf(Change, fmt.Sprint("S-", i)))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	h.stop()
	return h
}

func lookupEntryOf(kind Kind, id string) Entry {
	e := lookupEntry(id, "000000000000033")
	e.Kind = kind
	return e
}

// auditTables gives the tables and their columns, as a stranger finds them.
func (h *house) auditTables() map[string][]string {
	h.t.Helper()
	db, err := sql.Open("sqlite", h.path("kakehashi.db"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name LIKE 'audit!_%' ESCAPE '!'")
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	tables := map[string][]string{}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			h.t.Fatal(err)
		}
		tables[table] = append(tables[table], column)
	}
	if err := rows.Err(); err != nil {
		h.t.Fatal(err)
	}
	if len(tables) < 5 {
		h.t.Fatalf("tables: got %v", tables)
	}
	return tables
}

// notes gives the database's checkpoints.
func (h *house) notes() (notes []string) {
	h.t.Helper()
	db, err := sql.Open("sqlite", h.path("kakehashi.db"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT note FROM audit_checkpoint")
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var note string
		if err := rows.Scan(&note); err != nil {
			h.t.Fatal(err)
		}
		notes = append(notes, note)
	}
	if err := rows.Err(); err != nil {
		h.t.Fatal(err)
	}
	return notes
}

func (h *house) one(query string) int64 {
	h.t.Helper()
	db := h.stranger()
	defer db.Close()
	var n int64
	if err := db.QueryRow(query).Scan(&n); err != nil {
		h.t.Fatalf("%s: %v", query, err)
	}
	return n
}

func TestVerifyIsContentWithWhatTheGatewayWrites(t *testing.T) {
	h := filled(t)
	r := h.wantOK()
	if r.Unproved != 8 || r.Entries != r.Sealed+8 {
		t.Errorf("got %+v, want 8 unproved and all others sealed", r)
	}
	in := h.input()
	in.MACKeyFile = ""
	if r, err := Verify(t.Context(), in); err != nil || !r.OK || r.Unproved != 8 {
		t.Errorf("with the public key alone: %+v, %v", r, err)
	}
	if n := h.one("SELECT count(*) FROM audit_entry WHERE void <> ''"); n == 0 {
		t.Error("no number is void: the test no longer tests that")
	}
}

// TestEveryFlippedByteIsFound flips a byte in every column of the first, a middle and the
// last row of every table.
func TestEveryFlippedByteIsFound(t *testing.T) {
	base := filled(t)
	n := 0
	for table, columns := range base.auditTables() {
		rows := base.one("SELECT count(*) FROM " + table)
		if rows < 7 {
			t.Errorf("%s has %d rows: too few to be tried", table, rows)
		}
		for _, column := range columns {
			for _, at := range []int64{0, rows / 2, rows - 1} {
				flip(t, base, table, column, at)
				n++
			}
		}
	}
	t.Logf("%d bytes flipped", n)
}

func flip(t *testing.T, base *house, table, column string, at int64) {
	t.Run(fmt.Sprintf("%s.%s[%d]", table, column, at), func(t *testing.T) {
		t.Parallel()
		h := base.copy(t)
		row := fmt.Sprintf("rowid = (SELECT rowid FROM %s ORDER BY rowid LIMIT 1 OFFSET %d)", table, at)
		if h.one(fmt.Sprintf("SELECT typeof(%s) = 'integer' FROM %s WHERE %s", column, table, row)) == 1 {
			h.tamper(fmt.Sprintf("UPDATE %s SET %s = %s + 4096 WHERE %s", table, column, column, row))
		} else {
			// The last byte, or one where there is none.
			h.tamper(fmt.Sprintf(`UPDATE %[1]s SET %[2]s = CASE WHEN length(%[2]s) = 0 THEN 'x'
				WHEN typeof(%[2]s) = 'blob' THEN CAST(substr(%[2]s, 1, length(%[2]s) - 1) || CASE WHEN substr(%[2]s, -1) = x'00' THEN x'01' ELSE x'00' END AS BLOB)
				ELSE substr(%[2]s, 1, length(%[2]s) - 1) || CASE WHEN substr(%[2]s, -1) = 'A' THEN 'B' ELSE 'A' END END WHERE %[3]s`, table, column, row))
		}
		wantKinds(t, h.verify(), Edited)
	})
}

func TestDeletedRowsAreFound(t *testing.T) {
	base := filled(t)
	for table := range base.auditTables() {
		rows := base.one("SELECT count(*) FROM " + table)
		for _, at := range []int64{0, 1, rows / 2, rows - 2, rows - 1} {
			t.Run(fmt.Sprintf("%s[%d]", table, at), func(t *testing.T) {
				h := base.copy(t)
				h.tamper(fmt.Sprintf("DELETE FROM %[1]s WHERE rowid = (SELECT rowid FROM %[1]s ORDER BY rowid LIMIT 1 OFFSET %[2]d)", table, at))
				kinds := []ProblemKind{Deleted}
				if at == rows-1 {
					kinds = append(kinds, Cut)
				}
				wantKinds(t, h.verify(), kinds...)
			})
		}
	}
}

func TestCutTailsAreFound(t *testing.T) {
	base := filled(t)
	for table := range base.auditTables() {
		t.Run(table, func(t *testing.T) {
			h := base.copy(t)
			h.tamper(fmt.Sprintf("DELETE FROM %[1]s WHERE rowid IN (SELECT rowid FROM %[1]s ORDER BY rowid DESC LIMIT 5)", table))
			kinds := []ProblemKind{Cut}
			if table == "audit_queue" {
				kinds = append(kinds, Deleted) // the entries stand, so it is not the record that was cut
			}
			wantKinds(t, h.verify(), kinds...)
		})
	}
	t.Run("everything after the last checkpoint but five", func(t *testing.T) {
		h := base.copy(t)
		h.tamper(
			"DELETE FROM audit_checkpoint WHERE size IN (SELECT size FROM audit_checkpoint ORDER BY size DESC LIMIT 5)",
			"DELETE FROM audit_leaf WHERE position >= (SELECT max(size) FROM audit_checkpoint)",
			"DELETE FROM audit_subject WHERE entry NOT IN (SELECT entry FROM audit_leaf)",
			"DELETE FROM audit_entry WHERE id NOT IN (SELECT entry FROM audit_leaf)",
			"DELETE FROM audit_queue",
		)
		wantKinds(t, h.verify(), Cut)
	})
}

func TestSwappedRowsAreFound(t *testing.T) {
	base := filled(t)
	for table, columns := range base.auditTables() {
		columns = slices.Clone(columns)[1:] // the key stays where it is
		if len(columns) == 0 {
			continue
		}
		t.Run(table, func(t *testing.T) {
			h := base.copy(t)
			rows := h.one("SELECT count(*) FROM " + table)
			ids := make([]int64, 2)
			for i, at := range []int64{rows / 3, rows / 2} {
				ids[i] = h.one(fmt.Sprintf("SELECT rowid FROM %s ORDER BY rowid LIMIT 1 OFFSET %d", table, at))
			}
			list := strings.Join(columns, ", ")
			h.tamper(
				fmt.Sprintf("CREATE TABLE one AS SELECT %s FROM %s WHERE rowid = %d", list, table, ids[0]),
				fmt.Sprintf("UPDATE %[1]s SET (%[2]s) = (SELECT %[2]s FROM %[1]s WHERE rowid = %[4]d) WHERE rowid = %[3]d", table, list, ids[0], ids[1]),
				fmt.Sprintf("UPDATE %s SET (%s) = (SELECT %s FROM one) WHERE rowid = %d", table, list, list, ids[1]),
				"DROP TABLE one",
			)
			r := h.verify()
			wantKinds(t, r, Reordered)
			if slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.Kind != Reordered }) {
				t.Errorf("got %+v, want reordered alone", r.Problems)
			}
		})
	}
}

// TestSwappedEntriesThatWaitAreFound swaps two entries that no leaf holds in their places.
func TestSwappedEntriesThatWaitAreFound(t *testing.T) {
	h := filled(t)
	first := h.one("SELECT min(entry) + 2 FROM audit_queue")
	for _, s := range []string{"UPDATE audit_entry SET id = -1 WHERE id = %[1]d", "UPDATE audit_entry SET id = %[1]d WHERE id = %[2]d", "UPDATE audit_entry SET id = %[2]d WHERE id = -1"} {
		h.tamper(fmt.Sprintf(s+" OR 0 * %[1]d * %[2]d", first, first+3))
	}
	r := h.verify()
	wantKinds(t, r, Reordered)
	if slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.Kind != Reordered }) {
		t.Errorf("got %+v, want reordered alone", r.Problems)
	}
}

func TestEmptiedAndGone(t *testing.T) {
	base := filled(t)
	for table := range base.auditTables() {
		if table == "audit_queue" || table == "audit_subject" {
			continue // what these hold is in the entries too, and named one by one
		}
		t.Run(table, func(t *testing.T) {
			h := base.copy(t)
			h.tamper("DELETE FROM " + table)
			wantKinds(t, h.verify(), Missing)
		})
	}
	for name, gone := range map[string]func(*house) error{
		"all tables": func(h *house) error {
			for table := range h.auditTables() {
				h.tamper("DELETE FROM " + table)
			}
			return nil
		},
		"a table":          func(h *house) error { h.tamper("DROP TABLE audit_leaf"); return nil },
		"the database":     func(h *house) error { return os.Remove(h.path("kakehashi.db")) },
		"checkpoints":      func(h *house) error { return os.Remove(h.cfg.CheckpointsFile) },
		"all checkpoints":  func(h *house) error { return os.Truncate(h.cfg.CheckpointsFile, 0) },
		"the public key":   func(h *house) error { return os.Remove(h.cfg.PublicKeyFile) },
		"the record's key": func(h *house) error { return os.Remove(h.cfg.MACKeyFile) },
	} {
		t.Run(name, func(t *testing.T) {
			h := base.copy(t)
			if err := gone(h); err != nil {
				t.Fatal(err)
			}
			wantKinds(t, h.verify(), Missing)
		})
	}
}

func TestDatabaseOfAnOlderDayIsFoundDeclaredAndGoneOnWith(t *testing.T) {
	h := newHouse(t)
	h.start()
	h.ask("Q-1")
	h.settle()
	h.stop()
	old := h.copy(t)
	h.start()
	for range 5 { // more than the new branch seals at first: its checkpoints begin below the lost ones
		h.ask("Q-2")
		h.settle()
	}
	h.stop()
	content, err := os.ReadFile(old.path("kakehashi.db"))
	if err == nil {
		err = os.WriteFile(h.path("kakehashi.db"), content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	wantKinds(t, h.verify(), Cut)
	lost, err := os.ReadFile(h.cfg.CheckpointsFile)
	if err != nil {
		t.Fatal(err)
	}
	h.open() // and dies before it has sealed anything
	h.stop()
	for range 2 { // later starts must not declare it again
		h.start()
		for range 6 {
			h.ask("Q-3")
			h.settle()
		}
		h.stop()
		r := h.verify()
		if len(r.Problems) != 1 || r.Problems[0].Kind != Cut || !strings.Contains(r.Problems[0].Text, "申告済み") {
			t.Errorf("got %+v, want one loss, declared", r)
		}
	}
	// The checkpoints of the new branch never reached the file: they must be taken for
	// missing there, though lost ones of the same sizes stand in it.
	if err := os.WriteFile(h.cfg.CheckpointsFile, lost, 0o600); err != nil {
		t.Fatal(err)
	}
	h.start()
	h.stop()
	if r := h.verify(); len(r.Problems) != 1 || r.Problems[0].Kind != Cut {
		t.Errorf("got %+v, want one loss, declared", r)
	}
	file, err := os.ReadFile(h.cfg.CheckpointsFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, note := range h.notes() {
		if !strings.Contains(string(file), note) {
			t.Errorf("the file lacks the checkpoint\n%s", note)
		}
	}
	if n := h.one("SELECT count(*) FROM audit_entry WHERE kind = 'loss'"); n != 1 {
		t.Errorf("losses declared: got %d, want 1", n)
	}
	h.tamper("UPDATE audit_entry SET body = body || ' ' WHERE id = 2")
	wantKinds(t, h.verify(), Edited)
}

// putBack puts another house's database in the place of this one's, and leaves the file of
// checkpoints as it is.
func (h *house) putBack(old *house) {
	h.t.Helper()
	content, err := os.ReadFile(old.path("kakehashi.db"))
	if err == nil {
		err = os.WriteFile(h.path("kakehashi.db"), content, 0o600)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestDatabaseOfAnOlderDayASecondTime puts the database back once more after a loss was
// declared, while the tree is still smaller than what was lost at first.
func TestDatabaseOfAnOlderDayASecondTime(t *testing.T) {
	h := newHouse(t)
	ask := func(n int) {
		h.start()
		for range n {
			h.ask("Q-1")
			h.settle()
		}
		h.stop()
	}
	ask(1)
	first := h.copy(t)
	ask(20)
	h.putBack(first)
	ask(2)
	wantTexts(t, h.verify(), "申告済み")
	second := h.copy(t)
	ask(3)
	h.putBack(second)
	wantTexts(t, h.verify(), "控えのファイルには", "申告済み")
	ask(1)
	wantTexts(t, h.verify(), "申告済み", "申告済み")
	h.putBack(first) // to before either was declared
	wantTexts(t, h.verify(), "控えのファイルには")
	ask(1)
	wantTexts(t, h.verify(), "申告済み")
	if err := os.Remove(h.cfg.CheckpointsFile); err != nil {
		t.Fatal(err)
	}
	ask(1)
	wantTexts(t, h.verify(), "申告済み", "作り直されています")
}

// wantTexts wants exactly as many problems as parts of texts, each in one of them.
func wantTexts(t *testing.T, r Report, parts ...string) {
	t.Helper()
	if len(r.Problems) != len(parts) {
		t.Errorf("got %+v, want %d problems: %v", r.Problems, len(parts), parts)
		return
	}
	for i, p := range r.Problems {
		if !strings.Contains(p.Text, parts[i]) {
			t.Errorf("problem %d: got %q, want %q in it", i, p.Text, parts[i])
		}
	}
}

// TestQueueOfAnotherHistoryIsNotTakenForTheLostEntries puts a database in place whose queue
// is as long as what is missing, and holds something else.
func TestQueueOfAnotherHistoryIsNotTakenForTheLostEntries(t *testing.T) {
	h := newHouse(t)
	h.start()
	h.ask("Q-1")
	h.settle()
	h.stop()
	old := h.copy(t)
	old.open()
	for i := range 9 {
		err := store.WithTx(t.Context(), old.db, func(ctx context.Context, tx *store.Tx) error {
			return old.log.Append(ctx, tx, lookupEntryOf(Change, fmt.Sprint("S-", i)))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	old.stop()
	h.start()
	h.ask("Q-2")
	h.settle()
	h.stop()
	content, err := os.ReadFile(old.path("kakehashi.db"))
	if err == nil {
		err = os.WriteFile(h.path("kakehashi.db"), content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	wantKinds(t, h.verify(), Cut, Edited)
	h.start()
	h.stop()
	wantKinds(t, h.verify(), Cut)
	if n := h.one("SELECT count(*) FROM audit_entry WHERE kind = 'loss'"); n != 1 {
		t.Errorf("losses declared: got %d, want 1", n)
	}
}

func TestBackupTakenBeforeSealingLosesNothing(t *testing.T) {
	h := newHouse(t)
	h.cfg.SealEvery = time.Minute // nothing is sealed before the end
	h.start()
	h.ask("Q-1")
	h.ask("Q-2")
	if err := store.Backup(t.Context(), h.db, h.path("backup")); err != nil {
		t.Fatal(err)
	}
	h.stop()
	for _, name := range []string{"kakehashi.db-wal", "kakehashi.db-shm"} {
		if err := os.Remove(h.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := os.Rename(h.path("backup"), h.path("kakehashi.db")); err != nil {
		t.Fatal(err)
	}
	if r := h.wantOK(); r.Unproved != 0 {
		t.Errorf("got %+v, want everything proved by the file", r)
	}
	h.start()
	h.ask("Q-3")
	h.stop()
	h.wantOK()
	if n := h.one("SELECT count(*) FROM audit_entry WHERE kind = 'loss'"); n != 0 {
		t.Error("a loss was declared though nothing is lost")
	}
}

// TestBackupTakenWhileSealingLosesWhatCameAfterAlone puts back a backup that has entries
// waiting for their seal, of which the file of checkpoints proves some.
func TestBackupTakenWhileSealingLosesWhatCameAfterAlone(t *testing.T) {
	h := newHouse(t)
	h.open()
	h.fill(3)
	backup := newHouse(t)
	if err := store.Backup(t.Context(), h.db, backup.path("kakehashi.db")); err != nil {
		t.Fatal(err)
	}
	h.log.sealAll(t.Context())
	h.fill(2)
	h.log.sealAll(t.Context())
	h.stop()
	h.putBack(backup)
	wantTexts(t, h.verify(), "末尾が2件少なくなっています")
	h.start()
	h.settle()
	h.stop()
	wantTexts(t, h.verify(), "第5件から第6件までが失われています")
}

func TestDamagedFileIsAProblemAndNoCrash(t *testing.T) {
	base := filled(t)
	size := base.one("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
	found := 0
	for i := range int64(40) {
		h := base.copy(t)
		f, err := os.OpenFile(h.path("kakehashi.db"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		at := size * i / 40
		b := make([]byte, 64)
		if _, err := f.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		for j := range b {
			b[j] ^= 0x55
		}
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := Verify(t.Context(), h.input())
		if err != nil {
			t.Errorf("at %d: %v", at, err)
		}
		if !r.OK {
			found++
		}
	}
	if found == 0 {
		t.Error("nothing was found")
	}
	t.Logf("%d of 40 places mattered and were found", found)
}

// TestIndexThatHidesEntriesIsFound fills an index behind its table's back with something
// else: searches through it miss entries, though no entry is gone.
func TestIndexThatHidesEntriesIsFound(t *testing.T) {
	base := filled(t)
	other := func(from, to string) func(string) string {
		return func(s string) string { return strings.Replace(s, from, to, 1) }
	}
	empty := func(s string) string { s, _, _ = strings.Cut(s, " WHERE "); return s + " WHERE 0" }
	for index, fillings := range map[string]map[string]func(string) string{
		"audit_entry_at": {
			"empty": empty, "another column": other("(at)", "(staff)"), "backwards": other("(at)", "(at DESC)"),
			"some": func(s string) string { return s + " WHERE id <> 3" }, "another's": other("(at)", "(mac)"),
		},
		"audit_entry_opened": {"empty": empty, "other kinds": other("'opened'", "'intent'")},
		"audit_leaf_entry":   {"empty": empty, "backwards": other("(entry)", "(entry DESC)"), "another column": other("(entry)", "(hash)")},
		"audit_leaf_lookup":  {"empty": empty, "more": other(" <> ''", " = ''"), "some": other(" <> ''", " > 'Q-0-2'")},
		"audit_subject_atena": {
			"empty": empty, "one column twice": other("(atena_number, entry)", "(atena_number, atena_number)"),
			"some": func(s string) string { return s + " WHERE id <> 3" },
		},
	} {
		for name, filling := range fillings {
			t.Run(index+"/"+name, func(t *testing.T) {
				h := base.copy(t)
				h.refill(index, filling)
				r := h.verify()
				wantKinds(t, r, Edited)
				if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Text, "索引") {
					t.Errorf("got %+v, want the index alone", r.Problems)
				}
			})
		}
	}
}

// refill fills an index as another statement would, and puts its own statement back.
func (h *house) refill(index string, filling func(string) string) {
	h.t.Helper()
	spell := func(statement string) (before string) {
		db, err := sql.Open("sqlite", h.path("kakehashi.db")+"?_pragma=writable_schema(1)")
		if err != nil {
			h.t.Fatal(err)
		}
		err = db.QueryRow("SELECT sql FROM sqlite_master WHERE name = $1", index).Scan(&before)
		if err == nil && statement != "" {
			_, err = db.Exec("UPDATE sqlite_master SET sql = $1 WHERE name = $2", statement, index)
		}
		if err = errors.Join(err, db.Close()); err != nil {
			h.t.Fatal(err)
		}
		return before
	}
	own := spell("")
	if filling(own) == own {
		h.t.Fatalf("%s: nothing is changed by it", own)
	}
	spell(filling(own))
	h.tamper("REINDEX " + index)
	spell(own)
}

// TestIndexesAreReadByThemselves makes sure that what is compared with a table is not read
// from that table.
func TestIndexesAreReadByThemselves(t *testing.T) {
	h := filled(t)
	db, err := sql.Open("sqlite", h.path("kakehashi.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	known := map[string]bool{}
	for _, x := range indexes() {
		var a, b, c int
		var plan string
		if err := db.QueryRow("EXPLAIN QUERY PLAN "+x.query).Scan(&a, &b, &c, &plan); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(plan, "USING COVERING INDEX "+x.name) {
			t.Errorf("%s: %s", x.query, plan)
		}
		known[x.name] = true
	}
	rows, err := db.Query("SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name LIKE 'audit%'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil || !known[name] {
			t.Errorf("index %s is not verified: %v", name, err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestEndOfAWriterCutBeforeItWasSealedIsFound(t *testing.T) {
	base := filled(t)
	h := base.copy(t)
	h.open() // a successor, which says how far its predecessor came
	h.stop()
	last := h.one("SELECT max(id) - 1 FROM audit_entry")
	h.tamper(fmt.Sprintf("DELETE FROM audit_entry WHERE id = %d", last), fmt.Sprintf("DELETE FROM audit_queue WHERE entry = %d", last))
	wantKinds(t, h.verify(), Deleted)
}

func TestCheckpointIsSpeltInOneWayOnly(t *testing.T) {
	h := newHouse(t)
	tr := newTree()
	if err := tr.add([hashSize]byte{1}); err != nil {
		t.Fatal(err)
	}
	c, err := sign(h.keys.signer, tr, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openCheckpoint(c.note, h.keys.verifier); err != nil {
		t.Fatal(err)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	end := strings.LastIndexByte(c.note, '=') - 1 // this character has two bits that mean nothing
	other := []byte(c.note)
	other[end] = alphabet[strings.IndexByte(alphabet, c.note[end])^1]
	if _, err := openCheckpoint(string(other), h.keys.verifier); err == nil {
		t.Error("a signature may be spelt in two ways")
	}
	for i := range len(c.note) {
		for _, bit := range []byte{1, 2, 4, 8, 16, 32, 64, 128} {
			b := []byte(c.note)
			b[i] ^= bit
			if _, err := openCheckpoint(string(b), h.keys.verifier); err == nil {
				t.Errorf("bit %d of byte %d (%q) may be flipped", bit, i, c.note[i])
			}
		}
	}
}
