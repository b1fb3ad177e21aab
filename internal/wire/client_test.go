package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"kakehashi/internal/fault"
	"kakehashi/internal/volatile"
)

// TestEveryEndHasAMeaning is the table of ends, seen from outside: what the neighbour does,
// what the caller is told, how often the neighbour was asked, what the breaker counted.
func TestEveryEndHasAMeaning(t *testing.T) {
	refusedDial := func(int, *http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	cut := func(int, *http.Request) (*http.Response, error) {
		resp := reply(200, `{"result":[`)
		resp.ContentLength = 1000
		return resp, nil
	}
	cases := []struct {
		name    string
		answer  func(int, *http.Request) (*http.Response, error)
		token   func(int, *http.Request) (*http.Response, error)
		kind    fault.Kind
		reason  string
		code    string
		asked   int
		counted int
		retry   time.Duration // until Retry; -1: none
	}{
		{"not connected", refusedDial, nil, fault.Unavailable, "down", "KKH2101", 3, 3, 10 * time.Second},
		{"reply breaks off", cut, nil, fault.Unavailable, "down", "KKH2101", 3, 3, 10 * time.Second},
		{"silent", silent, nil, fault.Unavailable, "timeout", "KKH2104", 3, 3, 10 * time.Second},
		{"408", always(408, ``), nil, fault.Unavailable, "busy", "KKH2107", 3, 0, 10 * time.Second},
		{"500", always(500, `oops`), nil, fault.Unavailable, "server_error", "KKH2110", 3, 3, 10 * time.Second},
		{"503 with an hour", always(503, `{}`, "Retry-After", "3600"), nil, fault.Unavailable, "server_error", "KKH2110", 1, 1, time.Hour},
		{"501", always(501, ``), nil, fault.Unavailable, "server_error", "KKH2110", 1, 0, 10 * time.Second},
		{"429 with an hour", always(429, ``, "Retry-After", "3600"), nil, fault.Unavailable, "busy", "KKH2107", 1, 0, time.Hour},
		{"429 with two seconds", always(429, ``, "Retry-After", "2"), nil, fault.Unavailable, "busy", "KKH2107", 2, 0, 2 * time.Second},
		{"429 alone", always(429, ``), nil, fault.Unavailable, "busy", "KKH2107", 3, 0, 10 * time.Second},
		{"401 twice", always(401, ``), nil, fault.Unavailable, "unauthorized", "KKH2108", 2, 0, 10 * time.Second},
		{"403", always(403, ``), nil, fault.Denied, "refused_by_neighbour", "KKH2114", 1, 0, -1},
		{"400", always(400, `{"errors":[{"code":"E0002","message":"x"}]}`), nil, fault.Rejected, "rejected", "KKH2115", 1, 0, -1},
		{"404", always(404, ``), nil, fault.Rejected, "rejected", "KKH2115", 1, 0, -1},
		{"204", always(204, ``), nil, fault.Unavailable, "unreadable", "KKH2111", 1, 0, 10 * time.Second},
		{"redirection", always(307, ``, "Location", "http://127.0.0.1:2/"), nil, fault.Unavailable, "unreadable", "KKH2111", 1, 0, 10 * time.Second},
		{"HTML", always(200, `<html>`, "Content-Type", "text/html"), nil, fault.Unavailable, "unreadable", "KKH2111", 1, 0, 10 * time.Second},
		{"too large", always(200, strings.Repeat("x", 1<<20+1)), nil, fault.Unavailable, "too_large", "KKH2112", 1, 0, 10 * time.Second},
		{"token refused", nil, always(401, `{"error":"invalid_client"}`), fault.Unavailable, "token", "KKH2109", 0, 0, 10 * time.Second},
		{"token unreadable", nil, always(200, `<html>`), fault.Unavailable, "token", "KKH2109", 0, 0, 10 * time.Second},
		{"token with a line break", nil, always(200, `{"access_token":"a\nb","token_type":"Bearer"}`), fault.Unavailable, "token", "KKH2109", 0, 0, 10 * time.Second},
		{"token endpoint down", nil, refusedDial, fault.Unavailable, "down", "KKH2101", 0, 3, 10 * time.Second},
		{"token endpoint silent", nil, silent, fault.Unavailable, "timeout", "KKH2104", 0, 3, 10 * time.Second},
		{"token endpoint fails", nil, always(500, ``), fault.Unavailable, "server_error", "KKH2110", 0, 3, 10 * time.Second},
		{"token endpoint busy", nil, always(429, ``, "Retry-After", "60"), fault.Unavailable, "busy", "KKH2107", 0, 0, time.Minute},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &neighbour{answer: c.answer, token: c.token}
				client := testClient(t, testConfig(t), n)
				_, err := read(client)
				f := fails(t, err, c.reason)
				if f.Kind != c.kind || f.Code != c.code {
					t.Errorf("got %v %s, want %v %s", f.Kind, f.Code, c.kind, c.code)
				}
				if asked, _ := n.counted(); asked != c.asked {
					t.Errorf("the neighbour was asked %d times, want %d", asked, c.asked)
				}
				if got := client.Breaker().Failures; got != c.counted {
					t.Errorf("the breaker counted %d failures, want %d", got, c.counted)
				}
				if c.retry < 0 && !f.Retry.IsZero() || c.retry >= 0 && !about(f.Retry, time.Now().Add(c.retry)) {
					t.Errorf("Retry: got %v, want in %v", f.Retry, c.retry)
				}
			})
		})
	}
	t.Logf("%d ends examined", len(cases))
}

