package outbox

import "time"

// gate stands before one destination. At the first sign of trouble it shuts: then one
// delivery at a time goes out, as a probe, at times that grow apart. The first that gets an
// answer opens it, for one delivery at once, and every further answer for one more, so that
// a neighbour that has just come back is not flooded.
type gate struct {
	most  int // deliveries at once when wide open
	limit int // deliveries at once now
	shut  bool
	fails int       // failures in a row
	next  time.Time // when the next probe may go
	cause string    // what shut it
	turn  int       // how often it changed: an end of an earlier turn says nothing of this one
}

func newGate(most int) gate { return gate{most: most, limit: most} }

// room gives how many more deliveries may go out while so many are on their way.
func (g *gate) room(now time.Time, busy int) int {
	if !g.shut {
		return max(g.limit-busy, 0)
	}
	if busy > 0 || now.Before(g.next) {
		return 0
	}
	return 1
}

// trouble hears that a delivery which went out in the given turn found no answer, and that
// the next probe should wait so long. It tells whether the gate was open until now.
func (g *gate) trouble(turn int, now time.Time, wait time.Duration, cause string) (shuts bool) {
	next := now.Add(wait)
	if turn != g.turn {
		if g.shut && next.After(g.next) && wait > time.Minute {
			g.next = next // it went out before, but says how long to wait
		}
		return false
	}
	shuts = !g.shut
	g.shut, g.next, g.cause, g.limit = true, next, cause, 1
	g.fails++
	g.turn++
	return shuts
}

// answer hears that the neighbour answered. It tells whether the gate was shut until now.
func (g *gate) answer(turn int) (opens bool) {
	if g.shut {
		if turn != g.turn {
			return false
		}
		g.shut, g.fails, g.cause, g.next, g.limit = false, 0, "", time.Time{}, 1
		g.turn++
		opens = true
	}
	g.limit = min(g.limit+1, g.most)
	return opens
}

// rate gives out tokens at an even pace, and a tenth of a second's at once.
type rate struct {
	perSecond float64 // 0: no limit
	tokens    float64
	at        time.Time
}

func newRate(perSecond int, now time.Time) rate {
	r := rate{perSecond: float64(perSecond), at: now}
	r.tokens = r.burst()
	return r
}

func (r *rate) burst() float64 { return max(r.perSecond/10, 1) }

// room gives how many tokens there are now, at most n.
func (r *rate) room(now time.Time, n int) int {
	if r.perSecond == 0 {
		return n
	}
	r.tokens = min(r.tokens+now.Sub(r.at).Seconds()*r.perSecond, r.burst())
	r.at = now
	return min(int(r.tokens), n)
}

// take uses n tokens up.
func (r *rate) take(n int) { r.tokens -= float64(n) }

// wait gives how long until there is a token.
func (r *rate) wait() time.Duration {
	if r.perSecond == 0 || r.tokens >= 1 {
		return 0
	}
	return time.Duration((1 - r.tokens) / r.perSecond * float64(time.Second))
}

// meter counts what happened in the last minute, second by second.
type meter struct {
	counts [60]int
	last   int64 // second of the newest count
}

func (m *meter) add(now time.Time, n int) {
	second := now.Unix()
	m.turn(second)
	m.counts[second%60] += n
}

func (m *meter) turn(second int64) {
	if second-m.last >= 60 || second < m.last {
		m.counts = [60]int{}
	} else {
		for s := m.last + 1; s <= second; s++ {
			m.counts[s%60] = 0
		}
	}
	m.last = second
}

func (m *meter) sum(now time.Time) int {
	m.turn(now.Unix())
	total := 0
	for _, n := range m.counts {
		total += n
	}
	return total
}
