package web_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/go-cmp/cmp"
)

// contract is /openapi.json, read and checked once.
var contract = sync.OnceValues(func() (routers.Router, error) {
	text, err := os.ReadFile("openapi.json")
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, err
	}
	doc.Servers = nil
	return gorillamux.NewRouter(doc)
})

// conforms holds an answer of the API against its description, and with a good answer the
// request too. What is not described, such as the console, passes.
func conforms(t *testing.T, r *http.Request, body string, a reply) {
	t.Helper()
	router, err := contract()
	if err != nil {
		t.Fatalf("openapi.json: %v", err)
	}
	asked := r.Clone(t.Context())
	asked.Body = io.NopCloser(strings.NewReader(body))
	route, parameters, err := router.FindRoute(asked)
	if errors.Is(err, routers.ErrPathNotFound) || errors.Is(err, routers.ErrMethodNotAllowed) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	in := &openapi3filter.RequestValidationInput{
		Request: asked, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if a.status < 300 {
		if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil {
			t.Errorf("%s %s was accepted and is not described: %v", r.Method, r.URL.Path, err)
		}
	}
	if kind := a.header.Get("Content-Type"); !strings.Contains(kind, "json") || strings.Contains(kind, "jsonl") {
		return
	}
	err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: a.status, Header: a.header,
		Body: io.NopCloser(bytes.NewReader(a.body)), Options: in.Options,
	})
	if err != nil {
		t.Errorf("%s %s: the answer %d is not as described: %v\n%s", r.Method, r.URL.Path, a.status, err, a.body)
	}
}

// Every address is described, and every address described is there.
func TestDescriptionListsEveryRoute(t *testing.T) {
	text, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	var described []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	sort.Strings(described)
	h := build(t, nil)
	served := h.web.Routes()
	sort.Strings(served)
	if diff := cmp.Diff(described, served); diff != "" {
		t.Errorf("described against served (-described +served):\n%s", diff)
	}
	if got := h.ask("GET", "/openapi.json", "", ""); got.status != http.StatusOK || !bytes.Equal(bytes.TrimSpace(got.body), bytes.TrimSpace(text)) {
		t.Errorf("the description is not served: %d", got.status)
	}
}
