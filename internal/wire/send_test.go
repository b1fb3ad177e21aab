package wire

import (
	"bufio"
	"context"
	"encoding/pem"
	"errors"
	"io"
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

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
)

const (
	writing = "app_submit/v10/gyomuriyotoroku"
	letter  = `{"atenabango":"1234567890"}`
)

func send(c *Client) ([]byte, error) {
	return c.Send(context.Background(), writing, "C-1.1", []byte(letter))
}

// TestEveryEndOfAWriteHasAMeaning is the table of a write's ends, seen from outside.
func TestEveryEndOfAWriteHasAMeaning(t *testing.T) {
	refusedDial := func(int, *http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	cut := func(int, *http.Request) (*http.Response, error) {
		resp := reply(200, `{"result":[`)
		resp.ContentLength = 1000
		return resp, nil
	}
	lost := func(int, *http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }
	const errs = `{"errors":[{"code":"E0004","message":"x"}]}`
	cases := []struct {
		name    string
		answer  func(int, *http.Request) (*http.Response, error)
		token   func(int, *http.Request) (*http.Response, error)
		kind    fault.Kind
		reason  string
		code    string
		counted int
		retry   time.Duration // until Retry; -1: none
	}{
		{"reply lost", lost, nil, fault.Unsure, "down", "KKH2202", 1, -1},
		{"reply breaks off", cut, nil, fault.Unsure, "down", "KKH2202", 1, -1},
		{"silent", silent, nil, fault.Unsure, "timeout", "KKH2201", 1, -1},
		{"500", always(500, `oops`), nil, fault.Unsure, "server_error", "KKH2204", 1, -1},
		{"503 with an hour", always(503, errs, "Retry-After", "3600"), nil, fault.Unsure, "server_error", "KKH2204", 1, time.Hour},
		{"501", always(501, ``), nil, fault.Unsure, "server_error", "KKH2204", 0, -1},
		{"408", always(408, ``), nil, fault.Unsure, "busy", "KKH2207", 0, -1},
		{"408 with errors", always(408, errs), nil, fault.Unsure, "busy", "KKH2207", 0, -1},
		{"429 with an hour", always(429, errs, "Retry-After", "3600"), nil, fault.Unavailable, "busy", "KKH2107", 0, time.Hour},
		{"429 alone", always(429, ``), nil, fault.Unavailable, "busy", "KKH2107", 0, -1},
		{"401 twice", always(401, ``), nil, fault.Unavailable, "unauthorized", "KKH2108", 0, -1},
		{"403", always(403, `{"detail":"x"}`), nil, fault.Unsure, "refused_by_neighbour", "KKH2207", 0, -1},
		{"403 with errors", always(403, errs), nil, fault.Rejected, "refused_by_neighbour", "KKH2210", 0, -1},
		{"400", always(400, errs), nil, fault.Rejected, "rejected", "KKH2210", 0, -1},
		{"400 by somebody else", always(400, `{"errors":[]}`), nil, fault.Unsure, "rejected", "KKH2207", 0, -1},
		{"404", always(404, ``), nil, fault.Unsure, "rejected", "KKH2207", 0, -1},
		{"204", always(204, ``), nil, fault.Unsure, "unreadable", "KKH2205", 0, -1},
		{"redirection", always(307, ``, "Location", "http://127.0.0.1:2/"), nil, fault.Unsure, "unreadable", "KKH2205", 0, -1},
		{"HTML", always(200, `<html>`, "Content-Type", "text/html"), nil, fault.Unsure, "unreadable", "KKH2205", 0, -1},
		{"too large", always(200, strings.Repeat("x", 1<<20+1)), nil, fault.Unsure, "too_large", "KKH2206", 0, -1},
		{"token refused", nil, always(401, `{"error":"invalid_client"}`), fault.Unavailable, "token", "KKH2109", 0, -1},
		{"token endpoint down", nil, refusedDial, fault.Unavailable, "down", "KKH2101", 1, -1},
		{"token endpoint silent", nil, silent, fault.Unavailable, "timeout", "KKH2104", 1, -1},
		{"token endpoint fails", nil, always(500, ``), fault.Unavailable, "server_error", "KKH2110", 1, -1},
		{"token endpoint busy", nil, always(429, ``, "Retry-After", "60"), fault.Unavailable, "busy", "KKH2107", 0, time.Minute},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &neighbour{answer: c.answer, token: c.token}
				client := testClient(t, testConfig(t), n)
				_, err := send(client)
				f := fails(t, err, c.reason)
				if f.Kind != c.kind || f.Code != c.code {
					t.Errorf("got %v %s, want %v %s", f.Kind, f.Code, c.kind, c.code)
				}
				if asked, _ := n.counted(); asked > 1 && c.reason != "unauthorized" {
					t.Errorf("sent %d times", asked)
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
	t.Logf("%d ends of a write examined", len(cases))
}

func TestSendGivesTheAnswer(t *testing.T) {
	var got *http.Request
	n := &neighbour{answer: func(_ int, req *http.Request) (*http.Response, error) {
		got = req
		return reply(200, `{"result":[]}`), nil
	}}
	body, err := send(testClient(t, testConfig(t), n))
	if err != nil || string(body) != `{"result":[]}` {
		t.Fatalf("got %q, %v", body, err)
	}
	if got.URL.String() != "http://127.0.0.1:1/"+writing || got.Method != http.MethodPost || got.GetBody != nil ||
		got.ContentLength != int64(len(letter)) || got.Header.Get("Idempotency-Key") != "C-1.1" ||
		got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Authorization") != "Bearer token-a" {
		t.Errorf("sent as %s %s, %d bytes, with %v", got.Method, got.URL, got.ContentLength, got.Header)
	}
	if diff := cmp.Diff([]string{letter}, n.bodies); diff != "" {
		t.Errorf("bodies sent (-want +got):\n%s", diff)
	}
}

func TestSendNeedsAKeyAndABody(t *testing.T) {
	n := &neighbour{answer: always(200, `{}`)}
	client := testClient(t, testConfig(t), n)
	for key, body := range map[string]string{"": letter, "a\nb": letter, "C-1": ""} {
		if _, err := client.Send(t.Context(), writing, key, []byte(body)); !fault.Is(err, fault.Internal) {
			t.Errorf("key %q, body %q: got %v", key, body, err)
		}
	}
	if asked, _ := n.counted(); asked != 0 {
		t.Errorf("sent %d times", asked)
	}
}

// An expired token costs one attempt more, and is seen by nobody.
func TestAWriteIsSentAgainOnlyAfterARefusedToken(t *testing.T) {
	n := &neighbour{}
	n.answer = accepting("token-b")
	if _, err := send(testClient(t, testConfig(t), n)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{letter, letter}, n.bodies); diff != "" {
		t.Errorf("bodies sent (-want +got):\n%s", diff)
	}
	if asked, tokens := n.counted(); asked != 2 || tokens != 2 {
		t.Errorf("sent %d times with %d token requests, want 2 with 2", asked, tokens)
	}
}

// After a 401 the second attempt alone decides: what was refused did not happen, what broke
// off afterwards may have.
func TestAfterARefusedTokenTheSecondAttemptDecides(t *testing.T) {
	first401 := func(then func() (*http.Response, error)) func(int, *http.Request) (*http.Response, error) {
		return func(i int, _ *http.Request) (*http.Response, error) {
			if i == 1 {
				return reply(401, ``), nil
			}
			return then()
		}
	}
	n := &neighbour{answer: first401(func() (*http.Response, error) { return nil, io.ErrUnexpectedEOF })}
	_, err := send(testClient(t, testConfig(t), n))
	if f := fails(t, err, "down"); f.Kind != fault.Unsure {
		t.Errorf("lost after a renewal: got %v, want unsure", f.Kind)
	}
	n = &neighbour{answer: always(401, ``), token: func(i int, _ *http.Request) (*http.Response, error) {
		if i == 1 {
			return tokenReply("a")
		}
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}}
	_, err = send(testClient(t, testConfig(t), n))
	if f := fails(t, err, "down"); f.Kind != fault.Unavailable {
		t.Errorf("no renewal to be had: got %v, want unavailable", f.Kind)
	}
}

// slowToRead is a transport that takes its time before it takes the body, as a dial does.
type slowToRead struct {
	*neighbour
	wait time.Duration
}

func (s slowToRead) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.HasSuffix(req.URL.Path, "/oauth2/token") {
		return s.neighbour.RoundTrip(req)
	}
	pass(s.wait)
	if _, err := req.Body.Read(make([]byte, 0)); err != nil {
		return nil, err
	}
	return s.neighbour.RoundTrip(req)
}

// A process that was stopped, or waited long for a connection, does not send after its time.
func TestNothingGoesOutAfterTheDeadline(t *testing.T) {
	for wait, want := range map[time.Duration]string{400 * time.Millisecond: "", 500 * time.Millisecond: "timeout", time.Hour: "timeout"} {
		synctest.Test(t, func(t *testing.T) {
			n := &neighbour{answer: always(200, `{}`)}
			client := testClient(t, testConfig(t), slowToRead{n, wait})
			ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
			defer cancel()
			_, err := client.Send(ctx, writing, "C-1", []byte(letter))
			asked, _ := n.counted()
			if want == "" {
				if err != nil || asked != 1 {
					t.Errorf("in time: sent %d times, %v", asked, err)
				}
				return
			}
			if f := fails(t, err, want); f.Kind != fault.Unavailable || asked != 0 {
				t.Errorf("after %v: got %v, sent %d times", wait, f.Kind, asked)
			}
			if got := client.Breaker().Failures; got != 0 {
				t.Errorf("after %v: the breaker counted %d failures for our own lateness", wait, got)
			}
		})
	}
}

// The deadline counts from its moment, even where its timer has not fired.
func TestTheGateLooksAtTheClock(t *testing.T) {
	err := mayGo(lateTimer{t.Context()})
	if e := endOfWrite(err); e.reason != TimedOut || !e.spared || e.sent {
		t.Errorf("got %+v", e)
	}
	if err := mayGo(t.Context()); err != nil {
		t.Errorf("without a deadline: %v", err)
	}
}

// lateTimer is a context whose deadline is over and whose timer sleeps.
//
//nolint:containedctx // it is a context
type lateTimer struct{ context.Context }

func (lateTimer) Deadline() (time.Time, bool) { return time.Now(), true }

// A caller whose lease is shorter than the limit of a write still lets a dead neighbour
// trip the breaker.
func TestAShortLeaseCountsAgainstASilentNeighbour(t *testing.T) {
	for patience, want := range map[time.Duration]int{900 * time.Millisecond: 0, 5 * time.Second: 1} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			client := testClient(t, testConfig(t), &neighbour{answer: silent})
			_, err := client.Send(ctx, writing, "C-1", []byte(letter))
			if f := fails(t, err, "timeout"); f.Kind != fault.Unsure {
				t.Errorf("patience %v: got %v, want unsure", patience, f.Kind)
			}
			if got := client.Breaker().Failures; got != want {
				t.Errorf("patience %v: the breaker counted %d, want %d", patience, got, want)
			}
		})
	}
}

func TestAWriteThatIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(2*time.Second, func() { cancel(why) })
		n := &neighbour{answer: silent}
		client := testClient(t, testConfig(t), n)
		_, err := client.Send(ctx, writing, "C-1", []byte(letter))
		if f := fails(t, err, "cancelled"); f.Kind != fault.Unsure || f.Code != "KKH2203" || !errors.Is(err, why) {
			t.Errorf("after it went out: got %v %s (%v)", f.Kind, f.Code, err)
		}
		_, err = client.Send(ctx, writing, "C-1", []byte(letter))
		if f := fails(t, err, "cancelled"); f.Kind != fault.Unavailable || !errors.Is(err, why) {
			t.Errorf("before it went out: got %v (%v)", f.Kind, err)
		}
		if asked, _ := n.counted(); asked != 1 {
			t.Errorf("sent %d times, want 1", asked)
		}
	})
}

// Reads and writes of one client share breaker and permits.
func TestWritesStandBehindBreakerAndBulkhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := once(t)
		cfg.Concurrency = 1
		n := &neighbour{answer: func(int, *http.Request) (*http.Response, error) {
			pass(900 * time.Millisecond)
			return reply(500, ``), nil
		}}
		client := testClient(t, cfg, n)
		ends := make(chan error, 1)
		go func() { _, err := read(client); ends <- err }()
		synctest.Wait()
		_, err := send(client)
		if f := fails(t, err, "bulkhead"); f.Kind != fault.Unavailable || f.Retry.IsZero() {
			t.Errorf("no permit: got %v, retry %v", f.Kind, f.Retry)
		}
		<-ends
		for range 4 {
			_, err := send(client)
			fails(t, err, "server_error")
		}
		asked, _ := n.counted()
		_, err = send(client)
		if f := fails(t, err, "breaker_open"); f.Kind != fault.Unavailable || !about(f.Retry, time.Now().Add(10*time.Second)) {
			t.Errorf("breaker open: got %v, retry %v", f.Kind, f.Retry)
		}
		if now, _ := n.counted(); now != asked {
			t.Error("an open breaker let a write through")
		}
	})
}

