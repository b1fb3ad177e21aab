package events

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/segmentio/kafka-go"

	"kakehashi/internal/fault"
)

// Probe proves Kafka by a real write and read, for doctor. The topic of events is not used
// for it, since its consumers would see that; where there is none for trying, nothing is
// written, and NotFound with KKH3419 says that only the way and the topic of events were
// proved. Every other fault is that of the first step that failed.
func (p *Publisher) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.conn.Timeout)
	defer cancel()
	if _, _, err := p.ask.reach(ctx, p.cfg.Topic, p.conn.Timeout); err != nil {
		return err
	}
	partitions, _, err := p.ask.reach(ctx, p.cfg.Probe, p.conn.Timeout)
	if fault.Code(err) == codeTopic {
		return fault.New(fault.NotFound, "there is no topic to try on").WithCode(codeNoProbe).WithReason("no_topic")
	}
	if err != nil {
		return err
	}
	value := []byte(random())
	offset, err := p.ask.write(ctx, p.cfg.Probe, partitions[0], value)
	if err != nil {
		return err
	}
	read, err := p.ask.readAt(ctx, p.cfg.Probe, partitions[0], offset)
	if err == nil && !bytes.Equal(read, value) {
		return fault.New(fault.Unavailable, "what was written to try was not read back").WithCode(codeProbe).WithReason("differs")
	}
	return err
}

// write writes one value and gives its offset.
func (c *client) write(ctx context.Context, topic string, partition int, value []byte) (int64, error) {
	reply, err := c.kafka.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, Partition: partition, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes(value)}),
	})
	if err == nil {
		err = reply.Error
	}
	if err != nil {
		return 0, endOf(err).fault("write to try")
	}
	return reply.BaseOffset, nil
}

// readAt reads the value at an offset.
func (c *client) readAt(ctx context.Context, topic string, partition int, offset int64) ([]byte, error) {
	reply, err := c.kafka.Fetch(ctx, &kafka.FetchRequest{
		Topic: topic, Partition: partition, Offset: offset, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: c.kafka.Timeout / 2,
	})
	if err == nil {
		err = reply.Error
	}
	if err != nil {
		return nil, endOf(err).before("read what was written to try")
	}
	for {
		record, err := reply.Records.ReadRecord()
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil
		case err != nil:
			return nil, endOf(err).before("read what was written to try")
		case record.Offset == offset:
			return valueOf(record)
		}
	}
}

func valueOf(r *kafka.Record) ([]byte, error) {
	if r.Value == nil {
		return nil, nil
	}
	defer func() { _ = r.Value.Close() }() // it lies in memory
	value, err := io.ReadAll(r.Value)
	if err != nil {
		return nil, endOf(err).before("read what was written to try")
	}
	return value, nil
}