func TestBodyOfUnknownLengthIsLimited(t *testing.T) {
	for size, want := range map[int]string{1024: "", 1025: "too_large"} {
		n := &neighbour{answer: func(int, *http.Request) (*http.Response, error) {
			resp := reply(200, strings.Repeat("x", size))
			resp.ContentLength = -1
			return resp, nil
		}}
		cfg := testConfig(t)
		cfg.BodyLimit = 1024
		body, err := read(testClient(t, cfg, n))
		if want != "" {
			fails(t, err, want)
		} else if err != nil || len(body) != size {
			t.Errorf("%d bytes: got %d, %v", size, len(body), err)
		}
	}
}

func TestReadGivesTheAnswer(t *testing.T) {
	var got *http.Request
	n := &neighbour{answer: func(_ int, req *http.Request) (*http.Response, error) {
		got = req
		return reply(200, `{"result":[]}`), nil
	}}
	body, err := read(testClient(t, testConfig(t), n))
	if err != nil || string(body) != `{"result":[]}` {
		t.Fatalf("got %q, %v", body, err)
	}
	if got.URL.String() != "http://127.0.0.1:1/"+resource || got.Method != http.MethodPost ||
		got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Authorization") != "Bearer token-a" {
		t.Errorf("asked by %s %s with %v", got.Method, got.URL, got.Header)
	}
}

func TestRecoversInsideTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &neighbour{answer: func(n int, _ *http.Request) (*http.Response, error) {
			if n < 3 {
				return reply(500, ``), nil
			}
			return reply(200, `{}`), nil
		}}
		began := time.Now()
		if _, err := read(testClient(t, testConfig(t), n)); err != nil {
			t.Fatal(err)
		}
		// Two pauses of 50-100 and 100-200 ms.
		if took := time.Since(began); took < 150*time.Millisecond || took > 300*time.Millisecond {
			t.Errorf("took %v, want 150-300 ms", took)
		}
	})
}

// A Retry-After that does not fit into the deadline must not be waited for.
func TestGivesUpAtOnceWhenTheWaitDoesNotFit(t *testing.T) {
	for _, after := range []string{"60", "3600", "9300000000", "99999999999999999999", "Tue, 01 Jan 2099 00:00:00 GMT"} {
		synctest.Test(t, func(t *testing.T) {
			n := &neighbour{answer: always(429, ``, "Retry-After", after)}
			began := time.Now()
			_, err := read(testClient(t, testConfig(t), n))
			f := fails(t, err, "busy")
			if took := time.Since(began); took > 0 {
				t.Errorf("%s: waited %v", after, took)
			}
			if until := time.Until(f.Retry); until < time.Minute || until > 24*time.Hour {
				t.Errorf("%s: Retry in %v", after, until)
			}
		})
	}
}

func TestRetryAfterIsReadWithCare(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "2": 2 * time.Second, "-5": 0, "-99999999999999999999": 0, "soon": 0, "1.5": 0,
		"9300000000": 24 * time.Hour, "Fri, 31 Dec 1999 23:59:59 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}

func TestPauseIsCappedAndSpread(t *testing.T) {
	for n := 1; n < 70; n++ {
		most := min(500*time.Millisecond, 100*time.Millisecond<<min(n-1, 10))
		if got := pause(n, 500*time.Millisecond); got < most/2 || got > most {
			t.Errorf("pause %d: got %v, want %v-%v", n, got, most/2, most)
		}
	}
}

func TestCancelledKeepsTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("the window was closed")
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(300*time.Millisecond, func() { cancel(why) })
		client := testClient(t, testConfig(t), &neighbour{answer: silent})
		_, err := client.Read(ctx, resource, nil)
		f := fails(t, err, "cancelled")
		if f.Kind != fault.Unavailable || !errors.Is(err, why) || !f.Retry.IsZero() {
			t.Errorf("got %v with cause kept %v, retry %v", f.Kind, errors.Is(err, why), f.Retry)
		}
		if got := client.Breaker().Failures; got != 0 {
			t.Errorf("the breaker counted %d failures for a caller who went away", got)
		}
		if _, err := client.Read(ctx, resource, nil); fault.Find(err).Reason != "cancelled" {
			t.Errorf("asked with a dead context: %v", err)
		}
	})
}

func TestCancelledBetweenAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(10*time.Millisecond, cancel) // the first pause lasts at least 50 ms
		_, err := testClient(t, testConfig(t), &neighbour{answer: always(500, ``)}).Read(ctx, resource, nil)
		fails(t, err, "cancelled")
	})
}

// A deadline that leaves the neighbour no fair time says nothing about the neighbour.
func TestAnImpatientCallerIsNotHeldAgainstTheNeighbour(t *testing.T) {
	for patience, want := range map[time.Duration]int{100 * time.Millisecond: 0, 600 * time.Millisecond: 1} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			client := testClient(t, testConfig(t), &neighbour{answer: silent})
			_, err := client.Read(ctx, resource, nil)
			fails(t, err, "timeout")
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the cause is lost: %v", err)
			}
			if got := client.Breaker().Failures; got != want {
				t.Errorf("patience %v: the breaker counted %d, want %d", patience, got, want)
			}
		})
	}
}

func TestBulkheadRefusesAtTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(t)
		cfg.Concurrency = 8
		client := testClient(t, cfg, &neighbour{answer: func(int, *http.Request) (*http.Response, error) {
			pass(900 * time.Millisecond)
			return reply(200, `{}`), nil
		}})
		ends := make(chan error, 20)
		for range 20 {
			go func() { _, err := read(client); ends <- err }()
		}
		var refused int
		for range 20 {
			if err := <-ends; err != nil {
				if f := fails(t, err, "bulkhead"); f.Kind != fault.Unavailable || f.Code != "KKH2106" || f.Retry.IsZero() {
					t.Errorf("got %v %s %v", f.Kind, f.Code, f.Retry)
				}
				refused++
			}
		}
		if refused != 12 {
			t.Errorf("refused %d of 20 on 8 permits, want 12", refused)
		}
		if got := client.Breaker().Failures; got != 0 {
			t.Errorf("the breaker counted %d failures for our own limit", got)
		}
		if _, err := read(client); err != nil {
			t.Errorf("a permit was lost: %v", err)
		}
	})
}

// Nothing that the neighbour wrote, no URL and no secret stands in an error's text.
func TestErrorsTellNothing(t *testing.T) {
	planted := "1234567890"
	answers := map[string]func(int, *http.Request) (*http.Response, error){
		"400": always(400, `{"errors":[{"code":"E0001","message":"`+planted+`"},{"code":"`+planted+`"},{"code":"E`+planted+`"}]}`),
		"500": always(500, planted),
		"200": always(200, planted, "Content-Type", "text/"+planted),
		"url": func(_ int, req *http.Request) (*http.Response, error) {
			_, err := (&http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, syscall.ECONNRESET
			}}}).Do(req.Clone(req.Context()))
			return nil, err
		},
	}
	for name, answer := range answers {
		_, err := read(testClient(t, testConfig(t), &neighbour{answer: answer}))
		for _, word := range []string{planted, "http://", "token-a", secret, "oauth2"} {
			if strings.Contains(fmt.Sprintf("%v %+v", err, err), word) {
				t.Errorf("%s: %q stands in %v", name, word, err)
			}
		}
		if name == "400" && !strings.Contains(err.Error(), "E0001") {
			t.Errorf("the neighbour's code is missing in %v", err)
		}
	}
}

func TestExplainSaysWhoAndWhen(t *testing.T) {
	client := testClient(t, testConfig(t), &neighbour{})
	if client.Explain(resource, nil) != nil {
		t.Error("nil became an error")
	}
	plain := errors.New("x")
	if got := client.Explain(resource, plain); !errors.Is(got, plain) {
		t.Errorf("a stranger's error became %v", got)
	}
	err := client.Explain(resource, fault.New(fault.Unavailable, "table sex").WithReason("unknown_code").WithCode("KKH2999"))
	f := fails(t, err, "unknown_code")
	if f.Kind != fault.Unavailable || fault.Code(err) != "KKH2999" || !about(f.Retry, time.Now().Add(10*time.Second)) ||
		err.Error() != "KKH2999 residents juminsetaishokai: table sex" {
		t.Errorf("got %s %v %q", f.Code, f.Retry, err)
	}
	missing := fault.New(fault.NotFound, "nobody")
	if got := client.Explain(resource, missing); !errors.Is(got, missing) {
		t.Errorf("NotFound became %v", got)
	}
}

