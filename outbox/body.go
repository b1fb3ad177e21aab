package outbox

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// storedForm is the version of the forms below. Rows of an older one may wait for years
// behind a parked change, so every version that ever was stays readable.
const storedForm = 1

// storedChange is a change as it is kept. It is declared here so that no change of the
// ledger's words ever changes what lies in a database; testdata holds one of each version.
type storedChange struct {
	Form     int             `json:"v"`
	ID       string          `json:"id"`
	Kind     string          `json:"kind"`
	Record   string          `json:"record"`
	Version  int             `json:"version"`
	Person   string          `json:"person"`
	Atena    string          `json:"atena,omitempty"`
	Number   string          `json:"number,omitempty"`
	Operator string          `json:"operator"`
	At       time.Time       `json:"at"`
	Identity *storedIdentity `json:"identity,omitempty"`
	Mailing  *storedMailing  `json:"mailing,omitempty"`
}

type storedDate struct {
	Year  int    `json:"y"`
	Month int    `json:"m"`
	Day   int    `json:"d"`
	Note  string `json:"note,omitempty"`
}

type storedIdentity struct {
	Name    string     `json:"name"`
	Kana    string     `json:"kana"`
	Birth   storedDate `json:"birth"`
	Sex     string     `json:"sex"`
	Address string     `json:"address"`
}

type storedMailing struct {
	Name    string     `json:"name,omitempty"`
	Postal  string     `json:"postal,omitempty"`
	Address string     `json:"address"`
	Extra   string     `json:"extra,omitempty"`
	From    storedDate `json:"from"`
}

// storedReceipt is a receipt that the ledger did not take.
type storedReceipt struct {
	Form  int    `json:"v"`
	Atena string `json:"atena,omitempty"`
}

func storeDate(d ledger.Date) storedDate { return storedDate{d.Year, int(d.Month), d.Day, d.Note} }

func (d storedDate) date() ledger.Date {
	return ledger.Date{Year: d.Year, Month: time.Month(d.Month), Day: d.Day, Note: d.Note}
}

func encodeChange(c ledger.Change) ([]byte, error) {
	s := storedChange{
		Form: storedForm, ID: string(c.ID), Kind: string(c.Kind), Record: string(c.Record), Version: c.Version,
		Person: string(c.Person), Atena: string(c.Atena), Number: string(c.Number), Operator: c.Operator, At: c.At,
	}
	if i := c.Identity; !i.Zero() {
		s.Identity = &storedIdentity{i.Name, i.Kana, storeDate(i.BirthDate), i.Sex, i.Address}
	}
	if m := c.Mailing; m != (ledger.MailingAddress{}) {
		s.Mailing = &storedMailing{m.Name, m.PostalCode, m.Address, m.Extra, storeDate(m.From)}
	}
	return json.Marshal(s)
}

func decodeChange(body []byte) (ledger.Change, error) {
	var s storedChange
	if err := json.Unmarshal(body, &s); err != nil || s.Form != storedForm {
		// The decoder's own text may repeat what stands there.
		return ledger.Change{}, fault.New(fault.Internal, "a kept change is of a form that this program does not know").WithCode(codeUnreadable)
	}
	c := ledger.Change{
		ID: ledger.ChangeID(s.ID), Kind: ledger.ChangeKind(s.Kind), Record: ledger.BeneficiaryID(s.Record), Version: s.Version,
		Person: ledger.PersonID(s.Person), Atena: ledger.AtenaNumber(s.Atena), Number: ledger.BeneficiaryNumber(s.Number),
		Operator: s.Operator, At: s.At,
	}
	if i := s.Identity; i != nil {
		c.Identity = ledger.Identity{Name: i.Name, Kana: i.Kana, BirthDate: i.Birth.date(), Sex: i.Sex, Address: i.Address}
	}
	if m := s.Mailing; m != nil {
		c.Mailing = ledger.MailingAddress{Name: m.Name, PostalCode: m.Postal, Address: m.Address, Extra: m.Extra, From: m.From.date()}
	}
	return c, nil
}

// sealer encrypts what is kept (AES-256-GCM) and digests letters (HMAC-SHA256), each with a
// key of its own derived from the municipality's.
type sealer struct {
	aead   cipher.AEAD
	digest []byte
}

func newSealer(key [32]byte) (*sealer, error) {
	body, err := hkdf.Key(sha256.New, key[:], nil, "kakehashi outbox body", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the outbox's keys: %w", err)
	}
	digest, err := hkdf.Key(sha256.New, key[:], nil, "kakehashi outbox digest", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the outbox's keys: %w", err)
	}
	block, err := aes.NewCipher(body)
	if err != nil {
		return nil, fmt.Errorf("make the outbox's cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make the outbox's cipher: %w", err)
	}
	return &sealer{aead: aead, digest: digest}, nil
}

// place is the additional data of what is kept: what lies in one row does not open in another.
func place(what string, id ledger.ChangeID, destination string) []byte {
	return []byte(what + "\x00" + string(id) + "\x00" + destination)
}

func (s *sealer) close(plain, place []byte) ([]byte, error) {
	nonce := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(plain)+s.aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	return s.aead.Seal(nonce, nonce, plain, place), nil
}

func (s *sealer) open(sealed, place []byte) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return nil, fault.New(fault.Internal, "what is kept of a change is cut short").WithCode(codeUnreadable)
	}
	plain, err := s.aead.Open(nil, sealed[:n], sealed[n:], place)
	if err != nil {
		return nil, fault.New(fault.Internal, "what is kept of a change does not open with this key").WithCode(codeUnreadable)
	}
	return plain, nil
}

func (s *sealer) closeChange(c ledger.Change, destination string) ([]byte, error) {
	body, err := encodeChange(c)
	if err != nil {
		return nil, fmt.Errorf("encode a change: %w", err)
	}
	return s.close(body, place("change", c.ID, destination))
}

func (s *sealer) openChange(body []byte, id ledger.ChangeID, destination string) (ledger.Change, error) {
	plain, err := s.open(body, place("change", id, destination))
	if err != nil {
		return ledger.Change{}, err
	}
	return decodeChange(plain)
}

func (s *sealer) closeReceipt(r ledger.Receipt, id ledger.ChangeID, destination string) ([]byte, error) {
	plain, err := json.Marshal(storedReceipt{Form: storedForm, Atena: string(r.Atena)})
	if err != nil {
		return nil, fmt.Errorf("encode a receipt: %w", err)
	}
	return s.close(plain, place("receipt", id, destination))
}

func (s *sealer) openReceipt(sealed []byte, id ledger.ChangeID, destination string) (ledger.Receipt, error) {
	plain, err := s.open(sealed, place("receipt", id, destination))
	if err != nil {
		return ledger.Receipt{}, err
	}
	var r storedReceipt
	if err := json.Unmarshal(plain, &r); err != nil || r.Form != storedForm {
		return ledger.Receipt{}, fault.New(fault.Internal, "a kept receipt is of a form that this program does not know").WithCode(codeUnreadable)
	}
	return ledger.Receipt{Atena: ledger.AtenaNumber(r.Atena)}, nil
}

// digestOf is the keyed digest of a letter; each part is preceded by its length, so that no
// two letters give the same bytes.
func (s *sealer) digestOf(l ledger.Letter) []byte {
	h := hmac.New(sha256.New, s.digest)
	for _, part := range [][]byte{[]byte(l.Call), []byte(l.Key), l.Body} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	return h.Sum(nil)
}
