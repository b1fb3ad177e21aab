package outbox

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"kakehashi/internal/fault"
)

const (
	chunk     = 200                    // rows of one transaction
	poll      = time.Second            // the net under the wake-ups
	linger    = 500 * time.Microsecond // for letters that are being prepared
	grace     = 10 * time.Second       // at the end, for what is on its way
	txTimeout = 10 * time.Second
	calmFirst = 50 * time.Millisecond // after trouble with the database
	calmMax   = 2 * time.Second
)

// relay is one run of the relay. Its loop alone touches it; goroutines that prepare and send
// hand their flights back by events.
type relay struct {
	q        *Queue
	receiver Receiver
	policy   policy
	lines    []*line
	events   chan *flight
	over     chan struct{} // closed when the loop has ended
	work     sync.WaitGroup
	calls    context.Context //nolint:containedctx // of the calls, which outlive the end of Run's own by the grace
	ready    []*flight       // prepared, to be claimed
	ended    []*flight       // judged, to be settled
	started  int             // being prepared now
	calm     time.Duration   // how long to leave the database alone; 0: it is well
	closing  bool
	measured time.Time // when the database's clock was read
	reminded time.Time // when replays of other gateways were last looked for
	strays   int       // calls that have outlived their lease and not come back
}

// line is what the relay knows of one destination.
type line struct {
	route   Route
	gate    gate
	rate    rate
	mix     mix
	busy    int                 // slots taken, from the preparation to the end of the call
	held    map[int64]*flight   // rows, by number, that this run has taken up and not settled
	rests   map[int64]time.Time // rows that are not to be taken up before a moment of this process's clock
	flights map[*flight]bool
	done    meter
	view    view
	looked  time.Time // when it was last seen what is due, by the stored clock
}

func newRelay(calls context.Context, q *Queue, receiver Receiver) *relay {
	r := &relay{
		q: q, receiver: receiver, calls: calls, events: make(chan *flight, 256), over: make(chan struct{}),
		policy: policy{cfg: q.cfg, draw: rand.Float64},
	}
	for _, route := range q.rooms.Routes {
		r.lines = append(r.lines, &line{
			route: route, gate: newGate(cmp.Or(route.InFlight, q.cfg.InFlight)), rate: newRate(cmp.Or(route.Rate, q.cfg.Rate), time.Now()),
			held: map[int64]*flight{}, rests: map[int64]time.Time{}, flights: map[*flight]bool{},
		})
	}
	return r
}

// Run tells the destinations what they are owed until ctx ends, and waits, within a bound,
// for what is on its way then. Trouble with the database makes it wait, never end. It is
// Internal where it runs already.
func (q *Queue) Run(ctx context.Context, receiver Receiver) error {
	if !q.running.CompareAndSwap(false, true) {
		return fault.New(fault.Internal, "the relay runs already").WithReason("running")
	}
	defer q.running.Store(false)
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	r := newRelay(calls, q, receiver)
	q.arming.Store(true) // what an earlier run has left is seen to
	over := q.listen(ctx)
	defer over()
	r.begin(ctx)
	r.loop(ctx)
	r.finish(ctx, cancel)
	return nil
}

// loop runs rounds until ctx ends.
func (r *relay) loop(ctx context.Context) {
	for ctx.Err() == nil {
		r.drain()
		more, err := r.round(ctx)
		r.health(ctx, err)
		r.publish()
		if more && err == nil {
			continue
		}
		r.wait(ctx, err)
	}
}

// round takes up what is due, settles what has come back and claims what is prepared.
func (r *relay) round(ctx context.Context) (more bool, err error) {
	r.abandon()
	if err := r.reckon(ctx); err != nil {
		return false, err
	}
	armed, err := r.replays(ctx)
	if err != nil {
		return false, err
	}
	before := r.started
	for _, l := range r.lines {
		if err := r.fill(ctx, l); err != nil {
			return false, err
		}
	}
	if r.started > before {
		r.gather(func() bool { return r.started > 0 })
	}
	if r.q.shared && len(r.ended) > 0 { // a transaction costs as much as many changes
		r.gather(func() bool { return len(r.ended) < chunk && r.onTheirWay() > len(r.ended) })
	}
	moved, err := r.transact(ctx)
	return armed || moved, err
}

