package sandbox_test

import (
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v3/jwa"

	"kakehashi/internal/sandbox"
)

func TestClientsAreAsTheStandardSays(t *testing.T) {
	c := opened(t)
	for _, n := range append(c.Neighbours(), c.NumberDesk()) {
		if len(n.ClientID) != 32 || len(n.ClientSecret) < 32 || n.TokenURL != n.BaseURL+"/oauth2/token" {
			t.Errorf("%s: %d characters of ID, %d of secret, %s", n.System, len(n.ClientID), len(n.ClientSecret), n.TokenURL)
		}
	}
	got := callerOf(t, c, sandbox.Residents).Scopes
	slices.Sort(got)
	if diff := cmp.Diff([]string{
		"001:app_submit/v10/juminkihonshokai:Read", "001:app_submit/v10/juminrirekishokai:Read",
		"001:app_submit/v10/juminsetaishokai:Read", "001:app_submit/v10/shiensochishokai:Read",
	}, got); diff != "" {
		t.Errorf("scopes of residents (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"032:app_submit/v10/atenakensaku:Read", "032:app_submit/v10/atenajohoshokai:Read",
		"032:app_submit/v10/jutogaishaatenabangofuban:Create", "032:app_submit/v10/gyomuriyotoroku:Create",
		"032:app_submit/v10/sofusakitoroku:Create", "032:app_submit/v10/gyomuriyoshokai:Read", "032:app_submit/v10/sofusakishokai:Read",
	}, callerOf(t, c, sandbox.Address).Scopes); diff != "" { // nothing that has to do with 個人番号
		t.Errorf("scopes of address (-want +got):\n%s", diff)
	}
}

func TestWrongTokenRequestsAreRefused(t *testing.T) {
	c := opened(t)
	tax, residents := callerOf(t, c, sandbox.Tax), callerOf(t, c, sandbox.Residents)
	proved := func(change func(*claims)) url.Values { return tax.form(tax.assertion(t, change), tax.Scopes...) }
	with := func(field, value string) url.Values {
		f := proved(nil)
		f.Add(field, value)
		return f
	}
	set := func(field, value string) url.Values {
		f := proved(nil)
		f.Set(field, value)
		return f
	}
	const client, scope, request = `{"error":"invalid_client"}`, `{"error":"invalid_scope"}`, `{"error":"invalid_request"}`
	for name, tt := range map[string]struct {
		form url.Values
		want string
	}{
		"wrong secret":            {proved(func(a *claims) { a.secret = residents.ClientSecret }), client},
		"unknown client":          {proved(func(a *claims) { a.issuer, a.subject = "x", "x" }), client},
		"issuer is not subject":   {proved(func(a *claims) { a.subject = "x" }), client},
		"another's audience":      {proved(func(a *claims) { a.audience = []string{residents.TokenURL} }), client},
		"two audiences":           {proved(func(a *claims) { a.audience = []string{tax.TokenURL, residents.TokenURL} }), client},
		"base URL as audience":    {proved(func(a *claims) { a.audience = []string{tax.BaseURL} }), client},
		"no jti":                  {proved(func(a *claims) { a.jti = "" }), client},
		"expired":                 {proved(func(a *claims) { a.expires = a.issued.Add(-time.Second) }), client},
		"expires too late":        {proved(func(a *claims) { a.expires = a.issued.Add(6 * time.Minute) }), client},
		"issued in the future":    {proved(func(a *claims) { a.issued = a.issued.Add(time.Minute) }), client},
		"HS512":                   {proved(func(a *claims) { a.algorithm = jwa.HS512() }), client},
		"no signature":            {proved(func(a *claims) { a.algorithm = jwa.NoSignature() }), client},
		"no assertion":            {set("client_assertion", ""), client},
		"another assertion type":  {set("client_assertion_type", "urn:x"), client},
		"another client ID":       {with("client_id", "x"), client},
		"secret in the body":      {with("client_secret", tax.ClientSecret), client},
		"scope twice":             {with("scope", "x"), request},
		"unknown field":           {with("resource", "x"), request},
		"another grant":           {set("grant_type", "password"), `{"error":"unsupported_grant_type"}`},
		"unknown scope":           {tax.form(tax.assertion(t, nil), "900:app_submit/v10/zenbu:Read"), scope},
		"another provider's":      {tax.form(tax.assertion(t, nil), residents.Scopes[0]), scope},
		"known and unknown scope": {tax.form(tax.assertion(t, nil), tax.Scopes[0], "x"), scope},
		"no scope":                {tax.form(tax.assertion(t, nil)), scope},
	} {
		r := tax.post(t, "/oauth2/token", tt.form)
		want := http.StatusBadRequest
		if tt.want == client {
			want = http.StatusUnauthorized
		}
		if got := strings.TrimSpace(string(r.body)); r.status != want || got != tt.want {
			t.Errorf("%s: status %d, %s, want %d, %s", name, r.status, got, want, tt.want)
		}
	}
	numbers := callerOf(t, c, sandbox.Address)
	if r := numbers.post(t, "/oauth2/token", numbers.form(numbers.assertion(t, nil), c.NumberDesk().Scopes...)); r.status != http.StatusBadRequest {
		t.Errorf("the gateway gets scopes that are the number desk's: status %d", r.status)
	}
}

