package wire

import (
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// newTransport makes the connections of one target. It keeps as many idle ones as may be
// in use at once (the default of two costs two to three times), asks no proxy of the
// environment, and does not unpack, since a packed reply could outgrow every limit.
func newTransport(cfg Config) (*http.Transport, error) {
	conf, err := cfg.tls()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: cfg.AttemptTimeout, KeepAlive: 15 * time.Second}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    cfg.AttemptTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           cfg.Concurrency + 2,
		MaxIdleConnsPerHost:    cfg.Concurrency + 2,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}, nil
}

// traced puts a span around each exchange, named by target and resource. No body and no
// header of ours stands in it, and our URLs bear no query.
func traced(target string, rooms Rooms, base http.RoundTripper) http.RoundTripper {
	if rooms.Tracer == nil {
		rooms.Tracer = tracenoop.NewTracerProvider()
	}
	if rooms.Meter == nil {
		rooms.Meter = metricnoop.NewMeterProvider()
	}
	return otelhttp.NewTransport(base,
		otelhttp.WithTracerProvider(rooms.Tracer),
		otelhttp.WithMeterProvider(rooms.Meter),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithSpanNameFormatter(func(_ string, req *http.Request) string {
			return target + "/" + lastOf(req.URL.Path)
		}),
	)
}
