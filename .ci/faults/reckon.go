package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kakehashi/.ci/engines"
)

// owing is a change and a destination as GET /v1/outbox spells it.
type owing struct {
	Change      string `json:"change_id"`
	Destination string `json:"destination"`
	Record      string `json:"record"`
	Kind        string `json:"kind"`
	State       string `json:"state"`
	Attempts    int    `json:"attempts"`
	Cause       string `json:"cause"`
	Question    string `json:"question"`
	WaitsFor    string `json:"waits_for"`
}

// arrived is a write as `sandbox received --json` spells it.
type arrived struct {
	Change string `json:"change_id"`
	Effect string `json:"effect"`
}

// told is the destination of the neighbour that the stand-ins keep an account of.
const told = "address"

// owed reads the queue at the first gateway, everything or only what is not over, and how
// many changes still wait for a number before they are owed.
func (w *world) owed(ctx context.Context, all bool) (list []owing, held int, err error) {
	query := url.Values{"limit": {"1000"}}
	if all {
		query.Set("all", "true")
	}
	for {
		var page struct {
			Held    int     `json:"waiting_for_number"`
			Changes []owing `json:"changes"`
			Next    string  `json:"next"`
		}
		err := w.ask(ctx, http.MethodGet, "/v1/outbox?"+query.Encode(), "operator", "", func(body io.Reader) error {
			return json.NewDecoder(body).Decode(&page)
		})
		if err != nil {
			return nil, 0, err
		}
		list, held = append(list, page.Changes...), page.Held
		if page.Next == "" {
			return list, held, nil
		}
		query.Set("cursor", page.Next)
	}
}

// ask asks the first gateway as somebody of the role.
func (w *world) ask(ctx context.Context, method, path, role, body string, read func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, w.gateways[0].base()+path, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+w.tokens[role])
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask a gateway: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 500))
		return fmt.Errorf("%s is answered by %s: %s", strings.SplitN(path, "?", 2)[0], res.Status, text)
	}
	return read(res.Body)
}

// settle waits until nothing moves by itself any more: everything is delivered, parked, or
// waits behind what is parked. What still moves when the time is over is given.
func (w *world) settle(ctx context.Context, within time.Duration) ([]owing, error) {
	deadline := time.Now().Add(within)
	for {
		list, held, err := w.owed(ctx, false)
		var moving []owing
		for _, o := range list {
			if o.State != "parked" && o.WaitsFor == "" {
				moving = append(moving, o)
			}
		}
		if err == nil && len(moving) == 0 && (held == 0 || len(list) > 0) || time.Now().After(deadline) || ctx.Err() != nil {
			return moving, err
		}
		wait(ctx, 200*time.Millisecond)
	}
}

// reckon holds what was promised, record by record in the order in which it must be told,
// against the queue, against what the neighbour received, and against what was published.
func (w *world) reckon(ctx context.Context, promised map[string][]string, r *result) error {
	list, held, err := w.owed(ctx, true)
	if err != nil {
		return err
	}
	if held > 0 && !slices.ContainsFunc(list, func(o owing) bool { return o.State == "parked" }) {
		r.wrong("%d changes wait for a number and nothing is owed that would bring it", held)
	}
	states := map[string]owing{} // by change and destination
	for _, o := range list {
		key := o.Change + " " + o.Destination
		if _, twice := states[key]; twice {
			r.wrong("a change stands twice in the queue")
		}
		states[key] = o
	}
	applied, err := w.arrivals(ctx, states, r)
	if err != nil {
		return err
	}
	published, err := w.published(ctx)
	if err != nil {
		return err
	}
	r.compare(promised, states, applied, published)
	return nil
}