func TestSecretInAHeaderIsRefused(t *testing.T) {
	tax := callerOf(t, opened(t), sandbox.Tax)
	form := url.Values{"grant_type": {"client_credentials"}, "scope": tax.Scopes}
	req := request(t, http.MethodPost, tax.TokenURL, form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(tax.ClientID, tax.ClientSecret)
	if r := must(t, req); r.status != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", r.status)
	}
	if r := must(t, request(t, http.MethodGet, tax.TokenURL, "")); r.status != http.StatusBadRequest {
		t.Errorf("GET: status %d, want 400", r.status)
	}
}

func TestAssertionIsGoodOnce(t *testing.T) {
	tax := callerOf(t, opened(t), sandbox.Tax)
	form := tax.form(tax.assertion(t, nil), tax.Scopes...)
	if r := tax.post(t, "/oauth2/token", form); r.status != http.StatusOK {
		t.Fatalf("first: status %d, %s", r.status, r.body)
	}
	if r := tax.post(t, "/oauth2/token", form); r.status != http.StatusUnauthorized {
		t.Errorf("replayed: status %d, want 401", r.status)
	}
	if r := tax.post(t, "/oauth2/introspect", url.Values{
		"token": {"x"}, "client_assertion_type": form["client_assertion_type"], "client_assertion": form["client_assertion"],
	}); r.status != http.StatusUnauthorized {
		t.Errorf("replayed at introspection: status %d, want 401", r.status)
	}
}

func TestIntrospection(t *testing.T) {
	c := opened(t)
	tax := callerOf(t, c, sandbox.Tax)
	inspect := func(token string) map[string]any {
		r := tax.post(t, "/oauth2/introspect", url.Values{
			"token": {token}, "client_assertion": {tax.assertion(t, nil)},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		})
		var got map[string]any
		decode(t, r.body, &got)
		return got
	}
	if diff := cmp.Diff(map[string]any{
		"active": true, "scope": tax.Scopes[0], "client_id": tax.ClientID, "aud": tax.BaseURL,
		"exp": float64(noon().Add(10 * time.Minute).Unix()),
	}, inspect(tax.token(t))); diff != "" {
		t.Errorf("a good token (-want +got):\n%s", diff)
	}
	for name, token := range map[string]string{"unknown": "x", "another provider's": callerOf(t, c, sandbox.Residents).token(t)} {
		if diff := cmp.Diff(map[string]any{"active": false}, inspect(token)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTokenThatCannotBeKeptIsNotGiven(t *testing.T) {
	dir := t.TempDir()
	c, _ := start(t, dir, sandbox.Options{Now: noon})
	tax := callerOf(t, c, sandbox.Tax)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	r := tax.post(t, "/oauth2/token", tax.form(tax.assertion(t, nil), tax.Scopes...))
	var got refusal
	decode(t, r.body, &got)
	if r.status != http.StatusServiceUnavailable || got.Detail != "想定外のエラーが発生しました。" {
		t.Errorf("status %d, %s, want 503", r.status, r.body)
	}
}

func TestTokenExpires(t *testing.T) {
	clock := newClock()
	c, _ := start(t, t.TempDir(), sandbox.Options{Now: clock.now})
	tax := callerOf(t, c, sandbox.Tax)
	tax.now = clock.now
	token := tax.token(t)
	read := func() int {
		return must(t, tax.read(t, token, "kazeikubunshokai", `{"kazeinendo":"2026","atenabango":["1"]}`)).status
	}
	clock.advance(10*time.Minute - time.Second)
	if got := read(); got != http.StatusOK {
		t.Errorf("before it expires: status %d", got)
	}
	clock.advance(time.Second)
	if got := read(); got != http.StatusUnauthorized {
		t.Errorf("when it expires: status %d, want 401", got)
	}
}
