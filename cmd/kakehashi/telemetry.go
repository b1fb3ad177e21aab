package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// gauges adds what is read when /metrics is asked: the breakers, the record and the outbox.
func (t *telemetry) gauges(breakers func() map[string]int64, record func(context.Context) (entries, unsealed int64, writable bool),
	owed func(context.Context) (outbox.Summary, error),
) error {
	g := gauges{meter: t.meter.Meter("kakehashi")}
	state := g.add("kakehashi_breaker_state", "0 closed, 1 half-open, 2 open")
	entries := g.add("kakehashi_record_entries", "entries in the record")
	unsealed := g.add("kakehashi_record_unsealed", "entries that await sealing")
	writable := g.add("kakehashi_record_writable", "1 where the last write of the record succeeded")
	g.watch(func(ctx context.Context, o metric.Observer) {
		for target, s := range breakers() {
			o.ObserveInt64(state, s, metric.WithAttributes(attribute.String("target", target)))
		}
		n, open, ok := record(ctx)
		o.ObserveInt64(entries, n)
		o.ObserveInt64(unsealed, open)
		o.ObserveInt64(writable, number(ok))
	}, state, entries, unsealed, writable)

	all := g.add("kakehashi_outbox_owed", "changes that are owed to a neighbour: waiting, on their way or parked")
	parked := g.add("kakehashi_outbox_parked", "changes that wait for a person (配信不能)")
	oldest := g.add("kakehashi_outbox_oldest_seconds", "how long the oldest change that is owed has waited")
	gate := g.add("kakehashi_outbox_destination_open", "1 where the neighbour is told, 0 after failures, while it is only probed")
	g.watch(func(ctx context.Context, o metric.Observer) {
		s, err := owed(ctx)
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
	return g.err
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
