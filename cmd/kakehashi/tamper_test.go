package main

import (
	"bytes"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kakehashi/internal/audit"
)

// tampering is one thing that somebody does to a copy of a gateway's folder.
type tampering struct {
	name  string
	do    func(t *testing.T, dir string) (place int64) // of the entry concerned, from 1; 0: none in particular
	kinds []string                                     // what verify may call it; empty: whatever fits
	says  []string                                     // what the report must say
}

// edit runs statements on the database of the copy, as somebody with a database tool would.
func edit(t testing.TB, dir string, statements ...string) {
	t.Helper()
	db := openCopy(t, dir)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// edits gives a tampering by statements about one entry.
func edits(entry int64, statements ...string) func(*testing.T, string) int64 {
	return func(t *testing.T, dir string) int64 {
		for i := range statements {
			statements[i] = strings.ReplaceAll(statements[i], "$1", fmt.Sprint(entry))
		}
		edit(t, dir, statements...)
		return 0
	}
}

func openCopy(t testing.TB, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "kakehashi.db"))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// recordTables gives the tables of the record with their columns.
func recordTables(t testing.TB, dir string) map[string][]string {
	t.Helper()
	db := openCopy(t, dir)
	rows, err := db.Query(`SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name LIKE 'audit\_%' ESCAPE '\' ORDER BY m.name, c.cid`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	tables := map[string][]string{}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		tables[table] = append(tables[table], column)
	}
	if err := rows.Err(); err != nil || len(tables) < 5 {
		t.Fatalf("tables of the record: %v %v", tables, err)
	}
	return tables
}

// flip changes one byte of a column, in the row in the middle of those that hold
// something there; in the last row where none does. It gives the place of an entry's row.
func flip(t testing.TB, dir, table, column string) (place int64) {
	t.Helper()
	db := openCopy(t, dir)
	filled := fmt.Sprintf("FROM %s WHERE length(CAST(%s AS blob)) > 0", table, column)
	var row int64
	err := db.QueryRow(fmt.Sprintf("SELECT rowid %[1]s ORDER BY rowid LIMIT 1 OFFSET (SELECT count(*) / 2 %[1]s)", filled)).Scan(&row)
	if errors.Is(err, sql.ErrNoRows) {
		err = db.QueryRow("SELECT max(rowid) FROM " + table).Scan(&row)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatalf("%s.%s: %v", table, column, err)
	}
	flipRow(t, dir, table, column, row)
	if table == "audit_entry" {
		return row
	}
	return 0
}

// flipRow changes one byte of a column of the row, or writes one where there is none.
func flipRow(t testing.TB, dir, table, column string, row int64) {
	t.Helper()
	db := openCopy(t, dir)
	defer func() { _ = db.Close() }()
	var value any
	if err := db.QueryRow(fmt.Sprintf("SELECT %s FROM %s WHERE rowid = $1", column, table), row).Scan(&value); err != nil {
		t.Fatalf("%s.%s: %v", table, column, err)
	}
	switch v := value.(type) {
	case int64:
		value = v ^ 1<<40
	case string:
		if v == "" {
			v = "0"
		}
		b := []byte(v)
		b[len(b)/2] ^= 1
		value = string(b)
	case []byte:
		v[len(v)/2] ^= 1
		value = v
	default:
		t.Fatalf("%s.%s holds a %T", table, column, value)
	}
	if _, err := db.Exec(fmt.Sprintf("UPDATE %s SET %s = $1 WHERE rowid = $2", table, column), value, row); err != nil {
		t.Fatalf("%s.%s: %v", table, column, err)
	}
}

