// Package wire makes one bounded call to the outside and says what its outcome means.
//
// A read passes, from the outside in: the caller's deadline and the target's own total;
// go-retryablehttp, which tries a safe read again while time is left; the breaker
// (gobreaker), which sees every attempt and opens after so many failures within a window;
// the bulkhead; the attempt's own timeout, inside which the reply is read whole, up to its
// limit; the token; the traced transport. Breaker inside retry: the other way round fifty
// calls to a dead neighbour made 250 attempts and never opened it.
//
// A write (Send) takes the same way without the retry: it is sent once, by nobody repeated,
// and whether it went out is known afterwards (gate.go), since that decides what its end
// means (send.go).
//
// However a call ends, the caller gets an answer or a fault with one of the reasons of one
// table (end.go), which breaker and retry read as well. A client serves one target: a
// breaker, permits and a transport shared by two neighbours would let one stop the other.
package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/hashicorp/go-retryablehttp"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"kakehashi/internal/fault"
	"kakehashi/internal/volatile"
)

// Rooms is what a client stands on. Only Tokens is needed.
type Rooms struct {
	Tokens    *volatile.Tokens
	Transport http.RoundTripper    // nil: one of the client's own, made from its Config
	Tracer    trace.TracerProvider // nil: no spans
	Meter     metric.MeterProvider // nil: no metrics
	Log       *slog.Logger         // nil: changes of the breaker are not logged
}

// Client calls one target. It is safe for use by several goroutines at once; New makes
// one, and Close ends it.
type Client struct {
	target  string
	base    string
	cfg     Config
	http    *http.Client
	breaker *breaker
	writes  http.RoundTripper // from the breaker on
	tokens  *tokenSource
	own     *http.Transport // nil where the transport is somebody else's
}

// New makes a client of a target, which is the name that breaker, spans and errors bear,
// with the scopes its token asks for. It reads the files that the configuration names and
// calls nobody. An error is Invalid.
func New(target string, scopes []string, cfg Config, rooms Rooms) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("wire %s: %w", target, err)
	}
	if len(scopes) == 0 || rooms.Tokens == nil {
		return nil, fault.New(fault.Internal, "wire %s: scopes and a store of tokens are needed", target).WithCode("KKH9021")
	}
	secret, err := cfg.secret()
	if err != nil {
		return nil, fmt.Errorf("wire %s: %w", target, err)
	}
	if rooms.Log == nil {
		rooms.Log = slog.New(slog.DiscardHandler)
	}
	c := &Client{target: target, base: strings.TrimRight(cfg.BaseURL, "/") + "/", cfg: cfg}
	if rooms.Transport == nil {
		if c.own, err = newTransport(cfg); err != nil {
			return nil, fmt.Errorf("wire %s: %w", target, err)
		}
		rooms.Transport = c.own
	}
	out, err := newTraced(target, rooms, rooms.Transport)
	if err != nil {
		return nil, err
	}
	c.tokens = newTokenSource(cfg, scopes, secret, rooms.Tokens, out)
	reads := newBulkhead(cfg, &attempt{
		timeout: cfg.AttemptTimeout, fair: cfg.AttemptTimeout / 2, limit: cfg.BodyLimit,
		next: &authorizer{tokens: c.tokens, next: out},
	})
	writing := cmp.Or(cfg.SendTimeout, DefaultSendTimeout)
	c.writes = reads.beside(&attempt{
		timeout: writing, fair: min(cfg.AttemptTimeout, writing/2), limit: cfg.BodyLimit,
		next: &authorizer{tokens: c.tokens, next: &gated{next: out}},
	})
	c.breaker = newBreaker(target, cfg, reads, rooms.Log)
	c.http = &http.Client{Transport: c.breaker} // follows no redirection: attempt takes it for no answer
	return c, nil
}

// Read posts the body to the resource (app_submit/v10/juminsetaishokai) and gives the body
// of the answer. It is for requests that change nothing, since it tries again while the
// deadline allows. The error is a fault of a kind and reason by the table of ends; calling
// twice is safe.
func (c *Client) Read(ctx context.Context, resource string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Timeout, errCall)
	defer cancel()
	if ctx.Err() != nil {
		return nil, c.fault(resource, endOfCaller(ctx, false))
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, c.base+resource, body)
	if err != nil {
		return nil, fault.New(fault.Internal, "%s %s: make the request", c.target, lastOf(resource)).WithCode("KKH9021")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "kakehashi")
	resp, err := (&tries{client: c}).do(req)
	if err != nil {
		return nil, c.fault(resource, c.endOf(ctx, err))
	}
	defer resp.Body.Close()
	read, ok := resp.Body.(*whole) // by attempt
	if !ok {
		return nil, c.fault(resource, &end{reason: Unreadable})
	}
	return read.body, nil
}

// endOf finds how the last attempt ended. Between two attempts only the caller can end it.
func (c *Client) endOf(ctx context.Context, err error) *end {
	if e, ok := errors.AsType[*end](err); ok {
		return e
	}
	if ctx.Err() != nil {
		return endOfCaller(ctx, false)
	}
	return &end{reason: "", cause: endOfTransport(err).cause}
}

// Breaker tells where the target's breaker stands.
func (c *Client) Breaker() BreakerState { return c.breaker.state() }

// Close ends a token request that is under way, waits for it, and closes the idle
// connections of the client's own transport. The client must not be used afterwards.
func (c *Client) Close() {
	c.tokens.close()
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}
