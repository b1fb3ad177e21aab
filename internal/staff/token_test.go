package staff_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"

	"kakehashi/internal/fault"
	"kakehashi/internal/staff"
)

// issuer is a small issuer: one key, its public half over HTTP, and a count of how often
// it was read.
type issuer struct {
	key   jwk.Key
	url   string
	reads atomic.Int64
	away  atomic.Bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{key: newKey(t, "k1")}
	public, err := i.key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	set := jwk.NewSet()
	if err := set.AddKey(public); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.reads.Add(1)
		if i.away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(srv.Close)
	i.url = srv.URL
	return i
}

func newKey(t *testing.T, id string) jwk.Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jwk.Import(private)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Set(jwk.KeyIDKey, id); err != nil {
		t.Fatal(err)
	}
	return key
}

func (i *issuer) verifier() *staff.Verifier {
	cfg := staff.Config{
		Issuer: i.url, JWKSURL: i.url + "/jwks", Audience: "kakehashi:999993", Algorithms: []string{"ES256"},
		Leeway: time.Second, KeysRefresh: time.Minute, KeysTrustedFor: time.Hour, MaxLife: 12 * time.Hour,
	}
	return staff.NewVerifier(cfg, staff.NewKeys(cfg, http.DefaultClient))
}

func (i *issuer) claims() map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": i.url, "sub": "1001", "aud": "kakehashi:999993", "client_id": "case-system", "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "acr": "card+vein",
		"staff_number": "1001", "department": "子育て支援課", "terminal": "T-1",
	}
}

func sign(t *testing.T, key any, alg jwa.SignatureAlgorithm, header, claims map[string]any) string {
	t.Helper()
	h := jws.NewHeaders()
	for name, value := range header {
		if err := h.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.Sign(payload, jws.WithKey(alg, key, jws.WithProtectedHeaders(h)))
	if err != nil {
		t.Fatal(err)
	}
	return string(token)
}

func good() map[string]any { return map[string]any{"typ": "at+jwt", "kid": "k1"} }

func TestVerifyTellsWhoBringsTheToken(t *testing.T) {
	i := newIssuer(t)
	claims := i.claims()
	claims["case"] = map[string]any{"id": "K-1", "procedure": "registration", "persons": []string{"0000000019"}}
	who, err := i.verifier().Verify(t.Context(), sign(t, i.key, jwa.ES256(), good(), claims))
	if err != nil {
		t.Fatal(err)
	}
	if who.Staff != "1001" || who.Department != "子育て支援課" || who.Terminal != "T-1" || who.Authentication != "card+vein" {
		t.Errorf("got %+v", who)
	}
	if who.Case == nil || !who.Case.Open || !who.Case.Concerns("0000000019") {
		t.Errorf("the signed case: got %+v", who.Case)
	}
}

func TestVerifyRefusesWrongTokens(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier()
	with := func(name string, value any) map[string]any {
		c := i.claims()
		c[name] = value
		return c
	}
	public, err := i.key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	shared, err := json.Marshal(public)
	if err != nil {
		t.Fatal(err)
	}
	whole := sign(t, i.key, jwa.ES256(), good(), i.claims())
	none := "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0Iiwia2lkIjoiazEifQ." + strings.Split(whole, ".")[1] + "."
	tampered := strings.Split(whole, ".")
	tampered[1] = strings.Split(sign(t, i.key, jwa.ES256(), good(), with("staff_number", "1002")), ".")[1]
	for _, c := range []struct{ name, token, reason string }{
		{"other audience", sign(t, i.key, jwa.ES256(), good(), with("aud", "somebody")), "audience"},
		{"other city", sign(t, i.key, jwa.ES256(), good(), with("aud", []string{"kakehashi:131016"})), "audience"},
		{"other issuer", sign(t, i.key, jwa.ES256(), good(), with("iss", "http://else.invalid")), "issuer"},
		{"alg none", none, "algorithm"},
		{"shared secret", sign(t, shared, jwa.HS256(), good(), i.claims()), "algorithm"},
		{"expired", sign(t, i.key, jwa.ES256(), good(), with("exp", time.Now().Add(-time.Minute).Unix())), "expired"},
		{"without an end", sign(t, i.key, jwa.ES256(), good(), with("exp", 0)), "expired"},
		{"future", sign(t, i.key, jwa.ES256(), good(), with("iat", time.Now().Add(time.Hour).Unix())), "not_yet"},
		{"not before", sign(t, i.key, jwa.ES256(), good(), with("nbf", time.Now().Add(time.Hour).Unix())), "not_yet"},
		{"wrong type", sign(t, i.key, jwa.ES256(), map[string]any{"typ": "JWT", "kid": "k1"}, i.claims()), "type"},
		{"wrong key", sign(t, newKey(t, "k1"), jwa.ES256(), good(), i.claims()), "signature"},
		{"unknown key", sign(t, newKey(t, "k9"), jwa.ES256(), map[string]any{"typ": "at+jwt", "kid": "k9"}, i.claims()), "unknown_key"},
		{"tampered", strings.Join(tampered, "."), "signature"},
		{"truncated", whole[:len(whole)-10], "signature"},
		{"cut off", whole[:len(whole)/2], "malformed"},
		{"rubbish", "a.b.c", "malformed"},
		{"none at all", "", "missing"},
		{"demands an extension", sign(t, i.key, jwa.ES256(), map[string]any{"typ": "at+jwt", "kid": "k1", "crit": []string{"x"}, "x": 1}, i.claims()), "critical"},
		{"valid for years", sign(t, i.key, jwa.ES256(), good(), with("exp", time.Now().AddDate(10, 0, 0).Unix())), "lifetime"},
		{"no terminal", sign(t, i.key, jwa.ES256(), good(), with("terminal", "")), "identity"},
		{"a name for a number", sign(t, i.key, jwa.ES256(), good(), with("staff_number", "架空 花子")), "identity"},
		{"no subject", sign(t, i.key, jwa.ES256(), good(), with("sub", "")), "malformed"},
	} {
		who, err := v.Verify(t.Context(), c.token)
		if !fault.Is(err, fault.Denied) || fault.Find(err).Reason != c.reason {
			t.Errorf("%s: got %+v, %v; want Denied with reason %q", c.name, who, err, c.reason)
		}
	}
}

func TestUnknownKeysDoNotMakeUsCallTheIssuer(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier()
	for range 20 {
		id := rand.Text()
		_, err := v.Verify(t.Context(), sign(t, newKey(t, id), jwa.ES256(), map[string]any{"typ": "at+jwt", "kid": id}, i.claims()))
		if !fault.Is(err, fault.Denied) {
			t.Fatalf("got %v", err)
		}
	}
	if got := i.reads.Load(); got != 1 {
		t.Errorf("the issuer was asked %d times for 20 unknown keys, want 1", got)
	}
}
