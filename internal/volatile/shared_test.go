package volatile

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"kakehashi/internal/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engines runs f over Redis as it is imitated and, where there is one, as it is; the
// prefix is the test's own.
func engines(t *testing.T, f func(t *testing.T, url, prefix string)) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) {
		server := miniredis.RunT(t)
		f(t, "redis://"+server.Addr(), "kakehashi:{132012}:")
	})
	t.Run("redis", func(t *testing.T) {
		url, prefix := servers.Redis(t), "kakehashi:{test-"+random()+"}:"
		f(t, url, prefix)
		sweep(t, url, prefix)
	})
}

// sweep fails where something would stay in Redis for ever, and removes what is left.
func sweep(t *testing.T, url, prefix string) {
	t.Helper()
	opt, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(opt)
	defer func() { _ = c.Close() }()
	ctx := t.Context()
	names, err := c.Keys(ctx, prefix+"*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if left := c.PTTL(ctx, name).Val(); left <= 0 {
			t.Errorf("%s lies there for ever", strings.TrimPrefix(name, prefix))
		}
		c.Del(ctx, name)
	}
}

// open makes a store as a gateway has it, and runs it while the test lasts.
func open(t *testing.T, url, prefix string) *Store {
	t.Helper()
	s, err := Open(Config{URL: url}, Rooms{Prefix: prefix, Key: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// until waits for something to become true.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(15 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within 15 s: %s", what)
		}
	}
}

func serving(value string) Token {
	now := time.Now()
	return Token{Value: value, Renew: now.Add(time.Minute), Expires: now.Add(2 * time.Minute)}
}

func TestTokenOfAnotherGatewayIsUsed(t *testing.T) {
	engines(t, func(t *testing.T, url, prefix string) {
		a, b := open(t, url, prefix).Tokens(), open(t, url, prefix).Tokens()
		if _, ok := b.Find(t.Context(), "tax"); ok {
			t.Fatal("found a token that nobody fetched")
		}
		want := serving("geheim")
		a.Put("tax", want)
		a.Share(t.Context(), "tax")
		got, ok := b.Find(t.Context(), "tax")
		if !ok || got.Value != "geheim" || !got.Found || got.Renew.Sub(want.Renew).Abs() > time.Millisecond {
			t.Fatalf("Find: got %v, %v", got.Value, ok)
		}
		if held, ok := b.Get("tax"); !ok || held.Value != "geheim" {
			t.Error("what was found is not held")
		}
		if _, ok := b.Find(t.Context(), "residents"); ok {
			t.Error("found it under another key")
		}
		b.Drop(t.Context(), "tax", got)
		if _, ok := open(t, url, prefix).Tokens().Find(t.Context(), "tax"); ok {
			t.Error("a refused token is still shared")
		}
	})
}

// A token that the neighbour refused is not taken back from Redis, even where it could not
// be dropped there.
func TestRefusedTokenIsNotFoundAgain(t *testing.T) {
	engines(t, func(t *testing.T, url, prefix string) {
		a, b := open(t, url, prefix).Tokens(), open(t, url, prefix).Tokens()
		a.Put("tax", serving("one"))
		a.Share(t.Context(), "tax")
		got, _ := b.Find(t.Context(), "tax")
		b.Drop(t.Context(), "tax", got)
		a.Share(t.Context(), "tax")
		if _, ok := b.Find(t.Context(), "tax"); ok {
			t.Error("found what was refused")
		}
		a.Put("tax", serving("two"))
		a.Share(t.Context(), "tax")
		if got, ok := b.Find(t.Context(), "tax"); !ok || got.Value != "two" {
			t.Error("did not find the new one")
		}
		b.Drop(t.Context(), "tax", Token{Value: "one"})
		if got, ok := open(t, url, prefix).Tokens().Find(t.Context(), "tax"); !ok || got.Value != "two" {
			t.Error("dropping the old one took the new one")
		}
	})
}

