package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"kakehashi/config"
	"kakehashi/internal/web"
)

// routed makes a host of three municipalities whose sets only say what reached them.
func routed(t *testing.T, names ...config.Hosted) *host {
	t.Helper()
	cfg := &config.Host{}
	for i, at := range names {
		at.File = config.Defaults()
		at.File.Municipality.Code = []string{"999997", "999989", "999971"}[i]
		if at.MaxRequests == 0 {
			at.MaxRequests, at.MaxRate = 64, 1000
		}
		cfg.Municipalities = append(cfg.Municipalities, at)
	}
	h := newHost(cfg, slog.New(slog.DiscardHandler))
	for i, one := range h.cities {
		own := prometheus.NewRegistry()
		took := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "kakehashi_took", Buckets: []float64{1, 2}}, []string{"route"})
		took.WithLabelValues("/v1/x").Observe(float64(i))
		own.MustRegister(took, collectors.NewGoCollector())
		l := newLiving(&set{web: &web.Web{}, telemetry: &telemetry{metrics: own}})
		l.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, one.code+" "+r.URL.EscapedPath()+" "+r.URL.Path)
		})
		one.now.Store(l)
	}
	return h
}

// asked sends a request to the host.
func asked(t *testing.T, h http.Handler, name, path string) *httptest.ResponseRecorder {
	t.Helper()
	u, err := url.ParseRequestURI(path)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	r.Host, r.URL = name, u
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHostRoutes(t *testing.T) {
	h := routed(t, config.Hosted{Host: "A.example.lg.jp"}, config.Hosted{Path: "/132012"}, config.Hosted{Path: "/132012-b"})
	for _, c := range []struct{ host, path, want string }{
		{"a.example.lg.jp", "/v1/x", "999997 /v1/x /v1/x"},
		{"A.EXAMPLE.LG.JP:8443", "/132012/v1", "999997 /132012/v1 /132012/v1"}, // the name comes first
		{"10.0.0.1:8443", "/132012/v1/x", "999989 /v1/x /v1/x"},
		{"10.0.0.1", "/132012/v1/a%2Fb", "999989 /v1/a%2Fb /v1/a/b"},
		{"10.0.0.1", "/132012-b/v1", "999971 /v1 /v1"},
		{"10.0.0.1", "/132012/../132012-b/v1", "999989 /../132012-b/v1 /../132012-b/v1"}, // its own set refuses it
		{"10.0.0.1", "/132012", "999989  "},
		{"10.0.0.1", "/132012b/v1", "KKH5035"},
		{"10.0.0.1", "/13201%32/v1/a%2Fb", "KKH5035"},
		{"10.0.0.1", "//132012/v1", "KKH5035"},
		{"x.a.example.lg.jp", "/v1/x", "KKH5035"},
		{"a.example.lg.jp.", "/v1/x", "KKH5035"},
		{"", "/v1/x", "KKH5035"},
		{"", "/healthz", `{"status":"ok"}`},
	} {
		a := asked(t, h, c.host, c.path)
		if got := strings.TrimSpace(a.Body.String()); got != strings.TrimSpace(c.want) && !strings.Contains(got, `"code":"`+c.want+`"`) {
			t.Errorf("%s%s: got %d %s, want %s", c.host, c.path, a.Code, got, c.want)
		}
	}
}

// Who calls by a name that nobody has learns of nobody, and is counted.
func TestHostTurnsAway(t *testing.T) {
	for _, c := range []struct {
		at     config.Hosted
		status int
	}{{config.Hosted{Host: "a.example.lg.jp"}, http.StatusMisdirectedRequest}, {config.Hosted{Path: "/132012"}, http.StatusNotFound}} {
		h := routed(t, c.at)
		a := asked(t, h, "b.example.lg.jp", "/v1/lookups")
		if a.Code != c.status || a.Header().Get("Content-Type") != "application/problem+json" || a.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%v: %d %v", c.at, a.Code, a.Header())
		}
		for _, named := range []string{"999997", "example", "132012"} {
			if strings.Contains(a.Body.String(), named) {
				t.Errorf("the answer names %s: %s", named, a.Body)
			}
		}
		if m := asked(t, h, "", "/metrics").Body.String(); !strings.Contains(m, "\nkakehashi_host_misdirected_total 1\n") {
			t.Error("it was not counted")
		}
	}
}

// A set that is down refuses, alone, and the others and the host go on.
func TestHostWithASetThatIsDown(t *testing.T) {
	h := routed(t, config.Hosted{Path: "/a"}, config.Hosted{Path: "/b"})
	if err := h.cities[0].now.Load().shutUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/a/v1/lookups", "/a/healthz", "/a/metrics"} {
		if a := asked(t, h, "", path); a.Code != http.StatusServiceUnavailable || a.Header().Get("Retry-After") != "5" ||
			!strings.Contains(a.Body.String(), `"type":"/a/problems/KKH5033"`) {
			t.Errorf("%s: %d %s", path, a.Code, a.Body)
		}
	}
	if a := asked(t, h, "", "/b/v1/lookups"); a.Code != http.StatusOK {
		t.Errorf("the other: %d %s", a.Code, a.Body)
	}
	h.cities[0].now.Store(nil)
	got := h.cities[0].ready(t.Context())
	if diff := cmp.Diff("down", got.Status); diff != "" {
		t.Error(diff)
	}
	if m := asked(t, h, "", "/metrics").Body.String(); !strings.Contains(m, `kakehashi_host_up{municipality="999997"} 0`) {
		t.Error("/metrics does not say that it is down")
	}
}

