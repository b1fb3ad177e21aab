package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// planned is the answer of a replay or a discard, and of a dry run of one.
type planned struct {
	ID     string `json:"id"`
	Can    int    `json:"can"`
	Cannot int    `json:"cannot"`
	Why    []struct {
		Word  string `json:"word"`
		Count int    `json:"count"`
	} `json:"why"`
}

// because gives how many cannot for each reason.
func (p planned) because() map[string]int {
	n := map[string]int{}
	for _, w := range p.Why {
		n[w.Word] = w.Count
	}
	return n
}

// replaying is how a replay goes on.
type replaying struct {
	State       string `json:"state"`
	By          string `json:"by"`
	Total       int    `json:"total"`
	Waiting     int    `json:"waiting"`
	Armed       int    `json:"armed"`
	Delivered   int    `json:"delivered"`
	ParkedAgain int    `json:"parked_again"`
	Skipped     int    `json:"skipped"`
}

// backlog is a gateway with much that is parked: the neighbour refused to work while it was
// told, and each change may be tried once only.
type backlog struct {
	*process
	env        []string
	worker     string
	one, other string   // tokens of two operators
	parked     []string // what the trouble has parked
	promised   map[string][]string
}

// startBacklog parks a change of each of so many people. The neighbours run by themselves.
func startBacklog(t *testing.T, people int, env ...string) *backlog {
	t.Helper()
	dir := t.TempDir()
	startDemo(t, dir).stop()
	grant(t, dir, map[string]string{"7001": "operator", "5001": "operator"})
	startSandbox(t, dir)
	env = append([]string{
		"KAKEHASHI_OUTBOX_TRIES=1", "KAKEHASHI_OUTBOX_SETTLE=1s", "KAKEHASHI_OUTBOX_RETRY_FIRST=2ms", "KAKEHASHI_OUTBOX_RETRY_MAX=10ms",
		"KAKEHASHI_NEIGHBOURS_ADDRESS_BREAKER_FAILURES=1000",
	}, env...)
	b := &backlog{
		process: startDemo(t, dir, env...), env: env, worker: token(t, dir, "case-worker"),
		one: tokenOf(t, dir, "2001"), other: tokenOf(t, dir, "7001"), promised: map[string][]string{},
	}
	all := slices.DeleteFunc(personas(t, dir), func(p persona) bool { return p.has("protected") || p.has("dead") })
	setFault(t, dir, "address", "refuse")
	for i, who := range all[:people] {
		body := b.registration(who, outsiderOf(i).body())
		delete(body["child"].(map[string]any), "birth_date") // whose age does not matter here
		b.promise(b.must("/v1/beneficiaries", b.worker, fmt.Sprintf("parks-%d", i), body))
	}
	eventually(t, 30*time.Second, "everybody's first change was sent", func() bool {
		return !slices.ContainsFunc(b.queue(b.one).Changes, func(o owing) bool { return o.WaitsFor == "" && o.Attempts == 0 })
	})
	clearFaults(t, dir)
	b.told(b.one, 30*time.Second)
	for _, o := range b.queue(b.one).Changes {
		if o.State == "parked" {
			b.parked = append(b.parked, o.Change)
			if o.Cause != "tries" || o.Question != "" || o.Behind != 1 {
				t.Errorf("parked by %s, question %q, %d behind", o.Cause, o.Question, o.Behind)
			}
		}
	}
	if len(b.parked) != people {
		t.Fatalf("%d changes are parked, want %d", len(b.parked), people)
	}
	return b
}

// promise notes what a press promises.
func (b *backlog) promise(a pressed) {
	b.promised[a.ID] = append(b.promised[a.ID], a.changes()...)
}

// strangers opens cases of people whom the unified address system does not know.
func (b *backlog) strangers(t *testing.T, n int) []persona {
	t.Helper()
	var all []persona
	for i := range n {
		all = append(all, persona{Atena: fmt.Sprintf("9700%06d", 1000+i), Case: fmt.Sprintf("K-97%05d", i/50)})
	}
	system := token(t, b.dir, "case-system")
	for some := range slices.Chunk(all, 50) {
		var numbers []string
		for _, who := range some {
			numbers = append(numbers, who.Atena)
		}
		r, err := b.post("/v1/cases", system, map[string]any{
			"case": some[0].Case, "procedure": b.ready.Example.Procedure, "persons": numbers,
		})
		if err != nil || r.status != http.StatusCreated {
			t.Fatalf("open a case: %d %v %s", r.status, err, r.body)
		}
	}
	return all
}

