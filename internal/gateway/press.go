package gateway

import (
	"context"
	"slices"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/ledgerdb"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
	"kakehashi/outbox"
)

// press is one press of a button on its way through its transaction.
type press struct {
	g       *Gateway
	who     staff.Member
	command ledger.Command
	body    string // keyed digest of what is asked for
	act     staff.Act
	entry   audit.Entry
	result  ApplyResult
	of      ledger.Beneficiary
	changes []ledger.ChangeID  // of a press that was carried out before
	stood   ledger.Beneficiary // of a press that was carried out before with other content
}

// newBeneficiaryID is the ledger's: what a command makes is named before it is begun, so
// that the row of the command is written once.
func newBeneficiaryID() ledger.BeneficiaryID { return ledgerdb.NewBeneficiaryID() }

// again gives the press as it was before its transaction began: the same command, under the
// same 受付番号.
func (p *press) again() *press {
	fresh := *p
	fresh.entry, fresh.act.Persons = anew(p.entry), slices.Clone(p.act.Persons)
	return &fresh
}

// carryOut does all of it, or takes all of it back. Nothing in it waits for anybody.
func (p *press) carryOut(ctx context.Context, tx *store.Tx) error {
	if id := p.act.Basis.Case; id != "" {
		found, err := caseIn(ctx, tx, p.who, id)
		if err != nil {
			return err
		}
		p.act.Case = found
	}
	first, again, err := ledgerdb.Begin(ctx, tx, ledgerdb.Command{
		ID: p.command.ID, Body: p.body, By: p.command.By, At: p.command.At, Kind: p.act.Change,
		Beneficiary: p.result.Beneficiary, Version: p.result.Version,
	})
	if err != nil {
		return err
	}
	if again {
		return p.repeat(ctx, tx, first)
	}
	decide := p.register
	if p.command.Amend != nil {
		decide = p.amend
	}
	changes, err := decide(ctx, tx)
	if err != nil {
		return err
	}
	if err := ledgerdb.Finish(ctx, tx, p.command.ID, len(changes)); err != nil {
		return err
	}
	if err := p.owe(ctx, tx, changes); err != nil {
		return err
	}
	return p.record(ctx, tx)
}

// register takes the persons and the entitlement into the ledger.
func (p *press) register(ctx context.Context, tx *store.Tx) ([]ledger.Change, error) {
	if _, err := p.g.judge(p.who, &p.act, &p.entry); err != nil {
		return nil, err
	}
	r := p.command.Register
	if err := ledger.CheckParty(r.Guardian, p.command.At); err != nil {
		return nil, err
	}
	child, known, err := ensure(ctx, tx, ledger.Party{Atena: r.Child})
	if err != nil {
		return nil, err
	}
	if known {
		if err := unregistered(ctx, tx, child); err != nil {
			return nil, err
		}
	}
	guardian, _, err := ensure(ctx, tx, r.Guardian)
	if err != nil {
		return nil, err
	}
	tellChild, err := p.g.untold(ctx, tx, child.ID)
	if err != nil {
		return nil, err
	}
	tellGuardian, err := p.g.untold(ctx, tx, guardian.ID)
	if err != nil {
		return nil, err
	}
	number, err := ledgerdb.NextNumber(ctx, tx)
	if err != nil {
		return nil, err
	}
	b := ledger.Beneficiary{ID: p.result.Beneficiary, Number: number, Child: child, Guardian: guardian}
	b, changes, err := ledger.Register(p.command, b, tellChild, tellGuardian)
	if err != nil {
		return nil, err
	}
	p.of, p.result.Number = b, b.Number
	if err := ledgerdb.KeepUses(ctx, tx, changes); err != nil {
		return nil, err
	}
	return changes, ledgerdb.AddBeneficiary(ctx, tx, b)
}

