package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"kakehashi/adapters/events"
	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/inbox"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
	"kakehashi/internal/volatile"
	"kakehashi/mapping"
	"kakehashi/outbox"
)

// What the rooms around the engines promise.
var (
	_ outbox.Destination = (*events.Publisher)(nil)
	_ outbox.Bell        = (*store.DB)(nil)
	_ outbox.Bell        = (*volatile.Store)(nil)
	_ inbox.Bell         = (*store.DB)(nil)
	_ inbox.Bell         = (*volatile.Store)(nil)
)

// kafkaDestination is what the outbox calls Kafka.
const kafkaDestination = "kafka"

// kafkaInFlight is how many events are on their way at once: the client gathers them into
// batches, and a batch fills only as far as we let it.
const kafkaInFlight = 256

// shared builds what the gateways of one municipality may share and lose.
func (s *set) shared(keys audit.Keys) error {
	key, err := keys.Derive("redis")
	if err != nil {
		return err
	}
	s.volatile, err = volatile.Open(s.cfg.Redis, volatile.Rooms{
		// The braces keep the names of one municipality on one node of a cluster.
		Prefix: "kakehashi:{" + s.cfg.Municipality.Code + "}:", Key: key, Log: s.log,
	})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, func(context.Context) error { return s.volatile.Close() })
	return nil
}

// bell is by what the gateways of one database wake each other: the database itself, or
// Redis where a pooler between cannot carry notifications. Where there is neither, they look
// every second.
func (s *set) bell() outbox.Bell {
	if s.cfg.Database.Pooler {
		return s.volatile
	}
	return s.db
}

// kafka builds what speaks with Kafka: nothing where no brokers are named.
func (s *set) kafka(keys audit.Keys) error {
	if len(s.cfg.Kafka.Brokers) == 0 {
		return nil
	}
	key, err := keys.Derive("events")
	if err != nil {
		return err
	}
	rooms := events.Rooms{Key: key, Municipality: s.cfg.Municipality.Code, Log: s.log, Meter: s.telemetry.meter}
	if s.cfg.Events.Publishes(time.Now()) {
		if s.publisher, err = events.NewPublisher(s.cfg.Kafka, s.cfg.Events, rooms); err != nil {
			return err
		}
		s.closers = append(s.closers, s.publisher.Close)
	}
	if s.cfg.Events.Notices.Enabled {
		s.consumer, err = events.NewConsumer(s.cfg.Kafka, s.cfg.Events, rooms, s.take)
	}
	return err
}

// queue builds the outbox: who is told of which changes. One gateway alone has an SQLite
// database open, so whatever is in flight when it starts is an orphan of the one before; on
// PostgreSQL it may be another gateway's, and its lease decides.
func (s *set) queue(keys audit.Keys) error {
	key, err := keys.Derive("outbox")
	if err != nil {
		return err
	}
	routes := []outbox.Route{{
		// The public interface says nothing of keys (API74), so none is relied upon.
		Destination: string(ledger.Address), Kinds: ledger.ChangeKinds(), To: s.address,
	}}
	if s.publisher != nil {
		// An event that is published twice is the same event: its readers know by its ID.
		routes = append(routes, outbox.Route{
			Destination: kafkaDestination, Kinds: events.Kinds(), Keys: true, To: s.publisher, InFlight: kafkaInFlight, Rate: kafkaRate,
		})
	}
	s.outbox, err = outbox.New(s.cfg.Outbox, outbox.Rooms{
		DB: s.db, Record: s.record, Key: key, Exclusive: s.db.Engine() == store.SQLite, Restored: s.record.Behind(),
		Bell: s.bell(), Log: s.log, Routes: routes,
	})
	return err
}

// kafkaRate is how many events are published in a second at the most.
const kafkaRate = 20_000

// notices builds the inbox of change notices.
func (s *set) notices(keys audit.Keys) error {
	key, err := keys.Derive("inbox")
	if err != nil {
		return err
	}
	s.inbox, err = inbox.New(s.cfg.Inbox, inbox.Rooms{
		DB: s.db, Record: s.record, Key: key, Read: mapping.Notice, Digits: s.cfg.Lookup.AtenaDigits,
		Exclusive: s.db.Engine() == store.SQLite, Bell: s.bell(), Log: s.log, Envelope: envelope,
	})
	return err
}

// envelope reads anew, with what the program knows by now, what was kept as no event.
func envelope(headers map[string]string, raw []byte) (inbox.Message, bool) {
	m, ok := events.ReadEnvelope(headers, raw)
	return noticeOf(m), ok
}

// noticeOf gives a message of Kafka as the inbox takes it: of what is no event, all that came.
func noticeOf(m events.Message) inbox.Message {
	value := m.Value
	if m.Source == "" || m.ID == "" {
		value = m.Raw
	}
	return inbox.Message{
		Source: m.Source, ID: m.ID, Type: m.Type, Subject: m.Subject, Time: m.Time, Value: value, Headers: m.Headers,
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset,
	}
}

// take keeps a message of Kafka in the inbox; what nobody can read is kept there as well.
func (s *set) take(ctx context.Context, m events.Message) error {
	_, err := s.inbox.Take(ctx, noticeOf(m))
	if err != nil {
		return fmt.Errorf("keep a notice: %w", err)
	}
	return nil
}

// relay tells the neighbours and hears them until ctx ends.
func (s *set) relay(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return s.outbox.Run(ctx, s.gateway) })
	all.Go(func() error { return s.inbox.Run(ctx, s.gateway) })
	all.Go(func() error { return s.volatile.Run(ctx) })
	all.Go(func() error { return s.months(ctx) })
	if s.consumer != nil {
		all.Go(func() error { return s.consumer.Run(ctx) })
	}
	return all.Wait()
}

// thisMonth has the database keep room for this month and those to come. A month without a
// place of its own is kept all the same, in the place for what has none.
func (s *set) thisMonth(ctx context.Context) {
	if _, err := s.db.Partitions(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("partitions", "code", "KKH5051", "cause", fault.Find(err).Reason)
	}
}

// months does that once a day.
func (s *set) months(ctx context.Context) error {
	day := time.NewTicker(24 * time.Hour)
	defer day.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-day.C:
			s.thisMonth(ctx)
		}
	}
}
