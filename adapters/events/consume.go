package events

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"kakehashi/internal/fault"
)

// Take keeps a message for good. Nil: it is kept, or was before, and the message will be
// committed. Every error, which should be Unavailable, says that it is not kept: the same
// message is handed in again, later, and none after it before. It is called by one goroutine.
type Take func(context.Context, Message) error

// Consumer reads the notices of the city's own systems and hands each to a Take. Several
// gateways of one municipality share the partitions as one group.
type Consumer struct {
	conn   Connection
	cfg    Notices
	rooms  Rooms
	group  string
	ask    *client
	take   Take
	meters meters
	tell   *teller
	seen   *progress
}

// NewConsumer makes a consumer from its settings. It calls nobody; an error is Invalid.
func NewConsumer(conn Connection, cfg Config, rooms Rooms, take Take) (*Consumer, error) {
	conn, cfg, rooms, err := fit(conn, cfg, rooms)
	if err != nil {
		return nil, err
	}
	transport, err := newTransport(conn, cfg.Notices.Topic)
	if err != nil {
		return nil, err
	}
	c := &Consumer{
		conn: conn, cfg: cfg.Notices, rooms: rooms, take: take,
		// A group of its own for each municipality: two that share one would take one
		// another's notices.
		group: cfg.Notices.Group + "-" + rooms.Municipality,
		ask:   newClient(conn, transport),
		tell:  newTeller(rooms.Log, rooms.Now),
		seen:  newProgress(cfg.Notices.Topic, rooms.Now),
	}
	c.meters, err = newMeters(rooms.Meter)
	return c, err
}

// Run reads until ctx is over, and gives nil then. Whatever Kafka does, it goes on: a reader
// that hangs is closed and made anew. What was kept is committed before it returns. It is
// called once.
func (c *Consumer) Run(ctx context.Context) error {
	defer c.ask.close()
	gauges, err := c.meters.watchLag(c.State)
	if err != nil {
		return err
	}
	defer func() { _ = gauges.Unregister() }() // it fails only where it is not registered
	pause := newPause(time.Second, 30*time.Second)
	for ctx.Err() == nil {
		err := c.round(ctx)
		if ctx.Err() != nil {
			break
		}
		if errors.Is(err, errHung) {
			c.seen.remade()
			c.meters.remade.Add(ctx, 1)
			c.tell.error(ctx, codeHung, slog.String("cause", "hung"))
		}
		pause.wait(ctx)
	}
	return nil
}

// stopWithin bounds the last commit of a reader, and its closing: Kafka may be gone, and what
// was not committed is read again.
const stopWithin = 3 * time.Second

// errHung ends a round whose reader reads nothing although there is something to read.
var errHung = fault.New(fault.Unavailable, "the reader hangs").WithCode(codeHung).WithReason("hung")

// round reads with one reader, until ctx is over or the reader hangs.
func (c *Consumer) round(ctx context.Context) error {
	name := c.conn.ClientID + "-" + random()
	dialer, err := newDialer(c.conn, name)
	if err != nil {
		c.tell.error(ctx, fault.Code(err), slog.String("cause", "files"))
		return err
	}
	c.seen.begin()
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: c.conn.Brokers, GroupID: c.group, Topic: c.cfg.Topic, Dialer: dialer,
		MinBytes: 1, MaxBytes: 16 << 20,
		MaxWait:               500 * time.Millisecond,
		StartOffset:           kafka.FirstOffset, // of a group that has read nothing yet: what waits there counts
		CommitInterval:        0,                 // a commit has taken effect when it returns
		JoinGroupBackoff:      200 * time.Millisecond,
		HeartbeatInterval:     2 * time.Second,
		SessionTimeout:        10 * time.Second, // how long the partitions of one that died stand still
		RebalanceTimeout:      20 * time.Second,
		WatchPartitionChanges: true,
		ErrorLogger:           kafka.LoggerFunc(func(string, ...any) { c.tell.warn(ctx, codeReading, "reader") }),
	})
	all, each := errgroup.WithContext(ctx)
	all.Go(func() error { return c.watch(each, name) })
	all.Go(func() error { return c.read(each, reader) })
	err = all.Wait()
	if late := closeWithin(context.WithoutCancel(ctx), reader, stopWithin); late != nil {
		c.tell.warn(ctx, codeUnclosed, "timeout")
	}
	return err
}

// read hands on message after message, until ctx is over.
func (c *Consumer) read(ctx context.Context, reader *kafka.Reader) error {
	kept := &commits{reader: reader, limit: c.conn.Timeout, now: c.rooms.Now}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		c.commit(ctx, kept)
	}()
	pause := newPause(100*time.Millisecond, 10*time.Second)
	for {
		m, err := kept.fetch(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errDue):
		case err != nil:
			c.tell.warn(ctx, codeReading, endOf(err).reason)
			pause.wait(ctx)
			continue
		default:
			pause.reset()
			c.gap(ctx, m)
			if err := c.keep(ctx, readMessage(m)); err != nil {
				return err
			}
			c.seen.kept(m.Partition, m.Offset)
			kept.add(m)
		}
		if kept.due() {
			c.commit(ctx, kept)
		}
	}
}

// keep hands a message in until it is kept. It gives an error where ctx ends before.
func (c *Consumer) keep(ctx context.Context, m Message) error {
	pause := newPause(200*time.Millisecond, 30*time.Second)
	for {
		c.seen.taking(true)
		err := c.take(ctx, m)
		c.seen.taking(false)
		c.meters.taken.Add(ctx, 1, outcome(err))
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		c.tell.warn(ctx, codeUnkept, err)
		pause.wait(ctx)
	}
}

// commit tells Kafka up to where messages were kept. Where that fails it is told again with
// the next: who reads them twice knows them.
func (c *Consumer) commit(ctx context.Context, kept *commits) {
	if err := kept.commit(ctx); err != nil && ctx.Err() == nil {
		c.tell.warn(ctx, codeUncommitted, endOf(err).reason)
	}
}

// random gives a short name that no other has.
func random() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails: it ends the program instead
	return hex.EncodeToString(b[:])
}
