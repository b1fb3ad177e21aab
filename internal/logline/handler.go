package logline

import (
	"context"
	"io"
	"log/slog"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"kakehashi/internal/manual"
)

// Limit is the most bytes of a line, its line feed included.
const Limit = 511

// Unnumbered is the message number of an event that brought none.
const Unnumbered = "KKH9011"

// Code gives the attribute that says the message number of an event.
func Code(code string) slog.Attr { return slog.String("code", code) }

// municipality is the key of a context's label.
type municipality struct{}

// WithMunicipality gives a context whose events bear the code of a municipality, for a
// process that serves several: what a package tells by the process's own log is then that
// one's too. It changes what is logged and nothing else.
func WithMunicipality(ctx context.Context, code string) context.Context {
	return context.WithValue(ctx, municipality{}, code)
}

// Options choose the form of the lines. The zero value writes plain lines from Info up.
type Options struct {
	JSON  bool   // an object a line, with the same fields
	Level string // debug, info, warn or error; anything else is info
}

// Handler is a [slog.Handler]. It is safe for concurrent use and writes each line with one
// call of Write. Handlers made by WithAttrs share its writer and its count.
type Handler struct {
	sink  *sink
	json  bool
	level slog.Level
	attrs []slog.Attr
}

type sink struct {
	mu      sync.Mutex
	w       io.Writer
	dropped atomic.Int64
}

// New makes a handler that writes to w.
func New(w io.Writer, opt Options) *Handler {
	h := &Handler{sink: &sink{w: w}, json: opt.JSON}
	switch opt.Level {
	case "debug":
		h.level = slog.LevelDebug
	case "warn":
		h.level = slog.LevelWarn
	case "error":
		h.level = slog.LevelError
	}
	return h
}

// Dropped counts the attributes that were kept out of the log since the start.
func (h *Handler) Dropped() int64 { return h.sink.dropped.Load() }

// Enabled tells whether events of the level are written.
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// WithAttrs gives a handler that adds the attributes to every event.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = append(append([]slog.Attr{}, h.attrs...), attrs...)
	return &c
}

// WithGroup gives the same handler: keys are allowed by their own name, whatever they
// stand in.
func (h *Handler) WithGroup(string) slog.Handler { return h }

// Handle writes the event as one line.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	e := h.event(ctx, r)
	var line []byte
	if h.json {
		line = e.json()
	} else {
		line = e.plain()
	}
	h.sink.dropped.Add(int64(e.dropped))
	h.sink.mu.Lock()
	defer h.sink.mu.Unlock()
	_, err := h.sink.w.Write(line)
	return err
}

// event is what a line says.
type event struct {
	at      time.Time
	entry   manual.Entry
	fields  []pair
	trace   string
	dropped int
}

type pair struct{ key, value string }

func (h *Handler) event(ctx context.Context, r slog.Record) *event {
	e := &event{at: r.Time}
	code := ""
	if isCode(r.Message) {
		code = r.Message
	}
	take := func(a slog.Attr) bool {
		if a.Key == "code" && isCode(a.Value.String()) {
			code = a.Value.String()
			return true
		}
		e.take(a)
		return true
	}
	if code, ok := ctx.Value(municipality{}).(string); ok {
		e.add("municipality", code)
	}
	for _, a := range h.attrs {
		take(a)
	}
	r.Attrs(take)
	entry, ok := manual.Message(code)
	if !ok {
		entry, _ = manual.Message(Unnumbered)
		entry.Severity = severity(r.Level)
		e.add("at", source(r.PC))
		if code != "" {
			entry.Code = code // still a number: somebody can search for it
		}
	}
	e.entry = entry
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		e.trace = span.TraceID().String()
	}
	return e
}

// isCode tells whether s is KKH and four digits.
func isCode(s string) bool {
	digits, ok := strings.CutPrefix(s, "KKH")
	if !ok || len(digits) != 4 {
		return false
	}
	_, err := strconv.ParseUint(digits, 10, 16)
	return err == nil
}

// severity gives the severity of a number that the catalogue does not know.
func severity(level slog.Level) manual.Severity {
	switch {
	case level >= slog.LevelError:
		return manual.Error
	case level >= slog.LevelWarn:
		return manual.Warning
	default:
		return manual.Info
	}
}

// source names the file and line of a call, without its folder.
func source(pc uintptr) string {
	if pc == 0 {
		return "unknown"
	}
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	dir, file := path.Split(frame.File)
	return path.Base(dir) + "/" + file + ":" + strconv.Itoa(frame.Line)
}
