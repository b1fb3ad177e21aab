package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"kakehashi/.ci/engines"
)

// world is a scenario's own city with its stand-ins and gateways, in a schema and topics of
// its own.
type world struct {
	*bench
	name     string
	dir      string // the demo's folder
	schema   string
	topic    string
	city     *exec.Cmd
	gateways []*gateway
	people   []persona
	example  example
	tokens   map[string]string // by role
}

// example is what the demo offers to ask by.
type example struct {
	Procedure string `json:"procedure"`
	Purpose   string `json:"purpose"`
}

// persona is one of the city's named people.
type persona struct {
	Tags      []string `json:"tags"`
	Atena     string   `json:"atena_number"`
	Kana      string   `json:"kana"`
	BirthDate string   `json:"birth_date"`
	Case      string   `json:"case"`
}

func (p persona) has(tag string) bool { return slices.Contains(p.Tags, tag) }

// lease is how long a gateway that is not heard of counts as alive; short, so that what must
// happen afterwards happens within a scenario.
const lease = 5 * time.Second

// newWorld makes the city, fills its folders by the demo's own first start, and starts the
// gateways.
func (b *bench) newWorld(ctx context.Context, name string) (*world, error) {
	b.played++
	w := &world{
		bench: b, name: name, dir: filepath.Join(b.dir, fmt.Sprintf("%02d-%s", b.played, name)),
		schema: fmt.Sprintf("city_%d", b.played), topic: fmt.Sprintf("kakehashi.ledger.v1.%d", b.played), tokens: map[string]string{},
	}
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the city's folder: %w", err)
	}
	if err := w.open(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) open(ctx context.Context) error {
	if err := w.startCity(ctx); err != nil {
		return err
	}
	if err := w.firstStart(ctx); err != nil {
		return err
	}
	text, err := w.run(ctx, nil, "sandbox", "people", "--dir", w.dir, "--json")
	if err == nil {
		err = json.Unmarshal([]byte(text), &w.people)
	}
	if err != nil {
		return fmt.Errorf("read the city's people: %w", err)
	}
	for _, role := range []string{"case-worker", "operator", "auditor"} {
		text, err := w.run(ctx, nil, "demo", "token", "--dir", w.dir, "--role", role)
		if err != nil {
			return err
		}
		w.tokens[role] = strings.TrimSpace(text)
	}
	for i := range w.options.gateways {
		g, err := w.newGateway(i)
		if err != nil {
			return err
		}
		w.gateways = append(w.gateways, g)
		if err := g.start(w.program); err != nil {
			return err
		}
	}
	for _, g := range w.gateways {
		if err := g.ready(ctx, "/readyz", time.Minute); err != nil {
			return err
		}
	}
	return nil
}

// startCity starts the stand-ins of the neighbours in a process of their own.
func (w *world) startCity(ctx context.Context) error {
	_, cmd, err := w.speak(ctx, nil, "sandbox", "serve", "--dir", w.dir, "--json")
	w.city = cmd
	return err
}

