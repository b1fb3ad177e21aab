package gateway

import (
	"context"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
	"kakehashi/outbox"
)

// AnswerRequest says that a change of which nobody could tell whether it arrived did arrive.
type AnswerRequest struct {
	Change      ledger.ChangeID
	Destination string             // empty: the only one that it is owed to
	Atena       ledger.AtenaNumber // that the neighbour gave the person: of a numbering, and of nothing else
	Reason      string             // how that was found; 1 to 200 characters, without a number of a person
}

// Answer settles a parked change by what an operator found at the neighbour: it is
// delivered, a number goes into the ledger, and what waited for it is owed. It gives how it
// stands then. Errors: Invalid, where a numbering comes without its number (KKH1328) or
// another change with one (KKH1329) too; Denied; NotFound (KKH1327); Conflict where the
// change is not parked with the question (KKH3333), and as Receive says. Each has changed
// nothing and left its entry.
func (g *Gateway) Answer(ctx context.Context, who staff.Member, r AnswerRequest) (owed outbox.Owed, err error) {
	if err := g.validAnswer(r); err != nil {
		return owed, err
	}
	err = g.operate(ctx, who, staff.Answer, func(ctx context.Context, tx *store.Tx, e *audit.Entry) error {
		noteFilter(e, "arrived", r.Reason, outbox.Filter{Destination: r.Destination})
		note(e, "changes", string(r.Change))
		owed, err = g.outbox.Answer(ctx, tx, outbox.Arrival{
			Change: r.Change, Destination: r.Destination, Receipt: ledger.Receipt{Atena: r.Atena},
			Mark: outbox.Mark{By: by(who), At: g.now(), Reason: r.Reason},
		}, answered{g, e})
		e.Count = 1
		if fault.Is(err, fault.NotFound) {
			return notOwed()
		}
		return err
	})
	if err != nil {
		return outbox.Owed{}, err
	}
	return owed, nil
}

func (g *Gateway) validAnswer(r AnswerRequest) error {
	switch {
	case !isChangeID(r.Change):
		return invalid("KKH1326", "/id", "the change has not the shape of one")
	case r.Destination != "" && !isWord(r.Destination):
		return invalid("KKH1326", "/destination", "the destination is not a word")
	case r.Atena != "":
		if err := g.validPerson(r.Atena, "/atena_number"); err != nil {
			return err
		}
	}
	return validReason(r.Reason)
}

// answered receives what an operator says that a neighbour gave back, and says in the entry
// whom that concerns.
type answered struct {
	g     *Gateway
	entry *audit.Entry
}

// Receive is Gateway.Receive; Invalid too where a numbering has no number, and where another
// change has one.
func (a answered) Receive(ctx context.Context, tx *store.Tx, c ledger.Change, r ledger.Receipt) error {
	if told := c.Atena; told != "" {
		a.entry.Subjects = []audit.Subject{{Atena: string(told), Role: "told"}}
	}
	switch numbering := c.Kind == ledger.Numbering; {
	case numbering && r.Atena == "":
		return invalid("KKH1328", "/atena_number", "a numbering that arrived has given a number")
	case !numbering && r.Atena != "":
		return invalid("KKH1329", "/atena_number", "only a numbering gives a number")
	case numbering:
		a.entry.Subjects = []audit.Subject{{Atena: string(r.Atena), Role: "numbered"}}
	}
	return a.g.Receive(ctx, tx, c, r)
}
