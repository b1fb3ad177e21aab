package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"kakehashi/adapters/address"
	"kakehashi/adapters/events"
	"kakehashi/adapters/residents"
	"kakehashi/adapters/tax"
	"kakehashi/config"
	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/inbox"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
	"kakehashi/internal/volatile"
	"kakehashi/internal/web"
	"kakehashi/internal/wire"
	"kakehashi/mapping"
	"kakehashi/outbox"
)

// What the adapters promise.
var (
	_ gateway.Source = (*residents.Client)(nil)
	_ gateway.Shield = (*residents.Client)(nil)
	_ gateway.Source = (*tax.Client)(nil)
	_ gateway.Source = (*address.Client)(nil)
	_ gateway.Finder = (*address.Client)(nil)
	_ tax.Household  = (*residents.Client)(nil)
	_ tax.Household  = (*address.Client)(nil)

	_ outbox.Destination = (*address.Client)(nil)
	_ outbox.Confirmer   = (*address.Client)(nil)
	_ outbox.Receiver    = (*gateway.Gateway)(nil)
)

// japan is the zone in which the configuration's dates are days.
var japan = time.FixedZone("JST", 9*60*60)

// set is one municipality's rooms, built from its configuration in reading order. No room
// knows that there could be another set.
type set struct {
	cfg       *config.File
	log       *slog.Logger
	telemetry *telemetry
	db        *store.DB
	record    *audit.Log
	rules     staff.Rules
	tokens    *staff.Verifier
	keys      *staff.Keys
	residents *residents.Client
	tax       *tax.Client
	address   *address.Client
	volatile  *volatile.Store
	publisher *events.Publisher // nil: nothing is published
	consumer  *events.Consumer  // nil: no notices are read from Kafka
	outbox    *outbox.Queue
	inbox     *inbox.Box
	gateway   *gateway.Gateway
	web       *web.Web
	closers   []func(context.Context) error // run backwards
}

// newSet builds the rooms. console is the demo's, nil elsewhere. Whatever was built is
// closed again when a later room fails.
func newSet(ctx context.Context, cfg *config.File, log *slog.Logger, console *web.Console) (_ *set, err error) {
	s := &set{cfg: cfg, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	if s.telemetry, err = newTelemetry(ctx, cfg.Telemetry.OTLPEndpoint, cfg.Municipality.Code); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, s.telemetry.close)

	// The record first: without it nothing else may work.
	if s.db, err = store.Open(ctx, cfg.Database); err != nil {
		return nil, unopened(err)
	}
	s.closers = append(s.closers, func(context.Context) error { return s.db.Close() })
	s.thisMonth(ctx) // before the record's first entry, which would go where there is no month's own place

	keys, err := audit.LoadKeys(cfg.Record)
	if err != nil {
		return nil, err
	}
	if s.record, err = audit.Open(ctx, s.db, cfg.Record, keys); err != nil {
		return nil, err
	}

	s.rules = staff.NewRules(cfg.Staff, cfg.Procedures, japan)
	s.keys = staff.NewKeys(cfg.Staff, &http.Client{Timeout: 5 * time.Second})
	s.closers = append(s.closers, func(context.Context) error { s.keys.Close(); return nil })
	s.tokens = staff.NewVerifier(cfg.Staff, s.keys)

	for _, build := range []func(audit.Keys) error{s.shared, s.neighbours, s.kafka, s.queue, s.notices} {
		if err = build(keys); err != nil {
			return nil, err
		}
	}
	s.gateway = gateway.New(cfg.Lookup, gateway.Rooms{
		DB: s.db, Record: s.record, Rules: s.rules, Outbox: s.outbox, Inbox: s.inbox, Flights: s.volatile,
		Sources: []gateway.Neighbour{
			{System: ledger.Residents, Source: s.residents},
			{System: ledger.Tax, Source: s.tax},
			{System: ledger.Address, Source: s.address},
		},
		Finder: s.address, Shield: s.residents,
	})
	err = s.telemetry.gauges(readings{
		breakers: s.breakerStates, record: s.record.Stats, owed: s.outbox.Summary, notices: s.inbox.Summary,
		pool: s.db.Stats, redis: s.volatile.Counts,
	})
	if err != nil {
		return nil, err
	}
	s.web, err = web.New(cfg.Listen, web.Rooms{
		Gateway: s.gateway, Tokens: s.tokens, Breakers: s.breakers, Ready: s.ready, Prove: s.prove,
		Metrics: s.telemetry.handler, Log: log, Traces: s.telemetry.tracer, Meters: s.telemetry.meter, Console: console,
	})
	return s, err
}

