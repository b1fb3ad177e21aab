package wire

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"
)

// bulkhead lets so many attempts through at once. It stands inside the retry, so that a
// pause between two attempts holds no permit, and outside the attempt's timeout, so that
// waiting in the queue is not held against the neighbour. The transport behind it reads
// and closes the reply before it returns, which is when the permit is given back.
type bulkhead struct {
	permits *semaphore.Weighted
	wait    time.Duration
	next    http.RoundTripper
}

func newBulkhead(cfg Config, next http.RoundTripper) *bulkhead {
	return &bulkhead{permits: semaphore.NewWeighted(int64(cfg.Concurrency)), wait: cfg.QueueWait, next: next}
}

// beside gives a bulkhead that leads elsewhere and shares the permits of this one.
func (b *bulkhead) beside(next http.RoundTripper) *bulkhead {
	return &bulkhead{permits: b.permits, wait: b.wait, next: next}
}

// RoundTrip waits a short time for a permit and passes the call on.
func (b *bulkhead) RoundTrip(req *http.Request) (*http.Response, error) {
	if !b.permits.TryAcquire(1) {
		if e := b.queue(req.Context()); e != nil {
			closeRequest(req)
			return nil, e
		}
	}
	defer b.permits.Release(1)
	return b.next.RoundTrip(req)
}

// queue gives nil with a permit, and how it ended without one.
func (b *bulkhead) queue(ctx context.Context) *end {
	waiting, cancel := context.WithTimeout(ctx, b.wait)
	defer cancel()
	if b.permits.Acquire(waiting, 1) == nil {
		return nil
	}
	if ctx.Err() != nil {
		return endOfCaller(ctx, false)
	}
	return &end{reason: Full}
}

// closeRequest closes the body of a request that is not sent, as a RoundTripper must.
func closeRequest(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // nothing to lose: it is a reader over memory
	}
}