// compare holds what was promised against what became of it.
func (r *result) compare(promised map[string][]string, states map[string]owing, applied map[string][]int, p events) {
	known := 0
	for record, changes := range promised {
		last := -1
		for i, id := range changes {
			r.changes++
			o, owed := states[id+" "+told]
			if owed {
				known++
				r.judge(record, o, len(applied[id]))
			} else {
				r.lost++
				r.wrong("a change was promised, as number %d of the %d of its record, and is not in the queue; the neighbour applied it %d times",
					i+1, len(changes), len(applied[id]))
			}
			for _, at := range applied[id] {
				if at < last {
					r.disorder++
				}
				last = at
			}
		}
		r.judgeEvents(changes, states, p)
	}
	if n := countTold(states); n != known {
		r.wrong("the queue knows %d changes that nobody was promised", n-known)
	}
	r.published, r.again = p.distinct, p.again
}

func countTold(states map[string]owing) int {
	n := 0
	for _, o := range states {
		if o.Destination == told {
			n++
		}
	}
	return n
}

// arrivals gives what the neighbour applied, by change, as places in its account.
func (w *world) arrivals(ctx context.Context, states map[string]owing, r *result) (map[string][]int, error) {
	text, err := w.run(ctx, nil, "sandbox", "received", "--dir", w.dir, told, "--json")
	if err != nil {
		return nil, err
	}
	var list []arrived
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("read what the neighbour received: %w", err)
	}
	applied := map[string][]int{}
	for i, a := range list {
		if _, known := states[a.Change+" "+told]; !known {
			r.wrong("the neighbour was told a change that nobody owes it")
		}
		if a.Effect == "applied" {
			applied[a.Change] = append(applied[a.Change], i)
		}
	}
	return applied, nil
}

// judge says what became of one change at the neighbour.
func (r *result) judge(record string, o owing, times int) {
	if times > 1 {
		r.twice++
	}
	switch {
	case o.Record != record:
		r.wrong("a change is of another record than was promised")
	case o.State == "delivered":
		if r.delivered++; times == 0 {
			r.lost++
			r.wrong("a change (%s) is delivered and the neighbour never applied it", o.Kind)
		}
	case o.State == "parked" && o.Question != "":
		r.asked++
	case o.State == "parked":
		r.wrong("a change (%s) is parked: %s", o.Kind, o.Cause)
	case o.WaitsFor != "":
		r.behind++
	default:
		r.wrong("a change (%s) is %s at the end, after %d attempts: %s", o.Kind, o.State, o.Attempts, o.Cause)
	}
}

// judgeEvents says what became of a record's changes at all other destinations.
func (r *result) judgeEvents(changes []string, states map[string]owing, p events) {
	for _, id := range changes {
		for key, o := range states {
			if o.Destination == told || !strings.HasPrefix(key, id+" ") {
				continue
			}
			switch {
			case o.State == "delivered" && p.first[id] == 0:
				r.lost++
				r.wrong("an event is delivered and not on its topic")
			case o.State != "delivered":
				r.wrong("an event is %s at the end: %s %s", o.State, o.Cause, o.Question)
			}
		}
	}
	last := map[string]int{} // by subject
	for _, id := range changes {
		at := p.first[id]
		if at == 0 {
			continue
		}
		if at < last[p.subject[id]] {
			r.disorder++
		}
		last[p.subject[id]] = at
	}
}

// recorded is a line of the record's export.
type recorded struct {
	Kind     string `json:"kind"`
	Lookup   string `json:"lookup"`
	Act      string `json:"act"`
	Subjects []struct {
		Atena string `json:"atena_number"`
	} `json:"subjects"`
}

// ends is what the record says of one lookup.
type ends struct {
	intent, outcome, interrupted, withheld int
	subjects                               map[string]bool
}

// closed tells whether it has an end.
func (e ends) closed() bool { return e.outcome+e.interrupted+e.withheld > 0 }

// whole tells whether it has one beginning and one end. An outcome of which the gateway could
// not learn whether it was kept is withheld, and may have been kept after all.
func (e ends) whole() bool {
	return e.intent == 1 && e.outcome <= 1 && e.interrupted+e.withheld <= 1 && (e.outcome+e.interrupted == 1 || e.withheld == 1)
}

