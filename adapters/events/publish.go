package events

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/metric"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// Rooms are what a Publisher and a Consumer stand on.
type Rooms struct {
	Key          [32]byte             // of this municipality, for events alone: keys the subjects
	Municipality string               // 団体コード
	Log          *slog.Logger         // nil: nothing is logged
	Meter        metric.MeterProvider // nil: no metrics
	Now          func() time.Time     // nil: the clock of the machine
}

func (r Rooms) withDefaults() Rooms {
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	return r
}

// Publisher tells Kafka that something changed. It is a destination of the outbox, whose
// route has Keys: an event that is sent again is the same event, and who reads it knows that
// by its source and ID. It is safe for use by several goroutines at once.
type Publisher struct {
	conn   Connection
	cfg    Config
	rooms  Rooms
	ask    *client
	writer *kafka.Writer
	meters meters
	last   atomic.Int64 // when an event was last taken by Kafka; microseconds, 0: never
}

// batchFor is how long a batch waits for more of the same partition: the relay sends many at
// once, and the library's default is one second for each.
const batchFor = 5 * time.Millisecond

// NewPublisher makes a publisher from its settings. It calls nobody; an error is Invalid.
func NewPublisher(conn Connection, cfg Config, rooms Rooms) (*Publisher, error) {
	conn, cfg, rooms, err := fit(conn, cfg, rooms)
	if err != nil {
		return nil, err
	}
	transport, err := newTransport(conn, cfg.Topic, cfg.Probe)
	if err != nil {
		return nil, err
	}
	p := &Publisher{conn: conn, cfg: cfg, rooms: rooms, ask: newClient(conn, transport)}
	if p.meters, err = newMeters(rooms.Meter); err != nil {
		return nil, err
	}
	p.writer = &kafka.Writer{
		Addr: p.ask.addr, Topic: cfg.Topic, Transport: transport,
		RequiredAcks: kafka.RequireAll,                        // zero would be none: what was refused would count as written
		Balancer:     kafka.Murmur2Balancer{Consistent: true}, // the one by which Kafka's own clients find a key
		BatchTimeout: batchFor,
		MaxAttempts:  1, // the outbox alone tries again; a retry in here may write twice and lets the next overtake
		WriteTimeout: conn.Timeout, ReadTimeout: conn.Timeout,
		// No ErrorLogger: every end is returned, and the outbox keeps, shows and logs it.
	}
	return p, nil
}

// fit checks the settings and fills in what is left out.
func fit(conn Connection, cfg Config, rooms Rooms) (Connection, Config, Rooms, error) {
	conn, cfg = conn.withDefaults(), cfg.withDefaults()
	for _, err := range []error{conn.Validate(), cfg.Validate(), Check(conn, cfg)} {
		if err != nil {
			return conn, cfg, rooms, err
		}
	}
	if len(conn.Brokers) == 0 {
		return conn, cfg, rooms, fault.New(fault.Invalid, "there are no brokers").WithCode(codeConfig).WithField("/brokers")
	}
	return conn, cfg, rooms.withDefaults(), nil
}

// Subject gives the subject that stands for a person in events.
func (p *Publisher) Subject(person ledger.AtenaNumber) string {
	return subject(p.rooms.Key, p.rooms.Municipality, person)
}

// Prepare makes the letter of a change: its event. It calls nobody. Invalid: this kind of
// change is not published, or its person has no number.
func (p *Publisher) Prepare(_ context.Context, change ledger.Change) (ledger.Letter, error) {
	e, err := p.event(change)
	if err != nil {
		return ledger.Letter{}, err
	}
	return e.letter()
}

// Send publishes a letter, once. Nil: every replica in step has it. Unavailable: nothing was
// written. Invalid: it is no event, or too large. Unsure: it may have been written.
func (p *Publisher) Send(ctx context.Context, letter ledger.Letter) (ledger.Receipt, error) {
	e, err := readLetter(letter)
	if err != nil {
		return ledger.Receipt{}, err
	}
	// Asked first, for up to here nothing can have been written: the writer's own errors do
	// not tell on which side of that they fell. The answer comes from the transport's cache.
	if _, err = p.ask.partitions(ctx, p.cfg.Topic); err == nil {
		err = p.write(ctx, e)
	}
	p.meters.published.Add(ctx, 1, outcome(err))
	if err == nil {
		p.last.Store(p.rooms.Now().UnixMicro())
	}
	return ledger.Receipt{}, err
}

func (p *Publisher) write(ctx context.Context, e event) error {
	err := p.writer.WriteMessages(ctx, e.message())
	if err != nil {
		return endOf(err).fault("publish an event")
	}
	return nil
}

// Close lets the events that are on their way end, then ends the connections. It must not be
// used afterwards. It waits no longer than ctx; Unavailable: something was still on its way.
func (p *Publisher) Close(ctx context.Context) error {
	defer p.ask.close()
	return closeWithin(ctx, p.writer, p.conn.Timeout)
}

// closeWithin closes something that the library may hold for ever.
func closeWithin(ctx context.Context, c io.Closer, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.Close() }()
	select {
	case err := <-done:
		if err != nil {
			return endOf(err).before("close what speaks to Kafka")
		}
		return nil
	case <-ctx.Done():
		return fault.New(fault.Unavailable, "what speaks to Kafka did not close in time").WithCode(codeUnclosed).WithReason("timeout")
	}
}
