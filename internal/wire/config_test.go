package wire

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
	"kakehashi/internal/volatile"
)

func TestValidateNamesEveryKey(t *testing.T) {
	cases := map[string]func(*Config){
		"":                                      func(*Config) {},
		"/base_url":                             func(c *Config) { c.BaseURL = "http://tax.example.jp" },
		"/token_url":                            func(c *Config) { c.TokenURL = "ftp://x" },
		"/client_id":                            func(c *Config) { c.ClientID = strings.Repeat("あ", 32) },
		"/client_secret_file":                   func(c *Config) { c.SecretFile = "" },
		"/client_key_file":                      func(c *Config) { c.CertFile = "x" },
		"/timeout /queue_wait /attempt_timeout": func(c *Config) { c.Timeout = 0 },
		"/attempt_timeout":                      func(c *Config) { c.AttemptTimeout = 4 * time.Second },
		"/retries":                              func(c *Config) { c.Retries = -1 },
		"/retry_wait_max":                       func(c *Config) { c.RetryWaitMax = time.Minute },
		"/body_limit":                           func(c *Config) { c.BodyLimit = 0 },
		"/concurrency":                          func(c *Config) { c.Concurrency = 0 },
		"/queue_wait":                           func(c *Config) { c.QueueWait = 0 },
		"/breaker_failures":                     func(c *Config) { c.BreakerFailures = 0 },
		"/breaker_window":                       func(c *Config) { c.BreakerWindow = 0 },
		"/breaker_open_for":                     func(c *Config) { c.BreakerOpenFor = 0 },
		"/token_early":                          func(c *Config) { c.TokenEarly = -1 },
	}
	for want, spoil := range cases {
		cfg := testConfig(t)
		spoil(&cfg)
		got := map[string]bool{}
		if err := cfg.Validate(); err != nil {
			var joined interface{ Unwrap() []error }
			if !errors.As(err, &joined) {
				t.Fatalf("%T does not tell its parts", err)
			}
			for _, one := range joined.Unwrap() {
				if !fault.Is(one, fault.Invalid) {
					t.Errorf("%v is %v, want invalid", one, fault.KindOf(one))
				}
				got[fault.Find(one).Field] = true
			}
		}
		wanted := map[string]bool{}
		for key := range strings.FieldsSeq(want) {
			wanted[key] = true
		}
		if diff := cmp.Diff(wanted, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want, diff)
		}
	}
}

func TestFitURL(t *testing.T) {
	for url, want := range map[string]bool{
		"https://tax.example.jp": true, "https://tax.example.jp:8443/base": true, "http://127.0.0.1:8080": true,
		"http://[::1]:80": true, "http://localhost:1": true, "http://10.0.0.1": false, "http://tax": false,
		"https://u:p@tax": false, "https://tax?x=1": false, "https://tax#x": false, "": false, "tax": false, "https://": false,
	} {
		if got := fitURL(url); got != want {
			t.Errorf("%q: got %v, want %v", url, got, want)
		}
	}
}

// The tags are what a configuration file gets; Defaults is what code gets.
func TestDefaultsAreThoseOfTheTags(t *testing.T) {
	defaults := reflect.ValueOf(Defaults())
	for i := range defaults.NumField() {
		field := defaults.Type().Field(i)
		if field.Tag.Get("config") == "-" {
			continue // no part of a file
		}
		want, ok := field.Tag.Lookup("default")
		if field.Tag.Get("config") == "" || field.Tag.Get("doc") == "" {
			t.Errorf("%s has no key or no text", field.Name)
		}
		if !ok {
			continue
		}
		got := defaults.Field(i).Interface()
		switch value := got.(type) {
		case time.Duration:
			if d, err := time.ParseDuration(want); err != nil || d != value {
				t.Errorf("%s: %v, tag %s", field.Name, value, want)
			}
		case int64:
			if want != "1MiB" || value != 1<<20 {
				t.Errorf("%s: %v, tag %s", field.Name, value, want)
			}
		case int:
			if want != string(rune('0'+value)) && want != "16" {
				t.Errorf("%s: %v, tag %s", field.Name, value, want)
			}
		}
	}
}

func TestNewReadsItsFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for field, spoil := range map[string]func(*Config){
		"/client_secret_file":      func(c *Config) { c.SecretFile = file("short", "tooshort") },
		"/ca_file":                 func(c *Config) { c.CAFile = file("ca", "no pem") },
		"/client_certificate_file": func(c *Config) { c.CertFile, c.KeyFile = file("crt", "x"), file("key", "x") },
	} {
		cfg := testConfig(t)
		spoil(&cfg)
		_, err := New("tax", []string{"s"}, cfg, Rooms{Tokens: volatile.NewTokens()})
		if !fault.Is(err, fault.Invalid) || fault.Find(err).Field != field {
			t.Errorf("%s: got %v (%v)", field, err, fault.KindOf(err))
		}
		if err != nil && strings.Contains(err.Error(), "tooshort") {
			t.Errorf("the secret stands in %v", err)
		}
	}
}
