package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// kills is how often the gateway is killed under load; KAKEHASHI_TEST_KILLS overrides it.
const kills = 100

// workers is how many members of staff ask at once.
const workers = 8

// given is an answer that a client received whole.
type given struct {
	lookup  string
	act     string   // lookup or find
	persons []string // who is in it
	away    int      // sources that were unavailable
}

// load asks without a pause, lookups and finds in turn, until it is told to stop or the
// gateway is gone.
type load struct {
	p      *process
	token  string
	people []persona
	stop   chan struct{}
	all    sync.WaitGroup

	mu      sync.Mutex
	given   []given
	refused map[string]int // by status and message number
	broken  int            // requests that got no whole answer
}

// startLoad begins to ask the gateway about the people.
func startLoad(p *process, token string, people []persona) *load {
	l := &load{p: p, token: token, people: people, stop: make(chan struct{}), refused: map[string]int{}}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}, Timeout: 30 * time.Second}
	for range workers {
		l.all.Go(func() {
			for n := 0; !closed(l.stop); n++ {
				if !l.ask(client, l.people[rand.IntN(len(l.people))], n%4 == 3) {
					return
				}
			}
		})
	}
	return l
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// end stops asking and waits until every request has ended.
func (l *load) end() {
	close(l.stop)
	l.all.Wait()
}

// ask asks once; false: the gateway is gone.
func (l *load) ask(client *http.Client, who persona, find bool) bool {
	path, act, body := "/v1/lookups", "lookup", l.p.lookupBody(who)
	if find {
		path, act, body = "/v1/people/search", "find", l.p.findBody(who)
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	req, err := http.NewRequest(http.MethodPost, l.p.ready.API+path, bytes.NewReader(b))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+l.token)
	res, err := client.Do(req)
	if err != nil {
		return l.gone()
	}
	text, err := io.ReadAll(res.Body)
	if _ = res.Body.Close(); err != nil {
		return l.gone()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var a answer
	if res.StatusCode != http.StatusOK {
		var p problem
		_ = json.Unmarshal(text, &p)
		l.refused[strconv.Itoa(res.StatusCode)+" "+p.Code]++
		return true
	}
	if err := json.Unmarshal(text, &a); err != nil {
		l.refused["200 without an answer"]++
		return true
	}
	l.given = append(l.given, givenBy(a, act))
	return true
}

// gone counts a request without an answer; whether the gateway is there is for the test to
// know, so that a worker goes on where only a connection broke.
func (l *load) gone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken++
	return !closed(l.p.ended) && l.broken < 100_000
}

// count tells how many answers were received until now, and how many of them say that all
// sources were away.
func (l *load) count() (all, away int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.given {
		if g.act == "lookup" && g.away == 3 {
			away++
		}
	}
	return len(l.given), away
}

func givenBy(a answer, act string) given {
	g := given{lookup: a.LookupID, act: act}
	for _, c := range a.Candidates {
		g.persons = append(g.persons, c.Atena)
	}
	for _, s := range a.Sources {
		if s.Outcome == "unavailable" {
			g.away++
		}
		for _, p := range s.Persons {
			g.persons = append(g.persons, p.Atena)
		}
	}
	return g
}

// findBody searches for a persona as its case's worker would.
func (p *process) findBody(who persona) map[string]any {
	return map[string]any{
		"kana": who.Kana, "birth_date": who.BirthDate, "case": who.Case,
		"procedure": p.ready.Example.Procedure, "purpose": p.ready.Example.Purpose,
	}
}

// recorded is a line of the record's export.
type recorded struct {
	Entry    string `json:"entry"`
	Kind     string `json:"kind"`
	Lookup   string `json:"lookup"`
	Act      string `json:"act"`
	Reason   string `json:"reason"`
	Subjects []struct {
		Atena string `json:"atena_number"`
		Role  string `json:"role"`
	} `json:"subjects"`
	Detail map[string]string `json:"detail"`
}

