package web

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"

	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/staff"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed static/style.css static/conceal.js
var staticFiles embed.FS

// Console is the pages over the gateway, for the fictional city alone: they have no login of
// their own. Whoever opens them acts with a demo token of the fitting role, which is
// verified, authorised and recorded like any other.
type Console struct {
	Token     func(ctx context.Context, role string) (string, error) // a token of the role
	City      string                                                 // 団体名
	Label     string                                                 // the environment as a word: 架空データ, 検証 or 本番
	Case      string                                                 // what the forms hold at first
	Procedure string
	Purpose   string
	Reason    string
	Examples  []Example                                   // people to try with, on the search page
	Verify    func(context.Context) (Verification, error) // verifies the record; nil: not offered
}

// Example is a fictional person whom the search page offers to try with.
type Example struct {
	About, Kana, Birth, Case string // Birth as a person would write it: 2016-05-03
}

// Verification is what a verification of the record found.
type Verification struct {
	OK       bool
	Entries  int64
	Sealed   int64
	Unproved int64
	Problems []string // in plain Japanese
}

// page is what every page shows around its body.
type page struct {
	Base     string // what stands before every path
	Title    string
	City     string
	Label    string
	Who      string // who acts, as the header says it
	At       string
	LookupID string
	Here     string // the entry of the menu that this page is; empty: none
	Body     any

	Refresh   string // address to which the browser goes by itself; empty: it stays
	RefreshIn int    // after so many seconds
}

// parsePages reads the templates: one set for each page, with the frame.
func parsePages() (map[string]*template.Template, error) {
	names, err := fs.Glob(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fault.New(fault.Internal, "list the pages: %w", err)
	}
	shared := []string{"pages/frame.html", "pages/parts.html"}
	pages := map[string]*template.Template{}
	for _, name := range names {
		if slices.Contains(shared, name) {
			continue
		}
		t, err := template.New("frame.html").ParseFS(pageFiles, append(shared, name)...)
		if err != nil {
			return nil, fault.New(fault.Internal, "parse a page: %w", err)
		}
		pages[strings.TrimSuffix(strings.TrimPrefix(name, "pages/"), ".html")] = t
	}
	return pages, nil
}

// mountConsole adds the console's addresses.
func (w *Web) mountConsole(mux *http.ServeMux) {
	for _, r := range []route{
		{method: "GET", path: "/console/{$}", serve: (*exchange).searchPage},
		{method: "POST", path: "/console/people", serve: (*exchange).candidatesPage},
		{method: "POST", path: "/console/lookup", serve: (*exchange).lookupPage},
		{method: "POST", path: "/console/register", serve: (*exchange).registerPage},
		{method: "POST", path: "/console/ledger", serve: (*exchange).ledgerPage},
		{method: "GET", path: "/console/beneficiaries/{id}", serve: (*exchange).beneficiaryPage},
		{method: "GET", path: "/console/beneficiaries/{id}/owed", serve: (*exchange).owedPage},
		{method: "POST", path: "/console/beneficiaries/{id}/mailing", serve: (*exchange).mailingPage},
		{method: "GET", path: "/console/outbox", serve: (*exchange).outboxPage},
		{method: "GET", path: "/console/outbox/{change_id}", serve: (*exchange).changePage},
		{method: "POST", path: "/console/outbox/plan", serve: (*exchange).planPage},
		{method: "POST", path: "/console/outbox/confirm", serve: (*exchange).confirmPage},
		{method: "POST", path: "/console/outbox/answer", serve: (*exchange).answerPage},
		{method: "POST", path: "/console/outbox/undo", serve: (*exchange).undoPage},
		{method: "GET", path: "/console/outbox/replays/{id}", serve: (*exchange).replayPage},
		{method: "POST", path: "/console/outbox/replays/{id}/stop", serve: (*exchange).stopPage},
		{method: "POST", path: "/console/outbox/replays/{id}/resume", serve: (*exchange).resumePage},
		{method: "GET", path: "/console/inbox", serve: (*exchange).inboxPage},
		{method: "POST", path: "/console/inbox", serve: (*exchange).pressInboxPage},
		{method: "GET", path: "/console/breakers", serve: (*exchange).breakersPage},
		{method: "GET", path: "/console/record", serve: (*exchange).recordPage},
		{method: "POST", path: "/console/record/verify", serve: (*exchange).verifyPage},
		{method: "GET", path: "/console/help", serve: (*exchange).helpPage},
		{method: "GET", path: "/console/help/{name}", serve: (*exchange).helpPage},
	} {
		mux.Handle(r.method+" "+r.path, w.observe(r.path, false, guarded(r.serve)))
	}
	mux.Handle("/console/", w.observe("/console/", false, guarded((*exchange).unknownPath)))
}

