package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// startClerks starts a demo in which two members of staff are case workers: 1001 and 7001.
func startClerks(t *testing.T, env ...string) (p *process, one, other string) {
	t.Helper()
	dir := t.TempDir()
	startDemo(t, dir).stop()
	grant(t, dir, map[string]string{"7001": "case-worker"})
	return startDemo(t, dir, env...), tokenOf(t, dir, "1001"), tokenOf(t, dir, "7001")
}

// TestARegistrationReachesTheNeighbour walks the whole way: find a family, look them up,
// register a child with a guardian who lives elsewhere, and see the number come back.
func TestARegistrationReachesTheNeighbour(t *testing.T) {
	t.Parallel()
	p := startDemo(t, t.TempDir())
	child := tagged(t, personas(t, p.dir), "child", "guardian-elsewhere")
	worker, operator := token(t, p.dir, "case-worker"), token(t, p.dir, "operator")
	found, _ := p.search(worker, p.searchBody(child))
	if _, ok := among(found.Candidates, child.Atena); !ok {
		t.Fatal("the child is not found")
	}
	p.lookup(worker, child)

	guardian := outsiderOf(1)
	a := p.must("/v1/beneficiaries", worker, "press-1", p.registration(child, guardian.body()))
	if len(a.Owed) != 2 || a.Owed[0].Change != a.Change || a.Owed[1].Change != a.Change+".1" || a.Owed[0].Destination != "address" {
		t.Errorf("owed at once: %+v", a.Owed)
	}
	if len(a.Waiting) != 1 || a.Waiting[0].Change != a.Change+".2" || a.Waiting[0].For != "atena_number" {
		t.Errorf("waiting for the number: %+v", a.Waiting)
	}
	if a.Version != 1 || a.Number == "" || !strings.HasPrefix(a.ID, "B-") {
		t.Errorf("the beneficiary: %+v", a)
	}
	p.told(operator, 20*time.Second)
	sum := reckon(t, p.dir, map[string][]string{a.ID: a.changes()})
	if sum.delivered != 3 {
		t.Errorf("delivered %d of 3", sum.delivered)
	}
	number := p.numbered(t, worker, child, a.ID)
	for _, w := range arrivals(t, p.dir) {
		want := number
		if w.Change == a.Change {
			want = child.Atena
		}
		if w.Atena != want {
			t.Errorf("%s was told with another number", w.Kind)
		}
	}
	p.knows(t, worker, child, guardian, number)
	p.remembers(t, a, child.Atena, number)
	checkContent(t, p.dir)
}

// numbered gives the 宛名番号 that came back for the guardian of a record; the version does
// not tell of it.
func (p *process) numbered(t *testing.T, worker string, child persona, id string) string {
	t.Helper()
	r, err := p.as(worker, "/v1/beneficiaries/"+id+"?procedure="+p.ready.Example.Procedure+"&purpose="+p.ready.Example.Purpose+"&case="+child.Case)
	var shown struct {
		Version  int `json:"version"`
		Guardian struct {
			Atena string `json:"atena_number"`
		} `json:"guardian"`
		Waiting []any `json:"waiting"`
	}
	if err == nil {
		err = json.Unmarshal([]byte(r.body), &shown)
	}
	if err != nil || r.status != http.StatusOK || shown.Guardian.Atena == "" || shown.Version != 1 || len(shown.Waiting) != 0 {
		t.Fatalf("GET of the beneficiary: %d %v %s", r.status, err, r.body)
	}
	return shown.Guardian.Atena
}

// knows makes sure that the unified address system finds the person whom it has numbered.
func (p *process) knows(t *testing.T, worker string, child persona, who outsider, number string) {
	t.Helper()
	found, _ := p.search(worker, map[string]any{
		"kana": who.kana, "birth_date": who.birth, "case": child.Case,
		"procedure": p.ready.Example.Procedure, "purpose": p.ready.Example.Purpose,
	})
	if _, ok := among(found.Candidates, number); !ok || len(found.Candidates) != 1 {
		t.Errorf("%d persons have the guardian's reading and birth date; want the one who was numbered", len(found.Candidates))
	}
}

// remembers makes sure that the record has the press, and each delivery with its number.
func (p *process) remembers(t *testing.T, a pressed, child, guardian string) {
	t.Helper()
	auditor := token(t, p.dir, "auditor")
	acts := func(atena string) map[string]int {
		n := map[string]int{}
		for _, e := range p.record(auditor, map[string]any{"atena_number": atena}) {
			n[e.Kind+" "+e.Act]++
		}
		return n
	}
	if got := acts(child); got["delivery deliver"] != 1 || got["intent lookup"] == 0 {
		t.Errorf("the record has of the child %v", got)
	}
	if got := acts(guardian); got["delivery deliver"] != 2 {
		t.Errorf("the record has of the guardian's new number %v; want its assignment and its use", got)
	}
	press := p.record(auditor, map[string]any{"lookup_id": a.Lookup})
	if len(press) != 1 || press[0].Actor.Staff != "1001" || len(press[0].Subjects) == 0 || press[0].Subjects[0].Atena != child {
		t.Errorf("the record has of the press %+v", press)
	}
}

