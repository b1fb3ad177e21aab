package main

import (
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"kakehashi/internal/logline"
	"kakehashi/internal/manual"
)

// ServeHTTP gives the request to the municipality that is called: by the name of the host,
// whatever the port, or by the first part of the path, which is taken off. The host itself
// answers at its bare address for all of them together. What is neither is turned away and
// counted, with no word of whom there is.
func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if one := h.byHost[hostName(r.Host)]; one != nil {
		one.serve(w, r)
		return
	}
	if one, below := h.below(r); one != nil {
		one.serve(w, below)
		return
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		switch r.URL.Path {
		case "/healthz":
			writeAnswer(w, http.StatusOK, map[string]string{"status": "ok"})
			return
		case "/readyz":
			h.ready(w, r)
			return
		case "/metrics":
			h.metrics.ServeHTTP(w, r)
			return
		}
	}
	h.astray.Inc()
	status := http.StatusMisdirectedRequest
	if len(h.byPath) > 0 {
		status = http.StatusNotFound
	}
	turnAway(w, refusedRequest{status: status, code: "KKH5035"})
}

// hostName gives a Host header in small letters, without its port.
func hostName(header string) string {
	if name, _, err := net.SplitHostPort(header); err == nil {
		header = name
	}
	return strings.ToLower(header)
}

// below finds the municipality whose path the request's begins with, and gives the request
// without it; nil: none. A path that spells its first part with escapes is none's.
func (h *host) below(r *http.Request) (*hosted, *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/")
	if !ok {
		return nil, nil
	}
	first, _, _ := strings.Cut(rest, "/")
	one := h.byPath["/"+first]
	if one == nil {
		return nil, nil
	}
	path := strings.TrimPrefix(r.URL.Path, one.at.Path)
	raw, plain := strings.CutPrefix(r.URL.RawPath, one.at.Path)
	if r.URL.RawPath != "" && !plain {
		return nil, nil
	}
	inner := new(http.Request)
	*inner = *r
	inner.URL = new(url.URL)
	*inner.URL = *r.URL
	inner.URL.Path, inner.URL.RawPath = path, raw
	return one, inner
}

// serve gives the request to the municipality's set where it lives and has room.
func (h *hosted) serve(w http.ResponseWriter, r *http.Request) {
	l := h.now.Load()
	if l == nil || !l.enter() {
		turnAway(w, refusedRequest{status: http.StatusServiceUnavailable, code: "KKH5033", base: h.at.Path, wait: 5 * time.Second})
		return
	}
	defer l.leave()
	r = r.WithContext(logline.WithMunicipality(r.Context(), h.code))
	if !free(r.URL.Path) {
		wait, ok := h.limits.take(r.Context())
		if !ok {
			h.refused.Inc()
			turnAway(w, refusedRequest{status: http.StatusServiceUnavailable, code: "KKH5036", base: h.at.Path, wait: wait})
			return
		}
		defer h.limits.give()
	}
	if r.URL.Path == "/metrics" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		h.metrics.ServeHTTP(w, r)
		return
	}
	l.handler.ServeHTTP(w, r)
}

// free tells whether a path is outside the limits: it makes no engine work.
func free(path string) bool {
	return path == "/healthz" || path == "/problems" || strings.HasPrefix(path, "/problems/")
}

// refusedRequest is why a request does not reach a set.
type refusedRequest struct {
	status int
	code   string
	base   string        // of the municipality; empty: at the root, or none
	wait   time.Duration // after which it is worth trying again; 0: never
}

// turnedAway is a problem detail (RFC 9457) with the members that package web gives.
type turnedAway struct {
	Type       string `json:"type"`
	Title      string `json:"title"`
	Status     int    `json:"status"`
	Detail     string `json:"detail"`
	Code       string `json:"code"`
	Retryable  bool   `json:"retryable"`
	RetryAfter int64  `json:"retry_after,omitzero"`
	NextAction string `json:"next_action"`
}

// turnAway answers for a request that reaches no set: nothing was done and nothing recorded.
func turnAway(w http.ResponseWriter, r refusedRequest) {
	m, _ := manual.Message(r.code)
	p := turnedAway{
		Type: r.base + "/problems/" + r.code, Title: m.Text, Status: r.status, Detail: m.Cause, Code: r.code,
		Retryable: r.wait > 0, NextAction: m.Action,
	}
	if r.code == "KKH5035" {
		p.Type = "about:blank" // there is nobody who could explain it
	}
	if r.wait > 0 {
		p.RetryAfter = int64((r.wait + time.Second - 1) / time.Second)
		w.Header().Set("Retry-After", strconv.FormatInt(p.RetryAfter, 10))
	}
	w.Header().Set("Content-Language", "ja")
	w.Header().Set("Content-Type", "application/problem+json")
	writeAnswer(w, r.status, p)
}

// writeAnswer sends a value as JSON. A caller who is gone does not read it.
func writeAnswer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // cannot be: every text is ours and valid UTF-8
		body = []byte(`{}`)
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
