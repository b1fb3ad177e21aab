package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// mode is what a proxy does with what goes through it.
type mode int

// The modes of a proxy.
const (
	pass     mode = iota // as if it were not there
	cut                  // every connection is reset, at once
	halfOpen             // connections stand and are made, and nothing comes through; reset when the mode ends
	slow                 // every piece waits
	reset                // every connection is reset after some thousand bytes, mostly amid a request
)

// linger is how long a piece waits in the mode slow.
const linger = 60 * time.Millisecond

// proxy stands between the gateways and a server, and breaks what goes through it.
type proxy struct {
	listener net.Listener
	target   string
	all      sync.WaitGroup

	mu      sync.Mutex
	mode    mode
	changed chan struct{} // closed when the mode changes
	open    map[*leg]bool
}

// leg is one connection through the proxy: what the client sees and what the server sees.
type leg struct {
	client, server net.Conn
	left           int // bytes until it is reset, in that mode
	mu             sync.Mutex
}

// newProxy listens on a free port. Where it leads is told by lead.
func newProxy() (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for a proxy: %w", err)
	}
	return &proxy{listener: l, changed: make(chan struct{}), open: map[*leg]bool{}}, nil
}

// port is where clients reach it.
func (p *proxy) port() int {
	if a, ok := p.listener.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// lead begins to pass connections on to the port.
func (p *proxy) lead(port int) {
	p.target = net.JoinHostPort("127.0.0.1", fmt.Sprint(port))
	p.all.Go(func() {
		for {
			c, err := p.listener.Accept()
			if err != nil {
				return
			}
			p.all.Go(func() { p.carry(c) })
		}
	})
}

// set changes the mode. Whatever the mode before held back is gone: those connections are
// reset, as by a host that has forgotten them.
func (p *proxy) set(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.open {
		if m == cut || p.mode == halfOpen {
			l.end()
		}
	}
	p.mode = m
	close(p.changed)
	p.changed = make(chan struct{})
}

// now gives the mode and what is closed when it changes.
func (p *proxy) now() (mode, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode, p.changed
}

// close ends the proxy and everything through it.
func (p *proxy) close() {
	_ = p.listener.Close()
	p.set(cut)
	p.all.Wait()
}

// carry passes one connection on until one side has had enough.
func (p *proxy) carry(client net.Conn) {
	l := &leg{client: client, left: 500 + int(time.Now().UnixNano()%20_000)}
	m, changed := p.now()
	switch m {
	case cut:
		l.end()
		return
	case halfOpen: // taken, and nothing behind it
		<-changed
		l.end()
		return
	}
	var dial net.Dialer
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	server, err := dial.DialContext(ctx, "tcp", p.target)
	cancel()
	if err != nil {
		l.end()
		return
	}
	l.mu.Lock()
	l.server = server
	l.mu.Unlock()
	p.mu.Lock()
	p.open[l] = true
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.copy(l, client, server) })
	both.Go(func() { p.copy(l, server, client) })
	both.Wait()
	p.mu.Lock()
	delete(p.open, l)
	p.mu.Unlock()
	l.end()
}

// copy passes on one direction, as the mode of the moment has it.
func (p *proxy) copy(l *leg, from, to net.Conn) {
	defer l.end()
	piece := make([]byte, 16<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 && !p.passOn(l, piece[:n], to) {
			return
		}
		if err != nil {
			return
		}
	}
}

// passOn sends a piece on; false: the connection is over.
func (p *proxy) passOn(l *leg, piece []byte, to net.Conn) bool {
	m, changed := p.now()
	switch m {
	case cut:
		return false
	case halfOpen:
		<-changed
		return false
	case slow:
		select {
		case <-time.After(linger):
		case <-changed:
		}
	case reset:
		if !l.allows(len(piece)) {
			return false
		}
	case pass:
	}
	_, err := to.Write(piece)
	return err == nil
}

// allows counts what went through.
func (l *leg) allows(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left -= n
	return l.left > 0
}

// end resets both sides: nothing that is still on its way arrives.
func (l *leg) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range []net.Conn{l.client, l.server} {
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
			_ = t.Close()
		}
	}
}
