package wire

import (
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"kakehashi/internal/fault"
)

// traced puts a span around each exchange, named by target and resource, measures it, and
// tells the neighbour which trace it belongs to. It ends when the reply's header is there.
// No body, no header of ours and no address stands in it. These few lines instead of
// otelhttp, which notes the whole URL and cost a tenth of a lookup.
type traced struct {
	target string
	tracer trace.Tracer
	took   metric.Float64Histogram
	next   http.RoundTripper

	mu    sync.Mutex
	known map[int]*labels // by status
}

func newTraced(target string, rooms Rooms, next http.RoundTripper) (*traced, error) {
	if rooms.Tracer == nil {
		rooms.Tracer = tracenoop.NewTracerProvider()
	}
	if rooms.Meter == nil {
		rooms.Meter = metricnoop.NewMeterProvider()
	}
	const scope = "kakehashi/internal/wire"
	took, err := rooms.Meter.Meter(scope).Float64Histogram("http.client.request.duration",
		metric.WithUnit("s"), metric.WithDescription("Duration of HTTP client requests."),
		metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))
	if err != nil {
		return nil, fault.New(fault.Internal, "make the histogram of calls: %w", err).WithCode("KKH9021")
	}
	return &traced{target: target, tracer: rooms.Tracer.Tracer(scope), took: took, next: next, known: map[int]*labels{}}, nil
}

// RoundTrip sends a request that was made for this exchange alone: its header is written to.
func (t *traced) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, span := t.tracer.Start(req.Context(), t.target+"/"+lastOf(req.URL.Path), trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(req.Header))
	began := time.Now()
	resp, err := t.next.RoundTrip(req.WithContext(ctx))
	status := 0
	if err == nil {
		status = resp.StatusCode
	}
	l := t.labels(status)
	t.took.Record(ctx, time.Since(began).Seconds(), l.measured...)
	if span.IsRecording() {
		span.SetAttributes(l.attributes...)
		if status == 0 || status >= http.StatusBadRequest {
			span.SetStatus(codes.Error, "")
		}
	}
	return resp, err
}

// labels are what is said of all exchanges that end in the same way.
type labels struct {
	attributes []attribute.KeyValue
	measured   []metric.RecordOption
}

// labels gives what is said of an exchange with that status; 0: there was no reply.
func (t *traced) labels(status int) *labels {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.known[status]; l != nil {
		return l
	}
	l := &labels{attributes: []attribute.KeyValue{
		attribute.String("target", t.target), attribute.String("http.request.method", http.MethodPost),
	}}
	if status == 0 {
		l.attributes = append(l.attributes, attribute.String("error.type", "no_reply"))
	} else {
		l.attributes = append(l.attributes, attribute.Int("http.response.status_code", status))
	}
	l.measured = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(l.attributes...))}
	t.known[status] = l
	return l
}
