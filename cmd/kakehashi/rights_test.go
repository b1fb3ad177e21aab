package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// writeToken puts a token into a file.
func writeToken(t *testing.T, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// refused checks that an answer is a problem detail of the status that says what to do.
func refused(t *testing.T, r reply, status int) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		t.Fatalf("%d is no problem detail: %s", r.status, r.body)
	}
	if r.status != status || p.Status != status {
		t.Fatalf("status %d (%s), want %d", r.status, p.Code, status)
	}
	if r.header.Get("Content-Type") != "application/problem+json" || p.Code == "" || p.Title == "" || p.NextAction == "" {
		t.Errorf("%s: the problem lacks its type, code, title or next_action: %s", p.Code, r.body)
	}
	return p
}

// entry is an entry of the record as the API spells it.
type entry struct {
	Entry    string   `json:"entry"`
	Kind     string   `json:"kind"`
	LookupID string   `json:"lookup_id"`
	Act      string   `json:"act"`
	Case     string   `json:"case"`
	Sources  []string `json:"sources"`
	Items    []string `json:"items"`
	Flags    []string `json:"flags"`
	Code     string   `json:"code"`
	Count    int      `json:"count"`
	Actor    struct {
		Staff string `json:"staff"`
	} `json:"actor"`
	Ends []struct {
		Source  string   `json:"source"`
		Outcome string   `json:"outcome"`
		Items   []string `json:"items"`
	} `json:"ends"`
	Subjects []struct {
		Atena string `json:"atena_number"`
		Role  string `json:"role"`
	} `json:"subjects"`
}

// record searches the record as the auditor.
func (p *process) record(auditor string, filter map[string]any) []entry {
	p.t.Helper()
	filter["limit"] = 200
	r, err := p.post("/v1/record/search", auditor, filter)
	var page struct {
		Entries []entry `json:"entries"`
	}
	if err == nil {
		err = json.Unmarshal([]byte(r.body), &page)
	}
	if err != nil || r.status != http.StatusOK {
		p.t.Fatalf("search the record: %d %v %s", r.status, err, r.body)
	}
	return page.Entries
}

// rights is a demo with the tokens of its roles.
type rights struct {
	*process
	people                  []persona
	worker, auditor, system string
}

func startRights(t *testing.T) *rights {
	p := startDemo(t, t.TempDir())
	return &rights{
		process: p, people: personas(t, p.dir), worker: token(t, p.dir, "case-worker"),
		auditor: token(t, p.dir, "auditor"), system: token(t, p.dir, "case-system"),
	}
}

// openCase opens a case as the case system.
func (r *rights) openCase(t *testing.T, id, procedure string, persons ...string) {
	t.Helper()
	got, err := r.post("/v1/cases", r.system, map[string]any{"case": id, "procedure": procedure, "persons": persons})
	if err != nil || got.status != http.StatusCreated {
		t.Fatalf("open a case: %d %v %s", got.status, err, got.body)
	}
}

