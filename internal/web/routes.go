package web

import (
	"net"
	"net/http"
	"slices"
	"strings"

	"kakehashi/internal/fault"
)

// route is one address of the API.
type route struct {
	method string
	path   string
	quiet  bool // not logged unless it fails: asked for by machines, all the time
	token  bool // who asks is verified first
	serve  func(*exchange) error
}

// table lists every address of the API. /openapi.json describes the same, and a test holds
// the two against each other.
func (w *Web) table() []route {
	return []route{
		{method: "POST", path: "/v1/lookups", token: true, serve: (*exchange).lookup},
		{method: "POST", path: "/v1/people/search", token: true, serve: (*exchange).search},
		{method: "POST", path: "/v1/cases", token: true, serve: (*exchange).openCase},
		{method: "POST", path: "/v1/cases/close", token: true, serve: (*exchange).closeCase},
		{method: "POST", path: "/v1/beneficiaries", token: true, serve: (*exchange).register},
		{method: "POST", path: "/v1/beneficiaries/search", token: true, serve: (*exchange).searchLedger},
		{method: "GET", path: "/v1/beneficiaries/{id}", token: true, serve: (*exchange).showBeneficiary},
		{method: "POST", path: "/v1/beneficiaries/{id}/changes", token: true, serve: (*exchange).amend},
		{method: "GET", path: "/v1/outbox", token: true, serve: (*exchange).listOutbox},
		{method: "GET", path: "/v1/outbox/{change_id}", token: true, serve: (*exchange).showChange},
		{method: "GET", path: "/v1/outbox/replays", token: true, serve: (*exchange).listReplays},
		{method: "POST", path: "/v1/outbox/replays", token: true, serve: (*exchange).replayChanges},
		{method: "GET", path: "/v1/outbox/replays/{id}", token: true, serve: (*exchange).showReplay},
		{method: "POST", path: "/v1/outbox/replays/{id}/stop", token: true, serve: (*exchange).stopReplay},
		{method: "POST", path: "/v1/outbox/replays/{id}/resume", token: true, serve: (*exchange).resumeReplay},
		{method: "POST", path: "/v1/outbox/discards", token: true, serve: (*exchange).discardChanges},
		{method: "POST", path: "/v1/outbox/answers", token: true, serve: (*exchange).answerChange},
		{method: "POST", path: "/v1/outbox/discards/undo", token: true, serve: (*exchange).undoDiscard},
		{method: "GET", path: "/v1/inbox", token: true, serve: (*exchange).listInbox},
		{method: "POST", path: "/v1/inbox/replays", token: true, serve: (*exchange).replayNotices},
		{method: "POST", path: "/v1/inbox/discards", token: true, serve: (*exchange).discardNotices},
		{method: "POST", path: "/v1/notices", token: true, serve: (*exchange).takeNotice},
		{method: "POST", path: "/v1/record/search", token: true, serve: (*exchange).searchRecord},
		{method: "POST", path: "/v1/record/export", token: true, serve: (*exchange).exportRecord},
		{method: "POST", path: "/v1/record/proof", token: true, serve: (*exchange).proveLookup},
		{method: "POST", path: "/v1/probe", token: true, serve: (*exchange).probe},
		{method: "GET", path: "/v1/procedures", token: true, serve: (*exchange).procedures},
		{method: "GET", path: "/v1/breakers", token: true, serve: (*exchange).breakers},
		{method: "GET", path: "/healthz", quiet: true, serve: (*exchange).healthy},
		{method: "GET", path: "/readyz", quiet: true, serve: (*exchange).ready},
		{method: "GET", path: "/metrics", quiet: true, serve: (*exchange).metrics},
		{method: "GET", path: "/openapi.json", quiet: true, serve: (*exchange).openAPI},
		{method: "GET", path: "/problems/{code}", quiet: true, serve: (*exchange).problemPage},
	}
}

// Routes names every address of the API as method and pattern, for whoever holds the
// description against them.
func (w *Web) Routes() []string {
	var names []string
	for _, r := range w.table() {
		names = append(names, r.method+" "+r.path)
	}
	return names
}

