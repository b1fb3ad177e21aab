package store

import (
	"context"
	"path/filepath"
	"testing"

	"kakehashi/internal/fault"
)

func TestLostReplyToCommitIsUnsure(t *testing.T) {
	db, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "k.db")})
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