func TestDoubtMakesAnUnreadableAnswerUnsure(t *testing.T) {
	client := testClient(t, testConfig(t), &neighbour{})
	plain := errors.New("x")
	if client.Doubt(writing, nil) != nil || !errors.Is(client.Doubt(writing, plain), plain) {
		t.Error("nil or a stranger's error was changed")
	}
	cause := fault.New(fault.Unavailable, "no result").WithReason("unreadable").WithCode("KKH2151")
	f := fails(t, client.Doubt(writing, cause), "unreadable")
	if f.Kind != fault.Unsure || f.Code != "KKH2205" || !errors.Is(f, cause) || f.Error() != "KKH2205 residents gyomuriyotoroku: KKH2151 no result" {
		t.Errorf("got %v %q", f.Kind, f)
	}
}

// counting is a server of one line: it answers the first request on each connection, and
// reads the second and closes, as a neighbour does that dies over its work. Tokens come
// over connections of their own kind: they are answered always.
func counting(t *testing.T, writes *atomic.Int32) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					body := `{"access_token":"a","token_type":"Bearer","expires_in":600}`
					if req.URL.Path == "/"+writing {
						if writes.Add(1) > 1 {
							return
						}
						body = `{}`
					}
					_ = (&http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)),
						Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}).Write(conn)
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

