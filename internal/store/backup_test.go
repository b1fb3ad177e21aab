package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// TestBackupThatIsKilledLeavesNothingUnderItsName looks at the folder while the copy is
// being made, since that is how a kill would leave it.
func TestBackupThatIsKilledLeavesNothingUnderItsName(t *testing.T) {
	db := storetest.OpenAt(t, store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "k.db"), Readers: 1})
	dir := t.TempDir()
	file := filepath.Join(dir, "backup.db")
	ended := make(chan error, 1)
	err := store.Read(t.Context(), db, func(context.Context, *store.Tx) error { // the one reader is taken
		go func() { ended <- store.Backup(context.Background(), db, file) }()
		deadline := time.After(10 * time.Second)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			names, err := os.ReadDir(dir)
			if err != nil {
				return err
			}
			if len(names) > 0 {
				break
			}
			select {
			case <-tick.C:
			case <-deadline:
				t.Error("the backup did not begin")
				return nil
			}
		}
		if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the backup's file stands there before it is whole: %v", err)
		}
		// Somebody else takes the name meanwhile.
		return os.WriteFile(file, []byte("theirs"), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, <-ended, fault.Conflict, "KKH3211")
	if text, err := os.ReadFile(file); err != nil || string(text) != "theirs" {
		t.Errorf("the other's file was written to: %d bytes, %v", len(text), err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("left over: %v, %v", names, err)
	}
}
