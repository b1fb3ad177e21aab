package gateway

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/inbox"
	"kakehashi/internal/ledger"
	"kakehashi/internal/ledgerdb"
	"kakehashi/internal/store"
)

// ActRefresh is what the record calls a refresh: the person was asked about because one of
// the city's own systems said that something had happened to that person.
const ActRefresh = "refresh"

// inboxClient is who acts then: nobody of the staff.
const inboxClient = "inbox"

// Refresh asks the registry and the Shield about a person of whom change notices came, and
// gives what is to be kept: a sight. Of a person with whom the ledger has nothing to do
// nothing is asked, and the record names the notices without the person. It is recorded
// before and after asking, like a lookup, and once more with the sight. Errors: Unavailable
// where the registry or the record is away; Denied where no procedure may see anything of
// the registry.
func (g *Gateway) Refresh(ctx context.Context, p ledger.AtenaNumber, notices []inbox.Notice) (inbox.Result, error) {
	now := g.now()
	e := audit.Entry{Act: ActRefresh, Actor: audit.Actor{Client: inboxClient}, Count: len(notices)}
	noteNotices(&e, notices)
	var ours bool
	err := store.Read(ctx, g.db, func(ctx context.Context, tx *store.Tx) (err error) {
		ours, err = ledgerdb.Concerned(ctx, tx, p)
		return err
	})
	if err != nil {
		return inbox.Result{}, err
	}
	if !ours {
		return inbox.Result{Word: inbox.NotOurs, Keep: g.keepStranger(p, e)}, nil
	}
	e.Lookup = string(newLookupID(now))
	e.Subjects = []audit.Subject{{Atena: string(p), Role: "asked"}}
	l := &lookup{g: g, request: LookupRequest{Person: p, Sources: []ledger.System{ledger.Residents}}, items: g.everyItem(now, &e)}
	l.request.Basis = ledger.Basis{Procedure: ledger.ProcedureID(e.Procedure)}
	l.result = LookupResult{ID: ledger.LookupID(e.Lookup), At: now}
	l.prepare()
	if len(l.result.Sources) != 1 || l.result.Sources[0].Outcome == ledger.Forbidden {
		return inbox.Result{}, g.refuse(ctx, e, fault.New(fault.Denied, "no procedure may see anything of the registry").
			WithCode("KKH1223").WithReason("no_items"))
	}
	e.Sources, e.Items = l.asked(), words(permitted(ledger.Residents, l.items))
	if err := keep(ctx, e, g.record.Intend); err != nil {
		return inbox.Result{}, err
	}
	l.ask(ctx)
	outcome := e
	outcome.Ends = seenEnds(l)
	if err := keep(ctx, outcome, g.record.Conclude); err != nil {
		return inbox.Result{}, err
	}
	s, err := g.sight(l, notices[len(notices)-1])
	if err != nil {
		return inbox.Result{}, err
	}
	return inbox.Result{Word: inbox.Refreshed, Keep: g.keepSight(s, e)}, nil
}

// noteNotices names in an entry the notices that led to it: by our own names for them.
func noteNotices(e *audit.Entry, notices []inbox.Notice) {
	names := make([]string, len(notices))
	for i, n := range notices {
		names[i] = n.Name
	}
	note(e, "notices", strings.Join(names, " "))
	newest := notices[len(notices)-1]
	note(e, "source", newest.Source)
	note(e, "brought_by", newest.By)
}

// everyItem gives the items that any procedure in force lets anybody see: what nobody may
// see is not asked for. The entry gets the procedure where there is only one, and otherwise
// the names of all.
func (g *Gateway) everyItem(at time.Time, e *audit.Entry) []ledger.Item {
	procedures := g.rules.Procedures(at)
	var names []string
	var items []ledger.Item
	for _, p := range procedures {
		names = append(names, p.ID)
		for _, right := range p.Rights {
			for _, item := range right.Items {
				items = append(items, ledger.Item(item))
			}
		}
	}
	if len(procedures) == 1 {
		e.Procedure, e.LegalBasis = procedures[0].ID, procedures[0].LegalBasis
	} else {
		note(e, "procedures", strings.Join(names, " "))
	}
	return slices.DeleteFunc(ledger.Items(), func(i ledger.Item) bool { return !slices.Contains(items, i) })
}

