package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkNeighbourhood measures what one city's trouble costs the other that shares the
// program. B is asked at a fixed pace, each answer timed from when it was due; beside that A
// is left alone, flooded at ten times its limit, and asked while its neighbours are slow or
// dead. Short rounds without A and with it take turns. Of each round's p99 the middle one of all
// rounds counts: a stall of the machine's disk, which others use too, is in a few of them and
// has nothing to do with A. The p99 of all answers together is told beside it.
//
//	go test ./cmd/kakehashi -run '^$' -bench Neighbourhood -benchtime 1x
func BenchmarkNeighbourhood(b *testing.B) {
	const (
		round  = 2500 * time.Millisecond
		rounds = 11
		pace   = 40 // of B, a second
	)
	n := found(b)
	h := n.serve("path: /a", "path: /b")
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	lookups := map[string]*asker{}
	for _, city := range []string{"a", "b"} {
		p := h.at(h.bare+"/"+city, city)
		body, err := json.Marshal(p.lookupBody(tagged(b, personas(b, p.dir), "child")))
		if err != nil {
			b.Fatal(err)
		}
		lookups[city] = &asker{client: client, url: p.ready.API + "/v1/lookups", token: token(b, p.dir, "case-worker"), body: body}
	}
	lookups["b"].offer(pace, 2*time.Second) // warm
	fault := func(kind string) {
		for _, system := range []string{"residents", "tax", "address", "protection"} {
			args := []string{"sandbox", "fault", "--dir", n.city("a"), system, kind}
			if kind == "" {
				args = []string{"sandbox", "clear", "--dir", n.city("a"), system}
			}
			if r := kakehashi(b, args...); r.code != 0 {
				b.Fatalf("%v: %s", args, r.err)
			}
		}
	}
	for b.Loop() {
		for _, trouble := range []struct {
			name, kind string
			rate       int // offered to A, a second
		}{{"flooded", "", 500}, {"slow", "slow", 80}, {"dead", "down", 80}} {
			if trouble.kind != "" {
				fault(trouble.kind)
			}
			var alone, troubled, ofA taken
			for range rounds {
				alone.add(lookups["b"].offer(pace, round))
				var beside sync.WaitGroup
				beside.Go(func() { ofA.add(lookups["a"].offer(trouble.rate, round)) })
				troubled.add(lookups["b"].offer(pace, round))
				beside.Wait()
			}
			if trouble.kind != "" {
				fault("")
			}
			p, q := alone.middle(), troubled.middle()
			b.Logf("A %-7s: B's p50 %v -> %v, p99 %v -> %v (%.2f times; of all %v -> %v); of A %v; B failed %d and %d", trouble.name,
				alone.at(0.5), troubled.at(0.5), p, q, float64(q)/float64(p), alone.at(0.99), troubled.at(0.99), ofA.statuses, alone.failed(), troubled.failed())
			b.ReportMetric(float64(q)/float64(p), trouble.name+"-p99-times")
			if alone.failed()+troubled.failed() > 0 {
				b.Errorf("B was not answered: %v, %v", alone.statuses, troubled.statuses)
			}
		}
	}
	h.stop()
}

// asker asks for one thing again and again.
type asker struct {
	client     *http.Client
	url, token string
	body       []byte
}

// taken is how long answers took from when they were due, and what they were.
type taken struct {
	times    []time.Duration // in order
	p99s     []time.Duration // of each round
	statuses map[int]int
}

// add adds what a further round took.
func (t *taken) add(more taken) {
	t.times = append(t.times, more.times...)
	slices.Sort(t.times)
	t.p99s = append(t.p99s, more.at(0.99))
	if t.statuses == nil {
		t.statuses = map[int]int{}
	}
	for status, n := range more.statuses {
		t.statuses[status] += n
	}
}

// at gives the time within which a part of the answers came.
func (t *taken) at(part float64) time.Duration {
	return t.times[min(len(t.times)-1, int(part*float64(len(t.times))))].Round(10 * time.Microsecond)
}

// middle gives the p99 of the middle round.
func (t *taken) middle() time.Duration { return slices.Sorted(slices.Values(t.p99s))[len(t.p99s)/2] }

func (t *taken) failed() int { return len(t.times) - t.statuses[http.StatusOK] }

// offer asks at a fixed pace, whether or not the answers keep up.
func (a *asker) offer(rate int, lasts time.Duration) taken {
	var mu sync.Mutex
	var all sync.WaitGroup
	t := taken{statuses: map[int]int{}}
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for end := time.After(lasts); ; {
		select {
		case <-end:
			all.Wait()
			slices.Sort(t.times)
			return t
		case due := <-tick.C:
			all.Go(func() {
				status := a.ask()
				mu.Lock()
				defer mu.Unlock()
				t.times = append(t.times, time.Since(due))
				t.statuses[status]++
			})
		}
	}
}

// ask gives the status; 0: no answer.
func (a *asker) ask() int {
	req, err := http.NewRequest(http.MethodPost, a.url, bytes.NewReader(a.body))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+a.token)
	res, err := a.client.Do(req)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode
}