// ask sends a lookup with a basis of its own.
func (r *rights) ask(t *testing.T, token string, body map[string]any) reply {
	t.Helper()
	got, err := r.post("/v1/lookups", token, body)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// basisOf asks about somebody on a case of a procedure.
func basisOf(who persona, id, procedure, purpose string) map[string]any {
	return map[string]any{
		"person": map[string]string{"atena_number": who.Atena}, "case": id, "procedure": procedure, "purpose": purpose,
	}
}

// itemsShown gives every item that an answer shows, sorted.
func (a answer) itemsShown() []string {
	var items []string
	for _, s := range a.Sources {
		for _, c := range s.Persons {
			for _, v := range c.Values {
				items = append(items, v.Item)
			}
		}
	}
	slices.Sort(items)
	return slices.Compact(items)
}

// TestProcedureSeesItsItemsAlone: payment sees the tax class, notification all but it.
func TestProcedureSeesItsItemsAlone(t *testing.T) {
	t.Parallel()
	r := startRights(t)
	child := tagged(t, r.people, "child", "twin")
	r.openCase(t, "P-0001", "payment", child.Members...)
	r.openCase(t, "N-0001", "notification", child.Members...)

	t.Run("payment", func(t *testing.T) {
		setFault(t, r.dir, "address", "slow") // who asks it all the same waits for it
		body := basisOf(child, "P-0001", "payment", "claim")
		body["compare"] = map[string]any{"values": map[string]string{"name": child.Name, "tax_class": child.Tax[taxYear()]}}
		began := time.Now()
		got := r.ask(t, r.worker, body)
		took := time.Since(began)
		clearFaults(t, r.dir, "address")
		var a answer
		if err := json.Unmarshal([]byte(got.body), &a); err != nil || got.status != http.StatusOK {
			t.Fatalf("lookup: %d %s", got.status, got.body)
		}
		if diff := cmp.Diff(map[string]string{"residents": "forbidden", "tax": "found", "address": "forbidden"}, a.outcomes()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"tax_class"}, a.itemsShown()); diff != "" {
			t.Errorf("items (-want +got):\n%s", diff)
		}
		if c, _ := a.shown("tax", child.Atena); c.value("tax_class") != child.Tax[taxYear()] || c.Relation != "" {
			t.Error("the tax class is not shown, or with it a 続柄 that this procedure may not see")
		}
		if found := tells(got, append(locating(child), child.Name, child.Kana, child.BirthDate)); len(found) > 0 {
			t.Errorf("the answer tells %q", found)
		}
		if took > time.Second {
			t.Errorf("a forbidden source was waited for: %v", took)
		}
		for _, s := range a.Sources {
			for _, row := range s.Comparison {
				if (row.Item == "tax_class") != (row.Result == "same") {
					t.Errorf("%s: %s is %s by %s", s.Source, row.Item, row.Result, row.Rule)
				}
			}
		}
		kept := r.record(r.auditor, map[string]any{"lookup_id": a.LookupID})
		if len(kept) != 2 {
			t.Fatalf("%d entries of a lookup", len(kept))
		}
		for _, e := range kept {
			if diff := cmp.Diff([]string{"protection", "tax"}, slices.Sorted(slices.Values(e.Sources))); diff != "" {
				t.Errorf("%s: sources asked (-want +got):\n%s", e.Kind, diff)
			}
			if diff := cmp.Diff([]string{"tax_class"}, e.Items); diff != "" {
				t.Errorf("%s: items (-want +got):\n%s", e.Kind, diff)
			}
		}
		find, err := r.post("/v1/people/search", r.worker, map[string]any{
			"kana": child.Kana, "birth_date": child.BirthDate, "case": "P-0001", "procedure": "payment", "purpose": "claim",
		})
		if err != nil {
			t.Fatal(err)
		}
		refused(t, find, http.StatusForbidden)
	})
	t.Run("notification", func(t *testing.T) {
		got := r.ask(t, r.worker, basisOf(child, "N-0001", "notification", "change"))
		var a answer
		if err := json.Unmarshal([]byte(got.body), &a); err != nil || got.status != http.StatusOK {
			t.Fatalf("lookup: %d %s", got.status, got.body)
		}
		if diff := cmp.Diff(map[string]string{"residents": "found", "tax": "forbidden", "address": "found"}, a.outcomes()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if strings.Contains(unescape(got.body), "課税") || slices.Contains(a.itemsShown(), "tax_class") {
			t.Error("a procedure without a right to it is told the tax class")
		}
		if c, _ := a.shown("residents", child.Atena); c.value("name") != child.Name {
			t.Error("the name is not shown")
		}
	})
	t.Run("registration", func(t *testing.T) {
		a, _ := r.lookup(r.worker, child)
		for _, item := range []string{"name", "kana", "birth_date", "sex", "address", "postal_code", "phone", "household_number", "relation", "tax_class"} {
			if !slices.Contains(a.itemsShown(), item) {
				t.Errorf("%s is shown of nobody", item)
			}
		}
	})
}

// TestUnfitBasisIsRefusedAndRecorded: whoever lacks a case, a purpose or a role is told what
// to do, and the record keeps it.
func TestUnfitBasisIsRefusedAndRecorded(t *testing.T) {
	t.Parallel()
	r := startRights(t)
	who, other := tagged(t, r.people, "twin"), tagged(t, r.people, "gaiji")
	example := r.ready.Example
	r.openCase(t, "C-CLOSED", example.Procedure, who.Atena)
	if got, err := r.post("/v1/cases/close", r.system, map[string]string{"case": "C-CLOSED"}); err != nil || got.status != http.StatusOK {
		t.Fatalf("close a case: %d %v", got.status, err)
	}
	basis := func(change map[string]any) map[string]any {
		body := basisOf(who, who.Case, example.Procedure, example.Purpose)
		for k, v := range change {
			if v == nil {
				delete(body, k)
			} else {
				body[k] = v
			}
		}
		return body
	}
	for name, c := range map[string]struct {
		role string
		body map[string]any
		code string
	}{
		"no case and no reason": {"case-worker", basis(map[string]any{"case": nil}), "KKH1217"},
		"unknown reason":        {"case-worker", basis(map[string]any{"case": nil, "reason": "curiosity"}), "KKH1222"},
		"reason elsewhere":      {"case-worker", basis(map[string]any{"case": nil, "reason": example.Reason, "procedure": "payment", "purpose": "claim"}), "KKH1222"},
		"unknown case":          {"case-worker", basis(map[string]any{"case": "K-0000000"}), "KKH1218"},
		"closed case":           {"case-worker", basis(map[string]any{"case": "C-CLOSED"}), "KKH1219"},
		"other person":          {"case-worker", basis(map[string]any{"case": other.Case}), "KKH1220"},
		"other procedure":       {"case-worker", basis(map[string]any{"procedure": "payment", "purpose": "claim"}), "KKH1221"},
		"unknown procedure":     {"case-worker", basis(map[string]any{"procedure": "everything"}), "KKH1214"},
		"no purpose":            {"case-worker", basis(map[string]any{"purpose": nil}), "KKH1216"},
		"unknown purpose":       {"case-worker", basis(map[string]any{"purpose": "curiosity"}), "KKH1216"},
		"operator":              {"operator", basis(nil), "KKH1213"},
		"auditor":               {"auditor", basis(nil), "KKH1213"},
		"case system":           {"case-system", basis(nil), "KKH1213"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/v1/lookups", "/v1/people/search"} {
				body := c.body
				if path == "/v1/people/search" {
					if name == "other person" {
						continue // it is not known yet whom a search concerns
					}
					body = map[string]any{"kana": who.Kana, "birth_date": who.BirthDate}
					for _, k := range []string{"case", "reason", "procedure", "purpose"} {
						if v, ok := c.body[k]; ok {
							body[k] = v
						}
					}
				}
				got, err := r.post(path, token(t, r.dir, c.role), body)
				if err != nil {
					t.Fatal(err)
				}
				p := refused(t, got, http.StatusForbidden)
				if p.Code != c.code {
					t.Errorf("%s: %s (%s), want %s", path, p.Code, p.Title, c.code)
				}
				if found := tells(got, append(locating(who), who.Name, who.Kana)); len(found) > 0 {
					t.Errorf("%s: a refusal tells %q", path, found)
				}
				kept := r.record(r.auditor, map[string]any{"lookup_id": p.Instance, "kind": "refused"})
				if p.Instance == "" || len(kept) != 1 || kept[0].Code != c.code {
					t.Errorf("%s: the record has %d entries of the refusal %q", path, len(kept), p.Instance)
				}
			}
		})
	}
}

