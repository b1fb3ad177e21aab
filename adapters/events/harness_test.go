package events

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"kakehashi/internal/ledger"
	"kakehashi/internal/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a Kafka to test against, with topics that nobody else uses.
type place struct {
	conn Connection
	cfg  Config
	fake *kfake.Cluster // nil: a real one
}

const partitions = 3

// fake starts an in-memory Kafka of three brokers with the topics of its place.
func fake(t *testing.T, opts ...kfake.Opt) place {
	t.Helper()
	at := place{cfg: ownTopics()}
	opts = append([]kfake.Opt{kfake.NumBrokers(3), kfake.SeedTopics(partitions, at.cfg.Topic, at.cfg.Notices.Topic, at.cfg.Probe)}, opts...)
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	at.fake = cluster
	at.conn = Connection{Brokers: cluster.ListenAddrs(), Timeout: 3 * time.Second}
	return at
}

// realPlace makes topics of its own on the real Kafka, or skips.
func realPlace(t *testing.T) place {
	t.Helper()
	at := place{cfg: ownTopics(), conn: Connection{Brokers: strings.Split(servers.Kafka(t), ","), Timeout: 5 * time.Second}}
	client := &kafka.Client{Addr: kafka.TCP(at.conn.Brokers...), Transport: ownTransport(t)}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	topics := []string{at.cfg.Topic, at.cfg.Notices.Topic, at.cfg.Probe}
	request := &kafka.CreateTopicsRequest{}
	for _, name := range topics {
		request.Topics = append(request.Topics, kafka.TopicConfig{Topic: name, NumPartitions: partitions, ReplicationFactor: 1})
	}
	reply, err := client.CreateTopics(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range reply.Errors {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_, _ = client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: topics})
	})
	for _, name := range topics { // for some milliseconds they have no leader
		ask := newClient(at.conn.withDefaults(), ownTransport(t))
		eventually(t, "the leaders of a new topic", func() bool {
			_, _, err := ask.reach(ctx, name, time.Second)
			return err == nil
		})
	}
	return at
}

// drop deletes a topic of the real Kafka.
func (at place) drop(t *testing.T, topic string) {
	t.Helper()
	if at.fake != nil {
		return
	}
	client := &kafka.Client{Addr: kafka.TCP(at.conn.Brokers...), Transport: ownTransport(t)}
	if _, err := client.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{topic}}); err != nil {
		t.Errorf("drop a topic: %v", err)
	}
}

// both runs a test on the in-memory Kafka and on the real one.
func both(t *testing.T, f func(t *testing.T, at place)) {
	t.Run("fake", func(t *testing.T) { f(t, fake(t)) })
	t.Run("real", func(t *testing.T) { f(t, realPlace(t)) })
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !so() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited too long for %s", what)
		}
	}
}

func ownTopics() Config {
	name := randomName()
	return Config{
		Topic: "t-" + name + ".out", Probe: "t-" + name + ".probe",
		Consumers: []Subscriber{{Name: "架空学校給食", LegalBasis: "架空市条例第1条", From: "2026-04-01"}},
		Notices: Notices{
			Enabled: true, Topic: "t-" + name + ".in", Group: "t-" + name,
			Check: 200 * time.Millisecond, Stall: 2 * time.Second,
		},
	}
}

func randomName() string {
	var b [6]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func ownTransport(t *testing.T) *kafka.Transport {
	transport := &kafka.Transport{MetadataTTL: 2 * time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func ownRooms() Rooms { return Rooms{Key: [32]byte{1, 2, 3}, Municipality: "132012"} }

// publisher makes a publisher that is closed at the end.
func (at place) publisher(t *testing.T) *Publisher {
	t.Helper()
	p, err := NewPublisher(at.conn, at.cfg, ownRooms())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

// change makes the nth change of a person.
func change(n int) ledger.Change {
	return ledger.Change{
		ID: ledger.ChangeID(fmt.Sprintf("c%05d", n)), Kind: ledger.PersonUse, Record: "r1", Version: n, Person: "p1",
		Atena: ledger.AtenaNumber(fmt.Sprintf("10000%05d", n%7)), Number: "B-1", Operator: "S001",
		At: time.Date(2026, 11, 24, 1, 2, 3, 456789000, time.UTC),
	}
}

// publish prepares and sends a change.
func publish(t *testing.T, p *Publisher, c ledger.Change) error {
	t.Helper()
	letter, err := p.Prepare(t.Context(), c)
	if err != nil {
		t.Fatalf("prepare: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err = p.Send(ctx, letter)
	return err
}

// read gives every message of a topic, in the order of each partition.
func (at place) read(t *testing.T, topic string) []kafka.Message {
	t.Helper()
	c := &client{addr: kafka.TCP(at.conn.Brokers...), transport: ownTransport(t)}
	c.kafka = &kafka.Client{Addr: c.addr, Transport: c.transport, Timeout: 5 * time.Second}
	found, spans, err := c.reach(t.Context(), topic, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var all []kafka.Message
	for _, p := range found {
		r := kafka.NewReader(kafka.ReaderConfig{Brokers: at.conn.Brokers, Topic: topic, Partition: p, MaxWait: 100 * time.Millisecond})
		for n := spans[p].first; n < spans[p].end; n++ {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			m, err := r.ReadMessage(ctx)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, m)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// deleteBefore deletes the notices of a partition that lie before offset, as retention does.
func (at place) deleteBefore(t *testing.T, partition int, offset int64) {
	t.Helper()
	if at.fake != nil {
		if err := at.fake.DeleteRecords(at.cfg.Notices.Topic, int32(partition), offset); err != nil {
			t.Fatal(err)
		}
		return
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(at.conn.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.TimeoutMillis = 5000
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic = at.cfg.Notices.Topic
	part := kmsg.NewDeleteRecordsRequestTopicPartition()
	part.Partition, part.Offset = int32(partition), offset
	topic.Partitions = append(topic.Partitions, part)
	request.Topics = append(request.Topics, topic)
	reply, err := request.RequestWith(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	if code := reply.Topics[0].Partitions[0].ErrorCode; code != 0 {
		t.Fatalf("delete records: error %d", code)
	}
}

// lines is a log that is read by the test.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *lines) count(word string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), word)
}
