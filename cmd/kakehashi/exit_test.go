package main

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"kakehashi/internal/fault"
)

// TestExitCodes is the table of experience.md 3.1.
func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{usage{errors.New("--x")}, 16},
		{fault.New(fault.Denied, "no"), 16},
		{fault.New(fault.Invalid, "timeout").WithCode("KKH0140"), 16},
		{fault.New(fault.Conflict, "running").WithCode("KKH3201"), 8},
		{fault.New(fault.Conflict, "served").WithCode("KKH6102"), 8},
		{fault.New(fault.Unavailable, "down"), 12},
		{fault.New(fault.Unsure, "lost"), 12},
		{fault.New(fault.Invalid, "bad"), 20},
		{fault.New(fault.NotFound, "none"), 20},
		{fault.New(fault.Conflict, "first"), 20},
		{fault.New(fault.Rejected, "never"), 20},
		{fmt.Errorf("look up: %w", fault.New(fault.Unavailable, "full").WithCode("KKH3101")), 24},
		{fault.New(fault.Internal, "ours"), 32},
		{errors.New("unclassified"), 32},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: got %d, want %d", c.err, got, c.want)
		}
	}
}

// A crash ends with SIGABRT, which a shell and a scheduler read as 134, and not with Go's 2,
// which reads as a warning. SIGQUIT takes the way of an unhandled panic.
func TestCrashIs134(t *testing.T) {
	t.Parallel()
	demo := startDemo(t, t.TempDir())
	if err := demo.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	<-demo.ended
	status, ok := demo.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGABRT || status.CoreDump() {
		t.Errorf("got %v, want ended by SIGABRT without a core file", demo.cmd.ProcessState)
	}
}