// net/http repeats a request with an Idempotency-Key by itself when a kept connection
// breaks. This one it must not.
func TestTheTransportDoesNotRepeatAWrite(t *testing.T) {
	var writes atomic.Int32
	cfg := testConfig(t)
	cfg.BaseURL = counting(t, &writes)
	client := testClient(t, cfg, nil)
	if _, err := send(client); err != nil {
		t.Fatal(err)
	}
	_, err := send(client)
	if f := fails(t, err, "down"); f.Kind != fault.Unsure {
		t.Errorf("got %v, want unsure", f.Kind)
	}
	if got := writes.Load(); got != 2 {
		t.Errorf("the neighbour got %d requests for two writes", got)
	}
}

// Over the wire: not connected is not sent, and a neighbour that reads and never answers
// may have done it.
func TestWhatWentOutOverTheWire(t *testing.T) {
	hold := make(chan struct{})
	server := loopback(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-hold:
		}
	})
	cfg := testConfig(t)
	cfg.BaseURL, cfg.SendTimeout = server.URL, 200*time.Millisecond
	client := testClient(t, cfg, nil)
	_, err := send(client)
	if f := fails(t, err, "timeout"); f.Kind != fault.Unsure {
		t.Errorf("silent: got %v, want unsure", f.Kind)
	}
	close(hold)
	server.Close()
	_, err = send(client)
	if f := fails(t, err, "down"); f.Kind != fault.Unavailable {
		t.Errorf("not connected: got %v, want unavailable", f.Kind)
	}
}

// Over HTTP/2, whose transport repeats by rules of its own, a write goes out once as well.
func TestAWriteGoesOutOnceOverHTTP2(t *testing.T) {
	var writes atomic.Int32
	server := httptest.NewUnstartedServer(loopback(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if writes.Add(1) > 1 || r.ProtoMajor != 2 {
			panic(http.ErrAbortHandler) // the stream is reset
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{}`)
	}).Config.Handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	cfg := testConfig(t)
	cfg.BaseURL, cfg.CAFile = server.URL, filepath.Join(t.TempDir(), "ca")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(cfg.CAFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	client := testClient(t, cfg, nil)
	if _, err := send(client); err != nil {
		t.Fatal(err)
	}
	_, err := send(client)
	if f := fails(t, err, "down"); f.Kind != fault.Unsure {
		t.Errorf("got %v, want unsure", f.Kind)
	}
	if got := writes.Load(); got != 2 {
		t.Errorf("the neighbour got %d requests for two writes", got)
	}
}

// BenchmarkSend is one write over loopback; compare BenchmarkRead.
func BenchmarkSend(b *testing.B) {
	server := loopback(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		_, _ = w.Write([]byte(`{}`))
	})
	cfg := testConfig(b)
	cfg.BaseURL = server.URL
	client := testClient(b, cfg, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := send(client); err != nil {
			b.Fatal(err)
		}
	}
}