// routes mounts the table, and answers for every other address and method.
func (w *Web) routes() *http.ServeMux {
	mux := http.NewServeMux()
	table := w.table()
	for _, r := range table {
		serve := r.serve
		if r.token {
			serve = authenticated(serve)
		}
		mux.Handle(r.method+" "+r.path, w.observe(r.path, r.quiet, serve))
	}
	refusals := w.refusals(table)
	for _, r := range refusals { // a wildcard that takes GET would take this path for one of its own
		if !r.get && !strings.Contains(r.path, "{") {
			mux.Handle("GET "+r.path, r.handler)
		}
	}
	mux.Handle("GET /static/{name}", w.observe("/static/{name}", true, (*exchange).staticFile))
	unknown := w.observe("unknown", false, (*exchange).unknownPath)
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		handler := unknown
		if i := slices.IndexFunc(refusals, func(f refusal) bool { return matches(f.path, r.URL.Path) }); i >= 0 {
			handler = refusals[i].handler
		}
		handler.ServeHTTP(rw, r)
	})
	if w.rooms.Console != nil {
		w.mountConsole(mux)
	}
	return mux
}

// refusal is what answers at an address for a method that it does not take. It is found by
// hand: the patterns of net/http do not let a path without wildcards answer for all methods
// beside a wildcard that takes one.
type refusal struct {
	path    string
	get     bool // whether GET is taken
	handler http.Handler
}

// refusals gives one for each path of the table, those without wildcards first.
func (w *Web) refusals(table []route) []refusal {
	var list []refusal
	for _, r := range table {
		if slices.ContainsFunc(list, func(f refusal) bool { return f.path == r.path }) {
			continue
		}
		var allow []string
		for _, same := range table {
			if same.path == r.path {
				allow = append(allow, same.method)
			}
		}
		get := slices.Contains(allow, http.MethodGet)
		if get {
			allow = append(allow, http.MethodHead)
		}
		list = append(list, refusal{path: r.path, get: get, handler: w.observe(r.path, false, func(*exchange) error {
			return fault.New(fault.Invalid, "method: %w", notAllowed(strings.Join(allow, ", "))).WithCode(codeMethod)
		})})
	}
	slices.SortStableFunc(list, func(a, b refusal) int { return strings.Count(a.path, "{") - strings.Count(b.path, "{") })
	return list
}

// matches tells whether a path is one of the pattern's.
func matches(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i, segment := range want {
		if segment != got[i] && (!strings.HasPrefix(segment, "{") || got[i] == "") {
			return false
		}
	}
	return true
}

// authenticated puts the verification of the token before an endpoint.
func authenticated(serve func(*exchange) error) func(*exchange) error {
	return func(x *exchange) error {
		if err := x.authenticate(); err != nil {
			return err
		}
		return serve(x)
	}
}

// authenticate finds out who asks.
func (x *exchange) authenticate() error {
	token, err := bearer(x.r.Header)
	if err != nil {
		return x.refuse(err)
	}
	return x.identify(token)
}

// identify verifies the token and makes its bearer the one who asks.
func (x *exchange) identify(token string) (err error) {
	if x.who, err = x.web.rooms.Tokens.Verify(x.r.Context(), token); err != nil {
		return x.refuse(err)
	}
	return nil
}

// refuse records that a token was refused, and gives the refusal back; or, where it cannot
// be recorded, that.
func (x *exchange) refuse(err error) error {
	cause := fault.Find(err).Reason
	if cause == "" {
		cause = fault.KindOf(err).String()
	}
	if unkept := x.web.rooms.Gateway.TokenRefused(x.r.Context(), cause, remote(x.r)); unkept != nil {
		return unkept
	}
	return err
}

// bearer takes the token out of the header; "" where there is none. More than one header,
// or another scheme, is malformed.
func bearer(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return "", nil
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(token) == "" {
		return "", fault.New(fault.Denied, "the header holds no bearer token").WithCode(codeToken).WithReason("malformed")
	}
	return strings.TrimSpace(token), nil
}

// remote gives the address of who called, as the connection knows it. What a header says
// of it could be anything.
func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// named turns plain texts into named ones.
func named[T ~string](list []string) []T {
	out := make([]T, len(list))
	for i, s := range list {
		out[i] = T(s)
	}
	return out
}