// refusedNow registers one of them and gives the change that the neighbour refuses. The
// guardian is never numbered, and what waits for that number is owed to nobody.
func (b *backlog) refusedNow(i int, who persona) string {
	b.t.Helper()
	body := b.registration(who, outsiderOf(500+i).body())
	delete(body["child"].(map[string]any), "birth_date")
	a := b.must("/v1/beneficiaries", b.worker, fmt.Sprintf("stranger-%d", i), body)
	a.Waiting = nil
	b.promise(a)
	return a.Change
}

// operate sends what an operator decides.
func (b *backlog) operate(operator, path string, body map[string]any, want int) planned {
	b.t.Helper()
	r, err := b.post(path, operator, body)
	var p planned
	if err == nil && want < 300 && r.body != "" {
		err = json.Unmarshal([]byte(r.body), &p)
	}
	if err != nil || r.status != want {
		b.t.Fatalf("POST %s: %d %v %s, want %d", path, r.status, err, r.body, want)
	}
	return p
}

// replay reads how a replay goes on.
func (b *backlog) replay(id string) replaying {
	b.t.Helper()
	r, err := b.as(b.one, "/v1/outbox/replays/"+id)
	var now replaying
	if err == nil {
		err = json.Unmarshal([]byte(r.body), &now)
	}
	if err != nil || r.status != http.StatusOK {
		b.t.Fatalf("GET of a replay: %d %v %s", r.status, err, r.body)
	}
	return now
}

// over waits until a replay is done.
func (b *backlog) over(id string) replaying {
	b.t.Helper()
	var now replaying
	eventually(b.t, time.Minute, "the replay is done", func() bool {
		now = b.replay(id)
		return now.State == "done" && now.Armed == 0
	})
	return now
}

func whereTries() map[string]any {
	return map[string]any{"where": map[string]any{"cause": "tries"}, "reason": "相手先が直ったため"}
}

// TestTwoOperatorsReplayTheSame replays one filter twice at once while fifty new failures
// arrive: none of these is touched, and nothing is done twice.
func TestTwoOperatorsReplayTheSame(t *testing.T) {
	t.Parallel()
	const people, more = 70, 50
	b := startBacklog(t, people, "KAKEHASHI_OUTBOX_RATE=40")
	before := owedBy(t, b.dir)
	dry := whereTries()
	dry["dry_run"] = true
	if p := b.operate(b.one, "/v1/outbox/replays", dry, http.StatusOK); p.Can != people || p.Cannot != 0 || p.ID != "" {
		t.Errorf("a dry run: %+v", p)
	}
	everything := map[string]any{"where": map[string]any{}, "dry_run": true}
	if p := b.operate(b.one, "/v1/outbox/replays", everything, http.StatusOK); p.Can != people || p.because()["waits_behind"] != people {
		t.Errorf("a dry run of everything: %+v", p)
	}
	if r := kakehashi(t, "outbox", "replay", "--dir", b.dir, "--where", "cause=tries", "--dry-run", "--json"); r.code != exitOK || !strings.Contains(r.out, fmt.Sprintf(`"can":%d`, people)) {
		t.Errorf("outbox replay --dry-run: %d %s%s", r.code, r.out, r.err)
	}
	if after := owedBy(t, b.dir); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Error("a dry run changes something")
	}
	miscounted := whereTries()
	miscounted["count"] = people - 1
	b.operate(b.one, "/v1/outbox/replays", miscounted, http.StatusConflict)

	strangers := b.strangers(t, more)
	fresh := map[string]bool{}
	var plans [2]planned
	var all sync.WaitGroup
	for i, operator := range []string{b.one, b.other} {
		all.Go(func() { plans[i] = b.operate(operator, "/v1/outbox/replays", whereTries(), http.StatusAccepted) })
	}
	for i, who := range strangers {
		fresh[b.refusedNow(i, who)] = true
	}
	all.Wait()
	b.told(b.one, time.Minute)
	first, second := b.over(plans[0].ID), b.over(plans[1].ID)
	if first.Delivered+second.Delivered != people || first.By == second.By {
		t.Errorf("%d were replayed: %+v and %+v", people, first, second)
	}
	for _, r := range []replaying{first, second} {
		if r.Delivered+r.Skipped != r.Total || r.ParkedAgain+r.Waiting != 0 {
			t.Errorf("a replay does not add up: %+v", r)
		}
	}
	b.checkReplayed(t, fresh, plans[0].ID, plans[1].ID)
	sum := reckon(t, b.dir, b.promised)
	if sum.delivered != 3*people || sum.parked != more || sum.waiting != more || sum.refused != more {
		t.Errorf("in the end: %v", sum)
	}
	say(t, "%d replayed by two operators at once while %d new failures arrived: %d and %d delivered, %d and %d skipped; %v",
		people, more, first.Delivered, second.Delivered, first.Skipped, second.Skipped, sum)
	b.stop()
	checkContent(t, b.dir)
}

