package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// applicants are people whom only applications name, with what the gateway was told of them.
type applicants struct {
	p        *process
	worker   string
	operator string
	people   []persona // the guardians; their 宛名番号 once they have one
	children []persona
	strange  []persona // whom the neighbour does not know, so that what concerns them parks
	ids      []string  // of the beneficiaries
	changes  []string
}

// applicant is a guardian as the other people of the search are written.
func (o outsider) applicant(n int) persona {
	return persona{Key: fmt.Sprintf("applicant-%d", n), Name: o.name, Kana: o.kana, BirthDate: o.birth, Address: o.address}
}

// letterTo is the persona to whom the letters of the nth family go.
func letterTo(n int) persona {
	return persona{
		Key: fmt.Sprintf("letters-%d", n), Name: fmt.Sprintf("宛先　受取%c", []rune("一二三四五六七八九十")[n%10]),
		Kana: "アテサキ　ウケトリ", Address: fmt.Sprintf("彼方市届町%d丁目8番地", n+1), Extra: fmt.Sprintf("届ハイツ%d号室", 300+n),
	}
}

// newApplicants begins without anybody registered.
func newApplicants(t *testing.T, p *process, worker string, all []persona) *applicants {
	t.Helper()
	b := &backlog{process: p}
	return &applicants{p: p, worker: worker, operator: token(t, p.dir, "operator"), children: children(all), strange: b.strangers(t, 3)}
}

// family registers the next child with a guardian who lives elsewhere, and says where their
// letters go.
func (a *applicants) family(t *testing.T) {
	t.Helper()
	n := len(a.ids)
	guardian, letters, child := outsiderOf(700+n), letterTo(n), a.children[n]
	made := a.p.must("/v1/beneficiaries", a.worker, fmt.Sprintf("family-%d", n), a.p.registration(child, guardian.body()))
	body := a.p.basis(map[string]any{
		"kind": "mailing_address", "effective_on": "2026-12-01", "version": 1, "mailing_address": map[string]string{
			"name": letters.Name, "address": letters.Address, "address_extra": letters.Extra,
		},
	}, child.Case)
	moved := a.p.must("/v1/beneficiaries/"+made.ID+"/changes", a.worker, fmt.Sprintf("letters-%d", n), body)
	if _, r, err := a.p.press("/v1/beneficiaries/"+made.ID+"/changes", a.worker, "late", body); err != nil || r.status != http.StatusConflict {
		t.Errorf("a second clerk: %d %v", r.status, err)
	}
	a.ids, a.people = append(a.ids, made.ID), append(a.people, guardian.applicant(n))
	a.changes = append(append(a.changes, made.changes()...), moved.changes()...)
}

// stranger registers people whom the neighbour does not know.
func (a *applicants) strangers(t *testing.T) {
	t.Helper()
	for i, who := range a.strange {
		body := a.p.registration(who, outsiderOf(800+i).body())
		body["child"] = map[string]string{"atena_number": who.Atena}
		made := a.p.must("/v1/beneficiaries", a.worker, fmt.Sprintf("strange-%d", i), body)
		a.changes = append(a.changes, made.Change)
		a.people = append(a.people, outsiderOf(800+i).applicant(800+i))
	}
}

