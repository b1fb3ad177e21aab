package main

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// passage lets connections through to a server until it is shut.
type passage struct {
	listener net.Listener
	server   string

	mu   sync.Mutex
	shut bool
	open map[net.Conn]bool
	all  sync.WaitGroup
}

// passageTo gives a passage to the server of a URL, and the URL that goes through it.
func passageTo(t *testing.T, server string) (*passage, string) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &passage{listener: l, server: u.Host, open: map[net.Conn]bool{}}
	w.all.Go(w.accept)
	t.Cleanup(func() {
		_ = l.Close()
		w.set(true)
		w.all.Wait()
	})
	u.Host = l.Addr().String()
	return w, u.String()
}

func (w *passage) accept() {
	for {
		from, err := w.listener.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", w.server)
		if err != nil || !w.enter(from, to) {
			_ = from.Close()
			continue
		}
		for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
			w.all.Go(func() {
				_, _ = io.Copy(pair[0], pair[1])
				w.leave(from, to)
			})
		}
	}
}

func (w *passage) enter(from, to net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shut {
		_ = to.Close()
		return false
	}
	w.open[from], w.open[to] = true, true
	return true
}

func (w *passage) leave(from, to net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range []net.Conn{from, to} {
		_ = c.Close()
		delete(w.open, c)
	}
}

// set shuts the passage, cutting whoever is in it, or opens it again.
func (w *passage) set(shut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shut = shut
	if shut {
		for c := range w.open {
			_ = c.Close()
		}
	}
}

// nobody is an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestWithoutRedisAndKafkaWorkGoesOn: neither is needed for a lookup or a change. Each is told
// of with its number and a plain cause, and what is owed to Kafka waits.
func TestWithoutRedisAndKafkaWorkGoesOn(t *testing.T) {
	t.Parallel()
	at := wholePlace(t)
	startSandbox(t, at.dir)
	at.demo().stop()
	worker, operator := token(t, at.dir, "case-worker"), token(t, at.dir, "operator")
	child := children(personas(t, at.dir))[0]
	p := at.serve(at.dir, append(quick(), "KAKEHASHI_REDIS_URL=redis://"+nobody(t), "KAKEHASHI_KAFKA_BROKERS="+nobody(t), "KAKEHASHI_KAFKA_TIMEOUT=1s")...)
	p.lookup(worker, child)
	a := p.must("/v1/beneficiaries", worker, "register", p.registration(child, outsiderOf(1).body()))
	eventually(t, 30*time.Second, "the neighbour is told although Kafka is away", func() bool {
		return len(arrivals(t, p.dir)) == 3
	})
	eventually(t, 30*time.Second, "/readyz tells of Redis and Kafka", func() bool {
		status, probes := p.probes()
		return status == http.StatusOK && strings.HasPrefix(probes["redis"], "KKH3602 ") && strings.HasPrefix(probes["kafka"], "KKH34")
	})
	status, probes := p.probes()
	for _, well := range []string{"database", "record", "issuer", "sealing"} {
		if text, told := probes[well]; !told || text != "" {
			t.Errorf("without Redis and Kafka /readyz %d says of %s: %q", status, well, text)
		}
	}
	for _, q := range p.queue(operator).Changes {
		if q.Destination != kafkaDestination || q.State == "parked" {
			t.Errorf("without Kafka there is owed %+v", q)
		}
	}
	examined := kakehashi(t, "doctor", "--dir", at.dir)
	if examined.code != exitWarning || !strings.Contains(examined.out, "[注意] Redis: KKH3602") || !strings.Contains(examined.out, "[注意] Kafka: KKH34") {
		t.Errorf("doctor: %d\n%s%s", examined.code, examined.out, examined.err)
	}
	if text := p.get("/metrics").body; !strings.Contains(text, "kakehashi_") {
		t.Error("/metrics says nothing")
	}
	stop(t, p)

	p = at.serve(at.dir, quick()...) // both are back
	p.told(operator, 30*time.Second)
	promised := map[string][]string{a.ID: a.changes()}
	reckon(t, at.dir, promised)
	at.events(municipalityOf(t, at.dir), promised, kindsOf(t, at.dir))
	if r := kakehashi(t, "doctor", "--dir", at.dir); !strings.Contains(r.out, "[正常] Redis") || !strings.Contains(r.out, "[正常] Kafka") {
		t.Errorf("doctor: %d\n%s%s", r.code, r.out, r.err)
	}
	stop(t, p)
	checkContent(t, at.dir)
}

// municipalityOf gives the code of the folder's municipality, as its gateway announces it.
func municipalityOf(t *testing.T, dir string) string {
	t.Helper()
	r, err := readRunning(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r.Municipality
}

// TestWithoutPostgresNothingIsReleased: without the record there is no answer, and as soon as
// the database is back there is one again.
func TestWithoutPostgresNothingIsReleased(t *testing.T) {
	t.Parallel()
	at := newPlace(t)
	startSandbox(t, at.dir)
	at.demo().stop()
	worker := token(t, at.dir, "case-worker")
	people := askable(personas(t, at.dir))
	way, through := passageTo(t, at.database)
	p := at.serve(at.dir, append(quick(), "KAKEHASHI_DATABASE_URL="+through, "KAKEHASHI_DATABASE_CONNECT_TIMEOUT=1s")...)
	whole, _ := p.lookup(worker, people[0])
	answers := []given{givenBy(whole, "lookup")}

	way.set(true)
	eventually(t, 20*time.Second, "/readyz says that the database is away", func() bool {
		status, probes := p.probes()
		return status == http.StatusServiceUnavailable && strings.HasPrefix(probes["database"], "KKH3221 ")
	})
	for _, who := range people[:3] {
		r, err := p.post("/v1/lookups", worker, p.lookupBody(who))
		if err != nil || r.status != http.StatusServiceUnavailable || strings.Contains(r.body, who.Name) || strings.Contains(r.body, who.Atena) {
			t.Errorf("a lookup without a database: %d %v %s", r.status, err, r.body)
		}
	}
	if _, r, err := p.press("/v1/beneficiaries", worker, "away", p.registration(children(people)[0], outsiderOf(1).body())); err != nil || r.status != http.StatusServiceUnavailable {
		t.Errorf("a change without a database: %d %v %s", r.status, err, r.body)
	}
	examined := kakehashi(t, "doctor", "--dir", at.dir)
	if examined.code != exitRecord && examined.code != exitData || !strings.Contains(examined.out, "KKH3221") {
		t.Errorf("doctor: %d\n%s%s", examined.code, examined.out, examined.err)
	}
	if r := p.get("/healthz"); r.status != http.StatusOK || closed(p.ended) {
		t.Errorf("/healthz: %d", r.status)
	}

	way.set(false)
	eventually(t, 30*time.Second, "/readyz is well again, by itself", func() bool {
		status, _ := p.probes()
		return status == http.StatusOK
	})
	for _, who := range people[:3] {
		a, _ := p.lookup(worker, who)
		answers = append(answers, givenBy(a, "lookup"))
	}
	a := p.must("/v1/beneficiaries", worker, "away", p.registration(children(people)[0], outsiderOf(1).body()))
	p.told(token(t, at.dir, "operator"), 30*time.Second)
	reckon(t, at.dir, map[string][]string{a.ID: a.changes()})
	checkKept(t, record(t, at.dir), answers)
	stop(t, p)
	checkContent(t, at.dir)
}
