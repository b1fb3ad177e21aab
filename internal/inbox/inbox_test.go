package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// The same event comes through two gateways at once, and again later: it is kept once.
func TestAnEventIsKeptOnce(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		h := newHouse(t, at, quick())
		boxes := []*Box{h.box, h.open(h.second(), quick(), nil)}
		var fresh atomic.Int64
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				taken, err := boxes[i%2].Take(t.Context(), event("e-1", person(1)))
				if err != nil {
					t.Error(err)
				}
				if !taken.Duplicate {
					fresh.Add(1)
				}
			})
		}
		all.Wait()
		if fresh.Load() != 1 || len(h.list(Filter{})) != 1 {
			t.Fatalf("it was kept %d times, %d rows", fresh.Load(), len(h.list(Filter{})))
		}
		r := &refresher{t: t, does: counting}
		h.run(h.box, r)
		until(t, "it is settled", h.settled(1))
		again := event("e-1", person(1))
		again.Offset = 99
		taken, err := h.box.Take(t.Context(), again)
		if err != nil || !taken.Duplicate {
			t.Errorf("after it was settled: got %+v, %v; want a duplicate", taken, err)
		}
		other := event("e-1", person(1))
		other.Source += "2"
		if taken, err := h.box.Take(t.Context(), other); err != nil || taken.Duplicate {
			t.Errorf("of another source: got %+v, %v; want a new one", taken, err)
		}
	})
}

// Of one person everything that is due is settled by one question, oldest first.
func TestNoticesOfOnePersonAreOneQuestion(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		h := newHouse(t, at, quick())
		var names []string
		for i := range 5 {
			taken, err := h.box.Take(t.Context(), event(fmt.Sprint("a-", i), person(1)))
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, taken.Name)
			h.take(event(fmt.Sprint("b-", i), person(2)))
		}
		r := &refresher{t: t, does: counting}
		h.run(h.box, r)
		until(t, "all are settled", h.settled(10))
		if r.times() != 2 {
			t.Errorf("%d questions for two persons", r.times())
		}
		if want := person(1) + ": " + strings.Join(names, " "); !slices.Contains(r.asked, want) {
			t.Errorf("asked %q; want %q among it", r.asked, want)
		}
		for name, n := range h.effects() {
			if n != 1 {
				t.Errorf("%s took effect %d times", name, n)
			}
		}
		for _, i := range h.list(Filter{All: true}) {
			if i.Result != Refreshed || i.EndedAt.IsZero() || i.Type != changed || i.Topic != "kakehashi.notices.v1" || i.Partition != 1 || i.Offset != 7 {
				t.Errorf("got %+v", i)
			}
		}
	})
}

// A notice that comes while its person is asked about is not settled by that question.
func TestANoticeThatComesMeanwhileIsAskedAboutAfterwards(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		h := newHouse(t, at, quick())
		h.take(event("e-1", person(1)))
		asked, goOn := make(chan bool, 10), make(chan bool)
		r := &refresher{t: t, does: func(p ledger.AtenaNumber, n []Notice) (Result, error) {
			asked <- true
			<-goOn
			return counting(p, n)
		}}
		h.run(h.box, r)
		<-asked
		h.take(event("e-2", person(1)))
		select {
		case <-asked:
			t.Error("the person is asked about twice at once")
		case <-time.After(50 * time.Millisecond):
		}
		close(goOn)
		until(t, "both are settled", h.settled(2))
		if r.times() != 2 {
			t.Errorf("%d questions, want 2", r.times())
		}
	})
}

