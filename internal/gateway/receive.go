package gateway

import (
	"context"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/ledgerdb"
	"kakehashi/internal/store"
)

// Receive takes what a neighbour gave back for a change into the ledger, in the transaction
// that settles the change, and owes what waited for it. An assigned 宛名番号 raises no
// version. Receiving the same twice is no error. Errors: Invalid where the number has not
// the shape of one of this city (KKH1316), Conflict where another person of the ledger
// bears it (KKH1315) or the person has another already (KKH1317).
func (g *Gateway) Receive(ctx context.Context, tx *store.Tx, c ledger.Change, r ledger.Receipt) error {
	if c.Kind != ledger.Numbering {
		return nil
	}
	if g.validPerson(r.Atena, "") != nil {
		return fault.New(fault.Invalid, "the number assigned has not the shape of a 宛名番号").WithCode("KKH1316").WithReason("number_shape")
	}
	person, found, err := ledgerdb.PersonOf(ctx, tx, c.Person)
	switch {
	case err != nil:
		return err
	case !found:
		return fault.New(fault.Internal, "a number came for a person whom the ledger does not know")
	case person.Numbered() && person.Atena != r.Atena:
		return fault.New(fault.Conflict, "the person has another number already").WithCode("KKH1317").WithReason("numbered_otherwise")
	}
	if !person.Numbered() {
		_, taken, err := ledgerdb.FindParty(ctx, tx, ledger.Party{Atena: r.Atena})
		if err != nil {
			return err
		}
		if taken {
			return fault.New(fault.Conflict, "another person of the ledger bears this number").WithCode("KKH1315").WithReason("number_taken")
		}
		if err := ledgerdb.GiveNumber(ctx, tx, person.ID, r.Atena); err != nil {
			return err
		}
	}
	released, err := ledgerdb.Release(ctx, tx, person.ID, r.Atena)
	if err != nil {
		return err
	}
	_, err = g.enqueue(ctx, tx, released)
	return err
}