// TestWithoutCase: with a reason that the procedure allows, and flagged for self-inspection.
func TestWithoutCase(t *testing.T) {
	t.Parallel()
	r := startRights(t)
	who := tagged(t, r.people, "twin")
	body := basisOf(who, "", r.ready.Example.Procedure, r.ready.Example.Purpose)
	delete(body, "case")
	body["reason"] = r.ready.Example.Reason
	got := r.ask(t, r.worker, body)
	var a answer
	if err := json.Unmarshal([]byte(got.body), &a); err != nil || got.status != http.StatusOK {
		t.Fatalf("lookup without a case: %d %s", got.status, got.body)
	}
	find := r.searchBody(who)
	delete(find, "case")
	find["reason"] = r.ready.Example.Reason
	b, _ := r.search(r.worker, find)
	r.lookup(r.worker, who) // with a case: not flagged
	var ids []string
	for _, e := range r.record(r.auditor, map[string]any{"without_case": true}) {
		if !slices.Contains(e.Flags, "no_case") || e.Case != "" {
			t.Errorf("an entry without a case has the flags %v", e.Flags)
		}
		ids = append(ids, e.LookupID)
	}
	slices.Sort(ids)
	if diff := cmp.Diff(slices.Sorted(slices.Values([]string{a.LookupID, b.LookupID})), slices.Compact(ids)); diff != "" {
		t.Errorf("what is flagged in the record (-want +got):\n%s", diff)
	}
	byCommand := kakehashi(t, "find", "--dir", r.dir, "--kana", who.Kana, "--birth-date", who.BirthDate, "--reason", r.ready.Example.Reason,
		"--procedure", r.ready.Example.Procedure, "--purpose", r.ready.Example.Purpose)
	if byCommand.code != 0 || !strings.Contains(byCommand.out, who.Atena) {
		t.Errorf("find without a case: %d %s", byCommand.code, byCommand.err)
	}
}

