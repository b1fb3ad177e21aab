// Package engines starts real PostgreSQL, Redis and Kafka servers for tests: on free ports of
// 127.0.0.1, each in a folder of its own, each a process that ends with the program that
// started it. A server that was started answers: a query, a PING, a metadata request. It can
// be stopped, killed with all its processes, held still and let go on, and started again on
// the same port and the same files.
//
// What a server needs is installed where it is lacking: PostgreSQL, Redis and Java as Debian
// packages (as root, or by a sudo that asks nothing), Kafka's jars by Maven into the user's
// cache folder.
package engines

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Kind is which server it is, in the spelling of the KAKEHASHI_TEST_… variables.
type Kind string

// The kinds of server.
const (
	Postgres Kind = "postgres"
	Redis    Kind = "redis"
	Kafka    Kind = "kafka"
)

// Kinds gives all kinds, the slowest to start first.
func Kinds() []Kind { return []Kind{Kafka, Postgres, Redis} }

// answersWithin is how long a server may take from its start until it answers.
const answersWithin = 90 * time.Second

// plan is how one kind of server is laid out and run.
type plan struct {
	prepare func(ctx context.Context, s *Server) error // lays out the folder, once
	command func(s *Server) *exec.Cmd                  // the server in the foreground
	probe   func(ctx context.Context, s *Server) error // nil: it answers
	env     func(s *Server) []string                   // NAME=VALUE, what tests are told
	quit    syscall.Signal                             // ends it in good order
	orphan  syscall.Signal                             // ends it when its starter is gone
}

// Server is one server. It is not safe for concurrent use.
type Server struct {
	Kind Kind
	dir  string // its own
	port int    // where it is spoken to
	more int    // further ports of it
	tls  int
	told int    // where Kafka tells clients to come back
	libs string // Kafka's jars
	plan plan

	cmd   *exec.Cmd
	ended chan struct{}
}

// Start makes a server in a new folder below dir and waits until it answers.
func Start(ctx context.Context, kind Kind, dir string) (*Server, error) {
	return StartBehind(ctx, kind, dir, 0)
}

// StartBehind is Start for a server that clients reach through a proxy on the port told;
// Kafka has to know it, since it tells clients where to come back.
func StartBehind(ctx context.Context, kind Kind, dir string, told int) (*Server, error) {
	p, ok := map[Kind]plan{Postgres: postgresPlan(), Redis: redisPlan(), Kafka: kafkaPlan()}[kind]
	if !ok {
		return nil, fmt.Errorf("no server of the kind %q", kind)
	}
	var failed error
	// Somebody else may take a port between the look and the start: another round then.
	for range 3 {
		own, err := os.MkdirTemp(dir, string(kind)+"-")
		if err != nil {
			return nil, fmt.Errorf("make a folder for %s: %w", kind, err)
		}
		s := &Server{Kind: kind, dir: own, plan: p}
		if err := freePorts(&s.port, &s.more, &s.tls); err != nil {
			return nil, err
		}
		if s.told = told; told == 0 {
			s.told = s.port
		}
		if err := p.prepare(ctx, s); err != nil {
			return nil, fmt.Errorf("prepare %s: %w", kind, err)
		}
		if failed = s.Start(ctx); failed == nil {
			return s, nil
		}
		s.Kill()
		if ctx.Err() != nil {
			return nil, failed
		}
	}
	return nil, failed
}

// Env gives what tests are told of the server, as NAME=VALUE.
func (s *Server) Env() []string { return s.plan.env(s) }

// Port is where on 127.0.0.1 the server is spoken to.
func (s *Server) Port() int { return s.port }

// Start runs the server on its files and waits until it answers.
func (s *Server) Start(ctx context.Context) error {
	if s.Running() {
		return fmt.Errorf("%s runs already", s.Kind)
	}
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", s.Kind, err)
	}
	defer log.Close()
	cmd := s.plan.command(s)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	// A group of its own, so that what ends the tests does not end it under them; and never
	// longer than its starter.
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, s.plan.orphan
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.Kind, err)
	}
	ended := make(chan struct{})
	s.cmd, s.ended = cmd, ended
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	return s.answers(ctx)
}

// answers waits until the server answers.
func (s *Server) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		once, done := context.WithTimeout(ctx, 2*time.Second)
		err := s.plan.probe(once, s)
		done()
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%s ended while it started: %s", s.Kind, s.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w: %s", s.Kind, err, s.lastWords())
		case <-tick.C:
		}
	}
}

// Stop ends the server in good order, by force where that takes longer than half a minute.
func (s *Server) Stop() {
	if !s.Running() {
		return
	}
	s.Resume()
	_ = s.cmd.Process.Signal(s.plan.quit)
	select {
	case <-s.ended:
	case <-time.After(30 * time.Second):
		s.Kill()
	}
}

// Kill ends the server and all its processes at once, as kill -9 does.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	// The first dies first, so that it does not mourn its children and start new ones.
	children := s.children()
	_ = s.cmd.Process.Kill()
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-s.ended
	// A child is gone when init has taken it in; the files are free only then.
	for _, pid := range children {
		for deadline := time.After(5 * time.Second); syscall.Kill(pid, 0) == nil; {
			select {
			case <-deadline:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if zombie(pid) {
				break
			}
		}
	}
}

// Pause holds the server and all its processes still, as SIGSTOP does: its connections stay
// open and nothing answers.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume lets a server go on that was held still.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	if !s.Running() {
		return
	}
	_ = s.cmd.Process.Signal(sig)
	for _, pid := range s.children() {
		_ = syscall.Kill(pid, sig)
	}
}

// Running tells whether the server's process is there.
func (s *Server) Running() bool {
	if s.cmd == nil {
		return false
	}
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// children gives the processes that the server's first process started.
func (s *Server) children() []int {
	parent := strconv.Itoa(s.cmd.Process.Pid)
	all, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range all {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if f := status(pid); len(f) > 1 && f[1] == parent {
			pids = append(pids, pid)
		}
	}
	return pids
}

// zombie tells whether nothing is left of a process but its number.
func zombie(pid int) bool {
	f := status(pid)
	return len(f) > 0 && f[0] == "Z"
}

// status gives what /proc says of a process, from its state on: state, parent, ….
func status(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	// The name before it stands in parentheses and may hold anything.
	return strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
}

func (s *Server) logFile() string { return filepath.Join(s.dir, "server.log") }

// lastWords gives the end of the server's log.
func (s *Server) lastWords() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return "no log"
	}
	return strings.TrimSpace(string(text[max(0, len(text)-2000):]))
}

// address is HOST:PORT of a port of this machine.
func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePorts finds ports that nobody listens on, different ones.
func freePorts(ports ...*int) error {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	for _, p := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		held = append(held, l)
		a, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			return errors.New("find a free port: no TCP address")
		}
		*p = a.Port
	}
	return nil
}
