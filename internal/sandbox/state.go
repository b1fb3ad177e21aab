package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// state is what changes while the stand-ins run, as it lies on disk.
type state struct {
	Ports  map[string]int       `json:"ports"`
	Faults map[string]Fault     `json:"faults"`
	Tokens map[string]grant     `json:"tokens"` // by digest
	Seen   map[string]time.Time `json:"seen"`   // digests of assertions used, until they expire
	Issued uint64               `json:"issued"` // running number of the last token
	Void   map[string]uint64    `json:"void"`   // by system: tokens up to this number are refused there
	Keys   map[string]bool      `json:"keys"`   // by system: whether a key takes effect once
}

// grant is a token given out.
type grant struct {
	Provider string    `json:"provider"`
	Client   string    `json:"client"`
	Scope    string    `json:"scope"`
	Number   uint64    `json:"number"`
	Expires  time.Time `json:"expires"`
}

// keeper holds the state and keeps it on disk. It is safe for concurrent use.
type keeper struct {
	dir string
	now atomic.Pointer[state] // what it points to never changes
	mu  sync.Mutex            // one at a time changes it
}

// openKeeper reads the state of a folder.
func openKeeper(dir string) (*keeper, error) {
	k := &keeper{dir: dir}
	return k, k.reload()
}

// get gives the state. Nobody may change it.
func (k *keeper) get() state { return *k.now.Load() }

// change changes the state. When it returns nil the new state is on disk; on an error the
// old one holds. A change that returns false changes nothing.
func (k *keeper) change(change func(*state) bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.get()
	next := state{
		Ports: copied(now.Ports), Faults: copied(now.Faults), Tokens: copied(now.Tokens),
		Seen: copied(now.Seen), Issued: now.Issued, Void: copied(now.Void), Keys: copied(now.Keys),
	}
	if !change(&next) {
		return nil
	}
	if err := writeFile(k.dir, stateFile, next); err != nil {
		return err
	}
	k.now.Store(&next)
	return nil
}

// copied gives a copy of m, never nil.
func copied[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}

// digest gives the SHA-256 of the parts, so that what is secret is not kept.
func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// reload reads the state again, which another process may have changed.
func (k *keeper) reload() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	fresh := new(state)
	if err := readFile(k.dir, stateFile, fresh); err != nil {
		return err
	}
	k.now.Store(fresh)
	return nil
}
