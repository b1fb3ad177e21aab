package outbox

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kakehashi/internal/store"
)

// Summary sums up what is owed.
type Summary struct {
	Owed         int       // the one number that sums everything owed: pending, in flight and parked
	Parked       int       // of these, parked
	Unsure       int       // of these, unknown whether they arrived
	Waiting      int       // of these, behind an earlier change of their record
	Oldest       time.Time // when the oldest of them was owed; zero: nothing is
	Groups       []Group   // by destination, state, cause and code; those that wait behind others are in Behind alone
	Destinations []DestinationState
}

// Group is what is owed to one destination and stands alike.
type Group struct {
	Destination string
	State       State
	Cause       string
	Code        string
	Count       int
	Behind      int       // that wait behind these
	Oldest      time.Time // when the oldest of the group was owed
	NextAt      time.Time // when the first of the group goes on; zero: none by itself
}

// DestinationState is how it stands with one destination.
type DestinationState struct {
	Destination string
	Owed        int
	Parked      int
	Open        bool      // false: the gate is shut after failures, and one probe at a time goes out
	NextProbe   time.Time // when it does; zero where the gate is open
	Cause       string    // why the gate is shut
	InFlight    int       // on their way now
	Rate        int       // delivered in the last minute
	Oldest      time.Time
}

// shown is what the relay shows of itself.
type shown struct {
	mu    sync.Mutex
	lines map[string]DestinationState
}

// publish shows how the gates stand.
func (r *relay) publish() {
	r.q.shown.mu.Lock()
	defer r.q.shown.mu.Unlock()
	if r.q.shown.lines == nil {
		r.q.shown.lines = map[string]DestinationState{}
	}
	for _, l := range r.lines {
		d := DestinationState{Open: !l.gate.shut, Cause: l.gate.cause, InFlight: len(l.flights), Rate: l.done.sum(r.q.now())}
		if l.gate.shut {
			d.NextProbe = r.q.now().Add(max(time.Until(l.gate.next), 0)).UTC()
		}
		r.q.shown.lines[l.route.Destination] = d
	}
}

// Heads are grouped alone: what waits behind another stands alike with it, and a backlog of
// a million is mostly heads of lanes that were never tried.
const sumUp = `SELECT o.destination, o.phase, o.waits, o.cause, o.code, CASE WHEN o.question = '' THEN 0 ELSE 1 END,
	count(*), min(o.seq), min(o.due_at)
	FROM outbox_owed o GROUP BY 1, 2, 3, 4, 5, 6`

// behindHeads counts, for each group of heads, what waits behind them.
const behindHeads = `SELECT h.destination, h.phase, h.cause, h.code, count(*) FROM outbox_owed w
	JOIN outbox_owed h ON h.seq = (SELECT min(l.seq) FROM outbox_owed l WHERE l.destination = w.destination AND l.record = w.record)
	WHERE w.waits = 1 GROUP BY 1, 2, 3, 4`

const owedAt = `SELECT enqueued_at FROM outbox_change WHERE seq = $1`

// Summary sums up what is owed, from one snapshot, which is kept while nothing is written
// that could change it. Of a queue of more than a thousand changes it may be a second old
// though something was, and older where reading it takes long: then as many may ask as will,
// and reading it costs no more. How the destinations stand is always of now.
func (q *Queue) Summary(ctx context.Context) (Summary, error) {
	s, err := q.summed.get(ctx, q)
	if err != nil {
		return Summary{}, fmt.Errorf("sum up what is owed: %w", err)
	}
	q.shown.mu.Lock()
	defer q.shown.mu.Unlock()
	for _, r := range q.rooms.Routes {
		s.destination(r.Destination)
	}
	for i := range s.Destinations {
		d := &s.Destinations[i]
		now, ok := q.shown.lines[d.Destination]
		d.Open, d.NextProbe, d.Cause, d.InFlight, d.Rate = now.Open || !ok, now.NextProbe, now.Cause, now.InFlight, now.Rate
	}
	return s, nil
}

const (
	shortQueue  = 1000        // fewer are summed up anew after each change: that costs next to nothing
	keptSummary = time.Second // how long the summary of a longer queue stands
)

// summed is the summary that was read last.
type summed struct {
	turn    chan struct{} // holds one: whoever reads, or looks at what follows
	writing atomic.Int64  // transactions under way that write to the queue: one may be committed by now
	writes  atomic.Int64  // those that have ended
	seen    int64         // of these, when the summary was read
	at      time.Time     // by the monotonic clock; zero: nothing was read yet
	cost    time.Duration // how long reading it took
	reads   int
	summary Summary
}

// touch notes that the queue may not be what it was, from now on. Every transaction that
// writes to it must call this.
func (q *Queue) touch(tx *store.Tx) {
	q.summed.writing.Add(1)
	tx.Done(func(bool) { // also where the reply to the commit was lost
		q.summed.writes.Add(1)
		q.summed.writing.Add(-1)
	})
}

