package gateway

import (
	"context"
	"maps"
	"slices"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/ledgerdb"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
)

// keep writes one entry and waits until it is on disk. A caller who hangs up must not erase
// the trace: writing goes on without its context, for as long as the record's own limit
// allows.
func keep(ctx context.Context, e audit.Entry, write func(context.Context, audit.Entry) error) error {
	return write(context.WithoutCancel(ctx), e)
}

// entry begins the record's entry of an act: who, what, on what basis. Of the basis it
// keeps what the configuration knows; the case is added by authorize.
func (g *Gateway) entry(who staff.Member, a staff.Act) audit.Entry {
	known := g.rules.Known(a.Verb, a.Basis, a.At)
	e := audit.Entry{
		Lookup: string(newLookupID(a.At)), Act: string(a.Verb),
		Procedure: string(known.Procedure), Purpose: known.Purpose, Reason: known.Reason,
		LegalBasis: g.rules.LegalBasis(a.Basis.Procedure, a.At),
		Actor: audit.Actor{
			Staff: who.Staff, Department: who.Department, Terminal: who.Terminal,
			Authentication: who.Authentication, Client: who.Client,
		},
	}
	e.Actor.Role = string(g.rules.RoleFor(who, a.Verb, a.At))
	if staff.NoCase(a.Verb, a.Basis) {
		e.Flags = []string{audit.FlagNoCase}
	}
	return e
}

// authorize finds the fact behind the case and asks the rules. A refusal is recorded first
// and told afterwards; where it cannot be recorded, that is told instead. It gives the
// permitted items and the persons whom the case concerns. The entry gets the number of the
// case once that is known to be one; of anything else typed in its place a keyed digest.
func (g *Gateway) authorize(ctx context.Context, who staff.Member, a *staff.Act, e *audit.Entry) ([]ledger.Item, []ledger.AtenaNumber, error) {
	if a.Basis.Case != "" && a.Case == nil {
		c, err := g.findCase(ctx, who, a.Basis.Case)
		if err != nil {
			return nil, nil, err
		}
		a.Case = c
	}
	items, err := g.judge(who, a, e)
	if err != nil {
		return nil, nil, g.refuse(ctx, *e, err)
	}
	var concerned []ledger.AtenaNumber
	if a.Case != nil {
		concerned = a.Case.Persons
	}
	return items, concerned, nil
}

// judge asks the rules, now that the fact behind the case is known, and gives the entry its
// case. It writes nothing: inside a transaction a refusal is recorded when that has ended.
func (g *Gateway) judge(who staff.Member, a *staff.Act, e *audit.Entry) ([]ledger.Item, error) {
	items, err := g.rules.Authorize(who, *a)
	managing := a.Verb == staff.OpenCase || a.Verb == staff.CloseCase
	switch {
	case a.Basis.Case == "":
	case a.Case == nil, managing && err != nil:
		note(e, "case_digest", g.record.Digest("case", string(a.Basis.Case)))
	default:
		e.Case = string(a.Basis.Case)
	}
	if err != nil && managing {
		e.Subjects = nil
	}
	return items, err
}

// note adds a detail to an entry; an empty value adds nothing.
func note(e *audit.Entry, name, value string) {
	if value == "" {
		return
	}
	if e.Detail == nil {
		e.Detail = map[string]string{}
	}
	e.Detail[name] = value
}

// refuse records a refusal and gives it back; or, where the record cannot be written, that.
func (g *Gateway) refuse(ctx context.Context, e audit.Entry, refusal error) error {
	e.Kind, e.Code = audit.Refused, fault.Code(refusal)
	if err := keep(ctx, e, g.record.Record); err != nil {
		return err
	}
	return refusal
}

// findCase gives the case as our own table has it, or where that has none as the token's
// issuer signed it; nil: there is none. A case closed here stays closed whatever was signed.
func (g *Gateway) findCase(ctx context.Context, who staff.Member, id ledger.CaseID) (*ledger.Case, error) {
	var found *ledger.Case
	c, ok, err := ledgerdb.FindCase(ctx, g.db, id)
	if ok {
		found = &c
	}
	if err == nil && found == nil {
		found = signedCase(who, id)
	}
	return found, err
}

// caseIn is findCase as a transaction sees it.
func caseIn(ctx context.Context, tx *store.Tx, who staff.Member, id ledger.CaseID) (*ledger.Case, error) {
	c, ok, err := ledgerdb.CaseOf(ctx, tx, id)
	if err != nil || ok {
		return &c, err
	}
	return signedCase(who, id), nil
}

func signedCase(who staff.Member, id ledger.CaseID) *ledger.Case {
	if who.Case != nil && who.Case.ID == id {
		return who.Case
	}
	return nil
}

// RecordRequest reads the record: a query like any other, authorised and recorded.
type RecordRequest struct {
	Filter audit.Filter
	Basis  ledger.Basis // Purpose alone is used
}

// SearchRecord gives a page of the record's entries. That somebody read them is recorded
// before they are given. The second value is where the next page begins; empty: nowhere.
func (g *Gateway) SearchRecord(ctx context.Context, who staff.Member, r RecordRequest) ([]audit.Record, string, error) {
	if err := g.admitReader(ctx, who, staff.SearchRecord, r); err != nil {
		return nil, "", err
	}
	return g.record.Search(ctx, r.Filter)
}

