package gateway

import (
	"context"
	"slices"
	"time"

	"kakehashi/internal/ledger"
	"kakehashi/internal/ledgerdb"
	"kakehashi/internal/store"
)

// Seen is what a change notice (異動通知) led to: that something happened to the child or the
// guardian, and which of the permitted items the registry says otherwise since.
type Seen struct {
	Child     bool // of the child; false: of the guardian
	System    ledger.System
	Kind      ledger.NoticeKind
	Effective ledger.Date    // 異動日
	Received  time.Time      // when the notice came
	SeenAt    time.Time      // when the system was asked
	AsOf      string         // 基準日; empty: the system says none
	Outcome   ledger.Outcome // Found or NoPerson
	Residency string         // 住民状態; empty: not permitted, or unknown
	Changed   []ledger.Item  // by name alone; none of what is concealed
	First     bool           // nothing was seen before: what changed is unknown
}

// seen reads the sights of child and guardian.
func seen(ctx context.Context, tx *store.Tx, b ledger.Beneficiary) ([]Seen, error) {
	var all []Seen
	for _, p := range []ledger.Person{b.Child, b.Guardian} {
		if !p.Numbered() {
			continue
		}
		sights, err := ledgerdb.Sights(ctx, tx, p.Atena)
		if err != nil {
			return nil, err
		}
		for _, s := range sights {
			all = append(all, Seen{
				Child: p.ID == b.Child.ID, System: s.System, Kind: s.Kind, Effective: s.Effective, Received: s.Received,
				SeenAt: s.SeenAt, AsOf: s.AsOf, Outcome: s.Outcome, Residency: s.Residency, Changed: s.Changed, First: s.First,
			})
		}
	}
	return all, nil
}

// cutSeen leaves what the items permit, and of a concealed person nothing that locates.
func cutSeen(all []Seen, items []ledger.Item, concealed bool) []Seen {
	may := func(item ledger.Item) bool { return slices.Contains(items, item) && (!concealed || !item.Locates()) }
	var left []Seen
	for _, s := range all {
		s.Changed = slices.DeleteFunc(slices.Clone(s.Changed), func(i ledger.Item) bool { return !may(i) })
		if !may(ledger.ResidencyStatus) {
			s.Residency = ""
		}
		left = append(left, s)
	}
	return left
}
