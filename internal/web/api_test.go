package web_test

import (
	"bytes"
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
	"kakehashi/internal/web"
)

const lookupOf = `{"person":{"atena_number":"0000000019"},"case":"K-1","procedure":"certify","purpose":"new"`

// steady replaces what differs from run to run.
func steady(b []byte) string {
	for _, c := range []struct{ form, word string }{
		{`Q-\d{6}-[2-9A-Z]{4}-[2-9A-Z]{4}`, "Q-ID"},
		{`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}\+09:00`, "TIME"},
	} {
		b = regexp.MustCompile(c.form).ReplaceAll(b, []byte(c.word))
	}
	return string(bytes.TrimSpace(b))
}

func TestLookupAnswersAsWritten(t *testing.T) {
	h := build(t, nil)
	h.openCase("K-1")
	h.next.address = func(ledger.Question) (ledger.Answer, error) {
		return ledger.Answer{}, fault.New(fault.Unavailable, "call address").WithReason("timeout")
	}
	a := h.ask("POST", "/v1/lookups", "case-worker", lookupOf+`,"sources":["residents","address"],"compare":{"values":{"name":"架空　花子"}}}`)
	if a.status != http.StatusOK {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	want := `{"lookup_id":"Q-ID","at":"TIME","flags":[],"sources":[{"source":"residents","outcome":"found","reason":"","at":"TIME","persons":[` +
		`{"atena_number":"0000000019","relation":"子","outcome":"found","reason":"","values":[` +
		`{"item":"name","value":"架空 花子","from":"residents","at":"TIME","usable":true},` +
		`{"item":"kana","value":"カクウ ハナコ","from":"residents","at":"TIME","usable":true},` +
		`{"item":"birth_date","value":"2016-05-03","display":"平成28年5月3日","from":"residents","at":"TIME","usable":true},` +
		`{"item":"household_number","value":"0000000500","from":"residents","at":"TIME","usable":true},` +
		`{"item":"address","value":"架空市幻町一丁目2番3号","from":"residents","at":"TIME","usable":true},` +
		`{"item":"phone","value":"000-0000-1234","from":"residents","at":"TIME","usable":false}]},` +
		`{"atena_number":"0000000027","relation":"妻","outcome":"found","reason":"","values":[` +
		`{"item":"name","value":"架空 幻","from":"residents","at":"TIME","usable":true},` +
		`{"item":"birth_date","value":"1945","precision":"year","display":"昭和20年頃","from":"residents","at":"TIME","usable":true}]}],` +
		`"suppressed":[],"comparison":[{"item":"name","result":"same","rule":"name_variant"}]},` +
		`{"source":"address","outcome":"unavailable","reason":"timeout","at":"TIME","persons":[],"suppressed":[],` +
		`"comparison":[{"item":"name","result":"not_comparable","rule":"unavailable"}]}]}`
	if diff := cmp.Diff(want, steady(a.body)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if got, want := a.header.Get("X-Lookup-Id"), a.json(t)["lookup_id"]; got != want {
		t.Errorf("X-Lookup-Id: got %q, want %q", got, want)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: got %q", got)
	}
}

func TestLookupSaysWhatIsKeptBack(t *testing.T) {
	h := build(t, nil)
	h.openCase("K-1")
	for _, c := range []struct {
		name   string
		shield shield
		why    string
		text   string
	}{
		{"protected", open(true), "protected", "支援措置のため表示しません"},
		{"unread", func([]ledger.AtenaNumber) (ledger.Protected, error) {
			return nil, fault.New(fault.Unavailable, "call protection")
		}, "unread", "支援措置を確認できないため表示しません"},
	} {
		h.next.shield = c.shield
		a := h.ask("POST", "/v1/lookups", "case-worker", lookupOf+`,"sources":["residents"]}`)
		v := a.json(t)
		if v["protection"] != c.why {
			t.Errorf("%s: protection is %v", c.name, v["protection"])
		}
		row := map[string]any{"atena_number": "0000000019", "item": "address", "why": c.why, "text": c.text}
		kept := v["sources"].([]any)[0].(map[string]any)["suppressed"].([]any)
		if !contains(kept, row) {
			t.Errorf("%s: %v is not among %v", c.name, row, kept)
		}
		if bytes.Contains(a.body, []byte("幻町")) || bytes.Contains(a.body, []byte("1234\"")) {
			t.Errorf("%s: the address or the telephone number is in the answer: %s", c.name, a.body)
		}
	}
}

func contains(list []any, want map[string]any) bool {
	for _, v := range list {
		if cmp.Equal(v, any(want)) {
			return true
		}
	}
	return false
}

func TestSearchAnswersAsWritten(t *testing.T) {
	h := build(t, nil)
	var asked ledger.Search
	h.next.find = func(s ledger.Search) ([]ledger.Candidate, error) {
		asked = s
		return []ledger.Candidate{{Household: "0000000500", Facts: childFacts()}}, nil
	}
	const basis = `"reason":"counter","procedure":"certify","purpose":"new"}`
	for date, want := range map[string]string{
		`"2016-05-03"`: "2016-05-03", `"1945-08"`: "1945-08", `"1945"`: "1945",
		`{"precision":"year","value":"1945"}`: "1945", `{"precision":"day","value":"2016-05-03"}`: "2016-05-03",
	} {
		a := h.ask("POST", "/v1/people/search", "case-worker", `{"kana":"かくう はなこ","birth_date":`+date+`,`+basis)
		if a.status != http.StatusOK {
			t.Fatalf("%s: got %d %s", date, a.status, a.body)
		}
		if got := asked.BirthDate.String(); got != want {
			t.Errorf("%s: asked for %q", date, got)
		}
		v := a.json(t)
		if got := v["flags"].([]any); !cmp.Equal(got, []any{"no_case"}) {
			t.Errorf("flags: %v", got)
		}
		c := v["candidates"].([]any)[0].(map[string]any)
		if c["household_number"] != "0000000500" || c["atena_number"] != "0000000019" || len(c["values"].([]any)) != 6 {
			t.Errorf("candidate: %v", c)
		}
	}
	for date, pointer := range map[string]string{
		`"3 May"`: "/birth_date", `20160503`: "/birth_date", `{"precision":"month","value":"1945"}`: "/birth_date",
		`{"value":"1945","more":1}`: "/birth_date", `null`: "/birth_date", `"2016-02-30"`: "/birth_date",
	} {
		a := h.ask("POST", "/v1/people/search", "case-worker", `{"kana":"かくう","birth_date":`+date+`,`+basis)
		if got := at(a.json(t)); a.status != http.StatusUnprocessableEntity || got != pointer {
			t.Errorf("%s: got %d at %q: %s", date, a.status, got, a.body)
		}
	}
}

// at gives the pointer of a problem's first error.
func at(problem map[string]any) string {
	list, _ := problem["errors"].([]any)
	if len(list) == 0 {
		return ""
	}
	return list[0].(map[string]any)["pointer"].(string)
}

func TestTooManyCandidatesAreRefused(t *testing.T) {
	h := build(t, nil)
	h.next.find = func(ledger.Search) ([]ledger.Candidate, error) {
		var all []ledger.Candidate
		for range 21 {
			all = append(all, ledger.Candidate{Facts: childFacts()})
		}
		return all, nil
	}
	a := h.ask("POST", "/v1/people/search", "case-worker", `{"kana":"かくう","birth_date":"2016-05-03","reason":"counter","procedure":"certify","purpose":"new"}`)
	p := a.json(t)
	if a.status != http.StatusUnprocessableEntity || p["code"] != "KKH1121" || p["next_action"] == "" {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

func TestCasesOpenAndClose(t *testing.T) {
	h := build(t, nil)
	for _, c := range []struct {
		path, role, body string
		status           int
		code             string
	}{
		{"/v1/cases", "case-system", `{"case":"K-1","procedure":"certify","persons":["0000000019"]}`, 201, ""},
		{"/v1/cases", "case-system", `{"case":"K-1","procedure":"certify","persons":["0000000019"]}`, 200, ""},
		{"/v1/cases", "case-system", `{"case":"K-1","procedure":"certify","persons":["0000000027"]}`, 409, "KKH1131"},
		{"/v1/cases", "case-worker", `{"case":"K-2","procedure":"certify","persons":["0000000019"]}`, 403, "KKH1213"},
		{"/v1/cases", "case-system", `{"case":"K-2","procedure":"none","persons":["0000000019"]}`, 422, "KKH1108"},
		{"/v1/cases", "case-system", `{"case":"K-2","procedure":"certify","persons":[]}`, 422, "KKH4106"},
		{"/v1/cases/close", "case-system", `{"case":"K-1"}`, 200, ""},
		{"/v1/cases/close", "case-system", `{"case":"K-1"}`, 200, ""},
		{"/v1/cases/close", "case-system", `{"case":"K-9"}`, 404, "KKH1133"},
		{"/v1/cases", "case-system", `{"case":"K-1","procedure":"certify","persons":["0000000019"]}`, 409, "KKH1132"},
	} {
		a := h.ask("POST", c.path, c.role, c.body)
		if code, _ := a.json(t)["code"].(string); a.status != c.status || code != c.code {
			t.Errorf("%s %s: got %d %s, want %d %s", c.path, c.body, a.status, a.body, c.status, c.code)
		}
	}
	a := h.ask("POST", "/v1/lookups", "case-worker", lookupOf+`}`)
	if a.status != http.StatusForbidden || a.json(t)["code"] != "KKH1219" {
		t.Errorf("lookup on a closed case: got %d %s", a.status, a.body)
	}
	if id, _ := a.json(t)["instance"].(string); !strings.HasPrefix(id, "Q-") || id != a.header.Get("X-Lookup-Id") {
		t.Errorf("a refusal that was recorded bears no 照会番号: %s", a.body)
	}
}

func TestRecordIsReadByAuditors(t *testing.T) {
	h := build(t, nil)
	h.openCase("K-1")
	id := h.ask("POST", "/v1/lookups", "case-worker", lookupOf+`}`).json(t)["lookup_id"].(string)
	a := h.ask("POST", "/v1/record/search", "auditor", `{"lookup_id":"`+id+`","atena_number":"0000000019","purpose":"self-inspection"}`)
	v := a.json(t)
	if a.status != http.StatusOK || len(v["entries"].([]any)) != 2 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if kind := v["entries"].([]any)[0].(map[string]any)["kind"]; kind != "outcome" {
		t.Errorf("the newest entry is %v", kind)
	}
	page := h.ask("POST", "/v1/record/search", "auditor", `{"limit":1,"from":"2020-01-01T00:00:00+09:00"}`).json(t)
	next, _ := page["next"].(string)
	if len(page["entries"].([]any)) != 1 || next == "" {
		t.Errorf("a page of one: %v", page)
	}
	if a := h.ask("POST", "/v1/record/search", "auditor", `{"limit":1,"cursor":"`+next+`"}`); a.status != http.StatusOK {
		t.Errorf("next page: %d %s", a.status, a.body)
	}
	for body, pointer := range map[string]string{
		`{"limit":0}`: "/limit", `{"limit":201}`: "/limit", `{"from":"yesterday"}`: "/from", `{"cursor":"??"}`: "/cursor",
		`{"atena_number":"あ"}`: "/atena_number", `{"shoe_size":1}`: "/shoe_size",
	} {
		if a := h.ask("POST", "/v1/record/search", "auditor", body); a.status != 422 || at(a.json(t)) != pointer {
			t.Errorf("%s: got %d %s", body, a.status, a.body)
		}
	}
	if a := h.ask("POST", "/v1/record/search", "case-worker", `{}`); a.status != http.StatusForbidden {
		t.Errorf("a case worker reads the record: %d", a.status)
	}
	export := h.ask("POST", "/v1/record/export", "auditor", `{"purpose":"internal-audit"}`)
	lines := strings.Split(strings.TrimSpace(string(export.body)), "\n")
	if export.status != http.StatusOK || len(lines) < 4 || !strings.HasPrefix(lines[0], "{") {
		t.Errorf("export: %d %s", export.status, export.body)
	}
	if a := h.ask("POST", "/v1/record/export", "case-worker", `{}`); a.status != http.StatusForbidden {
		t.Errorf("a case worker exports the record: %d", a.status)
	}
}

func TestLookupIsProved(t *testing.T) {
	h := build(t, nil)
	h.openCase("K-1")
	id := h.ask("POST", "/v1/lookups", "case-worker", lookupOf+`}`).json(t)["lookup_id"].(string)
	ask := func(role, body string) reply { return h.ask("POST", "/v1/record/proof", role, body) }
	var proved reply
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for proved.status != http.StatusOK {
		select {
		case <-tick.C:
			proved = ask("auditor", `{"lookup_id":"`+id+`","purpose":"internal-audit"}`)
		case <-deadline:
			t.Fatalf("got %d %s", proved.status, proved.body)
		}
	}
	p, err := audit.ParseProof(proved.body)
	if err != nil || len(p.Entries) != 2 || p.Entries[0].Lookup != id {
		t.Errorf("got %+v, %v", p, err)
	}
	found, _, err := h.record.Search(t.Context(), audit.Filter{Kind: audit.Read})
	if err != nil || len(found) == 0 || found[0].Entry.Detail["lookup"] != id || found[0].Entry.Purpose != "internal-audit" {
		t.Errorf("recorded: %+v, %v", found, err)
	}
	if a := ask("case-worker", `{"lookup_id":"`+id+`"}`); a.status != http.StatusForbidden {
		t.Errorf("a case worker proves: %d", a.status)
	}
	if a := ask("auditor", `{"lookup_id":"Q-261124-2222-2222"}`); a.status != http.StatusNotFound || a.json(t)["code"] != "KKH3111" {
		t.Errorf("a lookup that never was: %d %s", a.status, a.body)
	}
	for body, pointer := range map[string]string{`{}`: "/lookup_id", `{"lookup_id":"x"}`: "/lookup_id", `{"lookup_id":"` + id + `","limit":1}`: "/limit"} {
		if a := ask("auditor", body); a.status != 422 || at(a.json(t)) != pointer {
			t.Errorf("%s: got %d %s", body, a.status, a.body)
		}
	}
}

func TestStateIsTold(t *testing.T) {
	h := build(t, nil)
	if a := h.ask("POST", "/v1/probe", "operator", ""); a.status != http.StatusOK || a.json(t)["lookup_id"] == "" {
		t.Errorf("probe: %d %s", a.status, a.body)
	}
	if a := h.ask("POST", "/v1/probe", "case-worker", ""); a.status != http.StatusForbidden {
		t.Errorf("probe by a case worker: %d", a.status)
	}
	if a := h.ask("GET", "/v1/breakers", "case-worker", ""); a.status != http.StatusOK || len(a.json(t)["breakers"].([]any)) != 2 {
		t.Errorf("breakers: %d %s", a.status, a.body)
	}
	if a := h.ask("GET", "/v1/breakers", "nobody", ""); a.status != http.StatusForbidden || a.json(t)["code"] != "KKH1211" {
		t.Errorf("breakers for somebody without a role: %d %s", a.status, a.body)
	}
	if a := h.ask("GET", "/v1/procedures", "case-worker", ""); a.status != http.StatusOK || len(a.json(t)["procedures"].([]any)) != 3 {
		t.Errorf("procedures: %d %s", a.status, a.body)
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/openapi.json", "/problems/KKH1219"} {
		if a := h.ask("GET", path, "", ""); a.status != http.StatusOK {
			t.Errorf("%s without a token: %d", path, a.status)
		}
	}
	h.ready = []web.Probe{{Name: "record", Code: "KKH3101"}, {Name: "issuer", OK: true}}
	a := h.ask("GET", "/readyz", "", "")
	if a.status != http.StatusServiceUnavailable || a.json(t)["status"] != "not_ready" {
		t.Errorf("readyz: %d %s", a.status, a.body)
	}
}

// Whatever is unwritable, nothing is looked up and the answer says so.
func TestUnwritableRecord(t *testing.T) {
	h := build(t, nil)
	h.openCase("K-1")
	asked := false
	h.next.residents = func(ledger.Question) (ledger.Answer, error) { asked = true; return ledger.Answer{}, nil }
	err := store.WithTx(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `CREATE TRIGGER audit_stop BEFORE INSERT ON audit_entry BEGIN SELECT RAISE(ABORT, 'stop'); END`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	a := h.ask("POST", "/v1/lookups", "case-worker", lookupOf+`}`)
	p := a.json(t)
	if a.status != http.StatusServiceUnavailable || p["code"] != "KKH3101" || asked {
		t.Errorf("lookup: got %d %s, asked %v", a.status, a.body, asked)
	}
	r, _ := http.NewRequestWithContext(t.Context(), "POST", h.url+"/v1/lookups", nil)
	r.Header.Set("Authorization", "Bearer a.b.c")
	if a := h.send(r, ""); a.status != http.StatusServiceUnavailable || a.json(t)["code"] != "KKH3101" {
		t.Errorf("refused token: got %d %s", a.status, a.body)
	}
}

func TestRefusedTokensAreRecorded(t *testing.T) {
	h := build(t, nil)
	expired := h.claims("1001")
	expired["exp"] = 1
	other := h.claims("1001")
	other["aud"] = "kakehashi:888888"
	for name, header := range map[string][]string{
		"none": nil, "garbage": {"Bearer a.b.c"}, "basic": {"Basic eDp5"}, "two": {"Bearer " + h.token("case-worker"), "Bearer " + h.token("operator")},
		"expired": {"Bearer " + h.sign(expired)}, "other city": {"Bearer " + h.sign(other)},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", h.url+"/v1/lookups", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header["Authorization"] = header
		a := h.send(r, "{}")
		if a.status != http.StatusUnauthorized || a.json(t)["code"] != "KKH1201" {
			t.Errorf("%s: got %d %s", name, a.status, a.body)
		}
		want := `Bearer realm="kakehashi", error="invalid_token"`
		if name == "none" {
			want = `Bearer realm="kakehashi"`
		}
		if got := a.header.Get("WWW-Authenticate"); got != want {
			t.Errorf("%s: WWW-Authenticate is %q", name, got)
		}
	}
	for _, route := range h.web.Routes() {
		method, path, _ := strings.Cut(route, " ")
		if a := h.ask(method, path, "", ""); strings.HasPrefix(path, "/v1") && a.status != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", route, a.status)
		}
	}
	found, _, err := h.record.Search(t.Context(), audit.Filter{Kind: audit.TokenRefused})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 4 || found[0].Entry.Address != "127.0.0.1" {
		t.Errorf("recorded: %+v", found)
	}
}
