package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// budget is how long a lookup may take: the total budget of 3 s and what the machine needs.
const budget = 3*time.Second + 1500*time.Millisecond

// source gives one source's result out of an answer.
func (a answer) source(name string) (s struct {
	Outcome, Reason, RetryAt string
	Persons                  []candidate
}) {
	for _, r := range a.Sources {
		if r.Source == name {
			s.Outcome, s.Reason, s.RetryAt, s.Persons = r.Outcome, r.Reason, r.RetryAt, r.Persons
		}
	}
	return s
}

// breaker reads a target's state from /metrics: 0 closed, 1 half-open, 2 open.
func (p *process) breaker(target string) string {
	p.t.Helper()
	for line := range strings.Lines(p.get("/metrics").body) {
		if value, ok := strings.CutPrefix(line, `kakehashi_breaker_state{target="`+target+`"} `); ok {
			return strings.TrimSpace(value)
		}
	}
	p.t.Fatalf("/metrics has no breaker of %s", target)
	return ""
}

// honest makes a lookup while tax is away and checks what the answer says of it.
func honest(t *testing.T, p *process, worker string, who persona) answer {
	t.Helper()
	began := time.Now()
	a, r := p.lookup(worker, who)
	if took := time.Since(began); took > budget {
		t.Errorf("the answer came after %v", took)
	}
	tax := a.source("tax")
	switch {
	case tax.Outcome != "unavailable":
		t.Fatalf("tax is %s while it is away", tax.Outcome)
	case tax.Reason == "":
		t.Error("it is not said why tax is unavailable")
	case tax.RetryAt == "":
		t.Errorf("it is not said when to ask tax again (%s)", tax.Reason)
	}
	if at, err := time.Parse(time.RFC3339, tax.RetryAt); err != nil || at.Before(began.Add(-time.Second)) {
		t.Errorf("tax is to be asked again at %q", tax.RetryAt)
	}
	if strings.Contains(r.body, "非課税") || len(tax.Persons) > 0 {
		t.Error("an unavailable tax source says a class")
	}
	for _, other := range []string{"residents", "address"} {
		if got := a.source(other).Outcome; got != "found" {
			t.Errorf("%s is %s while tax is away", other, got)
		}
	}
	return a
}

// recovers waits until a healthy source is found again and its breaker closed.
func recovers(t *testing.T, p *process, worker string, who persona, source string) {
	t.Helper()
	eventually(t, 20*time.Second, source+" recovers", func() bool {
		a, _ := p.lookup(worker, who)
		return a.source(source).Outcome == "found"
	})
	if got := p.breaker(source); got != "0" {
		t.Errorf("the breaker of %s is %s after it recovered", source, got)
	}
}

// TestTaxAwayOpensTheBreaker: down, refusing or slow.
func TestTaxAwayOpensTheBreaker(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"down", "refuse", "slow"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p := startDemo(t, t.TempDir())
			all := personas(t, p.dir)
			who := tagged(t, all, "twin")
			worker := token(t, p.dir, "case-worker")
			if a, _ := p.lookup(worker, who); a.source("tax").Outcome != "found" {
				t.Fatalf("tax is %s before the fault", a.source("tax").Outcome)
			}
			setFault(t, p.dir, "tax", kind)
			open := false
			for range 6 {
				honest(t, p, worker, who)
				if open = p.breaker("tax") == "2"; open {
					break
				}
			}
			if !open {
				t.Fatal("the breaker is not open after six lookups")
			}
			began := time.Now()
			a := honest(t, p, worker, who)
			if took := time.Since(began); took > time.Second {
				t.Errorf("with an open breaker the answer takes %v", took)
			}
			if a.source("tax").Reason != "breaker_open" {
				t.Errorf("the reason is %s with an open breaker", a.source("tax").Reason)
			}
			breakerIsShown(t, p, worker)
			exitCodes(t, p, who)
			if p.breaker("residents") != "0" || p.breaker("address") != "0" {
				t.Error("the breaker of a healthy neighbour opened too")
			}
			clearFaults(t, p.dir, "tax")
			recovers(t, p, worker, who, "tax")
		})
	}
}

func breakerIsShown(t *testing.T, p *process, worker string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, p.ready.API+"/v1/breakers", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+worker)
	r, err := p.do(req)
	if err != nil {
		t.Fatal(err)
	}
	var body struct {
		Breakers []struct {
			Target string `json:"target"`
			State  string `json:"state"`
			Next   string `json:"next_probe"`
		} `json:"breakers"`
	}
	if err := json.Unmarshal([]byte(r.body), &body); err != nil {
		t.Fatalf("/v1/breakers: %d %s", r.status, r.body)
	}
	for _, b := range body.Breakers {
		if b.Target == "tax" && (b.State != "open" || b.Next == "") {
			t.Errorf("/v1/breakers says that tax is %s until %q", b.State, b.Next)
		}
	}
	if len(body.Breakers) < 4 {
		t.Errorf("/v1/breakers names %d targets", len(body.Breakers))
	}
}

