package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
	"kakehashi/mapping"
)

// The benchmarks compare three ways to answer one lookup, in rounds that follow one another
// within one run, over loopback HTTP, with neighbours that answer after 5 ms:
//
//   - the gateway: verified token, rights, mapping, intent and outcome on the disk;
//   - its adapters alone: verified token, mapping, JSON, nothing recorded;
//   - a plain net/http fan-out that splices three bodies and decodes nothing.
//
// The neighbours lie in the same process, but answer from memory on bare connections, so
// that what is measured is little else than the three. Run with
//
//	go test ./cmd/kakehashi -run '^$' -bench Lookup -benchtime 5x

// upstreamDelay is how long a neighbour takes to answer.
const upstreamDelay = 5 * time.Millisecond

// Whom the canned replies are about: a child and an adult of one household.
const (
	benchChild = "1000000101"
	benchAdult = "1000000128"
	benchCase  = "K-2600001"
)

// upstream is a neighbour that speaks the wire's HTTP and nothing more of it than is asked
// for here.
type upstream struct {
	listener net.Listener
	reply    func(path string, body []byte) []byte
}

func newUpstream(b *testing.B, reply func(path string, body []byte) []byte) *upstream {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	u := &upstream{listener: l, reply: reply}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go u.serve(conn)
		}
	}()
	b.Cleanup(func() { _ = l.Close() })
	return u
}

func (u *upstream) url() string { return "http://" + u.listener.Addr().String() }

// serve answers request after request on one connection.
func (u *upstream) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	wait := time.NewTimer(time.Hour)
	defer wait.Stop()
	var body []byte
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		path := string(bytes.Fields(line)[1])
		length := 0
		for {
			line, err := in.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) <= 2 {
				break
			}
			if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte("content-length")) {
				length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
			}
		}
		body = slices.Grow(body[:0], length)[:length]
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		if path != "/oauth2/token" {
			wait.Reset(upstreamDelay)
			<-wait.C
		}
		if _, err := conn.Write(u.reply(path, body)); err != nil {
			return
		}
	}
}

// httpReply makes a whole reply of a body.
func httpReply(body []byte) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// canned answers as the wire says: households, protection and addresses always the same,
// tax for those who are asked about.
func canned(b *testing.B) func(path string, body []byte) []byte {
	b.Helper()
	file := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join("..", "..", "mapping", "testdata", name))
		if err != nil {
			b.Fatal(err)
		}
		var small bytes.Buffer
		if err := json.Compact(&small, text); err != nil {
			b.Fatal(err)
		}
		return small.Bytes()
	}
	token := httpReply([]byte(`{"access_token":"bench","token_type":"Bearer","expires_in":86400}`))
	household := httpReply(file("residents/family.json"))
	protection := httpReply(file("protection/nobody-protected.json"))
	child := file("address/resident.json")
	address := map[bool][]byte{true: httpReply(child), false: httpReply(bytes.ReplaceAll(child, []byte(benchChild), []byte(benchAdult)))}
	var taxes struct {
		Metadata json.RawMessage     `json:"metadata"`
		Links    json.RawMessage     `json:"_links"`
		Result   []map[string]string `json:"result"`
	}
	if err := json.Unmarshal(file("tax/taxed.json"), &taxes); err != nil {
		b.Fatal(err)
	}
	everybody := taxes.Result
	var known sync.Map // by request
	tax := func(body []byte) []byte {
		if r, ok := known.Load(string(body)); ok {
			return r.([]byte)
		}
		some := taxes
		some.Result = nil
		for _, r := range everybody {
			if bytes.Contains(body, []byte(r["atenabango"])) {
				r["kazeinendo"] = strconv.Itoa(mapping.TaxYear(time.Now()))
				some.Result = append(some.Result, r)
			}
		}
		text, err := json.Marshal(some)
		if err != nil {
			panic(err)
		}
		r, _ := known.LoadOrStore(string(body), httpReply(text))
		return r.([]byte)
	}
	return func(path string, body []byte) []byte {
		switch {
		case path == "/oauth2/token":
			return token
		case strings.HasSuffix(path, "juminsetaishokai"):
			return household
		case strings.HasSuffix(path, "shiensochishokai"):
			return protection
		case strings.HasSuffix(path, "atenajohoshokai"):
			return address[bytes.Contains(body, []byte(benchChild))]
		default:
			return tax(body)
		}
	}
}

// rivals are the three ways, each behind a server of its own.
type rivals struct {
	gateway, adapters, plain string
	token                    string
	client                   *http.Client
	upstreams                []*upstream
}