// checkReplayed makes sure that what was parked was replayed once, and what failed during
// it not at all.
func (b *backlog) checkReplayed(t *testing.T, fresh map[string]bool, replays ...string) {
	t.Helper()
	tried := map[string]int{}
	for _, a := range arrivals(t, b.dir) {
		tried[a.Change]++
	}
	for _, o := range owedBy(t, b.dir) {
		switch {
		case fresh[o.Change]:
			if o.State != "parked" || o.Attempts != 1 || o.Replay != "" || o.Cause != "rejected" || tried[o.Change] != 1 {
				t.Errorf("a failure during the replay was touched: %+v, told %d times", o, tried[o.Change])
			}
		case slices.Contains(b.parked, o.Change):
			if o.State != "delivered" || o.Attempts != 2 || !slices.Contains(replays, o.Replay) || tried[o.Change] != 1 {
				t.Errorf("replayed: %+v, told %d times", o, tried[o.Change])
			}
		case o.Replay != "":
			t.Errorf("nobody replayed %s", o.Change)
		}
	}
}

// TestAReplayIsStoppedAndResumedAndKilled: what is not armed stays parked, and the replay
// goes on where it was. It is longer than what is armed at once.
func TestAReplayIsStoppedAndResumedAndKilled(t *testing.T) {
	t.Parallel()
	const people, strangers = 10, 250
	b := startBacklog(t, people, "KAKEHASHI_OUTBOX_RATE=60")
	for i, who := range b.strangers(t, strangers) {
		b.refusedNow(i, who)
	}
	b.told(b.one, time.Minute)
	everything := map[string]any{"where": map[string]any{}, "reason": "相手先が直ったため", "count": people + strangers}
	plan := b.operate(b.one, "/v1/outbox/replays", everything, http.StatusAccepted)
	eventually(t, 30*time.Second, "some of it is over", func() bool { return b.replay(plan.ID).ParkedAgain > 3 })
	steer := map[string]any{"reason": "様子を見る"}
	b.operate(b.one, "/v1/outbox/replays/"+plan.ID+"/stop", steer, http.StatusOK)
	eventually(t, 30*time.Second, "what was armed has ended", func() bool { return b.replay(plan.ID).Armed == 0 })
	held := b.replay(plan.ID)
	if q := b.queue(b.one); held.State != "stopped" || held.Waiting == 0 || held.Delivered+held.ParkedAgain+held.Waiting != people+strangers || q.Parked != strangers {
		t.Errorf("stopped: %+v, %d are parked", held, q.Parked)
	}
	b.operate(b.one, "/v1/outbox/replays/"+plan.ID+"/stop", steer, http.StatusConflict)
	b.kill()
	b.process = startDemo(t, b.dir, b.env...)
	if again := b.replay(plan.ID); again.State != "stopped" || again.Waiting != held.Waiting {
		t.Errorf("a kill changes a replay that was stopped: %+v, before %+v", again, held)
	}
	b.operate(b.one, "/v1/outbox/replays/"+plan.ID+"/resume", steer, http.StatusOK)
	killed := 0
	for ; b.replay(plan.ID).State != "done" && killed < 3; killed++ {
		<-time.After(time.Duration(150+150*killed) * time.Millisecond)
		b.kill()
		b.process = startDemo(t, b.dir, b.env...)
	}
	end := b.over(plan.ID)
	b.told(b.one, time.Minute)
	if end.Total != people+strangers || end.Delivered != people || end.ParkedAgain != strangers || end.Skipped != 0 {
		t.Errorf("at the end: %+v", end)
	}
	for _, o := range owedBy(t, b.dir) {
		if o.State == "parked" && o.Attempts != 2 {
			t.Errorf("replayed once, and tried: %+v", o)
		}
	}
	sum := reckon(t, b.dir, b.promised)
	if killed == 0 || sum.delivered != 3*people || sum.parked != strangers {
		t.Errorf("killed %d times: %v", killed, sum)
	}
	say(t, "stopped with %d waiting, resumed and killed %d times: %+v; %v", held.Waiting, killed, end, sum)
	b.stop()
	checkContent(t, b.dir)
}

