package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"kakehashi/internal/fault"
)

// lock is the right to run on a database. The kernel takes it back when the process ends,
// however it ends, so that no stale lock is ever left. The number of the process inside
// the file is for people to read.
type lock struct{ file *os.File }

func takeLock(path string) (*lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, cannotOpen(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder := holderOf(f)
		closeErr := f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fault.New(fault.Conflict,
				"another gateway (%s) runs on this database; stop it before starting one here", holder).
				WithCode("KKH3201").WithReason("already_running")
		}
		return nil, errors.Join(fmt.Errorf("lock the database: %w", err), closeErr)
	}
	l := &lock{file: f}
	if err := l.sign(strconv.Itoa(os.Getpid()) + "\n"); err != nil {
		return nil, errors.Join(fault.New(fault.Unavailable, "write the lock file: %w", err).WithCode("KKH3204"), l.release())
	}
	return l, nil
}

// holderOf says who holds the lock, as far as the file tells.
func holderOf(f *os.File) string {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if err != nil {
		return "pid unknown"
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		return "pid " + strconv.Itoa(pid)
	}
	return "pid unknown"
}

func (l *lock) sign(text string) error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(text), 0)
	return err
}

// release leaves the file where it is: removing it would let two gateways hold two locks
// of the same name.
func (l *lock) release() error { return errors.Join(l.sign(""), l.file.Close()) }