// newRivals builds them over the same neighbours.
func newRivals(b *testing.B) *rivals {
	b.Helper()
	collectLess() // as the program does; the rivals have it too
	ctx := b.Context()
	dir := b.TempDir()
	issuer, city, err := demoNeighbours(ctx, dir)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = issuer.Close() })
	if err := demoFiles(city, dir, demoOptions{}); err != nil {
		b.Fatal(err)
	}
	cfg, err := loadConfig(filepath.Join(dir, configFile))
	if err != nil {
		b.Fatal(err)
	}
	r := &rivals{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512}}}
	n := &cfg.Neighbours
	for _, to := range []*string{&n.Residents.BaseURL, &n.Tax.BaseURL, &n.Address.BaseURL} {
		u := newUpstream(b, canned(b))
		r.upstreams = append(r.upstreams, u)
		*to = u.url()
	}
	n.Residents.TokenURL, n.Tax.TokenURL, n.Address.TokenURL = "", "", ""
	n.Residents.Concurrency, n.Tax.Concurrency, n.Address.Concurrency = 512, 512, 512
	s, err := newSet(ctx, cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	if r.token, err = benchToken(dir); err != nil {
		b.Fatal(err)
	}
	r.gateway = serveSet(b, s)
	_, err = s.gateway.OpenCase(ctx, staff.Member{Client: "case-system"},
		ledger.Case{ID: benchCase, Procedure: exampleProcedure, Persons: []ledger.AtenaNumber{benchChild, benchAdult}})
	if err != nil {
		b.Fatal(err)
	}
	r.adapters = serveHandler(b, adaptersAlone(s))
	r.plain = serveHandler(b, plainFanOut(r.upstreams))
	return r
}

func benchToken(dir string) (string, error) {
	var out bytes.Buffer
	if code := run(context.Background(), []string{"demo", "token", "--dir", dir}, streams{out: &out, err: &out}); code != exitOK {
		return "", errors.New(out.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// serveSet serves the set until the benchmark ends.
func serveSet(b *testing.B, s *set) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(b.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.serve(ctx, l) }()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Errorf("stop the gateway: %v", err)
		}
	})
	return "http://" + l.Addr().String()
}

func serveHandler(b *testing.B, h http.Handler) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(l) }()
	b.Cleanup(func() { _ = server.Close() })
	return "http://" + l.Addr().String()
}

// benchBody is the body of a lookup.
func benchBody(person string) []byte {
	return fmt.Appendf(nil, `{"person":{"atena_number":%q},"case":%q,"procedure":%q,"purpose":%q}`,
		person, benchCase, exampleProcedure, examplePurpose)
}

// adaptersAlone asks what the gateway asks, by the same adapters, and records nothing.
func adaptersAlone(s *set) http.Handler {
	items := ledger.Items()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Person struct {
				Atena ledger.AtenaNumber `json:"atena_number"`
			} `json:"person"`
		}
		_, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if _, err := s.tokens.Verify(r.Context(), bearer); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		q := ledger.Question{Person: body.Person.Atena, Items: items, On: time.Now()}
		var answers [3]ledger.Answer
		var failed [3]error
		var all sync.WaitGroup
		for i, source := range []interface {
			Lookup(context.Context, ledger.Question) (ledger.Answer, error)
		}{s.residents, s.tax, s.address} {
			all.Go(func() { answers[i], failed[i] = source.Lookup(r.Context(), q) })
		}
		shield, err := s.residents.Protection(r.Context(), []ledger.AtenaNumber{q.Person})
		all.Wait()
		if err := errors.Join(append(failed[:], err)...); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"sources": answers, "protected": len(shield)})
	})
}

