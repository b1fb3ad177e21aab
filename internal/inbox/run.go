package inbox

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"kakehashi/internal/fault"
)

const (
	poll       = time.Second      // the net under the wake-ups
	grace      = 10 * time.Second // at the end, for what is under way
	sweepEvery = time.Hour
	calmFirst  = 100 * time.Millisecond // after trouble with the database
	calmMax    = 5 * time.Second
)

// run is one run of the box. Its loop alone touches it; refreshes hand their ends back.
type run struct {
	b         *Box
	refresher Refresher
	policy    policy
	gate      gate
	calls     context.Context //nolint:containedctx // of the refreshes, which outlive the end of Run's own by the grace
	ends      chan end
	busy      int
	calm      time.Duration // how long to leave the database alone; 0: it is well
	swept     time.Time
	rouse     bool // trouble is over: what waits has yet to be made due
	work      sync.WaitGroup
}

// end is how the refresh of one person ended.
type end struct {
	asked    error // by the refresher
	answered bool  // a neighbour was asked, or the refresher failed: the gate learns from it
	written  error // by the database
}

// Run follows the notices until ctx ends, and waits, within a bound, for what is under way
// then. Trouble with the database makes it wait, never end. It is Internal where it runs
// already.
func (b *Box) Run(ctx context.Context, refresher Refresher) error {
	if !b.running.CompareAndSwap(false, true) {
		return fault.New(fault.Internal, "the inbox runs already").WithReason("running")
	}
	defer b.running.Store(false)
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	l := &run{
		b: b, refresher: refresher, policy: policy{cfg: b.cfg, draw: rand.Float64}, calls: calls,
		ends: make(chan end, b.cfg.Workers), swept: time.Now(),
	}
	var ear sync.WaitGroup
	ear.Go(func() { b.rooms.Bell.Listen(ctx, bell, func() { signal(b.wake) }) })
	for err := b.free(ctx); err != nil && ctx.Err() == nil; err = b.free(ctx) {
		l.health(ctx, err)
		l.wait(ctx)
	}
	l.loop(ctx)
	stop := time.AfterFunc(grace, cancel)
	defer stop.Stop()
	l.work.Wait()
	ear.Wait()
	return nil
}

// loop runs rounds until ctx ends.
func (l *run) loop(ctx context.Context) {
	for ctx.Err() == nil {
		l.drain(ctx)
		more, err := l.round(ctx)
		l.health(ctx, err)
		l.b.shut.publish(l.gate)
		if !more || err != nil {
			l.wait(ctx)
		}
	}
}

// round claims as many persons as there is room for, and begins to ask about them.
func (l *run) round(ctx context.Context) (more bool, err error) {
	if time.Since(l.swept) > sweepEvery {
		l.swept = time.Now()
		if err := l.b.sweep(ctx); err != nil {
			return false, err
		}
	}
	if l.rouse {
		if err := l.b.rouse(ctx); err != nil {
			return false, err
		}
		l.rouse = false
	}
	n := l.gate.room(time.Now(), l.b.cfg.Workers, l.busy)
	if n == 0 || !l.b.rooms.Record.Writable() {
		return false, nil
	}
	if due, err := l.b.anythingDue(ctx); err != nil || !due {
		return false, err
	}
	claimed, err := l.b.claim(ctx, n)
	if err != nil {
		return false, err
	}
	for _, c := range claimed {
		l.busy++
		l.work.Go(func() { l.ends <- l.b.follow(l.calls, l.refresher, l.policy, c) })
	}
	return len(claimed) > 0, nil
}

// drain takes the refreshes that have ended.
func (l *run) drain(ctx context.Context) {
	for {
		select {
		case e := <-l.ends:
			l.take(ctx, e)
		default:
			return
		}
	}
}

