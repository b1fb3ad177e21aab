package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"kakehashi/internal/audit"
	"kakehashi/internal/inbox"
	"kakehashi/internal/store"
	"kakehashi/internal/volatile"
	"kakehashi/outbox"
)

// telemetry is where traces and metrics go: always to /metrics, and to an OTLP collector
// where the configuration or the standard environment names one. Nothing in them is
// personal: attributes are the names of systems, routes, outcomes and kinds.
type telemetry struct {
	tracer  *sdktrace.TracerProvider
	meter   *sdkmetric.MeterProvider
	handler http.Handler
	metrics prometheus.Gatherer // what handler tells
}

// newTelemetry makes the providers. The views drop what a caller can choose freely: the
// Host header must not become a series.
func newTelemetry(ctx context.Context, endpoint, municipality string) (*telemetry, error) {
	res := resource.NewSchemaless(
		attribute.String("service.name", "kakehashi"),
		attribute.String("service.version", version()),
		attribute.String("kakehashi.municipality", municipality),
	)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return nil, fmt.Errorf("make the metrics: %w", err)
	}
	metrics := []sdkmetric.Option{sdkmetric.WithResource(res), sdkmetric.WithReader(reader), sdkmetric.WithView(withoutHost)}
	traces := []sdktrace.TracerProviderOption{sdktrace.WithResource(res)}
	// What kept measurements from being sent may quote an address; the number says enough.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) { slog.Warn("telemetry", "code", "KKH5007") })) //nolint:sloglint // the process's log, set in newLog
	if endpoint != "" || os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" {
		var traceTo []otlptracehttp.Option
		var metricTo []otlpmetrichttp.Option
		if endpoint != "" {
			traceTo = append(traceTo, otlptracehttp.WithEndpointURL(endpoint+"/v1/traces"))
			metricTo = append(metricTo, otlpmetrichttp.WithEndpointURL(endpoint+"/v1/metrics"))
		}
		spans, err := otlptracehttp.New(ctx, traceTo...)
		if err != nil {
			return nil, fmt.Errorf("make the trace exporter: %w", err)
		}
		values, err := otlpmetrichttp.New(ctx, metricTo...)
		if err != nil {
			return nil, fmt.Errorf("make the metric exporter: %w", err)
		}
		traces = append(traces, sdktrace.WithBatcher(spans))
		metrics = append(metrics, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(values)))
	} else {
		// Nobody reads the spans: they keep their IDs, for the log and the neighbours, and cost little.
		traces = append(traces, sdktrace.WithSampler(sdktrace.NeverSample()))
	}
	return &telemetry{
		tracer:  sdktrace.NewTracerProvider(traces...),
		meter:   sdkmetric.NewMeterProvider(metrics...),
		handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		metrics: registry,
	}, nil
}

// withoutHost is the view that keeps a caller's Host header and address out of the series.
func withoutHost(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	s := sdkmetric.Stream{Name: i.Name, Description: i.Description, Unit: i.Unit}
	s.AttributeFilter = attribute.NewDenyKeysFilter(
		"server.address", "server.port", "client.address", "network.peer.address", "network.peer.port", "url.scheme", "user_agent.original")
	return s, true
}

// readings are what /metrics reads when it is asked. Those of engines that the configuration
// does not name give nothing.
type readings struct {
	breakers func() map[string]int64
	record   func(context.Context) (audit.Stats, error)
	owed     func(context.Context) (outbox.Summary, error)
	notices  func(context.Context) (inbox.Summary, error)
	pool     func() store.PoolStats
	redis    func() volatile.Counts
}

// gauges adds what is read when /metrics is asked.
func (t *telemetry) gauges(of readings) error {
	g := gauges{meter: t.meter.Meter("kakehashi")}
	g.record(of)
	g.outbox(of)
	g.engines(of)
	return g.err
}

// record adds the breakers and the record.
func (g *gauges) record(of readings) {
	state := g.add("kakehashi_breaker_state", "0 closed, 1 half-open, 2 open")
	entries := g.add("kakehashi_record_entries", "entries in the record")
	unsealed := g.add("kakehashi_record_unsealed", "entries that await sealing")
	writable := g.add("kakehashi_record_writable", "1 where the last write of the record succeeded")
	delay := g.add("kakehashi_record_seal_delay_milliseconds", "how long the oldest entry has awaited sealing; 0: none does")
	g.watch(func(ctx context.Context, o metric.Observer) {
		for target, s := range of.breakers() {
			o.ObserveInt64(state, s, metric.WithAttributes(attribute.String("target", target)))
		}
		stats, err := of.record(ctx)
		if err != nil {
			o.ObserveInt64(writable, 0)
			return // no data is not zero
		}
		o.ObserveInt64(entries, stats.Entries)
		o.ObserveInt64(unsealed, stats.Entries-stats.Sealed)
		o.ObserveInt64(writable, number(stats.Writable))
		o.ObserveInt64(delay, stats.OldestUnsealed.Milliseconds())
	}, state, entries, unsealed, writable, delay)
}