func TestPoisonIsParkedAndBlocksNothing(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		cfg := quick()
		cfg.Sources = []string{from}
		h := newHouse(t, at, cfg)
		bad := func(id string, change func(*Message)) Message {
			m := event(id, person(9))
			m.Offset = int64(len(id))
			change(&m)
			return m
		}
		poison := map[string]Message{
			"no id":              bad("p-1", func(m *Message) { m.ID = "" }),
			"no source":          bad("p-02", func(m *Message) { m.Source = "" }),
			"an id of nothing":   bad("p-003", func(m *Message) { m.ID = "\x00\xff" }),
			"a time of nothing":  bad("p-0004", func(m *Message) { m.Time = "yesterday" }),
			"unknown source":     bad("p-5", func(m *Message) { m.Source = "urn:somebody:else" }),
			"a source of digits": bad("p-6", func(m *Message) { m.Source = "urn:1000123456" }),
			"unknown type":       bad("p-7", func(m *Message) { m.Type = "com.example" }),
			"too large":          bad("p-8", func(m *Message) { m.Value = make([]byte, mostValue+1) }),
			"huge":               bad("p-9", func(m *Message) { m.Value = make([]byte, mostKept+1) }),
			"no JSON":            bad("p-10", func(m *Message) { m.Value = []byte("\xff\x00{") }),
			"nothing":            bad("p-11", func(m *Message) { m.Value = nil }),
			"unknown kind":       bad("p-12", func(m *Message) { m.Value = data(person(9), "promoted") }),
			"no person":          bad("p-13", func(m *Message) { m.Value = data("", "died") }),
			"an individual's":    bad("p-14", func(m *Message) { m.Value = data("123456789018", "died") }),
		}
		want := map[string]string{
			"no id": CauseNoEvent, "no source": CauseNoEvent, "an id of nothing": CauseNoEvent, "a time of nothing": CauseNoEvent,
			"unknown source": CauseSource, "a source of digits": CauseSource, "unknown type": CauseType, "too large": CauseTooLarge,
			"huge": CauseTooLarge, "no JSON": CauseUnread, "nothing": CauseUnread, "unknown kind": CauseKind, "no person": CausePerson,
			"an individual's": CausePerson,
		}
		for name, m := range poison {
			taken, err := h.box.Take(t.Context(), m)
			if err != nil || taken.State != Parked || taken.Cause != want[name] || taken.Code == "" {
				t.Errorf("%s: got %+v, %v; want parked for %s", name, taken, err, want[name])
			}
			if again, err := h.box.Take(t.Context(), m); err != nil || !again.Duplicate {
				t.Errorf("%s, once more: got %+v, %v", name, again, err)
			}
		}
		h.take(event("good", person(1)))
		r := &refresher{t: t, does: counting}
		h.run(h.box, r)
		until(t, "the good one is settled", h.settled(1))
		if n := h.states()[Parked]; n != len(poison) {
			t.Errorf("%d are parked, want %d", n, len(poison))
		}
		s, err := h.box.Summary(t.Context())
		if err != nil || s.Parked != len(poison) || s.Due != 0 || s.Shut {
			t.Errorf("the summary is %+v, %v", s, err)
		}
	})
}

func TestASourceThatIsAwayIsAskedAgain(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		cfg := quick()
		cfg.Tries = 1000
		h := newHouse(t, at, cfg)
		for i := range 20 {
			h.take(event(fmt.Sprint("e-", i), person(i)))
		}
		var up atomic.Bool
		r := &refresher{t: t, does: func(p ledger.AtenaNumber, n []Notice) (Result, error) {
			if !up.Load() {
				return Result{}, down()
			}
			return counting(p, n)
		}}
		h.run(h.box, r)
		until(t, "it is held back", func() bool {
			s, err := h.box.Summary(t.Context())
			return err == nil && s.Shut && s.Cause == "timeout" && s.Due == 20
		})
		until(t, "some were tried", func() bool { return r.times() > 6 })
		up.Store(true)
		until(t, "all are settled", h.settled(20))
		for name, n := range h.effects() {
			if n != 1 {
				t.Errorf("%s took effect %d times", name, n)
			}
		}
		for _, code := range []string{codeShut, codeOpened} {
			if !strings.Contains(h.log.String(), code) {
				t.Errorf("%s was not told", code)
			}
		}
	})
}

// What is never answered waits; the first answer after the trouble, of whatever person, makes
// it due again.
func TestWhatIsNeverAnsweredWaits(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		h := newHouse(t, at, quick())
		h.take(event("e-1", person(1)), event("e-2", person(2)))
		var up atomic.Bool
		r := &refresher{t: t, does: func(p ledger.AtenaNumber, n []Notice) (Result, error) {
			if !up.Load() {
				return Result{}, down()
			}
			return counting(p, n)
		}}
		h.run(h.box, r)
		until(t, "both wait", func() bool { return h.states()[Waiting] == 2 })
		up.Store(true)
		h.take(event("e-3", person(3)))
		until(t, "all are settled", h.settled(3))
	})
}

