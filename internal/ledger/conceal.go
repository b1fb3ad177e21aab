package ledger

import "slices"

// Kept is one item of one person that is kept back although the procedure may see it.
type Kept struct {
	Person AtenaNumber
	Item   Item
	Why    string // ConcealProtected or ConcealUnread
}

// Cut gives the facts with nothing in them but the permitted items of permitted persons,
// whatever a source brought. A relation and a household are items like any other.
func Cut(persons []Facts, items []Item, permitted func(AtenaNumber) bool) []Facts {
	var left []Facts
	for _, f := range persons {
		if !permitted(f.Person) {
			continue
		}
		f.Values = slices.DeleteFunc(slices.Clone(f.Values), func(v Value) bool { return !slices.Contains(items, v.Item) })
		if !slices.Contains(items, RelationToHead) {
			f.Relation = ""
		}
		left = append(left, f)
	}
	return left
}

// Conceal takes every item that locates out of the facts of the persons for whom why
// gives a reason, and says what it kept back. What is kept back is said for every
// permitted item that locates, had the source a value or not: the absence of an address
// tells something too.
func Conceal(persons []Facts, items []Item, why func(AtenaNumber) string) ([]Facts, []Kept) {
	var kept []Kept
	open := make([]Facts, len(persons))
	for i, f := range persons {
		if reason := why(f.Person); reason != "" {
			f.Values = slices.DeleteFunc(slices.Clone(f.Values), func(v Value) bool { return v.Item.Locates() })
			for _, item := range items {
				if item.Locates() {
					kept = append(kept, Kept{Person: f.Person, Item: item, Why: reason})
				}
			}
		}
		open[i] = f
	}
	return open, kept
}
