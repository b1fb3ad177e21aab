package events

import (
	"context"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"

	"kakehashi/internal/fault"
)

// watch asks again and again how far behind the reading is, and ends with errHung where the
// reader has stopped although there is something to read. The library has been seen to hang
// in that way, and notices nothing by itself: its heartbeats go on.
func (c *Consumer) watch(ctx context.Context, name string) error {
	tick := time.NewTicker(c.cfg.Check)
	defer tick.Stop()
	for {
		if c.seen.slow() > c.cfg.Stall {
			c.tell.error(ctx, codeSlowTake, slog.String("cause", "slow"))
		}
		lags, waiting, err := c.lags(ctx, name)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.seen.asked(lags, err)
		if err != nil {
			c.tell.warn(ctx, fault.Code(err), err)
		} else if c.seen.hangs(lags, waiting, c.cfg.Stall) {
			return errHung
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lags asks how far each partition has been read, and which of them nobody but the reader of
// that name could be reading. What was deleted unread is told.
func (c *Consumer) lags(ctx context.Context, name string) (lags []Lag, waiting map[int]bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.conn.Timeout)
	defer cancel()
	partitions, spans, err := c.ask.reach(ctx, c.cfg.Topic, c.conn.Timeout)
	if err != nil {
		return nil, nil, err
	}
	committed, err := c.ask.committed(ctx, c.group, c.cfg.Topic, partitions)
	if err != nil {
		return nil, nil, err
	}
	ours, anybodys, err := c.ask.owned(ctx, c.group, name, c.cfg.Topic)
	if err != nil {
		return nil, nil, err
	}
	waiting = map[int]bool{}
	for _, p := range keysOf(spans) {
		at, s := committed[p], spans[p]
		lags = append(lags, Lag{Partition: p, Committed: at, End: s.end, Lag: s.end - max(at, s.first), Ours: ours[p]})
		waiting[p] = ours[p] || !anybodys[p]
		c.lost(ctx, p, at, s.first)
	}
	return lags, waiting, nil
}

// gap looks, where a message does not follow the one before it, whether those between were
// deleted before they were read: the library goes on past them without a word.
func (c *Consumer) gap(ctx context.Context, m kafka.Message) {
	if c.seen.follows(m.Partition, m.Offset) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.conn.Timeout)
	defer cancel()
	one := []int{m.Partition}
	spans, err := c.ask.spans(ctx, c.cfg.Topic, one)
	if err != nil {
		return // the reader goes on, and watch asks again
	}
	committed, err := c.ask.committed(ctx, c.group, c.cfg.Topic, one)
	if err != nil {
		return
	}
	c.lost(ctx, m.Partition, committed[m.Partition], min(spans[m.Partition].first, m.Offset))
}

// lost tells of messages that were deleted before they were read.
func (c *Consumer) lost(ctx context.Context, partition int, committed, first int64) {
	if n := c.seen.loss(partition, committed, first); n > 0 {
		c.meters.lost.Add(ctx, n)
		c.tell.error(ctx, codeRetention, slog.Int64("size", n))
	}
}
