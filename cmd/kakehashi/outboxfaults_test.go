package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// trouble is something that goes wrong at the neighbour while it is told of changes.
type trouble struct {
	name   string
	lasts  time.Duration
	ends   []string // how attempts end in it, at least one of them seen
	strike func(t *testing.T, dir string, city *process, during <-chan time.Time)
}

// faultOf breaks the unified address system in one way, every Nth request, until the time is
// over.
func faultOf(kind string, every int) func(*testing.T, string, *process, <-chan time.Time) {
	return func(t *testing.T, dir string, _ *process, during <-chan time.Time) {
		setFault(t, dir, "address", kind, "--every", fmt.Sprint(every))
		<-during
		clearFaults(t, dir)
	}
}

// restarted kills the neighbour at random points and starts it again.
func restarted(t *testing.T, dir string, city *process, during <-chan time.Time) {
	for !over(during) {
		<-time.After(time.Duration(200+rand.IntN(900)) * time.Millisecond)
		city.kill()
		<-time.After(time.Duration(rand.IntN(400)) * time.Millisecond)
		city = startSandbox(t, dir)
	}
}

func over(during <-chan time.Time) bool {
	select {
	case <-during:
		return true
	default:
		return false
	}
}

// troubles are all of them. A neighbour that gives no readable answer to the question either
// leaves changes parked with it.
func troubles() []trouble {
	unsure, again, delivered := "sent unsure", "sent again", "sent delivered"
	return []trouble{
		{"restarted", 8 * time.Second, []string{again, unsure}, restarted},
		{"down", 4 * time.Second, []string{again, unsure}, faultOf("down", 1)},
		{"slow", 12 * time.Second, []string{unsure}, faultOf("slow", 1)},
		{"garbage", 6 * time.Second, []string{unsure}, faultOf("garbage", 1)},
		{"busy", 6 * time.Second, []string{again}, faultOf("busy", 2)},
		{"refuse", 6 * time.Second, []string{unsure}, faultOf("refuse", 2)},
		{"huge", 4 * time.Second, []string{unsure}, faultOf("huge", 2)},
		{"expired-token", 4 * time.Second, []string{again}, faultOf("expired-token", 1)},
		{"wrong-clock", 4 * time.Second, []string{delivered}, faultOf("wrong-clock", 1)},
		{"half-open", 8 * time.Second, []string{unsure}, faultOf("half-open", 1)},
		{"drip", 8 * time.Second, []string{unsure, delivered}, faultOf("drip", 1)},
		{"bad-encoding", 6 * time.Second, []string{unsure}, faultOf("bad-encoding", 2)},
		{"duplicate", 6 * time.Second, []string{unsure, delivered}, faultOf("duplicate", 1)},
		{"lost-reply", 6 * time.Second, []string{unsure}, faultOf("lost-reply", 1)},
	}
}

// TestNothingIsLostNorDoneTwiceWhateverTheNeighbourDoes makes sixty changes under each
// trouble in turn.
func TestNothingIsLostNorDoneTwiceWhateverTheNeighbourDoes(t *testing.T) {
	t.Parallel()
	for _, tr := range troubles() {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			city := startSandbox(t, dir)
			p := startDemo(t, dir, quick()...)
			kids := children(personas(t, dir))[:6]
			worker, operator := token(t, dir, "case-worker"), token(t, dir, "operator")
			const changes = 60
			c := newClerks(t, worker, kids, changes)
			c.gateway.Store(p)
			var paced sync.WaitGroup
			paced.Go(func() {
				pace := time.NewTicker(tr.lasts / time.Duration(2*orders(len(kids), changes)))
				defer pace.Stop()
				for range orders(len(kids), changes) {
					<-pace.C
					c.presses <- struct{}{}
				}
			})
			tr.strike(t, dir, city, time.After(tr.lasts))
			paced.Wait()
			c.all.Wait()
			p.told(operator, time.Minute)
			sum := reckon(t, dir, c.promised)
			ends := p.attempts(operator, slices.Concat(slices.Collect(maps.Values(c.promised))...))
			if promised, _ := c.done(); promised != changes {
				t.Errorf("%d changes of %d were promised", promised, changes)
			}
			if !slices.ContainsFunc(tr.ends, func(end string) bool { return ends[end] > 0 }) {
				t.Errorf("no attempt ended as under this trouble: %v", ends)
			}
			if r := p.get("/readyz"); r.status != http.StatusOK {
				t.Errorf("after it /readyz is %d", r.status)
			}
			if code := p.stop(); code != exitOK {
				t.Errorf("the gateway stopped with %d", code)
			}
			checkContent(t, dir)
			say(t, "%v; %v", sum, ends)
		})
	}
}
