package main

import (
	"testing"

	"kakehashi/adapters/events"
)

// Of what is no event the inbox gets all that came, and a later program can read it anew.
func TestWhatIsNoEventArrivesWhole(t *testing.T) {
	headers := map[string]string{"content-type": "application/cloudevents+json"}
	raw := []byte(`{"specversion":"1.0","source":"urn:s","type":"t","data":{"a":1}}`)
	m, _ := events.ReadEnvelope(headers, raw)
	if got := noticeOf(m); string(got.Value) != string(raw) {
		t.Errorf("without an id: got %s, want all that came", got.Value)
	}
	m.ID = "1"
	if got := noticeOf(m); string(got.Value) != `{"a":1}` {
		t.Errorf("of an event: got %s, want its data", got.Value)
	}
	whole := []byte(`{"specversion":"1.0","source":"urn:s","id":"1","type":"t","data":{"a":1}}`)
	if got, ok := envelope(headers, whole); !ok || got.ID != "1" || string(got.Value) != `{"a":1}` {
		t.Errorf("read anew: got %+v, %v", got, ok)
	}
}
