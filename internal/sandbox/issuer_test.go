package sandbox_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"kakehashi/internal/sandbox"
)

// keysOf reads the issuer's keys the way a resource server does, by discovery.
func keysOf(t *testing.T, issuer string) jwk.Set {
	t.Helper()
	var about struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	decode(t, must(t, request(t, http.MethodGet, issuer+"/.well-known/openid-configuration", "")).body, &about)
	if about.Issuer != issuer {
		t.Errorf("the issuer calls itself %s, want %s", about.Issuer, issuer)
	}
	r := must(t, request(t, http.MethodGet, about.JWKS, ""))
	if strings.Contains(string(r.body), `"d"`) {
		t.Fatal("the issuer publishes its private key")
	}
	keys, err := jwk.Parse(r.body)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// part gives a part of a token.
func part(t *testing.T, token string, i int) map[string]any {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	decode(t, text, &got)
	return got
}

func TestStaffToken(t *testing.T) {
	dir := t.TempDir()
	c, _ := start(t, dir, sandbox.Options{})
	token, err := sandbox.Token(dir, sandbox.TokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	issuer := c.Addresses().Issuer
	if _, err := jwt.Parse([]byte(token), jwt.WithKeySet(keysOf(t, issuer)), jwt.WithIssuer(issuer), jwt.WithAudience("kakehashi:999997")); err != nil {
		t.Errorf("the token does not verify: %v", err)
	}
	header := part(t, token, 0)
	if header["typ"] != "at+jwt" || header["alg"] != "ES256" || header["kid"] == "" {
		t.Errorf("header %v", header)
	}
	got := part(t, token, 1)
	life := got["exp"].(float64) - got["iat"].(float64)
	if life != time.Hour.Seconds() || got["jti"] == "" {
		t.Errorf("good for %v s, jti %v", life, got["jti"])
	}
	for _, changing := range []string{"exp", "iat", "jti", "auth_time"} {
		delete(got, changing)
	}
	if diff := cmp.Diff(map[string]any{
		"iss": issuer, "aud": []any{"kakehashi:999997"}, "sub": "staff-1001", "client_id": "kakehashi-console", "acr": "card+vein",
		"staff_number": "1001", "department": "子育て支援課", "terminal": "T-1001",
	}, got); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestTokenOfEveryRole(t *testing.T) {
	dir := t.TempDir()
	if _, err := sandbox.Open(dir, sandbox.Options{}); err != nil { // nothing runs
		t.Fatal(err)
	}
	for _, m := range sandbox.Staff() {
		token, err := sandbox.Token(dir, sandbox.TokenRequest{Role: m.Role})
		if err != nil {
			t.Fatalf("%s: %v", m.Role, err)
		}
		got := part(t, token, 1)
		if m.Staff == "" {
			if got["client_id"] != "case-system" || got["staff_number"] != nil || got["acr"] != nil {
				t.Errorf("%s: %v", m.Role, got)
			}
			continue
		}
		if got["staff_number"] != m.Staff {
			t.Errorf("%s: %v", m.Role, got)
		}
		byNumber, err := sandbox.Token(dir, sandbox.TokenRequest{Staff: m.Staff})
		if err != nil || part(t, byNumber, 1)["sub"] != got["sub"] {
			t.Errorf("%s: by number: %v", m.Staff, err)
		}
	}
	for _, r := range []sandbox.TokenRequest{{Role: "mayor"}, {Staff: "9999"}, {Role: sandbox.RoleAuditor, Staff: "1001"}} {
		if _, err := sandbox.Token(dir, r); !errors.Is(err, sandbox.ErrUnknown) {
			t.Errorf("%v: got %v, want ErrUnknown", r, err)
		}
	}
}

func TestCaseInAToken(t *testing.T) {
	dir := t.TempDir()
	c, err := sandbox.Open(dir, sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	token, err := c.Token(sandbox.TokenRequest{Case: &sandbox.CaseClaim{ID: "K-1", Procedure: "register", Persons: []string{"2300000015"}}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"id": "K-1", "procedure": "register", "persons": []any{"2300000015"}}
	if diff := cmp.Diff(want, part(t, token, 1)["case"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
