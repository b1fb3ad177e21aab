package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// searchBody looks for a persona by what is printed of it, by the demo's example.
func (p *process) searchBody(who persona) map[string]any {
	return map[string]any{
		"kana": who.Kana, "birth_date": who.BirthDate, "case": who.Case,
		"procedure": p.ready.Example.Procedure, "purpose": p.ready.Example.Purpose,
	}
}

// search sends a search that is expected to succeed.
func (p *process) search(token string, body map[string]any) (answer, reply) {
	p.t.Helper()
	r, err := p.post("/v1/people/search", token, body)
	if err != nil {
		p.t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal([]byte(r.body), &a); err != nil || r.status != http.StatusOK {
		p.t.Fatalf("search: %d %s", r.status, r.body)
	}
	return a, r
}

// among gives the candidate of that number.
func among(all []candidate, atena string) (candidate, bool) {
	i := slices.IndexFunc(all, func(c candidate) bool { return c.Atena == atena })
	if i < 0 {
		return candidate{}, false
	}
	return all[i], true
}

// value gives an item's value; "" where there is none.
func (c candidate) value(item string) string {
	for _, v := range c.Values {
		if v.Item == item {
			return v.Value
		}
	}
	return ""
}

// outcomes gives each source's outcome.
func (a answer) outcomes() map[string]string {
	all := map[string]string{}
	for _, s := range a.Sources {
		all[s.Source] = s.Outcome
	}
	return all
}

// shown gives what a source shows of a person, and whether it shows anything.
func (a answer) shown(source, atena string) (candidate, bool) {
	for _, s := range a.Sources {
		if s.Source == source {
			return among(s.Persons, atena)
		}
	}
	return candidate{}, false
}

// taxYear is the 課税年度 that is published today: a year begins in June.
func taxYear() string {
	now := time.Now().In(time.FixedZone("JST", 9*60*60))
	if now.Month() < time.June {
		return strconv.Itoa(now.Year() - 1)
	}
	return strconv.Itoa(now.Year())
}

func TestPeople(t *testing.T) {
	t.Parallel()
	p := startDemo(t, t.TempDir())
	all := personas(t, p.dir)
	worker := token(t, p.dir, "case-worker")

	t.Run("tags", func(t *testing.T) { everyTagIsBorne(t, all) })
	t.Run("lookup", func(t *testing.T) {
		for _, who := range all {
			lookUpPersona(t, p, worker, who)
		}
	})
	t.Run("find", func(t *testing.T) {
		for _, who := range all {
			findPersona(t, p, worker, who)
		}
	})
	t.Run("namesakes", func(t *testing.T) {
		who := tagged(t, all, "namesake")
		a, _ := p.search(worker, p.searchBody(who))
		if len(a.Candidates) < 2 {
			t.Fatalf("%d candidates share a name and a birth date", len(a.Candidates))
		}
		// They can be told apart by what is shown of them.
		apart := map[string]bool{}
		for _, c := range a.Candidates {
			apart[c.Household+c.value("address_extra")] = true
		}
		if len(apart) != len(a.Candidates) {
			t.Error("namesakes cannot be told apart by household and 方書")
		}
		body := p.searchBody(who)
		body["household_number"] = who.Household
		if a, _ := p.search(worker, body); len(a.Candidates) != 1 || a.Candidates[0].Atena != who.Atena {
			t.Errorf("the household narrows to %d candidates", len(a.Candidates))
		}
		delete(body, "household_number")
		body["address"] = who.Address + who.Extra
		if a, _ := p.search(worker, body); len(a.Candidates) != 1 || a.Candidates[0].Atena != who.Atena {
			t.Errorf("the address narrows to %d candidates", len(a.Candidates))
		}
	})
	t.Run("too many", func(t *testing.T) {
		r, err := p.post("/v1/people/search", worker, map[string]any{
			"kana": "カクウ　ハナコ", "birth_date": "2000-01-01", "reason": p.ready.Example.Reason,
			"procedure": p.ready.Example.Procedure, "purpose": p.ready.Example.Purpose,
		})
		if err != nil {
			t.Fatal(err)
		}
		refused(t, r, http.StatusUnprocessableEntity)
		if strings.Contains(r.body, "atena_number") {
			t.Error("a search that finds too many shows somebody")
		}
	})
	t.Run("partial birth date", func(t *testing.T) {
		who := tagged(t, all, "unknown-birth")
		a, _ := p.lookup(worker, who)
		for _, source := range []string{"residents", "address"} {
			c, ok := a.shown(source, who.Atena)
			if !ok || c.value("birth_date") != who.BirthDate {
				t.Errorf("%s: a birth date known in part is not shown as far as it is known", source)
			}
		}
		if !strings.Contains(mustLookup(t, p, worker, who), `"precision":"`+map[int]string{4: "year", 7: "month"}[len(who.BirthDate)]+`"`) {
			t.Error("how far the birth date is known is not said")
		}
	})
}

// mustLookup gives the raw answer of a lookup.
func mustLookup(t *testing.T, p *process, token string, who persona) string {
	t.Helper()
	_, r := p.lookup(token, who)
	return r.body
}

func everyTagIsBorne(t *testing.T, all []persona) {
	wanted := strings.Fields("child guardian protected tax-undeclared tax-elsewhere unknown-birth gaiji ivs namesake twin " +
		"guardian-elsewhere split-household non-resident foreign dead moved-in newborn born-04-01 born-04-02")
	bearers := map[string]int{}
	keys := map[string]bool{}
	for _, p := range all {
		if keys[p.Key] || p.Key == "" {
			t.Errorf("the key %q is not unique", p.Key)
		}
		keys[p.Key] = true
		for _, tag := range p.Tags {
			bearers[tag]++
			if !slices.Contains(wanted, tag) {
				t.Errorf("%s bears the unknown tag %s", p.Key, tag)
			}
		}
		if p.has("guardian") && p.has("child") {
			t.Errorf("%s is guardian and child", p.Key)
		}
		if p.Case == "" || p.Atena == "" || p.Individual == "" || p.Name == "" || p.Kana == "" || p.BirthDate == "" || p.Address == "" {
			t.Errorf("%s lacks something", p.Key)
		}
		if p.has("born-04-01") != strings.HasSuffix(p.BirthDate, "-04-01") && p.has("born-04-01") {
			t.Errorf("%s was not born on 1 April", p.Key)
		}
	}
	for _, tag := range wanted {
		if bearers[tag] == 0 {
			t.Errorf("nobody bears the tag %s", tag)
		}
	}
	if len(all) < 40 || bearers["child"] < 30 {
		t.Errorf("%d personas, %d children", len(all), bearers["child"])
	}
}

// lookUpPersona checks that a lookup ends as the persona says it does and shows who it is.
func lookUpPersona(t *testing.T, p *process, worker string, who persona) {
	a, _ := p.lookup(worker, who)
	if diff := cmp.Diff(who.Outcomes, a.outcomes()); diff != "" {
		t.Errorf("%s: outcomes (-want +got):\n%s", who.Key, diff)
	}
	for source, outcome := range who.Outcomes {
		c, ok := a.shown(source, who.Atena)
		switch {
		case outcome == "no_person":
			if ok {
				t.Errorf("%s: %s knows nobody and shows somebody", who.Key, source)
			}
		case !ok:
			t.Errorf("%s: %s does not show the person", who.Key, source)
		case source == "tax":
			if got, want := c.value("tax_class"), who.Tax[taxYear()]; got != want {
				t.Errorf("%s: tax class %q, want %q", who.Key, got, want)
			}
		default:
			if c.value("name") != who.Name || c.value("kana") != who.Kana || c.value("birth_date") != who.BirthDate {
				t.Errorf("%s: %s shows another name, kana or birth date", who.Key, source)
			}
			if !who.has("protected") && (c.value("address") != who.Address || c.value("address_extra") != who.Extra || c.value("phone") != who.Phone) {
				t.Errorf("%s: %s shows another address", who.Key, source)
			}
		}
	}
	for _, s := range a.Sources {
		if s.At == "" {
			t.Errorf("%s: %s does not say when", who.Key, s.Source)
		}
		for _, c := range s.Persons {
			for _, v := range c.Values {
				if v.AsOf == "" {
					t.Errorf("%s: %s gives %s without a reference date", who.Key, s.Source, v.Item)
				}
			}
		}
	}
}

// findPersona checks that kana and birth date as printed find the persona.
func findPersona(t *testing.T, p *process, worker string, who persona) {
	a, _ := p.search(worker, p.searchBody(who))
	c, ok := among(a.Candidates, who.Atena)
	if !ok {
		t.Errorf("%s is not found by kana and birth date", who.Key)
		return
	}
	if a.LookupID == "" || c.value("name") != who.Name || c.Household != who.Household {
		t.Errorf("%s is found as somebody else", who.Key)
	}
	if len(a.Candidates) > 20 {
		t.Errorf("%s: %d candidates", who.Key, len(a.Candidates))
	}
	// Half-width and without the space, as somebody may type it.
	body := p.searchBody(who)
	body["kana"] = strings.ReplaceAll(who.Kana, "　", "")
	if a, _ := p.search(worker, body); len(a.Candidates) == 0 {
		t.Errorf("%s is not found by kana without the space", who.Key)
	}
}

// TestFindAndLookupByCommand sends the flags that the issue of the program names.
func TestFindAndLookupByCommand(t *testing.T) {
	t.Parallel()
	p := startDemo(t, t.TempDir())
	who := tagged(t, personas(t, p.dir), "twin")
	basis := []string{"--dir", p.dir, "--case", who.Case, "--procedure", p.ready.Example.Procedure, "--purpose", p.ready.Example.Purpose}

	found := kakehashi(t, append([]string{"find", "--kana", who.Kana, "--birth-date", who.BirthDate, "--json"}, basis...)...)
	var a answer
	if err := json.Unmarshal([]byte(found.out), &a); err != nil || found.code != 0 {
		t.Fatalf("find: %d %v %s", found.code, err, found.err)
	}
	if _, ok := among(a.Candidates, who.Atena); !ok {
		t.Error("find does not find the persona")
	}

	born, err := time.Parse(time.DateOnly, who.BirthDate)
	if err != nil {
		t.Fatal(err)
	}
	asSaid := kakehashi(t, append([]string{"find", "--kana", who.Kana, "--birth-date", born.Format("2006年1月2日")}, basis...)...)
	if asSaid.code != 0 || !strings.Contains(asSaid.out, who.Atena) {
		t.Errorf("find by a date as it is said: %d %s", asSaid.code, asSaid.err)
	}

	looked := kakehashi(t, append([]string{"lookup", "--atena-number", who.Atena, "--source", "residents", "--source", "address",
		"--compare", "name=" + who.Name, "--compare", "address=別の市一丁目1番1号", "--json"}, basis...)...)
	a = answer{}
	if err := json.Unmarshal([]byte(looked.out), &a); err != nil || looked.code != 0 {
		t.Fatalf("lookup: %d %v %s", looked.code, err, looked.err)
	}
	if diff := cmp.Diff(map[string]string{"residents": "found", "address": "found"}, a.outcomes()); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	for _, s := range a.Sources {
		results := map[string]string{}
		for _, row := range s.Comparison {
			results[row.Item] = row.Result
			if row.Rule == "" {
				t.Errorf("%s: no rule for %s", s.Source, row.Item)
			}
		}
		if diff := cmp.Diff(map[string]string{"name": "same", "address": "differs"}, results); diff != "" {
			t.Errorf("%s: comparison (-want +got):\n%s", s.Source, diff)
		}
	}

	ledger := kakehashi(t, append([]string{"lookup", "--atena-number", who.Atena, "--compare-ledger", "--json"}, basis...)...)
	a = answer{}
	if err := json.Unmarshal([]byte(ledger.out), &a); err != nil || ledger.code != 0 {
		t.Fatalf("lookup: %d %v %s", ledger.code, err, ledger.err)
	}
	for _, s := range a.Sources {
		if len(s.Comparison) == 0 {
			t.Errorf("%s: nothing was compared", s.Source)
		}
		for _, row := range s.Comparison {
			if row.Result != "not_comparable" || row.Rule != "no_ledger_record" {
				t.Errorf("%s: %s is %s by %s", s.Source, row.Item, row.Result, row.Rule)
			}
		}
	}

	plain := kakehashi(t, append([]string{"lookup", "--atena-number", who.Atena}, basis...)...)
	if plain.code != 0 || !strings.Contains(plain.out, who.Name) || !strings.Contains(plain.out, "課税区分") || !strings.Contains(plain.out, "照会番号") {
		t.Errorf("lookup: %d, and its words lack name, 課税区分 or 照会番号", plain.code)
	}

	file := writeToken(t, token(t, p.dir, "case-worker"))
	byURL := kakehashi(t, append([]string{"lookup", "--server", p.ready.API, "--token-file", file, "--atena-number", who.Atena, "--json"}, basis[2:]...)...)
	if byURL.code != 0 {
		t.Errorf("lookup by --server: %d %s", byURL.code, byURL.err)
	}
}
