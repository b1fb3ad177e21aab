package ledger_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/ledger"
)

func TestProtectedConceals(t *testing.T) {
	p := ledger.Protected{
		"1": {Household: []ledger.AtenaNumber{"1", "2"}},
		"2": {Protected: true, Household: []ledger.AtenaNumber{"1", "2"}},
		"3": {Household: []ledger.AtenaNumber{"3", "4"}}, // 4 was not read
		"5": {},                                          // not our resident
	}
	for person, want := range map[ledger.AtenaNumber]string{
		"1": ledger.ConcealProtected, "2": ledger.ConcealProtected,
		"3": ledger.ConcealUnread, "5": "", "9": ledger.ConcealUnread,
	} {
		if got := p.Conceals(person); got != want {
			t.Errorf("person %s: got %q, want %q", person, got, want)
		}
	}
}

func TestUnknownItemLocates(t *testing.T) {
	if !ledger.Item("new_item").Locates() {
		t.Error("an item that nobody classified must be concealed")
	}
}

func TestCutAndConceal(t *testing.T) {
	facts := []ledger.Facts{
		{Person: "1", Relation: "子", Values: []ledger.Value{
			{Item: ledger.Name, Text: "n"}, {Item: ledger.AddressText, Text: "a"}, {Item: "new_item", Text: "x"}}},
		{Person: "7", Values: []ledger.Value{{Item: ledger.Name, Text: "stranger"}}},
	}
	items := []ledger.Item{ledger.Name, ledger.AddressText, ledger.Phone, "new_item"}
	cut := ledger.Cut(facts, items, func(p ledger.AtenaNumber) bool { return p == "1" })
	got, kept := ledger.Conceal(cut, items, func(ledger.AtenaNumber) string { return ledger.ConcealProtected })
	want := []ledger.Facts{{Person: "1", Values: []ledger.Value{{Item: ledger.Name, Text: "n"}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	wantKept := []ledger.Kept{
		{Person: "1", Item: ledger.AddressText, Why: "protected"},
		{Person: "1", Item: ledger.Phone, Why: "protected"},
		{Person: "1", Item: "new_item", Why: "protected"},
	}
	if diff := cmp.Diff(wantKept, kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if len(facts[0].Values) != 3 {
		t.Error("Cut changed its argument")
	}
}
