package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The tests of this package run the program as it ships: built once, started in a folder
// of its own, spoken to over its API and its commands.

func TestMain(m *testing.M) {
	flag.Parse()
	if n := flag.Lookup("test.parallel"); n != nil && n.Value.String() == n.DefValue {
		// These tests wait for budgets and breakers more than they compute.
		_ = n.Value.Set("4")
	}
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

var built struct {
	once sync.Once
	dir  string
	path string
	err  error
}

// program gives the path of the built program.
func program(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		//nolint:usetesting // it outlives the test that happens to build it
		if built.dir, built.err = os.MkdirTemp("", "kakehashi-test-"); built.err != nil {
			return
		}
		built.path = filepath.Join(built.dir, "kakehashi")
		out, err := exec.Command("go", "build", "-o", built.path, ".").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("build the program: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// result is how a command ended.
type result struct {
	code     int
	out, err string
}

// kakehashi runs a command to its end.
func kakehashi(t testing.TB, args ...string) result {
	t.Helper()
	return kakehashiWith(t, "", nil, args...)
}

// kakehashiWith runs a command with a standard input and further environment.
func kakehashiWith(t testing.TB, in string, env []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t), args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &out, &errs
	cmd.Env = append(cleanEnv(), env...)
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %v: %v", args, err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// cleanEnv is the environment without what would override a configuration.
func cleanEnv() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "KAKEHASHI_") && !strings.HasPrefix(e, "OTEL_") {
			env = append(env, e)
		}
	}
	return env
}

// process is a demo or a sandbox that runs.
type process struct {
	t     testing.TB
	cmd   *exec.Cmd
	dir   string
	ready ready
	log   *syncBuffer
	ended chan struct{}
}

// syncBuffer is a buffer that a process writes while a test reads.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// start runs a command that prints one line of JSON when it is ready.
func start(t testing.TB, dir string, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, dir: dir, log: &syncBuffer{}, ended: make(chan struct{})}
	p.cmd = exec.Command(program(t), args...)
	p.cmd.Stderr = p.log
	p.cmd.Env = append(cleanEnv(), env...)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make(chan string, 1)
	go func() {
		defer close(p.ended)
		r := bufio.NewReader(out)
		first, _ := r.ReadString('\n')
		line <- first
		_, _ = io.Copy(io.Discard, r)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(p.kill)
	select {
	case first := <-line:
		if err := json.Unmarshal([]byte(first), &p.ready); err != nil {
			t.Fatalf("%v did not say that it is ready: %q\n%s", args, first, p.log)
		}
	case <-time.After(time.Minute):
		t.Fatalf("%v is not ready after a minute\n%s", args, p.log)
	}
	return p
}

// startDemo starts the demo on the folder.
func startDemo(t testing.TB, dir string, env ...string) *process {
	t.Helper()
	return start(t, dir, env, "demo", "--dir", dir, "--addr", "127.0.0.1:0", "--json")
}

// startSandbox starts the stand-ins alone.
func startSandbox(t testing.TB, dir string) *process {
	t.Helper()
	return start(t, dir, nil, "sandbox", "serve", "--dir", dir, "--json")
}

// kill ends the process at once, as kill -9 does, and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// stop ends the process as a service manager does, and gives its exit code.
func (p *process) stop() int {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.kill()
		p.t.Fatalf("the process did not stop\n%s", p.log)
	}
	return p.cmd.ProcessState.ExitCode()
}

// token gives a demo token of the role.
func token(t testing.TB, dir, role string) string {
	t.Helper()
	r := kakehashi(t, "demo", "token", "--dir", dir, "--role", role)
	if r.code != 0 {
		t.Fatalf("demo token: %d %s", r.code, r.err)
	}
	return strings.TrimSpace(r.out)
}

// reply is an answer of the API.
type reply struct {
	status int
	header http.Header
	body   string
}

