package wire

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"log/slog"

	"kakehashi/internal/volatile"
)

// once is a configuration without retries: one call is one attempt.
func once(t *testing.T) Config {
	cfg := testConfig(t)
	cfg.Retries = 0
	return cfg
}

func TestBreakerCountsByTheMoment(t *testing.T) {
	const fail = "x"
	cases := []struct {
		name string
		// gaps between calls: each a failure
		gaps []time.Duration
		open bool
	}{
		{"five at once", []time.Duration{0, 0, 0, 0, 0}, true},
		{"four", []time.Duration{0, 0, 0, 0}, false},
		{"five in exactly a minute", []time.Duration{0, 15 * time.Second, 15 * time.Second, 15 * time.Second, 15 * time.Second}, true},
		{"four and one that is a minute and a moment old", []time.Duration{0, 60*time.Second + time.Millisecond, 0, 0, 0}, false},
		{"four old, four new", []time.Duration{0, 0, 0, 0, 61 * time.Second, 0, 0, 0}, false},
		{"three old, two new, all within", []time.Duration{0, 0, 0, 50 * time.Second, 0}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := testClient(t, once(t), &neighbour{answer: always(500, fail)})
				for _, gap := range c.gaps {
					pass(gap)
					_, err := read(client)
					fails(t, err, "server_error")
				}
				if got := client.Breaker().State == Open; got != c.open {
					t.Errorf("open: got %v, want %v", got, c.open)
				}
			})
		})
	}
}

// gobreaker's own count of consecutive failures loses a slow trickle.
func TestASlowTrickleTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &neighbour{answer: always(500, ``)}
		client := testClient(t, once(t), n)
		for range 50 {
			_, _ = read(client)
			if client.Breaker().State == Open {
				break
			}
			pass(15 * time.Second)
		}
		if asked, _ := n.counted(); asked != 5 {
			t.Errorf("opened after %d failures one per 15 s, want 5", asked)
		}
	})
}

func TestBreakerOpensProbesAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		healthy := false
		n := &neighbour{answer: func(int, *http.Request) (*http.Response, error) {
			pass(100 * time.Millisecond)
			if healthy {
				return reply(200, `{}`), nil
			}
			return reply(500, ``), nil
		}}
		client, err := New("tax", []string{"s"}, once(t), Rooms{Tokens: volatile.NewTokens(), Transport: n,
			Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		for range 5 {
			_, err := read(client)
			fails(t, err, "server_error")
		}
		opened := time.Now()
		if got, want := client.Breaker(), (BreakerState{"tax", Open, opened, opened.Add(10 * time.Second), 5}); got != want {
			t.Errorf("breaker: got %+v, want %+v", got, want)
		}
		pass(4 * time.Second)
		_, err = read(client)
		f := fails(t, err, "breaker_open")
		if f.Code != "KKH2105" || !f.Retry.Equal(opened.Add(10*time.Second)) {
			t.Errorf("got %s, retry %v; want KKH2105, %v", f.Code, f.Retry, opened.Add(10*time.Second))
		}
		if asked, _ := n.counted(); asked != 5 {
			t.Errorf("the neighbour was asked %d times, want 5", asked)
		}

		pass(6*time.Second + time.Nanosecond) // past the pause: the first probe fails
		if got := client.Breaker().State; got != HalfOpen {
			t.Errorf("after the pause: got %v, want half open", got)
		}
		_, err = read(client)
		if f = fails(t, err, "server_error"); !about(f.Retry, time.Now().Add(10*time.Second)) {
			t.Errorf("Retry after a failed probe: %v", f.Retry)
		}

		pass(10*time.Second + time.Nanosecond) // two callers, one probe
		healthy = true
		ends := make(chan error, 2)
		for range 2 {
			go func() { _, err := read(client); ends <- err }()
		}
		first, second := <-ends, <-ends
		if second != nil {
			first, second = second, first
		}
		if second != nil {
			t.Fatalf("no probe came through: %v, %v", first, second)
		}
		fails(t, first, "breaker_open")
		if got := client.Breaker(); got.State != Closed || got.Failures != 0 {
			t.Errorf("after the probe: %+v", got)
		}
		for _, code := range []string{"KKH2120", "KKH2121", "KKH2122"} {
			if !strings.Contains(log.String(), "code="+code+" target=tax") {
				t.Errorf("%s is not in the log:\n%s", code, log.String())
			}
		}
	})
}

// A probe whose caller went away says nothing, and must not hold the only place.
func TestAProbeThatWasCancelledLeavesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := always(500, ``)
		n := &neighbour{answer: func(i int, req *http.Request) (*http.Response, error) { return answer(i, req) }}
		client := testClient(t, once(t), n)
		for range 5 {
			_, _ = read(client)
		}
		pass(11 * time.Second)
		answer = silent
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		_, err := client.Read(ctx, resource, nil)
		fails(t, err, "timeout")
		answer = always(200, `{}`)
		if _, err := read(client); err != nil {
			t.Errorf("the next probe: %v", err)
		}
		if got := client.Breaker().State; got != Closed {
			t.Errorf("got %v, want closed", got)
		}
	})
}

func TestABreakerThatOpensEndsTheRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &neighbour{answer: always(500, ``)}
		client := testClient(t, testConfig(t), n)
		_, _ = read(client) // three
		began := time.Now()
		_, err := read(client) // two more open it
		if f := fails(t, err, "server_error"); !f.Retry.Equal(client.Breaker().NextProbe) {
			t.Errorf("Retry: got %v, want the next probe %v", f.Retry, client.Breaker().NextProbe)
		}
		if asked, _ := n.counted(); asked != 5 {
			t.Errorf("asked %d times, want 5", asked)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("took %v: it waited for an attempt that could not be", took)
		}
	})
}

func TestWhatDoesNotOpenTheBreaker(t *testing.T) {
	for name, answer := range map[string]func(int, *http.Request) (*http.Response, error){
		"busy": always(429, ``), "garbage": always(200, `<`, "Content-Type", "text/html"), "refused": always(403, ``),
		"huge": always(200, strings.Repeat("x", 2<<20)), "expired token": always(401, ``), "501": always(501, ``),
	} {
		synctest.Test(t, func(t *testing.T) {
			client := testClient(t, testConfig(t), &neighbour{answer: answer})
			for range 20 {
				_, _ = read(client)
			}
			if got := client.Breaker().State; got != Closed {
				t.Errorf("%s: the breaker is %v", name, got)
			}
		})
	}
}
