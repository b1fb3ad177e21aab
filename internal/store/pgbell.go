package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

const (
	// ringPause is how far apart notifications are sent at least: each commit that bears one
	// waits for all others that do.
	ringPause = 5 * time.Millisecond
	// silence is how long the listening connection may say nothing before it is asked
	// whether it lives.
	silence = 30 * time.Second
	// reconnectPause is how long the first wait is after the listening connection was lost;
	// each further one is twice as long, up to reconnectLimit.
	reconnectPause = 100 * time.Millisecond
	reconnectLimit = 5 * time.Second
)

// bells tells other processes, and is told by them, that there is something to do. They are
// hints: whoever hears one looks, and whoever hears none looks now and then all the same.
type bells struct {
	c    *cluster
	self string // what our own notifications bear, so that they do not wake us

	mu      sync.Mutex
	rung    map[string]bool             // topics to tell of
	heard   map[string]map[*func()]bool // topics to those who listen
	ring    chan struct{}               // there is something in rung
	changed chan struct{}               // there is a topic that was not listened to
	stop    context.CancelFunc
	running sync.WaitGroup
	started bool            // the listening goroutine
	life    context.Context //nolint:containedctx // from Open to Close; the goroutines live as long
}

func newBells(ctx context.Context, c *cluster) *bells {
	b := &bells{
		c: c, self: rand.Text()[:12], rung: map[string]bool{}, heard: map[string]map[*func()]bool{},
		ring: make(chan struct{}, 1), changed: make(chan struct{}, 1),
	}
	b.life, b.stop = context.WithCancel(context.WithoutCancel(ctx))
	if !c.cfg.Pooler && !c.readOnly {
		b.running.Go(b.ringing)
	}
	return b
}

func (b *bells) close() {
	b.stop()
	b.running.Wait()
}

// channel gives the name under which a topic of this schema is told.
func (b *bells) channel(topic string) string {
	return fmt.Sprintf("kakehashi_%08x_%s", uint32(hash32(b.c.cfg.Schema)), topic)
}

func (b *bells) put(topic string) {
	b.mu.Lock()
	b.rung[topic] = true
	b.mu.Unlock()
	nudge(b.ring)
}

// nudge leaves a token in the channel, unless one lies there.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// ringing sends what was rung for, many as one, never inside of anybody's transaction.
func (b *bells) ringing() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-b.ring:
		case <-b.life.Done():
			return
		}
		b.mu.Lock()
		topics := slices.Sorted(maps.Keys(b.rung))
		clear(b.rung)
		b.mu.Unlock()
		b.send(topics)
		pause.Reset(ringPause)
		select {
		case <-pause.C:
		case <-b.life.Done():
			return
		}
	}
}

// send notifies of the topics. What cannot be sent is lost: it was a hint.
func (b *bells) send(topics []string) {
	channels := make([]string, len(topics))
	for i, t := range topics {
		channels[i] = b.channel(t)
	}
	ctx, cancel := context.WithTimeout(b.life, grace)
	defer cancel()
	conn, err := b.c.acquire(ctx)
	if err != nil {
		return
	}
	if _, err := conn.Exec(ctx, "SELECT pg_notify(c, $2) FROM unnest($1::text[]) c", channels, b.self); err != nil {
		discardConn(ctx, conn)
		return
	}
	conn.Release()
}

// listen has woken called until ctx ends.
func (b *bells) listen(ctx context.Context, topic string, woken func()) {
	if b.c.cfg.Pooler {
		<-ctx.Done()
		return
	}
	b.mu.Lock()
	if b.heard[topic] == nil {
		b.heard[topic] = map[*func()]bool{}
	}
	b.heard[topic][&woken] = true
	if !b.started && b.life.Err() == nil {
		b.started = true
		b.running.Go(b.listening)
	}
	b.mu.Unlock()
	nudge(b.changed)
	<-ctx.Done()
	b.mu.Lock()
	delete(b.heard[topic], &woken)
	b.mu.Unlock()
}

// wake calls those who listen to the topic; to any, where it is empty.
func (b *bells) wake(channel string) {
	b.mu.Lock()
	var all []func()
	for topic, listeners := range b.heard {
		if channel == "" || channel == b.channel(topic) {
			for woken := range listeners {
				all = append(all, *woken)
			}
		}
	}
	b.mu.Unlock()
	for _, woken := range all {
		woken()
	}
}

// listening keeps the one connection on which everything is heard.
func (b *bells) listening() {
	pause := reconnectPause
	for b.life.Err() == nil {
		began := time.Now()
		b.hear()
		if time.Since(began) > reconnectLimit {
			pause = reconnectPause
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-b.life.Done():
			wait.Stop()
		}
		pause = min(2*pause, reconnectLimit)
	}
}

// hear connects and passes on what is told, until the connection is lost. What was told
// before it stood is made up for by waking everybody once.
func (b *bells) hear() {
	conn, err := b.connect()
	if err != nil {
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(b.life), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // it is of no more use whatever becomes of it
	}()
	known := map[string]bool{}
	for {
		fresh, err := b.subscribe(conn, known)
		if err != nil {
			return
		}
		if fresh {
			b.wake("")
		}
		if err := b.await(conn); err != nil {
			return
		}
	}
}

func (b *bells) connect() (*pgx.Conn, error) {
	cfg, err := b.c.cfg.connection(b.c.cfg.URL, b.c.cfg.PasswordFile)
	if err != nil {
		return nil, err
	}
	cfg.RuntimeParams["application_name"] = "kakehashi listen"
	// A wait that is broken off to listen to more must leave the connection as it is.
	cfg.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.DeadlineContextWatcherHandler{Conn: conn.Conn()}
	}
	ctx, cancel := context.WithTimeout(b.life, b.c.cfg.ConnectTimeout)
	defer cancel()
	return pgx.ConnectConfig(ctx, cfg)
}

// subscribe listens to the topics that have come up, and tells whether there were any.
func (b *bells) subscribe(conn *pgx.Conn, known map[string]bool) (fresh bool, err error) {
	b.mu.Lock()
	topics := slices.Sorted(maps.Keys(b.heard))
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(b.life, grace)
	defer cancel()
	for _, t := range topics {
		if known[t] {
			continue
		}
		if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{b.channel(t)}.Sanitize()); err != nil {
			return false, err
		}
		known[t], fresh = true, true
	}
	return fresh, nil
}

// await passes on what is told until another topic comes up. A connection that says
// nothing for long is asked whether it lives.
func (b *bells) await(conn *pgx.Conn) error {
	for {
		ctx, cancel := context.WithTimeout(b.life, silence)
		told := make(chan struct{})
		var more bool
		var watching sync.WaitGroup
		watching.Go(func() {
			select {
			case <-b.changed:
				more = true
				cancel()
			case <-told:
			}
		})
		n, err := conn.WaitForNotification(ctx)
		close(told)
		watching.Wait()
		quiet := ctx.Err() != nil
		cancel()
		switch {
		case err == nil && n.Payload != b.self:
			b.wake(n.Channel)
		case err == nil:
		case b.life.Err() != nil || conn.IsClosed() || !quiet:
			return err
		case !more:
			if err := b.alive(conn); err != nil {
				return err
			}
		}
		if more {
			return nil
		}
	}
}

func (b *bells) alive(conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(b.life, grace)
	defer cancel()
	return conn.Ping(ctx)
}
