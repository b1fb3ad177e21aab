package volatile

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kakehashi/internal/fault"
)

func TestConfigIsRefused(t *testing.T) {
	for _, c := range []struct {
		cfg   Config
		field string
	}{
		{Config{}, ""},
		{Config{URL: "redis://127.0.0.1:6379"}, ""},
		{Config{URL: "redis://gateway@127.0.0.1/3", Timeout: time.Second, Pool: 2}, ""},
		{Config{URL: "rediss://redis.example", CAFile: "ca.pem"}, ""},
		{Config{URL: "127.0.0.1:6379"}, "url"},
		{Config{URL: "http://127.0.0.1:6379"}, "url"},
		{Config{URL: "redis://:geheim@127.0.0.1:6379"}, "url"},
		{Config{URL: "redis://127.0.0.1:6379?max_retries=9"}, "url"},
		{Config{URL: "redis://127.0.0.1:6379/16"}, "url"},
		{Config{URL: "redis://127.0.0.1:6379/x"}, "url"},
		{Config{URL: "redis://\x7f"}, "url"},
		{Config{PasswordFile: "x"}, "url"},
		{Config{URL: "redis://127.0.0.1:6379", CAFile: "ca.pem"}, "tls_ca"},
		{Config{URL: "redis://127.0.0.1:6379", Timeout: time.Minute}, "timeout"},
		{Config{URL: "redis://127.0.0.1:6379", Timeout: time.Millisecond}, "timeout"},
		{Config{URL: "redis://127.0.0.1:6379", Pool: 65}, "pool"},
	} {
		err := c.cfg.Validate()
		if c.field == "" {
			if err != nil {
				t.Errorf("%+v: %v", c.cfg, err)
			}
			continue
		}
		if f := fault.Find(err); f == nil || f.Field != c.field || f.Code != "KKH3601" || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%+v: got %v, want %s", c.cfg, err, c.field)
		}
	}
}

func TestOpenReadsItsFiles(t *testing.T) {
	dir := t.TempDir()
	empty, bad := filepath.Join(dir, "empty"), filepath.Join(dir, "bad")
	for path, text := range map[string]string{empty: "\n", bad: "no certificate"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for field, cfgs := range map[string][]Config{
		"password_file": {{URL: "redis://127.0.0.1:1", PasswordFile: empty}, {URL: "redis://127.0.0.1:1", PasswordFile: filepath.Join(dir, "none")}},
		"tls_ca":        {{URL: "rediss://127.0.0.1:1", CAFile: bad}, {URL: "rediss://127.0.0.1:1", CAFile: filepath.Join(dir, "none")}},
	} {
		for _, cfg := range cfgs {
			_, err := Open(cfg, Rooms{})
			if f := fault.Find(err); f == nil || f.Field != field || strings.Contains(err.Error(), dir) {
				t.Errorf("%+v: got %v, want %s", cfg, err, field)
			}
		}
	}
	s, err := Open(Config{URL: "redis://127.0.0.1:1"}, Rooms{})
	if err != nil {
		t.Fatalf("a Redis that is away: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

// silent is a server that takes connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var held []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			held = append(held, c)
		}
		for _, c := range held {
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}
