package events

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
)

// partitionsOfTopic is how many partitions a topic gets that is made for a demo.
const partitionsOfTopic = 3

// CreateTopics makes the topics of the settings that Kafka lacks, for a demo: three
// partitions each, and as many copies as the cluster's own default. It leaves those alone
// that are there, and returns once each can be written to.
func CreateTopics(ctx context.Context, conn Connection, cfg Config) error {
	conn, cfg = conn.withDefaults(), cfg.withDefaults()
	topics := []string{cfg.Topic, cfg.Notices.Topic, cfg.Probe}
	transport, err := newTransport(conn, topics...)
	if err != nil {
		return err
	}
	ask := newClient(conn, transport)
	defer ask.close()
	request := &kafka.CreateTopicsRequest{}
	for _, topic := range topics {
		request.Topics = append(request.Topics, kafka.TopicConfig{Topic: topic, NumPartitions: partitionsOfTopic, ReplicationFactor: -1})
	}
	reply, err := ask.kafka.CreateTopics(ctx, request)
	if err != nil {
		return endOf(err).before("make the topics")
	}
	for _, err := range reply.Errors {
		if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			return endOf(err).before("make a topic")
		}
	}
	for _, topic := range topics {
		if err := ask.await(ctx, topic, conn.Timeout); err != nil {
			return err
		}
	}
	return nil
}

// await waits until every partition of a topic has a leader that answers.
func (c *client) await(ctx context.Context, topic string, limit time.Duration) error {
	over := time.Now().Add(limit)
	pause := newPause(50*time.Millisecond, time.Second)
	for {
		_, _, err := c.reach(ctx, topic, limit)
		if err == nil || ctx.Err() != nil || time.Now().After(over) {
			return err
		}
		pause.wait(ctx)
	}
}
