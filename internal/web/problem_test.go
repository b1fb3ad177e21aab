package web_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/manual"
	"kakehashi/internal/web"
)

func TestBodiesAreReadStrictly(t *testing.T) {
	h := build(t, nil)
	const secret = "カクウハナコ"
	for _, c := range []struct {
		name, body string
		status     int
		code       string
		pointer    string
	}{
		{"unknown member", `{"person":{"atena_number":"1"},"surname":"` + secret + `"}`, 422, "KKH4106", "/surname"},
		{"unknown member inside", `{"person":{"atena_number":"1","born":"` + secret + `"}}`, 422, "KKH4106", "/person/born"},
		{"a value as name", `{"` + secret + `":1}`, 422, "KKH4106", ""},
		{"a number as name", `{"person":{"0000000019":1}}`, 422, "KKH4106", "/person"},
		{"another case", `{"Person":{"atena_number":"1"}}`, 422, "KKH4106", ""},
		{"twice", `{"case":"` + secret + `","case":"x"}`, 422, "KKH4106", "/case"},
		{"another type", `{"person":{"atena_number":19000000001}}`, 422, "KKH4106", "/person/atena_number"},
		{"text for object", `{"person":"` + secret + `"}`, 422, "KKH4106", "/person"},
		{"array of numbers", `{"person":{"atena_number":"1"},"sources":[1]}`, 422, "KKH4106", "/sources/0"},
		{"no person", `{"procedure":"certify"}`, 422, "KKH4106", "/person/atena_number"},
		{"no sources", `{"person":{"atena_number":"1"},"sources":[]}`, 422, "KKH4106", "/sources"},
		{"both comparisons", `{"person":{"atena_number":"1"},"compare":{"ledger":true,"values":{"name":"` + secret + `"}}}`, 422, "KKH4106", "/compare"},
		{"shape of the number", `{"person":{"atena_number":"` + secret + `"}}`, 422, "KKH1103", "/person/atena_number"},
		{"unknown source", `{"person":{"atena_number":"1"},"sources":["` + secret + `"]}`, 422, "KKH1105", "/sources"},
		{"unknown item", `{"person":{"atena_number":"1"},"compare":{"values":{"` + secret + `":"x"}}}`, 422, "KKH1106", "/compare/values"},
		{"no JSON", secret, 400, "KKH4105", ""},
		{"cut", `{"person":{"atena_number":"` + secret, 400, "KKH4105", ""},
		{"two values", `{} {"case":"` + secret + `"}`, 400, "KKH4105", ""},
		{"no UTF-8", "{\"case\":\"\x83\x4a\"}", 400, "KKH4105", ""},
		{"empty", " ", 400, "KKH4105", ""},
		{"an array", `[]`, 422, "KKH4106", ""},
		{"too large", `{"case":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "KKH4103", ""},
		{"purpose missing", `{"person":{"atena_number":"1"},"procedure":"certify"}`, 403, "KKH1216", ""},
		{"case missing", `{"person":{"atena_number":"1"},"procedure":"certify","purpose":"new"}`, 403, "KKH1217", ""},
	} {
		a := h.ask("POST", "/v1/lookups", "case-worker", c.body)
		p := a.json(t)
		if a.status != c.status || p["code"] != c.code || at(p) != c.pointer {
			t.Errorf("%s: got %d %s, want %d %s %q", c.name, a.status, a.body, c.status, c.code, c.pointer)
		}
		if bytes.Contains(a.body, []byte(secret)) || bytes.Contains(a.body, []byte("19000000001")) {
			t.Errorf("%s: the answer repeats a value: %s", c.name, a.body)
		}
		if a.header.Get("Content-Type") != "application/problem+json" || a.header.Get("Content-Language") != "ja" || p["next_action"] == "" {
			t.Errorf("%s: %v %s", c.name, a.header, a.body)
		}
	}
	if strings.Contains(h.log.wait(t, "KKH1217"), secret) {
		t.Errorf("the log repeats a value: %s", h.log)
	}
}

func TestMediaTypes(t *testing.T) {
	h := build(t, nil)
	for kind, want := range map[string]int{
		"application/json": 422, "application/json; charset=UTF-8": 422, "Application/JSON": 422,
		"": 415, "text/plain": 415, "application/json; charset=shift_jis": 415, "application/x-www-form-urlencoded": 415,
	} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", h.url+"/v1/lookups", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+h.token("case-worker"))
		r.Header.Set("Content-Type", kind)
		if a := h.send(r, "{}"); a.status != want {
			t.Errorf("%q: got %d, want %d", kind, a.status, want)
		}
	}
}

func TestUnknownAddressesAreProblems(t *testing.T) {
	h := build(t, nil)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/", 404, ""}, {"GET", "/v1/people/0000000019", 404, ""}, {"POST", "/v1/lookups/", 404, ""},
		{"POST", "//v1/lookups", 404, ""}, {"GET", "/v1/../healthz", 404, ""}, {"GET", "/problems/KKH0000", 404, ""},
		{"GET", "/v1/lookups", 405, "POST"}, {"DELETE", "/v1/cases", 405, "POST"}, {"POST", "/healthz", 405, "GET, HEAD"},
		{"BREW", "/v1/lookups", 405, "POST"}, {"GET", "/static/nothing", 404, ""},
	} {
		a := h.ask(c.method, c.path, "", "")
		if a.status != c.status || a.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: got %d, Allow %q", c.method, c.path, a.status, a.header.Get("Allow"))
		}
		if strings.Contains(string(a.body), "0000000019") || a.header.Get("Location") != "" {
			t.Errorf("%s %s: the answer repeats the address: %s", c.method, c.path, a.body)
		}
	}
	if text := h.log.wait(t, "_OTHER"); strings.Contains(text, "0000000019") || strings.Contains(text, "BREW") {
		t.Errorf("the log repeats the address or the method: %s", h.log)
	}
}

func TestProblemsInEnglish(t *testing.T) {
	h := build(t, nil)
	for accept, want := range map[string]string{"en": "en", "en-GB,ja;q=0.5": "en", "ja,en": "ja", "fr": "ja", "": "ja"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", h.url+"/nowhere", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Language", accept)
		a := h.send(r, "")
		if got := a.header.Get("Content-Language"); got != want {
			t.Errorf("%q: got %q, want %q", accept, got, want)
		}
		if japanese := strings.ContainsAny(a.json(t)["title"].(string), "のはがを"); japanese != (want == "ja") {
			t.Errorf("%q: title %v", accept, a.json(t)["title"])
		}
	}
}

// A neighbour's time of the next attempt is told; a fault of ours is told by its number alone.
func TestFaultsOfASearch(t *testing.T) {
	h := build(t, nil)
	const body = `{"kana":"かくう","birth_date":"2016-05-03","reason":"counter","procedure":"certify","purpose":"new"}`
	h.next.find = func(ledger.Search) ([]ledger.Candidate, error) {
		return nil, fault.New(fault.Unavailable, "call address").WithReason("breaker_open").WithRetry(time.Now().Add(9500 * time.Millisecond))
	}
	a := h.ask("POST", "/v1/people/search", "case-worker", body)
	p := a.json(t)
	if a.status != 503 || a.header.Get("Retry-After") != "10" || p["retry_after"] != 10.0 || p["retryable"] != true || p["outcome"] != "unavailable" {
		t.Errorf("got %d %v %s", a.status, a.header, a.body)
	}
	if id, _ := p["instance"].(string); !strings.HasPrefix(id, "Q-") || a.header.Get("X-Lookup-Id") != id {
		t.Errorf("a search that was begun has no 照会番号: %s", a.body)
	}
	h.next.find = func(ledger.Search) ([]ledger.Candidate, error) { panic("架空 花子") }
	if a := h.ask("POST", "/v1/people/search", "case-worker", body); a.status != 500 || strings.Contains(string(a.body), "花子") {
		t.Errorf("a panic of an adapter: %d %s", a.status, a.body)
	}
}

// A panic outside of the gateway's own care is answered, and its value kept to itself.
func TestPanicsAreAnswered(t *testing.T) {
	h := build(t, func(_ *house, r *web.Rooms) {
		r.Breakers = func() []web.Breaker { panic("架空 花子") }
		r.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("half"))
			_ = http.NewResponseController(w).Flush()
			panic("架空 花子")
		})
	})
	a := h.ask("GET", "/v1/breakers", "operator", "")
	if a.status != 500 || a.json(t)["code"] != "KKH9001" {
		t.Errorf("got %d %s", a.status, a.body)
	}
	second := httptest.NewUnstartedServer(h.web.Handler())
	second.EnableHTTP2 = true
	second.StartTLS()
	defer second.Close()
	for name, base := range map[string]string{"HTTP/1.1": h.url, "HTTP/2": second.URL} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", base+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := second.Client().Do(r)
		if err != nil {
			t.Fatalf("%s: the half that was sent did not come: %v", name, err)
		}
		half, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err == nil || string(half) != "half" || !strings.HasPrefix(name, res.Proto[:6]) {
			t.Errorf("%s: an answer that broke off looks whole: %q %v %s", name, half, err, res.Proto)
		}
	}
	if strings.Contains(h.log.wait(t, "/metrics"), "花子") {
		t.Errorf("log: %s", h.log)
	}
}

// Log and trace hold the route, not what was called.
func TestRequestsAreObserved(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	h := build(t, func(_ *house, r *web.Rooms) {
		r.Traces = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	})
	r, err := http.NewRequestWithContext(t.Context(), "POST", h.url+"/v1/lookups?name=0000000019", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	r.Header.Set("Tracestate", "x=0000000019")
	r.Header.Set("User-Agent", "0000000019")
	r.Host = "0000000019.example"
	a := h.send(r, "{}")
	if got := a.json(t)["trace_id"]; got != "4bf92f3577b34da6a3ce929d0e0e4736" {
		t.Errorf("trace_id: %v", got)
	}
	var event map[string]any
	if err := json.Unmarshal([]byte(h.log.wait(t, "KKH4100")), &event); err != nil {
		t.Fatalf("not one event: %s", h.log)
	}
	delete(event, "time")
	delete(event, "ms")
	want := map[string]any{"level": "INFO", "msg": "KKH4100", "method": "POST", "route": "/v1/lookups", "status": 401.0, "cause": "KKH1201",
		"trace": "4bf92f3577b34da6a3ce929d0e0e4736"}
	for k, v := range want {
		if event[k] != v {
			t.Errorf("log: %s is %v, want %v", k, event[k], v)
		}
	}
	if len(event) != len(want) {
		t.Errorf("log: %v", event)
	}
	for _, s := range spans.Ended() {
		text := fmt.Appendf(nil, "%+v", tracetest.SpanStubFromReadOnlySpan(s))
		if s.Name() != "POST /v1/lookups" || bytes.Contains(text, []byte("0000000019")) {
			t.Errorf("span: %s %s", s.Name(), text)
		}
	}
	if len(spans.Ended()) != 1 {
		t.Errorf("%d spans", len(spans.Ended()))
	}
	h.ask("GET", "/healthz", "", "")
	h.ask("GET", "/nowhere", "", "")
	if strings.Count(h.log.wait(t, "unknown"), "\n") != 2 {
		t.Errorf("a quiet route is logged: %s", h.log)
	}
}

// Every number that this package gives is in the catalogue.
func TestNumbersAreInTheCatalogue(t *testing.T) {
	for _, code := range []string{
		"KKH4100", "KKH4101", "KKH4102", "KKH4103", "KKH4104", "KKH4105", "KKH4106", "KKH4107", "KKH4108",
		"KKH4111", "KKH4112", "KKH4113", "KKH4114", "KKH4115", "KKH4116", "KKH0131", "KKH0132", "KKH0133", "KKH9001",
	} {
		if _, ok := manual.Message(code); !ok {
			t.Errorf("%s is not in the catalogue", code)
		}
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		cfg  web.Config
		code string
	}{
		{web.Config{Address: "127.0.0.1:8443"}, ""}, {web.Config{Address: "localhost:1"}, ""}, {web.Config{Address: "[::1]:1"}, ""},
		{web.Config{Address: "0.0.0.0:8443", TLSCertificate: "c", TLSKey: "k"}, ""}, {web.Config{Address: ":8443", Plain: true}, ""},
		{web.Config{Address: "8443"}, "KKH0131"}, {web.Config{Address: "127.0.0.1:1", TLSKey: "k"}, "KKH0132"},
		{web.Config{Address: "0.0.0.0:8443"}, "KKH0133"}, {web.Config{Address: ":8443"}, "KKH0133"},
	} {
		err := c.cfg.Validate()
		if got := fault.Code(err); got != c.code {
			t.Errorf("%+v: got %q, want %q", c.cfg, got, c.code)
		}
	}
	if _, err := web.New(web.Config{}, web.Rooms{}); err == nil {
		t.Error("an API without rooms was made")
	}
}

// A caller with a huge header, or none at all for a while, does not hold the server.
func TestServerHasLimits(t *testing.T) {
	h := build(t, nil)
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = conn.Write([]byte("GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n"))
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	line, _ := bufio.NewReader(conn).ReadString('\n')
	if !strings.Contains(line, "431") {
		t.Errorf("a header of 64 KiB: %q", line)
	}
	s := h.web.Server()
	if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 {
		t.Error("a time limit is missing")
	}
}

// A caller who leaves gets nothing, and the record says that it was withheld.
func TestCallerLeaves(t *testing.T) {
	h := build(t, nil)
	h.openCase("K-1")
	ctx, leave := context.WithCancel(t.Context())
	h.next.residents = func(ledger.Question) (ledger.Answer, error) {
		leave()
		return ledger.Answer{}, fault.New(fault.Unavailable, "call residents").WithReason("cancelled")
	}
	r, err := http.NewRequestWithContext(ctx, "POST", h.url+"/v1/lookups", strings.NewReader(lookupOf+`}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token("case-worker"))
	r.Header.Set("Content-Type", "application/json")
	if res, err := http.DefaultTransport.RoundTrip(r); err == nil {
		_ = res.Body.Close()
	}
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		a := h.ask("POST", "/v1/record/search", "auditor", `{"kind":"withheld"}`)
		b := h.ask("POST", "/v1/record/search", "auditor", `{"kind":"outcome"}`)
		if len(a.json(t)["entries"].([]any))+len(b.json(t)["entries"].([]any)) == 1 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("neither withheld nor outcome: %s", a.body)
		}
	}
}
