package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// clerks presses buttons against a gateway that comes and goes. Each record has a clerk of
// its own, who repeats a press under the same key until it is answered.
type clerks struct {
	t       *testing.T
	worker  string
	gateway atomic.Pointer[process] // the one that serves, or did last
	presses chan struct{}           // one press may begin for each
	stop    chan struct{}
	all     sync.WaitGroup

	mu       sync.Mutex
	promised map[string][]string // the changes of each record, in order
	count    int                 // of promised changes
	retried  int                 // presses that were repeated since no answer came
}

// newClerks has each child registered and its mailing address changed so many times.
func newClerks(t *testing.T, worker string, kids []persona, changes int) *clerks {
	c := &clerks{
		t: t, worker: worker, presses: make(chan struct{}, 1000), stop: make(chan struct{}), promised: map[string][]string{},
	}
	t.Cleanup(c.end)
	each := (changes - 3*len(kids) + len(kids) - 1) / len(kids)
	for i, child := range kids {
		c.all.Go(func() { c.family(i, child, each) })
	}
	return c
}

// end waits for the clerks to go home, with work left or without.
func (c *clerks) end() {
	if !closed(c.stop) {
		close(c.stop)
	}
	c.all.Wait()
}

// family registers a child and changes its mailing address again and again.
func (c *clerks) family(i int, child persona, times int) {
	a, ok := c.press("/v1/beneficiaries", fmt.Sprintf("family-%d", i), func(p *process) map[string]any {
		return p.registration(child, outsiderOf(i).body())
	})
	for n := 1; ok && n <= times; n++ {
		_, ok = c.press("/v1/beneficiaries/"+a.ID+"/changes", fmt.Sprintf("family-%d-%d", i, n), func(p *process) map[string]any {
			return p.mailing(child.Case, n, 1000*i+n)
		})
	}
}

// press presses until an answer comes, and notes what it promises.
func (c *clerks) press(path, key string, body func(*process) map[string]any) (pressed, bool) {
	select {
	case <-c.presses:
	case <-c.stop:
		return pressed{}, false
	}
	for tries := 0; ; tries++ {
		p := c.gateway.Load()
		a, r, err := p.press(path, c.worker, key, body(p))
		switch {
		case err == nil && (r.status == http.StatusCreated || r.status == http.StatusOK):
			c.mu.Lock()
			defer c.mu.Unlock()
			c.promised[a.ID] = append(c.promised[a.ID], a.changes()...)
			c.count += len(a.changes())
			if tries > 0 {
				c.retried++
			}
			return a, true
		case err == nil && r.status != http.StatusServiceUnavailable:
			c.t.Errorf("POST %s: %d %s", path, r.status, r.body)
			return pressed{}, false
		}
		select {
		case <-c.stop:
			return pressed{}, false
		case <-time.After(time.Duration(5+rand.IntN(20)) * time.Millisecond):
		}
	}
}

// done tells how many changes were promised until now.
func (c *clerks) done() (changes, retried int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count, c.retried
}

// orders gives the presses that all changes need.
func orders(kids, changes int) int { return changes - 2*kids }

// TestNothingIsLostNorDoneTwiceWhenTheGatewayIsKilled is what the outbox is for: the
// neighbour ignores keys and loses every second reply for a minute, and the gateway is
// killed again and again while it tells of 500 changes.
func TestNothingIsLostNorDoneTwiceWhenTheGatewayIsKilled(t *testing.T) {
	t.Parallel()
	times, changes := kills, 500
	if testing.Short() {
		times, changes = 10, 100
	}
	if s := os.Getenv("KAKEHASHI_TEST_KILLS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			t.Fatalf("KAKEHASHI_TEST_KILLS is no number: %q", s)
		}
		times = n
	}
	dir := t.TempDir()
	startSandbox(t, dir)
	kids := children(personas(t, dir))
	kids = kids[:min(len(kids), changes/10)]
	changes = (changes + len(kids) - 1) / len(kids) * len(kids)
	c := newClerks(t, token(t, dir, "case-worker"), kids, changes)
	setFault(t, dir, "address", "lost-reply", "--every", "2", "--for", "1m")
	faulty := time.Now()
	left := orders(len(kids), changes)
	for n := range times {
		p := startDemo(t, dir, quick()...)
		c.gateway.Store(p)
		for range (left + times - n - 1) / (times - n) {
			c.presses <- struct{}{}
			left--
		}
		<-time.After(time.Duration(rand.IntN(600)) * time.Millisecond)
		p.kill()
		if n%10 == 9 {
			checkContent(t, dir) // as it lies there
			killWhileStarting(t, dir)
		}
	}
	took := time.Since(faulty)
	if testing.Short() {
		clearFaults(t, dir) // otherwise its minute ends it
	}
	last := startDemo(t, dir, quick()...)
	c.gateway.Store(last)
	c.all.Wait()
	operator := token(t, dir, "operator")
	last.told(operator, 2*time.Minute)
	promised, retried := c.done()
	sum := reckon(t, dir, c.promised)
	ends := last.attempts(operator, slices.Concat(slices.Collect(maps.Values(c.promised))...))
	if code := last.stop(); code != exitOK {
		t.Errorf("the last gateway stopped with %d", code)
	}
	v := checkContent(t, dir)
	if promised != changes || ends["sent unsure"] == 0 || ends["asked delivered"] == 0 || !testing.Short() && (retried == 0 || ends["sent lost"] == 0) {
		t.Errorf("%d changes of %d were promised, %d presses repeated, %v; too little happened to prove anything", promised, changes, retried, ends)
	}
	say(t, "killed %d times in %v under lost replies, keys ignored by the neighbour: %v; %d presses repeated by clerks; "+
		"%d attempts got no answer, %d died with the gateway; asked back, %d had arrived, %d were to be asked or sent again; %d entries of the record, none amiss",
		times, took.Round(time.Second), sum, retried, ends["sent unsure"], ends["sent lost"], ends["asked delivered"], ends["asked again"], v.Entries)
}

// quick has a gateway turn to its neighbour again soon after trouble, so that much happens
// in little time.
func quick() []string {
	return []string{"KAKEHASHI_OUTBOX_RETRY_FIRST=20ms", "KAKEHASHI_OUTBOX_RETRY_MAX=100ms"}
}

// attempts counts how all attempts of the changes ended, whether they were sent or asked.
func (p *process) attempts(operator string, changes []string) map[string]int {
	p.t.Helper()
	ends := map[string]int{}
	for _, id := range changes {
		r, err := p.as(operator, "/v1/outbox/"+id)
		var shown struct {
			Attempts []struct {
				Outcome string `json:"outcome"`
				Confirm bool   `json:"confirm"`
			} `json:"attempts"`
		}
		if err == nil {
			err = json.Unmarshal([]byte(r.body), &shown)
		}
		if err != nil || r.status != http.StatusOK {
			p.t.Fatalf("GET /v1/outbox/{change_id}: %d %v %s", r.status, err, r.body)
		}
		for _, a := range shown.Attempts {
			verb := "sent "
			if a.Confirm {
				verb = "asked "
			}
			ends[verb+a.Outcome]++
		}
	}
	return ends
}
