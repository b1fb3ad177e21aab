package wire

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"kakehashi/internal/volatile"
)

// authorizer puts the access token into each request. A token that the neighbour refuses
// is dropped and renewed once within the same attempt, so that one expired token is never
// seen by anybody.
type authorizer struct {
	tokens *tokenSource
	next   http.RoundTripper
}

// RoundTrip sends the request with a token.
func (a *authorizer) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := a.tokens.take(req.Context())
	if err != nil {
		closeRequest(req)
		return nil, err
	}
	out := bearing(req, token)
	for renewals := 0; ; renewals++ {
		resp, err := a.next.RoundTrip(out)
		if err != nil || resp.StatusCode != http.StatusUnauthorized {
			return resp, err
		}
		a.tokens.drop(req.Context(), token)
		// A token that another gateway fetched may be as old as ours; one fetched for this
		// request is not.
		if renewals > 0 && !token.Found || renewals == 2 {
			return resp, nil
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, refusalLimit)) // to use the connection again
		resp.Body.Close()
		if token, err = a.tokens.take(req.Context()); err != nil {
			return nil, err
		}
		out = bearing(req, token)
		if out.Body, err = req.GetBody(); err != nil {
			return nil, fmt.Errorf("rewind the request: %w", err)
		}
	}
}

// bearing gives a copy of the request with the token in it: a RoundTripper must not change
// the request itself.
func bearing(req *http.Request, token volatile.Token) *http.Request {
	copied := req.WithContext(req.Context())
	copied.Header = req.Header.Clone()
	copied.Header.Set("Authorization", "Bearer "+token.Value)
	return copied
}

// tokenSource gets access tokens by client credentials with client_secret_jwt (CF21 2.2.5)
// and keeps them in the store.
type tokenSource struct {
	endpoint string
	clientID string
	secret   []byte
	scope    string
	key      string
	early    time.Duration
	timeout  time.Duration
	store    *volatile.Tokens
	next     http.RoundTripper

	mu     sync.Mutex
	flight *flight
	quiet  time.Time // before this no renewal ahead of time, since one has just failed
	closed bool
	stop   context.CancelFunc // of the flight
	flown  sync.WaitGroup
}

// flight is one request for a token that everybody who needs one waits for. It belongs to
// none of them: a caller who goes away does not take it along.
type flight struct {
	done  chan struct{}
	token volatile.Token
	err   error
}

func newTokenSource(cfg Config, scopes []string, secret []byte, store *volatile.Tokens, next http.RoundTripper) *tokenSource {
	scope := strings.Join(scopes, " ")
	return &tokenSource{
		endpoint: cfg.tokenURL(), clientID: cfg.ClientID, secret: secret, scope: scope,
		key:   cfg.tokenURL() + " " + cfg.ClientID + " " + scope,
		early: cfg.TokenEarly, timeout: cfg.Timeout, store: store, next: next,
	}
}

// take gives a token that serves. One that will soon expire is given at once and renewed
// behind the caller's back; where there is none the caller waits for it. The error is an
// *end, or the context's.
func (s *tokenSource) take(ctx context.Context) (volatile.Token, error) {
	token, ok := s.store.Get(s.key)
	if ok && time.Now().Before(token.Renew) {
		return token, nil
	}
	f := s.renew(ctx, ok)
	if ok {
		return token, nil
	}
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return volatile.Token{}, ctx.Err()
	}
}

// drop forgets a token that the neighbour refused.
func (s *tokenSource) drop(ctx context.Context, token volatile.Token) {
	s.store.Drop(ctx, s.key, token)
}

// renew starts a request for a token, or joins the one that is under way. Ahead of time it
// does nothing, and gives nil, for a while after one has failed.
func (s *tokenSource) renew(ctx context.Context, ahead bool) *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.flight != nil:
		return s.flight
	case ahead && time.Now().Before(s.quiet):
		return nil
	}
	f := &flight{done: make(chan struct{})}
	if s.closed {
		f.err = &end{reason: TokenRefused, detail: "the client is closed"}
		close(f.done)
		return f
	}
	if token, ok := s.store.Get(s.key); ok && time.Now().Before(token.Renew) { // somebody was first
		f.token = token
		close(f.done)
		return f
	}
	ctx, stop := context.WithTimeoutCause(context.WithoutCancel(ctx), s.timeout, errCall)
	s.flight, s.stop = f, stop
	s.flown.Go(func() { s.fly(ctx, stop, f) })
	return f
}

