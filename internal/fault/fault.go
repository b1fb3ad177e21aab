// Package fault says what an error means to whoever has to act on it: eight kinds,
// and beside the kind a message number, a reason and the time of the next attempt.
//
// [Kind] is the only question asked of an error. Few places ask it: web chooses the
// status, outbox chooses again or park, cmd chooses the exit code, and gateway turns
// a fault of a source into an outcome. An error that nobody classified is Internal:
// never a success, never shown to a user.
//
// An error's text is for operators. It says what was being done and names systems and
// message numbers; it never holds personal data, a URL or a secret.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind is what an error means.
type Kind uint8

// The eight kinds. Internal is the zero value, so that an error nobody thought about
// is never taken for anything milder.
const (
	Internal    Kind = iota // our own mistake
	Invalid                 // the request is wrong; saying it again will not help
	Denied                  // the asker may not
	NotFound                // there is no such thing
	Conflict                // somebody was first, or the state does not allow it
	Unavailable             // nothing happened; asking again later may help
	Rejected                // the other side refused for good
	Unsure                  // it may have happened
)

// String gives the kind's name in lower case, as logs and metrics spell it.
func (k Kind) String() string {
	switch k {
	case Invalid:
		return "invalid"
	case Denied:
		return "denied"
	case NotFound:
		return "not_found"
	case Conflict:
		return "conflict"
	case Unavailable:
		return "unavailable"
	case Rejected:
		return "rejected"
	case Unsure:
		return "unsure"
	default:
		return "internal"
	}
}

// Error is an error with its meaning. Only Kind is needed; the zero value of every
// other field means that nothing more is known.
type Error struct {
	Kind   Kind
	Code   string    // message number, KKH and four digits, of the catalogue in manual; empty: none of its own
	Reason string    // machine word for the cause, such as "timeout" or "breaker_open"; lower case, never a value
	Retry  time.Time // when asking again is worth it; zero: unknown
	Field  string    // JSON pointer of the part of a request that is wrong; never its value
	What   string    // what was being done or is wrong, for operators
	Err    error     // cause, or nil
}

// Error gives the text for operators: the message number, what was being done, the cause.
func (e *Error) Error() string {
	var text string
	switch {
	case e.What != "" && e.Err != nil:
		text = e.What + ": " + e.Err.Error()
	case e.Err != nil:
		text = e.Err.Error()
	case e.What != "":
		text = e.What
	default:
		text = e.Kind.String()
	}
	if e.Code != "" {
		return e.Code + " " + text
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an error of the kind, its text formatted as by fmt.Errorf (%w keeps a cause).
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// WithCode gives a copy of the error that bears the message number.
func (e *Error) WithCode(code string) *Error { c := *e; c.Code = code; return &c }

// WithReason gives a copy of the error that bears the machine word for its cause.
func (e *Error) WithReason(reason string) *Error { c := *e; c.Reason = reason; return &c }

// WithRetry gives a copy of the error that says when asking again is worth it.
func (e *Error) WithRetry(at time.Time) *Error { c := *e; c.Retry = at; return &c }

// WithField gives a copy of the error that points at the wrong part of a request.
func (e *Error) WithField(pointer string) *Error { c := *e; c.Field = pointer; return &c }

// KindOf gives the kind of err: that of the outermost *Error in its chain, Internal
// where there is none. It must not be asked of nil.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is tells whether err is of the kind; false for nil.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// Find gives the outermost *Error in err's chain, or an Internal one around err.
// It gives nil for nil.
func Find(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Internal, Err: err}
}

// Code gives the message number in err's chain, outermost first, or "".
func Code(err error) string {
	for err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return ""
		}
		if e.Code != "" {
			return e.Code
		}
		err = e.Err
	}
	return ""
}
