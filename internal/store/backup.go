package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"kakehashi/internal/fault"
)

// Backup writes the database, as it is at one moment, to a new file that only its owner
// may read, while the gateway runs or not. It is a Conflict where the file exists. When
// it returns nil the file is on the disk under its name; before, nothing bears that name.
// PostgreSQL has tools of its own for that: there it is a Conflict that names them.
func Backup(ctx context.Context, db *DB, file string) (err error) {
	if db.pg != nil {
		return fault.New(fault.Conflict, "a PostgreSQL database is not backed up by this program; use pg_dump -Fc --schema=%s", db.pg.cfg.Schema).
			WithCode("KKH3227").WithReason("postgres")
	}
	if _, err := os.Lstat(file); err == nil {
		return nameTaken()
	} else if !errors.Is(err, os.ErrNotExist) {
		return backupFailed(err)
	}
	partial := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".partial-"+rand.Text()[:8])
	defer func() { err = errors.Join(err, discard(partial)) }()
	if err := copyTo(ctx, db, partial); err != nil {
		return err
	}
	// A link, since a rename would take the place of a file that has come meanwhile.
	if err := os.Link(partial, file); errors.Is(err, os.ErrExist) {
		return nameTaken()
	} else if err != nil {
		return backupFailed(err)
	}
	if err := syncPath(filepath.Dir(file)); err != nil {
		return backupFailed(err)
	}
	return nil
}

func nameTaken() error {
	return fault.New(fault.Conflict, "the backup's file exists already; name one that does not").
		WithCode("KKH3211").WithReason("exists")
}

func copyTo(ctx context.Context, db *DB, partial string) error {
	f, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return backupFailed(err)
	}
	if err := f.Close(); err != nil {
		return backupFailed(err)
	}
	conn, err := db.readers.Conn(ctx)
	if err != nil {
		return fmt.Errorf("back up: %w", classify(err))
	}
	var tables int
	switch err := conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); {
	case err != nil:
		return errors.Join(classify(err), conn.Close())
	case tables == 0:
		empty := fault.New(fault.Conflict, "the database is empty: there is nothing to back up").WithCode("KKH3203").WithReason("empty")
		return errors.Join(empty, conn.Close())
	}
	// The pool of a running gateway may only query; VACUUM INTO writes another file.
	_, err = conn.ExecContext(ctx, "PRAGMA query_only(0)")
	if err == nil {
		_, err = conn.ExecContext(ctx, "VACUUM INTO $1", partial)
	}
	if _, back := conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA query_only(1)"); err == nil {
		err = back
	}
	if err = errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("back up: %w", classify(err))
	}
	if err := syncPath(partial); err != nil {
		return backupFailed(err)
	}
	return nil
}

func backupFailed(err error) error {
	if pathErr, ok := errors.AsType[*os.PathError](err); ok {
		err = fmt.Errorf("%s: %w", pathErr.Op, pathErr.Err)
	}
	if linkErr, ok := errors.AsType[*os.LinkError](err); ok {
		err = fmt.Errorf("%s: %w", linkErr.Op, linkErr.Err)
	}
	return fault.New(fault.Unavailable, "write the backup: %w", err).WithCode("KKH3212")
}

func discard(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return backupFailed(err)
	}
	return nil
}

// syncPath brings a file, or the names in a folder, to the disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// writable tells whether files can be created in the folder of path.
func writable(path string) bool { return unix.Access(filepath.Dir(path), unix.W_OK) == nil }