// post sends a body to the API.
func (p *process) post(path, token string, body any) (reply, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return reply{}, err
	}
	req, err := http.NewRequest(http.MethodPost, p.ready.API+path, bytes.NewReader(b))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	return p.do(req)
}

// get reads a page of the gateway.
func (p *process) get(path string) reply {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodGet, p.ready.API+path, http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := p.do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

func (p *process) do(req *http.Request) (reply, error) {
	client := &http.Client{Timeout: 30 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, string(b)}, err
}

// persona is one of the sandbox's named people, read as another program would.
type persona struct {
	Key        string            `json:"key"`
	Tags       []string          `json:"tags"`
	Atena      string            `json:"atena_number"`
	Household  string            `json:"household_number"`
	Individual string            `json:"individual_number"`
	Name       string            `json:"name"`
	Kana       string            `json:"kana"`
	BirthDate  string            `json:"birth_date"`
	PostalCode string            `json:"postal_code"`
	Address    string            `json:"address"`
	Extra      string            `json:"address_extra"` // 方書
	Phone      string            `json:"phone"`
	Alias      string            `json:"alias"` // 通称
	Tax        map[string]string `json:"tax"`
	Case       string            `json:"case"`
	Members    []string          `json:"members"` // everybody whom the case concerns
	Outcomes   map[string]string `json:"outcomes"`
}

// has tells whether the persona bears the tag.
func (p persona) has(tag string) bool {
	return slices.Contains(p.Tags, tag)
}

// personas reads the sandbox's named people.
func personas(t testing.TB, dir string) []persona {
	t.Helper()
	r := kakehashi(t, "sandbox", "people", "--dir", dir, "--json")
	var all []persona
	if err := json.Unmarshal([]byte(r.out), &all); err != nil || r.code != 0 {
		t.Fatalf("sandbox people: %d %v %s", r.code, err, r.err)
	}
	return all
}

// tagged gives the first persona that bears all tags.
func tagged(t testing.TB, all []persona, tags ...string) persona {
	t.Helper()
next:
	for _, p := range all {
		for _, tag := range tags {
			if !p.has(tag) {
				continue next
			}
		}
		return p
	}
	t.Fatalf("no persona bears %v", tags)
	return persona{}
}

// lookupBody asks about a persona by the demo's example.
func (p *process) lookupBody(who persona) map[string]any {
	return map[string]any{
		"person": map[string]string{"atena_number": who.Atena}, "case": who.Case,
		"procedure": p.ready.Example.Procedure, "purpose": p.ready.Example.Purpose,
	}
}

// lookup asks about a persona and expects an answer.
func (p *process) lookup(token string, who persona) (answer, reply) {
	p.t.Helper()
	r, err := p.post("/v1/lookups", token, p.lookupBody(who))
	if err != nil {
		p.t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal([]byte(r.body), &a); err != nil || r.status != http.StatusOK {
		p.t.Fatalf("lookup of %s: %d %s", who.Key, r.status, r.body)
	}
	return a, r
}

// eventually waits until ok, at most for the time given.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not within %v: %s", within, what)
		case <-tick.C:
		}
	}
}

// verified runs audit verify and gives its report.
type verified struct {
	OK       bool  `json:"ok"`
	Entries  int64 `json:"entries"`
	Sealed   int64 `json:"sealed"`
	Unproved int64 `json:"unproved"`
	Problems []struct {
		Kind  string `json:"kind"`
		Entry string `json:"entry"`
		Text  string `json:"text"`
	} `json:"problems"`
}

func verify(t testing.TB, dir string, flags ...string) (verified, int) {
	t.Helper()
	r := kakehashi(t, append([]string{"audit", "verify", "--dir", dir, "--json"}, flags...)...)
	var v verified
	if err := json.Unmarshal([]byte(r.out), &v); err != nil {
		t.Fatalf("audit verify: %d %v %s%s", r.code, err, r.out, r.err)
	}
	return v, r.code
}

// command makes a command of the built program that the test starts and ends itself.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program(t), args...)
	cmd.Env = cleanEnv()
	return cmd
}
