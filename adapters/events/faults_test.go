package events

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kakehashi/internal/fault"
)

// What Kafka answers, what that means, and what lies in the topic afterwards.
func TestEndsOfAWrite(t *testing.T) {
	for _, c := range []struct {
		err    *kerr.Error
		kind   fault.Kind
		code   string
		reason string
	}{
		{kerr.NotEnoughReplicas, fault.Unavailable, codeLeader, "few_replicas"},
		{kerr.NotEnoughReplicasAfterAppend, fault.Unsure, codeDoubt, "few_replicas"},
		{kerr.RequestTimedOut, fault.Unsure, codeDoubt, "timeout"},
		{kerr.NotLeaderForPartition, fault.Unavailable, codeLeader, "no_leader"},
		{kerr.LeaderNotAvailable, fault.Unavailable, codeLeader, "no_leader"},
		{kerr.UnknownTopicOrPartition, fault.Unavailable, codeTopic, "no_topic"},
		{kerr.TopicAuthorizationFailed, fault.Unavailable, codeForbidden, "forbidden"},
		{kerr.MessageTooLarge, fault.Invalid, codeTooLarge, "too_large"},
		{kerr.UnknownServerError, fault.Unsure, codeDoubt, "broker"},
	} {
		t.Run(c.err.Message, func(t *testing.T) {
			at := fake(t)
			p := at.publisher(t)
			h := at.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: at.cfg.Topic, Err: c.err})
			err := publish(t, p, change(1))
			if h.Hits() != 1 {
				t.Fatalf("Kafka was asked %d times; the outbox alone tries again", h.Hits())
			}
			f := fault.Find(err)
			if err == nil || f.Kind != c.kind || f.Code != c.code || f.Reason != c.reason {
				t.Fatalf("got %v (%s)", err, f.Reason)
			}
			for _, b := range at.conn.Brokers {
				if strings.Contains(err.Error(), b) {
					t.Errorf("the error names an address: %v", err)
				}
			}
			if err := publish(t, p, change(1)); err != nil {
				t.Fatalf("again: %v", err)
			}
			all := at.read(t, at.cfg.Topic)
			if c.kind != fault.Unsure && len(all) != 1 {
				t.Errorf("%d messages; want one", len(all))
			}
			for _, m := range all[1:] { // a duplicate is the same bytes
				if string(m.Key) != string(all[0].Key) || string(m.Value) != string(all[0].Value) || len(m.Headers) != len(all[0].Headers) {
					t.Error("the repeat is another event")
				}
				for i, h := range m.Headers {
					if string(h.Value) != string(all[0].Headers[i].Value) {
						t.Errorf("the repeat's %s is another", h.Key)
					}
				}
			}
		})
	}
}