// untold tells whether it is still to be told that this business uses the person's data:
// nothing that tells it was made, or what was made was left untold. What is held for a
// number, owed, or delivered stands.
func (g *Gateway) untold(ctx context.Context, tx *store.Tx, id ledger.PersonID) (bool, error) {
	change, made, err := ledgerdb.UseOf(ctx, tx, id)
	if err != nil || !made {
		return err == nil, err
	}
	if g.outbox == nil {
		return false, nil
	}
	return g.outbox.LeftUntold(ctx, tx, change)
}

// amend changes a beneficiary that stands.
func (p *press) amend(ctx context.Context, tx *store.Tx) ([]ledger.Change, error) {
	b, found, err := ledgerdb.BeneficiaryOf(ctx, tx, p.command.Amend.Beneficiary)
	if err != nil {
		return nil, err
	}
	if found {
		p.ask(b)
	}
	if _, err := p.g.judge(p.who, &p.act, &p.entry); err != nil {
		return nil, err
	}
	if !found {
		return nil, noBeneficiary()
	}
	b, changes, err := ledger.Amend(p.command, b)
	if err != nil {
		return nil, err
	}
	p.of, p.result.Number = b, b.Number
	return changes, ledgerdb.SaveMailing(ctx, tx, b, p.command.ID)
}

// repeat gives the result of the first press again. Whether the member may is asked before
// anything of the first press is told.
func (p *press) repeat(ctx context.Context, tx *store.Tx, first ledgerdb.Command) error {
	if a := p.command.Amend; a != nil {
		b, found, err := ledgerdb.BeneficiaryOf(ctx, tx, a.Beneficiary)
		if err != nil {
			return err
		}
		if found {
			p.ask(b)
		}
	}
	if _, err := p.g.judge(p.who, &p.act, &p.entry); err != nil {
		return err
	}
	if first.By != p.command.By {
		return fault.New(fault.Denied, "another member of staff used this key").WithCode("KKH1313").WithReason("key_of_another")
	}
	b, found, err := ledgerdb.BeneficiaryOf(ctx, tx, first.Beneficiary)
	if err != nil {
		return err
	}
	if !found {
		return fault.New(fault.Internal, "a command was carried out on a beneficiary that is gone")
	}
	if first.Body != p.body {
		p.stood = b
		note(&p.entry, "beneficiary", string(b.ID))
		return fault.New(fault.Invalid, "this key was used for something else").WithCode("KKH1312").WithReason("key_reused")
	}
	held, err := ledgerdb.HeldOf(ctx, tx, b.ID)
	if err != nil {
		return err
	}
	p.of = b
	r := &p.result
	r.Repeated, r.Beneficiary, r.Number, r.Version = true, b.ID, b.Number, first.Version
	for n := range first.Changes {
		p.changes = append(p.changes, first.ID.Nth(n))
	}
	r.Waiting = waiting(held, func(h ledgerdb.Held) bool { return slices.Contains(p.changes, h.Change) })
	note(&p.entry, "repeated", "true")
	return p.record(ctx, tx)
}

// owe has told what can be told, and keeps what waits for a number.
func (p *press) owe(ctx context.Context, tx *store.Tx, changes []ledger.Change) (err error) {
	var now, later []ledger.Change
	for _, c := range changes {
		if c.NeedsNumber() {
			later = append(later, c)
			p.result.Waiting = append(p.result.Waiting, Waiting{Change: c.ID, Kind: c.Kind})
		} else {
			now = append(now, c)
		}
	}
	if p.result.Owed, err = p.g.enqueue(ctx, tx, now); err != nil {
		return err
	}
	p.entry.Sources = destinations(p.result.Owed)
	if len(later) == 0 {
		return nil
	}
	return ledgerdb.Hold(ctx, tx, later)
}

// record says whose data were changed, now that they are; a repeated press changed nobody's.
func (p *press) record(ctx context.Context, tx *store.Tx) error {
	e, role := p.entry, "changed"
	if p.result.Repeated {
		role = "asked"
	}
	e.Kind, e.Subjects = audit.Change, subjectsOf(p.of, role)
	note(&e, "beneficiary", string(p.of.ID))
	return p.g.record.Append(ctx, tx, e)
}

