package events

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnEnvelopeIsReadFromWhatCame(t *testing.T) {
	binary := map[string]string{"ce_specversion": "1.0", "ce_source": "urn:s", "ce_id": "1", "ce_type": "t"}
	structured := map[string]string{"content-type": "application/cloudevents+json; charset=UTF-8"}
	for _, c := range []struct {
		name    string
		headers map[string]string
		raw     string
		want    Message
		ok      bool
	}{
		{"binary", binary, `{"a":1}`, Message{Source: "urn:s", ID: "1", Type: "t", Value: []byte(`{"a":1}`)}, true},
		{"structured", structured, `{"specversion":"1.0","source":"urn:s","id":"1","type":"t","data":{"a":1}}`,
			Message{Source: "urn:s", ID: "1", Type: "t", Value: []byte(`{"a":1}`)}, true},
		{"without an id", structured, `{"specversion":"1.0","source":"urn:s","type":"t","data":{"a":1}}`,
			Message{Source: "urn:s", Type: "t", Value: []byte(`{"a":1}`)}, false},
		{"of another version", structured, `{"specversion":"2.0"}`, Message{Value: []byte(`{"specversion":"2.0"}`)}, false},
		{"without a version", map[string]string{"ce_id": "1", "ce_source": "urn:s"}, `{}`, Message{Value: []byte(`{}`)}, false},
	} {
		got, ok := ReadEnvelope(c.headers, []byte(c.raw))
		c.want.Raw, c.want.Headers = []byte(c.raw), c.headers
		if diff := cmp.Diff(c.want, got); diff != "" || ok != c.ok {
			t.Errorf("%s: an event: %v, want %v (-want +got):\n%s", c.name, ok, c.ok, diff)
		}
	}
}