// speak starts a command that prints one line when it is ready, and gives the line.
func (w *world) speak(ctx context.Context, env []string, args ...string) (string, *exec.Cmd, error) {
	cmd := exec.Command(w.program, args...)
	var errs strings.Builder
	cmd.Stderr, cmd.Env = &errs, append(cleanEnv(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, fmt.Errorf("read what a command says: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start kakehashi %s: %w", args[0], err)
	}
	line := make(chan string, 1)
	go func() {
		first, _ := bufio.NewReader(out).ReadString('\n')
		line <- first
	}()
	select {
	case first := <-line:
		if first != "" {
			return first, cmd, nil
		}
	case <-time.After(time.Minute):
	case <-ctx.Done():
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return "", nil, fmt.Errorf("kakehashi %s did not get ready: %s", args[0], tail(errs.String(), 1500))
}

// firstStart lets the demo write its folder and open the people's cases, and ends it.
func (w *world) firstStart(ctx context.Context) error {
	args := []string{"demo", "--dir", w.dir, "--addr", "127.0.0.1:0", "--json"}
	env := w.engineEnv(0)
	if w.has(engines.Postgres) { // as the owner, who makes the tables
		args = append(args, "--database", w.database(0, owner), "--schema", w.schema)
		env = append(env, "KAKEHASHI_DATABASE_URL="+w.database(0, owner))
	}
	if w.has(engines.Redis) {
		args = append(args, "--redis", w.redisURL(0))
	}
	if w.has(engines.Kafka) {
		args = append(args, "--kafka", w.brokers())
	}
	line, cmd, err := w.speak(ctx, env, args...)
	if err != nil {
		return err
	}
	var said struct {
		Example example `json:"example"`
	}
	err = json.Unmarshal([]byte(line), &said)
	w.example = said.Example
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := errors.Join(err, cmd.Wait()); err != nil || !w.has(engines.Postgres) {
		return err
	}
	// The gateways run as a role that may do no more than they need.
	_, err = w.run(ctx, append(w.engineEnv(0), "KAKEHASHI_DATABASE_OWNER_URL="+w.database(0, owner)),
		"migrate", "--config", filepath.Join(w.dir, "kakehashi.yaml"))
	return err
}

// The roles of PostgreSQL: who makes the tables, and who the gateways run as.
const (
	owner    = "kakehashi_owner"
	ordinary = "kakehashi"
)

// makeRoles makes both in a server that has none.
func (b *bench) makeRoles(ctx context.Context) error {
	c, err := b.superuser(ctx)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, "CREATE ROLE "+owner+" LOGIN; CREATE ROLE "+ordinary+" LOGIN; GRANT CREATE ON DATABASE postgres TO "+owner)
	if err = errors.Join(err, c.Close(ctx)); err != nil {
		return fmt.Errorf("make the roles: %w", err)
	}
	return nil
}

func (w *world) database(i int, role string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/postgres", role, w.postgres[i].port())
}

func (w *world) redisURL(i int) string { return fmt.Sprintf("redis://127.0.0.1:%d", w.redis[i].port()) }

func (w *world) brokers() string { return fmt.Sprintf("127.0.0.1:%d", w.kafka.port()) }

// engineEnv tells a gateway its servers, by the proxies that are its own.
func (w *world) engineEnv(i int) []string {
	var env []string
	if w.has(engines.Postgres) {
		env = append(env, "KAKEHASHI_DATABASE_URL="+w.database(i, ordinary), "KAKEHASHI_DATABASE_SCHEMA="+w.schema,
			"KAKEHASHI_RECORD_LEASE="+lease.String())
	}
	if w.has(engines.Redis) {
		env = append(env, "KAKEHASHI_REDIS_URL="+w.redisURL(i))
	}
	if w.has(engines.Kafka) {
		env = append(env, "KAKEHASHI_KAFKA_BROKERS="+w.brokers(), "KAKEHASHI_EVENTS_TOPIC="+w.topic,
			"KAKEHASHI_EVENTS_NOTICES_TOPIC="+w.topic+".notices")
	}
	return env
}

// newGateway makes a gateway's folder: the demo's configuration and keys, and a file of
// checkpoints of its own. The first of them goes on with the demo's.
func (w *world) newGateway(i int) (*gateway, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	g := &gateway{dir: filepath.Join(w.dir, fmt.Sprintf("gateway-%d", i+1)), addr: addr}
	if !w.has(engines.Postgres) {
		g.dir = w.dir // its database lies there
	} else if err := copyFolder(w.dir, g.dir, "kakehashi.yaml", "kakehashi.schema.json", "keys"); err != nil {
		return nil, err
	}
	if i == 0 && g.dir != w.dir {
		if err := copyFolder(w.dir, g.dir, "checkpoints.txt"); err != nil {
			return nil, err
		}
	}
	g.env = append(w.engineEnv(i), "KAKEHASHI_LISTEN_ADDRESS="+addr,
		// Much is to happen in little time.
		"KAKEHASHI_OUTBOX_RETRY_FIRST=50ms", "KAKEHASHI_OUTBOX_RETRY_MAX=500ms")
	return g, nil
}

// copyFolder copies files, and folders of files, into another folder.
func copyFolder(from, to string, names ...string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	for _, name := range names {
		src := filepath.Join(from, name)
		info, err := os.Stat(src)
		if err != nil {
			return fmt.Errorf("copy the demo's folder: %w", err)
		}
		if info.IsDir() {
			if err := os.CopyFS(filepath.Join(to, name), os.DirFS(src)); err != nil {
				return fmt.Errorf("copy the demo's folder: %w", err)
			}
			continue
		}
		text, err := os.ReadFile(src)
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), text, 0o600)
		}
		if err != nil {
			return fmt.Errorf("copy the demo's folder: %w", err)
		}
	}
	return nil
}

// close ends the city and what is left of the gateways.
func (w *world) close() error {
	for _, g := range w.gateways {
		g.signal(syscall.SIGCONT)
		g.kill()
	}
	if w.city != nil {
		_ = w.city.Process.Kill()
		_ = w.city.Wait()
	}
	return nil
}
