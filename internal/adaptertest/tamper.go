package adaptertest

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Tamper is a transport between an adapter and its stand-in that counts what passes and
// spoils it on demand. NewTamper makes one; it is safe for concurrent use.
type Tamper struct {
	base *http.Transport

	mu     sync.Mutex
	asked  int
	tokens int
	lose   int
	spoil  func(string) string
}

// NewTamper makes a transport of its own connections. Close ends them.
func NewTamper() *Tamper { return &Tamper{base: &http.Transport{MaxIdleConnsPerHost: 16}} }

// Close closes the idle connections.
func (t *Tamper) Close() { t.base.CloseIdleConnections() }

// Asked tells how often a resource was asked for, and how often a token.
func (t *Tamper) Asked() (resources, tokens int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.asked, t.tokens
}

// Lose loses the replies to the next n requests of a resource after the neighbour has
// given them.
func (t *Tamper) Lose(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lose = n
}

// Spoil changes the bodies of all replies from now on; nil ends it.
func (t *Tamper) Spoil(change func(string) string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spoil = change
}

// RoundTrip passes the request on.
func (t *Tamper) RoundTrip(req *http.Request) (*http.Response, error) {
	isToken := strings.HasSuffix(req.URL.Path, "/oauth2/token")
	lost, spoil := t.count(isToken)
	resp, err := t.base.RoundTrip(req)
	switch {
	case err != nil || isToken:
		return resp, err
	case lost:
		resp.Body.Close()
		return nil, io.ErrUnexpectedEOF
	case spoil == nil:
		return resp, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	body = []byte(spoil(string(body)))
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}

func (t *Tamper) count(isToken bool) (lost bool, spoil func(string) string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if isToken {
		t.tokens++
		return false, nil
	}
	t.asked++
	if t.lose > 0 {
		t.lose--
		return true, t.spoil
	}
	return false, t.spoil
}
