package sandbox_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/sandbox"
)

func TestControl(t *testing.T) {
	s := stage(t, sandbox.Options{Now: noon})
	control := s.City.Addresses().Control
	set := request(t, http.MethodPost, control+"/faults", `{"system":"tax","kind":"refuse","for":"30s","every":3}`)
	set.Header.Set("Content-Type", "application/json")
	if r := must(t, set); r.status != http.StatusOK {
		t.Fatalf("set: status %d, %s", r.status, r.body)
	}
	var got sandbox.Status
	body := must(t, request(t, http.MethodGet, control+"/", "")).body
	decode(t, body, &got)
	want := sandbox.Status{
		City: "架空市", Municipality: "999997", Today: "2026-11-24", ID: got.ID, PID: os.Getpid(), Addresses: s.City.Addresses(),
		Keys:   map[string]string{"address": "ignore"},
		Faults: []sandbox.SystemFault{{System: "tax", Fault: sandbox.Fault{Kind: "refuse", Until: noon().Add(30 * time.Second), Every: 3}}},
	}
	if diff := cmp.Diff(want, got); diff != "" || got.ID == "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, p := range s.People() {
		if strings.Contains(string(body), p.AtenaNumber) || strings.Contains(string(body), p.Name) {
			t.Fatal("the control names somebody")
		}
	}
	if r := must(t, request(t, http.MethodDelete, control+"/faults?system=tax", "")); r.status != http.StatusOK {
		t.Errorf("clear: status %d, %s", r.status, r.body)
	}
	s.healthy(t)
	keys := request(t, http.MethodPost, control+"/keys", `{"system":"address","keys":"honour"}`)
	keys.Header.Set("Content-Type", "application/json")
	if r := must(t, keys); r.status != http.StatusOK || s.Status().Keys["address"] != "honour" {
		t.Errorf("keys: status %d, %s", r.status, r.body)
	}
}

func TestControlRefuses(t *testing.T) {
	s := stage(t, sandbox.Options{Now: noon})
	control := s.City.Addresses().Control
	post := func(body string, change func(*http.Request)) *http.Request {
		req := request(t, http.MethodPost, control+"/faults", body)
		req.Header.Set("Content-Type", "application/json")
		if change != nil {
			change(req)
		}
		return req
	}
	keys := func(body string) *http.Request {
		req := request(t, http.MethodPost, control+"/keys", body)
		req.Header.Set("Content-Type", "application/json")
		return req
	}
	const good = `{"system":"tax","kind":"down"}`
	for name, tt := range map[string]struct {
		req  *http.Request
		want int
	}{
		"another host":    {post(good, func(r *http.Request) { r.Host = "example.test" }), http.StatusMisdirectedRequest},
		"a form":          {post(good, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }), http.StatusUnsupportedMediaType},
		"unknown item":    {post(`{"system":"tax","kind":"down","until":"x"}`, nil), http.StatusBadRequest},
		"unknown system":  {post(`{"system":"water","kind":"down"}`, nil), http.StatusBadRequest},
		"unknown kind":    {post(`{"system":"tax","kind":"odd"}`, nil), http.StatusBadRequest},
		"no duration":     {post(`{"system":"tax","kind":"down","for":"soon"}`, nil), http.StatusBadRequest},
		"negative":        {post(`{"system":"tax","kind":"down","for":"-1s"}`, nil), http.StatusBadRequest},
		"no text":         {post(`{"system":1,"kind":"down"}`, nil), http.StatusBadRequest},
		"every is a text": {post(`{"system":"tax","kind":"down","every":"2"}`, nil), http.StatusBadRequest},
		"negative every":  {post(`{"system":"tax","kind":"down","every":-2}`, nil), http.StatusBadRequest},
		"two objects":     {post(good+good, nil), http.StatusBadRequest},
		"keys of tax":     {keys(`{"system":"tax","keys":"honour"}`), http.StatusBadRequest},
		"unknown keys":    {keys(`{"system":"address","keys":"perhaps"}`), http.StatusBadRequest},
		"no JSON":         {post(`x`, nil), http.StatusBadRequest},
		"clear unknown":   {request(t, http.MethodDelete, control+"/faults?system=water", ""), http.StatusBadRequest},
		"clear nobody's":  {request(t, http.MethodDelete, control+"/faults?sys=tax", ""), http.StatusBadRequest},
		"another path":    {request(t, http.MethodGet, control+"/people", ""), http.StatusNotFound},
		"another method":  {request(t, http.MethodPut, control+"/faults", good), http.StatusMethodNotAllowed},
		"page of browser": {request(t, http.MethodGet, control+"/favicon.ico", ""), http.StatusNotFound},
	} {
		if r := must(t, tt.req); r.status != tt.want {
			t.Errorf("%s: status %d, %s, want %d", name, r.status, r.body, tt.want)
		}
	}
	if faults := s.Status().Faults; len(faults) != 0 {
		t.Errorf("a refused request set %v", faults)
	}
}
