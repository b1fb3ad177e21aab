package ledger

import (
	"strconv"
	"time"
)

// ChangeID names one change for ever and everywhere: in the ledger, in the outbox, in the
// record, and to the neighbour as the key of its request. The first change of a command
// bears the command's ID, the others that ID with .1, .2 …
type ChangeID string

// Nth gives the ID of the command's nth change, from 0.
func (id ChangeID) Nth(n int) ChangeID {
	if n == 0 {
		return id
	}
	return id + ChangeID("."+strconv.Itoa(n))
}

// ChangeKind says what a change tells. The names are part of the API.
type ChangeKind string

// The kinds of change.
const (
	PersonUse     ChangeKind = "person_use"      // 業務利用: this business uses the person's data
	Numbering     ChangeKind = "numbering"       // 付番依頼: a 住登外者 needs a 宛名番号
	MailingChange ChangeKind = "mailing_address" // 送付先
)

// ChangeKinds gives every kind.
func ChangeKinds() []ChangeKind { return []ChangeKind{PersonUse, Numbering, MailingChange} }

// Change is one fact that the ledger has taken and that others must learn. Everything a
// letter says is in it, so that a repeat is the same bytes.
type Change struct {
	ID       ChangeID
	Kind     ChangeKind
	Record   BeneficiaryID
	Version  int // of the record, as this change left it
	Person   PersonID
	Atena    AtenaNumber       // of Person; empty for Numbering alone
	Number   BeneficiaryNumber // of the record
	Operator string            // 職員番号 of who made the change
	At       time.Time         // when it was made
	Identity Identity          // of Numbering alone
	Mailing  MailingAddress    // of MailingChange alone
}

// NeedsNumber tells whether the change cannot be told before its person has a 宛名番号.
func (c Change) NeedsNumber() bool { return c.Kind != Numbering && c.Atena == "" }

// Letter is a change as one neighbour is told it.
type Letter struct {
	Call string // the neighbour's resource: app_submit/v10/jutogaishaatenabangofuban
	Key  string // the change's ID, sent as Idempotency-Key
	Body []byte
}

// Receipt is what a neighbour gave back for a change that took effect.
type Receipt struct {
	Atena AtenaNumber // of Numbering: the number assigned
}
