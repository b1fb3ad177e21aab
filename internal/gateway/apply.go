package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
	"kakehashi/outbox"
)

// ApplyRequest is a change that a clerk wants made. Exactly one of Register and Amend is
// there.
type ApplyRequest struct {
	Key      string // Idempotency-Key: 1 to 255 visible ASCII characters
	Basis    ledger.Basis
	Register *ledger.Registration
	Amend    *ledger.Amendment
}

// ApplyResult is what was changed, and what is owed to whom for it.
type ApplyResult struct {
	LookupID    ledger.LookupID // 受付番号 of this press of the button
	Repeated    bool            // the same press was carried out before: this is its result
	Beneficiary ledger.BeneficiaryID
	Number      ledger.BeneficiaryNumber
	Change      ledger.ChangeID
	Version     int           // of the beneficiary, as the change left it
	Owed        []outbox.Owed // today's states
	Waiting     []Waiting     // what is owed only once the guardian has a number
}

// Waiting is a change that cannot be told before the guardian has a 宛名番号.
type Waiting struct {
	Change ledger.ChangeID
	Kind   ledger.ChangeKind
}

// Apply changes the ledger: one transaction of the command's ID, the beneficiary, what is
// owed to neighbours and the entry of the record. The same key of the same client with the
// same content gives the first result again, authorised and recorded again. Errors, each of
// which has changed nothing and left its entry:
//   - Denied: the member may not, or the key is another member's (KKH1313);
//   - Invalid: the rules of the ledger forbid it, or the key bears other content (KKH1312);
//   - NotFound: there is no such beneficiary (KKH1314);
//   - Conflict: somebody was first (KKH1310), or the child is registered already (KKH1311),
//     with who and when as [ledger.Superseded].
//
// Unavailable means that nothing happened; where the database cannot be written it is
// [audit.IsUnwritable], as of a lookup. Where only others stood in the way it was tried
// again before it is told. Unsure means that it may have been committed:
// the same key again finds out. Of the result only LookupID then means something; of
// KKH1312 also whom the first press of the key was about, Beneficiary and Number.
func (g *Gateway) Apply(ctx context.Context, who staff.Member, r ApplyRequest) (ApplyResult, error) {
	if err := g.validApply(r); err != nil {
		return ApplyResult{}, err
	}
	pressed := g.press(who, r)
	p, nothing := pressed, ApplyResult{LookupID: pressed.result.LookupID}
	if g.flights != nil {
		end, _ := g.flights.Begin(ctx, string(pressed.command.ID))
		defer end()
	}
	err := g.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		p = pressed.again()
		return p.carryOut(ctx, tx)
	})
	if refusal(err) {
		nothing.Beneficiary, nothing.Number = p.stood.ID, p.stood.Number
		return nothing, g.refuse(ctx, p.entry, err)
	}
	if err != nil {
		return nothing, err
	}
	if p.result.Repeated {
		p.result.Owed, err = g.states(ctx, p.changes...)
		if err != nil {
			return nothing, err
		}
	}
	return p.result, nil
}

// refusal tells whether an error says that something may not or cannot be done, which the
// record keeps, and not that it failed.
func refusal(err error) bool {
	for _, kind := range []fault.Kind{fault.Denied, fault.Invalid, fault.Conflict, fault.NotFound} {
		if fault.Is(err, kind) {
			return true
		}
	}
	return false
}

// validApply checks the shape of what the record is going to keep. Whether it makes sense
// is the rules' question.
func (g *Gateway) validApply(r ApplyRequest) error {
	switch {
	case (r.Register == nil) == (r.Amend == nil):
		return fault.New(fault.Internal, "a change is either a registration or an amendment")
	case !validKey(r.Key):
		return invalid("KKH1319", "/Idempotency-Key", "the key is missing, too long or no visible ASCII")
	case r.Basis.Case != "" && !r.Basis.Case.Valid():
		return invalid("KKH1104", "/case", "the case number has not its shape")
	case r.Amend != nil:
		return nil
	}
	if r.Register.Guardian.Atena != "" {
		if err := g.validPerson(r.Register.Guardian.Atena, "/guardian/atena_number"); err != nil {
			return err
		}
	}
	return g.validPerson(r.Register.Child, "/child/atena_number")
}

func validKey(key string) bool {
	return key != "" && len(key) <= 255 && strings.IndexFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// press makes of a request what one transaction then carries out.
func (g *Gateway) press(who staff.Member, r ApplyRequest) *press {
	now := g.now()
	p := &press{
		g: g, who: who, body: g.record.Digest("command_body", bodyOf(r)),
		command: ledger.Command{ID: g.commandID(who, r.Key), By: by(who), At: now, Basis: r.Basis, Register: r.Register, Amend: r.Amend},
	}
	p.act = staff.Act{Verb: staff.Apply, Basis: r.Basis, At: now}
	p.entry = g.entry(who, p.act)
	p.result = ApplyResult{LookupID: ledger.LookupID(p.entry.Lookup), Change: p.command.ID}
	switch {
	case r.Register != nil:
		p.act.Change, p.result.Version, p.result.Beneficiary = staff.Registration, 1, newBeneficiaryID()
		p.concern(audit.Subject{Atena: string(r.Register.Child), Role: "asked"})
		p.act.Persons = []ledger.AtenaNumber{r.Register.Child}
		if named := r.Register.Guardian.Atena; named != "" {
			p.concern(audit.Subject{Atena: string(named), Role: "asked"})
			p.act.Persons = append(p.act.Persons, named)
		}
	case r.Amend.Kind == ledger.MailingChange:
		p.act.Change, p.result.Version, p.result.Beneficiary = staff.MailingAddress, r.Amend.Version+1, r.Amend.Beneficiary
	default: // the rules refuse it; what was typed is not recorded
		p.act.Change, p.result.Beneficiary = staff.MailingAddress, r.Amend.Beneficiary
	}
	note(&p.entry, "change", string(p.command.ID))
	note(&p.entry, "change_kind", p.act.Change)
	return p
}

// commandID names a press of a button: a keyed hash of client and Idempotency-Key, so that
// the same press bears the same name and nobody can guess another's.
func (g *Gateway) commandID(who staff.Member, key string) ledger.ChangeID {
	client := who.Client
	if client == "" {
		client = who.Staff
	}
	hash := sha256.Sum256([]byte(g.record.Digest("command", client+"\x00"+key)))
	return ledger.ChangeID("C-" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(hash[:])[:26])
}

// bodyOf spells out what a command asks for. Its form never changes, since the digest of a
// command that was carried out stands for ever.
func bodyOf(r ApplyRequest) string {
	fields := []string{string(r.Basis.Case), string(r.Basis.Procedure), r.Basis.Purpose, r.Basis.Reason}
	if a := r.Register; a != nil {
		i := a.Guardian.Identity
		fields = append(fields, "registration", string(a.Child), spell(a.Birth), string(a.Guardian.Atena),
			i.Name, i.Kana, spell(i.BirthDate), i.Sex, i.Address, spell(a.AppliedOn))
	}
	if a := r.Amend; a != nil {
		m := a.Mailing
		fields = append(fields, "amendment", string(a.Beneficiary), strconv.Itoa(a.Version), string(a.Kind),
			m.Name, m.PostalCode, m.Address, m.Extra, spell(m.From))
	}
	var b strings.Builder
	for _, f := range fields { // each with its length, so that two fields never read as one
		b.WriteString(strconv.Itoa(len(f)) + ":" + f)
	}
	return b.String()
}

func spell(d ledger.Date) string { return d.String() + d.Note }
