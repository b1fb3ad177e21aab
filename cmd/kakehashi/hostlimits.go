package main

import (
	"sync"
	"time"
)

// limits bound what one municipality's callers may take of the machine that it shares with
// others: how many of their requests are under way at once, and how many begin in a second.
// A second's worth may come at once. Safe for concurrent use.
type limits struct {
	most int     // under way
	rate float64 // a second
	now  func() time.Time

	mu     sync.Mutex
	inside int
	left   float64 // requests that may begin now
	last   time.Time
}

func newLimits(most, rate int) *limits {
	return &limits{most: most, rate: float64(rate), now: time.Now, left: float64(rate)}
}

// take lets a request begin, or says after how long it is worth trying again. Whoever was
// let in calls give at the end.
func (l *limits) take() (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if !l.last.IsZero() {
		l.left = min(l.rate, l.left+now.Sub(l.last).Seconds()*l.rate)
	}
	l.last = now
	switch {
	case l.inside >= l.most:
		return time.Second, false
	case l.left < 1:
		return time.Duration((1 - l.left) / l.rate * float64(time.Second)), false
	}
	l.left--
	l.inside++
	return 0, true
}

func (l *limits) give() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inside--
}
