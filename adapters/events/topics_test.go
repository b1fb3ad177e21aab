package events

import (
	"context"
	"testing"
	"time"
)

func TestTopicsThatAreMissingAreMade(t *testing.T) {
	both(t, func(t *testing.T, at place) {
		p := at.publisher(t)
		if err := publish(t, p, change(1)); err != nil {
			t.Fatal(err)
		}
		had := at.cfg.Topic
		at.cfg.Notices.Topic += ".new"
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for range 2 { // the second time all are there
			if err := CreateTopics(ctx, at.conn, at.cfg); err != nil {
				t.Fatal(err)
			}
		}
		at.send(t, notices(0, 1)...)
		if n := len(at.read(t, at.cfg.Notices.Topic)); n != 1 {
			t.Errorf("%d notices; want one", n)
		}
		if n := len(at.read(t, had)); n != 1 {
			t.Errorf("%d events; the topic was there", n)
		}
		at.drop(t, at.cfg.Notices.Topic)
	})
}
