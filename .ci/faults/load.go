package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// load is clerks who change the ledger and staff who look people up, at whatever gateway.
// Each record has a clerk of its own, who repeats a press under the same key, at any gateway,
// until it is answered.
type load struct {
	w       *world
	client  *http.Client
	presses chan struct{} // one press may begin for each
	asks    chan struct{} // one question may be asked for each
	over    context.Context
	giveUp  context.CancelFunc
	all     sync.WaitGroup

	mu       sync.Mutex
	promised map[string][]string // the changes of each record, in order
	given    []answer
	refused  map[string]int // answers that say no, by status and message number
	broken   int            // requests without an answer
	repeated int            // presses that were repeated
	longest  time.Duration  // that anybody waited for an answer, or for none
	amiss    []string
}

// answer is what somebody was told about persons.
type answer struct {
	lookup  string
	persons []string
}

// askers is how many members of staff ask at once.
const askers = 8

// newLoad sits everybody down; they work by what the channels give them.
func newLoad(ctx context.Context, w *world) *load {
	l := &load{
		w: w, presses: make(chan struct{}, 10_000), asks: make(chan struct{}, 10_000), promised: map[string][]string{}, refused: map[string]int{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 40 * time.Second},
	}
	l.over, l.giveUp = context.WithCancel(ctx)
	for i, child := range children(w.people) {
		l.all.Go(func() { l.family(i, child) })
	}
	people := askable(w.people)
	for range askers {
		l.all.Go(func() {
			for range l.asks {
				l.ask(people[rand.IntN(len(people))])
			}
		})
	}
	return l
}

// pace gives out work evenly over a time, and waits until it is done: with a time of its
// own, since whoever was answered nothing goes on asking until the trouble is over.
func (l *load) pace(ctx context.Context, presses, asks int, over time.Duration) {
	spread := func(n int, to chan<- struct{}) {
		defer close(to)
		if n == 0 {
			return
		}
		tick := time.NewTicker(over / time.Duration(n))
		defer tick.Stop()
		for range n {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				to <- struct{}{}
			}
		}
	}
	var both sync.WaitGroup
	both.Go(func() { spread(presses, l.presses) })
	both.Go(func() { spread(asks, l.asks) })
	both.Wait()
}

// finish waits until everybody was answered; who was not within the time is amiss.
func (l *load) finish(within time.Duration) {
	done := make(chan struct{})
	go func() { l.all.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(within):
		l.wrong("somebody is still without an answer %v after the trouble", within)
		l.giveUp()
		<-done
	}
	l.giveUp()
	l.client.CloseIdleConnections()
}

// family registers a child and changes its mailing address again and again.
func (l *load) family(i int, child persona) {
	id, ok := l.press("/v1/beneficiaries", fmt.Sprintf("family-%d", i), registration(l.w.example, child, i))
	for n := 1; ok; n++ {
		_, ok = l.press("/v1/beneficiaries/"+id+"/changes", fmt.Sprintf("family-%d-%d", i, n), mailing(l.w.example, child, n, 1000*i+n))
	}
}

// pressed is the answer of a change of the ledger.
type pressed struct {
	ID   string `json:"id"`
	Owed []struct {
		Change      string `json:"change_id"`
		Destination string `json:"destination"`
	} `json:"owed"`
	Waiting []struct {
		Change string `json:"change_id"`
	} `json:"waiting"`
}

// press presses until an answer comes, and notes what it promises. false: no more presses.
func (l *load) press(path, key string, body map[string]any) (string, bool) {
	if _, more := <-l.presses; !more {
		return "", false
	}
	for tries := 0; ; tries++ {
		var p pressed
		status, code, err := l.send(path, key, body, &p)
		switch {
		case err == nil && (status == http.StatusCreated || status == http.StatusOK):
			l.promise(p, tries)
			return p.ID, true
		case err == nil && !mayRepeat(status):
			l.wrong("POST %s: %d %s", pathOf(path), status, code)
			return "", false
		}
		select {
		case <-l.over.Done():
			return "", false
		case <-time.After(between(20*time.Millisecond, 120*time.Millisecond)):
		}
	}
}

