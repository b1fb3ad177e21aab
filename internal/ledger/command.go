package ledger

import (
	"fmt"
	"time"
)

// Command is what a clerk wants changed. Exactly one of Register and Amend is there.
type Command struct {
	ID       ChangeID // of the press of the button: the same press again bears the same
	By       string   // 職員番号
	At       time.Time
	Basis    Basis
	Register *Registration
	Amend    *Amendment
}

// Party is how an application names somebody: by 宛名番号, or by an Identity for a person
// who has none here. Exactly one is there.
type Party struct {
	Atena    AtenaNumber
	Identity Identity
}

// Registration (認定) begins a child's entitlement.
type Registration struct {
	Child     AtenaNumber
	Birth     Date // the child's, taken over from a lookup; zero: not said
	Guardian  Party
	AppliedOn Date
}

// Amendment changes something of a beneficiary.
type Amendment struct {
	Beneficiary BeneficiaryID
	Version     int // the version that the clerk saw
	Kind        ChangeKind
	Mailing     MailingAddress // of MailingChange, with its first day
}

// Superseded says that somebody was first: who made the version that stands, and when. It
// is the cause of a Conflict.
type Superseded struct {
	Version int
	By      string // 職員番号
	At      time.Time
}

// Error gives the text for operators.
func (s *Superseded) Error() string {
	return fmt.Sprintf("version %d was made by %s at %s", s.Version, s.By, s.At.Format(time.RFC3339))
}
