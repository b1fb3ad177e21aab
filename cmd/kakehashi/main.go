// Command kakehashi is the gateway: it serves, and it is the tool by which operators,
// case workers, schedulers and auditors speak to a gateway that runs.
//
// Only this package builds things and connects them; set.go does it for one municipality,
// in reading order. A file is a command.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	// A panic ends with 134 (SIGABRT), not with Go's 2, which a scheduler reads as a warning;
	// and without a core file, which would hold personal data (experience.md 3.1).
	debug.SetTraceback("crash")
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	collectLess()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// collectLess has garbage collected less often than Go's default, unless GOGC says how: a
// gateway's heap is small and a lookup leaves much behind, so that for some tens of
// megabytes a tenth to a fifth of its processor time is had.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

// streams are where a command reads and writes: results on out, events and errors on err.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// run carries out one command and gives its exit code.
func run(ctx context.Context, args []string, s streams) int {
	root := rootCommand(s)
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if end, ok := errors.AsType[*ending](err); ok {
		if end.text != "" {
			_, _ = fmt.Fprintln(s.err, end.text)
		}
		return end.code
	}
	_, _ = fmt.Fprintln(s.err, explain(err))
	return exitCode(err)
}
