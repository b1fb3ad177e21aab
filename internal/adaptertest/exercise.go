package adaptertest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// Subject is an adapter with fresh state (no token, breaker closed) before its stand-in.
type Subject struct {
	// Call asks one thing that a healthy stand-in answers, and gives the answer.
	Call func(context.Context) (any, error)
	// Fault puts the stand-in into a fault: down, slow, refuse, busy, garbage, huge,
	// expired-token. Clear ends it.
	Fault func(kind string)
	Clear func()
	// Meaning reads an error of Call: its kind and reason as words, when to ask again.
	Meaning func(error) (kind, reason string, retry time.Time)
	// Breaker gives closed, half_open or open.
	Breaker func() string
	// Wire is the transport that the adapter was given.
	Wire *Tamper
	// Spoil puts a code that no table knows into a healthy reply, and SpoiltReason is the
	// reason for which such a reply is unavailable.
	Spoil        func(body string) string
	SpoiltReason string
	// Budget is the longest that a call may take.
	Budget time.Duration
}

// examination is one case.
type examination struct {
	name string
	sit  func(*testing.T, Subject)
}

// Exercise examines an adapter; build makes it anew for each case. It prints which adapter
// it examined and in how many cases, and fails where it examined nothing.
func Exercise(t *testing.T, adapter string, build func(*testing.T) Subject) {
	t.Helper()
	sat := 0
	for _, e := range examinations() {
		t.Run(e.name, func(t *testing.T) {
			s := build(t)
			t.Cleanup(s.Clear)
			e.sit(t, s)
			sat++
		})
	}
	if adapter == "" || sat == 0 {
		t.Fatalf("examined nothing: adapter %q, %d cases", adapter, sat)
	}
	t.Logf("examined %s in %d cases", adapter, sat)
}

func examinations() []examination {
	all := []examination{
		{"done twice", doneTwice},
		{"lost reply", lostReply},
		{"unknown code", unknownCode},
		{"cancelled", cancelled},
		{"token expired in the middle", tokenExpired},
	}
	for _, f := range faults() {
		all = append(all, examination{f.kind, f.sit})
	}
	return all
}

// fault is what a fault of the stand-in must look like from outside.
type fault struct {
	kind    string
	reasons []string
	opens   bool // the breaker, after some calls
}

func faults() []fault {
	return []fault{
		{"down", []string{"down"}, true},
		{"slow", []string{"timeout"}, true},
		{"refuse", []string{"server_error"}, true},
		{"busy", []string{"busy"}, false},
		{"garbage", []string{"unreadable"}, false},
		{"huge", []string{"too_large"}, false},
		{"expired-token", []string{"unauthorized", "token"}, false},
	}
}

// sit: every call under the fault is honest and within its budget; the breaker opens or
// does not; afterwards all is well again by itself.
func (f fault) sit(t *testing.T, s Subject) {
	answers(t, s)
	s.Fault(f.kind)
	for range 8 {
		if s.Breaker() == "open" {
			break
		}
		began := time.Now()
		retry := unavailable(t, s, f.reasons...)
		if took := time.Since(began); took > s.Budget+200*time.Millisecond {
			t.Errorf("%s: took %v, more than its budget of %v", f.kind, took, s.Budget)
		}
		if retry.Before(began) {
			t.Errorf("%s: the next attempt is said to be worth it at %v, before now", f.kind, retry)
		}
	}
	if opened := s.Breaker() == "open"; opened != f.opens {
		t.Fatalf("%s: the breaker is %s after eight calls", f.kind, s.Breaker())
	}
	if f.opens {
		nobodyAsked(t, s)
	}
	s.Clear()
	recovers(t, s)
}

// nobodyAsked: an open breaker answers at once, without the neighbour, and says when.
func nobodyAsked(t *testing.T, s Subject) {
	t.Helper()
	before, tokens := s.Wire.Asked()
	began := time.Now()
	retry := unavailable(t, s, "breaker_open")
	if took := time.Since(began); took > 100*time.Millisecond {
		t.Errorf("an open breaker answered after %v", took)
	}
	if !retry.After(began) {
		t.Errorf("an open breaker names %v as its next attempt", retry)
	}
	if after, more := s.Wire.Asked(); after != before || more != tokens {
		t.Errorf("an open breaker let %d requests through", after-before+more-tokens)
	}
}