func TestNobodyElseReadsATokenOrMovesIt(t *testing.T) {
	server := miniredis.RunT(t)
	url := "redis://" + server.Addr()
	a := open(t, url, "kakehashi:{132012}:").Tokens()
	a.Put("https://tax.example client scope", serving("geheim"))
	a.Share(t.Context(), "https://tax.example client scope")
	names := server.Keys()
	if len(names) != 1 || strings.Contains(names[0], "example") {
		t.Fatalf("names: %v", names)
	}
	value, err := server.Get(names[0])
	if err != nil || strings.Contains(value, "geheim") {
		t.Fatalf("the value can be read: %v", err)
	}
	b := open(t, url, "kakehashi:{132012}:")
	if err := server.Set(b.remote.name("token", "other"), value); err != nil {
		t.Fatal(err)
	}
	if _, ok := b.Tokens().Find(t.Context(), "other"); ok {
		t.Error("a value moved to another name was taken")
	}
	stranger, err := Open(Config{URL: url}, Rooms{Prefix: "kakehashi:{132012}:", Key: [32]byte{2}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Close() }()
	if _, ok := stranger.Tokens().Find(t.Context(), "https://tax.example client scope"); ok {
		t.Error("another key found it")
	}
	if err := server.Set(stranger.remote.name("token", "https://tax.example client scope"), value); err != nil {
		t.Fatal(err)
	}
	if _, ok := stranger.Tokens().Find(t.Context(), "https://tax.example client scope"); ok || stranger.Counts().Errors["garbage"] != 1 {
		t.Error("another key opened it")
	}
}

// Whatever Redis answers, memory serves and the cause is counted.
func TestRedisThatDoesNotServeIsOnlySlower(t *testing.T) {
	for name, c := range map[string]struct {
		harm  func(*miniredis.Miniredis, string)
		cause string
	}{
		"read-only": {func(s *miniredis.Miniredis, _ string) {
			s.SetError("READONLY You can't write against a read only replica.")
		}, "readonly"},
		"full":     {func(s *miniredis.Miniredis, _ string) { s.SetError("OOM command not allowed") }, "full"},
		"starting": {func(s *miniredis.Miniredis, _ string) { s.SetError("LOADING Redis is loading") }, "starting"},
		"denied":   {func(s *miniredis.Miniredis, _ string) { s.RequireAuth("x") }, "denied"},
		"type": {func(s *miniredis.Miniredis, name string) {
			s.Del(name)
			_, _ = s.Lpush(name, "x")
		}, "type"},
		"garbage": {func(s *miniredis.Miniredis, name string) { _ = s.Set(name, strings.Repeat("x", 100<<10)) }, "garbage"},
		"away":    {func(s *miniredis.Miniredis, _ string) { s.Close() }, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			server := miniredis.RunT(t)
			s, err := Open(Config{URL: "redis://" + server.Addr()}, Rooms{Prefix: "p:", Key: [32]byte{1}})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			c.harm(server, s.remote.name("token", "tax"))
			s.Tokens().Put("tax", serving("one"))
			if _, ok := s.Tokens().Find(t.Context(), "tax"); ok {
				t.Error("found something")
			}
			if got, ok := s.Tokens().Get("tax"); !ok || got.Value != "one" {
				t.Error("memory does not serve")
			}
			end, first := s.Begin(t.Context(), "press")
			end()
			if !first {
				t.Error("a request was kept waiting")
			}
			if n := s.Counts().Errors[c.cause]; n == 0 {
				t.Errorf("counts: got %v, want some of %s", s.Counts().Errors, c.cause)
			}
		})
	}
}

