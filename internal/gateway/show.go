package gateway

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/ledgerdb"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
	"kakehashi/outbox"
)

// Shown is one beneficiary as a member of staff may see it.
type Shown struct {
	LookupID    ledger.LookupID
	At          time.Time
	Beneficiary ledger.Beneficiary // cut and concealed; without a basis it names nobody
	Protection  string             // "" nothing concealed; otherwise ledger.ConcealProtected or ledger.ConcealUnread
	Suppressed  []ledger.Kept
	Owed        []outbox.Owed // today's states
	Waiting     []Waiting     // what is owed only once the guardian has a number
	Seen        []Seen        // what change notices led to
}

// Show gives one beneficiary. On a basis it is authorised like a lookup: the procedure says
// which items, 支援措置 is read live for child and guardian, and where it says so of either,
// or cannot be read, nothing that locates is given. On no basis at all it gives number,
// version and days, what is owed, and nobody's name, number or address. It is recorded
// before it is given. Errors: Invalid, Denied, NotFound (KKH1314), Unavailable where the
// record cannot be written.
func (g *Gateway) Show(ctx context.Context, who staff.Member, id ledger.BeneficiaryID, b ledger.Basis) (Shown, error) {
	if b.Case != "" && !b.Case.Valid() {
		return Shown{}, invalid("KKH1104", "/case", "the case number has not its shape")
	}
	now := g.now()
	act := staff.Act{Verb: staff.Show, Basis: b, At: now}
	e := g.entry(who, act)
	s := Shown{LookupID: ledger.LookupID(e.Lookup), At: now}
	nothing := s
	known, err := g.readBeneficiary(ctx, id, &s)
	if err != nil {
		return nothing, err
	}
	faceless := b == ledger.Basis{}
	if known {
		note(&e, "beneficiary", string(id))
		if !faceless {
			act.Persons, e.Subjects = onCase(s.Beneficiary), subjectsOf(s.Beneficiary, "asked")
		}
	}
	items, _, err := g.authorize(ctx, who, &act, &e)
	if err != nil {
		return nothing, err
	}
	if !known {
		return nothing, g.refuse(ctx, e, noBeneficiary())
	}
	registered := permitted(ledger.Residents, items)
	items = permitted(ledger.Own, items)
	e.Items = words(items)
	if !faceless {
		e.Sources = []string{string(ledger.Own), string(ledger.Protection)}
	}
	if s.Owed, err = g.ofRecord(ctx, id); err != nil {
		return nothing, err
	}
	if err := keep(ctx, e, g.record.Intend); err != nil {
		return nothing, err
	}
	if faceless {
		s.Beneficiary, s.Seen = nameless(s.Beneficiary), nil
	} else {
		e.Subjects = append(e.Subjects, subjectsOf(s.Beneficiary, "shown")...)
		e.Ends = g.openBeneficiary(ctx, &s, items)
		s.Seen = cutSeen(s.Seen, registered, s.Protection != "")
	}
	if ctx.Err() != nil {
		e.Kind = audit.Withheld
		left := fault.New(fault.Unavailable, "the caller left").WithCode("KKH1102").WithReason("cancelled")
		return nothing, cmp.Or(keep(ctx, e, g.record.Record), error(left))
	}
	if err := keep(ctx, e, g.record.Conclude); err != nil {
		return nothing, err
	}
	return s, nil
}

// readBeneficiary fills in the beneficiary as the ledger has it; false: there is none.
func (g *Gateway) readBeneficiary(ctx context.Context, id ledger.BeneficiaryID, s *Shown) (known bool, err error) {
	if !opaque(string(id), "B-") {
		return false, nil
	}
	err = store.Read(ctx, g.db, func(ctx context.Context, tx *store.Tx) error {
		if s.Beneficiary, known, err = ledgerdb.BeneficiaryOf(ctx, tx, id); err != nil || !known {
			return err
		}
		held, err := ledgerdb.HeldOf(ctx, tx, id)
		s.Waiting = waiting(held, func(ledgerdb.Held) bool { return true })
		if err != nil {
			return err
		}
		s.Seen, err = seen(ctx, tx, s.Beneficiary)
		return err
	})
	return known && err == nil, err
}

// opaque tells whether a text has the shape of one of our own opaque IDs: the prefix and 26
// letters and digits. Anything else may be anything that was typed.
func opaque(id, prefix string) bool {
	rest, ok := strings.CutPrefix(id, prefix)
	return ok && len(rest) == 26 && strings.IndexFunc(rest, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '2' || r > '7') }) < 0
}

