package events

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

func TestAnEventIsWrittenAsCloudEventsSay(t *testing.T) {
	both(t, func(t *testing.T, at place) {
		p := at.publisher(t)
		c := change(1)
		if err := publish(t, p, c); err != nil {
			t.Fatal(err)
		}
		all := at.read(t, at.cfg.Topic)
		if len(all) != 1 {
			t.Fatalf("%d messages", len(all))
		}
		got := map[string]string{}
		for _, h := range all[0].Headers {
			got[h.Key] = string(h.Value)
		}
		want := map[string]string{
			"ce_specversion": "1.0", "ce_id": "132012-c00001", "ce_source": "urn:kakehashi:132012:ledger",
			"ce_type": "jp.lg.kakehashi.ledger.beneficiary.changed.v1", "ce_subject": p.Subject(c.Atena),
			"ce_time": "2026-11-24T01:02:03.456789Z", "content-type": "application/json",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
		if got, want := string(all[0].Key), p.Subject(c.Atena); got != want {
			t.Errorf("key: got %q, want %q", got, want)
		}
		if got, want := string(all[0].Value), "{}"; got != want {
			t.Errorf("value: got %q, want %q", got, want)
		}
		if s := p.State(t.Context()); !s.OK || s.Partitions != partitions || s.Last.IsZero() {
			t.Errorf("state: got %+v", s)
		}
	})
}

func TestSubjectsKeepTheirOrder(t *testing.T) {
	both(t, func(t *testing.T, at place) {
		p := at.publisher(t)
		// The relay sends many at once, but the next of a record only after the one before.
		var g errgroup.Group
		for person := range 7 {
			g.Go(func() error {
				for n := range 20 {
					c := change(person)
					c.ID = ledger.ChangeID(fmt.Sprintf("p%d-%03d", person, n))
					letter, err := p.Prepare(t.Context(), c)
					if err != nil {
						return err
					}
					if _, err := p.Send(t.Context(), letter); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		last := map[string]string{}
		where := map[string]int{}
		all := at.read(t, at.cfg.Topic)
		for _, m := range all {
			id := ""
			for _, h := range m.Headers {
				if h.Key == "ce_id" {
					id = string(h.Value)
				}
			}
			if id <= last[string(m.Key)] {
				t.Errorf("%s after %s", id, last[string(m.Key)])
			}
			if p, seen := where[string(m.Key)]; seen && p != m.Partition {
				t.Errorf("a subject is in partitions %d and %d", p, m.Partition)
			}
			last[string(m.Key)], where[string(m.Key)] = id, m.Partition
		}
		if len(all) != 140 || len(last) != 7 {
			t.Errorf("%d messages of %d subjects; want 140 of 7", len(all), len(last))
		}
	})
}

func TestNothingPersonalIsPublished(t *testing.T) {
	at := fake(t)
	p := at.publisher(t)
	planted := []string{"8888877777", "P-PLANTED", "R-PLANTED", "B-PLANTED", "S-PLANTED", "架空", "カクウ", "1234567890123", "東京都", "1990-01-02", "09012345678"}
	c := ledger.Change{
		ID: "opaque1", Kind: ledger.MailingChange, Record: "R-PLANTED", Version: 3, Person: "P-PLANTED", Atena: "8888877777",
		Number: "B-PLANTED", Operator: "S-PLANTED", At: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC),
		Mailing: ledger.MailingAddress{},
	}
	letter, err := p.Prepare(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	text := append([]byte(letter.Call+letter.Key), letter.Body...)
	for _, m := range at.read(t, at.cfg.Topic) {
		text = append(append(text, m.Key...), m.Value...)
		for _, h := range m.Headers {
			text = append(append(text, h.Key...), h.Value...)
		}
	}
	for _, secret := range planted {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("%q is published", secret)
		}
	}
	for _, word := range []string{"mailing", "person_use", "numbering"} {
		if bytes.Contains(text, []byte(word)) {
			t.Errorf("what changed is published: %q", word)
		}
	}
}

func TestARepeatIsTheSameLetter(t *testing.T) {
	at := fake(t)
	one, two := at.publisher(t), at.publisher(t)
	a, err := one.Prepare(t.Context(), change(1))
	if err != nil {
		t.Fatal(err)
	}
	later := change(1)
	later.At = later.At.In(japan())
	b, err := two.Prepare(t.Context(), later)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("(-one +two):\n%s", diff)
	}
}

func TestASubjectIsOfOneMunicipalityAndKey(t *testing.T) {
	a := subject([32]byte{1}, "132012", "1000000001")
	for name, other := range map[string]string{
		"another key":          subject([32]byte{2}, "132012", "1000000001"),
		"another municipality": subject([32]byte{1}, "131016", "1000000001"),
		"another person":       subject([32]byte{1}, "132012", "1000000002"),
	} {
		if a == other {
			t.Errorf("%s has the same subject", name)
		}
	}
	if len(a) != 32 || strings.Trim(a, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		t.Errorf("subject: %q", a)
	}
}

func TestWhatIsNotPublished(t *testing.T) {
	at := fake(t)
	p := at.publisher(t)
	numbering, unnumbered := change(1), change(2)
	numbering.Kind, unnumbered.Atena = ledger.Numbering, ""
	for _, c := range []ledger.Change{numbering, unnumbered} {
		if _, err := p.Prepare(t.Context(), c); !fault.Is(err, fault.Invalid) || fault.Code(err) != codeNotTold {
			t.Errorf("prepare: got %v", err)
		}
	}
	for _, l := range []ledger.Letter{{}, {Call: BeneficiaryChanged, Key: "x", Body: []byte(`{"name":"架空"}`)}} {
		if _, err := p.Send(t.Context(), l); !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "架空") {
			t.Errorf("send: got %v", err)
		}
	}
}

func TestNothingIsPublishedUnlessSomebodyMayBeTold(t *testing.T) {
	day := func(s string) time.Time {
		at, err := time.ParseInLocation(time.DateOnly, s, japan())
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	one := Config{Consumers: []Subscriber{{Name: "a", LegalBasis: "b", From: "2026-11-25"}}}
	for _, c := range []struct {
		cfg  Config
		on   string
		want bool
	}{{Config{}, "2026-11-24", false}, {one, "2026-11-24", false}, {one, "2026-11-25", true}, {one, "2027-01-01", true}} {
		if got := c.cfg.Publishes(day(c.on)); got != c.want {
			t.Errorf("on %s: got %v, want %v", c.on, got, c.want)
		}
	}
}

func TestSendEndsWithItsContext(t *testing.T) {
	at := fake(t)
	p := at.publisher(t)
	letter, err := p.Prepare(t.Context(), change(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Send(ctx, letter); !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Unsure) {
		t.Errorf("got %v", err)
	}
}
