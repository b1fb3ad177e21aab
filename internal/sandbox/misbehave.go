package sandbox

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// hugeSize is how much a huge answer sends: more than anybody reads.
const hugeSize = 9 << 20

// retryAfter is what a busy system says, in seconds.
const retryAfter = "2"

// misbehave does what a fault of the kind does to a request. Kinds that do the request's
// work do it first: a caller who gives up waiting has had its effect.
func (p *provider) misbehave(w http.ResponseWriter, r *http.Request, c call, kind string) {
	switch kind {
	case KindDown:
		reset(w)
	case KindRefuse:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "Internal Server Error\n")
	case KindBusy:
		w.Header().Set("Retry-After", retryAfter)
		w.WriteHeader(http.StatusTooManyRequests)
	case KindGarbage:
		p.garbage(w)
	case KindHuge:
		huge(w)
	case KindHalfOpen:
		patient(w)
		wait(r.Context(), halfOpenFor)
		reset(w)
	case KindWrongClock:
		c.at = c.at.Add(clockError)
		w.Header().Set("Date", c.at.UTC().Format(http.TimeFormat))
		p.answer(w, r, c)
	case KindExpiredToken:
		c.expired = true
		p.answer(w, r, c)
	default:
		d := newDraft()
		p.answer(d, r, c)
		p.deliver(w, r, d, kind)
	}
}

// deliver gives an answer that stands the way a fault of the kind lets it.
func (p *provider) deliver(w http.ResponseWriter, r *http.Request, d *draft, kind string) {
	switch kind {
	case KindLostReply:
		reset(w)
	case KindSlow:
		patient(w)
		if !wait(r.Context(), p.city.opt.SlowFor) {
			reset(w)
			return
		}
		d.send(w)
	case KindDrip:
		patient(w)
		d.drip(r.Context(), w)
	case KindBadEncoding:
		d.encode()
		d.send(w)
	case KindDuplicate:
		d.double()
		d.send(w)
	default:
		d.send(w)
	}
}

// halfOpenFor is how long a half-open connection says nothing.
const halfOpenFor = time.Minute

// clockError is how much a wrong clock is fast.
const clockError = 37 * time.Hour

// patient takes the server's time limits off a request that takes long on purpose: at the
// end of its time to read, the server would take the caller for gone.
func patient(w http.ResponseWriter) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})  // cannot be refused: the servers speak HTTP/1.1
	_ = control.SetWriteDeadline(time.Time{}) // the same
}

// wait waits and tells whether the caller is still there.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// reset closes the connection without an answer, so that the caller sees it reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable) // cannot be: the servers speak HTTP/1.1
		return
	}
	cut(conn)
}

// cut closes a connection with a reset. Whether the other side is still there does not matter.
func cut(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// garbage answers with what only says that it is JSON.
func (p *provider) garbage(w http.ResponseWriter) {
	body := `{"metadata":{"title":"` + "\x00\x81" + `"},"result":[{"atenabango":12,}`
	if p.garbled.Add(1)%2 == 0 {
		body = "<!DOCTYPE html><html><head><title>メンテナンス</title></head><body>しばらくお待ちください。</body></html>"
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	_, _ = io.WriteString(w, body)
}

// huge answers with JSON that goes on for longer than anybody should read.
func huge(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	if _, err := io.WriteString(w, `{"metadata":{"title":"","detail":""},"_links":{"self":{"href":""}},"result":[""`); err != nil {
		return
	}
	chunk := strings.Repeat(`,"0000000000000000000000000000"`, 2048)
	for sent := 0; sent < hugeSize; sent += len(chunk) {
		if _, err := io.WriteString(w, chunk); err != nil {
			return
		}
	}
	_, _ = io.WriteString(w, "]}")
}
