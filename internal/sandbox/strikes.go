package sandbox

import "sync"

// strikes counts the requests of systems whose fault does not strike every one. It is
// safe for concurrent use.
type strikes struct {
	mu   sync.Mutex
	seen map[string]int // by system, since its fault was set
}

func newStrikes() *strikes { return &strikes{seen: map[string]int{}} }

// forget begins to count anew.
func (s *strikes) forget(system string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, system)
}

// strike counts a request and gives the kind of fault that strikes it, or "".
func (s *strikes) strike(system string, f Fault) string {
	if f.always() {
		return f.Kind
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[system]++
	if s.seen[system]%f.Every != 0 {
		return ""
	}
	return f.Kind
}
