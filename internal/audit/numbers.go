package audit

import (
	"fmt"
	"strconv"
	"strings"
)

// span is a run of an entry's numbers, both ends included.
type span struct{ from, to int64 }

// joinSpans spells spans as the column void holds them: 5-9,12.
func joinSpans(spans []span) string {
	parts := make([]string, len(spans))
	for i, s := range spans {
		if s.from == s.to {
			parts[i] = strconv.FormatInt(s.from, 10)
		} else {
			parts[i] = fmt.Sprintf("%d-%d", s.from, s.to)
		}
	}
	return strings.Join(parts, ",")
}

// splitSpans is joinSpans' inverse; false for anything else.
func splitSpans(text string) ([]span, bool) {
	if text == "" {
		return nil, true
	}
	parts := strings.Split(text, ",")
	spans := make([]span, len(parts))
	for i, p := range parts {
		from, to, isRun := strings.Cut(p, "-")
		if !isRun {
			to = from
		}
		a, err := strconv.ParseInt(from, 10, 64)
		b, err2 := strconv.ParseInt(to, 10, 64)
		if err != nil || err2 != nil || a < 1 || b < a {
			return nil, false
		}
		spans[i] = span{a, b}
	}
	return spans, true
}

// addSpan adds a span that is higher than all in spans.
func addSpan(spans []span, s span) []span {
	if last := len(spans) - 1; last >= 0 && spans[last].to == s.from-1 {
		spans[last].to = s.to
		return spans
	}
	return append(spans, s)
}

func inSpans(spans []span, n int64) bool {
	for _, s := range spans {
		if s.from <= n && n <= s.to {
			return true
		}
	}
	return false
}
