package web

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"kakehashi/outbox"
)

// What could not be counted is said to be unknown, never to be nothing.
func TestUnknownIsNeverNothing(t *testing.T) {
	pages, err := parsePages()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 24, 10, 5, 31, 0, jst)
	for _, c := range []struct {
		line owedLine
		want string
	}{
		{owedLine{}, "件数を確認できません"},
		{showLine(outbox.Summary{}, now), "配信不能はありません（11/24 10:05:31 確認）"},
		{showLine(outbox.Summary{Owed: 3, Oldest: now.Add(-3 * time.Minute)}, now), "送信待ちが 3 件あります（最も長いもので 3分）。配信不能はありません"},
		{showLine(outbox.Summary{Owed: 3, Parked: 1, Oldest: now.Add(-26 * time.Hour)}, now), "配信不能が 1 件あります（送信待ちと合わせて 3 件、最も長いもので 1日）"},
	} {
		var b bytes.Buffer
		if err := pages["search"].Execute(&b, page{Body: searchForm{Line: c.line}}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), c.want) || !c.line.Known && strings.Contains(b.String(), "配信不能はありません") {
			t.Errorf("%+v: the page does not say %s", c.line, c.want)
		}
	}
}

func TestElapsed(t *testing.T) {
	for seconds, want := range map[int64]string{0: "0秒", 59: "59秒", 60: "1分", 3599: "59分", 3600: "1時間0分", 8100: "2時間15分", 86400: "1日", 400000: "4日"} {
		if got := elapsed(seconds); got != want {
			t.Errorf("%d: got %s, want %s", seconds, got, want)
		}
	}
}