// plainFanOut asks three neighbours at once and splices what they say.
func plainFanOut(upstreams []*upstream) http.Handler {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true}}
	resources := []string{"juminsetaishokai", "kazeikubunshokai", "atenajohoshokai"}
	ask := func(ctx context.Context, i int, body []byte) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, upstreams[i].url()+"/app_submit/v10/"+resources[i], bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer func() { _ = res.Body.Close() }()
		return io.ReadAll(res.Body)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var parts [3][]byte
		var failed [3]error
		var all sync.WaitGroup
		for i := 1; i < len(parts); i++ {
			all.Go(func() { parts[i], failed[i] = ask(r.Context(), i, body) })
		}
		parts[0], failed[0] = ask(r.Context(), 0, body)
		all.Wait()
		if err := errors.Join(failed[:]...); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"residents":%s,"tax":%s,"address":%s}`, parts[0], parts[1], parts[2])
	})
}

// ask sends one lookup to one of the rivals.
func (r *rivals) ask(base string, body []byte) error {
	req, err := http.NewRequest(http.MethodPost, base+"/v1/lookups", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+r.token)
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || bytes.Contains(text, []byte("unavailable")) {
		return fmt.Errorf("status %d: %.300s", res.StatusCode, text)
	}
	return nil
}

// spent is what a number of requests took.
type spent struct {
	requests  int
	wall, cpu time.Duration
}

func (s *spent) rate() float64 { return float64(s.requests) / s.wall.Seconds() }

func (s *spent) perRequest() float64 { return float64(s.cpu.Microseconds()) / float64(s.requests) }

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// round has so many callers ask, each so many times, and adds up what that took.
func (r *rivals) round(b *testing.B, base string, body []byte, callers, times int, sum *spent) {
	b.Helper()
	began, cpu := time.Now(), cpuTime()
	var all sync.WaitGroup
	var failed atomic.Pointer[error]
	for range callers {
		all.Go(func() {
			for range times {
				if err := r.ask(base, body); err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		b.Fatal(*err)
	}
	sum.requests += callers * times
	sum.wall += time.Since(began)
	sum.cpu += cpuTime() - cpu
}

func BenchmarkLookup(b *testing.B) {
	for _, who := range []struct{ name, number string }{{"adult", benchAdult}, {"child", benchChild}} {
		for _, callers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("%s/c=%d", who.name, callers), func(b *testing.B) {
				r := newRivals(b)
				body := benchBody(who.number)
				times := max(20, 1280/callers)
				for _, base := range []string{r.gateway, r.adapters, r.plain} { // connections, tokens, statements
					r.round(b, base, body, callers, 5, &spent{})
				}
				var gateway, adapters, plain spent
				for b.Loop() {
					r.round(b, r.gateway, body, callers, times, &gateway)
					r.round(b, r.adapters, body, callers, times, &adapters)
					r.round(b, r.plain, body, callers, times, &plain)
				}
				b.ReportMetric(0, "ns/op") // of all three together it would say nothing
				b.ReportMetric(gateway.rate(), "req/s")
				b.ReportMetric(adapters.rate(), "noaudit_req/s")
				b.ReportMetric(plain.rate(), "plain_req/s")
				b.ReportMetric(gateway.rate()/adapters.rate(), "x_noaudit")
				b.ReportMetric(gateway.rate()/plain.rate(), "x_plain")
				b.ReportMetric(gateway.perRequest(), "cpu_us/req")
				b.ReportMetric(adapters.perRequest(), "noaudit_cpu_us/req")
				b.ReportMetric(plain.perRequest(), "plain_cpu_us/req")
			})
		}
	}
}

// offer sends a request every interval, whether or not those before have ended, and adds
// how long each took from the moment when it was due. It gives how many got no answer.
func (r *rivals) offer(base string, body []byte, requests int, interval time.Duration, took *[]time.Duration) (failed int64) {
	each := make([]time.Duration, requests)
	var missed atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	due := time.NewTimer(0)
	defer due.Stop()
	for n := range requests {
		at := began.Add(time.Duration(n) * interval)
		due.Reset(time.Until(at))
		<-due.C
		all.Go(func() {
			if r.ask(base, body) != nil {
				missed.Add(1)
			}
			each[n] = time.Since(at)
		})
	}
	all.Wait()
	*took = append(*took, each...)
	return missed.Load()
}

// BenchmarkLookupOpenLoop offers lookups at a rate of their own, as a city's offices do. A
// machine that cannot carry 1,000 a second shows it in failed and in the percentiles; 250
// are a busy morning of a large city.
func BenchmarkLookupOpenLoop(b *testing.B) {
	for _, rate := range []int{250, 1000} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			r := newRivals(b)
			body := benchBody(benchAdult)
			for _, base := range []string{r.gateway, r.plain} {
				r.round(b, base, body, 16, 20, &spent{})
			}
			var gateway, plain []time.Duration
			var failed int64
			interval := time.Second / time.Duration(rate)
			for b.Loop() {
				failed += r.offer(r.gateway, body, 2*rate, interval, &gateway)
				if n := r.offer(r.plain, body, 2*rate, interval, &plain); n > 0 {
					b.Errorf("%d requests of the plain fan-out failed", n)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(failed), "failed")
			for name, took := range map[string][]time.Duration{"": gateway, "plain_": plain} {
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, name+"p50_ms")
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, name+"p99_ms")
			}
		})
	}
}