// seenEnds says for the record how the questions ended: nobody is shown anything.
func seenEnds(l *lookup) []audit.SourceEnd {
	r := l.result.Sources[0]
	return []audit.SourceEnd{shieldEnd(l.unread), {
		Source: string(r.Source), Outcome: string(r.Outcome), Reason: r.Reason, Millis: r.took.Milliseconds(),
	}}
}

// sight makes of the answers what is kept of them.
func (g *Gateway) sight(l *lookup, newest inbox.Notice) (ledgerdb.Sight, error) {
	r := l.result.Sources[0]
	s := ledgerdb.Sight{
		Person: l.request.Person, System: r.Source, SeenAt: r.At, Outcome: r.Outcome, Protection: l.protection(),
		Notice: newest.Name, Kind: newest.Kind, Effective: newest.Effective, Received: newest.Received,
	}
	switch r.Outcome {
	case ledger.NoPerson:
		return s, nil
	case ledger.Found, ledger.NoRecord, ledger.Pending, ledger.Suppressed:
	case ledger.Unavailable, ledger.Forbidden:
		return s, fault.New(fault.Unavailable, "the registry gave no answer").WithReason(r.Reason).WithRetry(r.Retry)
	}
	s.Digests = map[ledger.Item]string{}
	for _, item := range permitted(r.Source, l.items) {
		s.Digests[item] = g.digestOf(s.Person, item, "")
	}
	for _, f := range r.Persons {
		if f.Person != s.Person {
			continue
		}
		for _, v := range f.Values {
			if _, asked := s.Digests[v.Item]; !asked {
				continue
			}
			s.Digests[v.Item] = g.digestOf(s.Person, v.Item, v.Text+"|"+v.Date.String()+"|"+v.Date.Note)
			s.AsOf = v.AsOf
			if v.Item == ledger.ResidencyStatus {
				s.Residency = v.Text
			}
		}
		if _, asked := s.Digests[ledger.RelationToHead]; asked && f.Relation != "" {
			s.Digests[ledger.RelationToHead] = g.digestOf(s.Person, ledger.RelationToHead, string(f.Relation))
		}
	}
	return s, nil
}

// digestOf is the keyed digest of one value of one person: two persons with the same address
// have none in common.
func (g *Gateway) digestOf(p ledger.AtenaNumber, item ledger.Item, value string) string {
	return g.record.Digest("sight "+string(item), string(p)+"\n"+value)
}

// protection says what was read of 支援措置.
func (l *lookup) protection() string {
	if l.unread != nil {
		return ledgerdb.Unread
	}
	switch l.protected.Conceals(l.request.Person) {
	case "":
		return ledgerdb.Unprotected
	case ledger.ConcealProtected:
		return ledgerdb.Protected
	default:
		return ledgerdb.Unread
	}
}

// keepSight keeps a sight and its entry.
func (g *Gateway) keepSight(s ledgerdb.Sight, e audit.Entry) func(context.Context, *store.Tx) error {
	e.Kind, e.Sources, e.Items = audit.Change, nil, nil
	e.Subjects = []audit.Subject{{Atena: string(s.Person), Role: "seen"}}
	e.Detail = cloned(e.Detail, "result", inbox.Refreshed)
	return func(ctx context.Context, tx *store.Tx) error {
		if err := ledgerdb.KeepSight(ctx, tx, s); err != nil {
			return err
		}
		return g.record.Append(ctx, tx, e)
	}
}

// keepStranger records notices of a person with whom the ledger has nothing to do: the entry
// does not name the person. Somebody may have registered the person since: then the person is
// asked about after all.
func (g *Gateway) keepStranger(p ledger.AtenaNumber, e audit.Entry) func(context.Context, *store.Tx) error {
	e.Kind, e.Detail = audit.Change, cloned(e.Detail, "result", inbox.NotOurs)
	return func(ctx context.Context, tx *store.Tx) error {
		ours, err := ledgerdb.Concerned(ctx, tx, p)
		if err != nil {
			return err
		}
		if ours {
			return fault.New(fault.Unavailable, "the person has come into the ledger meanwhile").WithReason("registered")
		}
		return g.record.Append(ctx, tx, e)
	}
}

// cloned gives a copy of an entry's details with one more.
func cloned(detail map[string]string, name, value string) map[string]string {
	more := map[string]string{name: value}
	maps.Copy(more, detail)
	return more
}