// exitCodes: 4 where some sources are unavailable, 12 where all are; tax is away.
func exitCodes(t *testing.T, p *process, who persona) {
	t.Helper()
	for want, sources := range map[int][]string{
		0: {"--source", "residents", "--source", "address"}, 4: nil, 12: {"--source", "tax"},
	} {
		r := kakehashi(t, append([]string{"lookup", "--dir", p.dir, "--atena-number", who.Atena, "--case", who.Case,
			"--procedure", p.ready.Example.Procedure, "--purpose", p.ready.Example.Purpose}, sources...)...)
		if r.code != want {
			t.Errorf("lookup %v ends with %d, want %d", sources, r.code, want)
		}
		if said := strings.Contains(r.out, "取得できませんでした"); said != (want != 0) {
			t.Errorf("lookup %v says 取得できませんでした: %v", sources, said)
		}
		if strings.Contains(r.out, "非課税") {
			t.Errorf("lookup %v says 非課税", sources)
		}
	}
}

// TestTaxOddKeepsTheBreakerClosed: garbage, huge and busy are answers of a kind.
func TestTaxOddKeepsTheBreakerClosed(t *testing.T) {
	t.Parallel()
	p := startDemo(t, t.TempDir())
	who := tagged(t, personas(t, p.dir), "twin")
	worker := token(t, p.dir, "case-worker")
	for kind, reason := range map[string]string{"garbage": "unreadable", "huge": "too_large", "busy": "busy"} {
		t.Run(kind, func(t *testing.T) {
			setFault(t, p.dir, "tax", kind)
			lookups := 7 // failures would have opened the breaker at five
			if kind == "busy" {
				lookups = 3 // each waits as it is told and asks three times
			}
			for range lookups {
				if got := honest(t, p, worker, who).source("tax").Reason; got != reason {
					t.Errorf("the reason is %s", got)
				}
			}
			if got := p.breaker("tax"); got != "0" {
				t.Errorf("the breaker is %s", got)
			}
			clearFaults(t, p.dir, "tax")
			recovers(t, p, worker, who, "tax")
		})
	}
}

// TestExpiredToken: one that expired is renewed and never seen; while new ones are refused
// too, the source is unavailable, and it recovers by itself.
func TestExpiredToken(t *testing.T) {
	t.Parallel()
	p := startDemo(t, t.TempDir())
	who := tagged(t, personas(t, p.dir), "twin")
	worker := token(t, p.dir, "case-worker")
	if a, _ := p.lookup(worker, who); a.source("tax").Outcome != "found" {
		t.Fatal("tax is not found before the fault")
	}
	for _, system := range []string{"tax", "residents", "address", "protection"} {
		setFault(t, p.dir, system, "expired-token")
		clearFaults(t, p.dir, system)
		a, _ := p.lookup(worker, who)
		if diff := cmp.Diff(who.Outcomes, a.outcomes()); diff != "" {
			t.Errorf("a token of %s that expired once is seen (-want +got):\n%s", system, diff)
		}
		if a.Protection != "" {
			t.Errorf("a token of %s that expired once conceals", system)
		}
	}
	setFault(t, p.dir, "tax", "expired-token")
	if got := honest(t, p, worker, who).source("tax").Reason; got != "unauthorized" {
		t.Errorf("the reason is %s", got)
	}
	for range 6 {
		honest(t, p, worker, who)
	}
	if got := p.breaker("tax"); got != "0" {
		t.Errorf("the breaker is %s", got)
	}
	clearFaults(t, p.dir, "tax")
	recovers(t, p, worker, who, "tax")
}

// TestResidentsDown: one dead source takes no other with it. A child's tax class needs the
// adults of its household, which the unified address system then tells.
func TestResidentsDown(t *testing.T) {
	t.Parallel()
	p := startDemo(t, t.TempDir())
	child := tagged(t, personas(t, p.dir), "child", "twin")
	worker := token(t, p.dir, "case-worker")
	healthy, _ := p.lookup(worker, child)
	for _, kind := range []string{"down", "refuse", "slow"} {
		setFault(t, p.dir, "residents", kind)
		for range 2 {
			began := time.Now()
			a, _ := p.lookup(worker, child)
			if took := time.Since(began); took > budget {
				t.Errorf("%s: the answer came after %v", kind, took)
			}
			if diff := cmp.Diff(map[string]string{"residents": "unavailable", "tax": "found", "address": "found"}, a.outcomes()); diff != "" {
				t.Errorf("%s: outcomes (-want +got):\n%s", kind, diff)
			}
			if got, want := len(a.source("tax").Persons), len(healthy.source("tax").Persons); got != want {
				t.Errorf("%s: tax shows %d persons, want %d", kind, got, want)
			}
			// 支援措置 is the registry's word, and it is away.
			if c, _ := a.shown("address", child.Atena); c.value("address") != "" || a.Protection != "unread" {
				t.Errorf("%s: an address is shown while 支援措置 is unread", kind)
			}
		}
	}
	clearFaults(t, p.dir)
	recovers(t, p, worker, child, "residents")
}