// TestAPressedTwice: the same press in parallel is one change with one result.
func TestAPressedTwice(t *testing.T) {
	t.Parallel()
	p, worker, other := startClerks(t)
	kids := children(personas(t, p.dir))
	body := p.registration(kids[0], outsiderOf(2).body())
	var mu sync.Mutex
	status, ids := map[int]int{}, map[string]bool{}
	var first pressed
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			a, r, err := p.press("/v1/beneficiaries", worker, "one-press", body)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			status[r.status]++
			ids[a.ID+a.Change+a.Number] = true
			if r.status == http.StatusCreated {
				first = a
			} else if !a.Repeated {
				t.Error("a repeat does not say that it is one")
			}
		})
	}
	all.Wait()
	if status[http.StatusCreated] != 1 || status[http.StatusOK] != 7 || len(ids) != 1 {
		t.Fatalf("eight presses of one button: %v, %d results", status, len(ids))
	}
	expect := func(what, token, key string, body map[string]any, want int) problem {
		t.Helper()
		_, r, err := p.press("/v1/beneficiaries", token, key, body)
		if err != nil {
			t.Fatal(err)
		}
		if r.status != want {
			t.Errorf("%s: %d %s, want %d", what, r.status, r.body, want)
			return problem{}
		}
		return refused(t, r, want)
	}
	expect("another body under the key", worker, "one-press", p.registration(kids[0], outsiderOf(3).body()), http.StatusUnprocessableEntity)
	expect("another child under the key", worker, "one-press", p.registration(kids[1], outsiderOf(2).body()), http.StatusUnprocessableEntity)
	expect("another member's key", other, "one-press", body, http.StatusForbidden)
	expect("the child again", worker, "another-press", body, http.StatusConflict)
	expect("a guardian who is nobody", worker, "no-guardian", p.registration(kids[1], map[string]any{}), http.StatusUnprocessableEntity)
	p.told(token(t, p.dir, "operator"), 20*time.Second)
	reckon(t, p.dir, map[string][]string{first.ID: first.changes()})
	checkContent(t, p.dir)
}

// TestTwoClerksChangeTheSame: one change, and one Conflict that says who and when.
func TestTwoClerksChangeTheSame(t *testing.T) {
	t.Parallel()
	p, one, other := startClerks(t)
	child := children(personas(t, p.dir))[2]
	a := p.must("/v1/beneficiaries", one, "register", p.registration(child, outsiderOf(4).body()))
	promised := a.changes()
	for round := range 5 {
		var got [2]reply
		var won [2]pressed
		var both sync.WaitGroup
		for i, clerk := range []string{one, other} {
			both.Go(func() {
				var err error
				body := p.mailing(child.Case, round+1, 10*round+i)
				won[i], got[i], err = p.press("/v1/beneficiaries/"+a.ID+"/changes", clerk, "round-"+string(rune('a'+round))+string(rune('0'+i)), body)
				if err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		winner := 0
		if got[1].status == http.StatusCreated {
			winner = 1
		}
		if got[winner].status != http.StatusCreated {
			t.Fatalf("neither of two clerks was first: %d %d", got[0].status, got[1].status)
		}
		promised = append(promised, won[winner].changes()...)
		refused(t, got[1-winner], http.StatusConflict)
		var conflict struct {
			By      string    `json:"changed_by"`
			At      time.Time `json:"changed_at"`
			Version int       `json:"current_version"`
			Detail  string    `json:"detail"`
		}
		if err := json.Unmarshal([]byte(got[1-winner].body), &conflict); err != nil {
			t.Fatal(err)
		}
		by := []string{"1001", "7001"}[winner]
		if conflict.By != by || time.Since(conflict.At).Abs() > time.Minute || conflict.Version != round+2 || !strings.Contains(conflict.Detail, by) {
			t.Errorf("the conflict does not say that %s was first: %s", by, got[1-winner].body)
		}
	}
	p.told(token(t, p.dir, "operator"), 20*time.Second)
	if sum := reckon(t, p.dir, map[string][]string{a.ID: promised}); sum.delivered != 8 {
		t.Errorf("delivered %d of 8", sum.delivered)
	}
}

// TestAMailingAddressWaitsForTheNumber: it is told only once its guardian has one.
func TestAMailingAddressWaitsForTheNumber(t *testing.T) {
	t.Parallel()
	p := startDemo(t, t.TempDir(), "KAKEHASHI_OUTBOX_RETRY_FIRST=200ms", "KAKEHASHI_OUTBOX_RETRY_MAX=400ms")
	child := children(personas(t, p.dir))[3]
	worker, operator := token(t, p.dir, "case-worker"), token(t, p.dir, "operator")
	setFault(t, p.dir, "address", "down")
	a := p.must("/v1/beneficiaries", worker, "register", p.registration(child, outsiderOf(5).body()))
	m := p.must("/v1/beneficiaries/"+a.ID+"/changes", worker, "mailing", p.mailing(child.Case, 1, 1))
	if len(m.Owed) != 0 || len(m.Waiting) != 1 || m.Waiting[0].Kind != "mailing_address" {
		t.Errorf("a mailing address without a number: %+v", m)
	}
	if got := arrivals(t, p.dir); len(got) != 0 {
		t.Errorf("a neighbour that is down received %d writes", len(got))
	}
	if q := p.queue(operator); q.Owed != 2 || q.Parked != 0 {
		t.Errorf("owed %d, parked %d while the neighbour is down", q.Owed, q.Parked)
	}
	clearFaults(t, p.dir)
	p.told(operator, 20*time.Second)
	sum := reckon(t, p.dir, map[string][]string{a.ID: append(a.changes(), m.changes()...)})
	if sum.delivered != 4 {
		t.Errorf("delivered %d of 4", sum.delivered)
	}
}
