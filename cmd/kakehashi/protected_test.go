package main

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// locating gives every way in which a persona's whereabouts may be written: address, 町,
// lot in three spellings, 方書, postal code and telephone.
func locating(p persona) []string {
	var all []string
	add := func(words ...string) {
		for _, w := range words {
			if w != "" && !slices.Contains(all, w) {
				all = append(all, w)
			}
		}
	}
	_, local, _ := strings.Cut(p.Address, "市")
	town, lot, _ := strings.Cut(local, "町")
	add(p.Address, local, town+"町", lot)
	for i, digit := range []string{"一", "二", "三", "四", "五", "六", "七", "八", "九"} {
		lot = strings.Replace(lot, digit+"丁目", string(rune('1'+i))+"丁目", 1)
	}
	add(town+"町"+lot, town+"町"+strings.NewReplacer("丁目", "-", "番", "-", "号", "").Replace(lot))
	add(p.Extra)
	if len(p.PostalCode) == 7 {
		add(p.PostalCode, p.PostalCode[:3]+"-"+p.PostalCode[3:])
	}
	add(p.Phone, strings.ReplaceAll(p.Phone, "-", ""))
	return all
}

// tells gives which of the words stand in a body, as it came or behind its escapes.
func tells(r reply, words []string) []string {
	var found []string
	plain := unescape(r.body)
	for _, w := range words {
		if strings.Contains(r.body, w) || strings.Contains(plain, w) {
			found = append(found, w)
		}
	}
	return found
}

// unescape puts a JSON text's escapes into the characters that they mean.
func unescape(body string) string {
	return regexp.MustCompile(`(\\u[0-9a-fA-F]{4})+`).ReplaceAllStringFunc(body, func(escaped string) string {
		var s string
		_ = json.Unmarshal([]byte(`"`+escaped+`"`), &s)
		return s
	})
}

