package wire

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"kakehashi/internal/fault"
)

// Send posts the body of a write to the resource, once, and gives the body of the answer.
// Nobody repeats it: not this package, not the transport. Only a token that the neighbour
// refuses is renewed and the request sent a second time, since a 401 says that nothing
// happened. The key goes along as Idempotency-Key.
//
// The error is a fault by the table of a write's ends: Unavailable where nothing can have
// happened, Rejected where the neighbour names what is wrong with the request, and Unsure
// for everything else, an answer that cannot be read included. The caller's deadline is
// looked at once more right before the request goes out.
func (c *Client) Send(ctx context.Context, resource, key string, body []byte) ([]byte, error) {
	if !fitBearer(key) || len(body) == 0 {
		return nil, fault.New(fault.Internal, "%s %s: a write needs a key and a body", c.target, lastOf(resource)).WithCode("KKH9021")
	}
	if ctx.Err() != nil {
		return nil, c.faultOfWrite(resource, endOfCaller(ctx, false))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+resource, bytes.NewReader(body))
	if err != nil {
		return nil, fault.New(fault.Internal, "%s %s: make the request", c.target, lastOf(resource)).WithCode("KKH9021")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "kakehashi")
	req.Header.Set("Idempotency-Key", key)
	resp, err := c.breaker.pass(req, c.writes)
	if err != nil {
		return nil, c.faultOfWrite(resource, endOfWrite(err))
	}
	defer resp.Body.Close()
	read, ok := resp.Body.(*whole) // by attempt
	if !ok {
		return nil, c.faultOfWrite(resource, &end{reason: Unreadable, sent: true})
	}
	return read.body, nil
}

// endOfWrite finds how a write ended. What is no end was made by nobody who knows whether
// the request went out.
func endOfWrite(err error) *end {
	if e, ok := errors.AsType[*end](err); ok {
		return e
	}
	return &end{reason: endOfTransport(err).reason, sent: true, cause: err}
}

// meaningOfWrite is the one table of what every end of a write means. The reasons are
// those of reads; what differs is whether the neighbour may have done what it was told.
func meaningOfWrite(e *end) meaning {
	m := meaningOf(e.reason)
	switch {
	case m.kind == fault.Internal:
		m.kind = fault.Unsure
		return m
	case !e.sent, e.status == http.StatusUnauthorized, e.status == http.StatusTooManyRequests:
		m.kind = fault.Unavailable
		return m
	case e.named && e.status != http.StatusRequestTimeout:
		m.kind, m.code = fault.Rejected, "KKH2210"
		return m
	}
	m.kind = fault.Unsure
	switch e.reason {
	case TimedOut:
		m.code = "KKH2201"
	case Down:
		m.code = "KKH2202"
	case Cancelled:
		m.code = "KKH2203"
	case ServerError:
		m.code = "KKH2204"
	case Unreadable:
		m.code = unreadableWrite
	case TooLarge:
		m.code = "KKH2206"
	default: // Refused, NotAccepted, Busy: a refusal that does not name what is wrong
		m.code = "KKH2207"
	}
	return m
}

// unreadableWrite is the message number of a write whose answer cannot be read.
const unreadableWrite = "KKH2205"

// faultOfWrite makes of a write's end what the caller gets. When trying again is worth it is
// said where somebody knows: the neighbour named a time, or the breaker or the places here
// let nothing through before. Otherwise whoever tries again has a patience of its own, and a
// neighbour that is back after a second is not left waiting for the breaker's pause.
func (c *Client) faultOfWrite(resource string, e *end) *fault.Error {
	m := meaningOfWrite(e)
	f := &fault.Error{Kind: m.kind, Code: m.code, Reason: e.reason, What: c.target + " " + lastOf(resource), Err: e}
	knows := e.after > 0 || e.reason == BreakerOpen || e.reason == Full || c.breaker.state().State == Open
	if m.kind == fault.Unavailable && e.reason != Cancelled && knows || m.kind == fault.Unsure && e.after > 0 {
		f.Retry = c.nextTry(e)
	}
	return f
}

// Doubt gives the error with which the answer to a write could not be read (mapping's) the
// meaning that it has then: the neighbour may have done what it was told. Its reason stays.
// Any other error, and nil, come back as they are.
func (c *Client) Doubt(resource string, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Kind != fault.Unavailable {
		return err
	}
	return &fault.Error{
		Kind: fault.Unsure, Code: unreadableWrite, Reason: f.Reason, What: c.target + " " + lastOf(resource), Err: err,
	}
}