// wait sets everything aside as what was never answered is, last tried at a time.
func (h *house) wait(last time.Time) {
	h.t.Helper()
	err := store.WithTx(h.t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE inbox_notice SET state = 'waiting', fails = 4, cause = 'timeout', last_at = $1", micros(last))
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// A later notice of a person takes along what waits of that person, and so does a replay.
func TestWhatWaitsIsTakenAlongAndReplayed(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		h := newHouse(t, at, quick())
		h.take(event("e-1", person(1)), event("e-2", person(2)))
		h.wait(time.Now())
		h.take(event("e-3", person(1)))
		h.run(h.box, &refresher{t: t, does: counting})
		until(t, "the first person's are settled", h.settled(2))
		p := h.press(func(ctx context.Context, tx *store.Tx) (Plan, error) {
			return h.box.Replay(ctx, tx, Filter{Cause: "timeout"})
		})
		if p.Can != 1 || p.Total != 1 || p.Cannot != 0 {
			t.Errorf("the plan is %+v", p)
		}
		until(t, "all are settled", h.settled(3))
	})
}

// What waits is due again a day after it was tried last.
func TestWhatWaitsIsDueOnceADay(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		h := newHouse(t, at, quick())
		h.take(event("e-1", person(1)))
		for _, c := range []struct {
			last time.Duration
			want State
		}{{-23 * time.Hour, Waiting}, {-25 * time.Hour, Due}, {48 * time.Hour, Due}} {
			h.wait(time.Now().Add(c.last))
			if err := h.box.sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			i := h.list(Filter{})[0]
			if i.State != c.want || c.want == Due && (i.Fails != 0 || i.NextAt.After(time.Now())) {
				t.Errorf("tried %v ago: got %s after %d failures, next at %v; want %s", -c.last, i.State, i.Fails, i.NextAt, c.want)
			}
		}
	})
}

// A person who is never answered while others are rests: one failure is no trouble over.
func TestOneFailureRousesNobody(t *testing.T) {
	h := &run{policy: policy{cfg: quick(), draw: func() float64 { return 0 }}, b: &Box{rooms: Rooms{Log: slog.New(slog.DiscardHandler)}}}
	for n, want := range []bool{false, false, false, true, true} {
		h.rouse, h.gate = false, gate{}
		for range n {
			h.take(t.Context(), end{answered: true, asked: down()})
		}
		if h.take(t.Context(), end{answered: true}); h.rouse != want {
			t.Errorf("after %d failures in a row: rouse %v, want %v", n, h.rouse, want)
		}
	}
}

// What the refresher refuses for good is parked, alone, and a replay has it asked again.
func TestWhatIsRefusedIsParkedAndReplayed(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		h := newHouse(t, at, quick())
		h.take(event("e-1", person(1)), event("e-2", person(2)), event("e-3", person(3)))
		var mended atomic.Bool
		r := &refresher{t: t, does: func(p ledger.AtenaNumber, n []Notice) (Result, error) {
			switch {
			case mended.Load():
			case string(p) == person(1):
				return Result{}, fault.New(fault.Invalid, "no").WithReason("no_good")
			case string(p) == person(2):
				panic("架空太郎")
			}
			return counting(p, n)
		}}
		h.run(h.box, r)
		until(t, "one is settled", h.settled(1))
		until(t, "two are parked", func() bool { return h.states()[Parked] == 2 })
		causes := map[string]string{}
		for _, i := range h.list(Filter{State: Parked}) {
			causes[i.Cause] = i.Code
		}
		if diff := cmp.Diff(map[string]string{"no_good": "", "panic": codePanic}, causes); diff != "" {
			t.Errorf("causes (-want +got):\n%s", diff)
		}
		mended.Store(true)
		p := h.press(func(ctx context.Context, tx *store.Tx) (Plan, error) { return h.box.Replay(ctx, tx, Filter{}) })
		if p.Can != 2 || len(p.Names) != 2 {
			t.Errorf("the plan is %+v", p)
		}
		until(t, "all are settled", h.settled(3))
	})
}

// Effect and settling are one transaction: an effect that cannot be kept leaves its notices
// unsettled, and nothing of it stands.
func TestEffectAndSettlingAreOne(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		cfg := quick()
		cfg.Tries = 1000
		h := newHouse(t, at, cfg)
		h.take(event("e-1", person(1)))
		var breaks atomic.Int64
		r := &refresher{t: t, does: func(p ledger.AtenaNumber, n []Notice) (Result, error) {
			result, err := counting(p, n)
			keep := result.Keep
			result.Keep = func(ctx context.Context, tx *store.Tx) error {
				if err := keep(ctx, tx); err != nil {
					return err
				}
				if breaks.Add(1) < 5 {
					return fault.New(fault.Unavailable, "the power went")
				}
				return nil
			}
			return result, err
		}}
		h.run(h.box, r)
		until(t, "it is settled", h.settled(1))
		if got := h.effects()[h.list(Filter{All: true})[0].Name]; got != 1 {
			t.Errorf("it took effect %d times", got)
		}
	})
}