// TestCases: 201, 200 and 409, and who may.
func TestCases(t *testing.T) {
	t.Parallel()
	r := startRights(t)
	a, b := r.people[0], r.people[5]
	send := func(path, token string, body any) reply {
		got, err := r.post(path, token, body)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	one := map[string]any{"case": "T-1", "procedure": "payment", "persons": []string{a.Atena, b.Atena}}
	turned := map[string]any{"case": "T-1", "procedure": "payment", "persons": []string{b.Atena, a.Atena}}
	for i, step := range []struct {
		path, token string
		body        map[string]any
		status      int
	}{
		{"/v1/cases", r.system, one, http.StatusCreated},
		{"/v1/cases", r.system, one, http.StatusOK},
		{"/v1/cases", r.system, turned, http.StatusOK}, // the same persons
		{"/v1/cases", r.system, map[string]any{"case": "T-1", "procedure": "payment", "persons": []string{a.Atena}}, http.StatusConflict},
		{"/v1/cases", r.system, map[string]any{"case": "T-1", "procedure": "notification", "persons": []string{a.Atena, b.Atena}}, http.StatusConflict},
		{"/v1/cases", r.worker, map[string]any{"case": "T-2", "procedure": "payment", "persons": []string{a.Atena}}, http.StatusForbidden},
		{"/v1/cases", r.auditor, map[string]any{"case": "T-2", "procedure": "payment", "persons": []string{a.Atena}}, http.StatusForbidden},
		{"/v1/cases/close", r.worker, map[string]any{"case": "T-1"}, http.StatusForbidden},
		{"/v1/cases", r.system, map[string]any{"case": "T-3", "procedure": "payment", "persons": []string{}}, http.StatusUnprocessableEntity},
		{"/v1/cases", r.system, map[string]any{"case": "T-3", "procedure": "nothing", "persons": []string{a.Atena}}, http.StatusUnprocessableEntity},
		{"/v1/cases/close", r.system, map[string]any{"case": "T-9"}, http.StatusNotFound},
		{"/v1/cases/close", r.system, map[string]any{"case": "T-1"}, http.StatusOK},
		{"/v1/cases/close", r.system, map[string]any{"case": "T-1"}, http.StatusOK},
		{"/v1/cases", r.system, one, http.StatusConflict},
	} {
		got := send(step.path, step.token, step.body)
		if got.status != step.status {
			t.Errorf("step %d: %d, want %d: %s", i, got.status, step.status, got.body)
		}
		if got.status >= 400 {
			refused(t, got, step.status)
		}
	}
	var opened, closed int
	for _, e := range r.record(r.auditor, map[string]any{"case": "T-1", "kind": "change"}) {
		switch e.Act {
		case "open_case":
			opened++
		case "close_case":
			closed++
		}
	}
	if opened == 0 || closed == 0 {
		t.Errorf("the record has %d openings and %d closings", opened, closed)
	}
}

// TestRolesOfTheRecord: the auditor reads it and nobody else, and reading leaves an entry.
func TestRolesOfTheRecord(t *testing.T) {
	t.Parallel()
	r := startRights(t)
	who := tagged(t, r.people, "twin")
	a, _ := r.lookup(r.worker, who)
	for _, role := range []string{"case-worker", "operator", "case-system"} {
		for _, path := range []string{"/v1/record/search", "/v1/record/export"} {
			got, err := r.post(path, token(t, r.dir, role), map[string]any{"lookup_id": a.LookupID})
			if err != nil {
				t.Fatal(err)
			}
			if p := refused(t, got, http.StatusForbidden); p.Code != "KKH1213" {
				t.Errorf("%s %s: %s", role, path, p.Code)
			}
			if strings.Contains(got.body, who.Atena) {
				t.Errorf("%s %s: the refusal tells whom it concerns", role, path)
			}
		}
	}
	if kept := r.record(r.auditor, map[string]any{"atena_number": who.Atena, "kind": "outcome"}); len(kept) != 1 || kept[0].LookupID != a.LookupID {
		t.Errorf("%d outcomes of the person", len(kept))
	}
	read := r.record(r.auditor, map[string]any{"kind": "read"})
	if !slices.ContainsFunc(read, func(e entry) bool {
		return slices.ContainsFunc(e.Subjects, func(s struct {
			Atena string `json:"atena_number"`
			Role  string `json:"role"`
		}) bool {
			return s.Atena == who.Atena
		})
	}) {
		t.Error("that the record of a person was read is not in the record")
	}
	byCommand := kakehashi(t, "audit", "search", "--dir", r.dir, "--lookup-id", a.LookupID)
	if byCommand.code != 0 || !strings.Contains(byCommand.out, a.LookupID) || !strings.Contains(byCommand.out, who.Case) || !strings.Contains(byCommand.out, "1001") {
		t.Errorf("audit search: %d, and it lacks number, case or staff:\n%s%s", byCommand.code, byCommand.out, byCommand.err)
	}
}

// TestUnfitBodyIsNotRepeated: what does not fit is pointed at, and no value is repeated.
func TestUnfitBodyIsNotRepeated(t *testing.T) {
	t.Parallel()
	r := startRights(t)
	who := tagged(t, r.people, "twin")
	with := func(change map[string]any) map[string]any {
		body := r.lookupBody(who)
		maps.Copy(body, change)
		return body
	}
	for name, c := range map[string]struct {
		body    map[string]any
		pointer string
	}{
		"unknown member":        {with(map[string]any{"patient": who.Name}), "/patient"},
		"unknown member inside": {with(map[string]any{"person": map[string]string{"atena_number": who.Atena, "kana": who.Kana}}), "/person/kana"},
		"a name as a member":    {with(map[string]any{who.Name: true}), ""},
		"wrong type":            {with(map[string]any{"sources": who.Name}), "/sources"},
		"unknown source":        {with(map[string]any{"sources": []string{who.Name}}), "/sources"},
		"unknown item":          {with(map[string]any{"compare": map[string]any{"values": map[string]string{"nickname": who.Name}}}), "/compare/values"},
		"individual number":     {with(map[string]any{"person": map[string]string{"atena_number": who.Individual}}), "/person/atena_number"},
	} {
		got := r.ask(t, r.worker, c.body)
		p := refused(t, got, http.StatusUnprocessableEntity)
		if len(p.Errors) == 0 || p.Errors[0].Pointer != c.pointer {
			t.Errorf("%s: the problem points at %+v, want %q", name, p.Errors, c.pointer)
		}
		if found := tells(got, append(locating(who), who.Name, who.Kana, who.Atena, who.Individual)); len(found) > 0 {
			t.Errorf("%s: the problem tells %q", name, found)
		}
	}
	if kept := r.record(r.auditor, map[string]any{"kind": "intent"}); len(kept) != 0 {
		t.Errorf("%d lookups were begun by bodies that do not fit", len(kept))
	}
}
