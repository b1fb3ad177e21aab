package outbox

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
)

func testPolicy() policy {
	cfg := Defaults()
	cfg.Tries = 3
	return policy{cfg: cfg, draw: func() float64 { return 1 }}
}

func TestPolicyOfDeliveries(t *testing.T) {
	p := testPolicy()
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	fail := func(k fault.Kind) *fault.Error { return fault.New(k, "E0001 and E0004; name E123 EXXXX") }
	for name, c := range map[string]struct {
		s    standing
		err  error
		want verdict
	}{
		"took effect":   {standing{tries: 1}, nil, verdict{outcome: "delivered"}},
		"down":          {standing{}, down(), verdict{to: toSend, outcome: "again", due: now.Add(5 * time.Second), fails: 1, cause: "down", code: "KKH2101"}},
		"down again":    {standing{fails: 2}, down(), verdict{to: toSend, outcome: "again", due: now.Add(20 * time.Second), fails: 3, cause: "down", code: "KKH2101"}},
		"down for long": {standing{fails: 99}, down(), verdict{to: toSend, outcome: "again", due: now.Add(15 * time.Minute), fails: 100, cause: "down", code: "KKH2101"}},
		"asks for patience": {standing{}, fail(fault.Unavailable).WithReason("busy").WithRetry(now.Add(time.Minute)),
			verdict{to: toSend, outcome: "again", due: now.Add(time.Minute), fails: 1, cause: "busy", detail: "E0001 E0004"}},
		"asks for too much": {standing{}, fail(fault.Unavailable).WithRetry(now.Add(24 * time.Hour)),
			verdict{to: toSend, outcome: "again", due: now.Add(time.Hour), fails: 1, cause: "down", detail: "E0001 E0004"}},
		"unknown": {standing{fails: 5, tries: 1}, unsure(), verdict{to: toAsk, outcome: "unsure", due: now.Add(time.Minute), tries: 2,
			cause: "timeout", code: "KKH2131", question: "arrived"}},
		"unknown, and what somebody found is of an earlier attempt": {standing{answered: true}, unsure(),
			verdict{to: toAsk, outcome: "unsure", due: now.Add(time.Minute), tries: 1, cause: "timeout", code: "KKH2131", question: "arrived"}},
		"unknown, but a key takes effect once": {standing{fails: 1, tries: 9, keys: true}, unsure(),
			verdict{to: toSend, outcome: "unsure", due: now.Add(10 * time.Second), fails: 2, tries: 9, cause: "timeout", code: "KKH2131", question: "arrived"}},
		"unknown, a key takes effect once, and it can be asked": {standing{keys: true, asks: true}, unsure(),
			verdict{to: toAsk, outcome: "unsure", due: now.Add(time.Minute), tries: 1, cause: "timeout", code: "KKH2131", question: "arrived"}},
		"down, and what somebody found stands": {standing{answered: true}, down(),
			verdict{to: toSend, outcome: "again", due: now.Add(5 * time.Second), fails: 1, cause: "down", code: "KKH2101", answered: true}},
		"refused":      {standing{}, refused(), verdict{to: parked, outcome: "rejected", cause: "rejected", code: "KKH2115", detail: "E0004"}},
		"denied":       {standing{}, fault.New(fault.Denied, "no").WithReason("9 not a word"), verdict{to: parked, outcome: "parked", cause: "denied"}},
		"unclassified": {standing{}, context.Canceled, verdict{to: parked, outcome: "parked", cause: "internal", question: "arrived"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, p.sent(c.s, c.err, now), cmp.AllowUnexported(verdict{})); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPolicyOfLostLeases(t *testing.T) {
	p := testPolicy()
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		s    standing
		was  phase
		want verdict
	}{
		"while it was sent": {standing{tries: 1, answered: true}, sending,
			verdict{to: toAsk, outcome: "lost", due: now.Add(time.Minute), tries: 2, cause: CauseLost, question: "arrived"}},
		"while it was sent, but a key takes effect once": {standing{tries: 1, keys: true}, sending,
			verdict{to: toSend, outcome: "lost", due: now, tries: 1, cause: CauseLost, question: "arrived"}},
		"while it was asked about": {standing{tries: 1, answered: true}, asking,
			verdict{to: toAsk, outcome: "lost", due: now, tries: 1, cause: CauseLost, question: "arrived", answered: true}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, p.lost(c.s, c.was, now), cmp.AllowUnexported(verdict{})); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPolicyOfQuestions(t *testing.T) {
	p := testPolicy()
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	no := fault.New(fault.NotFound, "it did not")
	for name, c := range map[string]struct {
		s    standing
		err  error
		want verdict
	}{
		"it arrived":            {standing{tries: 1}, nil, verdict{outcome: "delivered"}},
		"it did not":            {standing{tries: 1, question: "arrived"}, no, verdict{to: toSend, outcome: "again", due: now, tries: 1, cause: "not_arrived"}},
		"it did not, too often": {standing{tries: 3, question: "arrived"}, no, verdict{to: parked, outcome: "parked", due: now, tries: 3, cause: "tries", code: codeTries}},
		"no answer":             {standing{tries: 1, question: "arrived"}, down(), verdict{to: toAsk, outcome: "again", due: now.Add(5 * time.Second), tries: 1, fails: 1, cause: "down", code: "KKH2101", question: "arrived"}},
		"cannot be told":        {standing{tries: 1}, unsure(), verdict{to: parked, outcome: "parked", tries: 1, cause: "unsure", code: "KKH2131", question: "arrived"}},
		"cannot be told, but a key takes effect once": {standing{tries: 1, keys: true}, unsure(),
			verdict{to: toSend, outcome: "again", due: now, tries: 1, cause: "unsure", code: "KKH2131", question: "arrived"}},
		"cannot be told, but somebody looked": {standing{tries: 0, answered: true, question: "arrived"}, unsure(),
			verdict{to: toSend, outcome: "again", due: now, cause: "unsure", code: "KKH2131"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, p.asked(c.s, c.err, now), cmp.AllowUnexported(verdict{})); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBackoffIsBetweenHalfAndAllOfItself(t *testing.T) {
	p := testPolicy()
	for _, draw := range []float64{0, 0.5, 0.999} {
		p.draw = func() float64 { return draw }
		if d := p.backoff(3); d < 20*time.Second || d > 40*time.Second {
			t.Errorf("draw %v: got %v", draw, d)
		}
	}
}

func TestAQuarterOfTheClaimsIsTheNewest(t *testing.T) {
	for _, step := range []int{1, 3, 8, 200} {
		var m mix
		oldest, newest := 0, 0
		for oldest+newest < 1200 {
			o, n := m.split(step)
			oldest, newest = oldest+o, newest+n
		}
		if newest*4 != oldest+newest {
			t.Errorf("by %d: %d of %d are the newest", step, newest, oldest+newest)
		}
	}
}

func TestGateShutsProbesAndOpensSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(8)
		if n := g.room(time.Now(), 0); n != 8 {
			t.Fatalf("open: room for %d", n)
		}
		turn := g.turn
		if !g.trouble(turn, time.Now(), 5*time.Second, "down") {
			t.Error("the first failure did not shut it")
		}
		for range 7 { // they went out together: one failure, not eight
			if g.trouble(turn, time.Now(), 5*time.Second, "down") {
				t.Error("shut twice")
			}
		}
		if g.answer(turn) {
			t.Error("an answer to what went out before opened it")
		}
		if n := g.room(time.Now(), 0); n != 0 || g.fails != 1 {
			t.Errorf("shut: room for %d after %d failures", n, g.fails)
		}
		time.Sleep(5 * time.Second)
		if one, none := g.room(time.Now(), 0), g.room(time.Now(), 1); one != 1 || none != 0 {
			t.Errorf("probe: room for %d, and for %d beside it", one, none)
		}
		g.trouble(g.turn, time.Now(), 10*time.Second, "down")
		if n := g.room(time.Now(), 0); n != 0 || g.fails != 2 {
			t.Errorf("after a probe: room for %d after %d failures", n, g.fails)
		}
		time.Sleep(10 * time.Second)
		if !g.answer(g.turn) {
			t.Error("an answer did not open it")
		}
		var rooms []int
		for range 9 {
			rooms = append(rooms, g.room(time.Now(), 0))
			g.answer(g.turn)
		}
		if diff := cmp.Diff([]int{2, 3, 4, 5, 6, 7, 8, 8, 8}, rooms); diff != "" {
			t.Errorf("opening (-want +got):\n%s", diff)
		}
	})
}

func TestRateIsHeldAndGivesNoMoreThanATenthOfASecondAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRate(50, time.Now())
		given := 0
		for range 2000 {
			n := r.room(time.Now(), 256)
			r.take(n)
			given += n
			time.Sleep(max(r.wait(), time.Millisecond))
			if n > 5 {
				t.Fatalf("%d at once", n)
			}
		}
		if perSecond := float64(given) / 40; perSecond > 52 {
			t.Errorf("%v a second", perSecond)
		}
		if free := newRate(0, time.Now()); free.room(time.Now(), 256) != 256 || free.wait() != 0 {
			t.Error("no limit is a limit")
		}
	})
}

func TestMeterForgetsAfterAMinute(t *testing.T) {
	var m meter
	at := time.Unix(1_800_000_000, 0)
	m.add(at, 3)
	m.add(at.Add(30*time.Second), 4)
	for after, want := range map[time.Duration]int{30 * time.Second: 7} {
		if got := m.sum(at.Add(after)); got != want {
			t.Errorf("after %v: %d", after, got)
		}
	}
	if got := m.sum(at.Add(75 * time.Second)); got != 4 {
		t.Errorf("after 75 s: %d", got)
	}
	if got := m.sum(at.Add(time.Hour)); got != 0 {
		t.Errorf("after an hour: %d", got)
	}
}

func TestConfig(t *testing.T) {
	if err := Defaults().Validate(); err != nil {
		t.Error(err)
	}
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("zero: %v", err)
	}
	for field, c := range map[string]Config{
		"/in_flight":    {InFlight: 257},
		"/rate":         {Rate: -1},
		"/settle":       {Settle: -1},
		"/send_timeout": {SendTimeout: time.Hour},
		"/retry_first":  {RetryFirst: time.Hour, RetryMax: time.Minute},
		"/retry_max":    {RetryMax: 48 * time.Hour},
		"/tries":        {Tries: -1},
	} {
		if err := c.Validate(); !fault.Is(err, fault.Invalid) || fault.Find(err).Field != field || fault.Code(err) != codeConfig {
			t.Errorf("%s: got %v", field, err)
		}
	}
}
