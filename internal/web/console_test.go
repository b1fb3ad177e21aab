package web_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/web"
)

var update = flag.Bool("update", false, "write the golden files anew")

// post sends a form of the console.
func (h *house) post(path string, form url.Values) reply {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), "POST", h.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return h.send(r, "")
}

// form makes a form of pairs.
func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

func searching(more ...string) url.Values {
	return form(append([]string{"kana", "かくう", "era", "平成", "year", "28", "month", "5", "day", "3", "case", "K-1", "aim", "certify new"}, more...)...)
}

func lookingUp(procedure string, more ...string) url.Values {
	return form(append([]string{"atena_number", "0000000019", "reason", "counter", "aim", procedure + " new"}, more...)...)
}

func answering(o ledger.Outcome, reason string) source {
	return func(ledger.Question) (ledger.Answer, error) {
		return ledger.Answer{Outcome: o, Reason: reason, Since: time.Date(2026, 11, 20, 9, 0, 0, 0, time.FixedZone("JST", 9*60*60))}, nil
	}
}

func failing(kind fault.Kind, reason string) source {
	return func(ledger.Question) (ledger.Answer, error) {
		return ledger.Answer{}, fault.New(kind, "call").WithReason(reason).WithRetry(time.Now().Add(time.Minute))
	}
}

func undeclared(ledger.Question) (ledger.Answer, error) {
	f := taxFacts(mother, ledger.Undeclared)
	f.Outcome, f.Reason = ledger.NoRecord, ledger.ReasonUndeclared
	return ledger.Answer{Outcome: ledger.NoRecord, Reason: ledger.ReasonUndeclared, Persons: []ledger.Facts{f}}, nil
}

// state is one page in one state: what the neighbours say and what is asked.
type state struct {
	name   string
	next   func(*neighbours)
	path   string
	form   url.Values // nil: a GET
	status int
}

func states() []state {
	every := func(s source) func(*neighbours) {
		return func(n *neighbours) { n.residents, n.tax, n.address = s, s, s }
	}
	protected := func(n *neighbours) { n.shield = open(true) }
	return []state{
		{name: "search", path: "/console/"},
		{name: "search-errors", path: "/console/people", form: form("era", "西暦", "year", "2016", "month", "13"), status: 422},
		{name: "search-denied", path: "/console/people", form: searching("case", "K-404"), status: 403},
		{name: "candidates", path: "/console/people", form: searching()},
		{name: "candidates-none", path: "/console/people", form: searching(),
			next: func(n *neighbours) { n.find = func(ledger.Search) ([]ledger.Candidate, error) { return nil, nil } }},
		{name: "candidates-protected", path: "/console/people", form: searching(), next: protected},
		{name: "candidates-shifted", path: "/console/people", form: searching("case", "", "reason", "counter", "year", "31", "month", "6", "day", "1")},
		{name: "search-away", path: "/console/people", form: searching(), status: 503, next: func(n *neighbours) {
			n.find = func(ledger.Search) ([]ledger.Candidate, error) {
				return nil, fault.New(fault.Unavailable, "call address").WithReason("timeout")
			}
		}},
		{name: "found", path: "/console/lookup", form: lookingUp("certify")},
		{name: "no-person", path: "/console/lookup", form: lookingUp("certify"), next: every(answering(ledger.NoPerson, ""))},
		{name: "no-record-undeclared", path: "/console/lookup", form: lookingUp("certify"), next: every(undeclared)},
		{name: "no-record-not-here", path: "/console/lookup", form: lookingUp("certify"), next: every(answering(ledger.NoRecord, ledger.ReasonNotHere))},
		{name: "no-record-not-asked", path: "/console/lookup", form: lookingUp("certify"), next: every(answering(ledger.NoRecord, ledger.ReasonNotAsked))},
		{name: "pending", path: "/console/lookup", form: lookingUp("certify"), next: every(answering(ledger.Pending, ""))},
		{name: "unavailable-timeout", path: "/console/lookup", form: lookingUp("certify"), next: every(failing(fault.Unavailable, "timeout"))},
		{name: "unavailable-breaker", path: "/console/lookup", form: lookingUp("certify"), next: every(failing(fault.Unavailable, "breaker_open"))},
		{name: "unavailable-internal", path: "/console/lookup", form: lookingUp("certify"), next: every(failing(fault.Internal, ""))},
		{name: "forbidden-neighbour", path: "/console/lookup", form: lookingUp("certify"), next: every(failing(fault.Denied, ""))},
		{name: "forbidden-procedure", path: "/console/lookup", form: lookingUp("tax-only")},
		{name: "suppressed", path: "/console/lookup", form: lookingUp("address-only"), next: protected},
		{name: "protected", path: "/console/lookup", form: lookingUp("certify", "case", "K-1"), next: protected},
		{name: "unread", path: "/console/lookup", form: lookingUp("certify"), next: func(n *neighbours) {
			n.shield = func([]ledger.AtenaNumber) (ledger.Protected, error) {
				return nil, fault.New(fault.Unavailable, "call protection")
			}
		}},
		{name: "compared", path: "/console/lookup", form: lookingUp("certify", "compare_name", "架空 花江", "compare_birth_date", "H28.5.3",
			"compare_phone", "000-0000-1234", "compare_postal_code", "0000001", "compare_tax_class", "課税")},
		{name: "denied", path: "/console/lookup", form: lookingUp("certify", "case", "K-1", "atena_number", "0000000035"), status: 403},
		{name: "breakers", path: "/console/breakers"},
		{name: "verified", path: "/console/record/verify", form: form("x", "")},
		{name: "help", path: "/console/help"},
		{name: "nowhere", path: "/console/nowhere", status: 404},
		{name: "notice", path: "/problems/KKH1219"},
	}
}

