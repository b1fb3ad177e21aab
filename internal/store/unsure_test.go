package store

import (
	"context"
	"path/filepath"
	"testing"

	"kakehashi/internal/fault"
)

func TestLostReplyToCommitIsUnsure(t *testing.T) {
	db, err := Open(t.Context(), File(filepath.Join(t.TempDir(), "k.db")))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var told []bool
	insert := func(ctx context.Context, tx *Tx) error {
		tx.Done(func(committed bool) { told = append(told, committed) })
		_, err := tx.Exec(ctx, "INSERT INTO audit_queue (entry) VALUES (1)")
		return err
	}
	db.writer.ending = "SELECT $1" // fails in the driver, as a reply that never comes does
	if err := WithTx(t.Context(), db, insert); !fault.Is(err, fault.Unsure) || fault.Code(err) != "KKH3209" {
		t.Errorf("got %v, want Unsure with KKH3209", err)
	}
	db.writer.ending = "COMMIT"
	if err := WithTx(t.Context(), db, insert); err != nil {
		t.Errorf("the next transaction: %v", err)
	}
	if len(told) != 2 || told[0] || !told[1] {
		t.Errorf("told %v, want false and true", told)
	}
}

func TestWiden(t *testing.T) {
	for query, want := range map[string]string{
		"INSERT INTO t (a, b) VALUES ($1, $2)":                          "INSERT INTO t (a, b) VALUES (?, ?), (?, ?)",
		"INSERT INTO t (a) VALUES ($1)":                                 "INSERT INTO t (a) VALUES (?), (?)",
		"INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO NOTHING":      "",
		"INSERT INTO t (a, b) VALUES ($1, lower($2))":                   "",
		"INSERT INTO t (a, b) VALUES ($2, $1)":                          "",
		"INSERT INTO t (a) SELECT id FROM u WHERE id BETWEEN $1 AND $2": "",
		"DELETE FROM t WHERE a = $1":                                    "",
	} {
		if got := widen(query, 2); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
}

func TestBulkKeepsEveryRow(t *testing.T) {
	db, err := Open(t.Context(), File(filepath.Join(t.TempDir(), "k.db")))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const rows = 2*together + 5
	err = WithTx(t.Context(), db, func(ctx context.Context, tx *Tx) error {
		var args [][]any
		for i := range rows {
			args = append(args, []any{"W", i, "s"})
		}
		if err := tx.Bulk(ctx, "INSERT INTO audit_subject (atena_number, entry, role) VALUES ($1, $2, $3)", args); err != nil {
			return err
		}
		var n, sum int
		err := tx.QueryRow(ctx, "SELECT count(*), sum(entry) FROM audit_subject WHERE role = 's' AND id = entry + 1").Scan(&n, &sum)
		if n != rows || sum != rows*(rows-1)/2 {
			t.Errorf("got %d rows, sum %d", n, sum)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
