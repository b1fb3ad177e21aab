package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"kakehashi/.ci/engines"
)

// scenario is one kind of trouble under load.
type scenario struct {
	name, about string
	needs       []engines.Kind
	clock       bool // needs the program whose clock goes back
	strike      func(ctx context.Context, w *world) (actions int, err error)

	// A load of its own; otherwise that of all others.
	presses, asks int
	lasts         time.Duration
}

// lacks says why the scenario cannot be played; empty: it can.
func (s scenario) lacks(under []string, b *bench) string {
	for _, kind := range s.needs {
		if !slices.Contains(under, string(kind)) {
			return string(kind) + " is not underneath"
		}
	}
	if s.clock && b.options.gateways < 2 {
		return "with its own clock wrong, one gateway alone refuses every token"
	}
	return ""
}

// scenarios gives all of them.
func scenarios() []scenario {
	list := []scenario{{name: "calm", about: "no trouble at all", strike: func(context.Context, *world) (int, error) { return 0, nil }}}
	for _, kind := range []engines.Kind{engines.Postgres, engines.Redis, engines.Kafka} {
		list = append(list,
			ofServer(kind, "restart", "is stopped in good order and started again", restart),
			ofServer(kind, "pause", "is held still for five seconds (SIGSTOP)", pause),
			ofServer(kind, "kill", "is killed with all its processes (kill -9) and started again", killServer),
			ofProxies(kind, "cut", "is cut off: every connection is reset and none is made", cut, 2*time.Second),
			ofProxies(kind, "half-open", "takes connections and answers nothing; what was sent is lost", halfOpen, 4*time.Second),
			ofProxies(kind, "slow", "has every piece wait", slow, 5*time.Second),
			ofProxies(kind, "reset", "loses every connection after some thousand bytes", reset, 4*time.Second),
		)
	}
	return append(list, append(gatewayScenarios(), databaseScenarios()...)...)
}

func ofServer(kind engines.Kind, name, about string, do func(context.Context, *engines.Server) error) scenario {
	return scenario{
		name: string(kind) + "-" + name, about: string(kind) + " " + about, needs: []engines.Kind{kind},
		strike: func(ctx context.Context, w *world) (int, error) {
			return again(ctx, 4*time.Second, func() error { return do(context.WithoutCancel(ctx), w.servers[kind]) })
		},
	}
}

func ofProxies(kind engines.Kind, name, about string, m mode, lasts time.Duration) scenario {
	return scenario{
		name: string(kind) + "-" + name, about: string(kind) + " " + about, needs: []engines.Kind{kind},
		strike: func(ctx context.Context, w *world) (int, error) {
			return again(ctx, 3*time.Second, func() error {
				w.setProxies(w.proxiesOf(kind), m)
				wait(ctx, lasts)
				w.setProxies(w.proxiesOf(kind), pass)
				return nil
			})
		},
	}
}

func (w *world) setProxies(list []*proxy, m mode) {
	for _, p := range list {
		p.set(m)
	}
}

// again strikes, leaves about the time in peace, and strikes again, until ctx ends.
func again(ctx context.Context, peace time.Duration, strike func() error) (int, error) {
	for n := 0; ; n++ {
		wait(ctx, between(peace/2, peace))
		if ctx.Err() != nil {
			return n, nil
		}
		if err := strike(); err != nil {
			return n, err
		}
	}
}

func restart(ctx context.Context, s *engines.Server) error { s.Stop(); return s.Start(ctx) }

func pause(ctx context.Context, s *engines.Server) error {
	s.Pause()
	wait(ctx, 5*time.Second)
	s.Resume()
	return nil
}

func killServer(ctx context.Context, s *engines.Server) error { s.Kill(); return s.Start(ctx) }

