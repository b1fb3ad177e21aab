package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"kakehashi/internal/manual"
)

// readyTime bounds how long a host asks its sets whether they are ready.
const readyTime = 4 * time.Second

// hostReady is the answer of a host's /readyz: ready, partly_ready or not_ready.
type hostReady struct {
	Status         string      `json:"status"`
	Municipalities []cityReady `json:"municipalities"`
}

// cityReady is one municipality's part: ready, not_ready, or down while its set is rebuilt.
type cityReady struct {
	Code   string      `json:"code"`
	Status string      `json:"status"`
	Probes []cityProbe `json:"probes"` // those that are not well
}

type cityProbe struct {
	Name string `json:"name"`
	Code string `json:"code"`
	Text string `json:"text"`
}

// ready sums up: 503 only where no municipality is ready, so that a balancer does not take
// the others away with the one that is not.
func (h *host) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	answer := hostReady{Municipalities: make([]cityReady, len(h.cities))}
	var all sync.WaitGroup
	for i, one := range h.cities {
		all.Go(func() { answer.Municipalities[i] = one.ready(ctx) })
	}
	all.Wait()
	well := 0
	for _, one := range answer.Municipalities {
		if one.Status == "ready" {
			well++
		}
	}
	status := http.StatusOK
	switch well {
	case len(h.cities):
		answer.Status = "ready"
	case 0:
		answer.Status, status = "not_ready", http.StatusServiceUnavailable
	default:
		answer.Status = "partly_ready"
	}
	writeAnswer(w, status, answer)
}

// ready says how one municipality is.
func (h *hosted) ready(ctx context.Context) cityReady {
	answer := cityReady{Code: h.code, Status: "ready", Probes: []cityProbe{}}
	tell := func(name, code string) {
		m, _ := manual.Message(code)
		answer.Probes = append(answer.Probes, cityProbe{Name: name, Code: code, Text: m.Text})
	}
	l := h.now.Load()
	if l == nil || !l.enter() {
		answer.Status = "down"
		tell("set", "KKH5033")
		return answer
	}
	defer l.leave()
	for _, p := range l.set.ready(ctx) {
		if p.OK {
			continue
		}
		if !p.Advisory {
			answer.Status = "not_ready"
		}
		tell(p.Name, p.Code)
	}
	return answer
}
