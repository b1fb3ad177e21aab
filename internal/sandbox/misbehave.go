package sandbox

import (
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

// misbehave does what a fault of the kind does to a request and tells whether that was
// all; a slow system answers afterwards like a healthy one.
func (p *provider) misbehave(w http.ResponseWriter, r *http.Request, kind string) (done bool) {
	switch kind {
	case KindDown:
		reset(w)
	case KindSlow:
		timer := time.NewTimer(p.city.opt.SlowFor)
		defer timer.Stop()
		select {
		case <-r.Context().Done():
			return true
		case <-timer.C:
			return false
		}
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
	default: // expired-token shows where the token is looked at
		return false
	}
	return true
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