// ExportRecord tells whether the member may export the record and records that it begins;
// the caller then writes [audit.Log.Export] by the function that it gives.
func (g *Gateway) ExportRecord(ctx context.Context, who staff.Member, r RecordRequest) (*audit.Log, error) {
	if err := g.admitReader(ctx, who, staff.ExportRecord, r); err != nil {
		return nil, err
	}
	return g.record, nil
}

// ProveLookup gives the proof of a lookup's entries, which whoever has the public key can
// check without the gateway. It reads the record, so it is authorised and recorded like a
// search for that lookup. It is NotFound where no entry of the lookup is sealed.
func (g *Gateway) ProveLookup(ctx context.Context, who staff.Member, id ledger.LookupID, b ledger.Basis) (audit.Proof, error) {
	if id == "" {
		return audit.Proof{}, invalid("KKH1109", "/lookup_id", "there is no 照会番号 to prove")
	}
	r := RecordRequest{Filter: audit.Filter{Lookup: string(id)}, Basis: b}
	if err := g.admitReader(ctx, who, staff.SearchRecord, r); err != nil {
		return audit.Proof{}, err
	}
	return g.record.Proof(ctx, string(id))
}

func (g *Gateway) admitReader(ctx context.Context, who staff.Member, verb staff.Verb, r RecordRequest) error {
	if err := g.validFilter(r.Filter); err != nil {
		return err
	}
	now := g.now()
	act := staff.Act{Verb: verb, Basis: r.Basis, At: now}
	e := g.entry(who, act)
	var err error
	if e.Detail, err = g.filterWords(ctx, who, r.Filter); err != nil {
		return err
	}
	if r.Filter.Person != "" {
		e.Subjects = []audit.Subject{{Atena: r.Filter.Person, Role: "asked"}}
	}
	if _, _, err := g.authorize(ctx, who, &act, &e); err != nil {
		return err
	}
	e.Kind = audit.Read
	return keep(ctx, e, g.record.Record)
}

// validFilter refuses what has not the shape of what it is searched by, since the record
// keeps by what it was searched.
func (g *Gateway) validFilter(f audit.Filter) error {
	switch {
	case f.Lookup != "" && !isLookupID(f.Lookup):
		return invalid("KKH1109", "/lookup_id", "the number has not the shape of a 照会番号")
	case f.Case != "" && !ledger.CaseID(f.Case).Valid():
		return invalid("KKH1104", "/case", "the case number has not its shape")
	case f.Staff != "" && !ledger.CaseID(f.Staff).Valid():
		return invalid("KKH1109", "/staff", "the staff number has not its shape")
	case f.Kind != "" && !f.Kind.Known():
		return invalid("KKH1109", "/kind", "there is no such kind of entry")
	case f.Person != "":
		return g.validPerson(ledger.AtenaNumber(f.Person), "/atena_number")
	}
	return nil
}

// filterWords says by which fields the record was read; a person's number is a subject of
// the entry and not repeated here. A case or a member of staff that nobody knows may be
// anything that was typed in their place: of those it keeps a keyed digest.
func (g *Gateway) filterWords(ctx context.Context, who staff.Member, f audit.Filter) (map[string]string, error) {
	words := map[string]string{"lookup": f.Lookup, "kind": string(f.Kind)}
	switch {
	case f.Staff == "":
	case len(g.rules.Roles(staff.Member{Staff: f.Staff}, g.now())) > 0:
		words["staff"] = f.Staff
	default:
		words["staff_digest"] = g.record.Digest("staff", f.Staff)
	}
	if f.Case != "" {
		found, err := g.findCase(ctx, who, ledger.CaseID(f.Case))
		if err != nil {
			return nil, err
		}
		words["case"] = f.Case
		if found == nil {
			delete(words, "case")
			words["case_digest"] = g.record.Digest("case", f.Case)
		}
	}
	maps.DeleteFunc(words, func(_, word string) bool { return word == "" })
	return words, nil
}

// ProbeRecord proves that the record can be written and read: it writes one entry and
// reads it back, and gives its number. It is what doctor asks for.
func (g *Gateway) ProbeRecord(ctx context.Context, who staff.Member) (string, error) {
	now := g.now()
	act := staff.Act{Verb: staff.Probe, At: now}
	e := g.entry(who, act)
	if _, _, err := g.authorize(ctx, who, &act, &e); err != nil {
		return "", err
	}
	e.Kind = audit.Probe
	if err := keep(ctx, e, g.record.Record); err != nil {
		return "", err
	}
	found, _, err := g.record.Search(ctx, audit.Filter{Lookup: e.Lookup, Limit: 1})
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(found, func(r audit.Record) bool { return r.Entry.Lookup == e.Lookup }) {
		return "", fault.New(fault.Internal, "the probe entry was written but cannot be read back").WithCode("KKH1141")
	}
	return e.Lookup, nil
}

// Watch tells whether the member may see how the gateway and its neighbours do, which
// everybody with a role may. It is Denied otherwise, and recorded.
func (g *Gateway) Watch(ctx context.Context, who staff.Member) error {
	act := staff.Act{Verb: staff.Watch, At: g.now()}
	e := g.entry(who, act)
	e.Lookup = string(newLookupID(act.At))
	_, _, err := g.authorize(ctx, who, &act, &e)
	return err
}

// TokenRefused records that a token was refused at the address: one entry per cause,
// address and minute, with a count.
func (g *Gateway) TokenRefused(ctx context.Context, cause, address string) error {
	return g.record.TokenRefused(context.WithoutCancel(ctx), cause, address)
}
