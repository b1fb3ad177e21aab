package outbox

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kakehashi/internal/servers"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// A business transaction of one row on PostgreSQL, alone and with a change owed in it, by so
// many writers at once. The two take turns, so that the ratio is of one run.
func BenchmarkEnqueuePostgres(b *testing.B) {
	const rounds, each = 6, 500
	for _, writers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			at := storetest.Postgres(b)
			at.Config.Pool = writers + 1
			db := at.Open(b)
			h := &house{t: b, at: at, db: db, record: openRecord(b, db)}
			h.queue = h.open(quick(), to(newNeighbour()))
			var took [2]time.Duration
			for range b.N {
				for round := range rounds {
					for kind := range took {
						took[kind] += enqueueBy(b, h, writers, each, fmt.Sprint(time.Now().UnixNano(), "-", round, "-", kind), kind == 1)
					}
				}
			}
			total := float64(b.N * rounds * each)
			b.ReportMetric(total/took[0].Seconds(), "alone/s")
			b.ReportMetric(total/took[1].Seconds(), "owed/s")
			b.ReportMetric(took[0].Seconds()/took[1].Seconds(), "ratio")
		})
	}
}

func enqueueBy(b *testing.B, h *house, writers, n int, name string, owes bool) time.Duration {
	var next atomic.Int64
	var work sync.WaitGroup
	began := time.Now()
	for range writers {
		work.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				err := store.WithTx(b.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
					if _, err := tx.Exec(ctx, `INSERT INTO ledger_case (id, procedure, opened_at, opened_by) VALUES ($1, $2, $3, $4)`,
						fmt.Sprint(name, "-", i), "registration", "2026-11-24T00:00:00Z", "1001"); err != nil {
						return err
					}
					if !owes {
						return nil
					}
					_, err := h.queue.Enqueue(ctx, tx, use(fmt.Sprint(name, "-", i), 1))
					return err
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	return time.Since(began)
}

// The cost of a message on PostgreSQL, with and without a transaction that somebody holds
// open all the while, so that nothing that is dead can be cleared away.
func BenchmarkDrainPostgres(b *testing.B) {
	for _, kind := range []string{"nothing", "http"} {
		for _, held := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/held=%v", kind, held), func(b *testing.B) {
				if held {
					defer holdOpen(b)()
				}
				drain(b, storetest.Postgres(b), kind, 64, 20_000, 20_000)
			})
		}
	}
}

// holdOpen holds a snapshot of the server open until it is told not to.
func holdOpen(b *testing.B) (over func()) {
	conn, err := pgx.Connect(b.Context(), servers.Postgres(b))
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range []string{"BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT pg_current_xact_id()"} {
		if _, err := conn.Exec(b.Context(), s); err != nil {
			b.Fatal(err)
		}
	}
	return func() { _ = conn.Close(context.WithoutCancel(b.Context())) }
}
