package events

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kakehashi/internal/fault"
)

func TestAProbeWritesWhereNobodyReads(t *testing.T) {
	both(t, func(t *testing.T, at place) {
		p := at.publisher(t)
		for range 3 {
			if err := p.Probe(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(at.read(t, at.cfg.Probe)); n != 3 {
			t.Errorf("%d values; want 3", n)
		}
		if n := len(at.read(t, at.cfg.Topic)); n != 0 {
			t.Errorf("%d events", n)
		}
		at.cfg.Probe += ".missing"
		if err := at.publisher(t).Probe(t.Context()); !fault.Is(err, fault.NotFound) || fault.Code(err) != codeNoProbe {
			t.Errorf("no topic: got %v", err)
		}
	})
}

func TestAProbeThatCannotReadSaysSo(t *testing.T) {
	at := fake(t)
	p := at.publisher(t)
	at.fake.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		return emptyFetch(r.(*kmsg.FetchRequest)), nil, true
	})
	if err := p.Probe(t.Context()); fault.Code(err) != codeProbe {
		t.Errorf("nothing there: got %v", err)
	}
	at.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed})
	if err := p.Probe(t.Context()); fault.Code(err) != codeForbidden {
		t.Errorf("not allowed: got %v", err)
	}
}
