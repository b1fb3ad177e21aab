package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// owing is a change of the ledger's outbox as `outbox list --json` and the API spell it.
type owing struct {
	Change      string `json:"change_id"`
	Destination string `json:"destination"`
	Record      string `json:"record"`
	Kind        string `json:"kind"`
	Version     int    `json:"version"`
	State       string `json:"state"`
	Attempts    int    `json:"attempts"`
	NextAt      string `json:"next_at"`
	Cause       string `json:"cause"`
	Question    string `json:"question"`
	Behind      int    `json:"behind"`
	WaitsFor    string `json:"waits_for"`
	Replay      string `json:"replay"`
	Discarded   *struct {
		By string `json:"by"`
	} `json:"discarded"`
}

// addressDestination is what the outbox calls the unified address system.
const addressDestination = "address"

// pressed is the answer of a change of the ledger.
type pressed struct {
	ID       string  `json:"id"`
	Number   string  `json:"number"`
	Change   string  `json:"change_id"`
	Version  int     `json:"version"`
	Repeated bool    `json:"repeated"`
	Lookup   string  `json:"lookup_id"`
	Owed     []owing `json:"owed"`
	Waiting  []struct {
		Change string `json:"change_id"`
		Kind   string `json:"kind"`
		For    string `json:"for"`
	} `json:"waiting"`
}

// changes gives every change of the press that the unified address system must be told, in
// the order in which it must be.
func (p pressed) changes() []string {
	var all []string
	for _, o := range p.Owed {
		if o.Destination == addressDestination {
			all = append(all, o.Change)
		}
	}
	for _, w := range p.Waiting {
		all = append(all, w.Change)
	}
	return all
}

// receivedWrite is a write as `sandbox received --json` spells it.
type receivedWrite struct {
	Key        string    `json:"key"`
	Change     string    `json:"change_id"`
	Atena      string    `json:"atena_number"`
	Kind       string    `json:"kind"`
	Effect     string    `json:"effect"`
	At         time.Time `json:"at"`
	Version    string    `json:"version"`
	Management string    `json:"management_number"` // 管理番号: ours is 受給者番号
}

// outsider is a guardian who lives elsewhere, as an application names them.
type outsider struct{ name, kana, birth, address string }

// outsiderOf makes up a guardian; no two are alike in name, reading and birth date.
func outsiderOf(n int) outsider {
	sounds := []rune("アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワ")
	kanji := []rune("青赤白黒緑紫金銀銅鉄水火木土日月星空雲雨雪風山川海湖森林野原")
	k := len(sounds)
	return outsider{
		name:    fmt.Sprintf("遠%c%c　%c子", kanji[n%30], kanji[n/30%30], kanji[(n*7+3)%30]),
		kana:    fmt.Sprintf("トオ%c%c　%c%cコ", sounds[n%k], sounds[n/k%k], sounds[(n*5+1)%k], sounds[(n/k+n)%k]),
		birth:   fmt.Sprintf("19%02d-%02d-%02d", 70+n%25, 1+n%12, 1+n%28),
		address: fmt.Sprintf("遠国県彼方市外町%d丁目%d番%d号", 1+n%9, 1+n, 1+n%17),
	}
}

func (o outsider) body() map[string]any {
	return map[string]any{"name": o.name, "kana": o.kana, "birth_date": o.birth, "sex": "女", "address": o.address}
}

// basis adds why somebody asks to a body.
func (p *process) basis(body map[string]any, id string) map[string]any {
	maps.Copy(body, map[string]any{"case": id, "procedure": p.ready.Example.Procedure, "purpose": p.ready.Example.Purpose})
	return body
}

// registration is the body that registers a child.
func (p *process) registration(child persona, guardian map[string]any) map[string]any {
	return p.basis(map[string]any{
		"child": map[string]any{"atena_number": child.Atena, "birth_date": child.BirthDate}, "guardian": guardian, "applied_on": "2026-11-20",
	}, child.Case)
}

// mailing is the body that changes a mailing address for the nth time.
func (p *process) mailing(id string, version, n int) map[string]any {
	return p.basis(map[string]any{
		"kind": "mailing_address", "effective_on": "2026-12-01", "version": version, "mailing_address": map[string]any{
			"name": "架空　方", "postal_code": "9990001", "address": fmt.Sprintf("彼方市外町%d番地", n),
		},
	}, id)
}

