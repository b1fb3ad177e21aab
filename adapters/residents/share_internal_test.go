package residents

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// registry answers after a while, as long as anybody waits, and counts.
type registry struct {
	after time.Duration
	calls atomic.Int32
	ended error // of the last call's context
}

func (r *registry) ask(ctx context.Context) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err() // as wire does: nobody is called
	}
	r.calls.Add(1)
	select {
	case <-time.After(r.after):
		return []byte("household"), nil
	case <-ctx.Done():
		r.ended = ctx.Err()
		return nil, ctx.Err()
	}
}

func TestPartsOfALookupShareOneCall(t *testing.T) {
	for _, c := range []struct {
		name          string
		first, second part
		calls         int32
	}{
		{"the same lookup", part{"Q-1", "1"}, part{"Q-1", "1"}, 1},
		{"another lookup", part{"Q-1", "1"}, part{"Q-2", "1"}, 2},
		{"another person", part{"Q-1", "1"}, part{"Q-1", "2"}, 2},
		{"no lookup", part{"", "1"}, part{"", "1"}, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &registry{after: time.Second}
			s := &share{}
			var all sync.WaitGroup
			for _, p := range []part{c.first, c.second} {
				all.Go(func() {
					if body, err := s.read(t.Context(), p, r.ask); err != nil || string(body) != "household" {
						t.Errorf("%s: got %q, %v", c.name, body, err)
					}
				})
			}
			all.Wait()
			if got := r.calls.Load(); got != c.calls {
				t.Errorf("%s: %d calls, want %d", c.name, got, c.calls)
			}
			if len(s.under) != 0 {
				t.Errorf("%s: something was kept", c.name)
			}
			if _, err := s.read(t.Context(), c.first, r.ask); err != nil || r.calls.Load() != c.calls+1 {
				t.Errorf("%s: asked later, %d calls, %v; want another one", c.name, r.calls.Load(), err)
			}
		})
	}
}

func TestASharedCallOutlivesWhoeverAskedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registry{after: time.Second}
		s := &share{}
		ctx, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := s.read(ctx, part{"Q-1", "1"}, r.ask); !errors.Is(err, context.Canceled) {
				t.Errorf("who left: got %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if body, err := s.read(t.Context(), part{"Q-1", "1"}, r.ask); err != nil || string(body) != "household" {
				t.Errorf("who stayed: got %q, %v", body, err)
			}
		})
		synctest.Wait()
		leave()
		all.Wait()
		if got := r.calls.Load(); got != 1 {
			t.Errorf("%d calls, want 1", got)
		}
	})
}

func TestASharedCallEndsWithTheLastWhoWaits(t *testing.T) {
	for _, c := range []struct {
		name string
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		{"left", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, leave := context.WithCancel(ctx)
			time.AfterFunc(time.Second, leave)
			return ctx, leave
		}, context.Canceled},
		{"time is up", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, context.DeadlineExceeded},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &registry{after: time.Hour}
			s := &share{}
			ctx, cancel := c.ctx(t.Context())
			defer cancel()
			if _, err := s.read(ctx, part{"Q-1", "1"}, r.ask); !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", c.name, err, c.want)
			}
			s.all.Wait()
			if !errors.Is(r.ended, c.want) {
				t.Errorf("%s: the call ended with %v, want %v", c.name, r.ended, c.want)
			}
		})
	}
}
