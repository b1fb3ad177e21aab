package mapping_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/mapping"
)

// reply gives a reply of testdata with items of its first record put in place; nil takes
// the item out.
func reply(t *testing.T, path string, items map[string]any) []byte {
	t.Helper()
	var whole map[string]any
	decodeFile(t, path, &whole)
	record := whole["result"].([]any)[0].(map[string]any)
	for name, value := range items {
		if value == nil {
			delete(record, name)
		} else {
			record[name] = value
		}
	}
	body, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func decodeFile(t *testing.T, path string, into any) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", path))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatal(err)
	}
}

// Every item that is read must be there, a string, in every record; the others need not.
func TestEachItemIsRequired(t *testing.T) {
	tables := mapping.Default()
	question := ledger.Question{Person: asked, Items: ledger.Items()}
	notRead := map[string]bool{
		"tsusho_kana": true, "idojiyu_kodo": true, "idonengappi": true, "jutokubun": true,
		"shotokugaku": true, "kintowarigaku": true, "shotokuwarigaku": true,
	}
	for _, c := range []struct {
		path    string
		read    func([]byte) error
		notRead map[string]bool
	}{
		{"residents/child-alone.json", func(b []byte) error { _, err := mapping.Household(b, tables, question); return err }, notRead},
		{"residents/child-alone.json", func(b []byte) error { _, _, err := mapping.Adults(b, tables, asked, moment()); return err }, notRead},
		{"address/resident.json", func(b []byte) error { _, err := mapping.AddressData(b, tables, question); return err }, notRead},
		{"search/resident.json", func(b []byte) error { _, err := mapping.Candidates(b, tables); return err }, notRead},
		{"tax/taxed.json", func(b []byte) error {
			_, err := mapping.TaxClasses(b, tables, 2026, []ledger.AtenaNumber{asked, mother, father})
			return err
		}, map[string]bool{"shotokugaku": true, "kintowarigaku": true, "shotokuwarigaku": true, "kijunnichiji": true}},
		{"protection/nobody-protected.json", func(b []byte) error { _, err := mapping.Protection(b); return err },
			map[string]bool{"kijunnichiji": true}},
	} {
		var whole struct {
			Result []map[string]string `json:"result"`
		}
		decodeFile(t, c.path, &whole)
		if err := c.read(reply(t, c.path, nil)); err != nil {
			t.Fatalf("%s: %v", c.path, err)
		}
		for name := range whole.Result[0] {
			for what, change := range map[string]any{"missing": nil, "a number": 1} {
				err := c.read(reply(t, c.path, map[string]any{name: change}))
				switch {
				case c.notRead[name] && err != nil:
					t.Errorf("%s, %s %s: got %v, though it is not read", c.path, name, what, err)
				case !c.notRead[name] && (!fault.Is(err, fault.Unavailable) || fault.Find(err).Reason != "unreadable"):
					t.Errorf("%s, %s %s: got %v, want unreadable", c.path, name, what, err)
				}
			}
		}
	}
}