func TestSpansNameTargetAndResourceAlone(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	n := &neighbour{answer: always(400, `{"errors":[{"code":"E0002","message":"1234567890"}]}`)}
	c, err := New("residents", []string{"s"}, testConfig(t), Rooms{Tokens: volatile.NewTokens(), Transport: n, Tracer: provider})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = read(c)
	fails(t, err, "rejected")
	var names []string
	for _, span := range spans.Ended() {
		names = append(names, span.Name())
		text := fmt.Sprint(span.Attributes(), span.Events(), span.Status())
		for _, word := range []string{"1234567890", "token-a", "assertion", secret} {
			if strings.Contains(text, word) {
				t.Errorf("%q stands in span %s", word, text)
			}
		}
	}
	if got := strings.Join(names, " "); got != "residents/token residents/juminsetaishokai" {
		t.Errorf("spans: got %q", got)
	}
}

// loopback serves the wire's shape over TCP.
func loopback(t testing.TB, answer http.HandlerFunc) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth2/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"abc","token_type":"Bearer","expires_in":600}`)
	})
	mux.HandleFunc("POST /", answer)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestOverTCP(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var slow atomic.Bool
	hold := make(chan struct{})
	server := loopback(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		if slow.Load() {
			_, _ = io.WriteString(w, `{"result":`)
			_ = http.NewResponseController(w).Flush()
			select { // the head came, the rest does not: still a time-out of the attempt
			case <-r.Context().Done():
			case <-hold:
			}
			return
		}
		_, _ = w.Write(bytes.Repeat([]byte("x"), 3000))
	})
	cfg := testConfig(t)
	cfg.BaseURL, cfg.AttemptTimeout, cfg.Retries = server.URL, 200*time.Millisecond, 0
	client := testClient(t, cfg, nil)
	if body, err := read(client); err != nil || len(body) != 3000 {
		t.Fatalf("got %d bytes, %v", len(body), err)
	}
	slow.Store(true)
	_, err := read(client)
	fails(t, err, "timeout")
	close(hold)
	server.Close()
	_, err = read(client)
	fails(t, err, "down")
	if got := client.Breaker().Failures; got != 2 {
		t.Errorf("the breaker counted %d failures, want 2", got)
	}
	client.Close()
}

// The certificate must come from the authority that the configuration names, and where one
// of ours is named the neighbour gets to see it.
func TestOverTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(loopback(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"shown":%d,"version":%d}`, len(r.TLS.PeerCertificates), r.TLS.Version)
	}).Config.Handler)
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	defer server.Close()
	cfg := testConfig(t)
	cfg.BaseURL, cfg.Retries = server.URL, 0
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	_, err := read(testClient(t, cfg, nil))
	fails(t, err, "down")

	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cfg.CAFile, cfg.CertFile, cfg.KeyFile = filepath.Join(dir, "ca"), filepath.Join(dir, "ca"), filepath.Join(dir, "key")
	for file, block := range map[string]*pem.Block{
		cfg.CAFile: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, cfg.KeyFile: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	body, err := read(testClient(t, cfg, nil))
	if err != nil || string(body) != fmt.Sprintf(`{"shown":1,"version":%d}`, tls.VersionTLS13) {
		t.Errorf("got %s, %v", body, err)
	}

	old := httptest.NewUnstartedServer(server.Config.Handler)
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11}
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.StartTLS()
	defer old.Close()
	cfg.BaseURL = old.URL
	_, err = read(testClient(t, cfg, nil))
	fails(t, err, "down")
}

// BenchmarkRead is one safe read over loopback, against a bare POST on the same connection.
func BenchmarkRead(b *testing.B) {
	server := loopback(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		_, _ = w.Write(bytes.Repeat([]byte("x"), 540))
	})
	b.Run("wire", func(b *testing.B) {
		cfg := testConfig(b)
		cfg.BaseURL = server.URL
		client := testClient(b, cfg, nil)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := read(client); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		client := &http.Client{Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		b.ReportAllocs()
		for b.Loop() {
			resp, err := client.Post(server.URL+"/"+resource, "application/json", strings.NewReader(`{"atenabango":"1234567890"}`))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
	})
}