func (l *run) take(ctx context.Context, e end) {
	l.busy--
	l.health(ctx, e.written)
	lasted := l.gate.fails
	if !e.answered || !l.gate.hear(e.asked, l.policy.wait, time.Now()) {
		return
	}
	if l.gate.fails > 0 {
		l.b.tell(ctx, codeShut, l.gate.cause)
		return
	}
	l.rouse = l.rouse || lasted >= l.policy.trouble()
	l.b.tell(ctx, codeOpened, "")
}

// wait waits until there may be something to do.
func (l *run) wait(ctx context.Context) {
	d := max(poll, l.calm)
	if probe := time.Until(l.gate.next); l.gate.fails > 0 && probe > 0 {
		d = max(min(d, probe), l.calm)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	wake := l.b.wake
	if l.calm > 0 {
		wake = nil
	}
	select {
	case <-t.C:
	case <-wake:
	case e := <-l.ends:
		l.take(ctx, e)
	case <-ctx.Done():
	}
}

// health hears how the database did, and says when that changes.
func (l *run) health(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err == nil && l.calm > 0:
		l.calm = 0
		l.b.tell(ctx, codeRecovered, "")
	case err != nil:
		if l.calm == 0 {
			l.b.tell(ctx, codeTrouble, word(fault.Find(err)))
		}
		l.calm = min(max(2*l.calm, calmFirst), calmMax)
	}
}

// follow asks about one person and writes what came of it.
func (b *Box) follow(ctx context.Context, r Refresher, p policy, c batch) end {
	var e end
	var result Result
	if fits := c.fits(); len(fits) > 0 {
		if result, e.asked = b.ask(ctx, r, c, fits); e.asked == nil {
			e.written = b.settle(ctx, c, result)
		}
		e.answered = e.asked != nil || result.Word == Refreshed
	}
	if fault.Is(e.written, fault.Conflict) && fault.Find(e.written).Reason == "gone" {
		return end{answered: e.answered}
	}
	why := e.asked
	if why == nil {
		why = e.written
	}
	var left []held
	var verdicts []verdict
	now := b.rooms.Now()
	for _, h := range c.notices {
		reason := why
		if h.broken != nil {
			reason = h.broken
		}
		if reason == nil {
			continue
		}
		v := p.judge(h.fails, reason, now)
		left, verdicts = append(left, h), append(verdicts, v)
	}
	if len(left) == 0 {
		return e
	}
	err := b.putBack(ctx, left, verdicts)
	if err == nil {
		b.tellAll(ctx, verdicts)
	}
	if e.written == nil || !later(e.written) { // what the ledger refuses is no trouble of the database
		e.written = err
	}
	return e
}

// ask runs the refresher within its bound. A panic of it is a fault of these notices alone.
func (b *Box) ask(ctx context.Context, r Refresher, c batch, notices []Notice) (result Result, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.Timeout,
		fault.New(fault.Unavailable, "the time for a refresh is used up").WithReason("timeout"))
	defer cancel()
	defer func() {
		if recover() != nil {
			err = fault.New(fault.Internal, "the refresh broke down").WithReason("panic").WithCode(codePanic)
		}
	}()
	return r.Refresh(ctx, c.person, notices)
}

func (b *Box) tellAll(ctx context.Context, verdicts []verdict) {
	for _, v := range verdicts {
		switch v.to {
		case Parked:
			b.tell(ctx, codeParked, v.cause)
		case Waiting:
			b.tell(ctx, codeWaits, v.cause)
		case Due, Working, Settled, Discarded:
		}
	}
}

// tell writes one line for the operators. What it says is in the catalogue, by number.
func (b *Box) tell(ctx context.Context, code, cause string) {
	level := slog.LevelWarn
	switch code {
	case codeOpened, codeRecovered:
		level = slog.LevelInfo
	case codeTrouble:
		level = slog.LevelError
	}
	attrs := []slog.Attr{slog.String("code", code)}
	if cause != "" {
		attrs = append(attrs, slog.String("cause", cause))
	}
	b.rooms.Log.LogAttrs(ctx, level, "inbox", attrs...)
}