// TestDiscardAndUndo: a mark that lets the later ones go on, and can be taken back as long
// as none of them was delivered.
func TestDiscardAndUndo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	startDemo(t, dir).stop()
	grant(t, dir, map[string]string{"5001": "operator"})
	b := &backlog{process: startDemo(t, dir), worker: token(t, dir, "case-worker"), one: tokenOf(t, dir, "2001"), promised: map[string][]string{}}
	who := b.strangers(t, 2)
	first, second := b.refusedNow(0, who[0]), b.refusedNow(1, who[1])
	b.told(b.one, 20*time.Second)
	one := map[string]any{"ids": []string{first}, "reason": "相手先の画面で入力済み"}
	auditor := token(t, dir, "auditor")
	for name, bearer := range map[string]string{"1001": b.worker, "5001": tokenOf(t, dir, "5001"), "3001": auditor} {
		b.refuses(t, auditor, name, bearer, one)
	}
	// A numbering that others wait for stays.
	dry := map[string]any{"ids": []string{first, first + ".1", "C-AAAAAAAAAAAAAAAAAAAAAAAAAA"}, "dry_run": true}
	if p := b.operate(b.one, "/v1/outbox/discards", dry, http.StatusOK); p.Can != 1 || p.because()["not_found"] != 1 || p.because()["others_wait"] != 1 {
		t.Errorf("a dry run: %+v", p)
	}
	if q := b.queue(b.one); q.Owed != 4 || q.Parked != 2 {
		t.Errorf("after refusals and a dry run %d are owed and %d parked", q.Owed, q.Parked)
	}
	setFault(t, dir, "address", "down") // so that nothing later is told yet
	b.operate(b.one, "/v1/outbox/discards", one, http.StatusOK)
	if o := b.state(t, first); o.State != "discarded" || o.Discarded == nil || o.Discarded.By != "2001" {
		t.Errorf("discarded: %+v", o)
	}
	eventually(t, 20*time.Second, "the mark is taken back between two attempts of the later one", func() bool {
		return b.undo(first).Can == 1
	})
	if o := b.state(t, first); o.State != "parked" || o.Cause != "rejected" {
		t.Errorf("undone: %+v", o)
	}
	if o := b.state(t, first+".1"); o.State != "pending" || o.WaitsFor != first {
		t.Errorf("behind what was undone: %+v", o)
	}
	b.operate(b.one, "/v1/outbox/discards", one, http.StatusOK)
	clearFaults(t, dir)
	eventually(t, 30*time.Second, "the later ones go on", func() bool { return b.state(t, first+".2").State == "delivered" })
	if p := b.undo(first); p.Can != 0 || p.because()["later_delivered"] != 1 {
		t.Errorf("undo after a later one was delivered: %+v", p)
	}
	if o := b.state(t, second); o.State != "parked" || o.Attempts != 1 {
		t.Errorf("the other one: %+v", o)
	}
	steps := map[string]int{}
	for _, e := range b.record(auditor, map[string]any{"staff": "2001"}) {
		steps[e.Kind+" "+e.Act]++
	}
	if steps["change discard"] < 4 {
		t.Errorf("the record has of the operator %v; want two discards and two undos", steps)
	}
	b.stop()
	checkContent(t, dir)
}

// refuses makes sure that somebody may not, and that the record says so.
func (b *backlog) refuses(t *testing.T, auditor, who, bearer string, body map[string]any) {
	t.Helper()
	paths := []string{"/v1/outbox/discards", "/v1/outbox/discards/undo", "/v1/outbox/replays"}
	for _, path := range paths {
		r, err := b.post(path, bearer, body)
		if err != nil {
			t.Fatal(err)
		}
		refused(t, r, http.StatusForbidden)
	}
	acts := map[string]int{}
	for _, e := range b.record(auditor, map[string]any{"staff": who, "kind": "refused"}) {
		acts[e.Act]++
	}
	if acts["discard"] != 2 || acts["replay"] != 1 {
		t.Errorf("%s was refused two discards and a replay; the record has %v", who, acts)
	}
}

// undo takes a discard back, if it can be.
func (b *backlog) undo(id string) planned {
	b.t.Helper()
	return b.operate(b.one, "/v1/outbox/discards/undo", map[string]any{"ids": []string{id}, "reason": "取り違え"}, http.StatusOK)
}

// state gives how one change stands.
func (b *backlog) state(t *testing.T, id string) owing {
	t.Helper()
	r, err := b.as(b.one, "/v1/outbox/"+id)
	var shown struct {
		Changes []owing `json:"changes"`
	}
	if err == nil && r.status == http.StatusOK {
		err = json.Unmarshal([]byte(r.body), &shown)
	}
	if err != nil || len(shown.Changes) > 1 {
		t.Fatalf("GET /v1/outbox/{change_id}: %d %v %s", r.status, err, r.body)
	}
	if len(shown.Changes) == 0 {
		return owing{}
	}
	return shown.Changes[0]
}