// fly takes the token that another gateway fetched, or makes the request, and lands the
// flight. The other gateways hear of a new token when nobody here waits for it any more.
func (s *tokenSource) fly(ctx context.Context, stop context.CancelFunc, f *flight) {
	defer stop()
	token, found := s.store.Find(ctx, s.key)
	if f.token = token; !found {
		f.token, f.err = s.fetch(ctx)
	}
	s.land(f)
	if f.err == nil && !found {
		s.store.Share(ctx, s.key)
	}
}

func (s *tokenSource) land(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.err == nil {
		s.store.Put(s.key, f.token)
	} else {
		s.quiet = time.Now().Add(min(s.early/4, 15*time.Second))
	}
	s.flight = nil
	close(f.done)
}

// close ends a flight that is under way and waits for it.
func (s *tokenSource) close() {
	s.mu.Lock()
	s.closed = true
	if s.flight != nil {
		s.stop()
	}
	s.mu.Unlock()
	s.flown.Wait()
}

// fetch asks the neighbour for a token. Its error is an *end.
func (s *tokenSource) fetch(ctx context.Context) (volatile.Token, error) {
	sent := time.Now()
	req, err := s.request(ctx, sent)
	if err != nil {
		return volatile.Token{}, &end{reason: TokenRefused, cause: err}
	}
	resp, err := s.next.RoundTrip(req)
	if err != nil {
		if ctx.Err() != nil {
			return volatile.Token{}, endOfCaller(ctx, true)
		}
		return volatile.Token{}, endOfTransport(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return volatile.Token{}, tokenRefusal(resp)
	}
	body, err := readWithin(resp, refusalLimit)
	if err != nil {
		if ctx.Err() != nil {
			return volatile.Token{}, endOfCaller(ctx, true)
		}
		if errors.Is(err, errLimit) {
			return volatile.Token{}, &end{reason: TokenRefused, cause: err}
		}
		return volatile.Token{}, endOfTransport(err)
	}
	return s.read(body, sent)
}

// request is a token request, its assertion good for two minutes and for once.
func (s *tokenSource) request(ctx context.Context, now time.Time) (*http.Request, error) {
	assertion, err := jwt.NewBuilder().
		Issuer(s.clientID).Subject(s.clientID).Audience([]string{s.endpoint}).
		JwtID(rand.Text()).IssuedAt(now).Expiration(now.Add(2 * time.Minute)).Build()
	if err != nil {
		return nil, fmt.Errorf("build the client assertion: %w", err)
	}
	assertion.Options().Enable(jwt.FlattenAudience)
	signed, err := jwt.Sign(assertion, jwt.WithKey(jwa.HS256(), s.secret))
	if err != nil {
		return nil, fmt.Errorf("sign the client assertion: %w", err)
	}
	form := url.Values{
		"grant_type":            {"client_credentials"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {string(signed)},
		"scope":                 {s.scope},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("make the token request") // the cause's text holds the URL
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	return req, nil
}

// read takes the token out of the reply. How long it serves is counted from before the
// request was sent, so that ours ends before the neighbour's.
func (s *tokenSource) read(body []byte, sent time.Time) (volatile.Token, error) {
	var reply struct {
		Token   string  `json:"access_token"`
		Type    string  `json:"token_type"`
		Expires float64 `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return volatile.Token{}, &end{reason: TokenRefused, detail: "the reply cannot be read"}
	}
	if !fitBearer(reply.Token) || !strings.EqualFold(reply.Type, "Bearer") {
		return volatile.Token{}, &end{reason: TokenRefused, detail: "no bearer token in the reply"}
	}
	serves := time.Minute // where the neighbour does not say
	if reply.Expires > 0 {
		serves = time.Duration(min(reply.Expires, (24*time.Hour).Seconds()) * float64(time.Second))
	}
	early := min(s.early, serves/2)
	return volatile.Token{Value: reply.Token, Renew: sent.Add(serves - early), Expires: sent.Add(serves)}, nil
}

// fitBearer tells whether a token may stand in a header.
func fitBearer(token string) bool {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return false
		}
	}
	return token != ""
}

// tokenRefusal says what a reply other than 200 to a token request means.
func tokenRefusal(resp *http.Response) *end {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, refusalLimit)) // what broke off still has its status
	e := &end{reason: TokenRefused, status: resp.StatusCode, detail: fmt.Sprintf("token endpoint, %d", resp.StatusCode)}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		e.reason, e.after = Busy, retryAfter(resp.Header)
	case resp.StatusCode >= 500:
		e.reason, e.after = ServerError, retryAfter(resp.Header)
	default:
		var reply struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(body, &reply) == nil {
			switch reply.Error { // RFC 6749 5.2; another word is the neighbour's own and stays there
			case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope":
				e.detail += " " + reply.Error
			}
		}
	}
	return e
}
