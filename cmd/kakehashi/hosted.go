package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kakehashi/config"
	"kakehashi/internal/fault"
	"kakehashi/internal/logline"
)

// hosted is one municipality of a host: its set while it lives, and the way to it.
type hosted struct {
	at       config.Hosted
	code     string
	log      *slog.Logger
	limits   *limits
	now      atomic.Pointer[living] // nil: it is down
	restarts prometheus.Counter
	refused  prometheus.Counter
	metrics  http.Handler
}

func newHosted(at config.Hosted, log *slog.Logger) *hosted {
	code := at.File.Municipality.Code
	return &hosted{at: at, code: code, log: log.With("municipality", code), limits: newLimits(at.MaxRequests, at.MaxRate)}
}

// build builds the set as serve does for a municipality alone.
func (h *hosted) build(ctx context.Context) (*set, error) {
	ctx = logline.WithMunicipality(ctx, h.code)
	cfg := *h.at.File
	cfg.Listen.Base = h.at.Path
	return newSet(ctx, &cfg, h.log, nil)
}

// The pauses between tries to build a set again.
const (
	firstPause   = time.Second
	longestPause = time.Minute
)

// run runs the set until ctx ends; nil: it could not be built yet. A set that fails is built
// anew, after ever longer pauses; meanwhile the municipality's requests are refused and all
// others' go on.
func (h *hosted) run(ctx context.Context, l *living) error {
	ctx = logline.WithMunicipality(ctx, h.code)
	for {
		if l != nil {
			err := l.set.run(ctx, door{open: l.open, shut: l.shutUp})
			h.now.Store(nil)
			if ctx.Err() != nil {
				return err
			}
			if code := fault.Code(err); code != "" {
				h.log.ErrorContext(ctx, code, "cause", err)
			}
			h.log.ErrorContext(ctx, "down", "code", "KKH5031")
		}
		s := h.rebuild(ctx)
		if s == nil {
			return nil
		}
		l = h.admit(s)
	}
}

// admit lets requests in to a set that stands.
func (h *hosted) admit(s *set) *living {
	l := newLiving(s)
	h.now.Store(l)
	return l
}

// rebuild tries to build the set until it stands; nil: ctx ended first.
func (h *hosted) rebuild(ctx context.Context) *set {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		wait := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil
		case <-wait.C:
		}
		s, err := h.build(ctx)
		if err == nil {
			h.restarts.Inc()
			h.log.InfoContext(ctx, "up", "code", "KKH5032")
			return s
		}
		if code := fault.Code(err); code != "" {
			h.log.ErrorContext(ctx, code, "cause", err)
		}
		h.log.WarnContext(ctx, "still down", "code", "KKH5034", "next", min(2*pause, longestPause))
	}
}

// living is a set that runs, and how many requests are inside.
type living struct {
	set     *set
	handler http.Handler
	closing chan struct{} // closed when nobody is let in any more

	mu     sync.Mutex
	inside int
	empty  chan struct{} // closed when closing is and nobody is inside
}

func newLiving(s *set) *living {
	return &living{set: s, handler: s.web.Handler(), closing: make(chan struct{}), empty: make(chan struct{})}
}

// enter lets a request in; false: not any more.
func (l *living) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closing:
		return false
	default:
		l.inside++
		return true
	}
}

func (l *living) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inside--
	l.settle()
}

// settle closes empty once it is true. Its caller holds mu.
func (l *living) settle() {
	select {
	case <-l.closing:
		if l.inside == 0 {
			close(l.empty)
		}
	default:
	}
}

// open lets requests in until shutUp; the set's work goes on beside it.
func (l *living) open() error {
	<-l.closing
	return nil
}

// shutUp lets nobody in any more and waits for who is inside, at most until ctx ends.
func (l *living) shutUp(ctx context.Context) error {
	l.mu.Lock()
	close(l.closing)
	l.settle()
	l.mu.Unlock()
	select {
	case <-l.empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for requests under way: %w", context.Cause(ctx))
	}
}
