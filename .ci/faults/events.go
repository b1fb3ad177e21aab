package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"kakehashi/.ci/engines"
)

// events is what stands on a topic.
type events struct {
	first    map[string]int    // by change: its first place on its partition, from 1
	subject  map[string]string // by change
	distinct int
	again    int // that stood there before
}

// published reads the whole topic, past the proxies.
func (w *world) published(ctx context.Context) (events, error) {
	e := events{first: map[string]int{}, subject: map[string]string{}}
	if !w.kafkaUnder() {
		return e, nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	at := fmt.Sprintf("127.0.0.1:%d", w.servers[engines.Kafka].Port())
	conn, err := kafka.DialContext(ctx, "tcp", at)
	if err != nil {
		return e, fmt.Errorf("connect to Kafka: %w", err)
	}
	partitions, err := conn.ReadPartitions(w.topic)
	if err = errors.Join(err, conn.Close()); err != nil {
		return e, fmt.Errorf("read the topic's partitions: %w", err)
	}
	for _, p := range partitions {
		if err := w.readPartition(ctx, p.ID, &e); err != nil {
			return e, fmt.Errorf("read what was published: %w", err)
		}
	}
	e.distinct = len(e.first)
	return e, nil
}

func (w *world) readPartition(ctx context.Context, partition int, e *events) error {
	conn, err := kafka.DialLeader(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", w.servers[engines.Kafka].Port()), w.topic, partition)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	first, last, err := conn.ReadOffsets()
	if err != nil {
		return fmt.Errorf("read the offsets: %w", err)
	}
	if _, err := conn.Seek(first, kafka.SeekAbsolute); err != nil {
		return fmt.Errorf("go to the beginning: %w", err)
	}
	for at := first; at < last; {
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		m, err := conn.ReadMessage(1 << 20)
		if err != nil {
			return fmt.Errorf("read a message: %w", err)
		}
		at = m.Offset + 1
		for _, h := range m.Headers {
			if h.Key != "ce_id" {
				continue
			}
			_, change, _ := strings.Cut(string(h.Value), "-") // after the municipality
			if e.first[change] > 0 {
				e.again++
				continue
			}
			e.first[change], e.subject[change] = int(m.Offset)+1, string(m.Key)
		}
	}
	return nil
}
