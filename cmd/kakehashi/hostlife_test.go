package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kakehashi/internal/servers"
)

// TestHostStartsWholeOrNotAtAll: what keeps any city from starting is told, of all of them,
// and none is left half-open.
func TestHostStartsWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	n := found(t)
	h := n.serve("path: /a", "path: /b")
	h.stop()
	for _, city := range []string{"a", "b"} {
		if err := os.Rename(filepath.Join(n.city(city), "keys", "tax.secret"), filepath.Join(n.city(city), "keys", "gone")); err != nil {
			t.Fatal(err)
		}
	}
	r := kakehashi(t, "serve", "--config", filepath.Join(n.dir, "host.yaml"))
	for _, want := range []string{"自治体 " + codeA + ": KKH0141", "自治体 " + codeB + ": KKH0141", "KKH5030"} {
		if !strings.Contains(r.err, want) {
			t.Errorf("it does not say %q: %d %s", want, r.code, r.err)
		}
	}
	if r.code != exitUsage {
		t.Errorf("exit code %d", r.code)
	}
	if err := os.Rename(filepath.Join(n.city("b"), "keys", "gone"), filepath.Join(n.city("b"), "keys", "tax.secret")); err != nil {
		t.Fatal(err)
	}
	startDemo(t, n.city("b")).stop() // nobody holds its database
}

// TestHostStartsWithoutADeadDatabase: a city whose database is away when the host starts is
// refused alone, and comes when its database does.
func TestHostStartsWithoutADeadDatabase(t *testing.T) {
	t.Parallel()
	n := found(t)
	schema := n.moveToPostgres("a", servers.Postgres(t), 3)
	file := filepath.Join(n.city("a"), configFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(servers.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	away, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at, there := away.Addr().String(), u.Host
	_ = away.Close()
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), there, at, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	h := n.serve("path: /a", "path: /b")
	if status, r := h.ready(); status != http.StatusOK || r.states() != "partly_ready "+codeA+"=down "+codeB+"=ready" {
		t.Errorf("%d %s of %s", status, r.states(), schema)
	}
	h.at(h.bare+"/b", "b").lookup(token(t, n.city("b"), "case-worker"), tagged(t, personas(t, n.city("b")), "child"))
	if log := h.log.String(); !strings.Contains(log, "自治体 "+codeA+": KKH3101") || !strings.Contains(log, "KKH5038-E municipality="+codeA) {
		t.Errorf("it is not told: %s", log)
	}
	// The database comes: what listens there now is the real server.
	if away, err = net.Listen("tcp", at); err != nil {
		t.Fatal(err)
	}
	var ways sync.WaitGroup
	ways.Go(func() { passOn(away, there, &ways) })
	t.Cleanup(func() { h.stop(); _ = away.Close(); ways.Wait() })
	eventually(t, time.Minute, "A comes", func() bool {
		_, r := h.ready()
		return r.states() == "ready "+codeA+"=ready "+codeB+"=ready"
	})
}

// passOn connects whoever comes with the server at to, until l is closed.
func passOn(l net.Listener, to string, all *sync.WaitGroup) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", to)
		if err != nil {
			_ = in.Close()
			continue
		}
		for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
			all.Go(func() {
				_, _ = io.Copy(way[0], way[1])
				_, _ = in.Close(), out.Close()
			})
		}
	}
}

// TestConfigCheckOfAHost: every file's problems, and what is well is said to be.
func TestConfigCheckOfAHost(t *testing.T) {
	t.Parallel()
	n := found(t)
	n.serve("path: /a", "path: /b").stop()
	file := filepath.Join(n.dir, "host.yaml")
	r := kakehashi(t, "config", "check", file)
	if r.code != 0 || !strings.Contains(r.out, "設定に問題はありません。") || strings.Count(r.err, "KKH0166") != 2 {
		t.Errorf("%d %s%s", r.code, r.out, r.err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "b/kakehashi", "a/kakehashi", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	r = kakehashi(t, "config", "check", file, "--json")
	var report struct {
		OK       bool            `json:"ok"`
		Problems []configProblem `json:"problems"`
	}
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || r.code != exitUsage || report.OK || len(report.Problems) != 7 {
		t.Errorf("%d %v %s", r.code, err, r.out)
	}
	if s := kakehashi(t, "config", "schema", "--host"); s.code != 0 || !strings.Contains(s.out, `"urn:kakehashi:host"`) {
		t.Errorf("config schema --host: %d %s", s.code, s.out)
	}
}
