package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kakehashi/internal/web"
)

// TestLinksBearTheBase: below a path of a host's, every link that is given back leads there.
func TestLinksBearTheBase(t *testing.T) {
	var rooms web.Rooms
	h := build(t, func(_ *house, r *web.Rooms) { rooms = *r })
	h.openCase("K-1")
	if _, err := web.New(web.Config{Base: "/132012"}, rooms); err == nil {
		t.Error("the console, whose links know no base, was taken below one")
	}
	rooms.Console = nil
	w, err := web.New(web.Config{Base: "/132012"}, rooms)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, token, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", "key-base")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		a := httptest.NewRecorder()
		w.Handler().ServeHTTP(a, r)
		return a
	}
	if a := ask("POST", "/v1/beneficiaries", h.token("case-worker"), registerAway); a.Code != http.StatusCreated ||
		!strings.HasPrefix(a.Header().Get("Location"), "/132012/v1/beneficiaries/") {
		t.Errorf("registration: %d, Location %q", a.Code, a.Header().Get("Location"))
	}
	for path, want := range map[string]string{
		"/problems/KKH1219": `href="/132012/static/style.css"`,
		"/openapi.json":     `"url": "/132012/"`,
		"/v1/breakers":      `"type":"/132012/problems/KKH1201"`,
		"/nowhere":          `"type":"/132012/problems/KKH4101"`,
	} {
		if a := ask("GET", path, "", ""); !strings.Contains(a.Body.String(), want) {
			t.Errorf("%s does not hold %s:\n%s", path, want, a.Body)
		}
	}
}
