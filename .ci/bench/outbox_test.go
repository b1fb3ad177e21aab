package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"kakehashi/internal/store"
	"kakehashi/outbox"
)

// transactions of one measurement.
const transactions = 3000

// A business row, alone and with one message owed in its transaction.
func BenchmarkEnqueue(b *testing.B) {
	for _, writers := range []int{1, 8, 32} {
		for _, name := range []string{"kakehashi-business-alone", "kakehashi", "pgx-business-alone", "river", "watermill"} {
			b.Run(fmt.Sprintf("%s/writers=%d", name, writers), func(b *testing.B) {
				for range b.N {
					share(b, writers, transactions, enqueuer(b, name))
				}
			})
		}
	}
}

// enqueuer gives what one transaction does.
func enqueuer(b *testing.B, name string) func(int) error {
	b.Helper()
	ctx := b.Context()
	switch name {
	case "kakehashi", "kakehashi-business-alone":
		c := newCity(b, outbox.Defaults(), destination{newSink(b, "nothing", -1)})
		const row = `INSERT INTO ledger_case (id, procedure, opened_at, opened_by) VALUES ($1, $2, $3, $4)`
		return func(i int) error {
			return store.WithTx(ctx, c.db, func(ctx context.Context, tx *store.Tx) error {
				if _, err := tx.Exec(ctx, row, fmt.Sprint("K-", i), body(), "2026-11-24T00:00:00Z", "1001"); err != nil {
					return err
				}
				if name != "kakehashi" {
					return nil
				}
				_, err := c.queue.Enqueue(ctx, tx, use(i))
				return err
			})
		}
	}
	p := pool(b)
	do(b, p, businessTable)
	add := func(i int, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, businessRow, fmt.Sprint("K-", i), body())
		return err
	}
	switch name {
	case "river":
		client := riverClient(b, p, nil, 1, false)
		return func(i int) error {
			return inTx(ctx, p, func(tx pgx.Tx) error {
				if err := add(i, tx); err != nil {
					return err
				}
				_, err := client.InsertTx(ctx, tx, task{Record: fmt.Sprint("B-", i)}, nil)
				return err
			})
		}
	case "watermill":
		schema := wsql.DefaultPostgreSQLSchema{}
		subscriber := watermillSubscriber(b, p, 100)
		if err := subscriber.SubscribeInitialize("changes"); err != nil {
			b.Fatal(err)
		}
		return func(i int) error {
			return inTx(ctx, p, func(tx pgx.Tx) error {
				if err := add(i, tx); err != nil {
					return err
				}
				publisher, err := wsql.NewPublisher(wsql.TxFromPgx(tx), wsql.PublisherConfig{SchemaAdapter: schema}, watermill.NopLogger{})
				if err != nil {
					return err
				}
				return publisher.Publish("changes", message.NewMessage(watermill.NewUUID(), []byte(fmt.Sprintf(`{"record":"B-%d"}`, i))))
			})
		}
	}
	return func(i int) error { return inTx(ctx, p, func(tx pgx.Tx) error { return add(i, tx) }) }
}

// messages of one drain.
const messages = 10_000

// A backlog is told to nothing and to an HTTP server. Kakehashi alone keeps order per record,
// commits a digest of each letter before it is sent, keeps every attempt and writes an entry
// of the record for each.
func BenchmarkDrain(b *testing.B) {
	for _, kind := range []string{"nothing", "http"} {
		for _, name := range []string{"kakehashi", "river", "river-tuned", "watermill"} {
			b.Run(kind+"/"+name, func(b *testing.B) {
				for range b.N {
					n := messages
					if name == "river" {
						n = messages / 5
					}
					s := newSink(b, kind, n)
					run := drainer(b, name, s, n)
					began := time.Now()
					stop := run()
					<-s.full
					b.ReportMetric(float64(n)/time.Since(began).Seconds(), "messages/s")
					b.ReportMetric(0, "ns/op")
					stop()
				}
			})
		}
	}
}

