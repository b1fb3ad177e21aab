package volatile

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/redis/go-redis/v9"
)

// Token is an access token of a neighbour. It never prints itself.
type Token struct {
	Value   string
	Renew   time.Time // from here on a new one is fetched while this one still serves
	Expires time.Time // from here on this one does not serve
	Found   bool      // another gateway fetched it
}

// String hides the token from formatted text.
func (Token) String() string { return "token(hidden)" }

// GoString hides the token from %#v.
func (Token) GoString() string { return "volatile.Token(hidden)" }

// LogValue hides the token from logs.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// Tokens holds access tokens by key until they expire. It is safe for use by several
// goroutines at once; NewTokens makes one that stays in this process, [Store.Tokens] gives
// one that gateways share. Get and Put never wait; Find, Share and Drop may, for as long as
// Redis may take.
type Tokens struct {
	remote *remote // nil: memory alone

	mu      sync.RWMutex
	held    map[string]Token
	refused map[string]Token // the last of each key that the neighbour refused
}

// NewTokens makes an empty store in memory.
func NewTokens() *Tokens {
	return &Tokens{held: make(map[string]Token), refused: make(map[string]Token)}
}

// Get gives the token of the key; false where there is none here that still serves.
func (t *Tokens) Get(key string) (Token, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	token, ok := t.held[key]
	if !ok || !time.Now().Before(token.Expires) {
		return Token{}, false
	}
	return token, true
}

// Put keeps the token under the key, in the place of an older one, and forgets the tokens
// of all keys that have expired.
func (t *Tokens) Put(key string, token Token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(key, token)
}

func (t *Tokens) put(key string, token Token) {
	now := time.Now()
	for _, all := range []map[string]Token{t.held, t.refused} {
		for k, old := range all {
			if !now.Before(old.Expires) {
				delete(all, k)
			}
		}
	}
	t.held[key] = token
}

// Drop forgets the token of the key if it is still this one, here and in Redis, so that a
// caller who was refused does not throw away what another has just renewed. Find does not
// give it again.
func (t *Tokens) Drop(ctx context.Context, key string, token Token) {
	t.mu.Lock()
	if t.held[key].Value == token.Value {
		delete(t.held, key)
	}
	t.refused[key] = token
	t.mu.Unlock()
	if t.remote == nil {
		return
	}
	name := t.remote.name("token", key)
	sealed, shared, ok := t.read(ctx, name)
	if !ok || shared.Value != token.Value {
		return
	}
	_ = t.remote.do(ctx, func(ctx context.Context, c *redis.Client) error {
		return c.Eval(ctx, dropOwn, []string{name}, sealed).Err()
	})
}

// Find gives the token of the key that another gateway fetched, and keeps it here; false
// where there is none that need not be renewed yet, or the neighbour refused it.
func (t *Tokens) Find(ctx context.Context, key string) (Token, bool) {
	if t.remote == nil {
		return Token{}, false
	}
	_, token, ok := t.read(ctx, t.remote.name("token", key))
	if !ok || !time.Now().Before(token.Renew) {
		return Token{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refused[key].Value == token.Value {
		return Token{}, false
	}
	t.put(key, token)
	return token, true
}

// Share gives the other gateways the token that is held here under the key.
func (t *Tokens) Share(ctx context.Context, key string) {
	token, ok := t.Get(key)
	if t.remote == nil || !ok {
		return
	}
	name := t.remote.name("token", key)
	plain, err := json.Marshal(stored{Value: token.Value, Renew: token.Renew.UnixMilli(), Expires: token.Expires.UnixMilli()})
	if err != nil {
		return
	}
	_ = t.remote.do(ctx, func(ctx context.Context, c *redis.Client) error {
		return c.Set(ctx, name, t.remote.seal(name, plain), time.Until(token.Expires)+time.Millisecond).Err()
	})
}

// stored is a token as it lies in Redis, encrypted. Moments are Unix milliseconds.
type stored struct {
	Value   string `json:"value"`
	Renew   int64  `json:"renew"`
	Expires int64  `json:"expires"`
}

// largest is the most bytes that are read of a value: what is longer is none of ours.
const largest = 64 << 10

// read gives what lies in Redis under the name, as it lies there and opened.
func (t *Tokens) read(ctx context.Context, name string) (sealed []byte, token Token, ok bool) {
	err := t.remote.do(ctx, func(ctx context.Context, c *redis.Client) error {
		var err error
		if sealed, err = c.GetRange(ctx, name, 0, largest).Bytes(); err != nil {
			return err
		}
		if len(sealed) == 0 {
			return redis.Nil
		}
		plain, fits := t.remote.open(name, sealed)
		var s stored
		if !fits || json.Unmarshal(plain, &s) != nil {
			return errGarbage
		}
		token = Token{Value: s.Value, Renew: time.UnixMilli(s.Renew), Expires: time.UnixMilli(s.Expires), Found: true}
		return nil
	})
	return sealed, token, err == nil
}
