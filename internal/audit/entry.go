package audit

import (
	"encoding/json"
	"fmt"
	"strings"

	"kakehashi/internal/fault"
)

// Kind says what an entry tells.
type Kind string

// The kinds of entries. Opened, Settled, Interrupted, Withheld, Probe and Loss are written
// by this package alone.
const (
	Opened       Kind = "opened"        // a writer begins; names the predecessors it settled
	Settled      Kind = "settled"       // a writer is gone: its last number, and those that it left void
	Intent       Kind = "intent"        // somebody is about to look something up
	Outcome      Kind = "outcome"       // how it ended, and who is in the answer
	Refused      Kind = "refused"       // it was not allowed
	Interrupted  Kind = "interrupted"   // the writer of an intent was gone before its outcome
	Withheld     Kind = "withheld"      // no answer was given, because its outcome could not be kept or nobody waited
	Change       Kind = "change"        // the ledger was changed, or what is owed to a neighbour
	Delivery     Kind = "delivery"      // a neighbour was told of a change, or that came to a stop
	Read         Kind = "read"          // the record itself was searched or exported
	TokenRefused Kind = "token_refused" // who asked could not show who they are
	Probe        Kind = "probe"         // the record can be written again
	Loss         Kind = "loss"          // the database is behind what was sealed: what is gone
)

// Known tells whether there is such a kind.
func (k Kind) Known() bool {
	switch k {
	case Opened, Settled, Intent, Outcome, Refused, Interrupted, Withheld, Change, Delivery, Read, TokenRefused, Probe, Loss:
		return true
	}
	return false
}

// FlagNoCase marks an entry of a lookup or a search without a case (案件なし), for
// self-inspection (自己点検).
const FlagNoCase = "no_case"

// Actor is who did it, as the token said and the gateway understood it.
type Actor struct {
	Staff          string `json:"staff,omitempty"` // 職員番号
	Department     string `json:"department,omitempty"`
	Terminal       string `json:"terminal,omitempty"`
	Authentication string `json:"authentication,omitempty"` // acr
	Role           string `json:"role,omitempty"`
	Client         string `json:"client,omitempty"`
}

// Subject is a person whom an entry concerns.
type Subject struct {
	Atena string `json:"atena_number"` // 宛名番号
	Role  string `json:"role"`         // asked, shown, candidate, case, told, numbered: a lower-case word
}

// SourceEnd is how the question to one source ended.
type SourceEnd struct {
	Source     string   `json:"source"`
	Outcome    string   `json:"outcome"`
	Reason     string   `json:"reason,omitempty"`
	Items      []string `json:"items,omitempty"`      // what was shown
	Suppressed []string `json:"suppressed,omitempty"` // what was kept back
	Millis     int64    `json:"millis,omitempty"`
}

// FieldDigest is one field of a search: its name and the keyed digest of what was in it
// ([Log.Digest]), so that two searches can be told to be the same and neither can be read.
type FieldDigest struct {
	Field  string `json:"field"`
	Digest string `json:"digest"`
}

// Entry is what is recorded. Only Kind is always there; nothing in it may be a name, an
// address or another personal value: of a person it holds the 宛名番号 alone.
type Entry struct {
	Kind       Kind              `json:"kind,omitempty"`
	Lookup     string            `json:"lookup,omitempty"` // 照会番号
	Act        string            `json:"act,omitempty"`    // the verb: lookup, find, …
	Actor      Actor             `json:"actor,omitzero"`
	Case       string            `json:"case,omitempty"` // 案件番号; empty: 案件なし
	Procedure  string            `json:"procedure,omitempty"`
	LegalBasis string            `json:"legal_basis,omitempty"`
	Purpose    string            `json:"purpose,omitempty"`
	Reason     string            `json:"reason,omitempty"`
	Sources    []string          `json:"sources,omitempty"`
	Items      []string          `json:"items,omitempty"`
	Flags      []string          `json:"flags,omitempty"`
	Ends       []SourceEnd       `json:"ends,omitempty"`
	Search     []FieldDigest     `json:"search,omitempty"`
	Subjects   []Subject         `json:"subjects,omitempty"`
	Code       string            `json:"code,omitempty"` // message number of a refusal
	Count      int               `json:"count,omitempty"`
	Address    string            `json:"address,omitempty"` // whence a refused token came
	Detail     map[string]string `json:"detail,omitempty"`
}

// row is an entry as it is stored.
type row struct {
	id       int64
	writer   string
	number   int64
	at       string
	kind     string
	lookup   string
	staff    string
	caseID   string
	subjects string
	void     string
	body     string
	salt     []byte
	mac      []byte
	mistyped bool // a column holds what this package never writes there
}

// name is how people call an entry: writer and running number.
func (r *row) name() string { return fmt.Sprintf("%s/%d", r.writer, r.number) }

// encode makes the row of an entry; its writer, numbers and hash are given it in the
// transaction.
func encode(e Entry, at string, salt []byte) (*row, error) {
	if !e.Kind.Known() {
		return nil, fault.New(fault.Internal, "an entry of an unknown kind was to be recorded")
	}
	subjects, err := joinSubjects(e.Subjects)
	if err != nil {
		return nil, err
	}
	r := &row{
		at: at, kind: string(e.Kind), lookup: e.Lookup, staff: e.Actor.Staff, caseID: e.Case,
		subjects: subjects, salt: salt,
	}
	// The columns hold these; the hash covers both.
	e.Kind, e.Lookup, e.Actor.Staff, e.Case, e.Subjects = "", "", "", "", nil
	body, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode an entry: %w", err)
	}
	r.body = string(body)
	return r, nil
}

// decode is encode's inverse.
func (r *row) decode() (Entry, error) {
	var e Entry
	if err := json.Unmarshal([]byte(r.body), &e); err != nil || r.mistyped {
		return Entry{}, fault.New(fault.Internal, "entry %s cannot be read", r.name()).WithCode("KKH3102")
	}
	subjects, err := splitSubjects(r.subjects)
	if err != nil {
		return Entry{}, err
	}
	e.Kind, e.Lookup, e.Actor.Staff, e.Case, e.Subjects = Kind(r.kind), r.lookup, r.staff, r.caseID, subjects
	return e, nil
}

func joinSubjects(subjects []Subject) (string, error) {
	if len(subjects) == 0 {
		return "", nil
	}
	var b strings.Builder
	for i, s := range subjects {
		if s.Role == "" || s.Atena == "" || strings.ContainsAny(s.Role+s.Atena, ": ") {
			return "", fault.New(fault.Internal, "a person to be recorded has no number or no role, or one with a space or colon")
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s.Role)
		b.WriteByte(':')
		b.WriteString(s.Atena)
	}
	return b.String(), nil
}

func splitSubjects(text string) ([]Subject, error) {
	if text == "" {
		return nil, nil
	}
	parts := strings.Split(text, " ")
	subjects := make([]Subject, len(parts))
	for i, p := range parts {
		role, atena, ok := strings.Cut(p, ":")
		if !ok {
			return nil, fault.New(fault.Internal, "the persons of an entry cannot be read").WithCode("KKH3102")
		}
		subjects[i] = Subject{Atena: atena, Role: role}
	}
	return subjects, nil
}
