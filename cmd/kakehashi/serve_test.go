package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestOnlyItsOwnAnnouncementIsTakenBack: on PostgreSQL two gateways may be started on one
// folder; the one that stops must not make the other one unfindable.
func TestOnlyItsOwnAnnouncementIsTakenBack(t *testing.T) {
	for name, c := range map[string]struct {
		pid   int
		stays bool
	}{"its own": {os.Getpid(), false}, "another's": {os.Getpid() + 1, true}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := writeRunning(dir, running{API: "http://127.0.0.1:1", PID: c.pid}); err != nil {
				t.Fatal(err)
			}
			if err := removeRunning(dir); err != nil {
				t.Fatal(err)
			}
			_, err := os.Stat(filepath.Join(dir, runningFile))
			if gone := errors.Is(err, fs.ErrNotExist); gone == c.stays {
				t.Errorf("it is there: %v, want %v", !gone, c.stays)
			}
		})
	}
}
