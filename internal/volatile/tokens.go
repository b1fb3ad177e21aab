// Package volatile keeps what may be lost: losing it costs speed, never truth. One process
// keeps it in memory.
package volatile

import (
	"log/slog"
	"sync"
	"time"
)

// Token is an access token of a neighbour. It never prints itself.
type Token struct {
	Value   string
	Renew   time.Time // from here on a new one is fetched while this one still serves
	Expires time.Time // from here on this one does not serve
}

// String hides the token from formatted text.
func (Token) String() string { return "token(hidden)" }

// GoString hides the token from %#v.
func (Token) GoString() string { return "volatile.Token(hidden)" }

// LogValue hides the token from logs.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// Tokens holds access tokens by key until they expire. It is safe for use by several
// goroutines at once; NewTokens makes one.
type Tokens struct {
	mu   sync.RWMutex
	held map[string]Token
}

// NewTokens makes an empty store.
func NewTokens() *Tokens { return &Tokens{held: make(map[string]Token)} }

// Get gives the token of the key; false where there is none that still serves.
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
	now := time.Now()
	for k, old := range t.held {
		if !now.Before(old.Expires) {
			delete(t.held, k)
		}
	}
	t.held[key] = token
}

// Drop forgets the token of the key if it is still this one, so that a caller who was
// refused does not throw away what another has just renewed.
func (t *Tokens) Drop(key, value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held[key].Value == value {
		delete(t.held, key)
	}
}
