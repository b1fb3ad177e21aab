package audit

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"kakehashi/internal/storetest"
)

// besideTables are the tables that the record proves, and their columns; the key first.
var besideTables = map[string][]string{
	"audit_entry":      {"id", "writer", "number", "at", "kind", "lookup", "staff", "case_id", "subjects", "void", "body", "salt", "mac"},
	"audit_queue":      {"entry", "at"},
	"audit_leaf":       {"position", "entry", "lookup", "hash", "at"},
	"audit_subject":    {"id", "entry", "atena_number", "role", "at"},
	"audit_checkpoint": {"size", "hashes", "note"},
}

// filledBeside is filled on PostgreSQL, with a way to put everything back as it was.
func filledBeside(t *testing.T) (h *house, restore func()) {
	t.Helper()
	h = fill(newHouseAt(t, storetest.Postgres(t)))
	h.tamper("UPDATE audit_writer SET low = 9 WHERE settled = 0") // as its heart would have
	var restored strings.Builder
	for table := range besideTables {
		h.tamper("CREATE TABLE kept_" + table + " AS SELECT * FROM " + table)
		fmt.Fprintf(&restored, "DELETE FROM %[1]s; INSERT INTO %[1]s SELECT * FROM kept_%[1]s;", table)
	}
	return h, func() { h.tamper(restored.String()) }
}

// nth names a row of a table by its place.
func nth(table string, at int64) string {
	key := besideTables[table][0]
	return fmt.Sprintf("%[2]s = (SELECT %[2]s FROM %[1]s ORDER BY %[2]s LIMIT 1 OFFSET %[3]d)", table, key, at)
}

