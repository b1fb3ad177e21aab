package main

import (
	"context"
	"sync"
	"time"
)

// limits bound what one municipality's callers may take of the machine that it shares with
// others: how many of their requests are under way at once, and how many begin in a second.
// A tenth of a second's worth may come at once, and what comes a little too soon waits its
// turn: many that begin together would hold up the neighbours. Safe for concurrent use.
type limits struct {
	most  int     // under way, those that wait their turn among them
	rate  float64 // a second
	burst float64 // at once

	mu     sync.Mutex
	inside int
	left   float64 // requests that may begin now; below 0: how many wait their turn
	last   time.Time
}

// patience is how long a request waits its turn at the most.
const patience = 500 * time.Millisecond

func newLimits(most, rate int) *limits {
	burst := max(1, float64(rate)/10)
	return &limits{most: most, rate: float64(rate), burst: burst, left: burst}
}

// take lets a request begin once it is its turn, or says after how long it is worth trying
// again. Whoever was let in calls give at the end.
func (l *limits) take(ctx context.Context) (again time.Duration, ok bool) {
	turn, again := l.reserve(time.Now())
	switch {
	case again > 0:
		return again, false
	case turn <= 0:
		return 0, true
	}
	wait := time.NewTimer(turn)
	defer wait.Stop()
	select {
	case <-wait.C:
		return 0, true
	case <-ctx.Done(): // its turn is lost, and nobody is there to be answered
		l.give()
		return time.Second, false
	}
}

// reserve takes a place and says how long it is until its turn; or after how long it is worth
// trying again, where there is none.
func (l *limits) reserve(now time.Time) (turn, again time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.last.IsZero() {
		l.left = min(l.burst, l.left+now.Sub(l.last).Seconds()*l.rate)
	}
	l.last = now
	turn = time.Duration((1 - l.left) / l.rate * float64(time.Second))
	switch {
	case l.inside >= l.most:
		return 0, time.Second
	case turn > patience:
		return 0, turn
	}
	l.left--
	l.inside++
	return turn, 0
}

func (l *limits) give() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inside--
}