func gatewayScenarios() []scenario {
	return []scenario{
		{name: "redis-flush", about: "redis is emptied again and again", needs: []engines.Kind{engines.Redis}, strike: func(ctx context.Context, w *world) (int, error) {
			return again(ctx, 300*time.Millisecond, func() error { return w.servers[engines.Redis].Flush(context.WithoutCancel(ctx)) })
		}},
		{name: "gateway-kill", about: "gateways are killed at random (kill -9) and started again", strike: killGateways},
		{name: "gateway-pause", about: "a gateway is held still for longer than its lease, and goes on", strike: pauseGateways},
		{name: "gateway-cut-off", about: "one gateway alone loses PostgreSQL for longer than its lease", needs: []engines.Kind{engines.Postgres}, strike: cutOneOff},
		{name: "clock-back", about: "one gateway's clock goes back an hour while it runs", clock: true, strike: clockBack},
		{name: "shows", about: "2,000 changes and 5,000 lookups; a gateway is killed and PostgreSQL restarted in the middle",
			needs: []engines.Kind{engines.Postgres}, strike: killAndRestart, presses: 1924, asks: 5000, lasts: 60 * time.Second},
	}
}

func killGateways(ctx context.Context, w *world) (int, error) {
	return again(ctx, 2*time.Second, func() error {
		g := w.gateways[rand.IntN(len(w.gateways))]
		g.kill()
		wait(ctx, between(10*time.Millisecond, 500*time.Millisecond))
		return g.start(w.program)
	})
}

func pauseGateways(ctx context.Context, w *world) (int, error) {
	return again(ctx, 2*time.Second, func() error {
		g := w.gateways[rand.IntN(len(w.gateways))]
		g.signal(syscall.SIGSTOP)
		wait(ctx, 2*lease+time.Second)
		g.signal(syscall.SIGCONT)
		return nil
	})
}

func cutOneOff(ctx context.Context, w *world) (int, error) {
	return again(ctx, 2*time.Second, func() error {
		p := w.postgres[rand.IntN(len(w.postgres))]
		p.set([]mode{cut, halfOpen}[rand.IntN(2)])
		wait(ctx, 2*lease+time.Second)
		p.set(pass)
		return nil
	})
}

// clockBack starts the last gateway anew with a clock that goes back while it runs. It stays
// so to the end.
func clockBack(ctx context.Context, w *world) (int, error) {
	g := w.gateways[len(w.gateways)-1]
	if _, err := g.stop(); err != nil {
		return 0, err
	}
	g.program = w.back
	if err := g.start(w.program); err != nil {
		return 0, err
	}
	<-ctx.Done()
	return 1, nil
}

// killAndRestart kills a gateway and restarts PostgreSQL, each once, in the middle.
func killAndRestart(ctx context.Context, w *world) (int, error) {
	wait(ctx, 20*time.Second)
	g := w.gateways[len(w.gateways)-1]
	g.kill()
	wait(ctx, 3*time.Second)
	if err := g.start(w.program); err != nil {
		return 1, err
	}
	wait(ctx, 7*time.Second)
	return 2, restart(context.WithoutCancel(ctx), w.servers[engines.Postgres])
}

func databaseScenarios() []scenario {
	only := []engines.Kind{engines.Postgres}
	return []scenario{
		{name: "long-transaction", about: "a transaction with a snapshot and locked rows stays open", needs: only, strike: longTransaction},
		{name: "crowd", about: "strangers take every connection that PostgreSQL has", needs: only, strike: crowd},
		{name: "dump-restore", about: "all gateways stop, the database is dumped, dropped and restored, and all go on", needs: only, strike: dumpRestore},
		{name: "everything", about: "all of it at random", needs: []engines.Kind{engines.Postgres, engines.Redis, engines.Kafka}, strike: everything, presses: 600, asks: 1500, lasts: 60 * time.Second},
	}
}