// get gives the summary, and reads it where the one that is kept is of no more use. One
// reads at a time; the others wait for it, as long as ctx lives.
func (k *summed) get(ctx context.Context, q *Queue) (Summary, error) {
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return Summary{}, context.Cause(ctx)
	}
	defer func() { <-k.turn }()
	alone := q.rooms.Exclusive && k.writing.Load() == 0
	if writes := k.writes.Load(); !k.stands(writes, alone) {
		began := time.Now()
		s, err := q.readSummary(ctx)
		if err != nil {
			return Summary{}, err
		}
		k.summary, k.seen, k.at, k.cost = s, writes, time.Now(), time.Since(began)
		k.reads++
	}
	s := k.summary
	s.Groups, s.Destinations = slices.Clone(s.Groups), slices.Clone(s.Destinations)
	return s, nil
}

// stands tells whether what was read last will do. Where somebody may be writing to the
// queue just now, another process perhaps, nothing says that it is what it was.
func (k *summed) stands(writes int64, alone bool) bool {
	switch {
	case k.at.IsZero():
		return false
	case alone && k.seen == writes:
		return true
	default:
		return k.summary.Owed >= shortQueue && time.Since(k.at) < max(keptSummary, unhurried*k.cost)
	}
}

func (q *Queue) readSummary(ctx context.Context) (Summary, error) {
	var s Summary
	err := store.Read(ctx, q.rooms.DB, func(ctx context.Context, tx *store.Tx) error {
		oldest, err := s.read(ctx, tx)
		if err != nil {
			return err
		}
		if err := s.behind(ctx, tx); err != nil {
			return err
		}
		return s.date(ctx, tx, oldest)
	})
	return s, err
}

// destination gives the state of a destination, added at the first question.
func (s *Summary) destination(name string) *DestinationState {
	i := slices.IndexFunc(s.Destinations, func(d DestinationState) bool { return d.Destination == name })
	if i < 0 {
		i = len(s.Destinations)
		s.Destinations = append(s.Destinations, DestinationState{Destination: name})
	}
	return &s.Destinations[i]
}

// group gives the group of that kind, added at the first question.
func (s *Summary) group(g Group) int {
	i := slices.IndexFunc(s.Groups, func(o Group) bool {
		return o.Destination == g.Destination && o.State == g.State && o.Cause == g.Cause && o.Code == g.Code
	})
	if i < 0 {
		i = len(s.Groups)
		s.Groups = append(s.Groups, g)
	}
	return i
}

// read counts, and gives the oldest row of each group.
func (s *Summary) read(ctx context.Context, tx *store.Tx) (oldest map[int]int64, err error) {
	rows, err := tx.Query(ctx, sumUp)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	oldest = map[int]int64{}
	for rows.Next() {
		var g Group
		var at phase
		var waits, unsure bool
		var n int
		var first, due int64
		if err := rows.Scan(&g.Destination, &at, &waits, &g.Cause, &g.Code, &unsure, &n, &first, &due); err != nil {
			return nil, err
		}
		g.State = at.state()
		s.Owed += n
		d := s.destination(g.Destination)
		d.Owed += n
		if unsure {
			s.Unsure += n
		}
		if at == parked {
			s.Parked += n
			d.Parked += n
		}
		if waits {
			s.Waiting += n
			if at != parked {
				continue
			}
		}
		i := s.group(g)
		s.Groups[i].Count += n
		if next := moment(due); at != parked && (s.Groups[i].NextAt.IsZero() || next.Before(s.Groups[i].NextAt)) {
			s.Groups[i].NextAt = next
		}
		if oldest[i] == 0 || first < oldest[i] {
			oldest[i] = first
		}
	}
	return oldest, rows.Err()
}

// behind counts what waits behind each group.
func (s *Summary) behind(ctx context.Context, tx *store.Tx) error {
	if s.Waiting == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, behindHeads)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var g Group
		var at phase
		var n int
		if err := rows.Scan(&g.Destination, &at, &g.Cause, &g.Code, &n); err != nil {
			return err
		}
		g.State = at.state()
		s.Groups[s.group(g)].Behind += n
	}
	return rows.Err()
}

// date says since when the oldest of each group is owed. A row that waits is younger than
// the head of its lane.
func (s *Summary) date(ctx context.Context, tx *store.Tx, oldest map[int]int64) error {
	for i, seq := range oldest {
		var at int64
		if err := tx.QueryRow(ctx, owedAt, seq).Scan(&at); err != nil {
			return err
		}
		g := &s.Groups[i]
		g.Oldest = moment(at)
		d := s.destination(g.Destination)
		for _, t := range []*time.Time{&s.Oldest, &d.Oldest} {
			if t.IsZero() || g.Oldest.Before(*t) {
				*t = g.Oldest
			}
		}
	}
	return nil
}
