package inbox

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
)

func TestPolicyDoublesAndGivesUp(t *testing.T) {
	p := policy{cfg: Config{RetryFirst: time.Second, RetryMax: 10 * time.Second, Tries: 6}, draw: func() float64 { return 0 }}
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	var waits []time.Duration
	var states []State
	for fails := range 7 {
		v := p.judge(fails, down(), now)
		waits, states = append(waits, v.due.Sub(now)/time.Second), append(states, v.to)
	}
	if diff := cmp.Diff([]time.Duration{1, 2, 4, 8, 10, 10, 10}, waits); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]State{Due, Due, Due, Due, Due, Waiting, Waiting}, states); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	for _, err := range []error{
		fault.New(fault.Invalid, "no"), fault.New(fault.Denied, "no"), fault.New(fault.Rejected, "no"),
		fault.New(fault.Internal, "no"), errors.New("nobody thought of it"),
	} {
		if v := p.judge(0, err, now); v.to != Parked {
			t.Errorf("%v: got %s, want parked", err, v.to)
		}
	}
	if v := p.judge(0, fault.New(fault.Unsure, "perhaps"), now); v.to != Due {
		t.Errorf("a read of unknown end: got %s, want due", v.to)
	}
}

func TestGateProbesOneAtATime(t *testing.T) {
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	var g gate
	wait := func(n int) time.Duration { return time.Duration(n) * time.Second }
	if n := g.room(now, 4, 1); n != 3 {
		t.Errorf("open: room for %d, want 3", n)
	}
	if !g.hear(down(), wait, now) || g.hear(down(), wait, now) {
		t.Error("it is told once that it shuts")
	}
	if n := g.room(now, 4, 0); n != 0 {
		t.Errorf("shut: room for %d at once, want 0", n)
	}
	now = now.Add(2 * time.Second)
	if n := g.room(now, 4, 0); n != 1 {
		t.Errorf("after the wait: room for %d, want 1", n)
	}
	if n := g.room(now, 4, 1); n != 0 {
		t.Errorf("while the probe is under way: room for %d, want 0", n)
	}
	if !g.hear(nil, wait, now) || g.room(now, 4, 0) != 4 {
		t.Error("an answer opens it")
	}
	if g.hear(fault.New(fault.Invalid, "no"), wait, now) {
		t.Error("a refusal is an answer")
	}
}