// press sends a change of the ledger with its key.
func (p *process) press(path, token, key string, body map[string]any) (pressed, reply, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return pressed{}, reply{}, err
	}
	req, err := http.NewRequest(http.MethodPost, p.ready.API+path, bytes.NewReader(b))
	if err != nil {
		return pressed{}, reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Idempotency-Key", key)
	r, err := p.do(req)
	if err != nil {
		return pressed{}, r, err
	}
	var a pressed
	if r.status == http.StatusCreated || r.status == http.StatusOK {
		err = json.Unmarshal([]byte(r.body), &a)
	}
	return a, r, err
}

// must is a press that is expected to be carried out now.
func (p *process) must(path, token, key string, body map[string]any) pressed {
	p.t.Helper()
	a, r, err := p.press(path, token, key, body)
	if err != nil || r.status != http.StatusCreated {
		p.t.Fatalf("POST %s: %d %v %s", path, r.status, err, r.body)
	}
	return a
}

// as reads a page with a token.
func (p *process) as(token, path string) (reply, error) {
	req, err := http.NewRequest(http.MethodGet, p.ready.API+path, http.NoBody)
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return p.do(req)
}

// queue is the answer of GET /v1/outbox.
type queue struct {
	Owed    int     `json:"owed"`
	Parked  int     `json:"parked"`
	Changes []owing `json:"changes"`
}

// queue reads what is owed.
func (p *process) queue(operator string) queue {
	p.t.Helper()
	r, err := p.as(operator, "/v1/outbox?limit=1000")
	var q queue
	if err == nil {
		err = json.Unmarshal([]byte(r.body), &q)
	}
	if err != nil || r.status != http.StatusOK {
		p.t.Fatalf("GET /v1/outbox: %d %v %s", r.status, err, r.body)
	}
	return q
}

// told waits until nothing moves by itself any more: everything is delivered, parked, or
// waits behind what is parked.
func (p *process) told(operator string, within time.Duration) {
	p.t.Helper()
	eventually(p.t, within, "everything delivered or parked", func() bool {
		return !slices.ContainsFunc(p.queue(operator).Changes, func(o owing) bool { return o.State != "parked" && o.WaitsFor == "" })
	})
}

// owedBy lists what is owed as a script would, with what was delivered.
func owedBy(t testing.TB, dir string) []owing {
	t.Helper()
	r := kakehashi(t, "outbox", "list", "--dir", dir, "--all", "--json")
	var all []owing
	if err := json.Unmarshal([]byte(r.out), &all); err != nil || r.code != exitOK {
		t.Fatalf("outbox list: %d %v %s", r.code, err, r.err)
	}
	return all
}

// arrivals lists what the unified address system received.
func arrivals(t testing.TB, dir string) []receivedWrite {
	t.Helper()
	r := kakehashi(t, "sandbox", "received", "--dir", dir, "address", "--json")
	var all []receivedWrite
	if err := json.Unmarshal([]byte(r.out), &all); err != nil || r.code != exitOK {
		t.Fatalf("sandbox received: %d %v %s", r.code, err, r.err)
	}
	return all
}

// reckoning is what became of all changes.
type reckoning struct{ changes, delivered, parked, asked, waiting, applied, repeated, refused int }

// String gives the counts as a line for people.
func (r reckoning) String() string {
	return fmt.Sprintf("%d changes: %d delivered, %d parked (%d of them with the question whether they arrived), %d behind these; "+
		"the neighbour applied %d, each once, recognised %d repeats and refused %d",
		r.changes, r.delivered, r.parked, r.asked, r.waiting, r.applied, r.repeated, r.refused)
}

