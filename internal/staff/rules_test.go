package staff_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
)

func rules() staff.Rules {
	return staff.NewRules(
		staff.Config{RequiredACR: []string{"card+vein"}, Grants: []staff.Grant{
			{Staff: "1001", Role: "case-worker"},
			{Staff: "1002", Role: "case-worker", To: "2026-03-31"},
			{Staff: "3001", Role: "auditor"},
			{Client: "case-system", Role: "case-system"},
		}},
		[]staff.Procedure{
			{
				ID: "registration", LegalBasis: "条例", Purposes: []staff.Code{{Code: "new"}},
				WithoutCase: []staff.Code{{Code: "counter"}},
				Rights:      []staff.Right{{Roles: []string{"case-worker"}, Items: []string{"name", "address", "tax_class"}}},
			},
			{
				ID: "payment", LegalBasis: "条例", Purposes: []staff.Code{{Code: "claim"}}, From: "2026-01-01", To: "2026-12-31",
				Rights: []staff.Right{{Roles: []string{"case-worker"}, Items: []string{"tax_class"}}},
			},
			{
				ID: "office", LegalBasis: "条例", Purposes: []staff.Code{{Code: "x"}},
				Rights: []staff.Right{{Roles: []string{"auditor"}, Items: []string{"name"}}},
			},
		}, time.UTC)
}

