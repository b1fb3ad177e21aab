package web_test

import (
	"bytes"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	why          = `"case":"K-1","procedure":"certify","purpose":"new"}`
	registerHere = `{"child":{"atena_number":"0000000019","birth_date":"2016-05-03"},"guardian":{"atena_number":"0000000027"},"applied_on":"2026-04-01",` + why
	registerAway = `{"child":{"atena_number":"0000000019","birth_date":"2016-05-03"},"guardian":{"name":"架空　市外","kana":"カクウ　シガイ",` +
		`"birth_date":"1985-03-02","sex":"female","address":"幻想県夢見市一丁目1番1号"},"applied_on":"2026-04-01",` + why
	mailingOf = `{"kind":"mailing_address","effective_on":"2026-05-01","version":1,`
	basisOf   = "?case=K-1&procedure=certify&purpose=new"
)

// press posts a change with a key; "" sends none.
func (h *house) press(path, role, key, body string) reply {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), "POST", h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token(role))
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	return h.send(r, body)
}

// registered registers the child and gives the beneficiary's ID and the first change's.
func (h *house) registered(body string) (id, change string) {
	h.t.Helper()
	h.openCase("K-1")
	a := h.press("/v1/beneficiaries", "case-worker", "key-1", body)
	if a.status != http.StatusCreated {
		h.t.Fatalf("register: %d %s", a.status, a.body)
	}
	v := a.json(h.t)
	return v["id"].(string), v["change_id"].(string)
}

// opaque replaces the names that differ from run to run.
func opaque(b []byte) string {
	text := steady(b)
	for _, c := range []struct{ form, word string }{
		{`"B-[0-9A-Z]{26}"`, `"B"`}, {`"C-[0-9A-Z]{26}`, `"C`}, {`"R-[0-9A-Z]{26}"`, `"R"`},
	} {
		text = regexp.MustCompile(c.form).ReplaceAllString(text, c.word)
	}
	return text
}

func owedRow(change, kind string) string {
	return `{"change_id":"` + change + `","destination":"address","record":"B","kind":"` + kind +
		`","version":1,"state":"pending","attempts":0,"enqueued_at":"TIME","next_at":"TIME","cause":"","question":"","behind":0`
}

func TestRegistrationAnswersAsWritten(t *testing.T) {
	h := build(t, nil)
	h.openCase("K-1")
	a := h.press("/v1/beneficiaries", "case-worker", "key-1", registerAway)
	want := `{"id":"B","number":"0000018","change_id":"C","version":1,"owed":[` +
		strings.Replace(owedRow("C", "person_use"), `"behind":0`, `"behind":1`, 1) + `},` +
		strings.Replace(owedRow("C.1", "numbering"), `"next_at":"TIME"`, `"next_at":""`, 1) + `,"waits_for":"C"}],"waiting":[{"change_id":"C.2","kind":"person_use","for":"atena_number"}],"lookup_id":"Q-ID"}`
	got := regexp.MustCompile(`"number":"\d{7}"`).ReplaceAllString(opaque(a.body), `"number":"0000018"`)
	if diff := cmp.Diff(want, got); a.status != http.StatusCreated || diff != "" {
		t.Errorf("%d, answer (-want +got):\n%s", a.status, diff)
	}
	v := a.json(t)
	if got, want := a.header.Get("Location"), "/v1/beneficiaries/"+v["id"].(string); got != want {
		t.Errorf("Location: got %q, want %q", got, want)
	}
	if got, want := a.header.Get("X-Lookup-Id"), v["lookup_id"]; got != want {
		t.Errorf("X-Lookup-Id: got %q, want %q", got, want)
	}
	again := h.press("/v1/beneficiaries", "case-worker", "key-1", registerAway)
	w := again.json(t)
	if again.status != http.StatusOK || w["id"] != v["id"] || w["change_id"] != v["change_id"] || w["repeated"] != true || w["lookup_id"] == v["lookup_id"] {
		t.Errorf("the same press again: %d %s", again.status, again.body)
	}
}