// String counts what there is of it.
func (e ends) String() string {
	return fmt.Sprintf("%d intents, %d outcomes, %d interrupted, %d withheld", e.intent, e.outcome, e.interrupted, e.withheld)
}

// lookups reads the whole record as an auditor does.
func (w *world) lookups(ctx context.Context) (map[string]*ends, error) {
	of := map[string]*ends{}
	err := w.ask(ctx, http.MethodPost, "/v1/record/export", "auditor", "{}", func(body io.Reader) error {
		lines := bufio.NewScanner(body)
		lines.Buffer(nil, 4<<20)
		for lines.Scan() {
			var e recorded
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				return fmt.Errorf("read a line of the record: %w", err)
			}
			note(of, e)
		}
		return lines.Err()
	})
	return of, err
}

func note(of map[string]*ends, e recorded) {
	if e.Lookup == "" || e.Act != "lookup" && e.Kind != "interrupted" && e.Kind != "withheld" {
		return
	}
	n := of[e.Lookup]
	if n == nil {
		n = &ends{subjects: map[string]bool{}}
		of[e.Lookup] = n
	}
	switch e.Kind {
	case "intent":
		n.intent++
	case "outcome":
		n.outcome++
		for _, s := range e.Subjects {
			n.subjects[s.Atena] = true
		}
	case "interrupted":
		n.interrupted++
	case "withheld":
		n.withheld++
	}
}

// kept holds every answer against the record: there with its intent, its outcome and
// everybody in it, and no intent without an end. A gateway that died has its open ones
// closed by the others once it counts as gone.
func (w *world) kept(ctx context.Context, given []answer, r *result) error {
	var of map[string]*ends
	var err error
	for deadline := time.Now().Add(20*lease + 10*time.Second); ; wait(ctx, time.Second) {
		if of, err = w.lookups(ctx); err != nil {
			return err
		}
		open := 0
		for _, e := range of {
			if !e.closed() {
				open++
			}
		}
		if open == 0 || time.Now().After(deadline) || ctx.Err() != nil {
			break
		}
	}
	r.judgeAnswers(of, given)
	return nil
}

// judgeAnswers holds what people were told against the record.
func (r *result) judgeAnswers(of map[string]*ends, given []answer) {
	r.answers = len(given)
	for _, g := range given {
		e := of[g.lookup]
		if e == nil || e.intent != 1 || e.outcome != 1 || e.withheld > 0 || slices.ContainsFunc(g.persons, func(p string) bool { return !e.subjects[p] }) {
			r.unrecorded++
		}
	}
	for _, e := range of {
		switch {
		case !e.whole():
			r.wrong("a question of the record has %v", e)
		case e.outcome == 1 && e.withheld == 1:
			r.doubted++
		}
	}
}

// verify verifies the record against the file of checkpoints of every gateway.
func (w *world) verify(ctx context.Context, r *result) error {
	for i, g := range w.gateways {
		text, err := w.run(ctx, w.engineEnv(i), "audit", "verify", "--dir", g.dir, "--json",
			"--checkpoints", filepath.Join(g.dir, "checkpoints.txt"))
		var v struct {
			OK       bool `json:"ok"`
			Entries  int  `json:"entries"`
			Unproved int  `json:"unproved"`
			Problems []struct {
				Kind string `json:"kind"`
				Text string `json:"text"`
			} `json:"problems"`
		}
		if json.Unmarshal([]byte(text), &v) != nil {
			return errors.Join(errors.New("audit verify says nothing"), err)
		}
		for _, p := range v.Problems {
			r.wrong("audit verify: %s: %s", p.Kind, p.Text)
		}
		if v.Unproved > 0 {
			r.wrong("%d entries of the record are not sealed after all gateways stopped", v.Unproved)
		}
		r.record = strconv.Itoa(v.Entries) + " ok"
		if !v.OK {
			r.record = strconv.Itoa(v.Entries) + " NOT OK"
			return nil
		}
	}
	return nil
}

// kafkaUnder tells whether there is anything to publish to.
func (w *world) kafkaUnder() bool { return w.has(engines.Kafka) }