// sameBut takes away what differs between two answers to the same question.
func sameBut(body string) string {
	body = regexp.MustCompile(`Q-\d{6}-[0-9A-Z-]+`).ReplaceAllString(body, "Q")
	return regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.+]+`).ReplaceAllString(body, "T")
}

// located are the items that say where somebody is.
func located() []string { return []string{"address", "address_extra", "phone", "postal_code"} }

func keptItems(list []kept, atena, why string) []string {
	var items []string
	for _, k := range list {
		if k.Why == why && (k.Atena == atena || atena == "") {
			items = append(items, k.Item)
		}
	}
	slices.Sort(items)
	return slices.Compact(items)
}

func TestProtected(t *testing.T) {
	t.Parallel()
	p := startDemo(t, t.TempDir())
	all := personas(t, p.dir)
	worker := token(t, p.dir, "case-worker")
	somebody := tagged(t, all, "twin") // who is not protected
	for _, who := range all {
		if !who.has("protected") {
			continue
		}
		t.Run(who.Key, func(t *testing.T) {
			words := locating(who)
			if len(words) < 5 {
				t.Fatalf("only %d words would be searched for", len(words))
			}
			protectedLookup(t, p, worker, who, words)
			protectedFind(t, p, worker, who, somebody, words)
			protectedComparison(t, p, worker, who, somebody, words)
		})
	}
	t.Run("the search finds what is there", func(t *testing.T) {
		_, r := p.lookup(worker, somebody)
		if found := tells(r, locating(somebody)); len(found) < 4 {
			t.Errorf("of somebody who is not protected only %d words are found", len(found))
		}
	})
}

func protectedLookup(t *testing.T, p *process, worker string, who persona, words []string) {
	a, r := p.lookup(worker, who)
	if found := tells(r, words); len(found) > 0 {
		t.Errorf("a lookup tells %d words that locate: %q", len(found), found)
	}
	if diff := cmp.Diff(who.Outcomes, a.outcomes()); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	for _, s := range a.Sources {
		if s.Source == "tax" || s.Outcome != "found" {
			continue
		}
		if diff := cmp.Diff(located(), keptItems(s.Suppressed, who.Atena, "protected")); diff != "" {
			t.Errorf("%s: items kept back (-want +got):\n%s", s.Source, diff)
		}
	}
	by := kakehashi(t, "lookup", "--dir", p.dir, "--atena-number", who.Atena, "--case", who.Case,
		"--procedure", p.ready.Example.Procedure, "--purpose", p.ready.Example.Purpose)
	if by.code != 0 || len(tells(reply{body: by.out + by.err}, words)) > 0 {
		t.Errorf("the command ends with %d, or tells what locates", by.code)
	}
	if !strings.Contains(by.out, "支援措置") {
		t.Error("the command does not say why something is missing")
	}
}

// protectedFind guesses: whether a guess is right must not be told by the answer.
func protectedFind(t *testing.T, p *process, worker string, who, other persona, words []string) {
	guesses := map[string]map[string]string{
		"nothing":           {},
		"right address":     {"address": who.Address},
		"wrong address":     {"address": other.Address},
		"right 方書":          {"address": who.Address + who.Extra},
		"right household":   {"household_number": who.Household},
		"wrong household":   {"household_number": other.Household},
		"right of both":     {"household_number": who.Household, "address": who.Address},
		"wrong of both":     {"household_number": other.Household, "address": other.Address},
		"part of the right": {"address": words[2]},
	}
	answers := map[string]string{}
	for name, guess := range guesses {
		body := p.searchBody(who)
		for k, v := range guess {
			if v != "" {
				body[k] = v
			}
		}
		a, r := p.search(worker, body)
		if found := tells(r, words); len(found) > 0 {
			t.Errorf("find, %s: %d words that locate: %q", name, len(found), found)
		}
		c, ok := among(a.Candidates, who.Atena)
		if !ok {
			t.Errorf("find, %s: the person is not found", name)
		} else if diff := cmp.Diff(located(), keptItems(c.Suppressed, "", "protected")); diff != "" {
			t.Errorf("find, %s: items kept back (-want +got):\n%s", name, diff)
		}
		answers[sameBut(r.body)] = name
	}
	if len(answers) != 1 {
		t.Errorf("find: the answers to right and wrong guesses differ: %d kinds", len(answers))
	}
}

// protectedComparison holds the true whereabouts and wrong ones against the sources.
func protectedComparison(t *testing.T, p *process, worker string, who, other persona, words []string) {
	compare := func(values map[string]string) (answer, reply) {
		body := p.lookupBody(who)
		body["compare"] = map[string]any{"values": values}
		r, err := p.post("/v1/lookups", worker, body)
		if err != nil {
			t.Fatal(err)
		}
		var a answer
		if err := json.Unmarshal([]byte(r.body), &a); err != nil || r.status != 200 {
			t.Fatalf("comparison: %d %s", r.status, r.body)
		}
		if found := tells(r, words); len(found) > 0 {
			t.Errorf("a comparison tells %d words that locate: %q", len(found), found)
		}
		return a, r
	}
	right, rightReply := compare(map[string]string{"name": who.Name, "address": who.Address, "address_extra": who.Extra, "postal_code": who.PostalCode, "phone": who.Phone})
	_, wrongReply := compare(map[string]string{"name": who.Name, "address": other.Address, "address_extra": "どこか", "postal_code": "1000001", "phone": "03-0000-0000"})
	if sameBut(rightReply.body) != sameBut(wrongReply.body) {
		t.Error("the answers to a right and a wrong address differ")
	}
	rows := 0
	for _, s := range right.Sources {
		for _, row := range s.Comparison {
			rows++
			switch {
			case slices.Contains(located(), row.Item) && row.Result != "not_comparable":
				t.Errorf("%s: %s is %s by %s", s.Source, row.Item, row.Result, row.Rule)
			case row.Item == "name" && s.Outcome == "found" && row.Result != "same":
				t.Errorf("%s: the name is %s by %s", s.Source, row.Result, row.Rule)
			}
		}
	}
	if rows < 10 {
		t.Errorf("only %d rows were compared", rows)
	}
}

// TestProtectionUnread takes away the flag's source alone: nobody may be located then.
func TestProtectionUnread(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"down", "slow", "garbage"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p := startDemo(t, t.TempDir())
			all := personas(t, p.dir)
			worker := token(t, p.dir, "case-worker")
			var words []string
			for _, who := range all {
				words = append(words, locating(who)...)
			}
			setFault(t, p.dir, "protection", kind)
			var asking sync.WaitGroup
			work := make(chan persona)
			for range 8 {
				asking.Go(func() {
					for who := range work {
						unread(t, p, worker, who, words)
					}
				})
			}
			for _, who := range all {
				work <- who
			}
			close(work)
			asking.Wait()

			clearFaults(t, p.dir, "protection")
			who := tagged(t, all, "twin")
			eventually(t, 30*time.Second, "the flag can be read again", func() bool {
				a, _ := p.lookup(worker, who)
				c, _ := a.shown("residents", who.Atena)
				return c.value("address") == who.Address
			})
		})
	}
}

// unread looks up and finds one persona while 支援措置 cannot be read.
func unread(t *testing.T, p *process, worker string, who persona, words []string) {
	r, err := p.post("/v1/lookups", worker, p.lookupBody(who))
	var a answer
	if err == nil {
		err = json.Unmarshal([]byte(r.body), &a)
	}
	if err != nil || r.status != 200 {
		t.Errorf("%s: lookup: %d %v %s", who.Key, r.status, err, r.body)
		return
	}
	if found := tells(r, words); len(found) > 0 {
		t.Errorf("%s: a lookup tells %d words that locate: %q", who.Key, len(found), found)
	}
	if diff := cmp.Diff(who.Outcomes, a.outcomes()); diff != "" {
		t.Errorf("%s: outcomes (-want +got):\n%s", who.Key, diff)
	}
	if a.Protection == "" {
		t.Errorf("%s: it is not said that something is kept back", who.Key)
	}
	r, err = p.post("/v1/people/search", worker, p.searchBody(who))
	a = answer{}
	if err == nil {
		err = json.Unmarshal([]byte(r.body), &a)
	}
	if err != nil || r.status != 200 {
		t.Errorf("%s: search: %d %v %s", who.Key, r.status, err, r.body)
		return
	}
	if found := tells(r, words); len(found) > 0 {
		t.Errorf("%s: a search tells %d words that locate: %q", who.Key, len(found), found)
	}
	c, _ := among(a.Candidates, who.Atena)
	if len(c.Suppressed) == 0 {
		t.Errorf("%s: a search does not say that something is kept back", who.Key)
	}
}

// setFault makes a system misbehave until it is cleared.
func setFault(t *testing.T, dir, system, kind string, flags ...string) {
	t.Helper()
	if r := kakehashi(t, append([]string{"sandbox", "fault", "--dir", dir, system, kind}, flags...)...); r.code != 0 {
		t.Fatalf("sandbox fault %s %s: %d %s", system, kind, r.code, r.err)
	}
}

// clearFaults mends systems, all where none is named.
func clearFaults(t *testing.T, dir string, systems ...string) {
	t.Helper()
	if r := kakehashi(t, append([]string{"sandbox", "clear", "--dir", dir}, systems...)...); r.code != 0 {
		t.Fatalf("sandbox clear %v: %d %s", systems, r.code, r.err)
	}
}
