package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"kakehashi/.ci/engines"
)

// bench is what all scenarios share: the servers, the proxies before them, the program.
type bench struct {
	options
	dir      string
	program  string
	back     string // the program whose clock goes back an hour, once it is built
	servers  map[engines.Kind]*engines.Server
	postgres []*proxy // one a gateway, so that one alone can be cut off
	redis    []*proxy
	kafka    *proxy
	played   int
}

// newBench starts the servers and builds the program, all at once.
func newBench(ctx context.Context, o options) (*bench, error) {
	dir, err := os.MkdirTemp("", "kakehashi-faults-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL's user must reach its own folder
		return nil, fmt.Errorf("open the folder: %w", err)
	}
	b := &bench{options: o, dir: dir, servers: map[engines.Kind]*engines.Server{}, program: o.program}
	if err := b.proxies(); err != nil {
		return nil, errors.Join(err, b.close())
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		failed = errors.Join(failed, err)
	}
	for _, kind := range engines.Kinds() {
		if !slices.Contains(o.engines, string(kind)) {
			continue
		}
		all.Go(func() {
			told := 0
			if kind == engines.Kafka {
				told = b.kafka.port()
			}
			s, err := engines.StartBehind(ctx, kind, dir, told)
			if err != nil {
				fail(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			b.servers[kind] = s
		})
	}
	all.Go(func() {
		if b.program == "" {
			b.program = filepath.Join(dir, "kakehashi")
			fail(build(ctx, b.program))
		}
	})
	all.Wait()
	if failed != nil {
		return nil, errors.Join(failed, b.close())
	}
	b.leadProxies()
	if b.has(engines.Postgres) {
		if err := b.makeRoles(ctx); err != nil {
			return nil, errors.Join(err, b.close())
		}
	}
	return b, nil
}

// build builds the program of this source tree.
func build(ctx context.Context, to string, flags ...string) error {
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"build", "-o", to}, flags, []string{"./cmd/kakehashi"})...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the program: %w: %s", err, out)
	}
	return nil
}

func (b *bench) proxies() error {
	var err error
	if b.kafka, err = newProxy(); err != nil {
		return err
	}
	for range b.options.gateways {
		for _, list := range []*[]*proxy{&b.postgres, &b.redis} {
			p, err := newProxy()
			if err != nil {
				return err
			}
			*list = append(*list, p)
		}
	}
	return nil
}

// leadProxies lets connections through to the servers that run.
func (b *bench) leadProxies() {
	for kind, s := range b.servers {
		for _, p := range b.proxiesOf(kind) {
			p.lead(s.Port())
		}
	}
}

// proxiesOf gives what stands before a server.
func (b *bench) proxiesOf(kind engines.Kind) []*proxy {
	switch kind {
	case engines.Postgres:
		return b.postgres
	case engines.Redis:
		return b.redis
	default:
		return []*proxy{b.kafka}
	}
}

// has tells whether the server is underneath.
func (b *bench) has(kind engines.Kind) bool { return b.servers[kind] != nil }

// heal ends every trouble: all servers run, all proxies pass.
func (b *bench) heal(ctx context.Context) error {
	var all error
	for kind, s := range b.servers {
		for _, p := range b.proxiesOf(kind) {
			p.set(pass)
		}
		s.Resume()
		if !s.Running() {
			all = errors.Join(all, s.Start(ctx))
		}
	}
	return all
}

// close stops everything and removes the folder.
func (b *bench) close() error {
	for _, p := range slices.Concat(b.postgres, b.redis, []*proxy{b.kafka}) {
		if p != nil {
			p.close()
		}
	}
	var all sync.WaitGroup
	for _, s := range b.servers {
		all.Go(s.Stop)
	}
	all.Wait()
	if b.keep {
		fmt.Println("kept:", b.dir)
		return nil
	}
	return os.RemoveAll(b.dir)
}

// run runs a command of the program to its end.
func (b *bench) run(ctx context.Context, env []string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.program, args...)
	cmd.Env = append(cleanEnv(), env...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kakehashi %s: %w: %s", strings.Join(args[:min(2, len(args))], " "), err, tail(errs.String(), 1500))
	}
	return out.String(), nil
}

// cleanEnv is the environment without what would override a configuration.
func cleanEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "KAKEHASHI_") || strings.HasPrefix(e, "OTEL_")
	})
}

// tail gives the end of a text.
func tail(text string, n int) string { return strings.TrimSpace(text[max(0, len(text)-n):]) }
