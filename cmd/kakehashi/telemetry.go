package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"

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
)

// telemetry is where traces and metrics go: always to /metrics, and to an OTLP collector
// where the configuration or the standard environment names one. Nothing in them is
// personal: attributes are the names of systems, routes, outcomes and kinds.
type telemetry struct {
	tracer  *sdktrace.TracerProvider
	meter   *sdkmetric.MeterProvider
	handler http.Handler
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
	}, nil
}

// withoutHost is the view that keeps a caller's Host header and address out of the series.
func withoutHost(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	s := sdkmetric.Stream{Name: i.Name, Description: i.Description, Unit: i.Unit}
	s.AttributeFilter = attribute.NewDenyKeysFilter(
		"server.address", "server.port", "client.address", "network.peer.address", "network.peer.port", "url.scheme", "user_agent.original")
	return s, true
}

// gauges adds what is read when /metrics is asked: the breakers and the record.
func (t *telemetry) gauges(breakers func() map[string]int64, record func(context.Context) (entries, unsealed int64, writable bool)) error {
	meter := t.meter.Meter("kakehashi")
	state, err := meter.Int64ObservableGauge("kakehashi_breaker_state", metric.WithDescription("0 closed, 1 half-open, 2 open"))
	if err != nil {
		return fmt.Errorf("make the breakers' gauge: %w", err)
	}
	entries, err := meter.Int64ObservableGauge("kakehashi_record_entries", metric.WithDescription("entries in the record"))
	if err != nil {
		return fmt.Errorf("make the record's gauge: %w", err)
	}
	unsealed, err := meter.Int64ObservableGauge("kakehashi_record_unsealed", metric.WithDescription("entries that await sealing"))
	if err != nil {
		return fmt.Errorf("make the record's gauge: %w", err)
	}
	writable, err := meter.Int64ObservableGauge("kakehashi_record_writable", metric.WithDescription("1 where the last write of the record succeeded"))
	if err != nil {
		return fmt.Errorf("make the record's gauge: %w", err)
	}
	_, err = meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		for target, s := range breakers() {
			o.ObserveInt64(state, s, metric.WithAttributes(attribute.String("target", target)))
		}
		n, open, ok := record(ctx)
		o.ObserveInt64(entries, n)
		o.ObserveInt64(unsealed, open)
		o.ObserveInt64(writable, map[bool]int64{true: 1}[ok])
		return nil
	}, state, entries, unsealed, writable)
	if err != nil {
		return fmt.Errorf("register the gauges: %w", err)
	}
	return nil
}

// close sends what is left, for a bounded time.
func (t *telemetry) close(ctx context.Context) error {
	return errors.Join(t.tracer.Shutdown(ctx), t.meter.Shutdown(ctx))
}