// guarded lets a request to the console through only when it comes from the console itself
// and was made to this machine by name: without a login, another site in the same browser
// must not be able to ask for somebody, nor to read the answer under a name of its own.
func guarded(serve func(*exchange) error) func(*exchange) error {
	protection := http.NewCrossOriginProtection()
	return func(x *exchange) error {
		x.html = true
		if !x.web.ownHost(x.r.Host) || protection.Check(x.r) != nil {
			return fault.New(fault.Denied, "the console was called from elsewhere").WithCode(codeOrigin)
		}
		return serve(x)
	}
}

// ownHost tells whether the Host header names this machine, or the address that is listened on.
func (w *Web) ownHost(header string) bool {
	host, _, err := net.SplitHostPort(header)
	if err != nil {
		host = strings.Trim(header, "[]")
	}
	own, _, err := net.SplitHostPort(w.cfg.Address)
	return loopback(host) || err == nil && own != "" && host == own
}

// actAs makes the exchange that of the demo's member of the role.
func (x *exchange) actAs(role staff.Role) error {
	token, err := x.web.rooms.Console.Token(x.r.Context(), string(role))
	if err != nil {
		return fault.New(fault.Internal, "make a token for the console").WithCode(codeInternal)
	}
	x.role = role
	return x.identify(token)
}

// render sends a page.
func (x *exchange) render(status int, name string, p page) error {
	p.At = x.web.now().In(jst).Format("2006-01-02 15:04:05")
	p.Base, p.LookupID = x.web.cfg.Base, string(x.id)
	if c := x.web.rooms.Console; c != nil {
		p.City, p.Label = c.City, c.Label
	}
	if x.who.Staff != "" {
		p.Who = x.who.Staff + "（" + x.who.Department + "・" + roleWord(x.role) + "）"
	}
	var body bytes.Buffer
	if err := x.web.pages[name].Execute(&body, p); err != nil {
		return fault.New(fault.Internal, "render page %s", name).WithCode(codeInternal)
	}
	x.pageHeaders()
	x.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	x.write(status, body.Bytes())
	return nil
}

// pageHeaders keep a page from loading, leaking or being framed by anything foreign.
func (x *exchange) pageHeaders() {
	h := x.w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "+
		"form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Language", "ja")
	if x.id != "" {
		h.Set("X-Lookup-Id", string(x.id))
	}
}

// errorPage answers with a page that says what happened and what to do.
func (x *exchange) errorPage(p problem) {
	err := x.render(p.Status, "problem", page{Title: p.Title, Body: &p})
	if err != nil { // the page of last resort
		x.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		x.write(http.StatusInternalServerError, []byte("表示できませんでした（"+codeInternal+"）"))
	}
}

// staticFile serves the style sheet and the script of the pages.
func (x *exchange) staticFile() error {
	name := x.r.PathValue("name")
	body, err := staticFiles.ReadFile("static/" + name)
	if err != nil {
		return x.unknownPath()
	}
	x.pageHeaders()
	kind := "text/css; charset=utf-8"
	if strings.HasSuffix(name, ".js") {
		kind = "text/javascript; charset=utf-8"
	}
	x.w.Header().Set("Content-Type", kind)
	x.write(http.StatusOK, body)
	return nil
}

// form reads the posted form; what stands in the URL is not part of it.
func (x *exchange) form() error {
	x.r.Body = http.MaxBytesReader(x.w, x.r.Body, bodyLimit)
	if err := x.r.ParseForm(); err != nil {
		return fault.New(fault.Invalid, "the form cannot be read").WithCode(codeSyntax)
	}
	return nil
}

// field gives a field of the posted form without the spaces around it.
func (x *exchange) field(name string) string { return strings.TrimSpace(x.r.PostForm.Get(name)) }

// choices lists the procedures for a form.
func choices(g *gateway.Gateway) []procedureAnswer {
	var list []procedureAnswer
	for _, p := range g.Procedures() {
		list = append(list, procedureAnswer{
			ID: p.ID, Name: p.Name, LegalBasis: p.LegalBasis,
			Purposes: spellCodes(p.Purposes), WithoutCase: spellCodes(p.WithoutCase),
		})
	}
	return list
}