// copyFolder copies a gateway's folder to a new one, without what is the stand-ins'.
func copyFolder(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "写し")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if rel == sandboxFolder {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// japanese finds a sentence in Japanese.
var japanese = regexp.MustCompile(`\p{Hiragana}.*。`)

// check makes sure that verify finds what was done, says in Japanese where, and ends with 24.
func (c tampering) check(t testing.TB, dir string, flags ...string) {
	t.Helper()
	v, code := verify(t, dir, flags...)
	if v.OK || code != exitRecord || len(v.Problems) == 0 {
		t.Errorf("%v: not found: %d %+v", flags, code, v)
		return
	}
	fits := len(c.kinds) == 0
	var texts strings.Builder
	for _, p := range v.Problems {
		fits = fits || slices.Contains(c.kinds, p.Kind)
		texts.WriteString(p.Text)
		if !japanese.MatchString(p.Text) {
			t.Errorf("%v: not said in Japanese: %q", flags, p.Text)
		}
	}
	if !fits {
		t.Errorf("%v: found %+v; want one of %v", flags, v.Problems, c.kinds)
	}
	for _, word := range c.says {
		if !strings.Contains(texts.String(), word) {
			t.Errorf("%v: found %+v; want it to say %s", flags, v.Problems, word)
		}
	}
}

// filledFolder gives the folder of a demo that was used and cleanly stopped, twice, and a
// copy of it as it lay between: an older day.
func filledFolder(t testing.TB) (dir, older string) {
	t.Helper()
	dir = t.TempDir()
	startSandbox(t, dir)
	people := askable(personas(t, dir))
	staffToken := token(t, dir, "case-worker")
	for day := range 2 {
		p := startDemo(t, dir, "KAKEHASHI_RECORD_SEAL_EVERY=10ms") // many seals
		for _, who := range people[20*day : 20*day+20] {
			p.lookup(staffToken, who)
		}
		if code := p.stop(); code != exitOK {
			t.Fatalf("the gateway stopped with %d", code)
		}
		if day == 0 {
			older = copyFolder(t, dir)
		}
	}
	return dir, older
}

// swapRows exchanges the contents of two rows; what is in the key columns stays.
func swapRows(table, key string, columns []string, a, b int64) []string {
	var sets []string
	for _, c := range columns {
		if c != key {
			sets = append(sets, fmt.Sprintf("%s = (SELECT %s FROM spare WHERE %s = %d + %d - %s.%s)", c, c, key, a, b, table, key))
		}
	}
	return []string{
		"DROP TABLE IF EXISTS spare",
		fmt.Sprintf("CREATE TEMP TABLE spare AS SELECT * FROM %s WHERE %s IN (%d, %d)", table, key, a, b),
		fmt.Sprintf("UPDATE %s SET %s WHERE %s IN (%d, %d)", table, strings.Join(sets, ", "), key, a, b),
	}
}

// swapKeys exchanges the keys of two rows; their contents stay with them.
func swapKeys(table, key string, a, b int64) []string {
	return []string{
		fmt.Sprintf("UPDATE %s SET %s = -7 WHERE %s = %d", table, key, key, a),
		fmt.Sprintf("UPDATE %s SET %s = %d WHERE %s = %d", table, key, a, key, b),
		fmt.Sprintf("UPDATE %s SET %s = %d WHERE %s = -7", table, key, b, key),
	}
}

// twoKeys gives the keys of two rows in the middle of a table.
func twoKeys(t testing.TB, dir, table, key string) (a, b int64) {
	t.Helper()
	db := openCopy(t, dir)
	defer func() { _ = db.Close() }()
	var keys []int64
	rows, err := db.Query(fmt.Sprintf("SELECT %s FROM %s ORDER BY %s", key, table, key))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var k int64
		if err := rows.Scan(&k); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	if err := rows.Err(); err != nil || len(keys) < 4 {
		t.Fatalf("%s has the keys %v (%v); too few", table, keys, err)
	}
	return keys[len(keys)/2-1], keys[len(keys)/2]
}

// rowTamperings gives what is tried on the rows of each table of the record.
func rowTamperings(t testing.TB, dir string) []tampering {
	t.Helper()
	do := func(statements ...string) func(*testing.T, string) int64 {
		return func(t *testing.T, dir string) int64 { edit(t, dir, statements...); return 0 }
	}
	var all []tampering
	for table, columns := range recordTables(t, dir) {
		add := func(name string, do func(*testing.T, string) int64, kinds []string, says ...string) {
			all = append(all, tampering{name: name + " of " + table, do: do, kinds: kinds, says: says})
		}
		add("the whole", do("DROP TABLE "+table), []string{"missing"}, table)
		if table == "audit_queue" {
			continue // empty after a clean stop; TestTamperingBeforeTheSealIsFound
		}
		key := columns[0]
		for _, column := range columns {
			add("flip a byte of "+column, func(t *testing.T, dir string) int64 { return flip(t, dir, table, column) }, []string{"edited", "deleted"})
		}
		a, b := twoKeys(t, dir, table, key)
		rest := fmt.Sprintf("%s IN (SELECT %s FROM %s ORDER BY %s DESC LIMIT 5)", key, key, table, key)
		add("delete a row", do(fmt.Sprintf("DELETE FROM %s WHERE %s = %d", table, key, a)), []string{"deleted"}, placeOf(table, a)...)
		add("cut the last five rows", do("DELETE FROM "+table+" WHERE "+rest), []string{"cut"})
		add("swap the contents of two rows", do(swapRows(table, key, columns, a, b)...), []string{"reordered"}, append(placeOf(table, a), placeOf(table, b)...)...)
		add("swap the keys of two rows", do(swapKeys(table, key, a, b)...), []string{"reordered"}, append(placeOf(table, a), placeOf(table, b)...)...)
		add("all rows", do("DELETE FROM "+table), []string{"missing"})
		add("repeat a row", do(
			fmt.Sprintf("CREATE TEMP TABLE spare AS SELECT * FROM %s WHERE %s = %d", table, key, a),
			fmt.Sprintf("UPDATE spare SET %s = (SELECT max(%s) + 1 FROM %s)", key, key, table),
			fmt.Sprintf("INSERT INTO %s SELECT * FROM spare", table)), nil)
	}
	return all
}

// placeOf is how the report calls the place of an entry or leaf; nothing for other tables.
func placeOf(table string, key int64) []string {
	switch table {
	case "audit_entry":
		return []string{fmt.Sprintf("第%d件", key)}
	case "audit_leaf":
		return []string{fmt.Sprintf("第%d件", key+1)}
	default:
		return nil
	}
}

// wholeTamperings gives what is tried on many tables at once and on the files themselves.
func wholeTamperings(older string) []tampering {
	file := func(f func(t *testing.T, dir, db string)) func(*testing.T, string) int64 {
		return func(t *testing.T, dir string) int64 { f(t, dir, filepath.Join(dir, "kakehashi.db")); return 0 }
	}
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	notes := func(change func([]byte) []byte) func(*testing.T, string) int64 {
		return func(t *testing.T, dir string) int64 {
			path := filepath.Join(dir, "checkpoints.txt")
			b, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path, change(b), 0o600))
			return 0
		}
	}
	return []tampering{
		{name: "cut the last five entries with all that is theirs", do: func(t *testing.T, dir string) int64 {
			edit(t, dir,
				"DELETE FROM audit_entry WHERE id > (SELECT max(id) FROM audit_entry) - 5",
				"DELETE FROM audit_leaf WHERE entry > (SELECT max(id) FROM audit_entry)",
				"DELETE FROM audit_subject WHERE entry > (SELECT max(id) FROM audit_entry)",
				"DELETE FROM audit_checkpoint WHERE size > (SELECT max(id) FROM audit_entry)")
			return 0
		}, kinds: []string{"cut"}, says: []string{"5件"}},
		{name: "take an entry out and close the gap", do: func(t *testing.T, dir string) int64 {
			edit(t, dir,
				"DELETE FROM audit_entry WHERE id = 90", "DELETE FROM audit_leaf WHERE entry = 90", "DELETE FROM audit_subject WHERE entry = 90",
				"UPDATE audit_entry SET id = id - 1 WHERE id > 90", "UPDATE audit_leaf SET position = position - 1, entry = entry - 1 WHERE entry > 90",
				"UPDATE audit_subject SET entry = entry - 1 WHERE entry > 90")
			return 0
		}},
		{name: "empty the record", do: func(t *testing.T, dir string) int64 {
			edit(t, dir, "DELETE FROM audit_entry", "DELETE FROM audit_leaf", "DELETE FROM audit_subject", "DELETE FROM audit_checkpoint")
			return 0
		}, kinds: []string{"missing"}},
		{name: "a table that claims to be the record's", do: func(t *testing.T, dir string) int64 {
			edit(t, dir, "CREATE TABLE audit_entry_old AS SELECT * FROM audit_entry")
			return 0
		}, kinds: []string{"edited"}},
		{name: "an empty database file", do: file(func(t *testing.T, _, db string) { must(t, os.Truncate(db, 0)) }), kinds: []string{"missing"}},
		{name: "no database file", do: file(func(t *testing.T, _, db string) { must(t, os.Remove(db)) }), kinds: []string{"missing"}},
		{name: "another file in its place", do: file(func(t *testing.T, _, db string) {
			must(t, os.WriteFile(db, bytes.Repeat([]byte("架け橋"), 1000), 0o600))
		}), kinds: []string{"edited"}},
		{name: "half a database file", do: file(func(t *testing.T, _, db string) {
			info, err := os.Stat(db)
			must(t, err)
			must(t, os.Truncate(db, info.Size()/2))
		}), kinds: []string{"edited"}},
		{name: "the database of an older day", do: file(func(t *testing.T, _, db string) {
			b, err := os.ReadFile(filepath.Join(older, "kakehashi.db"))
			must(t, err)
			must(t, os.WriteFile(db, b, 0o600))
		}), kinds: []string{"cut"}},
		{name: "no file of checkpoints", do: file(func(t *testing.T, dir, _ string) {
			must(t, os.Remove(filepath.Join(dir, "checkpoints.txt")))
		}), kinds: []string{"missing"}},
		{name: "an empty file of checkpoints", do: notes(func([]byte) []byte { return nil }), kinds: []string{"missing"}},
		{name: "a byte of the file of checkpoints", do: notes(func(b []byte) []byte { b[len(b)/2] ^= 1; return b })},
		{name: "a checkpoint taken from the middle of the file", do: notes(func(b []byte) []byte {
			all := bytes.SplitAfter(b, []byte("\n\n")) // text, signature, text, signature …
			return bytes.Join(slices.Delete(all, 4, 6), nil)
		}), kinds: []string{"deleted"}},
	}
}

