package web

import (
	"net"
	"net/http"
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
	for _, r := range w.table() {
		serve := r.serve
		if r.token {
			serve = authenticated(serve)
		}
		mux.Handle(r.method+" "+r.path, w.observe(r.path, r.quiet, serve))
		allow := r.method
		if allow == http.MethodGet {
			allow = "GET, HEAD"
		}
		mux.Handle(r.path, w.observe(r.path, false, func(*exchange) error {
			return fault.New(fault.Invalid, "method: %w", notAllowed(allow)).WithCode(codeMethod)
		}))
	}
	mux.Handle("GET /static/{name}", w.observe("/static/{name}", true, (*exchange).staticFile))
	mux.Handle("/", w.observe("unknown", false, (*exchange).unknownPath))
	if w.rooms.Console != nil {
		w.mountConsole(mux)
	}
	return mux
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
