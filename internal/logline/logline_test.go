package logline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"

	"kakehashi/internal/fault"
	"kakehashi/internal/logline"
)

// moment is the time of every event here.
func moment() time.Time { return time.Date(2026, 11, 21, 18, 0, 12, 345_678_901, time.UTC) }

// write gives the lines of one event.
func write(ctx context.Context, t *testing.T, opt logline.Options, message string, attrs ...slog.Attr) string {
	t.Helper()
	var out bytes.Buffer
	h := logline.New(&out, opt)
	r := slog.NewRecord(moment(), slog.LevelError, message, 0)
	r.AddAttrs(attrs...)
	if err := h.Handle(ctx, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func traced(t *testing.T) context.Context {
	t.Helper()
	id, err := trace.TraceIDFromHex("4bf92f3577b34da6a3ce929d0e0e4736")
	if err != nil {
		t.Fatal(err)
	}
	return trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: trace.SpanID{1}}))
}

func TestFormOfALine(t *testing.T) {
	got := write(traced(t), t, logline.Options{}, "KKH2104",
		slog.String("target", "tax"), slog.Int("ms", 1003), slog.Any("cause", fault.New(fault.Unavailable, "架空 太郎").WithReason("timeout")))
	want := "2026-11-22T03:00:12.345+09:00 KKH2104-E target=tax ms=1003 cause=timeout 相手先が時間内に応答しません。 trace=4bf92f3577b34da6a3ce929d0e0e4736\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestNumberMayStandInAnAttribute(t *testing.T) {
	got := write(t.Context(), t, logline.Options{}, "breaker changed", logline.Code("KKH2120"), slog.String("target", "tax"))
	if !strings.Contains(got, " KKH2120-W target=tax 相手先への照会を自動遮断しました。") || strings.Contains(got, "breaker") {
		t.Errorf("got %s", got)
	}
}

func TestFormOfAnObject(t *testing.T) {
	got := write(traced(t), t, logline.Options{JSON: true}, "KKH2104", slog.String("target", "tax"), slog.String("name", "架空 太郎"))
	var fields map[string]any
	if err := json.Unmarshal([]byte(got), &fields); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	for key, want := range map[string]any{
		"time": "2026-11-22T03:00:12.345+09:00", "code": "KKH2104", "severity": "E", "target": "tax",
		"dropped": 1.0, "text": "相手先が時間内に応答しません。", "trace": "4bf92f3577b34da6a3ce929d0e0e4736",
	} {
		if fields[key] != want {
			t.Errorf("%s: got %v, want %v", key, fields[key], want)
		}
	}
	if len(fields) != 7 {
		t.Errorf("more fields than were allowed: %s", got)
	}
}

