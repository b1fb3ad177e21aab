package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Running are the stand-ins of a city while they run. It is safe for concurrent use.
type Running struct {
	city     *City
	lock     *os.File
	doors    map[string]*door
	register *register
	strikes  *strikes
	cancel   context.CancelFunc
	changed  chan struct{} // something the watch should look at
	done     chan struct{}
	err      error // why it did not end well; read after done

	mu    sync.Mutex // one at a time changes faults, opens and shuts doors
	ended bool       // nothing changes any more
}

// Start takes the folder and serves the stand-ins until ctx ends or [Running.Close] is
// called. [ErrServed] where another process serves them, [ErrPortTaken] where somebody
// has a remembered port (unless FreshPorts).
func (c *City) Start(ctx context.Context) (*Running, error) {
	lock, err := takeLock(ctx, c.dir)
	if err != nil {
		return nil, fmt.Errorf("start the stand-ins: %w", err)
	}
	r := &Running{
		city: c, lock: lock, doors: map[string]*door{}, strikes: newStrikes(),
		changed: make(chan struct{}, 1), done: make(chan struct{}),
	}
	ctx, r.cancel = context.WithCancel(ctx)
	if err := r.open(ctx); err != nil {
		r.cancel()
		return nil, errors.Join(fmt.Errorf("start the stand-ins: %w", err), r.end(ctx))
	}
	go func() {
		defer close(r.done)
		r.watch(ctx)
		r.err = r.end(ctx)
	}()
	return r, nil
}

// open reads what another process may have changed since the city was opened, takes all
// ports, and only then serves; the control comes last, since whoever finds it counts on
// the others.
func (r *Running) open(ctx context.Context) error {
	c := r.city
	if err := c.keeper.reload(); err != nil {
		return err
	}
	issuer, err := c.issuer()
	if err != nil {
		return err
	}
	if r.register, err = openRegister(c.dir, c.town()); err != nil {
		return err
	}
	handlers := map[string]http.Handler{controlServer: r.control(), issuerServer: issuer}
	for _, name := range providers() {
		handlers[name] = c.provider(name, r.register, r.strikes)
	}
	listeners, err := c.takePorts(ctx)
	if err != nil {
		return err
	}
	for _, name := range append(providers(), issuerServer) {
		r.doors[name] = newDoor(ctx, handlers[name], r.notify)
		r.doors[name].open(listeners[name])
	}
	err = r.expire(ctx)
	r.doors[controlServer] = newDoor(ctx, handlers[controlServer], r.notify)
	r.doors[controlServer].open(listeners[controlServer])
	return err
}

// takePorts takes the remembered port of every server, or none.
func (c *City) takePorts(ctx context.Context) (taken map[string]net.Listener, err error) {
	taken = map[string]net.Listener{}
	defer func() {
		if err != nil {
			for _, l := range taken {
				err = errors.Join(err, l.Close())
			}
		}
	}()
	moved := map[string]int{}
	for _, name := range servers() {
		l, port, err := c.takePort(ctx, name)
		if err != nil {
			return taken, err
		}
		taken[name] = l
		if port != c.keeper.get().Ports[name] {
			moved[name] = port
		}
	}
	return taken, c.keeper.change(func(s *state) bool {
		maps.Copy(s.Ports, moved)
		return len(moved) > 0
	})
}

// takePort takes a server's remembered port, or a fresh one where that is allowed.
func (c *City) takePort(ctx context.Context, name string) (net.Listener, int, error) {
	port := c.keeper.get().Ports[name]
	l, err := listen(ctx, port)
	if err == nil || !c.opt.FreshPorts {
		return l, port, err
	}
	port, err = freePort(nil)
	if err != nil {
		return nil, 0, err
	}
	l, err = listen(ctx, port)
	return l, port, err
}

// notify wakes the watch.
func (r *Running) notify() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// troublePause is how soon what did not work is tried again.
const troublePause = 100 * time.Millisecond

// watch ends faults whose time is over and opens doors again, until ctx ends.
func (r *Running) watch(ctx context.Context) {
	for {
		timer := time.NewTimer(r.pause(r.expire(ctx)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-r.changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// pause gives how long the watch may sleep.
func (r *Running) pause(trouble error) time.Duration {
	s := r.city.keeper.get()
	next := s.nextEnd()
	switch {
	case trouble != nil:
		return troublePause
	case next.IsZero():
		return longestFault
	default:
		return max(next.Sub(r.city.opt.Now()), time.Millisecond)
	}
}

// expire ends the faults whose time is over and settles the doors.
func (r *Running) expire(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.city.opt.Now()
	err := r.city.keeper.change(func(s *state) bool { return s.endExpired(now) })
	return errors.Join(err, r.settle(ctx))
}

// settle shuts the door of every provider that is down and opens all others. An error
// says that a port could not be taken again: somebody has it now. The caller holds mu.
func (r *Running) settle(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the servers are ending: there is nothing to settle
	}
	s := r.city.keeper.get()
	var trouble error
	for _, name := range servers() {
		door, made := r.doors[name]
		switch {
		case !made: // the control opens last
		case s.Faults[name].Kind == KindDown && s.Faults[name].always():
			door.shut()
		case !door.isOpen():
			l, err := listen(ctx, s.Ports[name])
			if err != nil {
				trouble = errors.Join(trouble, err)
				continue
			}
			door.open(l)
		}
	}
	return trouble
}

// end stops every server and gives the folder back.
func (r *Running) end(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	var trouble error
	for _, name := range servers() {
		if door, made := r.doors[name]; made {
			trouble = errors.Join(trouble, door.end(ctx))
		}
	}
	if r.register != nil {
		trouble = errors.Join(trouble, r.register.close())
	}
	if err := errors.Join(trouble, r.lock.Close()); err != nil {
		return fmt.Errorf("stop the stand-ins: %w", err)
	}
	return nil
}

// Addresses gives the base URLs of the servers.
func (r *Running) Addresses() Addresses { return r.city.Addresses() }

// Done is closed when the stand-ins have stopped.
func (r *Running) Done() <-chan struct{} { return r.done }

// Close stops the stand-ins and waits until they have stopped. Calling it again is safe.
func (r *Running) Close() error {
	r.cancel()
	<-r.done
	return r.err
}
