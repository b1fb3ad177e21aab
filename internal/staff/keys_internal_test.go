package staff

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"

	"kakehashi/internal/fault"
)

// authority is an issuer whose key, absence and speed a test chooses, with a clock of its own.
type authority struct {
	t      *testing.T
	server *httptest.Server
	mu     sync.Mutex
	clock  time.Time
	key    jwk.Key
	away   bool
	hangs  chan struct{} // nil: it answers at once
	reads  int
}

func newAuthority(t *testing.T) (*authority, *Verifier) {
	t.Helper()
	a := &authority{t: t, clock: time.Now()}
	a.rotate("k1")
	a.server = httptest.NewServer(a)
	t.Cleanup(a.server.Close)
	cfg := Config{
		Issuer: a.server.URL, JWKSURL: a.server.URL, Audience: "us", Algorithms: []string{"ES256"},
		KeysRefresh: time.Minute, KeysTrustedFor: time.Hour,
	}
	keys := NewKeys(cfg, a.server.Client())
	keys.now = a.now
	t.Cleanup(keys.Close)
	v := NewVerifier(cfg, keys)
	v.now = a.now
	return a, v
}

func (a *authority) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	a.reads++
	hangs, away, key := a.hangs, a.away, a.key
	a.mu.Unlock()
	if hangs != nil {
		<-hangs
	}
	if away {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	public, err := key.PublicKey()
	if err != nil {
		a.t.Error(err)
	}
	body, err := json.Marshal(public)
	if err != nil {
		a.t.Error(err)
	}
	_, _ = fmt.Fprintf(w, `{"keys":[%s]}`, body)
}

func (a *authority) now() time.Time { a.mu.Lock(); defer a.mu.Unlock(); return a.clock }

// set changes the authority under its lock.
func (a *authority) set(change func()) { a.mu.Lock(); defer a.mu.Unlock(); change() }

func (a *authority) rotate(id string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	key, err := jwk.Import(private)
	if err == nil {
		err = key.Set(jwk.KeyIDKey, id)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	a.set(func() { a.key = key })
}

// token gives a new token that is good for lasts by the authority's clock.
func (a *authority) token(lasts time.Duration) string {
	a.t.Helper()
	now := a.now()
	payload, err := json.Marshal(map[string]any{
		"iss": a.server.URL, "sub": "1", "aud": "us", "client_id": "c", "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(lasts).Unix(), "staff_number": "1001", "department": "d", "terminal": "t",
	})
	if err != nil {
		a.t.Fatal(err)
	}
	h := jws.NewHeaders()
	if err := h.Set("typ", "at+jwt"); err != nil {
		a.t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	token, err := jws.Sign(payload, jws.WithKey(jwa.ES256(), a.key, jws.WithProtectedHeaders(h)))
	if err != nil {
		a.t.Fatal(err)
	}
	return string(token)
}

func TestKeysAreTrustedWhileTheIssuerIsAwayAndNoLonger(t *testing.T) {
	a, v := newAuthority(t)
	if _, err := v.Verify(t.Context(), a.token(time.Hour)); err != nil {
		t.Fatal(err)
	}
	a.set(func() { a.away, a.clock = true, a.clock.Add(10*time.Minute) })
	for range 2 { // the first makes us try in vain; the keys stay
		if _, err := v.Verify(t.Context(), a.token(time.Hour)); err != nil {
			t.Errorf("ten minutes after the issuer went away: %v", err)
		}
		v.keys.behind.Wait()
	}
	if err := v.keys.Held(t.Context()); err != nil {
		t.Errorf("held: %v", err)
	}
	a.set(func() { a.clock = a.clock.Add(time.Hour) })
	if _, err := v.Verify(t.Context(), a.token(time.Hour)); !fault.Is(err, fault.Unavailable) || fault.Code(err) != "KKH1231" {
		t.Errorf("after the time for which keys are trusted: got %v, want Unavailable", err)
	}
	if err := v.keys.Held(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("held: got %v, want Unavailable", err)
	}
	a.set(func() { a.away, a.clock = false, a.clock.Add(keyPause) })
	if _, err := v.Verify(t.Context(), a.token(time.Hour)); err != nil {
		t.Errorf("when the issuer is back: %v", err)
	}
}

func TestRotatedKeyIsNoWrongTokenWhileTheIssuerIsAway(t *testing.T) {
	a, v := newAuthority(t)
	if _, err := v.Verify(t.Context(), a.token(time.Hour)); err != nil {
		t.Fatal(err)
	}
	a.rotate("k2")
	a.set(func() { a.away, a.clock = true, a.clock.Add(keyPause) })
	if _, err := v.Verify(t.Context(), a.token(time.Hour)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v, want Unavailable: nobody knows whether the key is one of the issuer's", err)
	}
	a.set(func() { a.away, a.clock = false, a.clock.Add(keyPause) })
	if _, err := v.Verify(t.Context(), a.token(time.Hour)); err != nil {
		t.Errorf("when the issuer can be asked: %v", err)
	}
}

func TestNobodyWaitsForAnIssuerThatHangs(t *testing.T) {
	a, v := newAuthority(t)
	if _, err := v.Verify(t.Context(), a.token(time.Hour)); err != nil {
		t.Fatal(err)
	}
	answers := make(chan struct{})
	a.set(func() { a.hangs, a.clock = answers, a.clock.Add(2*time.Minute) })
	for range 3 { // would wait for ever if it waited
		if _, err := v.Verify(t.Context(), a.token(time.Hour)); err != nil {
			t.Errorf("while the issuer hangs: %v", err)
		}
	}
	close(answers)
	v.keys.behind.Wait()
	if a.reads != 2 {
		t.Errorf("the issuer was asked %d times, want once and once again", a.reads)
	}
}

func TestRememberedTokenIsForgottenWhenItExpires(t *testing.T) {
	a, v := newAuthority(t)
	token := a.token(30 * time.Second)
	for range 2 {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	a.set(func() { a.clock = a.clock.Add(31 * time.Second) })
	if _, err := v.Verify(t.Context(), token); !fault.Is(err, fault.Denied) || fault.Find(err).Reason != "expired" {
		t.Errorf("got %v, want that it has expired", err)
	}
}