// nameless leaves nothing of a beneficiary that names or locates anybody.
func nameless(b ledger.Beneficiary) ledger.Beneficiary {
	return ledger.Beneficiary{
		ID: b.ID, Number: b.Number, AppliedOn: b.AppliedOn, From: b.From, Until: b.Until,
		Version: b.Version, ChangedAt: b.ChangedAt, ChangedBy: b.ChangedBy,
	}
}

// openBeneficiary asks the Shield, cuts and conceals, and says for the record what it gives
// and what it keeps back.
func (g *Gateway) openBeneficiary(ctx context.Context, s *Shown, items []ledger.Item) []audit.SourceEnd {
	protected, unread := g.shielded(ctx, s.Beneficiary)
	s.Protection = whyConcealed(s.Beneficiary, protected)
	end := audit.SourceEnd{Source: string(ledger.Own), Outcome: string(ledger.Found)}
	for _, item := range items {
		switch {
		case s.Protection == "" || !item.Locates():
			end.Items = append(end.Items, string(item))
		default:
			end.Suppressed = append(end.Suppressed, string(item))
			s.Suppressed = append(s.Suppressed, ledger.Kept{Person: s.Beneficiary.Guardian.Atena, Item: item, Why: s.Protection})
		}
	}
	s.Beneficiary = cutBeneficiary(s.Beneficiary, items, s.Protection != "")
	return []audit.SourceEnd{shieldEnd(unread), end}
}

// shielded reads 支援措置 for child and guardian. An error leaves both unread, and unread
// conceals.
func (g *Gateway) shielded(ctx context.Context, b ledger.Beneficiary) (protected ledger.Protected, unread error) {
	ctx, cancel := context.WithTimeoutCause(ctx, g.cfg.Budget,
		fault.New(fault.Unavailable, "the budget is used up").WithReason("timeout"))
	defer cancel()
	defer recovered(func(cause error) { protected, unread = nil, cause })
	protected, unread = g.shield.Protection(ctx, numbered(b))
	if unread != nil {
		protected = nil
	}
	return protected, unread
}

// numbered gives those of a beneficiary who can be asked about at a neighbour.
func numbered(b ledger.Beneficiary) []ledger.AtenaNumber {
	var persons []ledger.AtenaNumber
	for _, p := range []ledger.Person{b.Child, b.Guardian} {
		if p.Numbered() {
			persons = append(persons, p.Atena)
		}
	}
	return persons
}

// whyConcealed tells why nothing that locates is given; "": it is. What locates one of the
// two locates the other.
func whyConcealed(b ledger.Beneficiary, p ledger.Protected) string {
	why := ""
	for _, person := range numbered(b) {
		if own := p.Conceals(person); own == ledger.ConcealProtected || why == "" {
			why = own
		}
	}
	return why
}

// cutBeneficiary leaves of a beneficiary what the items permit.
func cutBeneficiary(b ledger.Beneficiary, items []ledger.Item, concealed bool) ledger.Beneficiary {
	may := func(item ledger.Item) bool {
		return slices.Contains(items, item) && (!concealed || !item.Locates())
	}
	cut := func(item ledger.Item, value string) string {
		if may(item) {
			return value
		}
		return ""
	}
	i := b.Guardian.Identity
	b.Guardian.Identity = ledger.Identity{
		Name: cut(ledger.Name, i.Name), Kana: cut(ledger.Kana, i.Kana), Sex: cut(ledger.Sex, i.Sex), Address: cut(ledger.AddressText, i.Address),
	}
	if may(ledger.BirthDate) {
		b.Guardian.Identity.BirthDate = i.BirthDate
	} else {
		b.Birth = ledger.Date{}
	}
	if concealed || b.Mailing == nil {
		b.Mailing = nil // where letters go locates, whoever is named on them
		return b
	}
	m := *b.Mailing
	b.Mailing = &ledger.MailingAddress{
		Name: cut(ledger.Name, m.Name), PostalCode: cut(ledger.PostalCode, m.PostalCode),
		Address: cut(ledger.AddressText, m.Address), Extra: cut(ledger.AddressExtra, m.Extra), From: m.From,
	}
	return b
}

func (g *Gateway) ofRecord(ctx context.Context, id ledger.BeneficiaryID) ([]outbox.Owed, error) {
	if g.outbox == nil {
		return nil, nil
	}
	return g.outbox.OfRecord(ctx, id)
}
