package events

import (
	"bytes"
	"mime"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/segmentio/kafka-go"
)

// Message is a message of the topic of notices, as far as it could be read. Where Source or
// ID is empty it is no CloudEvent; it is handed on all the same, to be kept with its bytes.
type Message struct {
	Source  string // CloudEvents source
	ID      string // CloudEvents id: unique within the source
	Type    string // CloudEvents type
	Subject string // CloudEvents subject; empty: it names none
	Time    string // CloudEvents time as it stands there, RFC 3339; empty: it says none
	Value   []byte // the event's data; the whole value where that could not be read as an event

	Key     []byte            // as read
	Raw     []byte            // the whole value, as read
	Headers map[string]string // as read; the last of the same name counts

	Topic     string
	Partition int
	Offset    int64
}

// structured is the JSON form of a CloudEvent, as far as we read it.
type structured struct {
	SpecVersion string         `json:"specversion"`
	ID          string         `json:"id"`
	Source      string         `json:"source"`
	Type        string         `json:"type"`
	Subject     string         `json:"subject"`
	Time        string         `json:"time"`
	Data        jsontext.Value `json:"data"`
	DataBase64  []byte         `json:"data_base64"`
}

// readMessage reads a message in either mode of CloudEvents 1.0. It refuses nothing.
func readMessage(m kafka.Message) Message {
	headers := map[string]string{}
	for _, h := range m.Headers {
		headers[strings.ToLower(h.Key)] = string(h.Value)
	}
	read, _ := ReadEnvelope(headers, m.Value)
	read.Key, read.Topic, read.Partition, read.Offset = m.Key, m.Topic, m.Partition, m.Offset
	return read
}

// ReadEnvelope reads a value and its headers, named in lower case, in either mode of
// CloudEvents 1.0, and tells whether they are an event: whether they name a source and an
// id. Of what is none it gives what could be read.
func ReadEnvelope(headers map[string]string, raw []byte) (read Message, ok bool) {
	read = Message{Value: raw, Raw: raw, Headers: headers}
	kind, _, _ := mime.ParseMediaType(headers["content-type"])
	switch {
	case kind == "application/cloudevents+json":
		var e structured
		if json.Unmarshal(raw, &e) != nil || !strings.HasPrefix(e.SpecVersion, "1.") {
			return read, false
		}
		read.Source, read.ID, read.Type, read.Subject, read.Time = e.Source, e.ID, e.Type, e.Subject, e.Time
		if read.Value = e.DataBase64; read.Value == nil {
			read.Value = bytes.Clone(e.Data)
		}
	case strings.HasPrefix(headers["ce_specversion"], "1."):
		read.Source, read.ID, read.Type = headers["ce_source"], headers["ce_id"], headers["ce_type"]
		read.Subject, read.Time = headers["ce_subject"], headers["ce_time"]
	}
	return read, read.Source != "" && read.ID != ""
}
