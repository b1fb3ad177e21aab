package events

import (
	"context"
	"net"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"kakehashi/internal/fault"
)

// client asks Kafka about itself.
type client struct {
	addr      net.Addr
	transport *kafka.Transport
	kafka     *kafka.Client
}

func newClient(c Connection, t *kafka.Transport) *client {
	addr := kafka.TCP(c.Brokers...)
	return &client{addr: addr, transport: t, kafka: &kafka.Client{Addr: addr, Timeout: c.Timeout, Transport: t}}
}

// close ends the connections.
func (c *client) close() { c.transport.CloseIdleConnections() }

// partitions gives the partitions of a topic, from the cache of at most a second: nothing is
// written by it. Unavailable: Kafka cannot be reached, or there is no such topic.
func (c *client) partitions(ctx context.Context, topic string) ([]int, error) {
	reply, err := c.transport.RoundTrip(ctx, c.addr, &metadata.Request{TopicNames: []string{topic}})
	if err != nil {
		return nil, endOf(err).before("ask for the topic")
	}
	known, ok := reply.(*metadata.Response)
	if !ok {
		return nil, fault.New(fault.Internal, "ask for the topic: another answer came").WithCode(codeUnreached)
	}
	var found []int
	for _, t := range known.Topics {
		switch {
		case t.Name != topic:
		case t.ErrorCode != 0:
			return nil, endOfCode(kafka.Error(t.ErrorCode)).before("ask for the topic")
		default:
			for _, p := range t.Partitions {
				found = append(found, int(p.PartitionIndex))
			}
		}
	}
	if len(found) == 0 {
		return nil, endOfCode(kafka.UnknownTopicOrPartition).before("ask for the topic")
	}
	return found, nil
}

// span is where a partition begins and ends: the offset of its first message and that of
// the next one to be written.
type span struct{ first, end int64 }

// spans asks the leaders of the partitions where these begin and end. Unlike partitions it
// asks them each time.
func (c *client) spans(ctx context.Context, topic string, partitions []int) (map[int]span, error) {
	var requests []kafka.OffsetRequest
	for _, p := range partitions {
		requests = append(requests, kafka.FirstOffsetOf(p), kafka.LastOffsetOf(p))
	}
	reply, err := c.kafka.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: requests}})
	if err != nil {
		return nil, endOf(err).before("ask where the partitions end")
	}
	found := map[int]span{}
	for _, p := range reply.Topics[topic] {
		if p.Error != nil {
			return nil, endOf(p.Error).before("ask where a partition ends")
		}
		found[p.Partition] = span{first: p.FirstOffset, end: p.LastOffset}
	}
	if len(found) < len(partitions) {
		return nil, fault.New(fault.Unavailable, "Kafka did not say of every partition where it ends").WithCode(codeLeader).WithReason("no_leader")
	}
	return found, nil
}

// committed gives up to where a group has read each partition; −1: nothing yet.
func (c *client) committed(ctx context.Context, group, topic string, partitions []int) (map[int]int64, error) {
	reply, err := c.kafka.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: partitions}})
	if err == nil {
		err = reply.Error
	}
	if err != nil {
		return nil, endOf(err).before("ask up to where the group has read")
	}
	found := map[int]int64{}
	for _, p := range reply.Topics[topic] {
		if p.Error != nil {
			return nil, endOf(p.Error).before("ask up to where the group has read")
		}
		found[p.Partition] = p.CommittedOffset
	}
	return found, nil
}

// owned gives the partitions that the member of that name has, and those that any member
// has.
func (c *client) owned(ctx context.Context, group, name, topic string) (ours, anybodys map[int]bool, err error) {
	reply, err := c.kafka.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return nil, nil, endOf(err).before("ask who reads")
	}
	ours, anybodys = map[int]bool{}, map[int]bool{}
	for _, g := range reply.Groups {
		if g.Error != nil {
			return nil, nil, endOf(g.Error).before("ask who reads")
		}
		for _, m := range g.Members {
			for _, t := range m.MemberAssignments.Topics {
				for _, p := range t.Partitions {
					anybodys[p] = anybodys[p] || t.Topic == topic
					ours[p] = ours[p] || t.Topic == topic && strings.EqualFold(m.ClientID, name)
				}
			}
		}
	}
	return ours, anybodys, nil
}