func TestEveryTamperingIsFoundAndNamed(t *testing.T) {
	dir, older := filledFolder(t)
	v := checkContent(t, copyFolder(t, dir))
	if old := checkContent(t, copyFolder(t, older)); old.Entries >= v.Entries || v.Unproved != 0 {
		t.Fatalf("the older day has %d entries, the newer %d, %d of them unproved", old.Entries, v.Entries, v.Unproved)
	}
	n := 0
	for _, c := range append(rowTamperings(t, dir), wholeTamperings(older)...) {
		t.Run(c.name, func(t *testing.T) {
			to := copyFolder(t, dir)
			if place := c.do(t, to); place > 0 {
				c.says = append(c.says, fmt.Sprintf("第%d件", place))
			}
			c.check(t, to)
			c.check(t, to, "--public-key-only")
			n++
		})
	}
	// A whole folder put back to an older day holds together; whoever kept checkpoints of
	// their own finds it.
	tampering{kinds: []string{"cut"}}.check(t, copyFolder(t, older), "--public-key-only",
		"--public-key", filepath.Join(dir, "keys", audit.PublicKeyName), "--checkpoints", filepath.Join(dir, "checkpoints.txt"))
	checkContent(t, dir)
	say(t, "%d ways to tamper with a record of %d entries, each found by verify, named in Japanese, with the gateway's key and with the public key alone", n, v.Entries)
}