// TestAllDown: nothing can be had, and that is said by the exit code and within the budget.
func TestAllDown(t *testing.T) {
	t.Parallel()
	p := startDemo(t, t.TempDir())
	who := tagged(t, personas(t, p.dir), "twin")
	for _, system := range []string{"residents", "tax", "address"} {
		setFault(t, p.dir, system, "down", "--for", "3s")
	}
	lookup := []string{"lookup", "--dir", p.dir, "--atena-number", who.Atena, "--case", who.Case,
		"--procedure", p.ready.Example.Procedure, "--purpose", p.ready.Example.Purpose}
	if r := kakehashi(t, lookup...); r.code != exitUnavailable {
		t.Errorf("lookup ends with %d, want 12\n%s%s", r.code, r.out, r.err)
	}
	find := kakehashi(t, "find", "--dir", p.dir, "--kana", who.Kana, "--birth-date", who.BirthDate, "--case", who.Case,
		"--procedure", p.ready.Example.Procedure, "--purpose", p.ready.Example.Purpose)
	if find.code != exitUnavailable {
		t.Errorf("find ends with %d, want 12\n%s%s", find.code, find.out, find.err)
	}
	// Nobody clears the faults: --for ends them.
	eventually(t, 30*time.Second, "everything recovers", func() bool { return kakehashi(t, lookup...).code == exitOK })
}

// TestSandboxAlone runs the stand-ins in a process of their own, kills it and starts it
// again: the gateway never stops.
func TestSandboxAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	city := startSandbox(t, dir)
	p := startDemo(t, dir)
	if p.ready.Sandbox != city.ready.Sandbox || p.ready.PID == city.ready.PID {
		t.Errorf("the demo does not use the stand-ins that run: %+v %+v", p.ready, city.ready)
	}
	who := tagged(t, personas(t, dir), "twin")
	worker := token(t, dir, "case-worker")
	if a, _ := p.lookup(worker, who); !cmp.Equal(a.outcomes(), who.Outcomes) {
		t.Errorf("before: %v", a.outcomes())
	}
	setFault(t, dir, "tax", "busy")
	city.kill()
	began := time.Now()
	a, _ := p.lookup(worker, who)
	if took := time.Since(began); took > budget {
		t.Errorf("the answer came after %v", took)
	}
	for source, outcome := range a.outcomes() {
		if outcome != "unavailable" {
			t.Errorf("%s is %s without its neighbour", source, outcome)
		}
	}
	if r := p.get("/readyz"); r.status != http.StatusOK {
		t.Errorf("the gateway is not ready because its neighbours are away: %d", r.status)
	}
	again := startSandbox(t, dir)
	if again.ready.Sandbox != city.ready.Sandbox || again.ready.Issuer != city.ready.Issuer {
		t.Errorf("the stand-ins came back elsewhere: %+v, were %+v", again.ready, city.ready)
	}
	// What was set before the kill still holds.
	eventually(t, 20*time.Second, "residents and address recover", func() bool {
		a, _ := p.lookup(worker, who)
		return a.source("residents").Outcome == "found" && a.source("address").Outcome == "found"
	})
	if a, _ := p.lookup(worker, who); a.source("tax").Outcome != "unavailable" {
		t.Errorf("the fault of tax is forgotten: %s", a.source("tax").Outcome)
	}
	clearFaults(t, dir)
	recovers(t, p, worker, who, "tax")
	// The other way round: the gateway stops, the stand-ins stay.
	if code := p.stop(); code != 0 {
		t.Errorf("the gateway ends with %d", code)
	}
	if err := again.cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the stand-ins went with the gateway: %v", err)
	}
	p = startDemo(t, dir)
	if a, _ := p.lookup(worker, who); !cmp.Equal(a.outcomes(), who.Outcomes) {
		t.Errorf("after: %v", a.outcomes())
	}
	if code := again.stop(); code != 0 {
		t.Errorf("the stand-ins end with %d", code)
	}
}
