package sandbox

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The paths of a provider's authorisation server.
const (
	tokenPath      = "/oauth2/token"
	introspectPath = "/oauth2/introspect"
)

// accessLife is how long an access token is good for: the standard's upper bound.
const accessLife = 10 * time.Minute

// The errors of RFC 6749.
const (
	invalidRequest   = "invalid_request"
	invalidClient    = "invalid_client"
	invalidScope     = "invalid_scope"
	unsupportedGrant = "unsupported_grant_type"
)

// oauthError is an error body of RFC 6749.
type oauthError struct {
	Error string `json:"error"`
}

// accessToken is the answer of the token endpoint.
type accessToken struct {
	Token   string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int    `json:"expires_in"`
	Scope   string `json:"scope"`
}

// introspection is the answer of RFC 7662.
type introspection struct {
	Active bool   `json:"active"`
	Scope  string `json:"scope,omitempty"`
	Client string `json:"client_id,omitempty"`
	Exp    int64  `json:"exp,omitempty"`
	Aud    string `json:"aud,omitempty"`
}

// has tells whether the token was given for a scope.
func (g grant) has(scope string) bool { return slices.Contains(strings.Fields(g.Scope), scope) }

// token gives an access token to a client that proves who it is.
func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	form, problem := readForm(r, "grant_type", "scope")
	if problem != "" {
		p.refuseClient(w, r, problem)
		return
	}
	proof, err := p.authenticate(form)
	if err != nil {
		p.refuseClient(w, r, invalidClient)
		return
	}
	if form.Get("grant_type") != "client_credentials" {
		p.refuseClient(w, r, unsupportedGrant)
		return
	}
	scopes := strings.Fields(form.Get("scope"))
	permitted := len(scopes) > 0
	for _, scope := range scopes {
		permitted = permitted && slices.Contains(proof.client.Scopes, scope)
	}
	slices.Sort(scopes)
	g := grant{
		Provider: p.name, Client: proof.client.ID, Scope: strings.Join(slices.Compact(scopes), " "),
		Expires: proof.now.Add(accessLife),
	}
	token := secret(43)
	replayed := false
	err = p.city.keeper.change(func(s *state) bool {
		if replayed = !s.use(proof); replayed {
			return false
		}
		if permitted {
			s.Issued++
			g.Number = s.Issued
			s.Tokens[digest(token)] = g
		}
		return true
	})
	switch {
	case err != nil:
		writeProblem(w, http.StatusServiceUnavailable, tokenPath, problemException())
	case replayed:
		p.refuseClient(w, r, invalidClient)
	case !permitted:
		p.refuseClient(w, r, invalidScope)
	default:
		writeJSON(w, http.StatusOK, accessToken{Token: token, Type: "Bearer", Expires: int(accessLife / time.Second), Scope: g.Scope})
	}
}

func problemException() problem {
	return problem{Title: "システムエラー", Detail: detailException}
}

// introspect says what a token is worth here.
func (p *provider) introspect(w http.ResponseWriter, r *http.Request) {
	form, problem := readForm(r, "token", "token_type_hint")
	if problem != "" {
		p.refuseClient(w, r, problem)
		return
	}
	proof, err := p.authenticate(form)
	if err != nil {
		p.refuseClient(w, r, invalidClient)
		return
	}
	replayed := false
	err = p.city.keeper.change(func(s *state) bool { replayed = !s.use(proof); return !replayed })
	switch {
	case err != nil:
		writeProblem(w, http.StatusServiceUnavailable, introspectPath, problemException())
		return
	case replayed:
		p.refuseClient(w, r, invalidClient)
		return
	}
	g, ok := p.valid(form.Get("token"), p.name)
	if !ok {
		writeJSON(w, http.StatusOK, introspection{})
		return
	}
	writeJSON(w, http.StatusOK, introspection{
		Active: true, Scope: g.Scope, Client: g.Client, Exp: g.Expires.Unix(), Aud: p.city.url(p.name),
	})
}

// bearer gives what the request's token was given for; false where it is not accepted.
func (p *provider) bearer(r *http.Request, res resource) (grant, bool) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return grant{}, false
	}
	token, ok := strings.CutPrefix(headers[0], "Bearer ")
	if !ok {
		return grant{}, false
	}
	return p.valid(token, p.name, res.system)
}

// valid gives what a token was given for if this provider gave it, it has not expired and
// the systems accept it.
func (p *provider) valid(token string, systems ...string) (grant, bool) {
	s := p.city.keeper.get()
	g, known := s.Tokens[digest(token)]
	return g, known && g.Provider == p.name && p.city.opt.Now().Before(g.Expires) && s.accepts(g, systems...)
}

// use marks an assertion as used; false where it was used before. What has expired is
// forgotten on the way.
func (s *state) use(a assertion) bool {
	for d, until := range s.Seen {
		if !until.After(a.now) {
			delete(s.Seen, d)
		}
	}
	for d, g := range s.Tokens {
		if !g.Expires.After(a.now) {
			delete(s.Tokens, d)
		}
	}
	if _, used := s.Seen[a.digest]; used {
		return false
	}
	s.Seen[a.digest] = a.until
	return true
}

// readForm reads a form strictly: each field once, none but the client's and those named.
// A secret in the body or in a Basic header is no way to prove who one is.
func readForm(r *http.Request, fields ...string) (form url.Values, problem string) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || err != nil || kind != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" {
		return nil, invalidRequest
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyLimit))
	if err != nil {
		return nil, invalidRequest
	}
	form, err = url.ParseQuery(string(body))
	if err != nil {
		return nil, invalidRequest
	}
	if form.Has("client_secret") || r.Header.Get("Authorization") != "" {
		return nil, invalidClient
	}
	fields = append(fields, "client_assertion_type", "client_assertion", "client_id")
	for field, given := range form {
		if len(given) != 1 || !slices.Contains(fields, field) {
			return nil, invalidRequest
		}
	}
	return form, ""
}

// refuseClient answers with an error of RFC 6749.
func (p *provider) refuseClient(w http.ResponseWriter, r *http.Request, code string) {
	p.refused(r, "oauth2", code)
	status := http.StatusBadRequest
	if code == invalidClient {
		status = http.StatusUnauthorized
	}
	writeJSON(w, status, oauthError{Error: code})
}

var errAssertion = errors.New("the client did not prove who it is")
