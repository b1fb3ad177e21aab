package wire

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// State is where a breaker (自動遮断) stands. Its number is what the gauge shows.
type State int

// The states of a breaker.
const (
	Closed   State = iota // 通常
	HalfOpen              // 試行中
	Open                  // 遮断中
)

// String gives the state's name in lower case.
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case HalfOpen:
		return "half_open"
	default:
		return "open"
	}
}

// BreakerState is what can be seen of one breaker.
type BreakerState struct {
	Target    string
	State     State
	Since     time.Time // when it came into this state
	NextProbe time.Time // when it lets a call through again; zero unless Open
	Failures  int       // failures counted within the window, at most as many as trip it; while Open those that tripped it
}

// breaker is a circuit breaker around a transport. It opens after a number of failures
// within a window, each counted by its own moment: gobreaker's own counts come in buckets
// and its ConsecutiveFailures are lost with them, so that slow trickles never trip it.
type breaker struct {
	target  string
	need    int
	window  time.Duration
	openFor time.Duration
	circuit *gobreaker.CircuitBreaker[*http.Response]
	next    http.RoundTripper // the way of reads
	log     *slog.Logger

	// mu is taken inside gobreaker's lock, which its callbacks hold. So nothing calls
	// gobreaker while holding mu.
	mu        sync.Mutex
	failures  []time.Time
	since     time.Time
	nextProbe time.Time
	untold    []State // changes of state that are not yet logged
}

func newBreaker(target string, cfg Config, next http.RoundTripper, log *slog.Logger) *breaker {
	b := &breaker{
		target: target, need: cfg.BreakerFailures, window: cfg.BreakerWindow, openFor: cfg.BreakerOpenFor,
		next: next, log: log, since: time.Now(),
	}
	//nolint:bodyclose // no response here: its caller closes it
	b.circuit = gobreaker.NewCircuitBreaker[*http.Response](gobreaker.Settings{
		Name:          target,
		MaxRequests:   1, // one probe at a time, and one good probe closes
		Timeout:       cfg.BreakerOpenFor,
		ReadyToTrip:   func(gobreaker.Counts) bool { return b.failed(time.Now()) },
		OnStateChange: func(_ string, _, to gobreaker.State) { b.changed(to) },
		IsSuccessful:  func(err error) bool { return judged(err) == answers },
		IsExcluded:    func(err error) bool { return judged(err) == ignored },
	})
	return b
}

func judged(err error) breaks {
	if err == nil {
		return answers
	}
	if e, ok := errors.AsType[*end](err); ok {
		return e.breaks()
	}
	return counts
}

// RoundTrip lets a read through unless the breaker is open.
func (b *breaker) RoundTrip(req *http.Request) (*http.Response, error) { return b.pass(req, b.next) }

// pass lets a call through to next unless the breaker is open.
func (b *breaker) pass(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	defer b.tell(req.Context())
	resp, err := b.circuit.Execute(func() (*http.Response, error) { return next.RoundTrip(req) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		closeRequest(req)
		return nil, &end{reason: BreakerOpen}
	}
	return resp, err
}

// failed counts a failure and tells whether it was one too many. Callback of gobreaker.
func (b *breaker) failed(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures = append(within(b.failures, now, b.window), now)
	return len(b.failures) >= b.need
}

// within drops the moments that lie further back than the window.
func within(moments []time.Time, now time.Time, window time.Duration) []time.Time {
	first := 0
	for first < len(moments) && now.Sub(moments[first]) > window {
		first++
	}
	return append(moments[:0], moments[first:]...)
}

// changed notes a change of state. Callback of gobreaker.
func (b *breaker) changed(to gobreaker.State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.since, b.nextProbe = now, time.Time{}
	state := stateOf(to)
	switch state {
	case Open:
		b.nextProbe = now.Add(b.openFor)
	case Closed:
		b.failures = b.failures[:0]
	case HalfOpen:
	}
	b.untold = append(b.untold, state)
}

func stateOf(s gobreaker.State) State {
	switch s {
	case gobreaker.StateClosed:
		return Closed
	case gobreaker.StateHalfOpen:
		return HalfOpen
	default:
		return Open
	}
}

// state gives what can be seen. Asking it moves an open breaker whose time has come to
// half-open, which gobreaker does only when asked.
func (b *breaker) state() BreakerState {
	state := stateOf(b.circuit.State())
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := BreakerState{Target: b.target, State: state, Since: b.since, NextProbe: b.nextProbe}
	if state == Closed {
		b.failures = within(b.failures, time.Now(), b.window)
	}
	seen.Failures = len(b.failures)
	return seen
}

// tell logs the changes of state, outside every lock.
func (b *breaker) tell(ctx context.Context) {
	b.mu.Lock()
	untold := b.untold
	b.untold = nil
	b.mu.Unlock()
	for _, state := range untold {
		level, code := slog.LevelInfo, "KKH2121"
		switch state {
		case Open:
			level, code = slog.LevelWarn, "KKH2120"
		case Closed:
			code = "KKH2122"
		case HalfOpen:
		}
		b.log.LogAttrs(ctx, level, "breaker changed",
			slog.String("code", code), slog.String("target", b.target), slog.String("state", state.String()))
	}
}
