package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kakehashi/internal/fault"
	"kakehashi/mapping"
)

// The vectors of domain.md section 3 and the ways in which people mistype.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		kind, value string
		want        mapping.State
	}{
		{"individual-number", "123456789018", mapping.Valid},
		{"individual-number", "983205673214", mapping.Valid},
		{"individual-number", "379474484458", mapping.Valid},
		{"individual-number", "123456789012", mapping.Wrong},
		{"individual-number", "983205673210", mapping.Wrong},
		{"individual-number", "12345678901", mapping.Wrong},
		{"individual-number", "1234567890180", mapping.Wrong},
		{"individual-number", "１２３４５６７８９０１８", mapping.Wrong},
		{"individual-number", "1234 5678 9018", mapping.Wrong},
		{"individual-number", "1234-5678-9018", mapping.Wrong},
		{"individual-number", "", mapping.Wrong},
		{"individual-number", "12345678901a", mapping.Wrong},

		{"municipality-code", "112127", mapping.Valid}, // 東松山市
		{"municipality-code", "131016", mapping.Valid}, // 千代田区
		{"municipality-code", "112071", mapping.Valid}, // remainder 0 gives 1
		{"municipality-code", "112101", mapping.Valid},
		{"municipality-code", "112020", mapping.Valid}, // remainder 1 gives 0
		{"municipality-code", "112160", mapping.Valid},
		{"municipality-code", "112128", mapping.Wrong},
		{"municipality-code", "112070", mapping.Wrong}, // the rule of 個人番号
		{"municipality-code", "11212", mapping.Wrong},
		{"municipality-code", "１１２１２７", mapping.Wrong},

		{"atena-number", "1000000104", mapping.Valid},
		{"atena-number", "1000000101", mapping.Doubtful}, // never wrong
		{"atena-number", "0000000000", mapping.Valid},    // remainder 0 gives 0
		{"atena-number", "60", mapping.Doubtful},         // remainder 1: 6×2 = 12; not assigned
		{"atena-number", "5", mapping.Doubtful},
		{"atena-number", "A123456", mapping.Doubtful},
		{"atena-number", "1234567890123456", mapping.Wrong},
		{"atena-number", "１０００００００１８", mapping.Wrong},
		{"atena-number", "1000000018 ", mapping.Wrong},
		{"atena-number", "", mapping.Wrong},

		{"postal-code", "3558601", mapping.Valid},
		{"postal-code", "355-8601", mapping.Wrong},
		{"postal-code", "３５５８６０１", mapping.Wrong},
		{"postal-code", "355860", mapping.Wrong},

		{"insurer-number", "06130488", mapping.Valid},
		{"insurer-number", "33120015", mapping.Valid},
		{"insurer-number", "138016", mapping.Valid},
		{"insurer-number", "06130489", mapping.Wrong},
		{"insurer-number", "138017", mapping.Doubtful},
		{"insurer-number", "06990485", mapping.Doubtful}, // no prefecture 99
		{"insurer-number", "1380160", mapping.Wrong},

		{"public-payer-number", "81136244", mapping.Valid},
		{"public-payer-number", "81137242", mapping.Valid},
		{"public-payer-number", "88138243", mapping.Valid},
		{"public-payer-number", "88131248", mapping.Valid},
		{"public-payer-number", "89131247", mapping.Valid},
		{"public-payer-number", "81136245", mapping.Wrong},
		{"public-payer-number", "138016", mapping.Wrong},

		{"corporate-number", "7123456789012", mapping.Valid},
		{"corporate-number", "4011001098993", mapping.Valid},
		{"corporate-number", "2120901007402", mapping.Valid},
		{"corporate-number", "7000012050002", mapping.Valid},
		{"corporate-number", "7000012050003", mapping.Wrong},
		{"corporate-number", "712345678901", mapping.Wrong},

		{"date", "令和6年4月1日", mapping.Valid},
		{"date", "R6.4.1", mapping.Valid},
		{"date", "20240401", mapping.Valid},
		{"date", "2024-04-01", mapping.Valid},
		{"date", "２０２４－０４－０１", mapping.Valid},
		{"date", "令和元年5月1日", mapping.Valid},
		{"date", "平成31年4月30日", mapping.Valid},
		{"date", "昭和64年1月7日", mapping.Valid},
		{"date", "平成元年1月8日", mapping.Valid},
		{"date", "昭和20年（月日不詳）", mapping.Valid},
		{"date", "昭和20年頃", mapping.Valid},
		{"date", "1945-08", mapping.Valid},
		{"date", "不詳", mapping.Valid},
		{"date", "0000-01-01", mapping.Valid},
		{"date", "9999-12-31", mapping.Valid},
		{"date", "平成31年6月1日", mapping.Doubtful},
		{"date", "平成31年5月1日", mapping.Doubtful},
		{"date", "昭和64年1月8日", mapping.Doubtful},
		{"date", "平成35年4月1日", mapping.Doubtful},
		{"date", "明治5年12月2日", mapping.Doubtful},
		{"date", "2023-02-29", mapping.Wrong},
		{"date", "令和6年2月30日", mapping.Wrong},
		{"date", "R6.13.1", mapping.Wrong},
		{"date", "4月1日", mapping.Wrong},
		{"date", "", mapping.Wrong},
	} {
		got, err := mapping.Check(c.kind, c.value)
		if err != nil {
			t.Errorf("%s %q: %v", c.kind, c.value, err)
			continue
		}
		if got.State != c.want {
			t.Errorf("%s %q: got %s (%s), want %s", c.kind, c.value, got.State, got.Text, c.want)
		}
		if got.Text == "" || (c.value != "" && c.kind != "date" && strings.Contains(got.Text, c.value)) {
			t.Errorf("%s %q: the text is empty or repeats the number: %s", c.kind, c.value, got.Text)
		}
	}
}

