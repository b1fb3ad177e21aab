package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// forge makes tokens out of a good one, signed by the standard library alone.
type forge struct {
	t      *testing.T
	key    *ecdsa.PrivateKey
	good   string
	header map[string]any
	claims map[string]any
}

// newForge reads the demo issuer's own key, which lies in the stand-ins' folder.
func newForge(t *testing.T, dir string) *forge {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "sandbox", "city.json"))
	if err != nil {
		t.Fatal(err)
	}
	var identity struct {
		Key []byte `json:"key"`
	}
	if err := json.Unmarshal(text, &identity); err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(identity.Key)
	if err != nil {
		t.Fatal(err)
	}
	f := &forge{t: t, key: key.(*ecdsa.PrivateKey), good: token(t, dir, "case-worker")}
	parts := strings.Split(f.good, ".")
	for i, into := range []*map[string]any{&f.header, &f.claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// unsigned gives the part of a token that is signed, with changes; nil takes a member away.
func (f *forge) unsigned(header, claims map[string]any) string {
	f.t.Helper()
	part := func(good, change map[string]any) string {
		all := maps.Clone(good)
		for k, v := range change {
			if v == nil {
				delete(all, k)
			} else {
				all[k] = v
			}
		}
		text, err := json.Marshal(all)
		if err != nil {
			f.t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return part(f.header, header) + "." + part(f.claims, claims)
}

// signed signs with a key by ES256.
func (f *forge) signed(key *ecdsa.PrivateKey, header, claims map[string]any) string {
	f.t.Helper()
	body := f.unsigned(header, claims)
	digest := sha256.Sum256([]byte(body))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		f.t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return body + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// shared signs by HS256 with a secret.
func (f *forge) shared(secret []byte) string {
	body := f.unsigned(map[string]any{"alg": "HS256"}, nil)
	mac := hmac.New(crypto.SHA256.New, secret)
	_, _ = mac.Write([]byte(body))
	return body + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// wrongTokens gives a token of each kind and the cause for which it is refused.
func (f *forge) wrongTokens() map[string]struct{ token, cause string } {
	f.t.Helper()
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&f.key.PublicKey)
	if err != nil {
		f.t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	now := time.Now().Unix()
	return map[string]struct{ token, cause string }{
		"audience":              {f.signed(f.key, nil, map[string]any{"aud": []string{"another-system"}}), "audience"},
		"other city":            {f.signed(f.key, nil, map[string]any{"aud": []string{"kakehashi:112127"}}), "audience"},
		"issuer":                {f.signed(f.key, nil, map[string]any{"iss": "https://issuer.example.invalid"}), "issuer"},
		"alg none":              {f.unsigned(map[string]any{"alg": "none"}, nil) + ".", "algorithm"},
		"public key as secret":  {f.shared(public), "algorithm"},
		"public bytes as it":    {f.shared(der), "algorithm"},
		"expired":               {f.signed(f.key, nil, map[string]any{"iat": now - 7200, "exp": now - 3600}), "expired"},
		"without expiry":        {f.signed(f.key, nil, map[string]any{"exp": nil}), "expired"},
		"issued in the future":  {f.signed(f.key, nil, map[string]any{"iat": now + 3600, "exp": now + 7200}), "not_yet"},
		"not valid yet":         {f.signed(f.key, nil, map[string]any{"nbf": now + 3600, "exp": now + 7200}), "not_yet"},
		"type of an ID token":   {f.signed(f.key, map[string]any{"typ": "JWT"}, nil), "type"},
		"no type":               {f.signed(f.key, map[string]any{"typ": nil}, nil), "type"},
		"wrong key":             {f.signed(stranger, nil, nil), "signature"},
		"unknown key":           {f.signed(stranger, map[string]any{"kid": "stranger"}, nil), "unknown_key"},
		"truncated":             {f.good[:len(f.good)-20], "signature"},
		"truncated to two":      {f.good[:strings.LastIndex(f.good, ".")], "malformed"},
		"not a token":           {"Zm9v", "malformed"},
		"changed after signing": {f.unsigned(nil, map[string]any{"staff_number": "9999"}) + f.good[strings.LastIndex(f.good, "."):], "signature"},
	}
}

// TestWrongTokens: each is refused and recorded, and nothing is released.
func TestWrongTokens(t *testing.T) {
	t.Parallel()
	r := startRights(t)
	f := newForge(t, r.dir)
	who := tagged(t, r.people, "twin")
	if got := r.ask(t, f.signed(f.key, nil, nil), r.lookupBody(who)); got.status != http.StatusOK {
		t.Fatalf("a good token made here is refused: %d %s", got.status, got.body)
	}
	causes := map[string]bool{"missing": true}
	check := func(name string, got reply) {
		t.Helper()
		p := refused(t, got, http.StatusUnauthorized)
		if !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: WWW-Authenticate is %q", name, got.header.Get("WWW-Authenticate"))
		}
		if p.Code != "KKH1201" || len(tells(got, append(locating(who), who.Name, who.Kana))) > 0 {
			t.Errorf("%s: %s, or it tells who was asked about", name, p.Code)
		}
	}
	for name, wrong := range f.wrongTokens() {
		causes[wrong.cause] = true
		for _, path := range []string{"/v1/lookups", "/v1/cases", "/v1/record/search"} {
			got, err := r.post(path, wrong.token, r.lookupBody(who))
			if err != nil {
				t.Fatal(err)
			}
			check(name, got)
			if strings.Contains(got.body, wrong.token) || !strings.Contains(got.body, `"`+wrong.cause+`"`) {
				t.Errorf("%s: the answer does not say %s, or repeats the token: %s", name, wrong.cause, got.body)
			}
		}
	}
	none, err := r.do(mustRequest(t, http.MethodPost, r.ready.API+"/v1/lookups"))
	if err != nil {
		t.Fatal(err)
	}
	check("no token", none)

	recorded := map[string]bool{}
	for _, e := range r.record(r.auditor, map[string]any{"kind": "token_refused"}) {
		recorded[e.Code] = true
	}
	for cause := range causes {
		if !recorded[cause] {
			t.Errorf("the record has no refusal for %s", cause)
		}
	}
	if kept := r.record(r.auditor, map[string]any{"kind": "intent"}); len(kept) != 1 {
		t.Errorf("%d lookups were begun, one by the good token", len(kept))
	}
	if v, code := verify(t, r.dir); !v.OK || code != 0 {
		t.Errorf("audit verify: %d %+v", code, v.Problems)
	}
}

// TestManyWrongTokensFillNoDisk: one entry for a cause, address and minute.
func TestManyWrongTokensFillNoDisk(t *testing.T) {
	t.Parallel()
	r := startRights(t)
	f := newForge(t, r.dir)
	wrong := f.wrongTokens()
	for _, kind := range []string{"expired", "issuer", "other city"} {
		minute := time.Now().Truncate(time.Minute)
		for range 50 {
			if got := r.ask(t, wrong[kind].token, map[string]any{}); got.status != http.StatusUnauthorized {
				t.Fatalf("status %d", got.status)
			}
		}
		entries := 0
		for _, e := range r.record(r.auditor, map[string]any{"kind": "token_refused"}) {
			if e.Code == wrong[kind].cause {
				entries++
			}
		}
		if !time.Now().Truncate(time.Minute).Equal(minute) {
			continue // the minute ended on the way: once more with another kind
		}
		if entries < 1 || entries > 2 {
			t.Errorf("50 refusals for one cause made %d entries", entries)
		}
		return
	}
	t.Error("no 50 requests were done within a minute")
}

func mustRequest(t *testing.T, method, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return req
}