// A gateway that hangs loses its lease to another; what it found counts for nothing then.
func TestALostLeaseTakesTheEffectBack(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		h := newHouse(t, at, quick())
		h.take(event("e-1", person(1)))
		asked, goOn := make(chan bool, 1), make(chan bool)
		hung := &refresher{t: t, does: func(p ledger.AtenaNumber, n []Notice) (Result, error) {
			asked <- true
			<-goOn
			return counting(p, n)
		}}
		stop := h.run(h.box, hung)
		<-asked
		later := h.open(h.second(), quick(), func() time.Time { return time.Now().Add(40 * time.Second) })
		r := &refresher{t: t, does: counting}
		h.run(later, r)
		until(t, "the other gateway has settled it", h.settled(1))
		close(goOn)
		stop()
		for name, n := range h.effects() {
			if n != 1 {
				t.Errorf("%s took effect %d times", name, n)
			}
		}
		if s := h.states(); s[Settled] != 1 || len(s) != 1 {
			t.Errorf("the states are %v", s)
		}
	})
}

// A clock that is put back leaves moments far ahead, which count as due.
func TestAClockPutBackKeepsNothingWaiting(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		h := newHouse(t, at, quick())
		ahead := h.open(h.db, quick(), func() time.Time { return time.Now().Add(24 * time.Hour) })
		if _, err := ahead.Take(t.Context(), event("e-1", person(1))); err != nil {
			t.Fatal(err)
		}
		h.run(h.box, &refresher{t: t, does: counting})
		until(t, "it is settled", h.settled(1))
	})
}

// Three gateways, many persons, one of them stopped in the middle: nothing twice, nothing
// lost, no person asked about by two at once.
func TestSeveralGatewaysFollowEachNoticeOnce(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		const notices, persons = 300, 25
		h := newHouse(t, at, quick())
		r := &refresher{t: t, does: counting}
		var stops []func()
		for range 3 {
			stops = append(stops, h.run(h.open(h.second(), quick(), nil), r))
		}
		for i := range notices {
			h.take(event(fmt.Sprint("e-", i), person(i%persons)))
			if i == notices/2 {
				stops[0]()
			}
		}
		until(t, "all are settled", h.settled(notices))
		effects := h.effects()
		if len(effects) != notices {
			t.Errorf("%d of %d took effect", len(effects), notices)
		}
		for name, n := range effects {
			if n != 1 {
				t.Errorf("%s took effect %d times", name, n)
			}
		}
	})
}

// What the program could not read it reads again at a replay, as it is by then.
func TestReplayReadsAnew(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		strict := quick()
		strict.Sources = []string{"urn:somebody:else"}
		h := newHouse(t, at, strict)
		h.take(event("e-1", person(1)))
		m := event("e-2", person(2))
		m.Value = []byte("{")
		h.take(m)
		if s := h.states(); s[Parked] != 2 {
			t.Fatalf("the states are %v", s)
		}
		open := h.open(h.db, quick(), nil)
		p := h.press(func(ctx context.Context, tx *store.Tx) (Plan, error) { return open.Replay(ctx, tx, Filter{}) })
		if want := (Plan{At: p.At, Total: 2, Can: 1, Cannot: 1, Why: []Reason{{CauseUnread, 1}}, Names: p.Names}); !cmp.Equal(want, p) {
			t.Errorf("the plan (-want +got):\n%s", cmp.Diff(want, p))
		}
		r := &refresher{t: t, does: counting}
		h.run(open, r)
		until(t, "the one is settled", h.settled(1))
		if want := []string{person(1) + ": " + p.Names[0]}; !slices.Equal(r.asked, want) {
			t.Errorf("asked %q, want %q", r.asked, want)
		}
		if s := h.states(); s[Parked] != 1 {
			t.Errorf("the states are %v", s)
		}
	})
}