// fill takes up as many changes as the destination has room for.
func (r *relay) fill(ctx context.Context, l *line) error {
	now := time.Now()
	n := l.rate.room(now, min(l.gate.room(now, l.busy), chunk))
	if n == 0 || len(r.ended) >= chunk || len(r.ready) >= chunk {
		return nil
	}
	rows, err := r.due(ctx, l, n)
	if err != nil {
		return err
	}
	for _, row := range rows {
		r.takeUp(ctx, l, row)
	}
	return nil
}

// takeUp begins with one change that is due.
func (r *relay) takeUp(ctx context.Context, l *line, due row) {
	f := &flight{line: l, row: due, turn: l.gate.turn}
	now := r.q.now()
	switch due.at {
	case sending, asking:
		r.lose(f, now)
		return
	case toReceive:
		f.verdict = verdict{outcome: endDelivered}
		r.openKept(f)
		r.settleLater(f)
		return
	case toAsk:
		if !f.standing().asks {
			r.openForRecord(f)
			f.verdict = r.policy.unasked(f.standing(), now)
			r.settleLater(f)
			return
		}
		f.ask = true
	case toSend, parked:
	}
	l.held[due.seq] = f
	l.busy++
	l.rate.take(1)
	r.started++
	r.work.Go(func() { r.prepare(ctx, f) })
}

// lose has a row asked about whose lease ended: nobody is sending it any more.
func (r *relay) lose(f *flight, now time.Time) {
	r.openForRecord(f)
	f.verdict = r.policy.lost(f.standing(), f.row.at, now)
	r.settleLater(f)
}

// openForRecord opens a change that is settled without a call, for the record to say whom
// it is about; where it does not open the record says it without.
func (r *relay) openForRecord(f *flight) {
	if c, err := r.q.seal.openChange(f.row.body, f.row.change, f.line.route.Destination); err == nil {
		f.change = c
	}
}

// openKept opens a receipt that the ledger has refused before.
func (r *relay) openKept(f *flight) {
	var err error
	if f.change, err = r.q.seal.openChange(f.row.body, f.row.change, f.line.route.Destination); err == nil {
		f.receipt, err = r.q.seal.openReceipt(f.row.receipt, f.row.change, f.line.route.Destination)
	}
	if err != nil {
		f.verdict = failure(f.standing(), err)
	}
}

// settleLater has a flight settled in the next transaction, and keeps its row from being
// taken up again until then.
func (r *relay) settleLater(f *flight) {
	f.line.held[f.row.seq] = f
	r.ended = append(r.ended, f)
}

// hear takes back a flight whose preparation or call is over, and judges it.
func (r *relay) hear(f *flight) {
	now := r.q.now()
	if !f.ended {
		r.started--
		switch {
		case f.err != nil:
			f.line.busy--
			if fault.Is(f.err, fault.Unavailable) {
				r.feel(f)
			}
			f.verdict = r.policy.prepared(f.standing(), f.err, now)
			r.ended = append(r.ended, f)
		case !f.ask && f.row.question != "" && f.row.digest != nil && !sameLetter(f.digest, f.row.digest):
			f.line.busy--
			f.verdict = r.policy.changedLetter(f.standing())
			r.ended = append(r.ended, f)
		default:
			r.ready = append(r.ready, f)
		}
		return
	}
	switch {
	case f.unsent && f.abandoned:
		r.strays--
		return
	case f.unsent:
		r.forsake(f)
		return
	case f.abandoned:
		r.strays--
		if f.line.held[f.row.seq] == nil {
			f.line.held[f.row.seq] = f
		}
	default:
		f.line.busy--
		delete(f.line.flights, f)
	}
	r.feel(f)
	if f.ask {
		f.verdict = r.policy.asked(f.standing(), f.err, now)
	} else {
		f.verdict = r.policy.sent(f.standing(), f.err, now)
	}
	r.ended = append(r.ended, f)
}