// reckon holds what was promised, record by record in the order in which it must be told,
// against the outbox and against what the neighbour received: nothing lost, nothing twice,
// nothing out of order.
func reckon(t testing.TB, dir string, promised map[string][]string) reckoning {
	t.Helper()
	var sum reckoning
	state := map[string]owing{}
	for _, o := range owedBy(t, dir) {
		if o.Destination != addressDestination { // see (*place).events
			continue
		}
		if _, twice := state[o.Change]; twice {
			t.Errorf("%s stands twice in the list of what is owed", o.Change)
		}
		state[o.Change] = o
	}
	applied := map[string][]int{}
	for i, a := range arrivals(t, dir) {
		if a.Key == "" || a.Key != a.Change {
			t.Errorf("a write bears the key %q of the change %q", a.Key, a.Change)
		}
		if _, known := state[a.Change]; !known {
			t.Errorf("the neighbour was told %s, which nobody owes it", a.Change)
		}
		switch a.Effect {
		case "applied":
			applied[a.Change] = append(applied[a.Change], i)
			sum.applied++
		case "repeated":
			sum.repeated++
		default:
			sum.refused++
		}
	}
	for record, changes := range promised {
		last := -1
		for _, id := range changes {
			sum.changes++
			o, owed := state[id]
			times := applied[id]
			fits := len(times) == 0
			switch {
			case !owed:
				t.Errorf("%s was promised and is lost; the neighbour applied it %d times", id, len(times))
				continue
			case o.Record != record:
				t.Errorf("%s is of another record", id)
			case o.State == "delivered":
				sum.delivered++
				fits = len(times) == 1
			case o.State == "parked" && o.Question != "":
				sum.parked, sum.asked = sum.parked+1, sum.asked+1
				fits = len(times) <= 1
			case o.State == "parked":
				sum.parked++
			case o.State == "pending" && o.WaitsFor != "":
				sum.waiting++
			default:
				t.Errorf("%s is %s at the end (%s)", id, o.State, o.Cause)
			}
			if !fits {
				t.Errorf("%s (%s) is %s (%s %s) after %d attempts; the neighbour applied it %d times",
					id, o.Kind, o.State, o.Cause, o.Question, o.Attempts, len(times))
			}
			for _, at := range times {
				if at < last {
					t.Errorf("%s (%s) arrived before an earlier change of its record", id, o.Kind)
				}
				last = at
			}
		}
	}
	if sum.changes != len(state) {
		t.Errorf("%d changes were promised and the outbox knows %d", sum.changes, len(state))
	}
	inOrder(t, dir)
	return sum
}

// inOrder makes sure, from what the neighbour received alone, that no mailing address was
// followed by an earlier one, and that nobody was numbered twice.
func inOrder(t testing.TB, dir string) {
	t.Helper()
	version, numbers := map[string]int{}, map[string]bool{}
	for _, a := range arrivals(t, dir) {
		if a.Effect != "applied" {
			continue
		}
		switch a.Kind {
		case "mailing_address":
			n, err := strconv.Atoi(a.Version)
			if err != nil || n <= version[a.Management] {
				t.Errorf("version %q of a mailing address followed %d", a.Version, version[a.Management])
			}
			version[a.Management] = n
		case "numbering":
			if numbers[a.Atena] {
				t.Errorf("a number was assigned twice")
			}
			numbers[a.Atena] = true
		}
	}
}

// grant gives members of staff further roles, in a demo's folder whose demo does not run.
func grant(t testing.TB, dir string, roles map[string]string) {
	t.Helper()
	path := filepath.Join(dir, configFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	more := "  grants:\n"
	for _, number := range slices.Sorted(maps.Keys(roles)) {
		more += fmt.Sprintf("    - staff: %q\n      role: %s\n", number, roles[number])
	}
	if !bytes.Contains(text, []byte("\n  grants:\n")) {
		t.Fatal("the configuration has no grants")
	}
	changed := strings.Replace(string(text), "  grants:\n", more, 1)
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tokenOf gives a demo token of a member of staff.
func tokenOf(t testing.TB, dir, number string) string {
	t.Helper()
	r := kakehashi(t, "demo", "token", "--dir", dir, "--staff", number)
	if r.code != 0 {
		t.Fatalf("demo token: %d %s", r.code, r.err)
	}
	return strings.TrimSpace(r.out)
}

// children gives the personas that can be registered today.
func children(all []persona) []persona {
	return slices.DeleteFunc(askable(all), func(p persona) bool {
		// The youngest are born after the applications, and the oldest are past the scheme's age.
		return !p.has("child") || p.has("protected") || p.has("newborn") || p.BirthDate < "2011-04-02"
	})
}