func TestRegistrationIsRefused(t *testing.T) {
	h := build(t, nil)
	h.registered(registerHere)
	for _, c := range []struct {
		name, role, key, body string
		status                int
		code, pointer         string
	}{
		{"another body", "case-worker", "key-1", registerAway, 422, "KKH1312", ""},
		{"another member", "colleague", "key-1", registerHere, 403, "KKH1313", ""},
		{"registered already", "colleague", "key-2", registerHere, 409, "KKH1311", ""},
		{"no key", "case-worker", "", registerHere, 400, "KKH4109", ""},
		{"a key with a space", "case-worker", "a b", registerHere, 400, "KKH4109", ""},
		{"a long key", "case-worker", strings.Repeat("k", 256), registerHere, 400, "KKH4109", ""},
		{"no child", "case-worker", "k", strings.Replace(registerHere, `"child":{"atena_number":"0000000019","birth_date":"2016-05-03"},`, "", 1), 422, "KKH4106", "/child/atena_number"},
		{"no guardian", "case-worker", "k", strings.Replace(registerHere, `"guardian":{"atena_number":"0000000027"},`, "", 1), 422, "KKH4106", "/guardian"},
		{"no day", "case-worker", "k", strings.Replace(registerHere, `"applied_on":"2026-04-01",`, "", 1), 422, "KKH4106", "/applied_on"},
		{"another sex", "case-worker", "k", strings.Replace(registerAway, "female", "カクウ", 1), 422, "KKH4106", "/guardian/sex"},
		{"no kana", "case-worker", "k", strings.Replace(registerAway, "カクウ　シガイ", "", 1), 422, "KKH1301", "/guardian/kana"},
		{"an operator", "operator", "k", registerHere, 403, "KKH1213", ""},
		{"no purpose", "case-worker", "k", strings.Replace(registerHere, `,"purpose":"new"`, "", 1), 403, "KKH1216", ""},
	} {
		a := h.press("/v1/beneficiaries", c.role, c.key, c.body)
		v := a.json(t)
		if a.status != c.status || v["code"] != c.code {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
		if c.pointer != "" && !strings.Contains(string(a.body), `"pointer":"`+c.pointer+`"`) {
			t.Errorf("%s: does not point at %s: %s", c.name, c.pointer, a.body)
		}
		for _, secret := range []string{"0000000019", "カクウ", "夢見市"} {
			if bytes.Contains(a.body, []byte(secret)) {
				t.Errorf("%s: the problem repeats what was sent: %s", c.name, a.body)
			}
		}
	}
}

func TestMailingAddressIsTakenInEveryForm(t *testing.T) {
	h := build(t, nil)
	id, _ := h.registered(registerHere)
	for i, form := range []string{
		`"mailing_address":"架空市幻町二丁目1番","version":1,`,
		`"mailing_address":{"name":"架空 幻","postal_code":"999-0001","address":"架空市幻町二丁目1番","address_extra":"幻荘101"},"version":2,`,
		`"address":"架空市幻町二丁目1番","postal_code":"9990001","version":3,`,
	} {
		body := strings.Replace(mailingOf, `"version":1,`, form, 1) + why
		a := h.press("/v1/beneficiaries/"+id+"/changes", "case-worker", "m-"+string(rune('a'+i)), body)
		if v := a.json(t); a.status != http.StatusCreated || v["version"] != float64(i+2) {
			t.Errorf("%s: %d %s", form, a.status, a.body)
		}
	}
	a := h.ask("GET", "/v1/beneficiaries/"+id+basisOf, "case-worker", "")
	got, _ := a.json(t)["mailing_address"].(map[string]any)
	want := map[string]any{
		"postal_code": "9990001", "address": "架空市幻町二丁目1番", "effective_on": "2026-05-01", "effective_on_wareki": "令和8年5月1日",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mailing address (-want +got):\n%s", diff)
	}
}

// Whoever is not first is told who was, and when.
func TestConflictSaysWhoWasFirst(t *testing.T) {
	h := build(t, nil)
	id, _ := h.registered(registerHere)
	body := mailingOf + `"mailing_address":"架空市幻町二丁目1番",` + why
	if a := h.press("/v1/beneficiaries/"+id+"/changes", "colleague", "m-1", body); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	a := h.press("/v1/beneficiaries/"+id+"/changes", "case-worker", "m-2", body)
	v := a.json(t)
	at, err := time.Parse(time.RFC3339, v["changed_at"].(string))
	if err != nil {
		t.Fatal(err)
	}
	want := "他の職員（職員番号 1002）が " + at.Format("01/02 15:04") + " に変更しました。内容を確認してください。"
	if a.status != http.StatusConflict || v["code"] != "KKH1310" || v["changed_by"] != "1002" || v["current_version"] != float64(2) || v["detail"] != want {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestAmendmentIsReadStrictly(t *testing.T) {
	h := build(t, nil)
	id, _ := h.registered(registerHere)
	for _, c := range []struct{ name, body, pointer string }{
		{"no kind", `{"effective_on":"2026-05-01","version":1,"address":"x",` + why, "/kind"},
		{"another kind", `{"kind":"tax","effective_on":"2026-05-01","version":1,"address":"x",` + why, "/kind"},
		{"no day", `{"kind":"mailing_address","version":1,"address":"x",` + why, "/effective_on"},
		{"no version", `{"kind":"mailing_address","effective_on":"2026-05-01","address":"x",` + why, "/version"},
		{"version 0", `{"kind":"mailing_address","effective_on":"2026-05-01","version":0,"address":"x",` + why, "/version"},
		{"no address", mailingOf + why, "/mailing_address"},
		{"two addresses", mailingOf + `"mailing_address":"x","address":"y",` + why, "/mailing_address"},
		{"a number", mailingOf + `"mailing_address":1,` + why, "/mailing_address"},
		{"unknown inside", mailingOf + `"mailing_address":{"address":"x","town":"y"},` + why, "/mailing_address/town"},
	} {
		a := h.press("/v1/beneficiaries/"+id+"/changes", "case-worker", "m", c.body)
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(string(a.body), `"pointer":"`+c.pointer+`"`) {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
	for _, path := range []string{"/v1/beneficiaries/B-AAAAAAAAAAAAAAAAAAAAAAAAAA/changes", "/v1/beneficiaries/0000000019/changes"} {
		a := h.press(path, "case-worker", "m", mailingOf+`"address":"x",`+why)
		if a.status != http.StatusNotFound || bytes.Contains(a.body, []byte("0000000019")) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func TestBeneficiaryIsShownAsFarAsTheBasisMaySee(t *testing.T) {
	h := build(t, nil)
	id, _ := h.registered(registerAway)
	named := h.ask("GET", "/v1/beneficiaries/"+id+basisOf, "case-worker", "")
	for _, want := range []string{`"child":{"atena_number":"0000000019","birth_date":"2016-05-03","birth_date_wareki":"平成28年5月3日"}`, `"kana":"カクウ　シガイ"`, `"applied_on_wareki":"令和8年4月1日"`, `"eligible_until":"2035-03-31"`} {
		if !strings.Contains(string(named.body), want) {
			t.Errorf("%s is not in %s", want, named.body)
		}
	}
	unnamed := h.ask("GET", "/v1/beneficiaries/"+id, "case-worker", "")
	if unnamed.status != http.StatusOK || unnamed.json(t)["number"] == "" {
		t.Fatalf("%d %s", unnamed.status, unnamed.body)
	}
	for _, secret := range []string{"0000000019", "カクウ", "夢見市", "2016-05-03"} {
		if bytes.Contains(unnamed.body, []byte(secret)) {
			t.Errorf("without a basis %s is shown", secret)
		}
	}
	for _, path := range []string{"?child=0000000019", "?case=K-1&case=K-2", "?case=%zz", "?Case=K-1"} {
		if a := h.ask("GET", "/v1/beneficiaries/"+id+path, "case-worker", ""); a.status != http.StatusBadRequest || a.json(t)["code"] != "KKH4110" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := h.ask("GET", "/v1/beneficiaries/"+id+"?procedure=certify&purpose=other&case=K-1", "case-worker", ""); a.status != http.StatusForbidden {
		t.Errorf("another purpose: %d", a.status)
	}
}

func TestProtectedBeneficiaryIsConcealed(t *testing.T) {
	h := build(t, nil)
	id, _ := h.registered(registerHere)
	h.press("/v1/beneficiaries/"+id+"/changes", "case-worker", "m", mailingOf+`"address":"架空市幻町二丁目1番",`+why)
	h.next.shield = open(true)
	a := h.ask("GET", "/v1/beneficiaries/"+id+basisOf, "case-worker", "")
	if a.json(t)["protection"] != "protected" || bytes.Contains(a.body, []byte("幻町")) || !bytes.Contains(a.body, []byte(`"suppressed"`)) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestLedgerIsSearched(t *testing.T) {
	h := build(t, nil)
	id, _ := h.registered(registerHere)
	for _, who := range []string{`"child":{"atena_number":"0000000019"}`, `"guardian":{"atena_number":"0000000027"}`} {
		a := h.ask("POST", "/v1/beneficiaries/search", "case-worker", `{`+who+`,`+why)
		found, _ := a.json(t)["beneficiaries"].([]any)
		if a.status != http.StatusOK || len(found) != 1 || found[0].(map[string]any)["id"] != id {
			t.Errorf("%s: %d %s", who, a.status, a.body)
		}
	}
	for _, c := range []struct{ body, pointer string }{
		{`{` + why, ""}, {`{"number":"1","child":{"atena_number":"0000000019"},` + why, ""},
		{`{"child":{"atena_number":""},` + why, "/child/atena_number"}, {`{"guardian":{"atena_number":""},` + why, "/guardian/atena_number"},
	} {
		if a := h.ask("POST", "/v1/beneficiaries/search", "case-worker", c.body); a.status != http.StatusUnprocessableEntity || !strings.Contains(string(a.body), `"pointer":"`+c.pointer+`"`) {
			t.Errorf("%s: %d %s", c.body, a.status, a.body)
		}
	}
}

// A guardian's number comes back, what waited for it is told, and both are seen.
func TestNumberComesBack(t *testing.T) {
	h := build(t, nil)
	id, change := h.registered(registerAway)
	h.relay()
	a := h.until("/v1/outbox?all=true&record="+id, "operator", func(a reply) bool {
		return strings.Count(string(a.body), `"state":"delivered"`) == 3
	})
	if v := a.json(t); v["owed"] != float64(0) || v["next"] != "" {
		t.Errorf("%s", a.body)
	}
	shown := h.ask("GET", "/v1/beneficiaries/"+id+basisOf, "case-worker", "").json(t)
	if got := shown["guardian"].(map[string]any)["atena_number"]; got != string(newcomer) {
		t.Errorf("the guardian's number: got %v", got)
	}
	if got := shown["version"]; got != float64(1) {
		t.Errorf("a number that came raised the version to %v", got)
	}
	one := h.ask("GET", "/v1/outbox/"+change, "operator", "")
	attempts, _ := one.json(t)["attempts"].([]any)
	if len(attempts) != 1 || attempts[0].(map[string]any)["outcome"] != "delivered" {
		t.Errorf("attempts: %s", one.body)
	}
}