// look reads everything that says what is owed, and keeps it.
func (a *applicants) look(t *testing.T, left traces) {
	t.Helper()
	for _, path := range []string{"/v1/outbox?limit=1000", "/v1/outbox?all=true&limit=1000", "/v1/outbox/replays", "/v1/breakers"} {
		r, err := a.p.as(a.operator, path)
		if err != nil || r.status != http.StatusOK {
			t.Errorf("%s: %d %v", path, r.status, err)
		}
		left.add("/v1/outbox", []byte(r.body))
	}
	for _, id := range a.changes {
		r, err := a.p.as(a.operator, "/v1/outbox/"+id)
		if err != nil {
			t.Error(err)
		}
		left.add("/v1/outbox", []byte(r.body))
		left.add("/console/outbox", []byte(a.p.get("/console/outbox/"+id).body))
	}
	for _, path := range []string{"/console/outbox", "/console/outbox?all=true", "/console/outbox?cause=rejected", "/console/breakers"} {
		r := a.p.get(path)
		if r.status != http.StatusOK {
			t.Errorf("%s: %d", path, r.status)
		}
		left.add("/console/outbox", []byte(r.body))
	}
	for _, args := range [][]string{{"list"}, {"list", "--all", "--json"}, {"show", a.changes[0]}, {"replays"}} {
		r := kakehashi(t, append([]string{"outbox", args[0], "--dir", a.p.dir}, args[1:]...)...)
		left.add("commands", []byte(r.out+r.err))
	}
}

// finish waits until everything is told and learns the numbers that were assigned.
func (a *applicants) finish(t *testing.T) {
	t.Helper()
	selected := map[string]any{"where": map[string]string{"cause": "rejected"}, "reason": "番号を確かめたため"}
	if r, err := a.p.post("/v1/outbox/replays", a.operator, selected); err != nil || r.status != http.StatusAccepted {
		t.Errorf("replay: %d %v %s", r.status, err, r.body)
	}
	a.p.told(a.operator, time.Minute)
	for _, w := range arrivals(t, a.p.dir) {
		if w.Kind == "numbering" && w.Effect == "applied" {
			a.people = append(a.people, persona{Key: "assigned", Atena: w.Atena})
		}
	}
}

// searches gives what to search for: what applications said, and the numbers.
func (a *applicants) searches(t *testing.T, atena *search) *search {
	t.Helper()
	var named []persona
	for _, p := range a.people {
		if p.Atena != "" {
			atena.add(t, p.Key, "宛名番号", p.Atena)
		} else {
			named = append(named, p)
		}
	}
	for _, p := range a.strange {
		atena.add(t, "stranger", "宛名番号", p.Atena)
	}
	for n := range a.ids {
		named = append(named, letterTo(n))
	}
	said := personal(t, named)
	for _, p := range append(named, a.children[:len(a.ids)]...) {
		said.add(t, p.Key, "birth date", p.BirthDate)
	}
	return said
}

// mayName tells where what an application said may stand: in the ledger.
func mayName(place string) bool {
	return place == "table ledger_person" || place == "table ledger_mailing" || place == "table ledger_beneficiary" ||
		strings.Contains(place, " kakehashi.db") // the tables are looked at one by one
}

