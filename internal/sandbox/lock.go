package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// A process that only asks whether the folder is served holds the lock for an instant;
// who wants to serve waits that out.
const (
	lockPatience = 500 * time.Millisecond
	lockPause    = 20 * time.Millisecond
)

// takeLock takes the folder for this process. The system gives it back when the process
// ends, however it ends. [ErrServed] where another has it.
func takeLock(ctx context.Context, dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the folder: %w", withoutPath(err))
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	pause := time.NewTicker(lockPause)
	defer pause.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock the folder: %w", err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ErrServed, f.Close())
		case <-pause.C:
		}
	}
}

// locked tells whether a process serves the folder.
func locked(dir string) (bool, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the folder's lock: %w", withoutPath(err))
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if closing := f.Close(); closing != nil { // closing gives the lock back
		return false, fmt.Errorf("look at the folder's lock: %w", withoutPath(closing))
	}
	return errors.Is(err, syscall.EWOULDBLOCK), nil
}