// Every page in every state says what it should, and is built as a page must be.
func TestPages(t *testing.T) {
	for _, s := range states() {
		t.Run(s.name, func(t *testing.T) {
			h := build(t, nil)
			h.openCase("K-1")
			if s.next != nil {
				s.next(h.next)
			}
			var a reply
			if s.form == nil {
				a = h.ask("GET", s.path, "", "")
			} else {
				a = h.post(s.path, s.form)
			}
			if want := max(s.status, http.StatusOK); s.status == 0 && a.status != want || s.status != 0 && a.status != s.status {
				t.Errorf("status %d: %s", a.status, a.body)
			}
			wellBuilt(t, a)
			golden(t, filepath.Join("testdata", "pages", s.name+".txt"), readable(t, a.body))
		})
	}
}

// Whatever happens to tax, nothing on the page says that a person is exempt.
func TestUnavailableTaxIsNeverExempt(t *testing.T) {
	for _, s := range states() {
		text, err := os.ReadFile(filepath.Join("testdata", "pages", s.name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte(ledger.Exempt)) {
			t.Errorf("%s says 非課税", s.name)
		}
	}
	h := build(t, nil)
	h.next.tax = found(taxFacts(child, ledger.NoTaxData), taxFacts(mother, ledger.Exempt))
	if a := h.post("/console/lookup", lookingUp("certify")); !bytes.Contains(a.body, []byte(ledger.Exempt)) {
		t.Error("an exempt person is not shown as such: the check above proves nothing")
	}
}

// A protected person's whereabouts are nowhere on the page, whatever is asked.
func TestPagesConceal(t *testing.T) {
	h := build(t, nil)
	h.next.shield = open(true)
	for _, a := range []reply{
		h.post("/console/people", searching("case", "", "reason", "counter", "address", "架空市幻町")),
		h.post("/console/lookup", lookingUp("certify")),
		h.post("/console/lookup", lookingUp("certify", "compare_phone", "000")),
	} {
		if a.status != http.StatusOK || bytes.Contains(a.body, []byte("幻町一丁目")) || bytes.Contains(a.body, []byte("0000-1234")) {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}

// Another site, or another name for this machine, gets nothing.
func TestConsoleIsGuarded(t *testing.T) {
	h := build(t, nil)
	for name, change := range map[string]func(*http.Request){
		"another origin":    func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") },
		"another site":      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"another host name": func(r *http.Request) { r.Host = "evil.example" },
	} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", h.url+"/console/lookup", strings.NewReader(lookingUp("certify").Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		change(r)
		if a := h.send(r, ""); a.status != http.StatusForbidden || bytes.Contains(a.body, []byte("花子")) {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", h.url+"/console/lookup", strings.NewReader(lookingUp("certify").Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", h.url)
	r.Host = strings.Replace(strings.TrimPrefix(h.url, "http://"), "127.0.0.1", "localhost", 1)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if a := h.send(r, ""); a.status != http.StatusOK {
		t.Errorf("the console itself: %d", a.status)
	}
}

// Without a console in the rooms there is none.
func TestNoConsole(t *testing.T) {
	h := build(t, func(_ *house, r *web.Rooms) { r.Console = nil })
	for _, path := range []string{"/console/", "/console/record", "/console"} {
		if a := h.ask("GET", path, "", ""); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	a := h.ask("GET", "/problems/KKH1219", "", "")
	if a.status != http.StatusOK || bytes.Contains(a.body, []byte("/console/")) {
		t.Errorf("the page of a message leads to a console that is not there: %s", a.body)
	}
	if a := h.ask("GET", "/static/style.css", "", ""); a.status != http.StatusOK || a.header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("style: %d %v", a.status, a.header)
	}
}

func TestRecordPageShowsWhatWasDone(t *testing.T) {
	h := build(t, nil)
	h.openCase("K-1")
	id := h.ask("POST", "/v1/lookups", "case-worker", lookupOf+`}`).json(t)["lookup_id"].(string)
	a := h.ask("GET", "/console/record", "", "")
	wellBuilt(t, a)
	for _, want := range []string{id, "照会", "1001", "K-1", "2 人", "課税区分：回答あり"} {
		if !bytes.Contains(a.body, []byte(want)) {
			t.Errorf("the record does not show %q", want)
		}
	}
	if bytes.Contains(a.body, []byte("0000000019")) {
		t.Error("the list of the record shows a person's number")
	}
	if bytes.Contains(a.body, []byte("3 人")) {
		t.Error("a person in two roles is counted twice")
	}
}

func TestVerificationFindsAProblem(t *testing.T) {
	h := build(t, func(_ *house, r *web.Rooms) { r.Console.Verify = nil })
	if a := h.post("/console/record/verify", form()); a.status != http.StatusNotFound {
		t.Errorf("a verification that is not offered: %d", a.status)
	}
	if a := h.ask("GET", "/console/record", "", ""); bytes.Contains(a.body, []byte("検証する")) {
		t.Error("a verification is offered that there is not")
	}
}

// wellBuilt checks what a reader with a keyboard or a screen reader needs, and that nothing
// on the page breaks its own policy.
func wellBuilt(t *testing.T, a reply) {
	t.Helper()
	if a.header.Get("Content-Type") != "text/html; charset=utf-8" || a.header.Get("Cache-Control") != "no-store" ||
		!strings.HasPrefix(a.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("headers: %v", a.header)
	}
	p := parse(t, a.body)
	if n := p.count["h1"]; n != 1 || p.count["main"] != 1 || p.count["title"] != 1 {
		t.Errorf("%d h1, %d main", n, p.count["main"])
	}
	for id, n := range p.ids {
		if n > 1 {
			t.Errorf("id %s stands %d times", id, n)
		}
	}
	for _, wanted := range p.references {
		if p.ids[wanted] == 0 {
			t.Errorf("nothing has the id %q that is referred to", wanted)
		}
	}
	for _, input := range p.inputs {
		if !slices.Contains(p.labels, input) {
			t.Errorf("input %q has no label", input)
		}
	}
	for _, wrong := range p.wrong {
		t.Error(wrong)
	}
}

// parsed is what the checks need of a page.
type parsed struct {
	count              map[string]int
	ids                map[string]int
	references, labels []string
	inputs, wrong      []string
}

func parse(t *testing.T, body []byte) parsed {
	t.Helper()
	p := parsed{count: map[string]int{}, ids: map[string]int{}}
	d := xml.NewDecoder(bytes.NewReader(body))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return p
		}
		if err != nil {
			t.Fatalf("the page is not well formed: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok {
			p.element(e)
		}
	}
}

func (p *parsed) element(e xml.StartElement) {
	name := e.Name.Local
	p.count[name]++
	of := map[string]string{}
	for _, a := range e.Attr {
		of[a.Name.Local] = a.Value
		if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "style" || a.Name.Local == "placeholder" {
			p.wrong = append(p.wrong, name+" bears "+a.Name.Local)
		}
	}
	if id := of["id"]; id != "" {
		p.ids[id]++
	}
	p.references = append(p.references, strings.Fields(of["aria-describedby"]+" "+of["aria-labelledby"]+" "+of["for"])...)
	if target, found := strings.CutPrefix(of["href"], "#"); found {
		p.references = append(p.references, target)
	}
	switch {
	case name == "html" && of["lang"] != "ja":
		p.wrong = append(p.wrong, "the language is not said")
	case name == "label":
		p.labels = append(p.labels, of["for"])
	case (name == "input" && of["type"] != "hidden") || name == "select":
		p.inputs = append(p.inputs, of["id"])
	case name == "th" && of["scope"] == "":
		p.wrong = append(p.wrong, "a th without scope")
	case name == "form" && of["method"] != "post":
		p.wrong = append(p.wrong, "a form that puts its values into the URL")
	case name == "svg" && of["aria-hidden"] != "true":
		p.wrong = append(p.wrong, "a shape that is read out")
	case of["class"] == "scroll" && (of["tabindex"] != "0" || of["aria-label"] == "" || of["role"] != "region"):
		p.wrong = append(p.wrong, "a table that cannot be scrolled by keyboard")
	case strings.Contains(of["href"]+of["action"]+of["src"], "0000000019"):
		p.wrong = append(p.wrong, "a person's number in a URL")
	}
}

// readable gives the text of a page's main part, one element a line, with what differs from
// run to run replaced.
func readable(t *testing.T, body []byte) string {
	t.Helper()
	_, main, ok := strings.Cut(string(body), "<main")
	if !ok {
		t.Fatalf("no main part: %s", body)
	}
	main, _, _ = strings.Cut("<main"+main, "</main>")
	main = regexp.MustCompile(`<input type="hidden"[^>]*>`).ReplaceAllString(main, "")
	main = regexp.MustCompile(`<(input|select)[^>]*name="([a-z_]+)"[^>]*?(?: value="([^"]*)")?[^>]*>`).ReplaceAllString(main, "[$2]")
	main = regexp.MustCompile(`</(td|th|dt|span|label|option)>`).ReplaceAllString(main, " ")
	main = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(main, "")
	main = regexp.MustCompile(`Q-\d{6}-[2-9A-Z]{4}-[2-9A-Z]{4}`).ReplaceAllString(main, "Q-ID")
	for _, c := range []struct{ form, word string }{
		{`\d{2}/\d{2} \d{2}:\d{2}:\d{2}`, "TIME"}, {`\d{2}/\d{2} \d{2}:\d{2}`, "MINUTE"},
		{`B-[0-9A-Z]{26}`, "B-ID"}, {`C-[0-9A-Z]{26}`, "C-ID"}, {`R-[0-9A-Z]{26}`, "R-ID"}, {`\b[0-9a-f]{12}\b`, "DIGEST"}, {`\d+秒`, "AGE"},
	} {
		main = regexp.MustCompile(c.form).ReplaceAllString(main, c.word)
	}
	var lines []string
	for line := range strings.SplitSeq(main, "\n") {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestGaijiIsShownAsSuch(t *testing.T) {
	h := build(t, nil)
	named := childFacts()
	named.Values[0].Text = "架\ue0a1 花子"
	h.next.residents = found(named)
	a := h.post("/console/lookup", lookingUp("certify"))
	if !bytes.Contains(a.body, []byte("架〓 花子（〓は外字")) || bytes.ContainsRune(a.body, '\ue0a1') {
		t.Error("a 外字 is not marked as one")
	}
}