// recovers: within a few seconds a call succeeds and the breaker is closed.
func recovers(t *testing.T, s Subject) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := s.Call(t.Context())
		if err == nil && s.Breaker() == "closed" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it did not recover: %v, breaker %s", err, s.Breaker())
		}
	}
}

func answers(t *testing.T, s Subject) any {
	t.Helper()
	answer, err := s.Call(t.Context())
	if err != nil {
		t.Fatalf("a healthy stand-in: %v", err)
	}
	return answer
}

// unavailable checks that a call ends so, for one of the reasons, and gives the next time.
func unavailable(t *testing.T, s Subject, reasons ...string) time.Time {
	t.Helper()
	answer, err := s.Call(t.Context())
	if err == nil {
		t.Fatalf("got an answer of type %T, want unavailable for %s", answer, strings.Join(reasons, " or "))
	}
	kind, reason, retry := s.Meaning(err)
	if kind != "unavailable" || !slices.Contains(reasons, reason) {
		t.Fatalf("got %s for %q (%v), want unavailable for %s", kind, reason, err, strings.Join(reasons, " or "))
	}
	if answer != nil && !reflect.ValueOf(answer).IsZero() {
		t.Errorf("an answer came beside the error")
	}
	return retry
}

func doneTwice(t *testing.T, s Subject) {
	first, second := answers(t, s), answers(t, s)
	if !reflect.DeepEqual(first, second) {
		t.Error("asked twice, got two answers")
	}
	if _, tokens := s.Wire.Asked(); tokens != 1 {
		t.Errorf("%d tokens for two calls, want 1", tokens)
	}
}

// lostReply: the neighbour answered and the answer was lost: a read is asked again.
func lostReply(t *testing.T, s Subject) {
	want := answers(t, s)
	before, _ := s.Wire.Asked()
	_ = answers(t, s)
	after, _ := s.Wire.Asked()
	s.Wire.Lose(1)
	if got := answers(t, s); !reflect.DeepEqual(got, want) {
		t.Error("the answer after a lost reply is another")
	}
	if again, _ := s.Wire.Asked(); again-after != after-before+1 {
		t.Errorf("asked %d times, want %d", again-after, after-before+1)
	}
}

func unknownCode(t *testing.T, s Subject) {
	s.Wire.Spoil(s.Spoil)
	unavailable(t, s, s.SpoiltReason)
	s.Wire.Spoil(nil)
	answers(t, s)
}

// cancelled: a caller who goes away ends the call, keeps its cause, and is not held against
// the neighbour.
func cancelled(t *testing.T, s Subject) {
	answers(t, s)
	s.Fault("slow")
	gone := errors.New("the window was closed")
	for range 6 {
		ctx, cancel := context.WithCancelCause(t.Context())
		timer := time.AfterFunc(20*time.Millisecond, func() { cancel(gone) })
		_, err := s.Call(ctx)
		timer.Stop()
		cancel(nil)
		if err == nil {
			t.Fatal("got an answer")
		}
		if kind, reason, _ := s.Meaning(err); kind != "unavailable" || reason != "cancelled" || !errors.Is(err, gone) {
			t.Fatalf("got %s for %q (%v), want unavailable for cancelled with its cause", kind, reason, err)
		}
	}
	if s.Breaker() != "closed" {
		t.Errorf("callers who went away left the breaker %s", s.Breaker())
	}
	s.Clear()
	answers(t, s)
}

// tokenExpired: one token that ends early is renewed and never seen.
func tokenExpired(t *testing.T, s Subject) {
	want := answers(t, s)
	_, before := s.Wire.Asked()
	s.Fault("expired-token")
	s.Clear()
	if got := answers(t, s); !reflect.DeepEqual(got, want) {
		t.Error("the answer after the renewal is another")
	}
	if _, after := s.Wire.Asked(); after != before+1 {
		t.Errorf("%d tokens were asked for, want 1", after-before)
	}
}
