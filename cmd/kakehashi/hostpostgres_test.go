package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kakehashi/config"
	"kakehashi/internal/servers"
	"kakehashi/internal/storetest"
)

// TestHostKeepsItsBudget: three municipalities on two gateways, asked as much as they take,
// never have more connections open than the budget says, and while they start no more than
// is left beside it.
func TestHostKeepsItsBudget(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t)
	role := "kk_" + strings.ToLower(rand.Text()[:12])
	as := map[string]string{} // each city has a role of its own
	for _, city := range []string{"a", "b", "c"} {
		own := role + "_" + city
		storetest.Admin(t, "CREATE ROLE "+own+" LOGIN", "GRANT CREATE ON DATABASE postgres TO "+own)
		t.Cleanup(func() { storetest.Admin(t, "DROP OWNED BY "+own, "DROP ROLE "+own) })
		u, err := url.Parse(server)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.User(own)
		as[city] = u.String()
	}

	const pool, gateways = 3, 2
	n := founded(t, map[string]string{"a": codeA, "b": codeB, "c": codeC})
	text := map[string]string{}
	for _, file := range []string{configFile, "second.yaml"} {
		text[file] = "listen:\n  address: 127.0.0.1:0\ngateways: 2\nmunicipalities:\n"
	}
	for _, city := range []string{"a", "b", "c"} {
		n.moveToPostgres(city, as[city], pool)
		for file := range text {
			text[file] += fmt.Sprintf("  - config: %s/%s\n    path: /%s\n    max_rate: 1000\n", city, file, city)
		}
	}
	watch := countConnections(t, server, role)
	first, second := n.serveFile("first.yaml", text[configFile]), n.serveFile("second.yaml", text["second.yaml"])
	cfg, problems := config.LoadHost(filepath.Join(n.dir, "first.yaml"), nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var cities []*config.File
	for _, one := range cfg.Municipalities {
		cities = append(cities, one.File)
	}
	budget := config.Budget(cities, cfg.Gateways)
	if len(budget) != 1 || budget[0].Sets != 3*gateways*(pool+1) {
		t.Fatalf("budget %+v", budget)
	}
	if most := watch.most.Swap(0); most > int64(budget[0].Total()) {
		t.Errorf("while they started, %d connections were open; the budget has %d", most, budget[0].Total())
	}
	answered := n.press(map[string][]*hosting{"a": {first, second}, "b": {first, second}, "c": {first, second}}, 8*time.Second)
	most := watch.most.Load()
	t.Logf("%d lookups were answered over at most %d connections, of a budget of %d and %d", answered, most, budget[0].Sets, budget[0].Reserve)
	if answered == 0 || most == 0 || most > int64(budget[0].Sets) {
		t.Errorf("%d connections were open; the budget has %d", most, budget[0].Sets)
	}
	first.stop()
	second.stop()
}

// TestHostSetDiesAlone: where the record of one city can no longer be written by the run that
// has it, that set stops, the other goes on, and the set is built anew. The run learns that
// another gateway has settled it, as one does that finds its lease over.
func TestHostSetDiesAlone(t *testing.T) {
	t.Parallel()
	server := servers.Postgres(t)
	n := found(t)
	schema := n.moveToPostgres("a", server, 3)
	h := n.serve("path: /a", "path: /b")
	if status, r := h.ready(); status != http.StatusOK || r.states() != "ready "+codeA+"=ready "+codeB+"=ready" {
		t.Fatalf("at first: %d %s", status, r.states())
	}
	a, b := h.at(h.bare+"/a", "a"), h.at(h.bare+"/b", "b")
	tokenA, tokenB := token(t, n.city("a"), "case-worker"), token(t, n.city("b"), "case-worker")
	whoA, whoB := tagged(t, personas(t, n.city("a")), "child"), tagged(t, personas(t, n.city("b")), "child")
	ask := func(p *process, token string, who persona) reply {
		body := p.lookupBody(who)
		delete(body, "case") // the personas' cases lie in the demo's own database
		body["reason"] = exampleReason
		r, err := p.post("/v1/lookups", token, body)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := ask(a, tokenA, whoA); r.status != http.StatusOK {
		t.Fatalf("A at first: %d %s", r.status, r.body)
	}
	storetest.Admin(t, "UPDATE "+schema+".audit_writer SET settled = 1 WHERE settled = 0")
	down := false
	eventually(t, time.Minute, "A is down", func() bool {
		_, r := h.ready()
		down = down || strings.Contains(r.states(), codeA+"=down")
		return down
	})
	status, r := h.ready()
	if status != http.StatusOK || !strings.Contains(r.states(), codeB+"=ready") {
		t.Errorf("while A is down: %d %s", status, r.states())
	}
	if r := ask(a, tokenA, whoA); r.status != http.StatusOK && !strings.Contains(r.body, `"code":"KKH5033"`) { // or it is up again
		t.Errorf("A while it is down: %d %s", r.status, r.body)
	}
	b.lookup(tokenB, whoB)
	eventually(t, time.Minute, "A is up again", func() bool {
		_, r := h.ready()
		return r.states() == "ready "+codeA+"=ready "+codeB+"=ready"
	})
	if r := ask(a, tokenA, whoA); r.status != http.StatusOK {
		t.Errorf("A when it is up again: %d %s", r.status, r.body)
	}
	for _, want := range []string{"KKH5031-E municipality=" + codeA, "KKH5032-I municipality=" + codeA} {
		if !strings.Contains(h.log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, h.log)
		}
	}
	if strings.Contains(h.log.String(), "KKH5031-E municipality="+codeB) {
		t.Error("B went down too")
	}
	h.stop()
	if v, code := verify(t, n.city("b")); code != 0 || !v.OK {
		t.Errorf("the record of B does not verify: %d %v", code, v.Problems)
	}
}

// press asks every city at every gateway as fast as it is answered, and gives how often it
// was. All else but an answer or a refusal at the limits is an error.
func (n *neighbourhood) press(at map[string][]*hosting, lasts time.Duration) int64 {
	n.t.Helper()
	var answered atomic.Int64
	var all sync.WaitGroup
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	end := time.Now().Add(lasts)
	for city, hosts := range at {
		who := tagged(n.t, personas(n.t, n.city(city)), "child")
		worker := token(n.t, n.city(city), "case-worker")
		for _, h := range hosts {
			p := h.at(h.bare+"/"+city, city)
			body := p.lookupBody(who)
			delete(body, "case")
			body["reason"] = exampleReason
			text := mustMarshal(n.t, body)
			for range 8 {
				all.Go(func() {
					a := &asker{client: client, url: p.ready.API + "/v1/lookups", token: worker, body: text}
					for time.Now().Before(end) {
						switch status := a.ask(); status {
						case http.StatusOK:
							answered.Add(1)
						case http.StatusServiceUnavailable: // at the limits
						default:
							n.t.Errorf("a lookup in %s was answered with %d", city, status)
							return
						}
					}
				})
			}
		}
	}
	all.Wait()
	return answered.Load()
}

// connections is how many connections some roles had open at the most.
type connections struct{ most atomic.Int64 }

// countConnections counts those of the roles whose names begin so, until the test ends.
func countConnections(t *testing.T, server, roles string) *connections {
	t.Helper()
	c := &connections{}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			var now int64
			if conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE starts_with(usename, $1)", roles).Scan(&now) == nil {
				c.most.Store(max(c.most.Load(), now))
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = conn.Close(context.WithoutCancel(ctx))
	})
	return c
}

func mustMarshal(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
