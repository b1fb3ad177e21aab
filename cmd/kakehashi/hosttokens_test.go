package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"
)

// intruder tries all that B offers with tokens that are not for B, and counts what the
// record of B must have of it.
type intruder struct {
	t       *testing.T
	base    string            // B's address
	tokens  map[string]string // by whose they are
	secrets []string          // of B, which no answer may hold
	dir     string

	mu    sync.Mutex
	tries int
}

// TestTokensOfOneCityAtTheOther: every token of A, at every endpoint of B and by every
// command, is refused, is in B's record, and learns nothing; by path and by host.
func TestTokensOfOneCityAtTheOther(t *testing.T) {
	t.Parallel()
	n := found(t)
	in := &intruder{t: t, tokens: map[string]string{}, dir: t.TempDir()}
	for _, role := range []string{"case-worker", "operator", "auditor", "integrator", "contractor", "disclosure", "approver", "case-system"} {
		in.tokens[role] = token(t, n.city("a"), role)
	}
	// Where one issuer serves all cities, the audience alone tells them apart.
	f := newForge(t, n.city("b"))
	in.tokens["the issuer's, for A"] = f.signed(f.key, nil, map[string]any{"aud": []string{"kakehashi:" + codeA}})
	for _, p := range personas(t, n.city("b")) {
		in.secrets = append(in.secrets, p.Name, p.Kana, p.Address, p.Individual)
	}
	for name, how := range map[string]struct{ b, base string }{
		"by path": {"path: /b", "http://127.0.0.1/b"},
		"by host": {"host: localhost", "http://localhost"},
	} {
		h := n.serve("host: a.example", how.b+"\n    max_rate: 100000")
		scheme, rest, _ := strings.Cut(how.base, "//")
		host, path, _ := strings.Cut(rest, "/")
		_, port, _ := strings.Cut(strings.TrimPrefix(h.bare, "http://"), ":")
		in.base = strings.TrimSuffix(scheme+"//"+host+":"+port+"/"+path, "/")
		before := in.tries
		in.endpoints(h.at(in.base, "b"))
		in.open(h.at(in.base, "b"))
		in.commands()
		t.Logf("%s: %d requests with %d tokens were refused", name, in.tries-before, len(in.tokens))
		h.stop()
	}
	h := n.serve("path: /a", "path: /b")
	for city, want := range map[string]int{"a": 0, "b": in.tries} {
		got := 0
		p := h.at(h.bare+"/"+city, city)
		for _, e := range p.record(token(t, n.city(city), "auditor"), map[string]any{"kind": "token_refused"}) {
			if !slices.Contains([]string{"unknown_key", "audience"}, e.Code) {
				t.Errorf("a token was refused for %q", e.Code)
			}
			got += e.Count
		}
		if got != want {
			t.Errorf("the record of %s counts %d refused tokens, want %d", city, got, want)
		}
	}
	h.stop()
	for _, city := range []string{"a", "b"} {
		if v, code := verify(t, n.city(city)); code != 0 || !v.OK {
			t.Errorf("the record of %s does not verify: %d %v", city, code, v.Problems)
		}
	}
}

// endpoints walks what B's own description of its API lists.
func (in *intruder) endpoints(b *process) {
	in.t.Helper()
	var api struct {
		Servers []struct {
			URL string `json:"url"`
		} `json:"servers"`
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal([]byte(b.get("/openapi.json").body), &api); err != nil {
		in.t.Fatal(err)
	}
	if len(api.Servers) != 1 || !strings.HasSuffix(in.base+"/", api.Servers[0].URL) {
		in.t.Errorf("the description says that the API is at %v", api.Servers)
	}
	walked := 0
	for path, methods := range api.Paths {
		for method, text := range methods {
			var operation struct {
				Security *[]any `json:"security"`
			}
			if !slices.Contains([]string{"get", "post", "put", "patch", "delete"}, method) {
				continue
			}
			if err := json.Unmarshal(text, &operation); err != nil {
				in.t.Fatal(err)
			}
			if operation.Security != nil && len(*operation.Security) == 0 {
				continue // open to everybody
			}
			walked++
			in.endpoint(strings.ToUpper(method), regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "X-1"))
		}
	}
	if walked < 24 {
		in.t.Errorf("only %d endpoints were walked", walked)
	}
}

