package audit

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// maxAddresses is how many addresses are told apart in one minute; those beyond share one
// entry, so that nobody without a token can fill the disk.
const maxAddresses = 64

// elsewhere stands for all addresses beyond maxAddresses, and for what is no address.
const elsewhere = "*"

type refusal struct{ cause, address string }

// tokenCount counts refused tokens: the first of a cause, address and minute is written
// at once, the others as a number when the minute is over.
type tokenCount struct {
	mu        sync.Mutex
	minute    time.Time
	more      map[refusal]int // beyond the first
	addresses map[string]bool
}

// TokenRefused records that a token was refused: cause is a message number or a machine
// word, address whence it came. There is one entry per cause, address and minute, at
// once, and when the minute is over one with the number of those that followed.
func (l *Log) TokenRefused(ctx context.Context, cause, address string) error {
	key, first := l.tokens.count(l.now(), refusal{cause, blur(address)}, l.intake)
	if !first {
		return nil
	}
	err := l.Record(ctx, Entry{Kind: TokenRefused, Code: key.cause, Address: key.address, Count: 1})
	if err != nil {
		l.tokens.forget(key)
	}
	return err
}

// blur makes one address of all those that one line to the internet may use.
func blur(address string) string {
	if at, err := netip.ParseAddrPort(address); err == nil {
		address = at.Addr().String()
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return elsewhere
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() && !ip.IsLoopback() {
		if net, err := ip.Prefix(64); err == nil {
			return net.String()
		}
	}
	return ip.String()
}

func (t *tokenCount) count(now time.Time, key refusal, in *intake) (refusal, bool) {
	t.turn(now, in)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(key.cause) > 64 {
		key.cause = key.cause[:64]
	}
	if !t.addresses[key.address] {
		if len(t.addresses) >= maxAddresses {
			key.address = elsewhere
		}
		t.addresses[key.address] = true
	}
	if n, seen := t.more[key]; seen {
		t.more[key] = n + 1
		return key, false
	}
	t.more[key] = 0
	return key, true
}

// forget lets the next of its like be the first again.
func (t *tokenCount) forget(key refusal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.more, key)
}

// turn has the sums of the last minute written once another has begun.
func (t *tokenCount) turn(now time.Time, in *intake) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if minute := now.UTC().Truncate(time.Minute); !minute.Equal(t.minute) {
		t.sum(in)
		t.minute = minute
		t.more, t.addresses = map[refusal]int{}, map[string]bool{}
	}
}

// stop has the sums of the minute that is not over written.
func (t *tokenCount) stop(in *intake) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum(in)
	t.more, t.addresses = map[refusal]int{}, map[string]bool{}
}

func (t *tokenCount) sum(in *intake) {
	var owed []Entry
	for key, n := range t.more {
		if n > 0 {
			owed = append(owed, Entry{
				Kind: TokenRefused, Code: key.cause, Address: key.address, Count: n,
				Detail: map[string]string{"minute": t.minute.Format("2006-01-02T15:04Z")},
			})
		}
	}
	in.owe(owed)
}
