package logline

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// layout is RFC 3339 to the millisecond, always as long.
const layout = "2006-01-02T15:04:05.000Z07:00"

// japan is the zone of every time in the log.
func japan() *time.Location { return time.FixedZone("JST", 9*60*60) }

// textRoom is how much of a line fields leave to the words and the trace.
const textRoom = 200

// plain gives the event as a line: time, number, fields, words, trace.
func (e *event) plain() []byte {
	line := make([]byte, 0, Limit)
	line = e.at.In(japan()).AppendFormat(line, layout)
	line = append(line, ' ')
	line = append(line, e.entry.Code...)
	line = append(line, '-')
	line = append(line, e.entry.Severity...)
	for _, f := range e.fitting(len(line)+1, func(p pair) int { return 2 + len(p.key) + len(p.value) }) {
		line = append(line, ' ')
		line = append(line, f.key...)
		line = append(line, '=')
		line = append(line, f.value...)
	}
	if e.dropped > 0 {
		line = append(line, " dropped="...)
		line = strconv.AppendInt(line, int64(e.dropped), 10)
	}
	tail := ""
	if e.trace != "" {
		tail = " trace=" + e.trace
	}
	line = append(line, ' ')
	line = append(line, cut(e.entry.Text, Limit-1-len(line)-len(tail))...)
	line = append(line, tail...)
	return append(line, '\n')
}

// json gives the event as an object of one line, the same fields under their names. Words
// and fields hold nothing that JSON escapes but what strconv quotes alike.
func (e *event) json() []byte {
	line := make([]byte, 0, Limit)
	line = append(line, `{"time":"`...)
	line = e.at.In(japan()).AppendFormat(line, layout)
	line = append(line, `","code":"`+e.entry.Code+`","severity":"`+string(e.entry.Severity)+`"`...)
	for _, f := range e.fitting(len(line)+1, func(p pair) int { return 6 + len(p.key) + len(p.value) }) {
		line = append(line, `,"`+f.key+`":"`+f.value+`"`...)
	}
	if e.dropped > 0 {
		line = append(line, `,"dropped":`...)
		line = strconv.AppendInt(line, int64(e.dropped), 10)
	}
	tail := `"}`
	if e.trace != "" {
		tail = `","trace":"` + e.trace + tail
	}
	line = append(line, `,"text":"`...)
	line = append(line, cut(e.entry.Text, Limit-1-len(line)-len(tail))...)
	line = append(line, tail...)
	return append(line, '\n')
}

// fitting gives the fields that leave room for the words, and counts the others.
func (e *event) fitting(used int, cost func(pair) int) []pair {
	for i, f := range e.fields {
		if used += cost(f); used > Limit-textRoom {
			e.dropped += len(e.fields) - i
			return e.fields[:i]
		}
	}
	return e.fields
}

// cut shortens text to at most room bytes, between two characters, and shows that it did.
func cut(text string, room int) string {
	const ellipsis = "…"
	if len(text) <= room {
		return text
	}
	room -= len(ellipsis)
	for room > 0 && !utf8.RuneStart(text[room]) {
		room--
	}
	return text[:max(room, 0)] + ellipsis
}