// superuser connects to PostgreSQL past the proxies.
func (b *bench) superuser(ctx context.Context) (*pgx.Conn, error) {
	c, err := pgx.Connect(ctx, fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", b.servers[engines.Postgres].Port()))
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return c, nil
}

// longTransaction holds a snapshot of everything for the whole time, and row by row what is
// owed for seconds.
func longTransaction(ctx context.Context, w *world) (int, error) {
	free := context.WithoutCancel(ctx)
	snapshot, err := w.superuser(free)
	if err != nil {
		return 0, err
	}
	defer snapshot.Close(free)
	holder, err := w.superuser(free)
	if err != nil {
		return 0, err
	}
	defer holder.Close(free)
	if _, err := snapshot.Exec(free, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM "+w.schema+".audit_entry"); err != nil {
		return 0, fmt.Errorf("hold a snapshot: %w", err)
	}
	return again(ctx, 500*time.Millisecond, func() error {
		// A row that is held keeps its record waiting; all others must go on.
		_, err := holder.Exec(free, "BEGIN; SELECT 1 FROM "+w.schema+".outbox_owed ORDER BY random() LIMIT 3 FOR UPDATE SKIP LOCKED")
		if err != nil {
			return fmt.Errorf("hold rows: %w", err)
		}
		wait(ctx, 3*time.Second)
		_, err = holder.Exec(free, "ROLLBACK")
		return err
	})
}

// crowd takes all connections for some seconds; those that are open are thrown out, so that
// the gateways must ask for new ones.
func crowd(ctx context.Context, w *world) (int, error) {
	free := context.WithoutCancel(ctx)
	return again(ctx, 3*time.Second, func() error {
		var taken []*pgx.Conn
		for {
			c, err := w.superuser(free)
			if err != nil {
				break
			}
			taken = append(taken, c)
		}
		if len(taken) == 0 {
			return errors.New("no connection could be taken")
		}
		_, err := taken[0].Exec(free, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kakehashi'")
		for range 20 { // and what became free by that
			if c, err := w.superuser(free); err == nil {
				taken = append(taken, c)
			}
		}
		wait(ctx, 3*time.Second)
		for _, c := range taken {
			_ = c.Close(free)
		}
		return err
	})
}

// dumpRestore dumps the schema while nothing runs, drops it, restores it and goes on.
func dumpRestore(ctx context.Context, w *world) (int, error) {
	wait(ctx, between(4*time.Second, 6*time.Second))
	free := context.WithoutCancel(ctx)
	for _, g := range w.gateways {
		if code, err := g.stop(); err != nil || code != 0 {
			return 0, errors.Join(err, fmt.Errorf("a gateway stopped with %d: %s", code, g.log()))
		}
	}
	at := []string{"-h", "127.0.0.1", "-p", fmt.Sprint(w.servers[engines.Postgres].Port()), "-U", "postgres"}
	dump := filepath.Join(w.dir, "city.dump")
	if err := postgresTool(free, "pg_dump", append(at, "-Fc", "--schema="+w.schema, "-f", dump, "postgres")...); err != nil {
		return 0, err
	}
	c, err := w.superuser(free)
	if err != nil {
		return 0, err
	}
	_, err = c.Exec(free, "DROP SCHEMA "+w.schema+" CASCADE")
	if err = errors.Join(err, c.Close(free)); err != nil {
		return 0, fmt.Errorf("drop the schema: %w", err)
	}
	if err := postgresTool(free, "pg_restore", append(at, "--exit-on-error", "-d", "postgres", dump)...); err != nil {
		return 0, err
	}
	for _, g := range w.gateways {
		if err := g.start(w.program); err != nil {
			return 0, err
		}
	}
	return 1, nil
}

// postgresTool runs a program of PostgreSQL's.
func postgresTool(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, engines.PostgresProgram(name), args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// everything strikes anywhere, in any way, and says how long each strike took where logs are
// kept.
func everything(ctx context.Context, w *world) (int, error) {
	free := context.WithoutCancel(ctx)
	kinds := []engines.Kind{engines.Postgres, engines.Redis, engines.Kafka}
	return again(ctx, time.Second, func() error {
		kind := kinds[rand.IntN(len(kinds))]
		s, how, begun := w.servers[kind], rand.IntN(6), time.Now()
		var err error
		switch how {
		case 0:
			err = restart(free, s)
		case 1:
			s.Pause()
			wait(ctx, between(time.Second, 4*time.Second))
			s.Resume()
		case 2:
			err = killServer(free, s)
		case 3, 4:
			g := w.gateways[rand.IntN(len(w.gateways))]
			g.kill()
			err = g.start(w.program)
		default:
			w.setProxies(w.proxiesOf(kind), []mode{cut, halfOpen, slow, reset}[rand.IntN(4)])
			wait(ctx, between(time.Second, 3*time.Second))
			w.setProxies(w.proxiesOf(kind), pass)
		}
		if w.keep {
			name := []string{"restart", "pause", "kill", "gateway", "gateway", "proxy"}[how]
			fmt.Printf("  %s %s: %v\n", name, kind, time.Since(begun).Round(10*time.Millisecond))
		}
		return err
	})
}