func TestDiscard(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		h := newHouse(t, at, quick())
		m := event("e-1", person(1))
		m.Value = []byte("{")
		h.take(m, event("e-2", person(2)))
		parked := h.list(Filter{State: Parked})[0].Name
		due := h.list(Filter{State: Due})[0].Name
		mark := Mark{By: "S-7", At: time.Now().UTC().Truncate(time.Microsecond), Reason: "送り元の誤り"}
		p := h.press(func(ctx context.Context, tx *store.Tx) (Plan, error) {
			return h.box.Discard(ctx, tx, Filter{Names: []string{parked, due, "N-" + strings.Repeat("A", 26)}}, mark)
		})
		if want := (Plan{At: p.At, Total: 3, Can: 1, Cannot: 2, Why: []Reason{{"due", 1}, {"not_found", 1}}, Names: []string{parked}}); !cmp.Equal(want, p) {
			t.Errorf("the plan (-want +got):\n%s", cmp.Diff(want, p))
		}
		got := h.list(Filter{State: Discarded})
		if len(got) != 1 || !cmp.Equal(got[0].Discarded, &mark) {
			t.Errorf("got %+v", got)
		}
		again := h.press(func(ctx context.Context, tx *store.Tx) (Plan, error) { return h.box.Replay(ctx, tx, Filter{}) })
		if again.Total != 0 {
			t.Errorf("a replay of everything takes up what was discarded: %+v", again)
		}
		named := h.press(func(ctx context.Context, tx *store.Tx) (Plan, error) {
			return h.box.Replay(ctx, tx, Filter{Names: []string{parked}})
		})
		if named.Cannot != 1 || named.Why[0].Word != CauseUnread {
			t.Errorf("a replay by name reads it again: %+v", named)
		}
	})
}

func TestListPagesAndRefusesWhatNobodyMeans(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		h := newHouse(t, at, quick())
		for i := range 7 {
			h.take(event(fmt.Sprint("e-", i), person(i)))
		}
		var names []string
		for cursor := ""; ; {
			page, next, err := h.box.List(t.Context(), Filter{Limit: 3, Cursor: cursor})
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range page {
				names = append(names, i.Name)
			}
			if cursor = next; next == "" {
				break
			}
		}
		slices.Sort(names)
		if len(slices.Compact(names)) != 7 {
			t.Errorf("the pages give %d notices", len(names))
		}
		for _, f := range []Filter{
			{State: "gone"}, {Limit: -1}, {Limit: 1001}, {Cursor: "%"}, {Cause: "山田"}, {Source: "urn:1000123456"}, {Names: []string{"1000123456"}},
		} {
			_, _, err := h.box.List(t.Context(), f)
			if !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "1000123456") || strings.Contains(err.Error(), "山田") {
				t.Errorf("%+v: got %v", f, err)
			}
		}
	})
}

func TestOldNoticesAreForgotten(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		h := newHouse(t, at, quick())
		h.take(event("e-1", person(1)))
		stop := h.run(h.box, &refresher{t: t, does: counting})
		until(t, "it is settled", h.settled(1))
		stop()
		if err := h.box.sweep(t.Context()); err != nil || h.states()[Settled] != 1 {
			t.Fatalf("a young one is gone: %v, %v", h.states(), err)
		}
		later := h.open(h.db, quick(), func() time.Time { return time.Now().Add(91 * 24 * time.Hour) })
		if err := later.sweep(t.Context()); err != nil || len(h.states()) != 0 {
			t.Errorf("an old one stands: %v, %v", h.states(), err)
		}
		for n := range forgetAtOnce + 2 {
			h.take(event(fmt.Sprint("f-", n), person(n)))
		}
		err := store.WithTx(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE inbox_notice SET state = 'settled', lane = '', body = NULL, ended_at = $1", micros(time.Now()))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := later.sweep(t.Context()); err != nil || len(h.states()) != 0 {
			t.Errorf("of many old ones some stand: %v, %v", h.states(), err)
		}
	})
}