// feel tells the gate what an end says about the neighbour.
func (r *relay) feel(f *flight) {
	g := &f.line.gate
	mute := fault.Is(f.err, fault.Unavailable) || !f.ask && fault.Is(f.err, fault.Unsure)
	neither := fault.Is(f.err, fault.Internal) // a question that cannot be decided was answered all the same
	switch {
	case neither && !g.shut:
		return
	case !mute && !neither:
		if g.answer(f.turn) {
			r.log(slog.LevelInfo, codeOpened, f.line)
		}
		return
	}
	now := r.q.now()
	cause, _ := words(f.err)
	if g.trouble(f.turn, time.Now(), r.policy.later(now, g.fails, f.err).Sub(now), cause) {
		r.log(slog.LevelWarn, codeShut, f.line, slog.String("cause", cause))
	}
}

// drain hears everything that has come back.
func (r *relay) drain() {
	for {
		select {
		case f := <-r.events:
			r.hear(f)
		default:
			return
		}
	}
}

// gather waits a moment while more is to come back, so that letters that are being prepared
// are claimed together, and ends settled so.
func (r *relay) gather(more func() bool) {
	limit := time.NewTimer(linger)
	defer limit.Stop()
	for more() {
		select {
		case f := <-r.events:
			r.hear(f)
		case <-limit.C:
			return
		}
	}
}

// wait waits for something to do: something owed, something that has come back, or the
// next moment at which something is due.
func (r *relay) wait(ctx context.Context, err error) {
	limit := r.calm
	if err == nil {
		limit = r.idle(ctx)
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	wake, events := r.q.wake, r.events
	if err != nil {
		wake = nil // nothing can be done about it now
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
			return
		case <-timer.C:
			return
		case f := <-events:
			r.hear(f)
			if err == nil {
				return
			}
		}
	}
}

// idle is how long nothing will be due by itself.
func (r *relay) idle(ctx context.Context) time.Duration {
	limit, now := poll, time.Now()
	for _, l := range r.lines {
		switch {
		case l.gate.shut && now.Before(l.gate.next):
			limit = min(limit, l.gate.next.Sub(now))
		case l.gate.room(now, l.busy) == 0: // an end will wake us
		case l.rate.wait() > 0:
			limit = min(limit, l.rate.wait())
		default:
			if at, err := r.nextDue(ctx, l); err == nil && !at.IsZero() {
				limit = min(limit, at.Sub(r.q.now()))
			}
		}
	}
	return max(limit, time.Millisecond)
}

// health remembers whether the tables can be used and tells operators when that changes.
func (r *relay) health(ctx context.Context, err error) {
	switch {
	case err == nil && r.calm > 0:
		r.calm = 0
		r.log(slog.LevelInfo, codeRecovered, nil)
	case err != nil && ctx.Err() == nil:
		if r.calm == 0 {
			cause, _ := words(err)
			r.log(slog.LevelError, codeTrouble, nil, slog.String("cause", cause))
		}
		r.calm = min(max(r.calm*2, calmFirst), calmMax)
	}
}

// log writes one line; what it says is in the catalogue, by number.
func (r *relay) log(level slog.Level, code string, l *line, more ...slog.Attr) {
	attrs := append([]slog.Attr{slog.String("code", code)}, more...)
	if l != nil {
		attrs = append(attrs, slog.String("target", l.route.Destination))
	}
	r.q.rooms.Log.LogAttrs(r.calls, level, "outbox", attrs...)
}
