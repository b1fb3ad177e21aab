package gateway

import (
	"slices"

	"kakehashi/internal/audit"
	"kakehashi/internal/ledger"
)

// release makes of what the sources brought what may leave: cut to the permitted items and
// persons, concealed, compared, stamped. It is the only way from an adapter to staff.
func (l *lookup) release() {
	concealed := l.concealment()
	relations := l.relations()
	for i := range l.result.Sources {
		r := &l.result.Sources[i]
		items := permitted(r.Source, l.items)
		facts := ledger.Cut(r.Persons, items, l.permittedPerson)
		if r.Source == ledger.Tax && len(facts) < len(r.Persons) {
			// Somebody on whom a child's tax class rests is cut, because who belongs to the household
			// is not known or the systems disagree: the child's own alone would mislead.
			r.Outcome, r.Reason, facts = ledger.Unavailable, "household_unknown", nil
		}
		if slices.Contains(l.items, ledger.RelationToHead) {
			for j := range facts {
				if facts[j].Relation == "" {
					facts[j].Relation = relations[facts[j].Person]
				}
			}
		}
		l.compare(r, facts, items, concealed(l.request.Person))
		r.Persons, r.Suppressed = ledger.Conceal(facts, items, concealed)
		if len(r.Suppressed) > 0 && l.result.Protection != ledger.ConcealProtected {
			l.result.Protection = r.Suppressed[0].Why
		}
		if r.Outcome == ledger.Found && len(r.Suppressed) > 0 && !slices.ContainsFunc(r.Persons, hasValues) {
			r.Outcome, r.Reason = ledger.Suppressed, r.Suppressed[0].Why
		}
		for j := range r.Persons {
			stamp(&r.Persons[j], r)
		}
	}
}

func hasValues(f ledger.Facts) bool { return len(f.Values) > 0 }

func stamp(f *ledger.Facts, r *SourceResult) {
	for k := range f.Values {
		f.Values[k].From, f.Values[k].At = r.Source, r.At
	}
}

// concealment tells for each person why that person's whereabouts are kept back: because
// the Shield says so or was not read, or because any source itself flags the person.
// Somebody who is not our resident counts as read and not protected, unless flagged.
func (l *lookup) concealment() func(ledger.AtenaNumber) string {
	flagged := map[ledger.AtenaNumber]bool{}
	for _, r := range l.result.Sources {
		for _, f := range r.Persons {
			flagged[f.Person] = flagged[f.Person] || f.Conceal
		}
	}
	return func(p ledger.AtenaNumber) string {
		if flagged[p] {
			return ledger.ConcealProtected
		}
		for _, member := range l.protected[p].Household {
			if flagged[member] {
				return ledger.ConcealProtected
			}
		}
		return l.protected.Conceals(p)
	}
}

// permittedPerson: the person asked about, the persons of the case, and the household as
// the registry's 支援措置 lists it. Anybody else whom a source brings is cut.
func (l *lookup) permittedPerson(p ledger.AtenaNumber) bool {
	return p == l.request.Person || slices.Contains(l.concerned, p) ||
		slices.Contains(l.protected[l.request.Person].Household, p)
}

// relations gives each person's 続柄 as the registry says it, for sources that know none.
func (l *lookup) relations() map[ledger.AtenaNumber]ledger.Relation {
	known := map[ledger.AtenaNumber]ledger.Relation{}
	for _, r := range l.result.Sources {
		for _, f := range r.Persons {
			if f.Relation != "" {
				known[f.Person] = f.Relation
			}
		}
	}
	return known
}

// compare holds what the application or the ledger says against the source (突合).
func (l *lookup) compare(r *SourceResult, facts []ledger.Facts, items []ledger.Item, why string) {
	c := l.request.Compare
	if c.Ledger {
		for _, item := range items {
			r.Comparison = append(r.Comparison, ledger.Comparison{Item: item, Result: ledger.NotComparable, Rule: ledger.RuleNoLedgerRecord})
		}
		return
	}
	here := map[ledger.Item]string{}
	for item, value := range c.Values {
		if slices.Contains(offers(r.Source), item) {
			here[item] = value
		}
	}
	if len(here) == 0 {
		return
	}
	var there []ledger.Value
	for _, f := range facts {
		if f.Person == l.request.Person {
			there = f.Values
		}
	}
	r.Comparison = ledger.Compare(here, there, func(item ledger.Item) string {
		switch {
		case !slices.Contains(items, item):
			return ledger.RuleNotPermitted
		case why != "" && item.Locates():
			return ledger.RuleConcealed
		case r.Outcome != ledger.Found && r.Outcome != ledger.NoRecord:
			return string(r.Outcome) // there is nothing to hold it against
		default:
			return ""
		}
	})
}

// ends says how each source ended, for the record: names of items, never a value.
func (l *lookup) ends() []audit.SourceEnd {
	ends := make([]audit.SourceEnd, 0, len(l.result.Sources)+1)
	ends = append(ends, shieldEnd(l.unread))
	for _, r := range l.result.Sources {
		end := audit.SourceEnd{Source: string(r.Source), Outcome: string(r.Outcome), Reason: r.Reason, Millis: r.took.Milliseconds()}
		for _, f := range r.Persons {
			end.Items = named(end.Items, f.Values, func(v ledger.Value) ledger.Item { return v.Item })
		}
		end.Suppressed = named(end.Suppressed, r.Suppressed, func(k ledger.Kept) ledger.Item { return k.Item })
		ends = append(ends, end)
	}
	return ends
}

// shieldEnd says how reading 支援措置 ended; nil: it was read.
func shieldEnd(unread error) audit.SourceEnd {
	end := audit.SourceEnd{Source: string(ledger.Protection), Outcome: string(ledger.Found)}
	if unread != nil {
		outcome, reason, _ := meaning(unread)
		end.Outcome, end.Reason = string(outcome), reason
	}
	return end
}

// named adds to the names those of the items that are not among them yet.
func named[T any](names []string, all []T, item func(T) ledger.Item) []string {
	for _, one := range all {
		if name := string(item(one)); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// subjects lists everybody in the answer beside the one asked about.
func (l *lookup) subjects(asked []audit.Subject) []audit.Subject {
	all := slices.Clone(asked)
	for _, r := range l.result.Sources {
		for _, f := range r.Persons {
			s := audit.Subject{Atena: string(f.Person), Role: "shown"}
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

func words[T ~string](items []T) []string {
	list := make([]string, len(items))
	for i, item := range items {
		list[i] = string(item)
	}
	return list
}
