package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The codes of the two fictional cities.
const (
	codeA = "999997"
	codeB = "999989"
)

// neighbourhood is two fictional cities in folders of their own, each with its stand-ins
// running and its demo's data, and a host that may serve them.
type neighbourhood struct {
	t    testing.TB
	dir  string
	host *hosting
}

// found founds both cities. Each demo runs once, so that there are cases and a record.
func found(t testing.TB) *neighbourhood {
	t.Helper()
	n := &neighbourhood{t: t, dir: t.TempDir()}
	for city, code := range map[string]string{"a": codeA, "b": codeB} {
		start(t, n.city(city), nil, "sandbox", "serve", "--dir", n.city(city), "--municipality", code, "--json")
		if code := startDemo(t, n.city(city)).stop(); code != 0 {
			t.Fatalf("the demo ended with %d", code)
		}
	}
	return n
}

// city gives the folder of a city.
func (n *neighbourhood) city(name string) string { return filepath.Join(n.dir, name) }

// hosting is a host that runs.
type hosting struct {
	n     *neighbourhood
	cmd   *exec.Cmd
	log   *syncBuffer
	ended chan struct{}
	bare  string // the listener's address as a URL
}

// serve writes a host's file, where each city is called by host or path, and starts it.
func (n *neighbourhood) serve(a, b string, more ...string) *hosting {
	n.t.Helper()
	file := filepath.Join(n.dir, "host.yaml")
	text := "listen:\n  address: 127.0.0.1:0\n" + strings.Join(more, "\n") + "\nmunicipalities:\n" +
		"  - config: a/kakehashi.yaml\n    " + a + "\n  - config: b/kakehashi.yaml\n    " + b + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	h := &hosting{n: n, cmd: command(n.t, "serve", "--config", file), log: &syncBuffer{}, ended: make(chan struct{})}
	h.cmd.Stderr = h.log
	if err := h.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	go func() {
		defer close(h.ended)
		_ = h.cmd.Wait()
	}()
	n.t.Cleanup(func() {
		_ = h.cmd.Process.Kill()
		<-h.ended
	})
	eventually(n.t, 30*time.Second, "the host serves", func() bool {
		r, err := readRunning(n.city("b"))
		if err != nil || r.PID != h.cmd.Process.Pid {
			return false
		}
		h.bare = strings.TrimSuffix(r.API, "/b")
		return strings.Contains(h.log.String(), "KKH5001-I municipality="+codeB)
	})
	n.host = h
	return h
}

// stop ends the host as a service manager does.
func (h *hosting) stop() {
	h.n.t.Helper()
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-h.ended:
	case <-time.After(time.Minute):
		h.n.t.Fatalf("the host did not stop\n%s", h.log)
	}
	if code := h.cmd.ProcessState.ExitCode(); code != 0 {
		h.n.t.Fatalf("the host ended with %d\n%s", code, h.log)
	}
}

// at gives a process that speaks to an address with what the demo said of a city.
func (h *hosting) at(base, city string) *process {
	p := &process{t: h.n.t, dir: h.n.city(city)}
	p.ready.API = base
	p.ready.Example = example{Procedure: exampleProcedure, Purpose: examplePurpose, Reason: exampleReason}
	return p
}

// ready reads the host's own readiness.
func (h *hosting) ready() (int, hostReady) {
	h.n.t.Helper()
	res, err := http.Get(h.bare + "/readyz")
	if err != nil {
		h.n.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var r hostReady
	if err := json.NewDecoder(res.Body).Decode(&r); err != nil {
		h.n.t.Fatal(err)
	}
	return res.StatusCode, r
}

// states gives the readiness in one line.
func (r hostReady) states() string {
	s := r.Status
	for _, one := range r.Municipalities {
		s += fmt.Sprintf(" %s=%s", one.Code, one.Status)
	}
	return s
}
