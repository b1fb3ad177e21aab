package ledger_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"kakehashi/internal/ledger"
)

// The vectors of domain.md 4.2, and dates known in part.
func TestLastEligibleDay(t *testing.T) {
	for _, c := range []struct {
		birth ledger.Date
		want  string
	}{
		{day(2006, 4, 1), "2024-03-31"},
		{day(2006, 4, 2), "2025-03-31"},
		{day(2008, 2, 29), "2026-03-31"},
		{day(2008, 4, 1), "2026-03-31"},
		{day(2008, 4, 2), "2027-03-31"},
		{day(2026, 1, 1), "2044-03-31"},
		{day(2008, 12, 31), "2027-03-31"},
		{day(2008, 3, 0), "2026-03-31"},
		{day(2008, 4, 0), "2026-03-31"},
		{day(2008, 5, 0), "2027-03-31"},
		{day(2008, 0, 0), "2026-03-31"},
		{ledger.Date{Note: "不詳"}, ""},
	} {
		if got := ledger.LastEligibleDay(c.birth).String(); got != c.want {
			t.Errorf("%v: got %q, want %q", c.birth, got, c.want)
		}
	}
}

func TestIsChild(t *testing.T) {
	for _, c := range []struct {
		birth, on ledger.Date
		want      bool
	}{
		{day(2008, 4, 1), day(2026, 3, 31), true},
		{day(2008, 4, 1), day(2026, 4, 1), false},
		{day(2008, 4, 2), day(2026, 4, 1), true},
		{day(2008, 4, 2), day(2027, 3, 31), true},
		{day(2008, 4, 2), day(2027, 4, 1), false},
		{day(2016, 0, 0), day(2026, 11, 24), true},
		{day(1945, 0, 0), day(2026, 11, 24), false},
		{day(2008, 0, 0), day(2026, 11, 24), false}, // may be either: not certainly a child
		{ledger.Date{}, day(2026, 11, 24), false},
		{day(2026, 11, 24), day(2026, 11, 23), true}, // the registry's clock is ahead of ours
	} {
		if got := ledger.IsChild(c.birth, c.on); got != c.want {
			t.Errorf("born %v on %v: got %v, want %v", c.birth, c.on, got, c.want)
		}
	}
}

// LastEligibleDay against the law's own words: the first 31 March on or after the day
// before the eighteenth birthday.
func TestLastEligibleDayByTheLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		birth := time.Date(1990, time.January, 1+rapid.IntRange(0, 20_000).Draw(t, "days"), 0, 0, 0, 0, time.UTC)
		reaches := time.Date(birth.Year()+18, birth.Month(), birth.Day()-1, 0, 0, 0, 0, time.UTC)
		if birth.Month() == time.February && birth.Day() == 29 {
			reaches = time.Date(birth.Year()+18, time.February, 28, 0, 0, 0, 0, time.UTC)
		}
		want := time.Date(reaches.Year(), time.March, 31, 0, 0, 0, 0, time.UTC)
		if want.Before(reaches) {
			want = want.AddDate(1, 0, 0)
		}
		if got := ledger.LastEligibleDay(ledger.DateOf(birth)); got != ledger.DateOf(want) {
			t.Fatalf("born %v: got %v, want %v", birth, got, want)
		}
	})
}
