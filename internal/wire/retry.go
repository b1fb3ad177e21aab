package wire

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// firstWait is about how long the first pause between two attempts is; each is twice the
// one before, up to the configuration's limit.
const firstWait = 100 * time.Millisecond

// tries is one call's way through its attempts. go-retryablehttp asks check after each
// attempt and backoff before the next; check decides both, since only it sees the deadline
// and how the attempt ended.
type tries struct {
	client *Client
	made   int
	wait   time.Duration
}

// do sends the request until there is an answer or another attempt makes no sense.
func (t *tries) do(req *retryablehttp.Request) (*http.Response, error) {
	loop := retryablehttp.Client{
		HTTPClient:   t.client.http,
		RetryMax:     t.client.cfg.Retries,
		CheckRetry:   t.check,
		Backoff:      t.backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return loop.Do(req)
}

// check gives up at once where the next attempt could not begin inside the deadline, or
// would meet a breaker that has just opened.
func (t *tries) check(ctx context.Context, _ *http.Response, err error) (bool, error) {
	e, ok := errors.AsType[*end](err)
	if !ok || !e.again() || ctx.Err() != nil || t.client.breaker.state().State == Open {
		return false, nil //nolint:nilerr // "no further attempt"; the last one's error goes to the caller as it is
	}
	t.made++
	t.wait = pause(t.made, t.client.cfg.RetryWaitMax)
	if e.after > 0 {
		t.wait = e.after
	}
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > t.wait, nil
}

func (t *tries) backoff(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return t.wait }

// pause gives the time to wait after the nth failed attempt: doubling, capped, and between
// half and the whole of it by chance, so that callers who failed together do not come back
// together.
func pause(n int, most time.Duration) time.Duration {
	wait := most
	if n < 16 {
		wait = min(firstWait<<(n-1), most)
	}
	return wait/2 + rand.N(wait/2+1)
}

// mostAfter is the longest time that a neighbour's Retry-After is believed.
const mostAfter = 24 * time.Hour

// retryAfter reads Retry-After, in seconds or as a date; 0 where it is absent, past or
// nonsense. It never overflows: a neighbour that says 9300000000 is believed for a day.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Duration(max(0, min(seconds, int64(mostAfter/time.Second)))) * time.Second
	} else if errors.Is(err, strconv.ErrRange) && value[0] != '-' {
		return mostAfter
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, min(time.Until(at), mostAfter))
	}
	return 0
}
