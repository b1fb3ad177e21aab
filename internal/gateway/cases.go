package gateway

import (
	"context"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/ledgerdb"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
)

// caseLimit bounds the persons of a case: a household and those who belong to it.
const caseLimit = 100

// OpenCase opens a case, so that staff may look up the persons it concerns. It is false
// where the same case is open already. Errors: Denied, Invalid, and Conflict where a case
// of that number is closed or has other content; each leaves its entry.
func (g *Gateway) OpenCase(ctx context.Context, who staff.Member, c ledger.Case) (opened bool, err error) {
	if err := g.validCase(c); err != nil {
		return false, err
	}
	now := g.now()
	act := staff.Act{Verb: staff.OpenCase, Basis: ledger.Basis{Case: c.ID, Procedure: c.Procedure}, Case: &c, At: now}
	e := g.entry(who, act)
	for _, p := range c.Persons {
		e.Subjects = append(e.Subjects, audit.Subject{Atena: string(p), Role: "case"})
	}
	err = g.changeCase(ctx, who, act, e, func(ctx context.Context, tx *store.Tx) error {
		opened, err = ledgerdb.OpenCase(ctx, tx, c, by(who), now)
		return err
	})
	return opened && err == nil, err
}

// CloseCase closes a case: from now on nobody is looked up on it. Closing a closed one is
// no error; one that never was is NotFound.
func (g *Gateway) CloseCase(ctx context.Context, who staff.Member, id ledger.CaseID) error {
	if !id.Valid() {
		return invalid("KKH1104", "/case", "the case number has not its shape")
	}
	now := g.now()
	act := staff.Act{Verb: staff.CloseCase, Basis: ledger.Basis{Case: id}, Case: &ledger.Case{ID: id}, At: now}
	e := g.entry(who, act)
	return g.changeCase(ctx, who, act, e, func(ctx context.Context, tx *store.Tx) error {
		return ledgerdb.CloseCase(ctx, tx, id, now)
	})
}

// changeCase authorises, changes and records in one transaction. What was refused or failed
// has rolled back, and its entry is written by itself.
func (g *Gateway) changeCase(ctx context.Context, who staff.Member, act staff.Act, e audit.Entry,
	change func(context.Context, *store.Tx) error,
) error {
	if _, _, err := g.authorize(ctx, who, &act, &e); err != nil {
		return err
	}
	err := g.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := change(ctx, tx); err != nil {
			return err
		}
		e.Kind = audit.Change
		return g.record.Append(ctx, tx, e)
	})
	if fault.Is(err, fault.NotFound) { // it may be anything that was typed in the place of a case
		e.Case, e.Detail = "", map[string]string{"case_digest": g.record.Digest("case", string(act.Basis.Case))}
	}
	if fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) {
		return g.refuse(ctx, e, err)
	}
	return err
}

func (g *Gateway) validCase(c ledger.Case) error {
	switch {
	case !c.ID.Valid():
		return invalid("KKH1104", "/case", "the case number has not its shape")
	case len(c.Persons) == 0 || len(c.Persons) > caseLimit:
		return invalid("KKH1107", "/persons", "a case lists 1 to 100 persons")
	case g.rules.LegalBasis(c.Procedure, g.now()) == "":
		return invalid("KKH1108", "/procedure", "there is no such procedure in force")
	}
	for _, p := range c.Persons {
		if err := g.validPerson(p, "/persons"); err != nil {
			return err
		}
	}
	return nil
}

func by(who staff.Member) string {
	if who.Staff != "" {
		return who.Staff
	}
	return who.Client
}
