package audit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// The yardsticks: the same number of bytes, durable, by the plainest means.
const recordBytes = 512

// measure runs work from n goroutines for a fixed time and gives how often it was done a
// second.
func measure(b *testing.B, n int, work func(i int64) error) float64 {
	b.Helper()
	const span = 250 * time.Millisecond
	var done, at atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range n {
		all.Go(func() {
			for time.Since(began) < span {
				if err := work(at.Add(1)); err != nil {
					b.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	return float64(done.Load()) / time.Since(began).Seconds()
}

// group is the plainest group commit: one goroutine flushes all that wait, and lingers as
// the committer does.
type group struct{ in *intake }

func newGroup(b *testing.B, flush func(n int) error) *group {
	g := &group{in: newIntake()}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		last := 0
		for {
			select {
			case <-ctx.Done():
				return
			case <-g.in.wake:
			}
			if last >= many {
				g.in.linger(last)
			}
			batch, _ := g.in.take()
			last = len(batch)
			err := flush(len(batch))
			for _, w := range batch {
				w.ended <- err
			}
		}
	}()
	b.Cleanup(func() { cancel(); <-ended })
	return g
}

func (g *group) add() error {
	w := &waiter{ended: make(chan error, 1)}
	if err := g.in.add(w); err != nil {
		return err
	}
	return <-w.ended
}

func rawFile(b *testing.B) *group {
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	bytes := make([]byte, recordBytes*maxWaiting)
	return newGroup(b, func(n int) error {
		if _, err := f.Write(bytes[:n*recordBytes]); err != nil {
			return err
		}
		return f.Sync()
	})
}

// rawTable gives a table without index or hash, and a way to insert n rows into it.
func rawTable(b *testing.B, db *store.DB) func(n int) error {
	payload := []byte(strings.Repeat("x", recordBytes))
	ctx := context.Background()
	err := store.WithTx(ctx, db, func(ctx context.Context, tx *store.Tx) error {
		table := "CREATE TABLE raw (id INTEGER PRIMARY KEY, payload BLOB NOT NULL)"
		if tx.Engine() == store.Postgres {
			table = "CREATE TABLE raw (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload BYTEA NOT NULL)"
		}
		_, err := tx.Exec(ctx, table)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return func(n int) error {
		rows := make([][]any, n)
		for i := range rows {
			rows[i] = []any{payload}
		}
		return store.WithTx(ctx, db, func(ctx context.Context, tx *store.Tx) error {
			return tx.Bulk(ctx, "INSERT INTO raw (payload) VALUES ($1)", rows)
		})
	}
}

// BenchmarkAppend measures durable appends of intents, each about 512 bytes and about one
// person, against the same bytes group-committed to a file, group-committed to a table of
// the same kind of database, and committed one by one. They take turns, a quarter of a
// second each, so that what else the machine does falls on all of them; the ratios are of
// the medians.
func BenchmarkAppend(b *testing.B) {
	for _, sealing := range []bool{false, true} {
		for _, writers := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("sealing=%v/writers=%d", sealing, writers), func(b *testing.B) {
				h := newHouse(b)
				h.cfg.SealEvery = time.Minute
				if sealing {
					h.cfg.SealEvery = 100 * time.Millisecond
				}
				h.start()
				file := rawFile(b)
				raw := newHouse(b)
				raw.open()
				insert := rawTable(b, raw.db)
				table := newGroup(b, insert)
				var rates [4][]float64
				for b.Loop() {
					for range 8 {
						for i, work := range []func(int64) error{
							func(i int64) error {
								return h.log.Intend(context.Background(), lookupEntry(fmt.Sprintf("Q-261124-%08X", i*2654435761%(1<<32)), fmt.Sprintf("%015d", i*7919%1_000_000)))
							},
							func(int64) error { return file.add() },
							func(int64) error { return table.add() },
							func(int64) error { return insert(1) },
						} {
							rates[i] = append(rates[i], measure(b, writers, work))
						}
					}
				}
				h.stop()
				median := func(i int) float64 { slices.Sort(rates[i]); return rates[i][len(rates[i])/2] }
				b.ReportMetric(median(0), "entries/s")
				b.ReportMetric(median(0)/median(1), "ratio_raw_file")
				b.ReportMetric(median(0)/median(2), "ratio_raw_sqlite")
				b.ReportMetric(median(0)/median(3), "ratio_single_commits")
			})
		}
	}
}

// BenchmarkAppendBeside is BenchmarkAppend on PostgreSQL, against the same bytes
// group-committed to a plain table of the same server, and committed one by one.
func BenchmarkAppendBeside(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			at := storetest.Postgres(b)
			at.Config.Pool = 16
			h := newHouseAt(b, at)
			h.cfg.SealEvery = time.Minute
			h.start()
			insert := rawTable(b, h.db)
			table := newGroup(b, insert)
			var rates [3][]float64
			for b.Loop() {
				for range 8 {
					for i, work := range []func(int64) error{
						func(i int64) error {
							return h.log.Intend(context.Background(), lookupEntry(fmt.Sprintf("Q-261124-%08X", i*2654435761%(1<<32)), fmt.Sprintf("%015d", i*7919%1_000_000)))
						},
						func(int64) error { return table.add() },
						func(int64) error { return insert(1) },
					} {
						rates[i] = append(rates[i], measure(b, writers, work))
					}
				}
			}
			h.leave() // the raw table's goroutine ends after this
			median := func(i int) float64 { slices.Sort(rates[i]); return rates[i][len(rates[i])/2] }
			b.ReportMetric(median(0), "entries/s")
			b.ReportMetric(median(0)/median(1), "ratio_raw_postgres")
			b.ReportMetric(median(0)/median(2), "ratio_single_commits")
		})
	}
}

// BenchmarkSealBeside and verify on PostgreSQL.
func BenchmarkSealBeside(b *testing.B) {
	const entries = 20_000
	var sealing, verifying time.Duration
	for b.Loop() {
		h := newHouseAt(b, storetest.Postgres(b))
		h.cfg.WriteTimeout = time.Minute
		h.open()
		h.fill(entries)
		began := time.Now()
		h.log.sealAll(context.Background())
		sealing += time.Since(began)
		began = time.Now()
		if r := h.verify(); !r.OK || r.Sealed != entries+1 {
			b.Fatalf("%+v", r)
		}
		verifying += time.Since(began)
		h.stop()
	}
	b.ReportMetric(entries*float64(b.N)/sealing.Seconds(), "sealed/s")
	b.ReportMetric(entries*float64(b.N)/verifying.Seconds(), "verified/s")
}

// fill commits n intents, as the committer would.
func (h *house) fill(n int) {
	h.t.Helper()
	for n > 0 {
		var rows []*row
		for range min(n, maxBatch) {
			e := lookupEntry(fmt.Sprintf("Q-261124-%08X", n*2654435761%(1<<32)), fmt.Sprintf("%015d", n*7919%1_000_000))
			e.Kind = Intent
			r, err := h.log.encode(e)
			if err != nil {
				h.t.Fatal(err)
			}
			rows = append(rows, r)
			n--
		}
		err := store.WithTx(context.Background(), h.db, func(ctx context.Context, tx *store.Tx) error {
			return h.log.place(ctx, tx, rows)
		})
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

// BenchmarkSeal measures how many committed entries are sealed a second.
func BenchmarkSeal(b *testing.B) {
	const entries = 40_000
	var spent time.Duration
	for b.Loop() {
		h := newHouse(b)
		h.open()
		h.fill(entries)
		began := time.Now()
		h.log.sealAll(context.Background())
		spent += time.Since(began)
		h.stop()
	}
	b.ReportMetric(entries*float64(b.N)/spent.Seconds(), "entries/s")
}

// BenchmarkVerify measures how many sealed entries are verified a second, with the public
// key alone and with both keys.
func BenchmarkVerify(b *testing.B) {
	const entries = 100_000
	h := newHouse(b)
	h.open()
	h.fill(entries)
	h.log.sealAll(context.Background())
	h.stop()
	for _, keyed := range []bool{false, true} {
		b.Run(fmt.Sprintf("keyed=%v", keyed), func(b *testing.B) {
			in := h.input()
			if !keyed {
				in.MACKeyFile = ""
			}
			for b.Loop() {
				if r, err := Verify(context.Background(), in); err != nil || !r.OK {
					b.Fatalf("%+v, %v", r, err)
				}
			}
			b.ReportMetric(entries*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
