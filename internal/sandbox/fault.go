package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// The kinds of fault.
const (
	KindDown         = "down"          // the port is closed and open connections are reset
	KindSlow         = "slow"          // the answer comes after Options.SlowFor
	KindRefuse       = "refuse"        // 500 at once, no JSON
	KindBusy         = "busy"          // 429 with Retry-After
	KindGarbage      = "garbage"       // 200 that says JSON and is none, HTML every second time
	KindHuge         = "huge"          // JSON that goes on for nine MiB
	KindExpiredToken = "expired-token" // tokens given out are refused, new ones too while it lasts
	KindLostReply    = "lost-reply"    // the work is done, then the connection is reset without a byte of the answer
	KindHalfOpen     = "half-open"     // the request is read, nothing is done and nothing answered for a minute
	KindDrip         = "drip"          // the work is done, the answer comes a byte at a time
	KindBadEncoding  = "bad-encoding"  // the work is done, the answer is in Shift_JIS and says UTF-8
	KindDuplicate    = "duplicate"     // the work is done once, the answer holds every record twice
	KindWrongClock   = "wrong-clock"   // every time in answers is off by 37 hours
)

// Kinds gives every kind of fault.
func Kinds() []string {
	return []string{
		KindDown, KindSlow, KindRefuse, KindBusy, KindGarbage, KindHuge, KindExpiredToken,
		KindLostReply, KindHalfOpen, KindDrip, KindBadEncoding, KindDuplicate, KindWrongClock,
	}
}

// Systems gives every system that a fault may concern.
func Systems() []string { return []string{Residents, Protection, Tax, Address} }

// longestFault is how long a fault with an end may last.
const longestFault = 24 * time.Hour

// Fault is what is wrong with a system.
type Fault struct {
	Kind  string    `json:"kind"`
	Until time.Time `json:"until,omitzero"`  // zero: until it is cleared
	Every int       `json:"every,omitempty"` // N: it strikes every Nth request alone; 0 or 1: each
}

// always tells whether the fault strikes every request.
func (f Fault) always() bool { return f.Every <= 1 }

// Wish is a fault that somebody wants a system to have.
type Wish struct {
	System string
	Kind   string
	Lasts  time.Duration // 0: until it is cleared
	Every  int           // N: strike every Nth request of the system alone; 0 or 1: each
}

// check tells whether there is such a fault.
func (w Wish) check() error {
	switch {
	case !slices.Contains(Systems(), w.System):
		return fmt.Errorf("set a fault: %w: no such system", ErrUnknown)
	case !slices.Contains(Kinds(), w.Kind):
		return fmt.Errorf("set a fault: %w: no such kind", ErrUnknown)
	case w.Lasts < 0 || w.Lasts > longestFault:
		return fmt.Errorf("set a fault: %w: it lasts longer than nothing and at most a day", ErrUnknown)
	case w.Every < 0:
		return fmt.Errorf("set a fault: %w: it strikes every Nth request, N being no less than nothing", ErrUnknown)
	default:
		return nil
	}
}

// begin sets a fault in place of the system's present one.
func (s *state) begin(system string, f Fault) {
	s.end(system)
	s.Faults[system] = f
}

// end ends a system's fault. Tokens that were given out before expired-token ended stay
// refused.
func (s *state) end(system string) {
	if f := s.Faults[system]; f.Kind == KindExpiredToken && f.always() {
		s.Void[system] = s.Issued
	}
	delete(s.Faults, system)
}

// endExpired ends the faults whose time is over and tells whether there were any.
func (s *state) endExpired(now time.Time) bool {
	ended := false
	for _, system := range slices.Sorted(maps.Keys(s.Faults)) {
		if until := s.Faults[system].Until; !until.IsZero() && !until.After(now) {
			s.end(system)
			ended = true
		}
	}
	return ended
}

// nextEnd gives the moment at which the next fault ends by itself; zero: none does.
func (s *state) nextEnd() time.Time {
	var next time.Time
	for _, f := range s.Faults {
		if !f.Until.IsZero() && (next.IsZero() || f.Until.Before(next)) {
			next = f.Until
		}
	}
	return next
}

// faultAt gives the fault that a resource has and whose it is: its own system's, else its
// provider's.
func (s *state) faultAt(provider, system string) (owner string, f Fault) {
	if f, faulty := s.Faults[system]; faulty {
		return system, f
	}
	return provider, s.Faults[provider]
}

// accepts tells whether a system takes a token: none while expired-token lasts, and none
// that was given out before it ended.
func (s *state) accepts(g grant, systems ...string) bool {
	for _, system := range systems {
		if f := s.Faults[system]; f.Kind == KindExpiredToken && f.always() || g.Number <= s.Void[system] {
			return false
		}
	}
	return true
}
