package events

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
)

// How many messages, and for how long, are kept before that is committed.
const (
	commitEvery = 100
	commitAfter = time.Second
)

// commits are the messages that were kept and not yet committed: of each partition the last.
type commits struct {
	reader *kafka.Reader
	limit  time.Duration // for one commit
	now    func() time.Time
	last   map[int]kafka.Message
	count  int
	since  time.Time // when the oldest of them was kept, or a commit last failed
}

// errDue says that no message came until it was time to commit.
var errDue = errors.New("time to commit")

// fetch waits for the next message, but no longer than until something is to be committed.
func (c *commits) fetch(ctx context.Context) (kafka.Message, error) {
	if c.count == 0 {
		return c.reader.FetchMessage(ctx)
	}
	short, cancel := context.WithTimeout(ctx, commitAfter-c.now().Sub(c.since))
	defer cancel()
	m, err := c.reader.FetchMessage(short)
	if err != nil && short.Err() != nil {
		return m, errDue
	}
	return m, err
}

// add remembers a message that was kept. Those of a partition come in order.
func (c *commits) add(m kafka.Message) {
	if c.count == 0 {
		c.last, c.since = map[int]kafka.Message{}, c.now()
	}
	c.last[m.Partition] = m
	c.count++
}

func (c *commits) due() bool {
	return c.count >= commitEvery || c.count > 0 && c.now().Sub(c.since) >= commitAfter
}

// commit commits what was kept. What fails stays for the next time.
func (c *commits) commit(ctx context.Context) error {
	if c.count == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	all := make([]kafka.Message, 0, len(c.last))
	for _, m := range c.last {
		all = append(all, m)
	}
	if err := c.reader.CommitMessages(ctx, all...); err != nil {
		c.count, c.since = 1, c.now()
		return err
	}
	c.count = 0
	return nil
}