// dump gives what SQLite reads out of the record's tables and thinks of their indexes; an
// error is part of it.
func dump(t testing.TB, dir string, tables map[string][]string) string {
	t.Helper()
	db := openCopy(t, dir)
	defer func() { _ = db.Close() }()
	var all strings.Builder
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		for _, query := range []string{"SELECT * FROM " + table, "PRAGMA integrity_check('" + table + "')"} {
			if err := dumpRows(&all, db, query); err != nil {
				return err.Error()
			}
		}
	}
	return all.String()
}

func dumpRows(all *strings.Builder, db *sql.DB, query string) error {
	rows, err := db.Query(query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	cells, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(all, "%q\n", cells)
	}
	return rows.Err()
}

// TestEveryByteOfAnEntryCounts flips bytes where they lie in the file, beneath SQLite: an
// entry's, its leaf's and those of the indexes by which it is found.
func TestEveryByteOfAnEntryCounts(t *testing.T) {
	dir, _ := filledFolder(t)
	content, err := os.ReadFile(filepath.Join(dir, "kakehashi.db"))
	if err != nil {
		t.Fatal(err)
	}
	db := openCopy(t, dir)
	var lookup, mac string
	if err := db.QueryRow("SELECT lookup, hex(mac) FROM audit_entry WHERE kind = 'outcome' ORDER BY id DESC LIMIT 1 OFFSET 7").Scan(&lookup, &mac); err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString(mac)
	if err != nil {
		t.Fatal(err)
	}
	tables := recordTables(t, dir)
	clean := dump(t, copyFolder(t, dir), tables)
	found := 0
	for _, word := range [][]byte{[]byte(lookup), raw} {
		for at := bytes.Index(content, word); at >= 0; {
			to := copyFolder(t, dir)
			changed := bytes.Clone(content)
			changed[at+len(word)/2] ^= 1
			if err := os.WriteFile(filepath.Join(to, "kakehashi.db"), changed, 0o600); err != nil {
				t.Fatal(err)
			}
			if dump(t, to, tables) != clean { // else it is a remnant that nobody reads
				tampering{kinds: []string{"edited"}}.check(t, to)
				found++
			}
			next := bytes.Index(content[at+1:], word)
			if next < 0 {
				break
			}
			at += 1 + next
		}
	}
	if found < 5 { // intent, outcome, their two leaves, the leaves' index; the keyed hash
		t.Errorf("only %d places of an entry were found in the file", found)
	}
}