// pathOf gives the address without the record in it.
func pathOf(path string) string {
	if path == "/v1/beneficiaries" {
		return path
	}
	return "/v1/beneficiaries/{id}/changes"
}

// mayRepeat tells whether the answer invites to try again: busy, or a clock that takes our
// token for one of tomorrow.
func mayRepeat(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests || status == http.StatusUnauthorized
}

func (l *load) promise(p pressed, tries int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[string]bool{}
	for _, o := range p.Owed { // one change may be owed to several
		if !seen[o.Change] {
			seen[o.Change] = true
			l.promised[p.ID] = append(l.promised[p.ID], o.Change)
		}
	}
	for _, o := range p.Waiting {
		if !seen[o.Change] {
			seen[o.Change] = true
			l.promised[p.ID] = append(l.promised[p.ID], o.Change)
		}
	}
	if tries > 0 {
		l.repeated++
	}
}

// ask looks somebody up, again and again until an answer comes, as somebody at a counter does.
func (l *load) ask(who persona) {
	for !l.askOnce(who) {
		select {
		case <-l.over.Done():
			return
		case <-time.After(between(50*time.Millisecond, 250*time.Millisecond)):
		}
	}
}

// askOnce looks somebody up once; false: it may be tried again.
func (l *load) askOnce(who persona) bool {
	var a struct {
		Lookup  string `json:"lookup_id"`
		Sources []struct {
			Persons []struct {
				Atena string `json:"atena_number"`
			} `json:"persons"`
		} `json:"sources"`
	}
	body := basis(l.w.example, who, map[string]any{"person": map[string]any{"atena_number": who.Atena}})
	status, code, err := l.send("/v1/lookups", "", body, &a)
	if err != nil || mayRepeat(status) {
		return false
	}
	if status != http.StatusOK {
		l.wrong("POST /v1/lookups: %d %s", status, code)
		return true
	}
	g := answer{lookup: a.Lookup}
	for _, s := range a.Sources {
		for _, p := range s.Persons {
			g.persons = append(g.persons, p.Atena)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.given = append(l.given, g)
	return true
}

// send sends a body to one of the gateways, and decodes an answer of success.
func (l *load) send(path, key string, body map[string]any, into any) (status int, code string, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, "", fmt.Errorf("encode a body: %w", err)
	}
	g := l.w.gateways[rand.IntN(len(l.w.gateways))]
	req, err := http.NewRequestWithContext(l.over, http.MethodPost, g.base()+path, bytes.NewReader(text))
	if err != nil {
		return 0, "", fmt.Errorf("make a request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+l.w.tokens["case-worker"])
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	begun := time.Now()
	status, code, err = l.decode(req, into)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.longest = max(l.longest, time.Since(begun))
	switch {
	case err != nil:
		l.broken++
	case status >= http.StatusBadRequest:
		l.refused[strconv.Itoa(status)+" "+code]++
	}
	return status, code, err
}

func (l *load) decode(req *http.Request, into any) (status int, code string, err error) {
	res, err := l.client.Do(req)
	if err != nil {
		return 0, "", errors.Unwrap(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, "", fmt.Errorf("read an answer: %w", err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		var p struct {
			Code string `json:"code"`
		}
		_ = json.Unmarshal(text, &p)
		return res.StatusCode, p.Code, nil
	}
	return res.StatusCode, "", json.Unmarshal(text, into)
}

// wrong notes what must not be.
func (l *load) wrong(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.amiss = append(l.amiss, fmt.Sprintf(format, args...))
}

// basis adds why somebody asks to a body.
func basis(e example, who persona, body map[string]any) map[string]any {
	maps.Copy(body, map[string]any{"case": who.Case, "procedure": e.Procedure, "purpose": e.Purpose})
	return body
}