// An answer holds what the procedure may see and nothing else; a code of another item is
// not even looked up.
func TestAnswersAreCutToTheItems(t *testing.T) {
	tables := mapping.Default()
	q := ledger.Question{Person: asked, Items: []ledger.Item{ledger.TaxClassOfYear, ledger.Kana}}
	unknown := map[string]any{"tsuzukigara_kodo": "ZZ", "seibetsu": "9"}
	want := []ledger.Facts{{Person: asked, Outcome: ledger.Found, Values: []ledger.Value{
		{Item: ledger.Kana, Text: "カクウ　ホシコ", AsOf: "2026-11-24", Usable: true},
	}}}
	for name, read := range map[string]func() (ledger.Answer, error){
		"residents": func() (ledger.Answer, error) {
			return mapping.Household(reply(t, "residents/child-alone.json", unknown), tables, q)
		},
		"address": func() (ledger.Answer, error) {
			return mapping.AddressData(reply(t, "address/resident.json", unknown), tables, q)
		},
	} {
		answer, err := read()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, answer.Persons); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

func TestRequests(t *testing.T) {
	search := func(kana string, birth ledger.Date) string {
		body, err := mapping.FindRequest(ledger.Search{Kana: kana, BirthDate: birth}, 21)
		if err != nil {
			t.Errorf("%s %v: %v", kana, birth, err)
		}
		return string(body)
	}
	find := func(kana, from, to string) string {
		return `{"shimei_kana":"` + kana + `","seinengappi_kaishi":"` + from + `","seinengappi_shuryo":"` + to +
			`","setaibango":"","jusho":"","kojinbango":"","kensujogen":"21"}`
	}
	for _, c := range []struct{ name, got, want string }{
		{"household", string(mapping.HouseholdRequest(asked)), `{"atenabango":"1000000101"}`},
		{"protection", string(mapping.ProtectionRequest([]ledger.AtenaNumber{asked, mother})), `{"atenabango":["1000000101","1000000110"]}`},
		{"tax", string(mapping.TaxRequest(2026, []ledger.AtenaNumber{asked})), `{"kazeinendo":"2026","atenabango":["1000000101"]}`},
		{"address", string(mapping.AddressRequest([]ledger.AtenaNumber{asked})), `{"atenabango":["1000000101"]}`},
		{"a mark", string(mapping.HouseholdRequest(`"<\`)), `{"atenabango":"\"<\\"}`},
		{"no UTF-8", string(mapping.HouseholdRequest("\xff")), "{\"atenabango\":\"\uFFFD\"}"},
		{"a day", search("ｶｸｳ ほしこ", ledger.Date{Year: 2016, Month: 5, Day: 3}), find("カクウホシコ", "2016-05-03", "2016-05-03")},
		{"a month", search("カクウ　ショウ", ledger.Date{Year: 2024, Month: 2}), find("カクウシヨウ", "2024-02-01", "2024-02-29")},
		{"december", search("ヴィ", ledger.Date{Year: 2024, Month: 12}), find("ヴイ", "2024-12-01", "2024-12-31")},
		{"a year", search("カクウ", ledger.Date{Year: 1945, Note: "昭和20年頃"}), find("カクウ", "1945-01-01", "1945-12-31")},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, c.got, c.want)
		}
	}
}

func TestFindRequestRefuses(t *testing.T) {
	birth := ledger.Date{Year: 2016, Month: 5, Day: 3}
	for _, c := range []struct {
		kana        string
		birth       ledger.Date
		field, code string
	}{
		{"", birth, "/kana", "KKH1126"},
		{"　", birth, "/kana", "KKH1126"},
		{"架空", birth, "/kana", "KKH1126"},
		{"カクウ%", birth, "/kana", "KKH1126"},
		{"カクウ", ledger.Date{}, "/birth_date", "KKH1123"},
		{"カクウ", ledger.Date{Note: "不詳"}, "/birth_date", "KKH1123"},
		{"カクウ", ledger.Date{Year: 2016, Month: 2, Day: 30}, "/birth_date", "KKH1123"},
	} {
		body, err := mapping.FindRequest(ledger.Search{Kana: c.kana, BirthDate: c.birth}, 21)
		f := fault.Find(err)
		if body != nil || f == nil || f.Kind != fault.Invalid || f.Field != c.field || f.Code != c.code {
			t.Errorf("%q %v: got %s, %v", c.kana, c.birth, body, err)
		}
	}
}

// A 課税年度 begins on 1 June in Japan, whatever zone the moment is spelled in.
func TestTaxYear(t *testing.T) {
	for moment, want := range map[string]int{
		"2026-05-31T23:59:59+09:00": 2025, "2026-06-01T00:00:00+09:00": 2026,
		"2026-05-31T14:59:59Z": 2025, "2026-05-31T15:00:00Z": 2026,
		"2026-12-31T23:59:59+09:00": 2026, "2027-01-01T00:00:00+09:00": 2026,
	} {
		at, err := time.Parse(time.RFC3339, moment)
		if err != nil {
			t.Fatal(err)
		}
		if got := mapping.TaxYear(at); got != want {
			t.Errorf("%s: got %d, want %d", moment, got, want)
		}
	}
}

// The day on which a child stops being one begins at midnight in Japan.
func TestAdultsByTheDayInJapan(t *testing.T) {
	body := reply(t, "residents/born-1-april-2008.json", nil)
	for moment, want := range map[string]bool{"2026-03-31T14:59:59Z": true, "2026-03-31T15:00:00Z": false} {
		at, err := time.Parse(time.RFC3339, moment)
		if err != nil {
			t.Fatal(err)
		}
		if _, child, err := mapping.Adults(body, mapping.Default(), asked, at); err != nil || child != want {
			t.Errorf("%s: got %v, %v, want %v", moment, child, err, want)
		}
	}
}

// Whatever comes is an answer or Unavailable, and never a panic.
func TestAnyBytesAreAnAnswerOrUnavailable(t *testing.T) {
	tables := mapping.Default()
	good, err := os.ReadFile("testdata/address/resident.json")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		body := append([]byte(nil), good...)
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			body[rapid.IntRange(0, len(body)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		body = body[:rapid.IntRange(0, len(body)).Draw(t, "length")]
		q := ledger.Question{Person: asked, Items: ledger.Items()}
		_, err := mapping.AddressData(body, tables, q)
		if err != nil && !fault.Is(err, fault.Unavailable) {
			t.Fatalf("%s: %v", body, err)
		}
	})
}

func BenchmarkHousehold(b *testing.B) {
	body, err := os.ReadFile("testdata/residents/family.json")
	if err != nil {
		b.Fatal(err)
	}
	tables := mapping.Default()
	q := ledger.Question{Person: asked, Items: ledger.Items()}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mapping.Household(body, tables, q); err != nil {
			b.Fatal(err)
		}
	}
}
