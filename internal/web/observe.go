package web

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
)

// exchange is one request on its way and what is known of its answer.
type exchange struct {
	web   *Web
	w     *recorder
	r     *http.Request
	who   staff.Member
	role  staff.Role      // as which the console acts
	id    ledger.LookupID // 照会番号 of what was done; empty: none yet
	cause string          // message number of the error that was answered; empty: none
	cut   bool            // whether the answer had begun and could not be finished
	html  bool            // whether errors are pages
}

// recorder notes the status of an answer, and whether it has begun.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status and passes it on.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write passes the bytes on; the first begin an answer of status 200.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap gives the writer beneath, for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// observe makes a handler of an endpoint: it traces, measures and logs the request under
// the route's pattern, renders the error, and turns a panic into an error. A quiet route is
// not logged unless it fails.
func (w *Web) observe(route string, quiet bool, serve func(*exchange) error) http.Handler {
	attributes := []attribute.KeyValue{attribute.String("http.route", route)}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		began := w.now()
		ctx := w.extract.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		if remote := trace.SpanContextFromContext(ctx); remote.IsValid() {
			// What a caller writes into tracestate goes no further.
			ctx = trace.ContextWithRemoteSpanContext(ctx, remote.WithTraceState(trace.TraceState{}))
		}
		ctx, span := w.tracer.Start(ctx, method(r)+" "+route,
			trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attributes...))
		x := &exchange{web: w, w: &recorder{ResponseWriter: rw}, r: r.WithContext(ctx)}
		defer func() {
			x.rescue(recover())
			x.finish(span, route, quiet, began)
			if x.cut {
				x.sever()
			}
		}()
		if err := serve(x); err != nil {
			x.fail(err)
		}
	})
}

// rescue answers for a panic, whose value goes no further.
func (x *exchange) rescue(cause any) {
	switch {
	case cause == nil:
	case x.w.status != 0:
		x.cause, x.cut = codeInternal, true
	default:
		x.fail(fault.New(fault.Internal, "a handler panicked").WithCode(codeInternal))
	}
}

// sever breaks the connection, or on HTTP/2 the stream, by letting nothing more be written:
// without the end of its answer, the caller cannot take a part for the whole.
func (x *exchange) sever() {
	// Every connection of net/http knows deadlines.
	_ = http.NewResponseController(x.w).SetWriteDeadline(time.Unix(1, 0))
}

// finish notes the request in trace, metrics and log: one event, and nothing in it that a
// caller chose.
func (x *exchange) finish(span trace.Span, route string, quiet bool, began time.Time) {
	status := cmp.Or(x.w.status, http.StatusOK)
	took := x.web.now().Sub(began)
	ctx := context.WithoutCancel(x.r.Context())
	span.SetAttributes(attribute.String("http.request.method", method(x.r)), attribute.Int("http.response.status_code", status))
	if x.cause != "" {
		span.SetAttributes(attribute.String("kakehashi.code", x.cause))
	}
	span.End()
	x.web.durations.Record(ctx, took.Seconds(), metric.WithAttributes(
		attribute.String("http.route", route), attribute.String("http.request.method", method(x.r)),
		attribute.Int("http.response.status_code", status)))
	if !quiet || status >= http.StatusInternalServerError || x.cut {
		x.log(ctx, route, status, took)
	}
}

// log writes the one event of a request. What failed on our side is told by the number of
// the failure, so that a log trap finds it; all else by KKH4100.
func (x *exchange) log(ctx context.Context, route string, status int, took time.Duration) {
	code, level := codeServed, slog.LevelInfo
	if status >= http.StatusInternalServerError || x.cut {
		code, level = cmp.Or(x.cause, codeServed), slog.LevelError
	}
	fields := make([]slog.Attr, 0, 6)
	fields = append(fields, slog.String("method", method(x.r)), slog.String("route", route),
		slog.Int("status", status), slog.Int64("ms", took.Milliseconds()))
	if x.cause != "" && x.cause != code {
		fields = append(fields, slog.String("cause", x.cause))
	}
	if id := x.trace(); id != "" {
		fields = append(fields, slog.String("trace", id))
	}
	x.web.rooms.Log.LogAttrs(ctx, level, code, fields...)
}

// trace gives the request's trace id, or "".
func (x *exchange) trace() string {
	if sc := trace.SpanContextFromContext(x.r.Context()); sc.HasTraceID() {
		return sc.TraceID().String()
	}
	return ""
}

// method gives the request's method if it is one that exists, so that callers cannot fill
// metrics with names.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return r.Method
	default:
		return "_OTHER"
	}
}
