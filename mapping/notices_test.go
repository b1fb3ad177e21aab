package mapping_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/mapping"
)

func TestNoticeReadsWhatTheCitySends(t *testing.T) {
	for _, kind := range ledger.NoticeKinds() {
		got, err := mapping.Notice(mapping.NoticeType,
			[]byte(`{"atena_number":"1000123456","kind":"`+string(kind)+`","effective":"2026-11-20","more":{"than":"we read"}}`))
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		want := ledger.Notice{Person: "1000123456", Kind: kind, Effective: ledger.Date{Year: 2026, Month: time.November, Day: 20}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
}

func TestNoticeSaysWhyItCannotBeReadAndRepeatsNothing(t *testing.T) {
	for _, c := range []struct{ name, kind, data, reason string }{
		{"a type of somebody else", "com.example.other", `{}`, "unknown_type"},
		{"no JSON", mapping.NoticeType, `{"atena_number":"9876543210"`, "unreadable"},
		{"a name twice", mapping.NoticeType, `{"atena_number":"9876543210","atena_number":"9876543210","kind":"died","effective":"2026-11-20"}`, "unreadable"},
		{"a number that is none", mapping.NoticeType, `{"atena_number":9876543210,"kind":"died","effective":"2026-11-20"}`, "unreadable"},
		{"a list", mapping.NoticeType, `["9876543210"]`, "unreadable"},
		{"null", mapping.NoticeType, `null`, "no_person"},
		{"nothing", mapping.NoticeType, ``, "unreadable"},
		{"no person", mapping.NoticeType, `{"kind":"died","effective":"2026-11-20"}`, "no_person"},
		{"a number too long", mapping.NoticeType, `{"atena_number":"9876543210987654","kind":"died","effective":"2026-11-20"}`, "no_person"},
		{"a kind that is none", mapping.NoticeType, `{"atena_number":"9876543210","kind":"架空太郎","effective":"2026-11-20"}`, "unknown_kind"},
		{"a day that is none", mapping.NoticeType, `{"atena_number":"9876543210","kind":"died","effective":"2026-02-30"}`, "unreadable"},
		{"a month", mapping.NoticeType, `{"atena_number":"9876543210","kind":"died","effective":"2026-02"}`, "unreadable"},
		{"no day", mapping.NoticeType, `{"atena_number":"9876543210","kind":"died"}`, "unreadable"},
	} {
		_, err := mapping.Notice(c.kind, []byte(c.data))
		f := fault.Find(err)
		if !fault.Is(err, fault.Invalid) || f.Reason != c.reason || f.Code == "" {
			t.Errorf("%s: got %v, reason %q; want Invalid, %q", c.name, err, f.Reason, c.reason)
		}
		for _, planted := range []string{"9876543210", "架空", "example"} {
			if strings.Contains(err.Error(), planted) {
				t.Errorf("%s: the error repeats %q: %v", c.name, planted, err)
			}
		}
	}
}
