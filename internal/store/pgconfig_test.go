package store

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kakehashi/internal/fault"
)

func TestConfigOfPostgres(t *testing.T) {
	const good = "postgres://kakehashi@db.example:5433/city"
	for _, c := range []struct {
		cfg         Config
		code, field string
	}{
		{Config{URL: good}, "", ""},
		{Config{URL: "postgres://u@/db?host=/run/postgresql"}, "", ""},
		{Config{URL: good, MaxSize: presetMaxSize, Readers: 4, BusyTimeout: 5 * time.Second}, "", ""},
		{Config{URL: "postgres://u:secret@h/db"}, "KKH3226", "url"},
		{Config{URL: good, OwnerURL: "postgres://u:secret@h/db"}, "KKH3226", "owner_url"},
		{Config{URL: "postgres://h/db"}, "KKH3210", "url"},
		{Config{URL: "postgres://u@h"}, "KKH3210", "url"},
		{Config{URL: "postgres://u@h/db?sslmode=disable"}, "KKH3210", "url"},
		{Config{URL: "postgres://u@h/db?host=/run"}, "KKH3210", "url"},
		{Config{URL: "postgres://u@h:99999/db"}, "KKH3210", "url"},
		{Config{URL: good, Schema: "pg_mine"}, "KKH3210", "schema"},
		{Config{URL: good, Schema: "Mine"}, "KKH3210", "schema"},
		{Config{URL: good, Pool: 1}, "KKH3210", "pool"},
		{Config{URL: good, LockTimeout: -1}, "KKH3210", "lock_timeout"},
		{Config{URL: good, TLS: "perhaps"}, "KKH3210", "tls"},
		{Config{URL: good, MaxSize: 1 << 30}, "KKH3210", "max_size"},
		{Config{URL: good, Readers: 8}, "KKH3210", "readers"},
		{Config{URL: "sqlite:x", Pool: 8}, "KKH3210", "pool"},
		{Config{URL: "sqlite:x", Pooler: true}, "KKH3210", "pooler"},
		{Config{URL: "sqlite:x", Schema: "kakehashi", Pool: 4, StatementTimeout: 30 * time.Second}, "", ""},
	} {
		err := c.cfg.Validate()
		if c.code == "" {
			if err != nil {
				t.Errorf("%+v: %v", c.cfg, err)
			}
			continue
		}
		if e := fault.Find(err); err == nil || e.Code != c.code || e.Field != c.field {
			t.Errorf("%+v: got %v, want %s at %s", c.cfg, err, c.code, c.field)
		}
	}
}

func TestConnectionIsTakenFromTheConfigurationAlone(t *testing.T) {
	for name, value := range map[string]string{
		"PGHOST": "elsewhere", "PGPASSWORD": "theirs", "PGOPTIONS": "-c search_path=theirs", "PGSSLMODE": "disable", "PGUSER": "them",
		"PGPASSFILE": "/nowhere", "PGAPPNAME": "x", "PGTARGETSESSIONATTRS": "any",
	} {
		t.Setenv(name, value)
	}
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("ours\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Config{URL: "postgres://us@db.example/city", PasswordFile: secret}.withDefaults()
	got, err := cfg.connection(cfg.URL, cfg.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	if got.Host != "db.example" || got.Port != 5432 || got.User != "us" || got.Database != "city" || got.Password != "ours" || len(got.Fallbacks) != 0 {
		t.Errorf("got %s %d %s %s", got.Host, got.Port, got.User, got.Database)
	}
	if got.RuntimeParams["search_path"] != `"kakehashi", pg_temp` || got.RuntimeParams["options"] != "" || got.RuntimeParams["application_name"] != "kakehashi" {
		t.Errorf("got %v", got.RuntimeParams)
	}
	for mode, want := range map[string]func(*tls.Config) bool{
		"":            func(c *tls.Config) bool { return c.ServerName == "db.example" && !c.InsecureSkipVerify },
		"verify-full": func(c *tls.Config) bool { return c.ServerName == "db.example" && !c.InsecureSkipVerify },
		"verify-ca":   func(c *tls.Config) bool { return c.InsecureSkipVerify && c.VerifyConnection != nil },
		"require":     func(c *tls.Config) bool { return c.InsecureSkipVerify && c.VerifyConnection == nil },
		"off":         func(c *tls.Config) bool { return c == nil },
	} {
		cfg.TLS = mode
		if got, err = cfg.connection(cfg.URL, ""); err != nil || !want(got.TLSConfig) {
			t.Errorf("tls %q: got %+v, %v", mode, got.TLSConfig, err)
		}
	}
	cfg.TLS = ""
	if got, err = cfg.connection("postgres://us@127.0.0.1/city", ""); err != nil || got.TLSConfig != nil {
		t.Errorf("on this machine: got %v, %v", got.TLSConfig, err)
	}
}

func TestSplitInsert(t *testing.T) {
	for query, want := range map[string]int{
		"INSERT INTO t (a, b) VALUES ($1, $2)":                               2,
		"INSERT INTO t (a)\n\t\tVALUES ($1) ON CONFLICT (a) DO NOTHING":      1,
		"INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET a = $1": 0,
		"INSERT INTO t (a) VALUES ($1) RETURNING a":                          0,
		"INSERT INTO t (a, b) VALUES ($1, lower($2))":                        0,
		"INSERT INTO t (a, b) VALUES ($2, $1)":                               0,
		"INSERT INTO t (a, b) VALUES ($1, '')":                               0,
		"UPDATE t SET a = $1":                                                0,
	} {
		if _, got, _ := splitInsert(query); got != want {
			t.Errorf("%s: got %d columns, want %d", query, got, want)
		}
	}
}
