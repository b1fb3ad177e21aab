package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
