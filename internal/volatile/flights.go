package volatile

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Patience is how long a second request waits for the first of its key.
const Patience = 5 * time.Second

// look is how often a gateway looks whether another's request has ended.
const look = 25 * time.Millisecond

// dropOwn drops a value if it still is the one that we wrote.
const dropOwn = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`

// flights are the requests that are being served, by key.
type flights struct {
	remote   *remote
	patience time.Duration

	mu sync.Mutex
	by map[string]chan struct{} // closed when the flight ends
}

func newFlights(r *remote, patience time.Duration) *flights {
	return &flights{remote: r, patience: patience, by: map[string]chan struct{}{}}
}

// Begin says that a request with the key, which is a keyed hash, is being served. The first
// of a key goes on at once; while it lasts the others, in this gateway and in every other,
// wait until it has ended, [Patience] has passed, or their context ends. Then they go on as
// well, and first is false: it is the database that decides whether something was done
// already. The caller calls end when its request is served; calling it twice is safe.
func (s *Store) Begin(ctx context.Context, key string) (end func(), first bool) {
	return s.flights.begin(ctx, key)
}

func (f *flights) begin(ctx context.Context, key string) (end func(), first bool) {
	f.mu.Lock()
	if over, ok := f.by[key]; ok {
		f.mu.Unlock()
		wait(ctx, over, f.patience)
		return func() {}, false
	}
	over := make(chan struct{})
	f.by[key] = over
	f.mu.Unlock()
	mine, first := f.take(ctx, key)
	return sync.OnceFunc(func() {
		if mine != "" {
			f.giveBack(ctx, key, mine)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.by, key)
		close(over)
	}), first
}

func wait(ctx context.Context, over <-chan struct{}, patience time.Duration) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-over:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// take writes the flight down in Redis, or waits for that of another gateway. It gives the
// value that it wrote; empty: none.
func (f *flights) take(ctx context.Context, key string) (mine string, first bool) {
	if f.remote == nil {
		return "", true
	}
	name, held := f.remote.name("flight", key), false
	mine = random()
	err := f.remote.do(ctx, func(ctx context.Context, c *redis.Client) error {
		ok, err := c.SetNX(ctx, name, mine, f.patience).Result()
		held = err == nil && !ok
		return err
	})
	switch {
	case held:
		f.await(ctx, name)
		return "", false
	case errors.Is(err, errGate):
		return "", true
	default: // where it failed it was perhaps written all the same
		return mine, true
	}
}

// await waits until the other gateway's flight has ended, or cannot be seen any more.
func (f *flights) await(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, f.patience)
	defer cancel()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := f.remote.do(ctx, func(ctx context.Context, c *redis.Client) error {
			n, err := c.Exists(ctx, name).Result()
			if err == nil && n == 0 {
				return redis.Nil
			}
			return err
		})
		if err != nil {
			return
		}
	}
}

// giveBack drops what take wrote. The request is served whether its caller waits or not.
func (f *flights) giveBack(ctx context.Context, key, mine string) {
	name := f.remote.name("flight", key)
	_ = f.remote.do(context.WithoutCancel(ctx), func(ctx context.Context, c *redis.Client) error {
		return c.Eval(ctx, dropOwn, []string{name}, mine).Err()
	})
}
