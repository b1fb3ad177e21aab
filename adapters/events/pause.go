package events

import (
	"context"
	"time"
)

// pause waits between attempts, twice as long each time.
type pause struct{ first, next, most time.Duration }

func newPause(first, most time.Duration) *pause { return &pause{first: first, next: first, most: most} }

// wait waits, or until ctx is over.
func (p *pause) wait(ctx context.Context) {
	timer := time.NewTimer(p.next)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	p.next = min(2*p.next, p.most)
}

// reset makes the next wait the first again.
func (p *pause) reset() { p.next = p.first }
