package logline

import (
	"testing"
	"unicode/utf8"
)

func TestCutKeepsWholeCharacters(t *testing.T) {
	text := "a記録に書けない𠮷"
	for room := range len(text) + 2 {
		got := cut(text, room)
		if room >= len("…") && len(got) > room || !utf8.ValidString(got) {
			t.Errorf("room %d: got %q, %d bytes", room, got, len(got))
		}
		if (got == text) != (room >= len(text)) {
			t.Errorf("room %d: got %q", room, got)
		}
	}
}
