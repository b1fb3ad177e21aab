package main

import (
	"context"
	"sync"
	"testing"
	"time"
)

// TestThreeGatewaysAreOne: lookups and changes spread over three gateways on one schema, of
// which one is killed in the middle and started again. Every answer has intent and outcome,
// every change arrives once and in order, and nothing is left open once the killed one's
// lease is over.
func TestThreeGatewaysAreOne(t *testing.T) {
	t.Parallel()
	at := newPlace(t)
	startSandbox(t, at.dir)
	at.demo().stop()
	all := personas(t, at.dir)
	kids, people := children(all)[:6], askable(all)
	worker, operator := token(t, at.dir, "case-worker"), token(t, at.dir, "operator")
	env := append(quick(), "KAKEHASHI_RECORD_LEASE=2s")
	dirs := []string{at.dir, at.gatewayFolder(), at.gatewayFolder()}
	gateways := make([]*process, 3)
	for i, dir := range dirs {
		gateways[i] = at.begin(dir, env...)
	}
	for _, g := range gateways {
		eventually(t, time.Minute, "a gateway is ready", g.appears)
	}

	const changes = 120
	c := newClerks(t, worker, kids, changes)
	turn := &turns{clerks: c, gateways: gateways}
	turn.start(t)
	loads := make([]*load, 0, 4)
	for _, g := range gateways {
		loads = append(loads, startLoad(g, worker, people))
	}
	press := func(n int) {
		for range n {
			c.presses <- struct{}{}
		}
	}
	left := orders(len(kids), changes)
	press(left / 2)
	eventually(t, 30*time.Second, "changes and lookups before the kill", func() bool {
		done, _ := c.done()
		given, _ := loads[1].count()
		return done >= changes/4 && given >= 30
	})
	gateways[1].kill()
	press(left - left/2)
	again := at.begin(dirs[1], env...)
	eventually(t, time.Minute, "the killed gateway is ready again", again.appears)
	turn.put(1, again)
	loads = append(loads, startLoad(again, worker, people))
	eventually(t, 30*time.Second, "lookups after the kill", func() bool { given, _ := loads[3].count(); return given >= 30 })
	c.all.Wait()
	var answers []given
	broken := 0
	for i, l := range loads {
		l.end()
		answers = append(answers, l.given...)
		broken += l.broken
		if len(l.refused) > 0 {
			t.Errorf("gateway %d refused lookups: %v", i+1, l.refused)
		}
	}
	gateways[0].told(operator, time.Minute)
	promised, retried := c.done()
	sum := reckon(t, at.dir, c.promised)
	if promised != changes || sum.delivered != changes {
		t.Errorf("%d changes were promised, want %d; %v", promised, changes, sum)
	}
	allEnded(t, at.dir)
	kept := checkKept(t, record(t, at.dir), answers)
	for i, g := range []*process{gateways[0], again, gateways[2]} {
		if code := g.stop(); code != exitOK {
			t.Errorf("gateway %d stopped with %d", i+1, code)
		}
	}
	v := checkContent(t, at.dir)
	for _, dir := range dirs[1:] { // by the checkpoints of each
		if v, code := verify(t, dir); !v.OK || code != exitOK {
			t.Errorf("audit verify in another gateway's folder: %d %+v", code, v)
		}
	}
	if v.Unproved != 0 {
		t.Errorf("%d entries are not sealed after all stopped", v.Unproved)
	}
	say(t, "three gateways on one schema, one killed in the middle: %v; %d presses repeated; %d answers of lookups, all in the record, "+
		"%d requests cut off, %d interrupted; %d entries, none amiss", sum, retried, kept.given, broken, kept.interrupted, v.Entries)
}

// allEnded waits until every lookup has an end in the record: those of a gateway that is gone
// get theirs when its lease is over.
func allEnded(t *testing.T, dir string) {
	t.Helper()
	eventually(t, 20*time.Second, "every lookup has an end in the record", func() bool {
		for _, e := range byLookup(record(t, dir)) {
			if e.outcome+e.interrupted+e.withheld == 0 {
				return false
			}
		}
		return true
	})
}

// turns has the clerks press at each gateway in turn.
type turns struct {
	clerks *clerks

	mu       sync.Mutex
	gateways []*process
}

func (s *turns) put(i int, g *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gateways[i] = g
}

func (s *turns) next(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clerks.gateway.Store(s.gateways[i%len(s.gateways)])
}

// start goes round until the test ends.
func (s *turns) start(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	s.next(0)
	go func() {
		defer close(done)
		tick := time.NewTicker(3 * time.Millisecond)
		defer tick.Stop()
		for i := 1; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				s.next(i)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}
