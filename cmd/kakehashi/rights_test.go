package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// writeToken puts a token into a file.
func writeToken(t *testing.T, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// refused checks that an answer is a problem detail of the status that says what to do.
func refused(t *testing.T, r reply, status int) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		t.Fatalf("%d is no problem detail: %s", r.status, r.body)
	}
	if r.status != status || p.Status != status {
		t.Fatalf("status %d (%s), want %d", r.status, p.Code, status)
	}
	if r.header.Get("Content-Type") != "application/problem+json" || p.Code == "" || p.Title == "" || p.NextAction == "" {
		t.Errorf("%s: the problem lacks its type, code, title or next_action: %s", p.Code, r.body)
	}
	return p
}
