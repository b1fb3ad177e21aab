package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// gateway is one process of the program and the folder that it runs from.
type gateway struct {
	dir, addr string
	program   string // another one than the bench's, where its clock is to go back
	env       []string

	mu     sync.Mutex
	cmd    *exec.Cmd
	ended  chan struct{}
	wanted bool // it should run: a service manager starts it again when it ends by itself
	selves int  // times that it ended by itself
	last   string
}

// base is where its API is.
func (g *gateway) base() string { return "http://" + g.addr }

// start runs the gateway. That it serves is for ready to tell.
func (g *gateway) start(program string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	log, err := os.OpenFile(filepath.Join(g.dir, "gateway.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open a gateway's log: %w", err)
	}
	defer log.Close()
	if g.program != "" {
		program = g.program
	}
	cmd := exec.Command(program, "serve", "--config", filepath.Join(g.dir, "kakehashi.yaml"))
	cmd.Stderr, cmd.Stdout, cmd.Env = log, log, append(cleanEnv(), g.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start a gateway: %w", err)
	}
	ended := make(chan struct{})
	g.cmd, g.ended, g.wanted = cmd, ended, true
	go func() {
		_ = cmd.Wait()
		g.mu.Lock()
		again := g.wanted
		if again {
			g.selves++
			g.last = cmd.ProcessState.String()
		}
		g.mu.Unlock()
		close(ended)
		if again { // as systemd does, after a moment
			<-time.After(300 * time.Millisecond)
			g.mu.Lock()
			again = g.wanted
			g.mu.Unlock()
			if again {
				_ = g.start(program)
			}
		}
	}()
	return nil
}

// ready waits until the gateway answers that it serves.
func (g *gateway) ready(ctx context.Context, path string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	client := &http.Client{Timeout: 5 * time.Second}
	said := "nothing"
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.base()+path, http.NoBody)
		if err != nil {
			return fmt.Errorf("ask %s: %w", path, err)
		}
		res, err := client.Do(req)
		if err == nil {
			said = res.Status
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("a gateway says %s to %s after %v: %s", said, path, within, g.log())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// kill ends the gateway as kill -9 does.
func (g *gateway) kill() { _, _ = g.end(syscall.SIGKILL, 10*time.Second) }

// stop ends the gateway as a service manager does, and gives its exit code.
func (g *gateway) stop() (int, error) { return g.end(syscall.SIGTERM, 40*time.Second) }

func (g *gateway) end(how syscall.Signal, within time.Duration) (int, error) {
	g.mu.Lock()
	cmd, ended := g.cmd, g.ended
	g.wanted = false
	g.mu.Unlock()
	if cmd == nil {
		return 0, nil
	}
	_ = cmd.Process.Signal(how)
	select {
	case <-ended:
		return cmd.ProcessState.ExitCode(), nil
	case <-time.After(within):
		_ = cmd.Process.Kill()
		<-ended
		return -1, fmt.Errorf("a gateway does not stop within %v: %s", within, g.log())
	}
}

// signal holds the gateway still or lets it go on.
func (g *gateway) signal(s syscall.Signal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cmd != nil {
		_ = g.cmd.Process.Signal(s)
	}
}

// byItself tells how often the gateway ended without being told to, and how the last time.
func (g *gateway) byItself() (int, string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.selves, g.last
}

// log gives the end of the gateway's log.
func (g *gateway) log() string {
	text, err := os.ReadFile(filepath.Join(g.dir, "gateway.log"))
	if err != nil {
		return "no log"
	}
	return tail(string(text), 1500)
}

// freeAddr finds an address that nobody listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free address: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// between gives a random time.
func between(least, most time.Duration) time.Duration {
	return least + rand.N(most-least)
}

// wait waits for the time, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// wants tells whether the gateway should run.
func (g *gateway) wants() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.wanted
}
