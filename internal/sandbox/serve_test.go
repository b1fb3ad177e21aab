package sandbox_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"kakehashi/internal/sandbox"
)

// noon is the clock of tests that need none that moves.
func noon() time.Time {
	return time.Date(2026, time.November, 24, 12, 0, 0, 0, time.FixedZone("JST", 9*60*60))
}

// start opens a city in a folder and serves it until the test ends.
func start(t *testing.T, dir string, opt sandbox.Options) (*sandbox.City, *sandbox.Running) {
	t.Helper()
	c, err := sandbox.Open(dir, opt)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	r, err := c.Start(t.Context())
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c, r
}

// persona gives a persona by its key.
func persona(t *testing.T, c *sandbox.City, key string) sandbox.Persona {
	t.Helper()
	for _, p := range c.People() {
		if p.Key == key {
			return p
		}
	}
	t.Fatalf("no persona has the key %s", key)
	return sandbox.Persona{}
}

// caller calls one neighbour as the interface's text says.
type caller struct {
	sandbox.Neighbour
	now func() time.Time
}

func callerOf(t *testing.T, c *sandbox.City, system string) caller {
	t.Helper()
	for _, n := range c.Neighbours() {
		if n.System == system {
			return caller{n, noon}
		}
	}
	t.Fatalf("no neighbour is called %s", system)
	return caller{}
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// send sends a request on a connection of its own.
func send(t *testing.T, req *http.Request) (reply, error) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, body}, err
}

func request(t *testing.T, method, address, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func must(t *testing.T, req *http.Request) reply {
	t.Helper()
	r, err := send(t, req)
	if err != nil {
		t.Fatalf("call: %v", err)
	}
	return r
}

// claims are what an assertion says; change makes it wrong.
type claims struct {
	issuer, subject, secret string
	audience                []string
	jti                     string
	issued, expires         time.Time
	algorithm               jwa.SignatureAlgorithm
}

func (c caller) assertion(t *testing.T, change func(*claims)) string {
	t.Helper()
	now := c.now()
	a := claims{
		issuer: c.ClientID, subject: c.ClientID, secret: c.ClientSecret, audience: []string{c.TokenURL},
		jti: fmt.Sprintf("%s-%d", t.Name(), time.Now().UnixNano()), issued: now, expires: now.Add(time.Minute), algorithm: jwa.HS256(),
	}
	if change != nil {
		change(&a)
	}
	b := jwt.NewBuilder().Issuer(a.issuer).Subject(a.subject).Audience(a.audience).IssuedAt(a.issued).Expiration(a.expires)
	if a.jti != "" {
		b = b.JwtID(a.jti)
	}
	token, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if a.algorithm == jwa.NoSignature() {
		signed, err := jwt.Sign(token, jwt.WithInsecureNoSignature())
		if err != nil {
			t.Fatal(err)
		}
		return string(signed)
	}
	signed, err := jwt.Sign(token, jwt.WithKey(a.algorithm, []byte(a.secret)))
	if err != nil {
		t.Fatal(err)
	}
	return string(signed)
}

// form gives the form of a token request.
func (c caller) form(assertion string, scopes ...string) url.Values {
	return url.Values{
		"grant_type":            {"client_credentials"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
		"scope":                 {strings.Join(scopes, " ")},
	}
}

func (c caller) post(t *testing.T, path string, form url.Values) reply {
	t.Helper()
	req := request(t, http.MethodPost, c.BaseURL+path, form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return must(t, req)
}

// token gets a token for scopes, all the client's where none are named.
func (c caller) token(t *testing.T, scopes ...string) string {
	t.Helper()
	if len(scopes) == 0 {
		scopes = c.Scopes
	}
	r := c.post(t, "/oauth2/token", c.form(c.assertion(t, nil), scopes...))
	var got struct {
		Token   string `json:"access_token"`
		Type    string `json:"token_type"`
		Expires int    `json:"expires_in"`
	}
	decode(t, r.body, &got)
	if r.status != http.StatusOK || got.Token == "" || got.Type != "Bearer" || got.Expires != 600 {
		t.Fatalf("token: status %d, %s", r.status, r.body)
	}
	return got.Token
}

// read gives a request that reads a resource.
func (c caller) read(t *testing.T, token, resource, body string) *http.Request {
	t.Helper()
	req := request(t, http.MethodPost, c.BaseURL+"/app_submit/v10/"+resource, body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	return req
}

// result reads a resource and gives its records.
func (c caller) result(t *testing.T, resource, body string) []map[string]string {
	t.Helper()
	r := must(t, c.read(t, c.token(t), resource, body))
	var got struct {
		Metadata struct{ Title, Detail string }       `json:"metadata"`
		Links    struct{ Self struct{ Href string } } `json:"_links"`
		Result   []map[string]string                  `json:"result"`
	}
	decode(t, r.body, &got)
	if r.status != http.StatusOK || got.Result == nil || got.Metadata.Title == "" || got.Links.Self.Href != "/app_submit/v10/"+resource {
		t.Fatalf("%s: status %d, %.300s", resource, r.status, r.body)
	}
	if kind := r.header.Get("Content-Type"); kind != "application/json;charset=UTF-8" {
		t.Errorf("%s: content type %s", resource, kind)
	}
	return got.Result
}

func decode(t *testing.T, body []byte, v any) {
	t.Helper()
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(v); err != nil {
		t.Fatalf("%v in %.300s", err, body)
	}
}

// eventually waits until something is true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for !is() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("it did not come about that %s", what)
		}
	}
}

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: noon()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
