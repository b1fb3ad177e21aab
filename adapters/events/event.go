package events

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/segmentio/kafka-go"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// BeneficiaryChanged is the type of the one event that is published: the ledger holds
// something new of the person that the subject stands for.
const BeneficiaryChanged = "jp.lg.kakehashi.ledger.beneficiary.changed.v1"

// specVersion is the version of CloudEvents that is spoken.
const specVersion = "1.0"

// Kinds gives the kinds of change that are published: those that are told of a person who
// has a 宛名番号. A numbering is not, since its person has none to make a subject of; once
// the number is assigned, the use of that person's data follows as a change of its own. All
// have the same type: whether it is an address that changed is already something to know.
func Kinds() []ledger.ChangeKind { return []ledger.ChangeKind{ledger.PersonUse, ledger.MailingChange} }

// event is one event as a letter holds it: the structured JSON form of CloudEvents, in a
// fixed order. It is kept nowhere else and has no data.
type event struct {
	SpecVersion string `json:"specversion"`
	ID          string `json:"id"`
	Source      string `json:"source"`
	Type        string `json:"type"`
	Subject     string `json:"subject"`
	Time        string `json:"time"`
}

// source names the ledger of a municipality.
func source(municipality string) string { return "urn:kakehashi:" + municipality + ":ledger" }

// subject stands for a person: a keyed hash of the municipality and the 宛名番号, so that the
// same person is the same subject, for this municipality and this key alone.
func subject(key [32]byte, municipality string, person ledger.AtenaNumber) string {
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte("event subject\x00" + municipality + "\x00" + string(person)))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac.Sum(nil)[:20]))
}

// event makes the event of a change. It is the same however often and whenever it is made.
func (p *Publisher) event(c ledger.Change) (event, error) {
	switch c.Kind {
	case ledger.PersonUse, ledger.MailingChange:
	default:
		return event{}, notTold("Kafka is not told of this kind of change")
	}
	if c.Atena == "" || c.ID == "" || c.At.IsZero() {
		return event{}, notTold("a change without a number, an ID or a time makes no event")
	}
	return event{
		SpecVersion: specVersion,
		ID:          p.rooms.Municipality + "-" + string(c.ID),
		Source:      source(p.rooms.Municipality),
		Type:        BeneficiaryChanged,
		Subject:     p.Subject(c.Atena),
		Time:        c.At.UTC().Format(time.RFC3339Nano),
	}, nil
}

func notTold(what string) error {
	return fault.New(fault.Invalid, "%s", what).WithCode(codeNotTold)
}

// message gives the event in the binary mode of CloudEvents on Kafka. The data is an empty
// object: a message without a value would be a deletion on a topic that is compacted.
func (e event) message() kafka.Message {
	header := func(name, value string) kafka.Header { return kafka.Header{Key: name, Value: []byte(value)} }
	return kafka.Message{
		Key: []byte(e.Subject), Value: []byte("{}"),
		Headers: []kafka.Header{
			header("ce_specversion", e.SpecVersion),
			header("ce_id", e.ID),
			header("ce_source", e.Source),
			header("ce_type", e.Type),
			header("ce_subject", e.Subject),
			header("ce_time", e.Time),
			header("content-type", "application/json"),
		},
	}
}

// letter gives the event as the outbox keeps track of it.
func (e event) letter() (ledger.Letter, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return ledger.Letter{}, fault.New(fault.Internal, "write an event: %w", err).WithCode(codeNotTold)
	}
	return ledger.Letter{Call: e.Type, Key: e.ID, Body: body}, nil
}

// readLetter is the inverse of letter.
func readLetter(l ledger.Letter) (event, error) {
	var e event
	if err := json.Unmarshal(l.Body, &e, json.RejectUnknownMembers(true)); err != nil || e.ID != l.Key || e.Type != l.Call {
		return event{}, notTold("the letter is no event of ours")
	}
	return e, nil
}