// unopened says that a database which cannot be opened to write is a record that cannot be
// written: whoever waits for the exit code is told so. All else keeps its meaning.
func unopened(err error) error {
	if !fault.Is(err, fault.Unavailable) {
		return err
	}
	return fault.New(fault.Unavailable, "open the record's database: %w", err).WithCode("KKH3101").WithReason("record_unwritable")
}

// neighbours builds the adapters, each over clients of its own.
func (s *set) neighbours(audit.Keys) (err error) {
	tables, err := loadTables(s.cfg.Mapping.Tables)
	if err != nil {
		return err
	}
	rooms := wire.Rooms{Tokens: s.volatile.Tokens(), Tracer: s.telemetry.tracer, Meter: s.telemetry.meter, Log: s.log}
	n := s.cfg.Neighbours
	if s.residents, err = residents.New(residents.Config(n.Residents), tables, rooms); err != nil {
		return err
	}
	s.closers = append(s.closers, func(context.Context) error { s.residents.Close(); return nil })
	n.Address.SendTimeout = s.cfg.Outbox.SendTimeout
	if s.address, err = address.New(n.Address, tables, rooms); err != nil {
		return err
	}
	s.closers = append(s.closers, func(context.Context) error { s.address.Close(); return nil })
	if s.tax, err = tax.New(tax.Config(n.Tax), tables, households{registry: s.residents, fallback: s.address}, rooms); err != nil {
		return err
	}
	s.closers = append(s.closers, func(context.Context) error { s.tax.Close(); return nil })
	return nil
}

// loadTables gives the built-in code tables, and in their place those that lie in the
// folder. A folder that cannot be read, and a table in it that nobody knows, are errors: a
// city's real codes must not be read by the fictional city's tables.
func loadTables(folder string) (*mapping.Tables, error) {
	if folder == "" {
		return mapping.Default(), nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fault.New(fault.Invalid, "mapping.tables: read the folder: %w", withoutPath(err)).WithCode("KKH0151").WithField("mapping.tables")
	}
	files := map[string]string{}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".tsv"); ok {
			files[name] = filepath.Join(folder, e.Name())
		}
	}
	return mapping.LoadTables(files)
}

// door is where a set's requests come in: its own listener, or its part of a host's.
type door struct {
	open func() error                // lets requests in until it is shut, or fails
	shut func(context.Context) error // lets nobody in any more and waits for who is inside
}

// serve serves on the listener until ctx ends, then stops as run does.
func (s *set) serve(ctx context.Context, l net.Listener) error {
	server := s.web.Server()
	return s.run(ctx, door{shut: server.Shutdown, open: func() error {
		err := s.listen(server, l)
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("serve the API: %w", err)
	}})
}

// run does the set's work until ctx ends or a part of it fails, then stops in order: no new
// requests, those under way finish, the record flushes and seals the rest, all is closed.
func (s *set) run(ctx context.Context, d door) error {
	recording, stopRecording := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRecording()
	work, stopWork := context.WithCancel(recording)
	defer stopWork()
	all, failed := errgroup.WithContext(recording)
	all.Go(func() error { return s.record.Run(recording) })
	told := make(chan struct{})
	all.Go(func() error {
		defer close(told)
		return s.relay(work)
	})
	all.Go(d.open)
	select {
	case <-ctx.Done():
	case <-failed.Done():
	}
	down, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	err := d.shut(down)
	stopWork()
	<-told // what the relay settles last is recorded too
	stopRecording()
	return errors.Join(err, all.Wait(), s.close(down))
}

func (s *set) listen(server *http.Server, l net.Listener) error {
	if s.cfg.Listen.TLSCertificate != "" {
		return server.ServeTLS(l, s.cfg.Listen.TLSCertificate, s.cfg.Listen.TLSKey)
	}
	return server.Serve(l)
}

// close closes what was built, last first.
func (s *set) close(ctx context.Context) error {
	var all error
	for _, end := range slices.Backward(s.closers) {
		all = errors.Join(all, end(ctx))
	}
	s.closers = nil
	return all
}
