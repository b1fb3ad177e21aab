package wire

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/volatile"
)

const (
	resource = "app_submit/v10/juminsetaishokai"
	secret   = "0123456789abcdef0123456789abcdef-secret"
)

// neighbour is a transport without a network: it gives out tokens and answers a resource
// by a function, so that time can be tested in a bubble.
type neighbour struct {
	mu     sync.Mutex
	asked  int                                                    // requests of the resource
	tokens int                                                    // requests for a token
	form   string                                                 // of the last token request
	bodies []string                                               // of the resource's requests
	token  func(n int, req *http.Request) (*http.Response, error) // nil: a token of ten minutes
	answer func(n int, req *http.Request) (*http.Response, error)
}

func (n *neighbour) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent []byte
	if req.Body != nil {
		sent, _ = io.ReadAll(req.Body)
		req.Body.Close()
	}
	n.mu.Lock()
	isToken := strings.HasSuffix(req.URL.Path, "/oauth2/token")
	if isToken {
		n.tokens++
		n.form = string(sent)
	} else {
		n.asked++
		n.bodies = append(n.bodies, string(sent))
	}
	asked, tokens := n.asked, n.tokens
	n.mu.Unlock()
	switch {
	case isToken && n.token != nil:
		return n.token(tokens, req)
	case isToken:
		return tokenReply("token-" + string(rune('a'+tokens-1)))
	default:
		return n.answer(asked, req)
	}
}

func (n *neighbour) counted() (asked, tokens int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked, n.tokens
}

func tokenReply(token string) (*http.Response, error) {
	return reply(200, `{"access_token":"`+token+`","token_type":"Bearer","expires_in":600}`), nil
}

func reply(status int, body string, headers ...string) *http.Response {
	resp := &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json;charset=UTF-8"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
	for i := 0; i+1 < len(headers); i += 2 {
		resp.Header.Set(headers[i], headers[i+1])
	}
	return resp
}

// always answers every request alike.
func always(status int, body string, headers ...string) func(int, *http.Request) (*http.Response, error) {
	return func(int, *http.Request) (*http.Response, error) { return reply(status, body, headers...), nil }
}

// silent never answers: it holds the request until its context is done.
func silent(_ int, req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

func testConfig(t testing.TB) Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Defaults()
	cfg.BaseURL = "http://127.0.0.1:1"
	cfg.ClientID = strings.Repeat("c", 32)
	cfg.SecretFile = file
	return cfg
}

func testClient(t testing.TB, cfg Config, transport http.RoundTripper) *Client {
	t.Helper()
	c, err := New("residents", []string{"001:" + resource + ":Read"}, cfg, Rooms{Tokens: volatile.NewTokens(), Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func read(c *Client) ([]byte, error) {
	return c.Read(context.Background(), resource, []byte(`{"atenabango":"1234567890"}`))
}

// fails checks that err is a fault of the reason and gives it.
func fails(t *testing.T, err error, reason string) *fault.Error {
	t.Helper()
	if err == nil {
		t.Fatalf("got an answer, want %s", reason)
	}
	f := fault.Find(err)
	if f.Reason != reason {
		t.Fatalf("reason: got %q (%v), want %q", f.Reason, err, reason)
	}
	return f
}

func about(got time.Time, want time.Time) bool { return got.Sub(want).Abs() < 50*time.Millisecond }

// pass lets time go by on the bubble's clock.
func pass(d time.Duration) { <-time.After(d) }
