package web_test

import (
	"bytes"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// page checks a page of the console against its golden file.
func (h *house) page(name string, status int, a reply) {
	h.t.Helper()
	if a.status != status {
		h.t.Errorf("%s: status %d, want %d: %s", name, a.status, status, a.body)
	}
	wellBuilt(h.t, a)
	golden(h.t, filepath.Join("testdata", "pages", name+".txt"), readable(h.t, a.body))
}

// hidden gives a hidden field of a page.
func hidden(t *testing.T, a reply, name string) string {
	t.Helper()
	m := regexp.MustCompile(`<input type="hidden" name="` + name + `" value="([^"]*)"`).FindSubmatch(a.body)
	if m == nil {
		t.Fatalf("no hidden field %s: %s", name, a.body)
	}
	return string(m[1])
}

// registering is the registration form as the page of a lookup gives it, filled in.
func (h *house) registering(guardian string, more ...string) url.Values {
	h.t.Helper()
	looked := h.post("/console/lookup", lookingUp("certify", "case", "K-1"))
	if looked.status != http.StatusOK || !bytes.Contains(looked.body, []byte("この子を登録する")) {
		h.t.Fatalf("no registration is offered: %d %s", looked.status, looked.body)
	}
	v := form(append([]string{
		"key", hidden(h.t, looked, "key"), "atena_number", hidden(h.t, looked, "atena_number"), "birth", hidden(h.t, looked, "birth"),
		"choice", hidden(h.t, looked, "choice"), "case", "K-1", "aim", "certify new", "guardian", guardian,
		"applied_era", "令和", "applied_year", "8", "applied_month", "4", "applied_day", "1",
	}, more...)...)
	return v
}

func away() []string {
	return []string{"name", "架空 市外", "kana", "カクウ シガイ", "sex", "女", "address", "幻想県夢見市一丁目1番1号", "born_year", "S60.3.2"}
}

func TestRegistrationPages(t *testing.T) {
	h := build(t, nil)
	h.openCase("K-1")
	v := h.registering("elsewhere", away()...)
	wrong := maps.Clone(v)
	for _, name := range []string{"kana", "sex", "born_year", "applied_day"} {
		wrong[name] = []string{""}
	}
	h.page("register-errors", http.StatusUnprocessableEntity, h.post("/console/register", wrong))
	unchosen := maps.Clone(v)
	unchosen["guardian"] = []string{""}
	if a := h.post("/console/register", unchosen); a.status != http.StatusUnprocessableEntity || !bytes.Contains(a.body, []byte("保護者を選んでください")) {
		t.Errorf("nobody chosen: %d %s", a.status, a.body)
	}
	refused := maps.Clone(v)
	refused["kana"] = []string{"ABC"}
	h.page("register-refused", http.StatusUnprocessableEntity, h.post("/console/register", refused))
	first := h.post("/console/register", v)
	h.page("registered", http.StatusOK, first)
	if !regexp.MustCompile(`content="3;url=/console/beneficiaries/B-[0-9A-Z]{26}/owed\?aim=certify&#43;new&amp;case=K-1"`).Match(first.body) {
		t.Errorf("the page does not look again: %s", first.body)
	}
	corrected := maps.Clone(v) // going back and pressing again with something put right
	corrected["address"] = []string{"幻想県夢見市二丁目2番2号"}
	stale := h.post("/console/register", corrected)
	h.page("register-carried-out", http.StatusUnprocessableEntity, stale)
	if !regexp.MustCompile(`href="/console/beneficiaries/B-[0-9A-Z]{26}\?`).Match(stale.body) || bytes.Contains(stale.body, []byte("冪等")) {
		t.Errorf("the page of a form that was carried out: %s", stale.body)
	}
	again := h.post("/console/register", v)
	if !bytes.Contains(again.body, []byte("二重には行っていません")) {
		t.Errorf("the second click: %d %s", again.status, again.body)
	}
	h.page("register-already", http.StatusConflict, h.post("/console/register", h.registering(string(mother))))
	found := h.post("/console/ledger", form("atena_number", string(child), "case", "K-1", "aim", "certify new"))
	if found.status != http.StatusSeeOther || !strings.HasPrefix(found.header.Get("Location"), "/console/beneficiaries/B-") {
		t.Fatalf("the ledger's page: %d %v", found.status, found.header)
	}
	h.page("beneficiary", http.StatusOK, h.ask("GET", found.header.Get("Location"), "", ""))
	bare, _, _ := strings.Cut(found.header.Get("Location"), "?")
	h.page("beneficiary-without-basis", http.StatusOK, h.ask("GET", bare, "", ""))
	h.page("owed", http.StatusOK, h.ask("GET", bare+"/owed?case=K-1&aim=certify+new", "", ""))
	h.page("owed-at-last", http.StatusOK, h.ask("GET", bare+"/owed?n=10", "", ""))
}

func TestUnregisteredChild(t *testing.T) {
	h := build(t, nil)
	h.openCase("K-1")
	h.page("unregistered", http.StatusOK, h.post("/console/ledger", form("atena_number", string(child), "case", "K-1", "aim", "certify new")))
}

// An adult, and a procedure that registers nobody, are offered no registration.
func TestRegistrationIsOfferedForChildrenAlone(t *testing.T) {
	h := build(t, nil)
	for _, v := range []url.Values{lookingUp("certify", "atena_number", string(mother)), lookingUp("tax-only"), lookingUp("address-only")} {
		if a := h.post("/console/lookup", v); bytes.Contains(a.body, []byte("この子を登録する")) {
			t.Errorf("%v: a registration is offered", v)
		}
	}
}

func TestMailingPages(t *testing.T) {
	h := build(t, nil)
	id, _ := h.registered(registerHere)
	path := "/console/beneficiaries/" + id
	shown := h.ask("GET", path+"?case=K-1&aim=certify+new", "", "")
	v := form("key", hidden(t, shown, "key"), "version", hidden(t, shown, "version"), "case", "K-1", "aim", "certify new",
		"postal_code", "〒９９９－０００１", "address", "架空市幻町二丁目1番", "from_year", "R8.5.1")
	wrong := maps.Clone(v)
	wrong["address"], wrong["from_year"] = []string{""}, []string{""}
	h.page("mailing-errors", http.StatusUnprocessableEntity, h.post(path+"/mailing", wrong))
	h.page("mailing-done", http.StatusOK, h.post(path+"/mailing", v))
	if a := h.post(path+"/mailing", v); !bytes.Contains(a.body, []byte("二重には行っていません")) {
		t.Errorf("the second click: %d %s", a.status, a.body)
	}
	if a := h.press("/v1/beneficiaries/"+id+"/changes", "colleague", "m-2", strings.Replace(mailingOf, `"version":1`, `"version":2`, 1)+`"address":"x",`+why); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	late := maps.Clone(v)
	late["key"], late["version"] = []string{"another"}, []string{"2"}
	conflict := h.post(path+"/mailing", late)
	h.page("mailing-conflict", http.StatusConflict, conflict)
	if !bytes.Contains(conflict.body, []byte(`<a href="`+path+`?aim=certify&#43;new&amp;case=K-1">`)) {
		t.Errorf("the conflict does not lead to what stands: %s", conflict.body)
	}
	h.page("beneficiary-mailing", http.StatusOK, h.ask("GET", path+"?case=K-1&aim=certify+new", "", ""))
}

// A person's number stands in no address that the console gives.
func TestConsoleKeepsPersonsOutOfAddresses(t *testing.T) {
	h := build(t, nil)
	h.openCase("K-1")
	a := h.post("/console/register", h.registering(string(mother)))
	for _, page := range []reply{a, h.post("/console/ledger", form("atena_number", string(child), "case", "K-1", "aim", "certify new"))} {
		for _, m := range regexp.MustCompile(`(?:href|action|content)="([^"]*)"`).FindAllSubmatch(page.body, -1) {
			if bytes.Contains(m[1], []byte("00000000")) {
				t.Errorf("a number stands in %s", m[1])
			}
		}
		if strings.Contains(page.header.Get("Location"), "00000000") {
			t.Errorf("a number stands in %s", page.header.Get("Location"))
		}
	}
}

func TestProtectedBeneficiaryIsConcealedOnThePage(t *testing.T) {
	h := build(t, nil)
	id, _ := h.registered(registerHere)
	h.press("/v1/beneficiaries/"+id+"/changes", "case-worker", "m", mailingOf+`"address":"架空市幻町二丁目1番",`+why)
	h.next.shield = open(true)
	page := h.ask("GET", "/console/beneficiaries/"+id+"?case=K-1&aim=certify+new", "", "")
	wellBuilt(t, page)
	if page.status != http.StatusOK || bytes.Contains(page.body, []byte("幻町")) || !bytes.Contains(page.body, []byte("支援措置の対象です")) {
		t.Errorf("%d %s", page.status, page.body)
	}
}

// The number that came back is on the page that is recorded, and on no other.
func TestNumberComesBackToThePages(t *testing.T) {
	h := build(t, nil)
	id, _ := h.registered(registerAway)
	h.relay()
	h.until("/v1/outbox?all=true&record="+id, "operator", func(a reply) bool {
		return strings.Count(string(a.body), `"state":"delivered"`) == 3
	})
	page := h.ask("GET", "/console/beneficiaries/"+id+"/owed?case=K-1&aim=certify+new", "", "")
	wellBuilt(t, page)
	if !bytes.Contains(page.body, []byte("宛名番号が付きました")) || bytes.Contains(page.body, []byte("refresh")) || bytes.Contains(page.body, []byte(string(newcomer))) {
		t.Errorf("%s", page.body)
	}
	page = h.ask("GET", "/console/beneficiaries/"+id+"?case=K-1&aim=certify+new", "", "")
	wellBuilt(t, page)
	if !bytes.Contains(page.body, []byte(string(newcomer))) {
		t.Error("the number that came back is not on the beneficiary's page")
	}
	record := h.ask("GET", "/console/record", "", "")
	for _, want := range []string{"送信の結果", "統合宛名：届いた", "台帳の変更"} {
		if !bytes.Contains(record.body, []byte(want)) {
			t.Errorf("the record's page does not say %s", want)
		}
	}
}

// A guardian who lives in the city is not numbered as one from elsewhere because the
// registry did not answer: the number can be given.
func TestGuardianIsGivenByNumberWhereTheRegistryIsDown(t *testing.T) {
	h := build(t, nil)
	h.openCase("K-1")
	const unseen = "この子の世帯の人をいま表示できません"
	looked := h.post("/console/lookup", lookingUp("certify", "case", "K-1"))
	if bytes.Contains(looked.body, []byte(unseen)) || !bytes.Contains(looked.body, []byte("宛名番号が分かっている人")) {
		t.Errorf("the registry answered: %s", looked.body)
	}
	h.next.residents = func(ledger.Question) (ledger.Answer, error) {
		return ledger.Answer{}, fault.New(fault.Unavailable, "down").WithReason("timeout")
	}
	looked = h.post("/console/lookup", lookingUp("certify", "case", "K-1"))
	wellBuilt(t, looked)
	for _, want := range []string{"宛名番号が分かっている人", unseen, "照会し直して"} {
		if !bytes.Contains(looked.body, []byte(want)) {
			t.Errorf("the form does not say %s", want)
		}
	}
	if bytes.Contains(looked.body, []byte(`name="choice"`)) {
		t.Error("somebody is offered although the registry did not answer")
	}
	v := form("key", hidden(t, looked, "key"), "atena_number", hidden(t, looked, "atena_number"), "birth", hidden(t, looked, "birth"),
		"unseen", hidden(t, looked, "unseen"), "case", "K-1", "aim", "certify new", "guardian", "numbered",
		"applied_era", "令和", "applied_year", "8", "applied_month", "4", "applied_day", "1")
	missing := h.post("/console/register", v)
	h.page("register-unseen", http.StatusUnprocessableEntity, missing)
	v["guardian_number"] = []string{"0000000035"}
	if a := h.post("/console/register", v); a.status != http.StatusForbidden || !bytes.Contains(a.body, []byte("その案件の対象者ではありません")) {
		t.Errorf("somebody who is not of the case: %d %s", a.status, a.body)
	}
	wide := strings.Map(func(r rune) rune { return r - '0' + '０' }, string(mother))
	v["guardian_number"] = []string{wide}
	done := h.post("/console/register", v)
	if done.status != http.StatusOK || bytes.Contains(done.body, []byte("付番依頼")) {
		t.Errorf("registered by number: %d %s", done.status, done.body)
	}
}