// drainer fills a queue and gives what empties it into the sink.
func drainer(b *testing.B, name string, s *sink, n int) func() (stop func()) {
	b.Helper()
	ctx := b.Context()
	if name == "kakehashi" {
		cfg := outbox.Defaults()
		cfg.InFlight, cfg.Rate = 128, 0
		c := newCity(b, cfg, destination{s})
		for i := 0; i < n; i += 500 {
			err := store.WithTx(ctx, c.db, func(ctx context.Context, tx *store.Tx) error {
				for j := i; j < i+500; j++ {
					if _, err := c.queue.Enqueue(ctx, tx, use(j)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		return func() func() {
			run, cancel := context.WithCancel(ctx)
			ended := make(chan error, 1)
			go func() { ended <- c.queue.Run(run, nil) }()
			return func() { cancel(); <-ended }
		}
	}
	p := pool(b)
	if name == "watermill" {
		return watermillDrainer(b, p, s, n)
	}
	client := riverClient(b, p, s, 128, name == "river-tuned")
	for i := 0; i < n; i += 1000 {
		params := make([]river.InsertManyParams, 0, 1000)
		for j := i; j < min(i+1000, n); j++ {
			params = append(params, river.InsertManyParams{Args: task{Record: fmt.Sprint("B-", j)}})
		}
		if _, err := client.InsertMany(ctx, params); err != nil {
			b.Fatal(err)
		}
	}
	return func() func() {
		if err := client.Start(ctx); err != nil {
			b.Fatal(err)
		}
		return func() { _ = client.Stop(ctx) }
	}
}

// task is what River's queue holds.
type task struct {
	Record string `json:"record"`
}

func (task) Kind() string { return "change" }

type worker struct {
	river.WorkerDefaults[task]
	sink *sink
}

func (w *worker) Work(ctx context.Context, job *river.Job[task]) error {
	return w.sink.deliver(ctx, job.Args.Record)
}

func riverClient(b *testing.B, p *pgxpool.Pool, s *sink, workers int, tuned bool) *river.Client[pgx.Tx] {
	b.Helper()
	driver := riverpgxv5.New(p)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := migrator.Migrate(b.Context(), rivermigrate.DirectionUp, nil); err != nil {
		b.Fatal(err)
	}
	all := river.NewWorkers()
	river.AddWorker(all, &worker{sink: s})
	cfg := &river.Config{Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 100}}, Workers: all}
	if tuned {
		cfg.Queues[river.QueueDefault] = river.QueueConfig{MaxWorkers: 2000}
		cfg.FetchCooldown, cfg.FetchPollInterval = time.Millisecond, 10*time.Millisecond
	}
	_ = workers
	client, err := river.NewClient(driver, cfg)
	if err != nil {
		b.Fatal(err)
	}
	return client
}

func watermillSubscriber(b *testing.B, p *pgxpool.Pool, batch int) *wsql.Subscriber {
	b.Helper()
	subscriber, err := wsql.NewSubscriber(wsql.BeginnerFromPgx(p), wsql.SubscriberConfig{
		SchemaAdapter: wsql.DefaultPostgreSQLSchema{SubscribeBatchSize: batch}, OffsetsAdapter: wsql.DefaultPostgreSQLOffsetsAdapter{},
		InitializeSchema: true, PollInterval: 10 * time.Millisecond,
	}, watermill.NopLogger{})
	if err != nil {
		b.Fatal(err)
	}
	return subscriber
}

func watermillDrainer(b *testing.B, p *pgxpool.Pool, s *sink, n int) func() func() {
	b.Helper()
	subscriber := watermillSubscriber(b, p, 1000)
	if err := subscriber.SubscribeInitialize("changes"); err != nil {
		b.Fatal(err)
	}
	publisher, err := wsql.NewPublisher(wsql.BeginnerFromPgx(p), wsql.PublisherConfig{SchemaAdapter: wsql.DefaultPostgreSQLSchema{}}, watermill.NopLogger{})
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i < n; i += 1000 {
		var batch []*message.Message
		for j := i; j < min(i+1000, n); j++ {
			batch = append(batch, message.NewMessage(watermill.NewUUID(), []byte(fmt.Sprintf(`{"record":"B-%d"}`, j))))
		}
		if err := publisher.Publish("changes", batch...); err != nil {
			b.Fatal(err)
		}
	}
	return func() func() {
		ctx, cancel := context.WithCancel(b.Context())
		arriving, err := subscriber.Subscribe(ctx, "changes")
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			for m := range arriving {
				if s.deliver(ctx, string(m.Payload)) == nil {
					m.Ack()
				}
			}
		}()
		return func() { cancel(); _ = subscriber.Close() }
	}
}