// outbox adds what is owed to the neighbours.
func (g *gauges) outbox(of readings) {
	all := g.add("kakehashi_outbox_owed", "changes that are owed to a neighbour: waiting, on their way or parked")
	parked := g.add("kakehashi_outbox_parked", "changes that wait for a person (配信不能)")
	oldest := g.add("kakehashi_outbox_oldest_seconds", "how long the oldest change that is owed has waited")
	gate := g.add("kakehashi_outbox_destination_open", "1 where the neighbour is told, 0 after failures, while it is only probed")
	g.watch(func(ctx context.Context, o metric.Observer) {
		s, err := of.owed(ctx)
		if err != nil {
			return // no data is not zero
		}
		for _, d := range s.Destinations {
			where := metric.WithAttributes(attribute.String("destination", d.Destination))
			o.ObserveInt64(all, int64(d.Owed), where)
			o.ObserveInt64(parked, int64(d.Parked), where)
			o.ObserveInt64(oldest, waited(d.Oldest), where)
			o.ObserveInt64(gate, number(d.Open), where)
		}
	}, all, parked, oldest, gate)
}

// engines adds the inbox, the connections to PostgreSQL and what was asked of Redis. Kafka's
// own numbers are counted where it is spoken to.
func (g *gauges) engines(of readings) {
	notices := g.add("kakehashi_inbox_notices", "change notices by state: due, waiting for the next run, or parked")
	oldest := g.add("kakehashi_inbox_oldest_seconds", "how long the oldest notice that is due has waited")
	conns := g.add("kakehashi_database_connections", "connections to PostgreSQL by state, and how many there may be")
	waits := g.add("kakehashi_database_waits", "how often somebody waited for a connection since the start")
	asked := g.add("kakehashi_redis_asked", "what was asked of Redis since the start, by how it ended")
	g.watch(func(ctx context.Context, o metric.Observer) {
		if s, err := of.notices(ctx); err == nil {
			for state, n := range map[string]int{"due": s.Due, "waiting": s.Waiting, "parked": s.Parked} {
				o.ObserveInt64(notices, int64(n), metric.WithAttributes(attribute.String("state", state)))
			}
			o.ObserveInt64(oldest, waited(s.Oldest))
		}
		if p := of.pool(); p.Max > 0 {
			for state, n := range map[string]int64{"max": int64(p.Max), "in_use": int64(p.InUse), "idle": int64(p.Idle)} {
				o.ObserveInt64(conns, n, metric.WithAttributes(attribute.String("state", state)))
			}
			o.ObserveInt64(waits, p.Waits)
		}
		counts := of.redis()
		ends := map[string]uint64{"hit": counts.Hits, "miss": counts.Misses}
		maps.Copy(ends, counts.Errors)
		for end, n := range ends {
			o.ObserveInt64(asked, int64(min(n, math.MaxInt64)), metric.WithAttributes(attribute.String("end", end)))
		}
	}, notices, oldest, conns, waits, asked)
}

// gauges makes gauges and keeps the first error.
type gauges struct {
	meter metric.Meter
	err   error
}

func (g *gauges) add(name, about string) metric.Int64ObservableGauge {
	gauge, err := g.meter.Int64ObservableGauge(name, metric.WithDescription(about))
	if err != nil && g.err == nil {
		g.err = fmt.Errorf("make a gauge: %w", err)
	}
	return gauge
}

func (g *gauges) watch(read func(context.Context, metric.Observer), of ...metric.Observable) {
	if g.err != nil {
		return
	}
	_, err := g.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		read(ctx, o)
		return nil
	}, of...)
	if err != nil {
		g.err = fmt.Errorf("register the gauges: %w", err)
	}
}

func number(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// waited gives whole seconds since t; 0 where nothing waits.
func waited(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(0, int64(time.Since(t).Seconds()))
}

// close sends what is left, for a bounded time.
func (t *telemetry) close(ctx context.Context) error {
	return errors.Join(t.tracer.Shutdown(ctx), t.meter.Shutdown(ctx))
}
