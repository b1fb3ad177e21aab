// Command faults breaks the servers underneath and the gateways themselves, one scenario
// after the other, while clerks change the ledger and staff look people up, and counts what
// became of every answer and every change. From the root of the repository:
//
//	go run ./.ci/faults                     # everything, about half an hour
//	go run ./.ci/faults -list
//	go run ./.ci/faults -only postgres-kill,gateway-kill -seconds 20
//
// It starts a PostgreSQL, a Redis and a Kafka of its own, builds the program, and runs three
// gateways of the fictional city on them for each scenario, every connection through a proxy
// that can break it. A scenario has a schema, topics and stand-ins of its own. After each:
//
//   - every answer that was given stands in the record, with who asked and who is in it, and
//     every question that was recorded has exactly one end;
//   - every change that was accepted was applied by the neighbour once, in order within its
//     record, or waits for a person with the question whether it arrived;
//   - every change that was accepted was published, in order within its record;
//   - the record verifies, against the file of checkpoints of each gateway.
//
// It ends with 1 where anything is amiss.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are what the command is told.
type options struct {
	only     []string
	seconds  int
	gateways int
	engines  []string
	program  string
	keep     bool
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:])
	cancel()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	var o options
	var only, under string
	var list bool
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.StringVar(&only, "only", "", "which scenarios, separated by commas; empty: all")
	flags.IntVar(&o.seconds, "seconds", 15, "how long each scenario is under load")
	flags.IntVar(&o.gateways, "gateways", 3, "how many gateways run")
	flags.StringVar(&under, "engines", "postgres,redis,kafka", "what is underneath; empty: SQLite, for one gateway")
	flags.StringVar(&o.program, "program", "", "a program that is built already; empty: the one of this source tree")
	flags.BoolVar(&o.keep, "keep", false, "keep the folder with configurations and logs")
	flags.BoolVar(&list, "list", false, "list the scenarios and end")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if list {
		for _, s := range scenarios() {
			fmt.Printf("%-20s %s\n", s.name, s.about)
		}
		return 0
	}
	o.only, o.engines = words(only), words(under)
	if err := o.check(); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		return 2
	}
	results, err := o.all(ctx)
	printTable(os.Stdout, results)
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		return 1
	}
	if slices.ContainsFunc(results, func(r *result) bool { return len(r.amiss) > 0 }) {
		return 1
	}
	return 0
}

// words splits a list that may be empty.
func words(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

func (o options) check() error {
	for _, name := range o.only {
		if !slices.ContainsFunc(scenarios(), func(s scenario) bool { return s.name == name }) {
			return fmt.Errorf("no scenario is called %q; -list tells them", name)
		}
	}
	if o.seconds < 5 || o.gateways < 1 {
		return errors.New("at least 5 seconds and one gateway are wanted")
	}
	if !slices.Contains(o.engines, "postgres") && o.gateways > 1 {
		return errors.New("several gateways need PostgreSQL")
	}
	return nil
}

// all runs the scenarios one after the other and gives what became of each.
func (o options) all(ctx context.Context) ([]*result, error) {
	begun := time.Now()
	b, err := newBench(ctx, o)
	if err != nil {
		return nil, err
	}
	fmt.Printf("bench: %d servers and the program after %v\n", len(b.servers), time.Since(begun).Round(time.Second))
	var results []*result
	for _, s := range scenarios() {
		if len(o.only) > 0 && !slices.Contains(o.only, s.name) {
			continue
		}
		if why := s.lacks(o.engines, b); why != "" {
			results = append(results, skip(s.name, why))
			continue
		}
		if s.clock {
			if err := b.buildBack(ctx); err != nil {
				results = append(results, skip(s.name, err.Error()))
				continue
			}
		}
		r, err := b.play(ctx, s)
		if r != nil {
			results = append(results, r)
			fmt.Println(r.line())
		}
		if err != nil {
			return results, errors.Join(fmt.Errorf("%s: %w", s.name, err), b.close())
		}
	}
	return results, b.close()
}

// skip tells that a scenario is not played, and why.
func skip(name, why string) *result {
	fmt.Printf("%-20s skipped: %s\n", name, why)
	return &result{name: name, skipped: why}
}
