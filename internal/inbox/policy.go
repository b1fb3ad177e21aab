package inbox

import (
	"time"

	"kakehashi/internal/fault"
)

// policy decides what becomes of notices after a refresh. It knows neither database nor
// network.
type policy struct {
	cfg  Config
	draw func() float64 // from 0 to 1
}

// verdict is what becomes of one notice.
type verdict struct {
	to    State
	due   time.Time
	fails int
	cause string
	code  string
}

// judge says what becomes of a notice that failed so often before.
func (p policy) judge(fails int, err error, now time.Time) verdict {
	f := fault.Find(err)
	v := verdict{to: Parked, due: now, fails: fails + 1, cause: word(f), code: f.Code}
	if !later(err) {
		return v
	}
	v.to, v.due = Due, now.Add(p.wait(v.fails))
	if v.fails >= p.cfg.Tries {
		v.to = Waiting
	}
	return v
}

// later tells whether asking again can help.
func later(err error) bool { return fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Unsure) }

// wait gives how long to wait after so many failures in a row: twice as long each time, with
// a quarter left to chance, so that what failed together does not come back together.
func (p policy) wait(fails int) time.Duration {
	d := p.cfg.RetryFirst
	for i := 1; i < fails && d < p.cfg.RetryMax; i++ {
		d *= 2
	}
	d = min(d, p.cfg.RetryMax)
	return d - time.Duration(p.draw()*float64(d)/4)
}

// trouble gives how many failures in a row were trouble of a neighbour, so that what waits
// is due again once it is over. A single person who is never answered is none: the next
// answer, of another, would rouse that person for ever.
func (p policy) trouble() int { return min(3, p.cfg.Tries) }

// gate stands before all refreshes. At the first that finds no answer it shuts: then one at
// a time goes, as a probe, at times that grow apart; the first answer opens it. Whoever was
// settled without a question says nothing about the neighbour, and is not heard.
type gate struct {
	fails int       // in a row; 0: open
	next  time.Time // when the next probe may go
	cause string
}

// probeMax is how far apart probes are at most: people wait for what stands behind them.
const probeMax = time.Minute

// room gives how many more may go while so many are under way.
func (g *gate) room(now time.Time, most, busy int) int {
	switch {
	case g.fails == 0:
		return max(most-busy, 0)
	case busy > 0 || now.Before(g.next):
		return 0
	default:
		return 1
	}
}

// hear takes the end of a refresh and tells whether the gate changed.
func (g *gate) hear(err error, wait func(int) time.Duration, now time.Time) (changed bool) {
	if err == nil || !later(err) {
		changed = g.fails > 0
		*g = gate{}
		return changed
	}
	g.fails++
	g.next, g.cause = now.Add(min(wait(g.fails), probeMax)), word(fault.Find(err))
	return g.fails == 1
}