func TestTamperingBesideIsFound(t *testing.T) {
	h, restore := filledBeside(t)
	r := h.wantOK()
	if r.Unproved != 8 || r.Entries != r.Sealed+8 {
		t.Errorf("got %+v, want the 8 of the last writer unproved and all others sealed", r)
	}
	try := func(name string, kinds []ProblemKind, statements ...string) {
		t.Run(name, func(t *testing.T) {
			h.tamper(statements...)
			wantKinds(t, h.verify(), kinds...)
			restore()
		})
	}
	for table, columns := range besideTables {
		rows := h.one("SELECT count(*) FROM " + table)
		if rows < 7 {
			t.Errorf("%s has %d rows: too few to be tried", table, rows)
		}
		for _, column := range columns {
			for _, at := range []int64{rows / 3, rows - 1} {
				set := map[bool]string{true: "%[2]s + 4096", false: `CASE WHEN %[2]s = '' THEN 'x' ELSE left(%[2]s, -1) || CASE WHEN right(%[2]s, 1) = 'A' THEN 'B' ELSE 'A' END END`}[slices.Contains([]string{"id", "number", "entry", "position", "size"}, column)]
				if slices.Contains([]string{"salt", "mac", "hash", "hashes"}, column) {
					set = "set_byte(%[2]s, length(%[2]s) - 1, (get_byte(%[2]s, length(%[2]s) - 1) + 1) %% 256)"
				}
				kinds := []ProblemKind{Edited}
				if column == "id" || table == "audit_queue" && column == "entry" {
					kinds = append(kinds, Deleted, Cut) // an entry that waits is known by its id alone
				}
				try(fmt.Sprintf("flip/%s.%s[%d]", table, column, at), kinds,
					fmt.Sprintf("UPDATE %[1]s SET %[2]s = "+set+" WHERE %[3]s", table, column, nth(table, at)))
			}
		}
		for _, at := range []int64{0, rows - 2, rows - 1} {
			kinds := []ProblemKind{Deleted}
			if at == rows-1 {
				kinds = append(kinds, Cut)
			}
			try(fmt.Sprintf("delete/%s[%d]", table, at), kinds, "DELETE FROM "+table+" WHERE "+nth(table, at))
		}
		key := columns[0]
		cut := []ProblemKind{Cut}
		if table == "audit_queue" {
			cut = append(cut, Deleted)
		}
		try("cut/"+table, cut, fmt.Sprintf("DELETE FROM %[1]s WHERE %[2]s IN (SELECT %[2]s FROM %[1]s ORDER BY %[2]s DESC LIMIT 5)", table, key))
		if table != "audit_queue" && table != "audit_subject" {
			try("empty/"+table, []ProblemKind{Missing}, "TRUNCATE "+table)
		}
		if table != "audit_queue" {
			list := strings.Join(columns[1:], ", ")
			a, b := nth(table, rows/3), nth(table, rows/2)
			try("swap/"+table, []ProblemKind{Reordered, Edited},
				fmt.Sprintf("CREATE TABLE one AS SELECT (SELECT %[2]s FROM %[1]s WHERE %[3]s) AS a, (SELECT %[2]s FROM %[1]s WHERE %[4]s) AS b", table, key, a, b),
				fmt.Sprintf("CREATE TABLE two AS SELECT %[2]s FROM %[1]s WHERE %[3]s", table, list, a),
				fmt.Sprintf("UPDATE %[1]s SET (%[2]s) = (SELECT %[2]s FROM %[1]s WHERE %[3]s = (SELECT b FROM one)) WHERE %[3]s = (SELECT a FROM one)", table, list, key),
				fmt.Sprintf("UPDATE %[1]s SET (%[2]s) = (SELECT %[2]s FROM two) WHERE %[3]s = (SELECT b FROM one)", table, list, key),
				"DROP TABLE one, two")
		}
	}
	for name, c := range map[string]struct {
		kinds      []ProblemKind
		statements []string
	}{
		"all tables": {[]ProblemKind{Missing}, []string{"TRUNCATE audit_entry, audit_queue, audit_leaf, audit_subject, audit_checkpoint"}},
		"everything after the last checkpoint but five": {[]ProblemKind{Cut}, []string{
			"DELETE FROM audit_checkpoint WHERE size IN (SELECT size FROM audit_checkpoint ORDER BY size DESC LIMIT 5)",
			"DELETE FROM audit_leaf WHERE position >= (SELECT max(size) FROM audit_checkpoint)",
			"DELETE FROM audit_subject WHERE entry NOT IN (SELECT entry FROM audit_leaf)",
			"DELETE FROM audit_entry WHERE id NOT IN (SELECT entry FROM audit_leaf)",
			"DELETE FROM audit_queue",
		}},
		"an entry of the same content": {[]ProblemKind{Edited}, []string{
			"INSERT INTO audit_entry SELECT 100000, writer, number, at, kind, lookup, staff, case_id, subjects, void, body, salt, mac FROM audit_entry WHERE id = 3",
			"INSERT INTO audit_queue VALUES (100000)",
		}},
		"an entry with its row in the queue": {[]ProblemKind{Deleted}, []string{
			"DELETE FROM audit_entry WHERE id = (SELECT entry + 2 FROM audit_queue ORDER BY entry LIMIT 1)",
			"DELETE FROM audit_queue WHERE entry NOT IN (SELECT id FROM audit_entry)",
		}},
		"sealed leaves in the middle": {[]ProblemKind{Deleted}, []string{"DELETE FROM audit_leaf WHERE position BETWEEN 5 AND 8"}},
		"a leaf sealed twice":         {[]ProblemKind{Edited, Deleted, Reordered}, []string{"UPDATE audit_leaf SET entry = o.entry, lookup = o.lookup, hash = o.hash, at = o.at FROM audit_leaf o WHERE o.position = 4 AND audit_leaf.position = 9"}},
	} {
		try(name, c.kinds, c.statements...)
	}
	h.wantOK() // everything is back
	for name, gone := range map[string]func() error{
		"checkpoints":     func() error { return os.Rename(h.cfg.CheckpointsFile, h.cfg.CheckpointsFile+".gone") },
		"all checkpoints": func() error { return os.WriteFile(h.cfg.CheckpointsFile, nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile(h.cfg.CheckpointsFile)
			if err == nil {
				err = gone()
			}
			if err != nil {
				t.Fatal(err)
			}
			wantKinds(t, h.verify(), Missing)
			if err := os.WriteFile(h.cfg.CheckpointsFile, content, 0o600); err != nil {
				t.Fatal(err)
			}
		})
	}
}