// A Redis that does not answer costs one timeout a pause, not one a call.
func TestDeadRedisCostsOneTimeoutAPause(t *testing.T) {
	frozen := silent(t)
	s, err := Open(Config{URL: "redis://" + frozen, Timeout: 100 * time.Millisecond}, Rooms{Prefix: "p:", Key: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	began := time.Now()
	for range 200 {
		s.Tokens().Find(t.Context(), "tax")
	}
	if took := time.Since(began); took > pause {
		t.Errorf("200 calls took %v", took)
	}
	if n := s.Counts().Errors["timeout"]; n != 1 {
		t.Errorf("got %v, want one timeout", s.Counts().Errors)
	}
	if state := s.State(t.Context()); state.OK || state.Cause != "timeout" || state.Engine != "redis" {
		t.Errorf("state: %+v", state)
	}
}

func TestSecondRequestWaitsForTheFirst(t *testing.T) {
	engines(t, func(t *testing.T, url, prefix string) {
		for name, pair := range map[string][2]*Store{
			"this gateway":    {open(t, url, prefix), nil},
			"another gateway": {open(t, url, prefix), open(t, url, prefix)},
			"in memory":       {memory(t), nil},
		} {
			t.Run(name, func(t *testing.T) {
				a, b := pair[0], pair[1]
				if b == nil {
					b = a
				}
				end, first := a.Begin(t.Context(), "press")
				if !first {
					t.Fatal("the first had to wait")
				}
				var over atomic.Bool
				done := make(chan bool)
				go func() {
					end, first := b.Begin(t.Context(), "press")
					waited := !first && over.Load()
					end()
					done <- waited
				}()
				select {
				case <-done:
					t.Fatal("the second did not wait")
				case <-time.After(4 * look):
				}
				over.Store(true)
				end()
				end()
				select {
				case waited := <-done:
					if !waited {
						t.Error("the second went on before the first had ended, or took itself for the first")
					}
				case <-time.After(Patience / 2):
					t.Fatal("the second waits although the first has ended")
				}
				again, first := b.Begin(t.Context(), "press")
				again()
				if !first {
					t.Error("a request after both was kept waiting")
				}
			})
		}
	})
}

func memory(t *testing.T) *Store {
	t.Helper()
	s, err := Open(Config{}, Rooms{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A gateway that died with a request in flight, or a caller who goes away, keeps nobody for
// ever.
func TestWaitingForTheFirstHasABound(t *testing.T) {
	engines(t, func(t *testing.T, url, prefix string) {
		a, b := open(t, url, prefix), open(t, url, prefix)
		a.flights.patience, b.flights.patience = 200*time.Millisecond, 200*time.Millisecond
		_, _ = a.Begin(t.Context(), "press")
		for name, s := range map[string]*Store{"this gateway": a, "another": b} {
			began := time.Now()
			end, first := s.Begin(t.Context(), "press")
			end()
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("%s: first %v after %v", name, first, took)
			}
		}
		_, _ = a.Begin(t.Context(), "another press")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		end, _ := a.Begin(ctx, "another press")
		end()
	})
}

func TestBellIsHeardByTheOtherGateways(t *testing.T) {
	engines(t, func(t *testing.T, url, prefix string) {
		a, b := open(t, url, prefix), open(t, url, prefix)
		other := open(t, url, prefix+"other:")
		var here, there, elsewhere, topic atomic.Int64
		stop := listen(t, map[*atomic.Int64]func(context.Context, func()){
			&here:      func(ctx context.Context, w func()) { a.Listen(ctx, "outbox", w) },
			&there:     func(ctx context.Context, w func()) { b.Listen(ctx, "outbox", w) },
			&topic:     func(ctx context.Context, w func()) { b.Listen(ctx, "record", w) },
			&elsewhere: func(ctx context.Context, w func()) { other.Listen(ctx, "outbox", w) },
		})
		defer stop()
		// Joining wakes once, perhaps before the listener stood there.
		until(t, "the stores joined", func() bool { return subscribers(t, url, prefix+"bell") == 2 })
		until(t, "a ring is heard", func() bool {
			was := there.Load()
			a.Ring("outbox")
			return rises(&there, was)
		})
		joined := topic.Load() + elsewhere.Load()
		was := there.Load()
		for range 1000 {
			a.Ring("outbox")
		}
		until(t, "the rings are heard", func() bool { return there.Load() > was })
		if n := there.Load() - was; n > 500 {
			t.Errorf("1000 rings came as %d", n)
		}
		if n := topic.Load() + elsewhere.Load(); n > joined {
			t.Errorf("%d rings for another topic or municipality", n-joined)
		}
	})
}

func TestBellInMemoryIsHeardInThisProcess(t *testing.T) {
	s := memory(t)
	var woken atomic.Int64
	stop := listen(t, map[*atomic.Int64]func(context.Context, func()){
		&woken: func(ctx context.Context, w func()) { s.Listen(ctx, "outbox", w) },
	})
	defer stop()
	until(t, "a ring is heard", func() bool { s.Ring("outbox"); return woken.Load() > 0 })
}

func rises(n *atomic.Int64, from int64) bool {
	late := time.After(200 * time.Millisecond)
	for n.Load() == from {
		select {
		case <-late:
			return false
		case <-time.After(time.Millisecond):
		}
	}
	return true
}

// listen has each counter count the rings of its listener until stop.
func listen(t *testing.T, by map[*atomic.Int64]func(context.Context, func())) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for n, f := range by {
		all.Go(func() { f(ctx, func() { n.Add(1) }) })
	}
	return func() { cancel(); all.Wait() }
}

func subscribers(t *testing.T, url, channel string) int64 {
	t.Helper()
	opt, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(opt)
	defer func() { _ = c.Close() }()
	return c.PubSubNumSub(t.Context(), channel).Val()[channel]
}

func TestStateIsAWriteAndARead(t *testing.T) {
	engines(t, func(t *testing.T, url, prefix string) {
		if state := open(t, url, prefix).State(t.Context()); !state.OK || state.Engine != "redis" || state.Latency <= 0 {
			t.Errorf("state: %+v", state)
		}
	})
	if state := memory(t).State(t.Context()); !state.OK || state.Engine != "memory" {
		t.Errorf("in memory: %+v", state)
	}
}
