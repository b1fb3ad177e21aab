package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// gated lets a write out once, and knows afterwards whether it went out.
//
// net/http's transport repeats a POST by itself on a kept connection that breaks, where the
// request bears an Idempotency-Key and its body can be had again (GetBody). So the body
// that it gets here cannot be had again, and is given out once.
type gated struct{ next http.RoundTripper }

// RoundTrip sends a request whose body can be had by GetBody. An error after the body went
// out is a *handedOver.
func (g *gated) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body) // out of memory
	closeRequest(req)
	if err != nil {
		return nil, err
	}
	ctx := req.Context()
	door := &gate{may: func() error { return mayGo(ctx) }, body: bytes.NewReader(body)}
	once := req.WithContext(ctx)
	once.Body, once.GetBody = door, nil
	resp, err := g.next.RoundTrip(once)
	if err != nil && door.shut() {
		return nil, &handedOver{err}
	}
	return resp, err
}

// gate is the body of a write on its way out. Of a request whose body was never begun no
// neighbour has more than headers, and nothing can have happened: that is told apart here,
// in one place and under one lock, since the transport may still be writing when it has
// given up waiting. It also is the last look at the caller's deadline: a process that was
// stopped for a while must not send what somebody else has sent since.
type gate struct {
	may func() error // asked when the body is begun

	mu     sync.Mutex
	body   *bytes.Reader
	opened bool
	closed error
}

// Read gives the body, or the reason for which it may no longer go out.
func (g *gate) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.opened && g.closed == nil {
		g.closed = g.may()
		g.opened = g.closed == nil
	}
	if g.closed != nil {
		return 0, g.closed
	}
	return g.body.Read(p)
}

// shut tells whether the body went out, and lets none out from now on.
func (g *gate) shut() (opened bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed == nil {
		g.closed = errShut
	}
	return g.opened
}

// Close does nothing: the body is in memory.
func (g *gate) Close() error { return nil }

// mayGo gives nil while a request may still go out. A deadline counts from the moment that
// it names, not from when its timer gets round to firing.
func mayGo(ctx context.Context) error {
	if ctx.Err() != nil {
		return endOfCaller(ctx, false)
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return &end{reason: TimedOut, spared: true, cause: context.DeadlineExceeded}
	}
	return nil
}

var errShut = errors.New("the request was given up")

// handedOver is how a write ended whose body had gone out.
type handedOver struct{ err error }

// Error gives the text of what happened.
func (h *handedOver) Error() string { return h.err.Error() }

// Unwrap gives what happened.
func (h *handedOver) Unwrap() error { return h.err }

// wasSent tells whether a write that ended with err had gone out.
func wasSent(err error) bool {
	_, ok := errors.AsType[*handedOver](err)
	return ok
}