func TestCheckDateTexts(t *testing.T) {
	for value, want := range map[string]string{
		"平成31年6月1日":  "令和元年6月1日として扱います",
		"平成31年6月":    "令和元年6月（日不詳）として扱います",
		"2024-04-01": "令和6年4月1日（2024-04-01）",
		"R6.4.1":     "令和6年4月1日（2024-04-01）",
		"昭和20年8月頃":   "およその日付です（昭和20年8月（日不詳）、西暦1945-08）",
		"1945":       "一部が不詳の日付です（昭和20年（月日不詳）、西暦1945）",
		"1234":       "西暦1234",
	} {
		if got := mapping.CheckDate(value); !strings.Contains(got.Text, want) {
			t.Errorf("%s: got %s, want %s in it", value, got.Text, want)
		}
	}
}

func TestCheckUnknownKind(t *testing.T) {
	if _, err := mapping.Check("shoe-size", "27"); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v, want invalid", err)
	}
	for _, kind := range mapping.Kinds() {
		if _, err := mapping.Check(kind, "0"); err != nil {
			t.Errorf("%s is listed and not known: %v", kind, err)
		}
	}
}

// A remainder of 1 has no check digit in the standard: the city says what it does.
func TestCheckAtenaNumberRemainderOne(t *testing.T) {
	for _, c := range []struct {
		value string
		rule  mapping.RemainderOne
		want  mapping.State
	}{
		{"60", mapping.RemainderOneSkip, mapping.Doubtful},
		{"60", mapping.RemainderOneZero, mapping.Valid},
		{"60", "", mapping.Doubtful},
		{"61", mapping.RemainderOneZero, mapping.Doubtful},
	} {
		if got := mapping.CheckAtenaNumber(c.value, c.rule); got.State != c.want {
			t.Errorf("%s under %q: got %s, want %s", c.value, c.rule, got.State, c.want)
		}
	}
}

// Exactly one check digit fits, and any other single digit mistyped is found, but for
// what each rule is known to miss.
func TestCheckDigitsFindOneWrongDigit(t *testing.T) {
	last := func(digit byte) func(right, wrong string) bool {
		return func(right, _ string) bool { return right[len(right)-1] == digit }
	}
	for _, c := range []struct {
		kind   string
		length int
		misses func(right, wrong string) bool
	}{
		{"individual-number", 12, last('0')}, // of the remainders 0 and 1
		{"municipality-code", 6, last('1')},  // of the remainders 0 and 10
		{"insurer-number", 8, func(string, string) bool { return false }},
		{"public-payer-number", 8, func(string, string) bool { return false }},
		{"corporate-number", 13, func(right, wrong string) bool { // 0 and 9 are one modulo 9
			return strings.ReplaceAll(right, "9", "0") == strings.ReplaceAll(wrong, "9", "0")
		}},
	} {
		t.Run(c.kind, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				body := rapid.StringMatching(fmt.Sprintf("[0-9]{%d}", c.length-1)).Draw(t, "body")
				right := completed(t, c.kind, body)
				at := rapid.IntRange(0, c.length-1).Draw(t, "at")
				wrong := []byte(right)
				wrong[at] = '0' + (wrong[at]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "by")))%10
				v, err := mapping.Check(c.kind, string(wrong))
				if err != nil {
					t.Fatal(err)
				}
				if v.State != mapping.Wrong && !c.misses(right, string(wrong)) {
					t.Fatalf("%s passes for %s", wrong, right)
				}
			})
		})
	}
}

// completed gives the body with the only check digit that fits it.
func completed(t *rapid.T, kind, body string) string {
	fits := ""
	for d := range 10 {
		value := body + fmt.Sprint(d)
		if kind == "corporate-number" {
			value = fmt.Sprint(d) + body
		}
		switch v, err := mapping.Check(kind, value); {
		case err != nil:
			t.Fatal(err)
		case v.State == mapping.Wrong:
		case fits != "":
			t.Fatalf("both %s and %s fit", fits, value)
		default:
			fits = value
		}
	}
	if fits == "" {
		t.Fatalf("no check digit fits %s", body)
	}
	return fits
}

func TestChecksNeverPanic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.String().Draw(t, "value")
		for _, kind := range mapping.Kinds() {
			if v, err := mapping.Check(kind, value); err != nil || v.Text == "" {
				t.Fatalf("%s %q: %+v, %v", kind, value, v, err)
			}
		}
	})
}