// What a set measures bears its municipality, at its own address and at the host's.
func TestHostMetricsNameTheMunicipality(t *testing.T) {
	h := routed(t, config.Hosted{Path: "/a"}, config.Hosted{Path: "/b"})
	both, a := asked(t, h, "", "/metrics").Body.String(), asked(t, h, "", "/a/metrics").Body.String()
	for _, want := range []string{
		`kakehashi_took_bucket{municipality="999997",route="/v1/x",le="1"} 1`,
		`kakehashi_took_count{municipality="999997",route="/v1/x"} 1`,
		`kakehashi_host_up{municipality="999997"} 1`,
	} {
		other := strings.ReplaceAll(want, "999997", "999989")
		if !strings.Contains(both, want) || !strings.Contains(both, other) || !strings.Contains(a, want) || strings.Contains(a, "999989") {
			t.Errorf("%s is not where it belongs:\n%s", want, a)
		}
	}
	if strings.Contains(a, "go_goroutines") || strings.Count(both, "\ngo_goroutines ") != 1 {
		t.Error("what is the process's is not told once")
	}
}

// Shutting waits for who is inside and lets nobody in.
func TestLivingWaitsForWhoIsInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &living{closing: make(chan struct{}), empty: make(chan struct{})}
		if !l.enter() {
			t.Fatal("nobody may come in")
		}
		shut := make(chan error, 1)
		go func() { shut <- l.shutUp(t.Context()) }()
		if err := l.open(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		select {
		case err := <-shut:
			t.Errorf("it did not wait: %v", err)
		default:
		}
		if l.enter() {
			t.Error("somebody came in after it was shut")
		}
		l.leave()
		if err := <-shut; err != nil {
			t.Error(err)
		}
	})
}

// The limits: so many at once, so many a second, a few together, and a short wait for one's
// turn.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(100, 20)
		began := time.Now()
		for i, want := range []int64{0, 0, 50, 100, 150, 200, 250, 300, 350, 400, 450, 500} { // two together, then twenty a second
			if turn, again := l.reserve(began); max(turn, 0).Milliseconds() != want || again > 0 {
				t.Errorf("request %d: its turn is after %v, again after %v", i, turn, again)
			}
		}
		if again, ok := l.take(t.Context()); ok || again <= patience {
			t.Errorf("one too many: %v %v", again, ok)
		}
		<-time.After(time.Second)
		if again, ok := l.take(t.Context()); !ok || time.Since(began) != time.Second {
			t.Errorf("after a second: %v %v", again, ok)
		}
		<-time.After(time.Hour)
		began = time.Now()
		for range 4 {
			if _, ok := l.take(t.Context()); !ok {
				t.Fatal("refused within its patience")
			}
		}
		if took := time.Since(began); took != 100*time.Millisecond {
			t.Errorf("four took %v: no more than two are saved up, the others wait their turn", took)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		inside := l.inside
		if _, ok := l.take(gone); ok || l.inside != inside {
			t.Errorf("one who is gone was let in, or keeps a place: %v %d", ok, l.inside-inside)
		}
	})
	l := newLimits(2, 1000)
	for range 2 {
		if _, ok := l.take(t.Context()); !ok {
			t.Fatal("refused below the limit")
		}
	}
	if again, ok := l.take(t.Context()); ok || again != time.Second {
		t.Errorf("a third at once: %v %v", again, ok)
	}
	l.give()
	if _, ok := l.take(t.Context()); !ok {
		t.Error("refused although one has left")
	}
}

// Whoever is over the limits is told when to come again, and others are not.
func TestHostRefusesBeyondTheLimits(t *testing.T) {
	h := routed(t, config.Hosted{Path: "/a", MaxRequests: 1, MaxRate: 1000}, config.Hosted{Path: "/b"})
	inside, leave := make(chan struct{}), make(chan struct{})
	h.cities[0].now.Load().handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/lookups" {
			inside <- struct{}{}
			<-leave
		}
	})
	var first sync.WaitGroup
	first.Go(func() { asked(t, h, "", "/a/v1/lookups") })
	<-inside
	if a := asked(t, h, "", "/a/v1/lookups"); a.Code != http.StatusServiceUnavailable || a.Header().Get("Retry-After") != "1" ||
		!strings.Contains(a.Body.String(), `"code":"KKH5036"`) || !strings.Contains(a.Body.String(), `"retryable":true`) {
		t.Errorf("the second: %d %s", a.Code, a.Body)
	}
	if a := asked(t, h, "", "/b/v1/lookups"); a.Code != http.StatusOK {
		t.Errorf("the other city: %d %s", a.Code, a.Body)
	}
	for _, path := range []string{"/a/readyz", "/a/metrics", "/a/v1"} {
		if a := asked(t, h, "", path); !strings.Contains(a.Body.String(), "KKH5036") {
			t.Errorf("%s is outside the limits: %d", path, a.Code)
		}
	}
	close(leave)
	first.Wait()
	if m := asked(t, h, "", "/metrics").Body.String(); !strings.Contains(m, `kakehashi_host_refused_total{municipality="999997"} 4`) {
		t.Error("it was not counted")
	}
}
