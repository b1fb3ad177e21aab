package events

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"

	"kakehashi/internal/fault"
)

// inbox is a Take that remembers what it kept.
type inbox struct {
	mu    sync.Mutex
	kept  []Message
	fault func(Message) error // nil: everything is kept
}

func (i *inbox) take(_ context.Context, m Message) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.fault != nil {
		if err := i.fault(m); err != nil {
			return err
		}
	}
	i.kept = append(i.kept, m)
	return nil
}

func (i *inbox) all() []Message {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]Message(nil), i.kept...)
}

// run runs a consumer until stop is called, which waits for its end.
func (at place) run(t *testing.T, take Take) (c *Consumer, stop func()) {
	t.Helper()
	c, err := NewConsumer(at.conn, at.cfg, ownRooms(), take)
	if err != nil {
		t.Fatal(err)
	}
	return c, runs(t, c)
}

func runs(t *testing.T, c *Consumer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("the consumer did not stop")
		}
	})
	t.Cleanup(stop)
	return stop
}

// send writes notices to the topic, as a stranger would.
func (at place) send(t *testing.T, all ...kafka.Message) {
	t.Helper()
	w := &kafka.Writer{
		Addr: kafka.TCP(at.conn.Brokers...), Topic: at.cfg.Notices.Topic, Transport: ownTransport(t),
		RequiredAcks: kafka.RequireAll, Balancer: kafka.Murmur2Balancer{Consistent: true}, BatchTimeout: time.Millisecond,
	}
	if err := w.WriteMessages(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// notice makes the nth notice in the binary mode.
func notice(n int) kafka.Message {
	id := fmt.Sprintf("n%05d", n)
	return kafka.Message{
		Key: fmt.Appendf(nil, "k%d", n%25), Value: []byte(`{"n":"` + id + `"}`),
		Headers: []kafka.Header{
			{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_id", Value: []byte(id)},
			{Key: "ce_source", Value: []byte("urn:registry")}, {Key: "ce_type", Value: []byte("moved")},
			{Key: "ce_time", Value: []byte("2026-11-24T01:02:03Z")}, {Key: "Content-Type", Value: []byte("application/json")},
		},
	}
}

func notices(from, to int) []kafka.Message {
	var all []kafka.Message
	for n := from; n < to; n++ {
		all = append(all, notice(n))
	}
	return all
}

// inOrder holds what was kept to the order of each key, and gives how often each came.
func inOrder(t *testing.T, kept []Message) map[string]int {
	t.Helper()
	last, seen := map[string]string{}, map[string]int{}
	for _, m := range kept {
		if seen[m.ID]++; seen[m.ID] == 1 && m.ID <= last[string(m.Key)] {
			t.Errorf("%s came after %s", m.ID, last[string(m.Key)])
		}
		last[string(m.Key)] = max(last[string(m.Key)], m.ID)
	}
	return seen
}

func TestNoticesAreHandedOnInOrderAndOnce(t *testing.T) {
	both(t, func(t *testing.T, at place) {
		var first, second inbox
		at.send(t, notices(0, 250)...)
		c, stop := at.run(t, first.take)
		eventually(t, "250 notices", func() bool { return len(first.all()) == 250 })
		eventually(t, "the commit", func() bool {
			s := c.State()
			return s.OK && len(s.Partitions) == partitions && s.Partitions[0].Ours && c.seen.behind() == 0
		})
		stop()
		at.send(t, notices(250, 300)...)
		_, stop = at.run(t, second.take)
		eventually(t, "the other 50", func() bool { return len(second.all()) >= 50 })
		stop()
		if seen := inOrder(t, append(first.all(), second.all()...)); len(seen) != 300 || len(second.all()) != 50 {
			t.Errorf("%d notices, %d of them after the restart; want 300 and 50", len(seen), len(second.all()))
		}
	})
}

func TestBothModesOfCloudEventsAreRead(t *testing.T) {
	at := fake(t)
	structured, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": "s1", "source": "urn:x", "type": "moved", "subject": "p", "time": "2026-11-24T00:00:00Z",
		"datacontenttype": "application/json", "data": map[string]any{"a": 1}, "ownextension": 5,
	})
	if err != nil {
		t.Fatal(err)
	}
	raw := []byte("\x00\xff no event at all")
	key := []byte("one partition")
	binary := notice(7)
	binary.Key = key
	at.send(t,
		binary,
		kafka.Message{Key: key, Value: structured, Headers: []kafka.Header{{Key: "content-type", Value: []byte("application/cloudevents+json; charset=UTF-8")}}},
		kafka.Message{Key: key, Value: raw},
		kafka.Message{Key: key, Value: []byte("{"), Headers: []kafka.Header{{Key: "content-type", Value: []byte("application/cloudevents+json")}}},
		kafka.Message{Key: key},
	)
	var in inbox
	at.run(t, in.take)
	eventually(t, "the messages", func() bool { return len(in.all()) == 5 })
	got := in.all()
	for i := range got {
		if got[i].Offset != int64(i) || got[i].Topic != at.cfg.Notices.Topic || string(got[i].Key) != string(key) {
			t.Errorf("place of message %d: %s %d %d", i, got[i].Topic, got[i].Partition, got[i].Offset)
		}
		got[i] = Message{
			Source: got[i].Source, ID: got[i].ID, Type: got[i].Type, Subject: got[i].Subject, Time: got[i].Time,
			Value: got[i].Value, Raw: got[i].Raw,
		}
	}
	want := []Message{
		{Source: "urn:registry", ID: "n00007", Type: "moved", Time: "2026-11-24T01:02:03Z", Value: binary.Value, Raw: binary.Value},
		{Source: "urn:x", ID: "s1", Type: "moved", Subject: "p", Time: "2026-11-24T00:00:00Z", Value: []byte(`{"a":1}`), Raw: structured},
		{Value: raw, Raw: raw},
		{Value: []byte("{"), Raw: []byte("{")},
		{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestANoticeThatCannotBeKeptComesAgainBeforeTheNext(t *testing.T) {
	both(t, func(t *testing.T, at place) {
		refused := 0
		in := inbox{fault: func(m Message) error {
			if m.ID == "n00003" && refused < 3 {
				refused++
				return fault.New(fault.Unavailable, "busy")
			}
			return nil
		}}
		at.send(t, notices(0, 20)...)
		_, stop := at.run(t, in.take)
		eventually(t, "20 notices", func() bool { return len(in.all()) == 20 })
		stop()
		for id, n := range inOrder(t, in.all()) {
			if n != 1 {
				t.Errorf("%s was kept %d times", id, n)
			}
		}
		if refused != 3 {
			t.Errorf("refused %d times", refused)
		}
	})
}

func TestNothingIsLostWhenASecondGatewayJoinsAndTheFirstLeaves(t *testing.T) {
	both(t, func(t *testing.T, at place) {
		var first, second inbox
		at.send(t, notices(0, 200)...)
		_, stop := at.run(t, first.take)
		eventually(t, "the first notices", func() bool { return len(first.all()) > 20 })
		c, _ := at.run(t, second.take)
		sent := 200
		eventually(t, "a share for the second", func() bool { // while there is work for both
			at.send(t, notices(sent, sent+10)...)
			sent += 10
			return len(second.all()) > 0
		})
		stop()
		at.send(t, notices(sent, sent+100)...)
		eventually(t, "all of the partitions", func() bool {
			lag, ours := int64(0), 0
			for _, p := range c.State().Partitions {
				lag += p.Lag
				if p.Ours {
					ours++
				}
			}
			return lag == 0 && ours == partitions
		})
		seen, twice := map[string]int{}, 0
		for _, m := range append(first.all(), second.all()...) {
			if seen[m.ID]++; seen[m.ID] > 1 {
				twice++
			}
		}
		if len(seen) != sent+100 {
			t.Errorf("%d of %d notices were kept", len(seen), sent+100)
		}
		t.Logf("%d by the first, %d by the second, %d twice", len(first.all()), len(second.all()), twice)
	})
}

func TestWhatWasDeletedUnreadIsTold(t *testing.T) {
	both(t, func(t *testing.T, at place) {
		same := func(from, to int) []kafka.Message { // one key, one partition
			all := notices(from, to)
			for i := range all {
				all[i].Key = []byte("k")
			}
			return all
		}
		var first, second inbox
		at.send(t, same(0, 10)...)
		_, stop := at.run(t, first.take)
		eventually(t, "10 notices", func() bool { return len(first.all()) == 10 })
		stop()
		at.send(t, same(10, 30)...)
		at.deleteBefore(t, first.all()[0].Partition, 25)
		logged := &lines{}
		rooms := ownRooms()
		rooms.Log = logged.logger()
		c, err := NewConsumer(at.conn, at.cfg, rooms, second.take)
		if err != nil {
			t.Fatal(err)
		}
		stop = runs(t, c)
		eventually(t, "what is left", func() bool { return len(second.all()) == 5 })
		eventually(t, "the loss", func() bool { return c.State().Lost > 0 })
		stop()
		if got := c.State().Lost; got != 15 {
			t.Errorf("lost: got %d, want 15", got)
		}
		if logged.count(codeRetention) != 1 {
			t.Errorf("told %d times", logged.count(codeRetention))
		}
	})
}

func TestASlowTakeIsToldAndNotTornAway(t *testing.T) {
	at := fake(t)
	at.cfg.Notices.Stall = 300 * time.Millisecond
	free := make(chan struct{})
	in := inbox{fault: func(Message) error { <-free; return nil }}
	logged := &lines{}
	rooms := ownRooms()
	rooms.Log = logged.logger()
	c, err := NewConsumer(at.conn, at.cfg, rooms, in.take)
	if err != nil {
		t.Fatal(err)
	}
	at.send(t, notices(0, 3)...)
	runs(t, c)
	eventually(t, "the warning", func() bool { return logged.count(codeSlowTake) == 1 && c.seen.slow() > 5*at.cfg.Notices.Stall })
	if s := c.State(); s.Taking.IsZero() || s.Remade != 0 {
		t.Errorf("state: %+v", s)
	}
	close(free)
	eventually(t, "the notices", func() bool { return len(in.all()) == 3 })
	if s := c.State(); !s.Taking.IsZero() || s.Remade != 0 {
		t.Errorf("state afterwards: %+v", s)
	}
}

func TestWhatWasKeptIsCommitted(t *testing.T) {
	both(t, func(t *testing.T, at place) {
		var first, second, third inbox
		// While it runs, within about a second.
		at.send(t, notices(0, 30)...)
		c, stop := at.run(t, first.take)
		eventually(t, "30 notices", func() bool { return len(first.all()) == 30 })
		eventually(t, "the commit", func() bool { return c.seen.behind() == 0 })
		stop()
		// When it stops, at once.
		at.send(t, notices(30, 60)...)
		_, stop = at.run(t, second.take)
		eventually(t, "30 more", func() bool { return len(second.all()) == 30 })
		stop()
		at.send(t, notices(60, 61)...)
		at.run(t, third.take)
		eventually(t, "one more", func() bool { return len(third.all()) > 0 })
		if id := third.all()[0].ID; id != "n00060" {
			t.Errorf("%s came again", id)
		}
	})
}

func TestWhatWasDeletedIsToldThoughNothingFollows(t *testing.T) {
	at := fake(t)
	one := notice(1)
	var first, second inbox
	at.send(t, one)
	_, stop := at.run(t, first.take)
	eventually(t, "a notice", func() bool { return len(first.all()) == 1 })
	stop()
	at.send(t, one, one, one)
	at.deleteBefore(t, first.all()[0].Partition, 4)
	c, _ := at.run(t, second.take)
	eventually(t, "the loss", func() bool { return c.State().Lost == 3 })
}

// behind gives how many notices wait, as last asked; −1: nothing was asked yet.
func (p *progress) behind() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lags) == 0 {
		return -1
	}
	n := int64(0)
	for _, l := range p.lags {
		n += l.Lag
	}
	return n
}
