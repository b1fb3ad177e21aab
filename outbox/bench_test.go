package outbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// A business transaction of one row, alone and with a change owed in it.
func BenchmarkEnqueue(b *testing.B) {
	for _, name := range []string{"business row alone", "with a change owed"} {
		b.Run(name, func(b *testing.B) {
			h := newHouse(b, onSQLite(b), quick(), to(newNeighbour()))
			i := 0
			for b.Loop() {
				i++
				err := store.WithTx(b.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
					if _, err := tx.Exec(ctx, `INSERT INTO ledger_case (id, procedure, opened_at, opened_by) VALUES ($1, $2, $3, $4)`,
						fmt.Sprint("K-", i), "registration", "2026-11-24T00:00:00Z", "1001"); err != nil {
						return err
					}
					if name == "business row alone" {
						return nil
					}
					_, err := h.queue.Enqueue(ctx, tx, use(fmt.Sprint(i), 1))
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// nothing is a destination that answers at once.
type nothing struct {
	mu    sync.Mutex
	count int
	most  int
	full  chan struct{}
}

func (n *nothing) Prepare(_ context.Context, c ledger.Change) (ledger.Letter, error) {
	return ledger.Letter{Call: "use", Key: string(c.ID), Body: []byte(c.Record)}, nil
}

func (n *nothing) Send(context.Context, ledger.Letter) (ledger.Receipt, error) {
	n.took()
	return ledger.Receipt{}, nil
}

func (n *nothing) took() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.count++; n.count == n.most {
		close(n.full)
	}
}

// sink is the same behind HTTP, on loopback.
type sink struct {
	*nothing
	client *http.Client
	url    string
}

func (s *sink) Send(ctx context.Context, l ledger.Letter) (ledger.Receipt, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(l.Body))
	if err != nil {
		return ledger.Receipt{}, err
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return ledger.Receipt{}, fault.New(fault.Unsure, "no answer: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	_, err = io.Copy(io.Discard, answer.Body)
	s.took()
	return ledger.Receipt{}, err
}

func newSink(b *testing.B, n *nothing, inFlight int) Destination {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusOK)
	}))
	b.Cleanup(server.Close)
	transport := &http.Transport{MaxIdleConnsPerHost: inFlight, DisableCompression: true}
	b.Cleanup(transport.CloseIdleConnections)
	return &sink{nothing: n, client: &http.Client{Transport: transport}, url: server.URL}
}

// The cost of a message, settled and kept as history, with a backlog of so many before it:
// 20,000 of them are drained, or all where there are fewer. KAKEHASHI_BENCH_BACKLOG=1000000
// adds the longest.
func BenchmarkDrain(b *testing.B) {
	sizes := []int{1_000, 100_000}
	if os.Getenv("KAKEHASHI_BENCH_BACKLOG") == "1000000" {
		sizes = append(sizes, 1_000_000)
	}
	for _, size := range sizes {
		for _, kind := range []string{"nothing", "http"} {
			for _, inFlight := range []int{1, 64} {
				b.Run(fmt.Sprintf("%s/in_flight=%d/backlog=%d", kind, inFlight, size), func(b *testing.B) {
					most := min(size, 20_000)
					if inFlight == 1 {
						most = min(size, 2_000)
					}
					drain(b, onSQLite(b), kind, inFlight, size, most)
				})
			}
		}
	}
}

func drain(b *testing.B, at storetest.Place, kind string, inFlight, size, most int) {
	cfg := Defaults()
	cfg.InFlight, cfg.Rate = inFlight, 0
	for range b.N {
		n := &nothing{most: most, full: make(chan struct{})}
		d := Destination(n)
		if kind == "http" {
			d = newSink(b, n, inFlight)
		}
		h := newHouse(b, at, cfg, to(d))
		for done := 0; done < size; done += 1000 {
			batch := make([]ledger.Change, min(1000, size-done))
			for i := range batch {
				batch[i] = use(fmt.Sprint((done+i)%(size/4+1)), (done+i)/(size/4+1)+1)
			}
			h.enqueue(batch...)
		}
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan error, 1)
		began := time.Now()
		go func() { ended <- h.queue.Run(ctx, nil) }()
		<-n.full
		took := time.Since(began)
		cancel()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(took.Microseconds())/float64(most), "µs/message")
		b.ReportMetric(float64(most)/took.Seconds(), "messages/s")
	}
}

// From the commit of a change to its arrival, at 200 changes a second.
func BenchmarkCommitToDelivered(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { commitToDelivered(b, onSQLite(b)) })
	b.Run("postgres", func(b *testing.B) { commitToDelivered(b, storetest.Postgres(b)) })
}

func commitToDelivered(b *testing.B, at storetest.Place) {
	for range b.N {
		n := newNeighbour()
		arrivals := sync.Map{}
		n.script = func(_ context.Context, id ledger.ChangeID, _ int) (bool, error) {
			arrivals.Store(id, time.Now())
			return true, nil
		}
		cfg := Defaults()
		cfg.Rate = 0
		h := newHouse(b, at, cfg, to(n))
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.queue.Run(ctx, nil) }()
		const changes = 1000
		committed := map[ledger.ChangeID]time.Time{}
		tick := time.NewTicker(5 * time.Millisecond)
		for i := range changes {
			<-tick.C
			c := use(fmt.Sprint(i), 1)
			h.enqueue(c)
			committed[c.ID] = time.Now()
		}
		tick.Stop()
		until(b, "all arrived", func() bool {
			n.mu.Lock()
			defer n.mu.Unlock()
			return len(n.effects) == changes
		})
		cancel()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
		var took []time.Duration
		for id, when := range committed {
			if v, ok := arrivals.Load(id); ok {
				if arrived, ok := v.(time.Time); ok {
					took = append(took, arrived.Sub(when))
				}
			}
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[changes/2].Microseconds())/1000, "ms-p50")
		b.ReportMetric(float64(took[changes*99/100].Microseconds())/1000, "ms-p99")
	}
}

// What summing up a backlog of a hundred thousand costs: read anew, and where nothing was
// written since. A quarter of it waits behind an earlier change of its record.
func BenchmarkSummary(b *testing.B) {
	const size, lanes = 100_000, 75_000
	h := newHouse(b, onSQLite(b), Defaults(), to(&nothing{}))
	for done := 0; done < size; done += 1000 {
		batch := make([]ledger.Change, 1000)
		for i := range batch {
			batch[i] = use(fmt.Sprint((done+i)%lanes), (done+i)/lanes+1)
		}
		h.enqueue(batch...)
	}
	for _, name := range []string{"read", "kept"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if name == "read" {
					h.queue.summed.at = time.Time{}
				}
				if s, err := h.queue.Summary(b.Context()); err != nil || s.Owed != size {
					b.Fatalf("%d are owed: %v", s.Owed, err)
				}
			}
		})
	}
}
