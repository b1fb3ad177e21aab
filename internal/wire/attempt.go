package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// attempt is one try: it asks within its own time, reads the reply whole and lets through
// only an answer. Everything else that can come back is an *end, so that breaker, retry
// and caller all read one table.
type attempt struct {
	timeout time.Duration
	fair    time.Duration // how long a neighbour must have had before a caller's deadline counts against it
	limit   int64
	next    http.RoundTripper
}

// RoundTrip gives a reply of status 200 whose body is JSON and in memory, or an *end. What
// it says of a write is whether the neighbour may have had the whole request.
func (a *attempt) RoundTrip(req *http.Request) (*http.Response, error) {
	caller := req.Context()
	own, cancel := context.WithTimeoutCause(caller, a.timeout, errAttempt)
	defer cancel()
	began := time.Now()
	resp, err := a.next.RoundTrip(req.WithContext(own))
	sent := err == nil || wasSent(err)
	if err == nil {
		var body []byte
		body, err = readReply(resp, a.limit)
		resp.Body = &whole{Reader: bytes.NewReader(body), body: body}
		resp.ContentLength = int64(len(body))
	}
	if err == nil {
		return resp, nil
	}
	var e end
	switch {
	case isEnd(err):
		e = *endOfTransport(err) // a copy: others may hold it
	case caller.Err() != nil:
		e = *endOfCaller(caller, time.Since(began) >= a.fair)
	case own.Err() != nil:
		e = end{reason: TimedOut, cause: context.Cause(own)}
	default:
		e = *endOfTransport(err)
	}
	e.sent = sent
	return nil, &e
}

// whole is a body that was read to its end.
type whole struct {
	*bytes.Reader
	body []byte
}

// Close does nothing: there is nothing left to close.
func (*whole) Close() error { return nil }

// Whose time was up.
var (
	errAttempt = errors.New("the attempt's time was up")
	errCall    = errors.New("the call's time was up")
)

// readReply reads and closes the reply. It gives the body of an answer, an *end for any
// other reply, and a plain error where reading broke off.
func readReply(resp *http.Response, limit int64) ([]byte, error) {
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, readRefusal(resp)
	}
	if media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, &end{reason: Unreadable, status: resp.StatusCode, detail: "not declared as JSON"}
	}
	body, err := readWithin(resp, limit)
	if errors.Is(err, errLimit) {
		return nil, &end{reason: TooLarge, status: resp.StatusCode}
	}
	return body, err
}

var errLimit = errors.New("the body is over the limit")

// readWithin reads a body that is no longer than the limit.
func readWithin(resp *http.Response, limit int64) ([]byte, error) {
	if resp.ContentLength > limit {
		return nil, errLimit
	}
	if n := resp.ContentLength; n >= 0 {
		body := make([]byte, n)
		_, err := io.ReadFull(resp.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		return nil, errLimit
	}
	return body, err
}

// refusalLimit is how much of a refusal is read: enough for errors[], and to use the
// connection again.
const refusalLimit = 64 << 10

// readRefusal says what a reply other than 200 means. A refusal whose body breaks off
// still means what its status says.
func readRefusal(resp *http.Response) *end {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, refusalLimit))
	e := &end{status: resp.StatusCode, detail: strconv.Itoa(resp.StatusCode)}
	if codes := errorCodes(body); codes != "" && e.status >= 400 && e.status < 500 {
		e.named = true
		e.detail += " " + codes
	}
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized:
		e.reason = Unauthorized
	case code == http.StatusForbidden:
		e.reason = Refused
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests: // it answers, so it is not down
		e.reason, e.after = Busy, retryAfter(resp.Header)
	case code >= 500:
		e.reason, e.after = ServerError, retryAfter(resp.Header)
	case code >= 400:
		e.reason = NotAccepted
	default: // 2xx without an answer, or a redirection, which is not followed
		e.reason = Unreadable
	}
	return e
}

// errorCodes gives the codes of the neighbour's errors[] (E0001 …). Their messages are
// left where they are: they may repeat what was sent.
func errorCodes(body []byte) string {
	var reply struct {
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &reply) != nil {
		return ""
	}
	var codes []string
	for _, e := range reply.Errors {
		if len(e.Code) == 5 && e.Code[0] == 'E' && strings.Trim(e.Code[1:], "0123456789") == "" && !slices.Contains(codes, e.Code) {
			codes = append(codes, e.Code)
		}
	}
	return strings.Join(codes[:min(len(codes), 10)], ",")
}
