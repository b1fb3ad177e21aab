package events

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Lag is how far a partition has been read.
type Lag struct {
	Partition int
	Committed int64 // offset of the next message that the group has not read; −1: none was read yet
	End       int64 // offset of the next message that will be written
	Lag       int64 // how many wait
	Ours      bool  // this gateway reads it
}

// ConsumerState says how a Consumer stands.
type ConsumerState struct {
	State
	Group      string
	Partitions []Lag     // as last asked
	Taking     time.Time // since when the notice that is being kept is; zero: none is
	Lost       int64     // notices that Kafka deleted before they were read, since the start
	Remade     int       // readers that hung and were made anew, since the start
}

// progress is what is known of the reading. Its methods may be called at the same time.
type progress struct {
	now func() time.Time

	mu     sync.Mutex
	state  State
	lags   []Lag
	since  time.Time     // the last sign of life of the reader: its start, or a message
	took   time.Time     // since when a message is being kept
	next   map[int]int64 // of a partition: the offset after the last message kept in this round
	missed map[int]int64 // of a partition: up to where a loss has been told
	lost   int64
	rounds int
}

func newProgress(topic string, now func() time.Time) *progress {
	return &progress{
		now: now, missed: map[int]int64{}, next: map[int]int64{},
		state: State{Topic: topic, Code: codeUnreached, Cause: "starting"},
	}
}

// begin notes that a reader was made.
func (p *progress) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since, p.next = p.now(), map[int]int64{}
}

// remade notes that a reader hung.
func (p *progress) remade() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rounds++
}

// taking notes that a message begins to be kept, or that this is over.
func (p *progress) taking(now bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since, p.took = p.now(), time.Time{}
	if now {
		p.took = p.since
	}
}

// kept notes that a message is kept.
func (p *progress) kept(partition int, offset int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next[partition], p.state.Last = offset+1, p.now().UTC()
}

// follows tells whether the message is the one after the last of its partition.
func (p *progress) follows(partition int, offset int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	next, known := p.next[partition]
	return known && offset == next
}

// loss notes that a partition begins at first where the group had read up to committed only
// (−1: nothing), and gives how many messages are gone of which nothing was told yet.
func (p *progress) loss(partition int, committed, first int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if committed < 0 {
		return 0
	}
	n := first - max(committed, p.next[partition], p.missed[partition])
	if n <= 0 {
		return 0
	}
	p.missed[partition] = first
	p.lost += n
	return n
}

// asked notes what Kafka said of the partitions.
func (p *progress) asked(lags []Lag, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.state.Last
	p.state = State{Topic: p.state.Topic, Partitions: len(lags)}.with(err)
	p.state.Last = last
	if err == nil {
		p.lags = lags
	}
}

// hangs tells whether something waits in a partition of the reader's, or of nobody's, and
// the reader has shown no sign of life for so long. A message that is being kept is none of
// the reader's trouble.
func (p *progress) hangs(lags []Lag, waiting map[int]bool, stall time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.took.IsZero() || p.now().Sub(p.since) < stall {
		return false
	}
	return slices.ContainsFunc(lags, func(l Lag) bool {
		return waiting[l.Partition] && l.End > max(l.Committed, p.next[l.Partition]) && l.Lag > 0
	})
}

// slow gives for how long a message has been being kept.
func (p *progress) slow() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.took.IsZero() {
		return 0
	}
	return p.now().Sub(p.took)
}

// State says how the reading stands, as last asked: it calls nobody.
func (c *Consumer) State() ConsumerState {
	p := c.seen
	p.mu.Lock()
	defer p.mu.Unlock()
	return ConsumerState{
		State: p.state, Group: c.group, Partitions: slices.Clone(p.lags), Taking: p.took, Lost: p.lost, Remade: p.rounds,
	}
}

// keysOf gives the keys in order.
func keysOf[V any](m map[int]V) []int { return slices.Sorted(maps.Keys(m)) }