func (p *press) concern(s audit.Subject) {
	if !slices.Contains(p.entry.Subjects, s) {
		p.entry.Subjects = append(p.entry.Subjects, s)
	}
}

// ask says whom an amendment concerns, before it is authorised.
func (p *press) ask(b ledger.Beneficiary) {
	p.act.Persons = onCase(b)
	p.entry.Subjects = subjectsOf(b, "asked")
	note(&p.entry, "beneficiary", string(b.ID))
}

// onCase gives those whom a case must concern for a beneficiary to be shown or changed: the
// child, and a guardian whom the city knew by a 宛名番号. Of a guardian who was named by an
// identity no case could list the number that came later.
func onCase(b ledger.Beneficiary) []ledger.AtenaNumber {
	persons := []ledger.AtenaNumber{b.Child.Atena}
	if b.Guardian.Numbered() && b.Guardian.Identity.Zero() {
		persons = append(persons, b.Guardian.Atena)
	}
	return persons
}

func subjectsOf(b ledger.Beneficiary, role string) []audit.Subject {
	subjects := []audit.Subject{{Atena: string(b.Child.Atena), Role: role}}
	if b.Guardian.Numbered() {
		subjects = append(subjects, audit.Subject{Atena: string(b.Guardian.Atena), Role: role})
	}
	return subjects
}

// ensure gives the person whom an application names; the second value: the ledger knew
// the person.
func ensure(ctx context.Context, tx *store.Tx, named ledger.Party) (ledger.Person, bool, error) {
	p, known, err := ledgerdb.FindParty(ctx, tx, named)
	if err != nil || known {
		return p, known, err
	}
	p, err = ledgerdb.AddPerson(ctx, tx, named)
	if !fault.Is(err, fault.Conflict) {
		return p, false, err
	}
	// Somebody who does not hold the ledger's lock was first.
	if p, known, wrong := ledgerdb.FindParty(ctx, tx, named); wrong != nil || known {
		return p, known, wrong
	}
	return p, false, err
}

// unregistered makes sure that the child has no entitlement yet.
func unregistered(ctx context.Context, tx *store.Tx, child ledger.Person) error {
	b, has, err := ledgerdb.BeneficiaryOfChild(ctx, tx, child.ID)
	if err != nil || !has {
		return err
	}
	cause := &ledger.Superseded{Version: b.Version, By: b.ChangedBy, At: b.ChangedAt}
	return fault.New(fault.Conflict, "the child is registered already: %w", cause).WithCode("KKH1311").WithReason("registered")
}

func noBeneficiary() error {
	return fault.New(fault.NotFound, "there is no such beneficiary").WithCode("KKH1314").WithReason("no_beneficiary")
}

func waiting(held []ledgerdb.Held, which func(ledgerdb.Held) bool) []Waiting {
	var all []Waiting
	for _, h := range held {
		if which(h) {
			all = append(all, Waiting{Change: h.Change, Kind: h.Kind})
		}
	}
	return all
}

func destinations(owed []outbox.Owed) []string {
	var names []string
	for _, o := range owed {
		if !slices.Contains(names, o.Destination) {
			names = append(names, o.Destination)
		}
	}
	return names
}

// enqueue owes the changes in the transaction; without an outbox nothing is owed to anybody.
func (g *Gateway) enqueue(ctx context.Context, tx *store.Tx, changes []ledger.Change) ([]outbox.Owed, error) {
	if g.outbox == nil || len(changes) == 0 {
		return nil, nil
	}
	return g.outbox.Enqueue(ctx, tx, changes...)
}

func (g *Gateway) states(ctx context.Context, ids ...ledger.ChangeID) ([]outbox.Owed, error) {
	if g.outbox == nil || len(ids) == 0 {
		return nil, nil
	}
	return g.outbox.States(ctx, ids...)
}
