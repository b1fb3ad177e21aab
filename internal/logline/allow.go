package logline

import (
	"log/slog"
	"strconv"
	"strings"
	"time"

	"kakehashi/internal/fault"
)

// longest is the most bytes of one value.
const longest = 64

// allowed lists the keys that may appear. None of them is meant for anything personal; a
// new one is added here, where somebody reads it.
func allowed(key string) bool {
	switch key {
	case "run", "job", "rc", "target", "state", "cause", "outcome", "reason", "kind",
		"ms", "count", "entries", "sealed", "size", "attempt", "dropped",
		"pid", "addr", "version", "municipality", "method", "route", "status", "resource", "signal", "at", "next":
		return true
	default:
		return false
	}
}

// take lets an attribute through, or counts it. A group is taken apart.
func (e *event) take(a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		for _, inner := range v.Group() {
			e.take(inner)
		}
		return
	}
	if a.Key == "trace" && isHex(v.String()) {
		e.trace = v.String()
		return
	}
	text, ok := word(v, a.Key == "version" || a.Key == "size")
	if !allowed(a.Key) || !ok {
		e.dropped++
		return
	}
	e.add(a.Key, text)
}

// add sets a field; the last of the same key wins.
func (e *event) add(key, value string) {
	for i := range e.fields {
		if e.fields[i].key == key {
			e.fields[i].value = value
			return
		}
	}
	e.fields = append(e.fields, pair{key, value})
}

// word gives a value as one word of printable ASCII; false for what may be more than a
// machine's word: other characters, whole sentences, and long runs of digits, as numbers
// of persons are. long allows those too, for keys where they are a size or a version.
func word(v slog.Value, long bool) (string, bool) {
	text, ok := printable(v)
	return text, ok && (long || !manyDigits(text))
}

func printable(v slog.Value) (string, bool) {
	switch v.Kind() {
	case slog.KindBool:
		return strconv.FormatBool(v.Bool()), true
	case slog.KindInt64:
		return strconv.FormatInt(v.Int64(), 10), true
	case slog.KindUint64:
		return strconv.FormatUint(v.Uint64(), 10), true
	case slog.KindFloat64:
		return strconv.FormatFloat(v.Float64(), 'f', 3, 64), true
	case slog.KindDuration:
		return v.Duration().Round(time.Microsecond).String(), true
	case slog.KindTime:
		return v.Time().In(japan()).Format(layout), true
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			return reason(err), true
		}
	}
	s := v.String()
	if s == "" || len(s) > longest {
		return "", false
	}
	for _, r := range []byte(s) {
		if r <= ' ' || r > '~' || r == '"' || r == '\\' || r == '=' || r == '%' {
			return "", false
		}
	}
	return s, true
}

// reason gives the machine word of an error: its text may hold anything.
func reason(err error) string {
	f := fault.Find(err)
	if text, ok := word(slog.StringValue(f.Reason), false); ok {
		return text
	}
	return f.Kind.String()
}

// manyDigits tells whether nine digits stand in a row: 宛名番号, 個人番号 and telephone
// numbers have ten and more, dates, ports and counts have fewer.
func manyDigits(s string) bool {
	run := 0
	for _, r := range s {
		if r < '0' || r > '9' {
			run = 0
			continue
		}
		if run++; run > 8 {
			return true
		}
	}
	return false
}

func isHex(s string) bool { return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == "" }