// TestTamperingBeforeTheSealIsFound tampers with the record of a gateway that was killed
// before it could seal its last entries: the gateway's key finds it, the public key counts
// them as unproved.
func TestTamperingBeforeTheSealIsFound(t *testing.T) {
	dir := t.TempDir()
	startSandbox(t, dir)
	people := askable(personas(t, dir))
	staffToken := token(t, dir, "case-worker")
	p := startDemo(t, dir)
	p.lookup(staffToken, people[0])
	if code := p.stop(); code != exitOK {
		t.Fatalf("the gateway stopped with %d", code)
	}
	p = startDemo(t, dir, "KAKEHASHI_RECORD_SEAL_EVERY=1m")
	for _, who := range people[:10] {
		p.lookup(staffToken, who)
	}
	p.kill()
	v := checkContent(t, copyFolder(t, dir))
	if v.Unproved < 20 {
		t.Fatalf("only %d entries await their seal", v.Unproved)
	}
	columns := recordTables(t, dir)["audit_entry"]
	last := v.Entries - 5
	for _, column := range columns {
		t.Run("flip a byte of "+column, func(t *testing.T) {
			to := copyFolder(t, dir)
			flipRow(t, to, "audit_entry", column, last)
			tampering{}.check(t, to)
			if public, _ := verify(t, to, "--public-key-only"); public.OK && public.Unproved == 0 {
				t.Errorf("with the public key alone the edited entry counts as proved: %+v", public)
			}
		})
	}
	for _, c := range []tampering{
		{name: "delete an entry", do: edits(last, "DELETE FROM audit_entry WHERE id = $1", "DELETE FROM audit_queue WHERE entry = $1"), kinds: []string{"deleted"}},
		{name: "delete an entry alone", do: edits(last, "DELETE FROM audit_entry WHERE id = $1"), kinds: []string{"deleted", "edited"}},
		{name: "take an entry out of the queue", do: edits(last, "DELETE FROM audit_queue WHERE entry = $1")},
		{name: "a row of the queue for nothing", do: edits(last, "INSERT INTO audit_queue (entry) VALUES ($1 + 1000)")},
		{name: "empty the queue", do: edits(last, "DELETE FROM audit_queue WHERE $1 > 0")},
		{name: "swap two", do: func(t *testing.T, dir string) int64 {
			edit(t, dir, swapKeys("audit_entry", "id", last, last-1)...)
			return 0
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := copyFolder(t, dir)
			c.do(t, to)
			c.check(t, to)
		})
	}
	startDemo(t, dir).stop()
	checkContent(t, dir)
}