// Nothing of what an event says is in the log, in a list, in an error, or readable in the
// database.
func TestNothingPlantedLeaks(t *testing.T) {
	const number, name, id = "7770001112", "架空花子", "id-of-7770001112"
	for _, planted := range []Message{
		{Source: from, ID: id, Type: changed, Value: data(number, "died"), Subject: name},
		{Source: name, ID: id, Type: name, Value: []byte(name + number), Subject: name, Headers: map[string]string{"x": name, name: number}, Time: name},
		{Source: "urn:" + number, ID: name, Type: changed, Value: data(number, name)},
	} {
		h := newHouse(t, storetest.Place{Config: store.File(t.TempDir() + "/k.db")}, quick())
		taken, err := h.box.Take(t.Context(), planted)
		if err != nil {
			t.Fatal(err)
		}
		r := &refresher{t: t, does: func(ledger.AtenaNumber, []Notice) (Result, error) {
			return Result{}, errors.New(number + name)
		}}
		h.run(h.box, r)
		until(t, "it is parked", func() bool { return h.states()[Parked] == 1 })
		s, err := h.box.Summary(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(h.at.Config.Path())
		if err != nil {
			t.Fatal(err)
		}
		wal, _ := os.ReadFile(h.at.Config.Path() + "-wal")
		for where, text := range map[string]string{
			"the log": h.log.String(), "the list": fmt.Sprintf("%+v", h.list(Filter{All: true})), "the summary": fmt.Sprintf("%+v", s),
			"what was taken": fmt.Sprintf("%+v", taken), "the database": string(file), "its journal": string(wal),
		} {
			for _, secret := range []string{number, name, id} {
				if strings.Contains(text, secret) {
					t.Errorf("%s shows %q", where, secret)
				}
			}
		}
	}
}

func TestWhoAskedNobodyDoesNotOpenTheGate(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		cfg := quick()
		cfg.RetryFirst, cfg.RetryMax, cfg.Tries = time.Hour, time.Hour, 100
		h := newHouse(t, at, cfg)
		h.take(event("ours", person(0)))
		r := &refresher{t: t, does: func(p ledger.AtenaNumber, _ []Notice) (Result, error) {
			if string(p) == person(0) {
				return Result{}, down()
			}
			return Result{Word: NotOurs}, nil
		}}
		l := &run{b: h.box, refresher: r, policy: policy{cfg: h.box.cfg, draw: func() float64 { return 0 }}}
		follow := func() {
			t.Helper()
			claimed, err := h.box.claim(t.Context(), 1)
			if err != nil || len(claimed) != 1 {
				t.Fatalf("claimed %d (%v), want 1", len(claimed), err)
			}
			l.take(t.Context(), h.box.follow(t.Context(), r, l.policy, claimed[0]))
		}
		follow()
		if l.gate.fails != 1 {
			t.Fatalf("after a failure: %d, want 1", l.gate.fails)
		}
		h.take(event("stranger", person(1)))
		follow()
		if l.gate.fails != 1 {
			t.Error("a notice about nobody of ours opened the gate")
		}
		h.take(event("broken", person(2)))
		err := store.WithTx(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE inbox_notice SET body = $1 WHERE state = 'due' AND fails = 0", []byte("rot"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		follow()
		if l.gate.fails != 1 {
			t.Error("a notice that does not open opened the gate")
		}
		if diff := cmp.Diff(map[State]int{Due: 1, Settled: 1, Parked: 1}, h.states()); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
	})
}

// After a topic was made anew another message lies where one lay before: both are kept.
func TestWhatLiesAtTheSamePlaceIsNotTheSame(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		h := newHouse(t, at, quick())
		for _, value := range []string{"one poison", "another"} {
			taken, err := h.box.Take(t.Context(), Message{Topic: "kakehashi.notices.v1", Value: []byte(value)})
			if err != nil || taken.Duplicate {
				t.Errorf("%s: got %+v, %v; want it kept", value, taken, err)
			}
		}
	})
}

// What failed in its envelope is read again from the bytes that came, with a program that
// knows more.
func TestReplayReadsTheEnvelopeAnew(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		h := newHouse(t, at, quick())
		h.take(Message{
			Topic: "kakehashi.notices.v1", Value: data(person(1), "changed"),
			Headers: map[string]string{"ce_id": "e-1", "ce_source": from, "ce_type": changed},
		})
		h.take(Message{Topic: "kakehashi.notices.v1", Offset: 1, Value: []byte("rot"), Headers: map[string]string{}})
		replay := func(b *Box, can int) {
			t.Helper()
			p := h.press(func(ctx context.Context, tx *store.Tx) (Plan, error) { return b.Replay(ctx, tx, Filter{}) })
			if p.Can != can || p.Total != 2 {
				t.Errorf("the plan is %+v; want %d that can", p, can)
			}
		}
		replay(h.box, 0)
		wise := h.open(h.db, quick(), nil)
		wise.rooms.Envelope = func(headers map[string]string, raw []byte) (Message, bool) {
			return Message{Source: headers["ce_source"], ID: headers["ce_id"], Type: headers["ce_type"], Value: raw}, headers["ce_id"] != ""
		}
		replay(wise, 1)
		h.run(wise, &refresher{t: t, does: counting})
		until(t, "it is settled", h.settled(1))
	})
}
