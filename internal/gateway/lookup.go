package gateway

import (
	"context"
	"slices"
	"time"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
)

// LookupRequest asks what the sources say about one person.
type LookupRequest struct {
	Person  ledger.AtenaNumber
	Basis   ledger.Basis
	Sources []ledger.System // empty: all
	Compare Compare
}

// Compare says what the answers are held against (突合). The zero value: nothing.
type Compare struct {
	Ledger bool                   // our own ledger's record of the person
	Values map[ledger.Item]string // what an application says; nil: nothing
}

// LookupResult is the answer of a lookup that was carried out.
type LookupResult struct {
	ID         ledger.LookupID
	At         time.Time
	Protection string   // "" nothing concealed; otherwise ledger.ConcealProtected or ledger.ConcealUnread
	Flags      []string // marks for self-inspection, such as no_case
	Sources    []SourceResult
}

// SourceResult is how the question to one source ended.
type SourceResult struct {
	Source     ledger.System
	Outcome    ledger.Outcome
	Reason     string
	Retry      time.Time // of unavailable: when asking again is worth it; zero: unknown
	Since      time.Time // of pending: when the inquiry was sent
	At         time.Time // when the source answered
	Persons    []ledger.Facts
	Suppressed []ledger.Kept
	Comparison []ledger.Comparison

	took time.Duration
}

// Lookup asks all sources that the procedure may see about one person. An error means that
// nothing is released: Denied (recorded), Invalid, or Unavailable where the record cannot be
// written; of the result only the ID then means something, by which the record knows it.
// A source that is away is no error but its outcome.
func (g *Gateway) Lookup(ctx context.Context, who staff.Member, r LookupRequest) (LookupResult, error) {
	now := g.now()
	if err := g.validLookup(r); err != nil {
		return LookupResult{}, err
	}
	act := staff.Act{Verb: staff.Lookup, Basis: r.Basis, Persons: []ledger.AtenaNumber{r.Person}, At: now}
	entry := g.entry(who, act)
	entry.Subjects = []audit.Subject{{Atena: string(r.Person), Role: "asked"}}
	nothing := LookupResult{ID: ledger.LookupID(entry.Lookup)}
	items, concerned, err := g.authorize(ctx, who, &act, &entry)
	if err != nil {
		return nothing, err
	}
	l := &lookup{g: g, request: r, items: items, concerned: concerned}
	l.result = LookupResult{ID: ledger.LookupID(entry.Lookup), At: now, Flags: entry.Flags}
	l.prepare()
	entry.Sources, entry.Items = l.asked(), words(items)
	if err := keep(ctx, entry, g.record.Intend); err != nil {
		return nothing, err
	}
	l.ask(ctx)
	if ctx.Err() != nil { // nobody waits for the answer: it is not released, and the record says so
		entry.Kind = audit.Withheld
		if err := keep(ctx, entry, g.record.Record); err != nil {
			return nothing, err
		}
		return nothing, fault.New(fault.Unavailable, "the caller left").WithCode("KKH1102").WithReason("cancelled")
	}
	l.release()
	entry.Ends, entry.Subjects = l.ends(), l.subjects(entry.Subjects)
	if err := keep(ctx, entry, g.record.Conclude); err != nil {
		return nothing, err
	}
	return l.result, nil
}

func (g *Gateway) validLookup(r LookupRequest) error {
	if err := g.validPerson(r.Person, "/person/atena_number"); err != nil {
		return err
	}
	if r.Basis.Case != "" && !r.Basis.Case.Valid() {
		return invalid("KKH1104", "/case", "the case number has not its shape")
	}
	for _, s := range r.Sources {
		if !slices.Contains(g.Systems(), s) {
			return invalid("KKH1105", "/sources", "there is no such source")
		}
	}
	for item, value := range r.Compare.Values {
		if !slices.Contains(ledger.Items(), item) {
			return invalid("KKH1106", "/compare/values", "there is no such item")
		}
		if len(value) > 2000 {
			return invalid("KKH1106", "/compare/values", "a value is too long")
		}
	}
	return nil
}

// validPerson refuses what cannot be a 宛名番号 of this city. Where its length is not
// configured, twelve digits are refused as well: they may be a 個人番号, which must not get
// into the record.
func (g *Gateway) validPerson(p ledger.AtenaNumber, pointer string) error {
	digits := g.cfg.AtenaDigits
	if !p.Valid() || digits > 0 && len(p) != digits || digits == 0 && len(p) == 12 {
		return invalid("KKH1103", pointer, "the number has not the shape of a 宛名番号")
	}
	return nil
}

func invalid(code, pointer, text string) error {
	return fault.New(fault.Invalid, "%s", text).WithCode(code).WithField(pointer)
}

// lookup is one lookup on its way.
type lookup struct {
	g         *Gateway
	request   LookupRequest
	items     []ledger.Item        // what the procedure may see
	concerned []ledger.AtenaNumber // who is known to be concerned: the case's persons
	result    LookupResult
	protected ledger.Protected // nil: unread
	unread    error            // why; nil: it was read
}

// prepare makes a result for each source asked for, in the gateway's order: forbidden where
// the procedure may see nothing of it, so that it is not asked at all.
func (l *lookup) prepare() {
	for _, n := range l.g.sources {
		if len(l.request.Sources) > 0 && !slices.Contains(l.request.Sources, n.System) {
			continue
		}
		r := SourceResult{Source: n.System}
		if len(permitted(n.System, l.items)) == 0 {
			r.Outcome, r.Reason, r.At = ledger.Forbidden, "procedure", l.result.At
		}
		l.result.Sources = append(l.result.Sources, r)
	}
}

// asked names the systems that bytes will leave for.
func (l *lookup) asked() []string {
	names := []string{string(ledger.Protection)}
	for _, r := range l.result.Sources {
		if r.Outcome != ledger.Forbidden {
			names = append(names, string(r.Source))
		}
	}
	return names
}
