package gateway

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
)

// searchLimit bounds what a search may bring before it is narrowed by household and address.
// A city of a hundred thousand has far fewer persons of one kana and one birth date.
const searchLimit = 99

// FindRequest looks for a person at the counter by kana and birth date; household and
// address narrow.
type FindRequest struct {
	Kana      string
	BirthDate ledger.Date
	Household ledger.HouseholdNumber
	Address   string
	Basis     ledger.Basis
}

// FindResult is the answer of a search: at most the configured number of candidates.
type FindResult struct {
	ID         ledger.LookupID
	Flags      []string
	Candidates []Found
}

// Found is one candidate, cut and concealed like the answer of a lookup.
type Found struct {
	ledger.Candidate
	Suppressed []ledger.Kept
}

// Find searches at the unified address system, asks the Shield for all candidates in one
// call, and gives them cut and concealed. Household and address are compared here, after
// concealment, and never take away somebody whose whereabouts are kept back: guessing an
// address must not find out whether it is right. Errors: Invalid where more candidates are
// left than may be shown (KKH1121) or a field is wrong, Denied, and Unavailable where the
// search or the record is away; of the result only the ID then means something.
func (g *Gateway) Find(ctx context.Context, who staff.Member, r FindRequest) (FindResult, error) {
	if err := validFind(r); err != nil {
		return FindResult{}, err
	}
	now := g.now()
	act := staff.Act{Verb: staff.Find, Basis: r.Basis, At: now}
	e := g.entry(who, act)
	e.Search = g.searched(r)
	nothing := FindResult{ID: ledger.LookupID(e.Lookup)}
	items, _, err := g.authorize(ctx, who, &act, &e)
	if err != nil {
		return nothing, err
	}
	items = permitted(ledger.Address, items)
	// Narrowing by what the procedure may not see would tell it all the same.
	if len(items) == 0 || r.Address != "" && !slices.Contains(items, ledger.AddressText) ||
		r.Household != "" && !slices.Contains(items, ledger.HouseholdNo) {
		return nothing, g.refuse(ctx, e, fault.New(fault.Denied, "the procedure may not see what it searches by").
			WithCode("KKH1223").WithReason("no_items"))
	}
	e.Sources, e.Items = []string{string(ledger.Address), string(ledger.Protection)}, words(items)
	if err := keep(ctx, e, g.record.Intend); err != nil {
		return nothing, err
	}
	result, ends, err := g.search(ctx, r, items, ledger.LookupID(e.Lookup))
	if ctx.Err() != nil {
		e.Kind = audit.Withheld
		err = fault.New(fault.Unavailable, "the caller left").WithCode("KKH1102").WithReason("cancelled")
		return nothing, cmp.Or(keep(ctx, e, g.record.Record), err)
	}
	e.Ends, e.Code = ends, fault.Code(err)
	for _, c := range result.Candidates {
		e.Subjects = append(e.Subjects, audit.Subject{Atena: string(c.Person), Role: "candidate"})
	}
	if kept := keep(ctx, e, g.record.Conclude); kept != nil {
		return nothing, kept
	}
	result.ID, result.Flags = ledger.LookupID(e.Lookup), e.Flags
	return result, err
}

func validFind(r FindRequest) error {
	switch {
	case r.Kana == "" || len(r.Kana) > 300:
		return invalid("KKH1122", "/kana", "kana is required, at most 100 characters")
	case r.BirthDate.Year == 0 || !r.BirthDate.Valid():
		return invalid("KKH1123", "/birth_date", "the birth date is required, with at least its year")
	case r.Household != "" && !r.Household.Valid():
		return invalid("KKH1124", "/household_number", "the household number has not its shape")
	case len(r.Address) > 900:
		return invalid("KKH1125", "/address", "the address is too long")
	case r.Basis.Case != "" && !r.Basis.Case.Valid():
		return invalid("KKH1104", "/case", "the case number has not its shape")
	}
	return nil
}

// searched keeps of a search which fields were filled and a keyed digest of each.
func (g *Gateway) searched(r FindRequest) []audit.FieldDigest {
	var fields []audit.FieldDigest
	for _, f := range []struct{ name, value string }{
		{"kana", ledger.KanaKey(r.Kana)}, {"birth_date", r.BirthDate.String()},
		{"household_number", string(r.Household)}, {"address", ledger.AddressKey(r.Address)},
	} {
		if f.value != "" {
			fields = append(fields, audit.FieldDigest{Field: f.name, Digest: g.record.Digest(f.name, f.value)})
		}
	}
	return fields
}

