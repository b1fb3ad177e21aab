package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"kakehashi/internal/storetest"
)

// The codes of the two fictional cities.
const (
	codeA = "999997"
	codeB = "999989"
	codeC = "999971"
)

// neighbourhood is some fictional cities in folders of their own, each with its stand-ins
// running and its demo's data, and a host that may serve them.
type neighbourhood struct {
	t   testing.TB
	dir string
}

// found founds two cities.
func found(t testing.TB) *neighbourhood {
	t.Helper()
	return founded(t, map[string]string{"a": codeA, "b": codeB})
}

// founded founds cities. Each demo runs once, so that there are cases and a record.
func founded(t testing.TB, cities map[string]string) *neighbourhood {
	t.Helper()
	n := &neighbourhood{t: t, dir: t.TempDir()}
	for city, code := range cities {
		start(t, n.city(city), nil, "sandbox", "serve", "--dir", n.city(city), "--municipality", code, "--json")
		if code := startDemo(t, n.city(city)).stop(); code != 0 {
			t.Fatalf("the demo ended with %d", code)
		}
	}
	return n
}

// city gives the folder of a city.
func (n *neighbourhood) city(name string) string { return filepath.Join(n.dir, name) }

// moveToPostgres has a city keep all in an empty schema of its own, and gives
// its name. second.yaml is the configuration of another gateway on it.
func (n *neighbourhood) moveToPostgres(city, url string, pool int) (schema string) {
	n.t.Helper()
	at := storetest.Postgres(n.t)
	text, err := os.ReadFile(filepath.Join(n.city(city), configFile))
	if err != nil {
		n.t.Fatal(err)
	}
	database := fmt.Sprintf("url: %s\n  schema: %s\n  pool: %d", url, at.Config.Schema, pool)
	first := regexp.MustCompile(`url: "?sqlite:[^\n]*`).ReplaceAllString(string(text), database)
	second := regexp.MustCompile(`checkpoints_file: [^\n]*`).ReplaceAllString(first, "checkpoints_file: checkpoints-2.txt")
	if first == string(text) || second == first {
		n.t.Fatal("the configuration has another form")
	}
	for name, text := range map[string]string{configFile: first, "second.yaml": second} {
		if err := os.WriteFile(filepath.Join(n.city(city), name), []byte(text), 0o600); err != nil {
			n.t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(n.city(city), "checkpoints.txt")); err != nil {
		n.t.Fatal(err)
	}
	return at.Config.Schema
}

// hosting is a host that runs.
type hosting struct {
	n     *neighbourhood
	cmd   *exec.Cmd
	log   *syncBuffer
	ended chan struct{}
	bare  string // the listener's address as a URL
}

// serve starts a host of both cities, each called by host or path.
func (n *neighbourhood) serve(a, b string) *hosting {
	n.t.Helper()
	return n.serveFile("host.yaml", "listen:\n  address: 127.0.0.1:0\nmunicipalities:\n"+
		"  - config: a/kakehashi.yaml\n    "+a+"\n  - config: b/kakehashi.yaml\n    "+b+"\n")
}

// serveFile starts a host on a file of that text. Among its cities is b, by path at /b.
func (n *neighbourhood) serveFile(name, text string) *hosting {
	n.t.Helper()
	file := filepath.Join(n.dir, name)
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
	eventually(n.t, time.Minute, "the host serves", func() bool {
		select {
		case <-h.ended:
			n.t.Fatalf("the host ended\n%s", h.log)
		default:
		}
		r, err := readRunning(n.city("b"))
		if err != nil || r.PID != h.cmd.Process.Pid {
			return false
		}
		h.bare = strings.TrimSuffix(r.API, "/b")
		return strings.Contains(h.log.String(), "KKH5001-I municipality="+codeB)
	})
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