// record reads the whole record as an auditor does.
func record(t testing.TB, dir string, env ...string) []recorded {
	t.Helper()
	file := filepath.Join(t.TempDir(), "record.jsonl")
	if r := kakehashiWith(t, "", env, "audit", "export", "--dir", dir, "--out", file); r.code != 0 {
		t.Fatalf("audit export: %d %s", r.code, r.err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var all []recorded
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r recorded
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("a line of the export: %v", err)
		}
		all = append(all, r)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// ends is what the record says of one lookup.
type ends struct {
	intent, outcome, interrupted, withheld int
	subjects                               map[string]bool // of its outcome
}

// byLookup gathers the record's entries about lookups and finds.
func byLookup(all []recorded) map[string]*ends {
	of := map[string]*ends{}
	for _, r := range all {
		if r.Lookup == "" || r.Act != "lookup" && r.Act != "find" && r.Kind != "interrupted" && r.Kind != "withheld" {
			continue
		}
		e := of[r.Lookup]
		if e == nil {
			e = &ends{subjects: map[string]bool{}}
			of[r.Lookup] = e
		}
		switch r.Kind {
		case "intent":
			e.intent++
		case "outcome":
			e.outcome++
			for _, s := range r.Subjects {
				e.subjects[s.Atena] = true
			}
		case "interrupted":
			e.interrupted++
		case "withheld":
			e.withheld++
		}
	}
	return of
}

// tally is what became of all lookups.
type tally struct{ given, outcomes, interrupted, withheld int }

// checkKept makes sure that every answer given stands in the record with intent, outcome
// and everybody in it, and that no intent is left without an end.
func checkKept(t testing.TB, all []recorded, answers []given) tally {
	t.Helper()
	of := byLookup(all)
	sum := tally{given: len(answers)}
	for _, g := range answers {
		e := of[g.lookup]
		if e == nil || e.intent != 1 || e.outcome != 1 {
			t.Errorf("a client has the answer %s; the record has %+v of it", g.lookup, e)
			continue
		}
		for _, p := range g.persons {
			if !e.subjects[p] {
				t.Errorf("somebody in the answer %s is not among the record's persons", g.lookup)
			}
		}
	}
	for id, e := range of {
		switch {
		case e.intent != 1 || e.outcome+e.interrupted+e.withheld != 1:
			t.Errorf("the record has %+v of %s; want an intent and one end", *e, id)
		case e.outcome == 1:
			sum.outcomes++
		case e.interrupted == 1:
			sum.interrupted++
		default:
			sum.withheld++
		}
	}
	return sum
}

// checkContent makes sure that the record verifies, with the gateway's keys and without.
func checkContent(t testing.TB, dir string) verified {
	t.Helper()
	v, code := verify(t, dir)
	if !v.OK || code != exitOK {
		t.Fatalf("audit verify: %d %+v", code, v)
	}
	if public, code := verify(t, dir, "--public-key-only"); !public.OK || code != exitOK {
		t.Fatalf("audit verify with the public key: %d %+v", code, public)
	}
	return v
}

func TestEveryAnswerStandsInTheRecordOfAGatewayKilled(t *testing.T) {
	times := kills
	if s := os.Getenv("KAKEHASHI_TEST_KILLS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			t.Fatalf("KAKEHASHI_TEST_KILLS is no number: %q", s)
		}
		times = n
	}
	dir := t.TempDir()
	startSandbox(t, dir)
	people := askable(personas(t, dir))
	staffToken := token(t, dir, "case-worker")
	var answers []given
	broken, refused := 0, map[string]int{}
	for n := range times {
		p := startDemo(t, dir)
		l := startLoad(p, staffToken, people)
		<-time.After(time.Duration(10+rand.IntN(400)) * time.Millisecond)
		p.kill()
		l.end()
		answers = append(answers, l.given...)
		broken += l.broken
		for why, n := range l.refused {
			refused[why] += n
		}
		if n%10 == 9 {
			checkContent(t, dir) // as it lies there, before anybody mends anything
			killWhileStarting(t, dir)
		}
	}
	if len(refused) > 0 {
		t.Errorf("requests were refused: %v", refused)
	}
	last := startDemo(t, dir)
	all := record(t, dir)
	sum := checkKept(t, all, answers)
	if code := last.stop(); code != exitOK {
		t.Errorf("the last gateway stopped with %d", code)
	}
	v := checkContent(t, dir)
	if v.Unproved != 0 {
		t.Errorf("%d entries are not sealed after a clean stop", v.Unproved)
	}
	if sum.given < times || sum.interrupted == 0 {
		t.Errorf("too little happened to prove anything: %+v", sum)
	}
	say(t, "killed %d times under load: %d answers received whole, all in the record with intent and outcome; "+
		"%d requests cut off; %d outcomes, %d interrupted, %d withheld, none open; %d entries, all sealed, none amiss",
		times, sum.given, broken, sum.outcomes, sum.interrupted, sum.withheld, v.Entries)
}

// say prints what was counted, so that a plain run of the tests shows it too; nothing where
// the test has failed, since then it would not be true.
func say(t testing.TB, format string, args ...any) {
	t.Helper()
	if t.Failed() {
		return
	}
	text := fmt.Sprintf(format, args...)
	t.Log(text)
	_, _ = fmt.Fprintf(os.Stdout, "%s: %s\n", t.Name(), text)
}

// askable leaves out who cannot be searched for by a whole date of birth.
func askable(all []persona) []persona {
	return slices.DeleteFunc(slices.Clone(all), func(p persona) bool { return len(p.BirthDate) != len("2016-05-03") })
}

// killWhileStarting kills a gateway before it says that it is ready, or soon after.
func killWhileStarting(t testing.TB, dir string) {
	t.Helper()
	cmd := command(t, "demo", "--dir", dir, "--addr", "127.0.0.1:0", "--json")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Duration(rand.IntN(80)) * time.Millisecond)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func TestGatewayOutlivesItsNeighbours(t *testing.T) {
	dir := t.TempDir()
	neighbours := startSandbox(t, dir)
	people := askable(personas(t, dir))
	p := startDemo(t, dir,
		"KAKEHASHI_NEIGHBOURS_RESIDENTS_BREAKER_OPEN_FOR=1s", "KAKEHASHI_NEIGHBOURS_TAX_BREAKER_OPEN_FOR=1s",
		"KAKEHASHI_NEIGHBOURS_ADDRESS_BREAKER_OPEN_FOR=1s")
	l := startLoad(p, token(t, dir, "case-worker"), people)
	eventually(t, 30*time.Second, "answers before the kill", func() bool { all, _ := l.count(); return all > 100 })
	neighbours.kill()
	eventually(t, 30*time.Second, "answers that say that all neighbours are away", func() bool { _, away := l.count(); return away > 100 })
	if r := p.get("/readyz"); r.status != http.StatusOK {
		t.Errorf("without neighbours /readyz is %d; the gateway itself is ready", r.status)
	}
	startSandbox(t, dir)
	one := people[0]
	staffToken := token(t, dir, "case-worker")
	eventually(t, 30*time.Second, "whole answers after the neighbours came back", func() bool {
		r, err := p.post("/v1/lookups", staffToken, p.lookupBody(one))
		return err == nil && r.status == http.StatusOK && !strings.Contains(r.body, `"unavailable"`)
	})
	l.end()
	for why, n := range l.refused {
		if !strings.HasPrefix(why, "503 KKH21") && !strings.HasPrefix(why, "503 KKH11") { // a search has nothing to say without its neighbour
			t.Errorf("%d requests were refused: %s", n, why)
		}
	}
	sum := checkKept(t, record(t, dir), l.given)
	if l.broken != 0 || sum.interrupted != 0 {
		t.Errorf("%d connections broke, %d lookups were interrupted; the gateway was never away", l.broken, sum.interrupted)
	}
	if code := p.stop(); code != exitOK {
		t.Errorf("the gateway stopped with %d", code)
	}
	checkContent(t, dir)
	_, away := l.count()
	say(t, "neighbours killed under load: %d answers, %d of them without a neighbour, refused %v", sum.given, away, l.refused)
}
