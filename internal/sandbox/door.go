package sandbox

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// door is a server that can be shut for real and opened again on the same port.
type door struct {
	server *http.Server
	closed func() // called when the server stopped listening

	mu       sync.Mutex
	listener net.Listener          // nil: shut
	serving  chan struct{}         // closed when the present listener is served no longer
	conns    map[net.Conn]struct{} // open connections
}

// newDoor makes a door, shut. Requests end when ctx does.
func newDoor(ctx context.Context, handler http.Handler, closed func()) *door {
	d := &door{closed: closed, conns: map[net.Conn]struct{}{}}
	d.server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second, // a slow answer takes ten, a huge one a while
		IdleTimeout:       90 * time.Second,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState:         d.track,
		ErrorLog:          log.New(io.Discard, "", 0), // it would write addresses of callers
	}
	return d
}

// track keeps the open connections.
func (d *door) track(conn net.Conn, s http.ConnState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch s {
	case http.StateNew:
		d.conns[conn] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(d.conns, conn)
	default:
	}
}

// isOpen tells whether the door listens.
func (d *door) isOpen() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.listener != nil
}

// open serves a listener until the door is shut.
func (d *door) open(l net.Listener) {
	serving := make(chan struct{})
	d.mu.Lock()
	d.listener, d.serving = l, serving
	d.mu.Unlock()
	go func() {
		// Serve ends when the listener does; why does not matter, it is opened again.
		_ = d.server.Serve(l)
		d.mu.Lock()
		if d.listener == l {
			d.listener = nil
		}
		d.mu.Unlock()
		close(serving)
		d.closed()
	}()
}

// shut closes the listener and resets every connection.
func (d *door) shut() {
	d.mu.Lock()
	l, serving := d.listener, d.serving
	d.listener = nil
	d.mu.Unlock()
	if l == nil {
		return
	}
	_ = l.Close() // closed already: so much the better
	<-serving
	d.mu.Lock()
	conns := make([]net.Conn, 0, len(d.conns))
	for conn := range d.conns {
		conns = append(conns, conn)
	}
	d.mu.Unlock()
	for _, conn := range conns {
		cut(conn)
	}
}

// closeTime is how long a stopping server waits for the requests under way.
const closeTime = time.Second

// end stops the server for good: requests under way may finish for a moment.
func (d *door) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	err := d.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = d.server.Close()
	}
	d.mu.Lock()
	serving := d.serving
	d.mu.Unlock()
	if serving != nil {
		<-serving
	}
	return err
}