func TestAuthorize(t *testing.T) {
	day := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	worker := staff.Member{Staff: "1001", Authentication: "card+vein"}
	family := &ledger.Case{ID: "K-1", Procedure: "registration", Persons: []ledger.AtenaNumber{"1", "2"}, Open: true}
	act := func(change func(*staff.Act)) staff.Act {
		a := staff.Act{
			Verb: staff.Lookup, Case: family, Persons: []ledger.AtenaNumber{"1"}, At: day,
			Basis: ledger.Basis{Case: "K-1", Procedure: "registration", Purpose: "new"},
		}
		if change != nil {
			change(&a)
		}
		return a
	}
	for _, c := range []struct {
		name string
		who  staff.Member
		act  staff.Act
		want []ledger.Item
		code string
	}{
		{"allowed", worker, act(nil), []ledger.Item{ledger.Name, ledger.AddressText, ledger.TaxClassOfYear}, ""},
		{"tax class alone", worker, act(func(a *staff.Act) {
			a.Basis.Procedure, a.Basis.Purpose = "payment", "claim"
			a.Case = &ledger.Case{ID: "K-1", Procedure: "payment", Persons: family.Persons, Open: true}
		}), []ledger.Item{ledger.TaxClassOfYear}, ""},
		{"no grant", staff.Member{Staff: "9999", Authentication: "card+vein"}, act(nil), nil, "KKH1211"},
		{"grant ran out", staff.Member{Staff: "1002", Authentication: "card+vein"}, act(nil), nil, "KKH1211"},
		{"password alone", staff.Member{Staff: "1001", Authentication: "pwd"}, act(nil), nil, "KKH1212"},
		{"auditor may not look up", staff.Member{Staff: "3001", Authentication: "card+vein"}, act(nil), nil, "KKH1213"},
		{"a person with the client's name is not the client", staff.Member{Staff: "x", Client: "case-system", Authentication: "card+vein"}, act(nil), nil, "KKH1211"},
		{"unknown procedure", worker, act(func(a *staff.Act) { a.Basis.Procedure = "nope" }), nil, "KKH1214"},
		{"procedure ran out", worker, act(func(a *staff.Act) { a.Basis.Procedure, a.At = "payment", day.AddDate(1, 0, 0) }), nil, "KKH1214"},
		{"purpose of another procedure", worker, act(func(a *staff.Act) { a.Basis.Purpose = "claim" }), nil, "KKH1216"},
		{"no case and no reason", worker, act(func(a *staff.Act) { a.Basis.Case = "" }), nil, "KKH1217"},
		{"no case, permitted reason", worker, act(func(a *staff.Act) { a.Basis.Case, a.Basis.Reason = "", "counter" }),
			[]ledger.Item{ledger.Name, ledger.AddressText, ledger.TaxClassOfYear}, ""},
		{"no case, made-up reason", worker, act(func(a *staff.Act) { a.Basis.Case, a.Basis.Reason = "", "あああ" }), nil, "KKH1222"},
		{"no such case", worker, act(func(a *staff.Act) { a.Case = nil }), nil, "KKH1218"},
		{"case closed", worker, act(func(a *staff.Act) { c := *family; c.Open = false; a.Case = &c }), nil, "KKH1219"},
		{"case of another procedure", worker, act(func(a *staff.Act) { a.Basis.Procedure, a.Basis.Purpose = "payment", "claim" }), nil, "KKH1221"},
		{"case of another family", worker, act(func(a *staff.Act) { a.Persons = []ledger.AtenaNumber{"9"} }), nil, "KKH1220"},
		{"nothing to see", worker, act(func(a *staff.Act) {
			a.Basis.Procedure, a.Basis.Purpose = "office", "x"
			a.Case = &ledger.Case{ID: "K-1", Procedure: "office", Persons: family.Persons, Open: true}
		}), nil, "KKH1223"},
		{"case system opens", staff.Member{Client: "case-system"}, act(func(a *staff.Act) { a.Verb = staff.OpenCase }), nil, ""},
		{"worker may not open", worker, act(func(a *staff.Act) { a.Verb = staff.OpenCase }), nil, "KKH1213"},
	} {
		got, err := rules().Authorize(c.who, c.act)
		if fault.Code(err) != c.code || err != nil && !fault.Is(err, fault.Denied) {
			t.Errorf("%s: got error %v, want code %q", c.name, err, c.code)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// The items that a right may name are those of the ledger, one by one.
func TestRightsNameEveryItem(t *testing.T) {
	field, _ := reflect.TypeFor[staff.Right]().FieldByName("Items")
	var want []string
	for _, i := range ledger.Items() {
		want = append(want, string(i))
	}
	if diff := cmp.Diff(want, strings.Split(field.Tag.Get("enum"), "|")); diff != "" {
		t.Errorf("items of a right (-want +got):\n%s", diff)
	}
}

// Who may do what, for every role and every verb that concerns the ledger or what is owed.
func TestRolesAndVerbs(t *testing.T) {
	all := []staff.Role{
		staff.CaseWorker, staff.Operator, staff.Auditor, staff.CaseSystem, staff.Integrator, staff.Contractor, staff.Disclosure, staff.Approver,
	}
	family := &ledger.Case{ID: "K-1", Procedure: "registration", Persons: []ledger.AtenaNumber{"1"}, Open: true}
	for _, c := range []struct {
		verb staff.Verb
		may  []staff.Role
	}{
		{staff.Apply, []staff.Role{staff.CaseWorker}},
		{staff.Show, []staff.Role{staff.CaseWorker}},
		{staff.SearchLedger, []staff.Role{staff.CaseWorker}},
		{staff.Replay, []staff.Role{staff.Operator}},
		{staff.Discard, []staff.Role{staff.Operator}},
		{staff.Answer, []staff.Role{staff.Operator}},
		{staff.Watch, all},
	} {
		for _, role := range all {
			procedure := staff.Procedure{
				ID: "registration", Purposes: []staff.Code{{Code: "new"}}, Changes: []string{"registration"},
				Rights: []staff.Right{{Roles: []string{string(role)}, Items: []string{"name"}}},
			}
			r := staff.NewRules(staff.Config{Grants: []staff.Grant{{Staff: "1", Role: string(role)}}}, []staff.Procedure{procedure}, time.UTC)
			_, err := r.Authorize(staff.Member{Staff: "1"}, staff.Act{
				Verb: c.verb, Case: family, Persons: family.Persons, Change: staff.Registration,
				Basis: ledger.Basis{Case: "K-1", Procedure: "registration", Purpose: "new"},
			})
			if may := slices.Contains(c.may, role); may != (err == nil) {
				t.Errorf("%s, %s: got %v, want allowed: %v", role, c.verb, err, may)
			}
		}
	}
}

func TestContractorDecidesNothingWhateverElseWasGranted(t *testing.T) {
	for _, order := range [][]string{{"operator", "contractor"}, {"contractor", "operator"}} {
		r := staff.NewRules(staff.Config{Grants: []staff.Grant{
			{Staff: "1", Role: order[0]}, {Staff: "1", Role: order[1]}, {Staff: "2", Role: "operator"}, {Staff: "2", Role: "contractor", To: "2026-10-31"},
		}}, nil, time.UTC)
		at := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
		for _, verb := range []staff.Verb{staff.Replay, staff.Discard, staff.Answer} {
			_, err := r.Authorize(staff.Member{Staff: "1"}, staff.Act{Verb: verb, At: at})
			if fault.Code(err) != "KKH1225" || r.RoleFor(staff.Member{Staff: "1"}, verb, at) != staff.Contractor {
				t.Errorf("%v, %s: got %v", order, verb, err)
			}
			if _, err := r.Authorize(staff.Member{Staff: "2"}, staff.Act{Verb: verb, At: at}); err != nil {
				t.Errorf("%s by an operator who was a contractor once: %v", verb, err)
			}
		}
		if _, err := r.Authorize(staff.Member{Staff: "1"}, staff.Act{Verb: staff.Watch, At: at}); err != nil {
			t.Errorf("a contractor may watch: %v", err)
		}
	}
}

func TestProcedureNamesTheChangesItAllows(t *testing.T) {
	for _, c := range []struct {
		changes []string
		change  string
		code    string
	}{
		{[]string{"registration", "mailing_address"}, staff.MailingAddress, ""},
		{[]string{"registration"}, staff.MailingAddress, "KKH1224"},
		{nil, staff.Registration, "KKH1224"},
		{[]string{"registration"}, "", "KKH1224"},
	} {
		r := staff.NewRules(staff.Config{Grants: []staff.Grant{{Staff: "1", Role: "case-worker"}}}, []staff.Procedure{{
			ID: "p", Purposes: []staff.Code{{Code: "x"}}, WithoutCase: []staff.Code{{Code: "counter"}}, Changes: c.changes,
		}}, time.UTC)
		_, err := r.Authorize(staff.Member{Staff: "1"}, staff.Act{
			Verb: staff.Apply, Change: c.change, Basis: ledger.Basis{Procedure: "p", Purpose: "x", Reason: "counter"},
		})
		if fault.Code(err) != c.code {
			t.Errorf("%v, %q: got %v, want %q", c.changes, c.change, err, c.code)
		}
	}
}

func TestShowOnNoBasisNeedsTheRoleAlone(t *testing.T) {
	worker := staff.Member{Staff: "1001", Authentication: "card+vein"}
	at := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	items, err := rules().Authorize(worker, staff.Act{Verb: staff.Show, At: at})
	if err != nil || items != nil {
		t.Errorf("no basis: got %v, %v; want no item and no error", items, err)
	}
	for code, b := range map[string]ledger.Basis{
		"KKH1214": {Case: "K-1"}, "KKH1216": {Procedure: "registration"}, "KKH1217": {Procedure: "registration", Purpose: "new"},
	} {
		if _, err := rules().Authorize(worker, staff.Act{Verb: staff.Show, Basis: b, At: at}); fault.Code(err) != code {
			t.Errorf("half a basis %+v: got %v, want %s", b, err, code)
		}
	}
	if _, err := rules().Authorize(staff.Member{Staff: "3001", Authentication: "card+vein"}, staff.Act{Verb: staff.Show, At: at}); fault.Code(err) != "KKH1213" {
		t.Errorf("an auditor: got %v", err)
	}
	if staff.NoCase(staff.Show, ledger.Basis{}) || !staff.NoCase(staff.Show, ledger.Basis{Procedure: "p"}) || !staff.NoCase(staff.Apply, ledger.Basis{}) ||
		staff.NoCase(staff.Replay, ledger.Basis{}) || staff.NoCase(staff.Lookup, ledger.Basis{Case: "K-1"}) {
		t.Error("what counts as without a case")
	}
}

// The changes that a procedure may name are those that this package knows.
func TestProcedureMayNameEveryChange(t *testing.T) {
	field, _ := reflect.TypeFor[staff.Procedure]().FieldByName("Changes")
	if diff := cmp.Diff([]string{staff.Registration, staff.MailingAddress}, strings.Split(field.Tag.Get("enum"), "|")); diff != "" {
		t.Errorf("changes of a procedure (-want +got):\n%s", diff)
	}
}