func TestALeaderThatMovesIsFound(t *testing.T) {
	at := fake(t)
	p := at.publisher(t)
	if err := publish(t, p, change(1)); err != nil {
		t.Fatal(err)
	}
	for part := range int32(partitions) {
		if err := at.fake.MoveTopicPartition(at.cfg.Topic, part, (at.fake.LeaderFor(at.cfg.Topic, part)+1)%3); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	eventually(t, "the new leader", func() bool {
		err := publish(t, p, change(2))
		if err != nil && !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		return err == nil
	})
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
	if all := at.read(t, at.cfg.Topic); len(all) != 2 {
		t.Errorf("%d messages; want 2", len(all))
	}
}

func TestATopicThatIsNotThere(t *testing.T) {
	both(t, func(t *testing.T, at place) {
		at.cfg.Topic += ".missing"
		p := at.publisher(t)
		err := publish(t, p, change(1))
		if f := fault.Find(err); err == nil || f.Kind != fault.Unavailable || f.Code != codeTopic || f.Reason != "no_topic" {
			t.Errorf("send: got %v", err)
		}
		if s := p.State(t.Context()); s.OK || s.Code != codeTopic || s.Cause != "no_topic" {
			t.Errorf("state: got %+v", s)
		}
	})
}

func TestABrokerThatIsNotThere(t *testing.T) {
	at := place{cfg: ownTopics(), conn: Connection{Brokers: []string{closedPort(t)}, Timeout: time.Second}}
	p := at.publisher(t)
	began := time.Now()
	err := publish(t, p, change(1))
	if f := fault.Find(err); err == nil || f.Kind != fault.Unavailable || f.Code != codeUnreached || f.Reason != "unreachable" {
		t.Errorf("send: got %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	var in inbox
	c, stop := at.run(t, in.take)
	eventually(t, "the state", func() bool { return c.State().Cause == "unreachable" })
	began = time.Now()
	stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
}

// A broker that is stopped, not killed: connections are taken and nothing is ever said.
func TestABrokerThatSaysNothing(t *testing.T) {
	at := place{cfg: ownTopics(), conn: Connection{Brokers: []string{silent(t)}, Timeout: time.Second}}
	p, err := NewPublisher(at.conn, at.cfg, ownRooms())
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := publish(t, p, change(1)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("send: got %v", err)
	}
	var in inbox
	_, stop := at.run(t, in.take)
	if s := p.State(t.Context()); s.OK || s.Code != codeUnreached {
		t.Errorf("state: got %+v", s)
	}
	stop()
	if err := p.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("all of it took %v", took)
	}
}

// A broker that stops while we prove who we are: the library sets no deadline there.
func TestABrokerThatStopsInTheMiddleOfTheProof(t *testing.T) {
	at := fake(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "kakehashi", "kotoba"))
	at.conn.Timeout = 500 * time.Millisecond
	at.conn.SASL, at.conn.Username, at.conn.PasswordFile = saslPlain, "kakehashi", writeFile(t, []byte("kotoba"))
	held := make(chan struct{})
	var asked atomic.Int32
	at.fake.ControlKey(int16(kmsg.SASLHandshake), func(kmsg.Request) (kmsg.Response, error, bool) { // the first alone
		at.fake.KeepControl()
		if asked.Add(1) == 1 {
			at.fake.SleepControl(func() { <-held })
		}
		return nil, nil, false
	})
	t.Cleanup(func() { close(held) })
	p := at.publisher(t)
	if err := publish(t, p, change(1)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
	eventually(t, "another connection", func() bool { return publish(t, p, change(1)) == nil })
}

// A broker that stops while a write is on its way: nobody can tell, and closing does not wait
// for it.
func TestAWriteThatGetsNoReply(t *testing.T) {
	at := fake(t)
	at.conn.Timeout = time.Second
	p := at.publisher(t)
	held := make(chan struct{})
	at.fake.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		at.fake.KeepControl()
		at.fake.SleepControl(func() { <-held })
		return nil, nil, false
	})
	began := time.Now()
	if err := publish(t, p, change(1)); !fault.Is(err, fault.Unsure) || fault.Code(err) != codeDoubt {
		t.Errorf("send: got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	letter, err := p.Prepare(ctx, change(2))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Send(ctx, letter); !fault.Is(err, fault.Unsure) {
		t.Errorf("send until the context is over: got %v", err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("took %v", took)
	}
	short, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if err := p.Close(short); err != nil && fault.Code(err) != codeUnclosed {
		t.Errorf("close: got %v", err)
	}
	close(held)
}

func TestTheConsumerGoesOnWhenKafkaComesBack(t *testing.T) {
	at := fake(t)
	var in inbox
	at.send(t, notices(0, 10)...)
	at.run(t, in.take)
	eventually(t, "10 notices", func() bool { return len(in.all()) == 10 })
	h := at.fake.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets}, Err: kerr.NotLeaderForPartition, Count: -1},
		kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat, kmsg.OffsetCommit, kmsg.JoinGroup}, Err: kerr.NotCoordinator, Count: -1},
	)
	eventually(t, "the trouble", func() bool { return h.Hits() > 10 })
	at.send(t, notices(10, 20)...)
	h.Remove()
	eventually(t, "the other 10", func() bool { return len(inOrder(t, in.all())) == 20 })
}

// The reader is told that there is nothing while there is: from inside that looks as the
// library's own hanging does.
func TestAReaderThatHangsIsMadeAnew(t *testing.T) {
	at := fake(t)
	at.cfg.Notices.Stall = time.Second
	logged := &lines{}
	rooms := ownRooms()
	rooms.Log = logged.logger()
	var in inbox
	c, err := NewConsumer(at.conn, at.cfg, rooms, in.take)
	if err != nil {
		t.Fatal(err)
	}
	at.fake.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if c.State().Remade > 0 {
			return nil, nil, false
		}
		at.fake.KeepControl()
		return emptyFetch(r.(*kmsg.FetchRequest)), nil, true
	})
	at.send(t, notices(0, 10)...)
	runs(t, c)
	eventually(t, "the notices", func() bool { return len(in.all()) == 10 })
	if c.State().Remade != 1 || logged.count(codeHung) != 1 {
		t.Errorf("remade %d times, told %d times", c.State().Remade, logged.count(codeHung))
	}
}

func emptyFetch(r *kmsg.FetchRequest) *kmsg.FetchResponse {
	reply := r.ResponseKind().(*kmsg.FetchResponse)
	for _, t := range r.Topics {
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			part := kmsg.NewFetchResponseTopicPartition()
			part.Partition, part.HighWatermark, part.LastStableOffset = p.Partition, p.FetchOffset, p.FetchOffset
			part.RecordBatches = []byte{}
			topic.Partitions = append(topic.Partitions, part)
		}
		reply.Topics = append(reply.Topics, topic)
	}
	return reply
}

// closedPort gives an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// silent listens and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var all []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			all = append(all, c)
		}
		for _, c := range all {
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return l.Addr().String()
}

func writeFile(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
