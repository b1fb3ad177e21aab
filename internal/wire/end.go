package wire

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"kakehashi/internal/fault"
)

// The reasons for which a read does not end well, as fault.Error.Reason bears them.
const (
	Down         = "down"                 // not connected, or the connection broke
	TimedOut     = "timeout"              // no answer in time
	Cancelled    = "cancelled"            // the caller went away
	BreakerOpen  = "breaker_open"         // 自動遮断: the neighbour is not asked for now
	Full         = "bulkhead"             // too many calls to this neighbour at once
	Busy         = "busy"                 // the neighbour asks for patience (429)
	Unauthorized = "unauthorized"         // the neighbour refuses a fresh token (401)
	TokenRefused = "token"                // no token was to be had
	Refused      = "refused_by_neighbour" // the neighbour says that we may not (403)
	NotAccepted  = "rejected"             // the neighbour finds our request wrong (400 and its like)
	ServerError  = "server_error"         // the neighbour failed (5xx)
	Unreadable   = "unreadable"           // something came that is no answer; mapping says it too
	TooLarge     = "too_large"            // the answer is over the limit
)

// meaning is what an end means to everybody who asks: the fault's kind and message number,
// the breaker, the retry.
type meaning struct {
	kind   fault.Kind
	code   string
	text   string
	breaks breaks
	again  bool // another attempt inside the same deadline may help
}

// breaks is what the breaker makes of an end.
type breaks uint8

const (
	counts  breaks = iota // a failure of the neighbour
	answers               // the neighbour lives, whatever it said
	ignored               // says nothing about the neighbour
)

// meaningOf is the one table of what every end of a safe read means. All of it is
// "nothing happened", since a read changes nothing; of a write see meaningOfWrite.
func meaningOf(reason string) meaning {
	switch reason {
	case Down:
		return meaning{fault.Unavailable, "KKH2101", "no connection", counts, true}
	case TimedOut:
		return meaning{fault.Unavailable, "KKH2104", "no answer in time", counts, true}
	case Cancelled:
		return meaning{fault.Unavailable, "KKH2102", "the caller went away", ignored, false}
	case BreakerOpen:
		return meaning{fault.Unavailable, "KKH2105", "the breaker is open", ignored, false}
	case Full:
		return meaning{fault.Unavailable, "KKH2106", "too many calls at once", ignored, false}
	case Busy:
		return meaning{fault.Unavailable, "KKH2107", "the neighbour is busy", answers, true}
	case Unauthorized:
		return meaning{fault.Unavailable, "KKH2108", "the neighbour refuses our token", answers, false}
	case TokenRefused:
		return meaning{fault.Unavailable, "KKH2109", "no access token was given", answers, false}
	case ServerError:
		return meaning{fault.Unavailable, "KKH2110", "the neighbour failed", counts, true}
	case Unreadable:
		return meaning{fault.Unavailable, "KKH2111", "the answer cannot be read", answers, false}
	case TooLarge:
		return meaning{fault.Unavailable, "KKH2112", "the answer is over the limit", answers, false}
	case Refused:
		return meaning{fault.Denied, "KKH2114", "the neighbour says that we may not", answers, false}
	case NotAccepted:
		return meaning{fault.Rejected, "KKH2115", "the neighbour finds the request wrong", answers, false}
	default:
		return meaning{fault.Internal, "KKH9021", "an end without a meaning", answers, false}
	}
}

// end is how an attempt ended that brought no answer. It is not changed once made: several
// callers may hold the same one.
type end struct {
	reason string
	status int           // of HTTP; 0 where none came
	after  time.Duration // the neighbour's Retry-After; 0: it named none
	detail string        // codes of the neighbour's errors[], or what is unreadable: never its text
	named  bool          // a 4xx whose body holds the neighbour's errors[]
	sent   bool          // of a write: it went out, so that the neighbour may have done it
	spared bool          // the caller's deadline came so soon that nothing is said about the neighbour
	cause  error
}

// Error gives the text for operators, without URL and without anything the neighbour wrote.
func (e *end) Error() string {
	text := meaningOf(e.reason).text
	if e.detail != "" {
		text += " (" + e.detail + ")"
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *end) Unwrap() error { return e.cause }

// breaks is what the breaker makes of this end: 501 says that the neighbour lives.
func (e *end) breaks() breaks {
	switch {
	case e.spared:
		return ignored
	case e.status == 501:
		return answers
	default:
		return meaningOf(e.reason).breaks
	}
}

// again tells whether another attempt may help.
func (e *end) again() bool { return !e.spared && e.status != 501 && meaningOf(e.reason).again }

// endOfCaller is the end of a call whose own context is done. A deadline counts against the
// neighbour only when it had a fair time to answer.
func endOfCaller(ctx context.Context, fair bool) *end {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &end{reason: TimedOut, spared: !fair, cause: context.Cause(ctx)}
	}
	return &end{reason: Cancelled, cause: context.Cause(ctx)}
}

func isEnd(err error) bool {
	_, ok := errors.AsType[*end](err)
	return ok
}

// endOfTransport is the end of a call that brought no response.
func endOfTransport(err error) *end {
	if e, ok := errors.AsType[*end](err); ok {
		return e
	}
	if urlErr, ok := errors.AsType[*url.Error](err); ok { // its text holds the URL
		err = urlErr.Err
	}
	if netErr, ok := errors.AsType[net.Error](err); ok && netErr.Timeout() {
		return &end{reason: TimedOut, cause: err}
	}
	return &end{reason: Down, cause: err}
}

// fault makes of an end what the caller gets, with the time when asking again is worth it.
func (c *Client) fault(resource string, e *end) *fault.Error {
	m := meaningOf(e.reason)
	f := &fault.Error{Kind: m.kind, Code: m.code, Reason: e.reason, What: c.target + " " + lastOf(resource), Err: e}
	if m.kind == fault.Unavailable && e.reason != Cancelled {
		f.Retry = c.nextTry(e)
	}
	return f
}

// nextTry is when asking again is worth it: when the breaker lets a probe through, when the
// neighbour said, or after the pause that the configuration gives a neighbour in trouble.
func (c *Client) nextTry(e *end) time.Time {
	now := time.Now()
	next := now.Add(e.after)
	switch state := c.breaker.state(); {
	case state.State == Open:
		if state.NextProbe.After(next) {
			next = state.NextProbe
		}
	case e.after > 0:
	case e.reason == BreakerOpen: // a probe is on its way
		next = now.Add(c.cfg.AttemptTimeout)
	case e.reason == Full:
		next = now.Add(c.cfg.QueueWait)
	default:
		next = now.Add(c.cfg.BreakerOpenFor)
	}
	return next
}

// Explain gives the error with which a reply could not be read (mapping's) the target and
// the next time that wire's own faults bear; its number and reason stay. Any other error,
// and nil, come back as they are.
func (c *Client) Explain(resource string, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Kind != fault.Unavailable || !f.Retry.IsZero() {
		return err
	}
	told := f.WithRetry(time.Now().Add(c.cfg.BreakerOpenFor))
	told.What = strings.TrimSuffix(c.target+" "+lastOf(resource)+": "+f.What, ": ")
	return told
}

// lastOf gives the last part of a resource's name, by which people know it.
func lastOf(resource string) string { return resource[strings.LastIndexByte(resource, '/')+1:] }
