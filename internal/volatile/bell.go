package volatile

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	gather    = 5 * time.Millisecond // rings within it become one message
	heartbeat = 3 * time.Second      // silence after which a subscription is asked whether it lives
	rejoin    = pause / 4            // between two tries to subscribe
)

// bell carries hints that there is something to do about a topic.
type bell struct {
	remote *remote
	self   string // marks what this store rang, so that it does not come back

	mu        sync.RWMutex
	listeners map[*listener]struct{}

	ringing sync.Mutex
	pending map[string]struct{}
	rung    chan struct{} // holds one; there is something pending
}

type listener struct {
	topic string
	woken func()
}

func newBell(r *remote) *bell {
	return &bell{
		remote: r, self: random(), listeners: map[*listener]struct{}{},
		pending: map[string]struct{}{}, rung: make(chan struct{}, 1),
	}
}

// Ring tells those who listen, here and in the other gateways, soon and without waiting,
// that there is something to do about a topic, which is a word without spaces. It is a
// hint: one may be lost, several may become one.
func (s *Store) Ring(topic string) { s.bell.ring(topic) }

// Listen calls woken, which must not wait and must not listen, whenever somebody rings for
// the topic, and once after each time Redis was joined, since a ring may have been missed.
// It returns when ctx ends; woken is not called after that.
func (s *Store) Listen(ctx context.Context, topic string, woken func()) {
	b, l := s.bell, &listener{topic: topic, woken: woken}
	b.mu.Lock()
	b.listeners[l] = struct{}{}
	b.mu.Unlock()
	<-ctx.Done()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.listeners, l)
}

func (b *bell) ring(topic string) {
	b.wake(func(of string) bool { return of == topic })
	if b.remote == nil {
		return
	}
	b.ringing.Lock()
	b.pending[topic] = struct{}{}
	b.ringing.Unlock()
	select {
	case b.rung <- struct{}{}:
	default:
	}
}

func (b *bell) wake(whose func(topic string) bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for l := range b.listeners {
		if whose(l.topic) {
			l.woken()
		}
	}
}

// run carries rings there and back until ctx ends.
func (b *bell) run(ctx context.Context) {
	if b.remote == nil {
		<-ctx.Done()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { b.publish(ctx) })
	both.Go(func() { b.subscribe(ctx) })
	both.Wait()
}

// publish sends what is rung. What Redis did not take is sent when it is back.
func (b *bell) publish(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.rung:
		}
		for !rest(ctx, gather) && !b.send(ctx) {
			if rest(ctx, pause) {
				return
			}
		}
	}
}

// rest waits; true: ctx ended meanwhile.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return true
	case <-timer.C:
		return false
	}
}

// send sends all that is pending; false: it is pending still.
func (b *bell) send(ctx context.Context) bool {
	b.ringing.Lock()
	said := []string{b.self}
	for topic := range b.pending {
		said = append(said, topic)
	}
	clear(b.pending)
	b.ringing.Unlock()
	if len(said) == 1 {
		return true
	}
	err := b.remote.do(ctx, func(ctx context.Context, c *redis.Client) error {
		return c.Publish(ctx, b.channel(), strings.Join(said, " ")).Err()
	})
	if err == nil {
		return true
	}
	b.ringing.Lock()
	defer b.ringing.Unlock()
	for _, topic := range said[1:] {
		b.pending[topic] = struct{}{}
	}
	return false
}

func (b *bell) channel() string { return b.remote.prefix + "bell" }

// subscribe hears what the others ring, and joins again whenever it was cut off.
func (b *bell) subscribe(ctx context.Context) {
	for {
		err := b.hear(ctx)
		if ctx.Err() != nil {
			return
		}
		b.remote.count(ctx, err)
		if rest(ctx, rejoin) {
			return
		}
	}
}

// errSilent says that a subscription did not answer.
var errSilent = context.DeadlineExceeded

// hear subscribes and listens until it is cut off.
func (b *bell) hear(ctx context.Context) error {
	sub := b.remote.client.Subscribe(ctx)
	defer func() { _ = sub.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() })
	defer stop()
	if err := sub.Subscribe(ctx, b.channel()); err != nil {
		return err
	}
	asked := false
	for {
		got, err := sub.ReceiveTimeout(ctx, heartbeat)
		if err != nil {
			silent, ok := errors.AsType[net.Error](err)
			switch {
			case !ok || !silent.Timeout():
				return err
			case asked:
				return errSilent
			}
			if err := sub.Ping(ctx); err != nil {
				return err
			}
			asked = true
			continue
		}
		asked = false
		switch got := got.(type) {
		case *redis.Subscription:
			b.remote.count(ctx, nil)
			b.wake(func(string) bool { return true })
		case *redis.Message:
			b.heard(got.Payload)
		}
	}
}

// heard wakes those whom a message of another gateway concerns.
func (b *bell) heard(payload string) {
	said := strings.Fields(payload)
	if len(said) > 1 && said[0] != b.self {
		b.wake(func(topic string) bool { return slices.Contains(said[1:], topic) })
	}
}
