package events

import (
	"context"
	"time"

	"kakehashi/internal/fault"
)

// State says how we stand with Kafka, in words that a page of the gateway's state may show.
type State struct {
	Topic      string
	OK         bool
	Code       string    // message number of the cause; empty where OK
	Cause      string    // machine word of the cause; empty where OK
	Partitions int       // of the topic; 0: unknown
	Last       time.Time // when an event was last taken, or a notice last read; zero: not since the start
}

// State asks the leaders of the topic's partitions whether they are there. It writes nothing
// and waits no longer than ctx and the timeout of the settings.
func (p *Publisher) State(ctx context.Context) State {
	s := State{Topic: p.cfg.Topic}
	if at := p.last.Load(); at != 0 {
		s.Last = time.UnixMicro(at).UTC()
	}
	partitions, _, err := p.ask.reach(ctx, p.cfg.Topic, p.conn.Timeout)
	s.Partitions = len(partitions)
	return s.with(err)
}

// reach gives a topic's partitions and where they begin and end, as their leaders say.
func (c *client) reach(ctx context.Context, topic string, limit time.Duration) ([]int, map[int]span, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	partitions, err := c.partitions(ctx, topic)
	if err != nil {
		return nil, nil, err
	}
	spans, err := c.spans(ctx, topic, partitions)
	return partitions, spans, err
}

// with says what an error means for the state.
func (s State) with(err error) State {
	s.OK = err == nil
	if err != nil {
		s.Code, s.Cause = fault.Code(err), fault.Find(err).Reason
	}
	return s
}
