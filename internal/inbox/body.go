package inbox

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// storedForm is the version of the form below. Parked rows may wait long, so every version
// that ever was stays readable.
const storedForm = 1

// storedNotice is a notice as it is kept: what it says, or, where that is unknown, all that
// came.
type storedNotice struct {
	Form int    `json:"v"`
	By   string `json:"by,omitempty"`

	// Of one that could be read.
	Atena     string `json:"atena,omitempty"`
	Kind      string `json:"kind,omitempty"`
	Effective string `json:"effective,omitempty"`

	// Of one that could not. Texts are kept as bytes: they may be of any encoding.
	Source  []byte            `json:"source,omitempty"`
	ID      []byte            `json:"id,omitempty"`
	Type    []byte            `json:"type,omitempty"`
	Subject []byte            `json:"subject,omitempty"`
	Time    []byte            `json:"time,omitempty"`
	Headers map[string][]byte `json:"headers,omitempty"`
	Value   []byte            `json:"value,omitempty"`
	Cut     bool              `json:"cut,omitempty"` // of the value the beginning alone is kept
}

// message gives back what was kept of a message that could not be read.
func (s storedNotice) message() Message {
	m := Message{
		Source: string(s.Source), ID: string(s.ID), Type: string(s.Type), Subject: string(s.Subject), Time: string(s.Time),
		Value: s.Value, By: s.By, Headers: map[string]string{},
	}
	for name, value := range s.Headers {
		m.Headers[name] = string(value)
	}
	return m
}

// notice gives what was kept of a message that could be read.
func (s storedNotice) notice() (ledger.Notice, bool) {
	day, ok := ledger.ParseDate(s.Effective)
	return ledger.Notice{Person: ledger.AtenaNumber(s.Atena), Kind: ledger.NoticeKind(s.Kind), Effective: day}, ok && s.Atena != ""
}

// storeRead is the form of a notice that could be read.
func storeRead(n ledger.Notice, by string) storedNotice {
	return storedNotice{Form: storedForm, By: by, Atena: string(n.Person), Kind: string(n.Kind), Effective: n.Effective.String()}
}

// storeRaw is the form of a message that could not be read. What is longer than any broker
// lets through is cut.
func storeRaw(m Message) storedNotice {
	room := mostKept
	cut := false
	take := func(b []byte) []byte {
		if len(b) > room {
			b, cut = b[:room], true
		}
		room -= len(b)
		return b
	}
	s := storedNotice{
		Form: storedForm, By: m.By, Source: take([]byte(m.Source)), ID: take([]byte(m.ID)), Type: take([]byte(m.Type)),
		Subject: take([]byte(m.Subject)), Time: take([]byte(m.Time)), Value: take(m.Value), Headers: map[string][]byte{},
	}
	for name, value := range m.Headers {
		if len(s.Headers) < mostHeaders && len(name) < mostText {
			s.Headers[name] = take([]byte(value))
		}
	}
	s.Cut = cut
	return s
}

// sealer encrypts what is kept (AES-256-GCM) and makes names (HMAC-SHA256), each with a key
// of its own derived from the municipality's.
type sealer struct {
	aead cipher.AEAD
	name []byte
}

func newSealer(key [32]byte) (*sealer, error) {
	body, err := hkdf.Key(sha256.New, key[:], nil, "kakehashi inbox body", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the inbox's keys: %w", err)
	}
	name, err := hkdf.Key(sha256.New, key[:], nil, "kakehashi inbox name", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the inbox's keys: %w", err)
	}
	block, err := aes.NewCipher(body)
	if err != nil {
		return nil, fmt.Errorf("make the inbox's cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make the inbox's cipher: %w", err)
	}
	return &sealer{aead: aead, name: name}, nil
}

// hash is a keyed hash of texts, each preceded by its length, as 26 letters and digits.
func (s *sealer) hash(parts ...string) string {
	h := hmac.New(sha256.New, s.name)
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil))[:26]
}

// nameOf gives the name of a message: the same event always has the same. One without
// source and id is known by its bytes, and by where it lies: after a topic was made anew
// another lies where it lay.
func (s *sealer) nameOf(m Message) string {
	switch {
	case m.Source != "" && m.ID != "":
		return "N-" + s.hash("event", m.Source, m.ID)
	case m.Topic != "":
		return "N-" + s.hash("place", m.Topic, strconv.Itoa(m.Partition), strconv.FormatInt(m.Offset, 10), string(m.Value))
	default:
		return "N-" + s.hash("bytes", m.Source, m.ID, m.Type, m.Time, string(m.Value))
	}
}

// laneOf gives the lane of a person.
func (s *sealer) laneOf(p ledger.AtenaNumber) string { return s.hash("person", string(p)) }

func (s *sealer) close(n storedNotice, name string) ([]byte, error) {
	plain, err := json.Marshal(n)
	if err != nil {
		return nil, fmt.Errorf("encode a notice: %w", err)
	}
	nonce := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(plain)+s.aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	return s.aead.Seal(nonce, nonce, plain, []byte("notice\x00"+name)), nil
}

func (s *sealer) open(sealed []byte, name string) (n storedNotice, err error) {
	size := s.aead.NonceSize()
	if len(sealed) < size {
		return n, unreadable("is cut short")
	}
	plain, err := s.aead.Open(nil, sealed[:size], sealed[size:], []byte("notice\x00"+name))
	if err != nil {
		return n, unreadable("does not open with this key")
	}
	if err := json.Unmarshal(plain, &n); err != nil || n.Form != storedForm {
		return n, unreadable("is of a form that this program does not know") // the decoder may repeat what stands there
	}
	return n, nil
}

func unreadable(how string) error {
	return fault.New(fault.Internal, "what is kept of a notice %s", how).WithCode(codeUnreadable)
}

// eventTime reads the time of an event; zero: it says none.
func eventTime(text string) (time.Time, bool) {
	if text == "" {
		return time.Time{}, true
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, err == nil && at.Year() > 1970 && at.Year() < 10000
}