// search makes the two trips and gives what may be shown, and how each trip ended.
func (g *Gateway) search(ctx context.Context, r FindRequest, items []ledger.Item, id ledger.LookupID) (result FindResult, ends []audit.SourceEnd, err error) {
	found := audit.SourceEnd{Source: string(ledger.Address), Outcome: string(ledger.Found)}
	defer func() { ends = slices.Insert(ends, 0, searchEnd(found, result, err)) }()
	ctx, cancel := context.WithTimeoutCause(ctx, g.cfg.Budget,
		fault.New(fault.Unavailable, "the search's budget is used up").WithReason("timeout"))
	defer cancel()
	defer recovered(func(cause error) { result, err = FindResult{}, cause })
	s := ledger.Search{ID: id, Kana: r.Kana, BirthDate: r.BirthDate, Basis: r.Basis, On: g.now()}
	candidates, err := g.finder.Find(ctx, s, searchLimit)
	if err != nil {
		return FindResult{}, nil, away(err)
	}
	var protected ledger.Protected
	if len(candidates) > 0 {
		numbers := make([]ledger.AtenaNumber, len(candidates))
		for i, c := range candidates {
			numbers[i] = c.Person
		}
		// An error leaves everybody unread, and unread conceals.
		var unread error
		protected, unread = g.shield.Protection(ctx, numbers)
		ends = append(ends, shieldEnd(unread))
	}
	at := g.now()
	for _, c := range candidates {
		why := concealedCandidate(c, candidates, protected)
		if why == "" && !fits(c, r) {
			continue
		}
		result.Candidates = append(result.Candidates, open(c, items, why))
		stamp(&result.Candidates[len(result.Candidates)-1].Facts, &SourceResult{Source: ledger.Address, At: at})
	}
	if len(result.Candidates) > g.cfg.Candidates {
		err := fault.New(fault.Invalid, "more candidates than may be shown").WithCode("KKH1121").WithReason("too_many")
		return FindResult{}, ends, err
	}
	return result, ends, nil
}

// away is what the caller is told when the search itself fails: only that a search is not
// narrow enough or cannot be asked is the caller's to mend, whatever kind of fault the
// neighbour's answer was.
func away(err error) error {
	f := fault.Find(err)
	if f.Kind == fault.Invalid {
		return err
	}
	_, reason, retry := meaning(err)
	return &fault.Error{Kind: fault.Unavailable, Code: cmp.Or(f.Code, "KKH1127"), Reason: reason, Retry: retry, What: "search", Err: err}
}

// searchEnd says of the search, for the record, what of the candidates was shown and what
// kept back. A search that was not narrow enough is no fault of the system that answered.
func searchEnd(end audit.SourceEnd, r FindResult, err error) audit.SourceEnd {
	for _, c := range r.Candidates {
		end.Items, end.Suppressed = named(end.Items, c.Values, func(v ledger.Value) ledger.Item { return v.Item }),
			named(end.Suppressed, c.Suppressed, func(k ledger.Kept) ledger.Item { return k.Item })
	}
	switch {
	case fault.Is(err, fault.Invalid):
		end.Reason = fault.Find(err).Reason
	case err != nil:
		outcome, reason, _ := meaning(err)
		end.Outcome, end.Reason = string(outcome), reason
	}
	return end
}

// concealedCandidate tells why a candidate's whereabouts are kept back; "": they are not.
func concealedCandidate(c ledger.Candidate, all []ledger.Candidate, p ledger.Protected) string {
	for _, other := range all {
		same := other.Person == c.Person || slices.Contains(p[c.Person].Household, other.Person)
		if same && other.Conceal {
			return ledger.ConcealProtected
		}
	}
	return p.Conceals(c.Person)
}

// fits tells whether a candidate who may be located is of the household and address given.
func fits(c ledger.Candidate, r FindRequest) bool {
	if r.Household != "" && c.Household != r.Household {
		return false
	}
	if r.Address == "" {
		return true
	}
	var there strings.Builder
	for _, v := range c.Values {
		if v.Item == ledger.AddressText || v.Item == ledger.AddressExtra {
			there.WriteString(v.Text)
		}
	}
	return ledger.AddressWithin(r.Address, there.String())
}

// open cuts and conceals one candidate.
func open(c ledger.Candidate, items []ledger.Item, why string) Found {
	facts := ledger.Cut([]ledger.Facts{c.Facts}, items, func(ledger.AtenaNumber) bool { return true })
	facts, kept := ledger.Conceal(facts, items, func(ledger.AtenaNumber) string { return why })
	c.Facts = facts[0]
	if !slices.Contains(items, ledger.HouseholdNo) {
		c.Household = ""
	}
	return Found{Candidate: c, Suppressed: kept}
}