func (in *intruder) endpoint(method, path string) {
	in.t.Helper()
	for whose, token := range in.tokens {
		req := mustRequest(in.t, method, in.base+path)
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Idempotency-Key", "key-of-another-city")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			in.t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		in.tries++
		var p problem
		if err := json.Unmarshal(body, &p); err != nil || res.StatusCode != http.StatusUnauthorized || p.Code != "KKH1201" {
			in.t.Errorf("%s %s with a token of %s: %d %s", method, path, whose, res.StatusCode, body)
		}
		in.learnt(method+" "+path, string(body))
	}
}

// open reads what needs no token, with one of A's: nothing in it is B's people's, and B's
// metrics have nothing of A.
func (in *intruder) open(b *process) {
	in.t.Helper()
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/openapi.json", "/problems/KKH1201", "/console/", "/console/record", "/static/style.css", "/nowhere"} {
		req := mustRequest(in.t, http.MethodGet, in.base+path)
		req.Header.Set("Authorization", "Bearer "+in.tokens["auditor"])
		r, err := b.do(req)
		if err != nil {
			in.t.Fatal(err)
		}
		in.learnt(path, r.body)
		if strings.HasPrefix(path, "/console") && r.status != http.StatusNotFound {
			in.t.Errorf("%s: %d", path, r.status)
		}
		if path == "/metrics" && (!strings.Contains(r.body, `municipality="`+codeB+`"`) || strings.Contains(r.body, `"`+codeA+`"`)) {
			in.t.Errorf("/metrics of B is not of B alone:\n%s", r.body)
		}
	}
}

func (in *intruder) learnt(where, text string) {
	in.t.Helper()
	for _, secret := range in.secrets {
		if secret != "" && strings.Contains(text, secret) {
			in.t.Errorf("%s gives something of B's people away", where)
		}
	}
}

// commands runs every command that speaks to a gateway, with --server B.
func (in *intruder) commands() {
	in.t.Helper()
	file := filepath.Join(in.dir, "body.json")
	if err := os.WriteFile(file, []byte(`{"name":"架空　太郎","postal_code":"9990001","address":"架空市1"}`), 0o600); err != nil {
		in.t.Fatal(err)
	}
	samples := map[string]string{
		"kana": "カクウ", "birth-date": "2016-05-03", "reason": "counter", "procedure": exampleProcedure, "purpose": "inquiry",
		"atena-number": "0000000019", "child": "0000000019", "guardian": "0000000027", "applied-on": "2026-11-24",
		"lookup-id": "Q-261124-7F3K-9MTX", "effective-on": "2026-12-01", "version": "1", "file": file, "where": "all",
		"arrived": "true", "state": "parked", "dry-run": "true", "json": "true",
	}
	known := map[string]int{}
	for _, c := range everyCommand(rootCommand(streams{out: io.Discard, err: io.Discard})) {
		if c.Flags().Lookup("server") == nil || !c.Runnable() {
			continue
		}
		args := strings.Fields(c.CommandPath())[1:]
		args = append(args, commandArguments(c, samples)...)
		known[strings.Join(strings.Fields(c.CommandPath())[1:], " ")]++
		in.command(args)
	}
	for _, want := range []string{"find", "lookup", "beneficiary register", "outbox list", "outbox replay", "audit search", "audit export", "doctor"} {
		if known[want] != 1 {
			in.t.Errorf("the command %s was not tried", want)
		}
	}
	in.t.Logf("%d commands were tried", len(known))
}

// commandArguments fills in the flags of a command that a sample is known of, and an ID
// where one is taken and no selection is.
func commandArguments(c *cobra.Command, samples map[string]string) []string {
	var args []string
	selects := false
	for name, value := range samples {
		switch {
		case c.Flags().Lookup(name) == nil:
			continue
		case name == "where":
			selects = true
		}
		args = append(args, "--"+name+"="+value)
	}
	if strings.Contains(c.Use, " ID") && !selects {
		args = append(args, "X-1")
	}
	return args
}

// command runs one with every token: refused, each time once in the record.
func (in *intruder) command(args []string) {
	in.t.Helper()
	var all sync.WaitGroup
	places := make(chan struct{}, 2)
	for whose, token := range in.tokens {
		file := filepath.Join(in.dir, regexp.MustCompile(`\W`).ReplaceAllString(whose, "-"))
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			in.t.Fatal(err)
		}
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			r := kakehashi(in.t, append(slices.Clone(args), "--server", in.base, "--token-file", file)...)
			in.mu.Lock()
			defer in.mu.Unlock()
			in.tries++
			if r.code == 0 || !strings.Contains(r.out+r.err, "KKH1201") {
				in.t.Errorf("%v with a token of %s: %d %s%s", args, whose, r.code, r.out, r.err)
			}
			in.learnt(args[0], r.out+r.err)
		})
	}
	all.Wait()
}