// Whatever a careless call gives, nothing personal comes out, and what was kept back is
// counted.
func TestWhatIsKeptBack(t *testing.T) {
	for name, a := range map[string]slog.Attr{
		"a key that is not listed":    slog.String("person", "x"),
		"a name under a listed key":   slog.String("cause", "架空太郎"),
		"a number under a listed key": slog.String("target", "0001234567"),
		"a number as an integer":      slog.Int64("count", 123456789012),
		"a number inside a word":      slog.String("state", "p-0001234567-x"),
		"a sentence":                  slog.String("cause", "no such person"),
		"an escape":                   slog.String("cause", `\u67b6\u7a7a`),
		"percent encoding":            slog.String("cause", "%E6%9E%B6"),
		"a value that forges a field": slog.String("target", "tax=1"),
		"a line feed":                 slog.String("target", "tax\nKKH0000-E"),
		"a control character":         slog.String("target", "tax\x1b[31m"),
		"a long word":                 slog.String("cause", strings.Repeat("x", 65)),
		"a struct":                    slog.Any("cause", struct{ Name string }{"架空太郎"}),
		"a name in a group":           slog.Group("person", slog.String("name", "x")),
		"an empty word":               slog.String("cause", ""),
		"a trace that is no trace":    slog.String("trace", "架空太郎"),
		"a number that is no number":  slog.String("code", "KKH2104; 架空"),
	} {
		t.Run(name, func(t *testing.T) {
			got := write(t.Context(), t, logline.Options{}, "KKH2104", a)
			want := "2026-11-22T03:00:12.345+09:00 KKH2104-E dropped=1 相手先が時間内に応答しません。\n"
			if got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

func TestErrorsGiveTheirMachineWordAlone(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"a reason":     {fault.New(fault.Unavailable, "x").WithReason("busy"), "cause=busy"},
		"no reason":    {fault.New(fault.Denied, "架空太郎"), "cause=denied"},
		"unclassified": {errors.New("架空太郎"), "cause=internal"},
	} {
		if got := write(t.Context(), t, logline.Options{}, "KKH2104", slog.Any("cause", c.err)); !strings.Contains(got, " "+c.want+" ") || strings.Contains(got, "架空") {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// An event without a number shows where it was made, never its words.
func TestEventWithoutANumber(t *testing.T) {
	var out bytes.Buffer
	slog.New(logline.New(&out, logline.Options{})).Warn("looked up 架空 太郎", "ms", 5)
	got := out.String()
	if !strings.Contains(got, " KKH9011-W ") || !strings.Contains(got, "at=logline/logline_test.go:") || strings.Contains(got, "架空") {
		t.Errorf("got %s", got)
	}
}

func TestLevels(t *testing.T) {
	for level, want := range map[string]int{"debug": 4, "": 3, "info": 3, "warn": 2, "error": 1} {
		var out bytes.Buffer
		l := slog.New(logline.New(&out, logline.Options{Level: level}))
		l.Debug("KKH4100")
		l.Info("KKH4100")
		l.Warn("KKH4100")
		l.Error("KKH4100")
		if got := strings.Count(out.String(), "\n"); got != want {
			t.Errorf("level %q: %d lines, want %d", level, got, want)
		}
	}
}

func TestAttributesOfALoggerStandInEveryLine(t *testing.T) {
	var out bytes.Buffer
	h := logline.New(&out, logline.Options{})
	l := slog.New(h).With("target", "tax", "secret", "x").WithGroup("g")
	l.Info("KKH2120", "target", "address")
	l.Info("KKH2122")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if !strings.Contains(lines[0], "target=address") || strings.Contains(lines[0], "tax") || !strings.Contains(lines[1], "target=tax") {
		t.Errorf("got %q", lines)
	}
	if got, want := h.Dropped(), int64(2); got != want {
		t.Errorf("kept back: got %d, want %d", got, want)
	}
}

// R11: no line is longer than 511 bytes, each event is one line of whole characters, and
// the trace survives.
func TestEveryEventIsOneBoundedLine(t *testing.T) {
	keys := []string{"run", "job", "cause", "target", "version", "addr", "route", "resource", "reason", "kind", "outcome", "state", "person", "code"}
	rapid.Check(t, func(rt *rapid.T) {
		var attrs []slog.Attr
		for range rapid.IntRange(0, 30).Draw(rt, "attributes") {
			key := rapid.SampledFrom(keys).Draw(rt, "key")
			if rapid.Bool().Draw(rt, "word") {
				attrs = append(attrs, slog.String(key, rapid.StringMatching(`[a-z./:-]{1,64}`).Draw(rt, "value")))
			} else {
				attrs = append(attrs, slog.String(key, rapid.String().Draw(rt, "value")))
			}
		}
		message := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"KKH2104", "KKH3101", "KKH9999"})).Draw(rt, "message")
		for _, asJSON := range []bool{false, true} {
			line := write(traced(t), t, logline.Options{JSON: asJSON}, message, attrs...)
			switch {
			case len(line) > logline.Limit:
				rt.Fatalf("%d bytes: %s", len(line), line)
			case strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n"):
				rt.Fatalf("not one line: %q", line)
			case !utf8.ValidString(line) || strings.ContainsFunc(line[:len(line)-1], func(r rune) bool { return r < ' ' || r == 0x7f }):
				rt.Fatalf("not plain text: %q", line)
			case !strings.Contains(line, "4bf92f3577b34da6a3ce929d0e0e4736"):
				rt.Fatalf("no trace: %s", line)
			case asJSON && !json.Valid([]byte(line)):
				rt.Fatalf("no JSON: %s", line)
			}
		}
	})
}

// The longest that can come: every key, each with the longest word.
func TestFieldsLeaveRoomForTheWords(t *testing.T) {
	keys := []string{"run", "job", "rc", "target", "state", "cause", "outcome", "reason", "kind", "addr", "version", "method", "route"}
	for _, asJSON := range []bool{false, true} {
		for length := 1; length <= 64; length++ {
			var attrs []slog.Attr
			for _, key := range keys {
				attrs = append(attrs, slog.String(key, strings.Repeat("x", length)))
			}
			line := write(traced(t), t, logline.Options{JSON: asJSON}, "KKH3101", attrs...)
			if len(line) > logline.Limit || !strings.Contains(line, "記録に書けないので、照会も変更も行いません。") || !strings.Contains(line, "trace") {
				t.Fatalf("%d bytes: %s", len(line), line)
			}
			if dropped := strings.Contains(line, "dropped"); dropped != (strings.Count(line, "x") < length*len(keys)) {
				t.Fatalf("what does not fit must be counted: %s", line)
			}
		}
	}
}

func TestLinesOfManyWritersDoNotMix(t *testing.T) {
	var out bytes.Buffer
	l := slog.New(logline.New(&out, logline.Options{}))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				l.Info("KKH2122", "target", "tax")
			}
		})
	}
	all.Wait()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 400 {
		t.Fatalf("%d lines, want 400", len(lines))
	}
	for _, line := range lines {
		if !strings.HasSuffix(line, "KKH2122-I target=tax 相手先への照会を再開しました。") {
			t.Fatalf("mixed: %s", line)
		}
	}
}

// What is told under a municipality's context bears its code, once.
func TestMunicipalityOfAContext(t *testing.T) {
	ctx := logline.WithMunicipality(t.Context(), "132012")
	if got := write(ctx, t, logline.Options{}, "KKH2120"); !strings.Contains(got, " KKH2120-W municipality=132012 ") {
		t.Errorf("got %s", got)
	}
	if got := write(ctx, t, logline.Options{}, "KKH2120", slog.String("municipality", "132012")); strings.Count(got, "municipality") != 1 {
		t.Errorf("got %s", got)
	}
}