// wrongChanges are bodies of changes and of what operators do, with a value where it does
// not belong.
func wrongChanges(p *process, who persona, v string) []wrongBody {
	e := p.ready.Example
	quoted := fmt.Sprintf("%q", v)
	basis := fmt.Sprintf(`"case":%q,"procedure":%q,"purpose":%q`, who.Case, e.Procedure, e.Purpose)
	register := func(members string) wrongBody {
		return wrongBody{"/v1/beneficiaries", `{` + members + `,` + basis + `}`}
	}
	const nobody = "/v1/beneficiaries/B-AAAAAAAAAAAAAAAAAAAAAAAAAA/changes"
	child := fmt.Sprintf(`"child":{"atena_number":%q},"applied_on":"2026-11-20"`, who.Atena)
	guardian := `"guardian":{"name":` + quoted + `,"kana":` + quoted + `,"birth_date":"1985-01-01","sex":"女","address":` + quoted + `}`
	return []wrongBody{
		register(child + `,"guardian":{"name":` + quoted + `}`),
		register(child + `,"guardian":{"atena_number":` + quoted + `}`),
		register(child + `,"guardian":` + quoted),
		register(child + `,"guardian":{` + quoted + `:1}`),
		register(child + `,"guardian":{"name":` + quoted + `,"kana":"漢字","birth_date":"1985-01-01","sex":"女","address":` + quoted + `}`),
		register(child + `,"guardian":{"name":` + quoted + `,"kana":` + quoted + `,"birth_date":` + quoted + `,"sex":` + quoted + `,"address":` + quoted + `}`),
		register(strings.Replace(child, who.Atena, v, 1) + `,` + guardian),
		register(strings.Replace(child, "2026-11-20", v, 1) + `,` + guardian),
		register(strings.Replace(child, "2026-11-20", "2199-01-01", 1) + `,` + guardian),
		{"/v1/beneficiaries", `{` + child + `,` + guardian + `,"case":` + quoted + `,"procedure":` + quoted + `,"purpose":` + quoted + `}`},
		{"/v1/beneficiaries", `{` + child + `,` + guardian + `,"reason":` + quoted + `}`},
		{nobody, `{"kind":"mailing_address","effective_on":"2026-12-01","version":1,"mailing_address":{"name":` + quoted + `,"address":` + quoted + `},` + basis + `}`},
		{nobody, `{"kind":` + quoted + `,"effective_on":` + quoted + `,"version":` + quoted + `,` + basis + `}`},
		{nobody, `{"kind":"mailing_address","effective_on":"2026-12-01","version":1,"mailing_address":{"postal_code":` + quoted + `},` + basis + `}`},
		{"/v1/beneficiaries/search", `{"number":` + quoted + `,` + basis + `}`},
		{"/v1/beneficiaries/search", `{"child":{"atena_number":` + quoted + `},` + basis + `}`},
		{"/v1/beneficiaries/search", `{"guardian":{"name":` + quoted + `},` + basis + `}`},
		{"/v1/outbox/replays", `{"ids":[` + quoted + `],"reason":"理由"}`},
		{"/v1/outbox/replays", `{"where":{"cause":` + quoted + `},"reason":"理由"}`},
		{"/v1/outbox/replays", `{"where":{"record":` + quoted + `,"destination":` + quoted + `,"state":` + quoted + `},"reason":"理由"}`},
		{"/v1/outbox/replays", `{"where":{` + quoted + `:1},"reason":"理由"}`},
		{"/v1/outbox/replays/R-AAAAAAAAAAAAAAAAAAAAAAAAAA/stop", `{"reason":"理由",` + quoted + `:1}`},
		{"/v1/outbox/discards", `{"where":{"destination":` + quoted + `},"reason":"理由"}`},
		{"/v1/outbox/discards", `{"ids":[` + quoted + `],"reason":"理由"}`},
		{"/v1/outbox/discards/undo", `{"ids":[` + quoted + `],"reason":"理由"}`},
		// A reason is an operator's own words, and kept; a number in it is not taken.
		{"/v1/outbox/discards", `{"where":{},"reason":"` + who.Individual + `の人","count":99999}`},
		{"/v1/outbox/replays", `{"where":{},"reason":"宛名` + who.Atena + `","count":99999}`},
	}
}

// wrongAddresses are paths with a value in them.
func wrongAddresses(v string) []string {
	path, query := url.PathEscape(v), url.QueryEscape(v)
	return []string{
		"/v1/beneficiaries/" + path, "/v1/beneficiaries/B-AAAAAAAAAAAAAAAAAAAAAAAAAA?case=" + query, "/v1/beneficiaries/B-" + path + "?procedure=" + query,
		"/v1/beneficiaries/B-AAAAAAAAAAAAAAAAAAAAAAAAAA?name=" + query, "/v1/outbox/" + path, "/v1/outbox?record=" + query, "/v1/outbox?cause=" + query,
		"/v1/outbox?destination=" + query, "/v1/outbox?cursor=" + query, "/v1/outbox?" + query + "=1", "/v1/outbox/replays/" + path,
		"/console/outbox/" + path, "/console/outbox?cause=" + query, "/console/outbox?record=" + query, "/console/beneficiaries/" + path,
		"/console/outbox/replays/" + path, "/console/beneficiaries/B-AAAAAAAAAAAAAAAAAAAAAAAAAA?case=" + query,
	}
}
