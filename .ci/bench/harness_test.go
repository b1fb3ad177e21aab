package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"kakehashi/internal/audit"
	"kakehashi/internal/ledger"
	"kakehashi/internal/servers"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
	"kakehashi/outbox"
)

// connections is how many each contestant may use.
const connections = 16

// pool gives connections to a schema of the benchmark's own.
func pool(b *testing.B) *pgxpool.Pool {
	b.Helper()
	cfg, err := pgxpool.ParseConfig(servers.Postgres(b))
	if err != nil {
		b.Fatal(err)
	}
	schema := "bench_" + strings.ToLower(rand.Text()[:10])
	cfg.MaxConns = connections
	cfg.ConnConfig.RuntimeParams["search_path"] = schema
	p, err := pgxpool.NewWithConfig(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	do(b, p, "CREATE SCHEMA "+schema)
	b.Cleanup(func() {
		_, _ = p.Exec(context.Background(), "DROP SCHEMA "+schema+" CASCADE")
		p.Close()
	})
	return p
}

func do(b *testing.B, p *pgxpool.Pool, statement string) {
	b.Helper()
	if _, err := p.Exec(b.Context(), statement); err != nil {
		b.Fatal(err)
	}
}

const (
	businessTable = `CREATE TABLE bench_business (id text PRIMARY KEY, body text NOT NULL)`
	businessRow   = `INSERT INTO bench_business (id, body) VALUES ($1, $2)`
)

// body is what a business row holds besides its key: 200 bytes.
func body() string { return strings.Repeat("x", 200) }

// inTx runs f in a transaction of a plain pool.
func inTx(ctx context.Context, p *pgxpool.Pool, f func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, p, f)
}

// share runs f n times over so many goroutines and reports transactions a second.
func share(b *testing.B, writers, n int, f func(i int) error) {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range writers {
		all.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if err := f(int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(n)/time.Since(began).Seconds(), "tx/s")
	b.ReportMetric(0, "ns/op")
}

// city is Kakehashi's own database, record and outbox on PostgreSQL.
type city struct {
	db    *store.DB
	queue *outbox.Queue
	log   *audit.Log
}

func newCity(b *testing.B, cfg outbox.Config, to outbox.Destination) *city {
	b.Helper()
	at := storetest.Postgres(b)
	at.Config.Pool = connections
	c := &city{db: at.Open(b)}
	dir := b.TempDir()
	if err := audit.GenerateKeys(dir); err != nil {
		b.Fatal(err)
	}
	record := audit.Config{
		MACKeyFile: filepath.Join(dir, audit.MACKeyName), SigningKeyFile: filepath.Join(dir, audit.SigningKeyName),
		PublicKeyFile: filepath.Join(dir, audit.PublicKeyName), CheckpointsFile: filepath.Join(dir, "checkpoints"),
	}
	keys, err := audit.LoadKeys(record)
	if err != nil {
		b.Fatal(err)
	}
	if c.log, err = audit.Open(b.Context(), c.db, record, keys); err != nil {
		b.Fatal(err)
	}
	c.queue, err = outbox.New(cfg, outbox.Rooms{
		DB: c.db, Record: c.log, Key: [32]byte{1},
		Routes: []outbox.Route{{Destination: "sink", Kinds: ledger.ChangeKinds(), To: to}},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	sealing := make(chan error, 1)
	go func() { sealing <- c.log.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		<-sealing
	})
	return c
}

// use is a change of one of a thousand records.
func use(i int) ledger.Change {
	return ledger.Change{
		ID: ledger.ChangeID(fmt.Sprintf("C-%d", i)), Kind: ledger.PersonUse, Record: ledger.BeneficiaryID(fmt.Sprintf("B-%d", i)),
		Version: 1, Person: "P-1", Atena: "100000000000008", Number: "0000019", Operator: "1001",
		At: time.Date(2026, 11, 24, 1, 2, 3, 0, time.UTC),
	}
}

// counter says when so many have arrived.
type counter struct {
	left atomic.Int64
	full chan struct{}
}

func newCounter(n int) *counter {
	c := &counter{full: make(chan struct{})}
	c.left.Store(int64(n))
	return c
}

func (c *counter) took() {
	if c.left.Add(-1) == 0 {
		close(c.full)
	}
}

// sink is where messages end: nowhere, or an HTTP server on loopback.
type sink struct {
	*counter
	client *http.Client // nil: nowhere
	url    string
}

func newSink(b *testing.B, kind string, n int) *sink {
	b.Helper()
	s := &sink{counter: newCounter(n)}
	if kind == "nothing" {
		return s
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusOK)
	}))
	b.Cleanup(server.Close)
	transport := &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true}
	b.Cleanup(transport.CloseIdleConnections)
	s.client, s.url = &http.Client{Transport: transport}, server.URL
	return s
}

// deliver hands one message over.
func (s *sink) deliver(ctx context.Context, text string) error {
	if s.client != nil {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader(text))
		if err != nil {
			return err
		}
		answer, err := s.client.Do(request)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
	}
	s.took()
	return nil
}

// destination is the sink as the outbox tells it.
type destination struct{ *sink }

func (d destination) Prepare(_ context.Context, c ledger.Change) (ledger.Letter, error) {
	return ledger.Letter{Call: "use", Key: string(c.ID), Body: []byte(c.Record)}, nil
}

func (d destination) Send(ctx context.Context, l ledger.Letter) (ledger.Receipt, error) {
	return ledger.Receipt{}, d.deliver(ctx, string(l.Body))
}
