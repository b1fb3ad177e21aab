package ledger_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"kakehashi/internal/ledger"
)

func day(y int, m time.Month, d int) ledger.Date { return ledger.Date{Year: y, Month: m, Day: d} }

func TestWareki(t *testing.T) {
	for _, c := range []struct {
		date ledger.Date
		want string
	}{
		{day(2024, 4, 1), "令和6年4月1日"},
		{day(2019, 5, 1), "令和元年5月1日"},
		{day(2019, 4, 30), "平成31年4月30日"},
		{day(1989, 1, 8), "平成元年1月8日"},
		{day(1989, 1, 7), "昭和64年1月7日"},
		{day(1926, 12, 25), "昭和元年12月25日"},
		{day(1926, 12, 24), "大正15年12月24日"},
		{day(1912, 7, 30), "大正元年7月30日"},
		{day(1912, 7, 29), "明治45年7月29日"},
		{day(1873, 1, 1), "明治6年1月1日"},
		{day(1872, 12, 31), "1872年12月31日"},
		{day(1945, 8, 0), "昭和20年8月（日不詳）"},
		{day(1945, 0, 0), "昭和20年（月日不詳）"},
		{day(1989, 0, 0), "昭和64年または平成元年（月日不詳）"},
		{day(1989, 1, 0), "昭和64年1月または平成元年1月（日不詳）"},
		{day(2019, 5, 0), "令和元年5月（日不詳）"},
		{day(1870, 0, 0), "1870年（月日不詳）"},
		{ledger.Date{Year: 1945, Note: "昭和20年頃"}, "昭和20年頃"},
		{ledger.Date{}, "不詳"},
		{ledger.Date{Note: "戦前"}, "戦前"},
	} {
		if got := c.date.Wareki(); got != c.want {
			t.Errorf("%v: got %s, want %s", c.date, got, c.want)
		}
	}
}

func TestReadDate(t *testing.T) {
	april := day(2024, 4, 1)
	reiwa := func(d ledger.Date) ledger.Reading { return ledger.Reading{Date: d, Era: "令和"} }
	showa := func(d ledger.Date) ledger.Reading { return ledger.Reading{Date: d, Era: "昭和"} }
	for _, c := range []struct {
		in   string
		want ledger.Reading
	}{
		{"2024-04-01", ledger.Reading{Date: april}},
		{"20240401", ledger.Reading{Date: april}},
		{"2024/4/1", ledger.Reading{Date: april}},
		{"2024.04.01", ledger.Reading{Date: april}},
		{"2024年4月1日", ledger.Reading{Date: april}},
		{" ２０２４－０４－０１ ", ledger.Reading{Date: april}},
		{"R6.4.1", reiwa(april)},
		{"r6/4/1", reiwa(april)},
		{"R 6 4 1", reiwa(april)},
		{"Ｒ６．４．１", reiwa(april)},
		{"R060401", reiwa(april)},
		{"㋿6.4.1", reiwa(april)},
		{"令和6年4月1日", reiwa(april)},
		{"令和６年　４月　１日", reiwa(april)},
		{"令和元年5月1日", reiwa(day(2019, 5, 1))},
		{"R1.5.1", reiwa(day(2019, 5, 1))},
		{"昭和64年1月7日", showa(day(1989, 1, 7))},
		{"平成31年4月30日", ledger.Reading{Date: day(2019, 4, 30), Era: "平成"}},
		{"明治6年1月1日", ledger.Reading{Date: day(1873, 1, 1), Era: "明治"}},
		{"平成31年6月1日", ledger.Reading{Date: day(2019, 6, 1), Era: "平成", Shifted: true}},
		{"平成35年4月1日", ledger.Reading{Date: day(2023, 4, 1), Era: "平成", Shifted: true}},
		{"令和元年4月30日", ledger.Reading{Date: day(2019, 4, 30), Era: "令和", Shifted: true}},
		{"昭和64年1月8日", ledger.Reading{Date: day(1989, 1, 8), Era: "昭和", Shifted: true}},
		{"昭和100年1月1日", ledger.Reading{Date: day(2025, 1, 1), Era: "昭和", Shifted: true}},
		{"明治5年12月2日", ledger.Reading{Date: ledger.Date{Note: "明治5年12月2日"}, Era: "明治", OldCalendar: true}},
		{"1945", ledger.Reading{Date: day(1945, 0, 0)}},
		{"1945-08", ledger.Reading{Date: day(1945, 8, 0)}},
		{"1945年8月", ledger.Reading{Date: ledger.Date{Year: 1945, Month: 8, Note: "1945年8月"}}},
		{"昭和20年", showa(ledger.Date{Year: 1945, Note: "昭和20年"})},
		{"昭和20年（月日不詳）", showa(ledger.Date{Year: 1945, Note: "昭和20年（月日不詳）"})},
		{"昭和20年8月(日不詳)", showa(ledger.Date{Year: 1945, Month: 8, Note: "昭和20年8月(日不詳)"})},
		{"昭和20年8月日不詳", showa(ledger.Date{Year: 1945, Month: 8, Note: "昭和20年8月日不詳"})},
		{"昭和20年頃", showa(ledger.Date{Year: 1945, Note: "昭和20年頃"})},
		{"昭和20年8月15日頃", showa(ledger.Date{Year: 1945, Month: 8, Note: "昭和20年8月15日頃"})},
		{"不詳", ledger.Reading{Date: ledger.Date{Note: "不詳"}}},
	} {
		got, ok := ledger.ReadDate(c.in)
		if !ok {
			t.Errorf("%s: not read", c.in)
		} else if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.in, diff)
		}
	}
}

func TestReadDateRefuses(t *testing.T) {
	for _, in := range []string{
		"", " ", "昨日", "2024-02-30", "2023-02-29", "令和6年2月30日", "R6.13.1", "R6.4.31", "R0.4.1", "令和0年4月1日",
		"24-04-01", "6.4.1", "2024-4/1", "2024.4-1", "20240431", "20240400", "2024040", "R6.4.1.1", "令和6年4月1", "令和6年4.1",
		"令和年4月1日", "令和元元年", "昭和20年8月15日（月日不詳）", "昭和20年（日不詳）", "令和○年頃", "元年4月1日", "0000-01-01",
		"2024年4月1日1", "12024-04-01", "X6.4.1", "令和6年4月1日夜", "R6.-4.1",
	} {
		if got, ok := ledger.ReadDate(in); ok {
			t.Errorf("%q: read as %+v", in, got)
		}
	}
}

// What Wareki writes ReadDate reads back, for any day since the present calendar.
func TestWarekiRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 100_000).Draw(t, "days after 1873-01-01")
		want := ledger.DateOf(time.Date(1873, time.January, 1+n, 0, 0, 0, 0, time.UTC))
		got, ok := ledger.ReadDate(want.Wareki())
		if !ok || got.Date != want || got.Shifted {
			t.Fatalf("%s: got %+v, %v", want.Wareki(), got, ok)
		}
	})
}

func TestReadDateNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.StringOf(rapid.RuneFrom([]rune("0123456789年月日元頃不詳令和昭SRs./- （）()０９㋿"))).Draw(t, "in")
		if got, ok := ledger.ReadDate(in); ok && !got.Date.Valid() {
			t.Fatalf("%q: read as a day that does not exist: %+v", in, got.Date)
		}
	})
}
