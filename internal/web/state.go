package web

import (
	"net/http"

	"kakehashi/internal/fault"
	"kakehashi/internal/manual"
	"kakehashi/internal/staff"
)

type healthAnswer struct {
	Status string `json:"status"`
}

type readyAnswer struct {
	Status string        `json:"status"` // ready or not_ready
	Probes []probeAnswer `json:"probes"`
}

type probeAnswer struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Code string `json:"code,omitempty"`
	Text string `json:"text,omitempty"`
}

type probedAnswer struct {
	LookupID string `json:"lookup_id"`
	At       string `json:"at"`

	Engines []proofAnswer `json:"engines"` // beside the database
}

type proofAnswer struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Code   string `json:"code,omitempty"`
	Text   string `json:"text,omitempty"`
	Millis int64  `json:"ms"`
}

type proceduresAnswer struct {
	Procedures []procedureAnswer `json:"procedures"`
}

type procedureAnswer struct {
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	LegalBasis  string       `json:"legal_basis"`
	Purposes    []codeAnswer `json:"purposes"`
	WithoutCase []codeAnswer `json:"without_case"`
}

type codeAnswer struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

type breakersAnswer struct {
	Breakers []breakerAnswer `json:"breakers"`
}

type breakerAnswer struct {
	Target    string `json:"target"`
	State     string `json:"state"`
	Since     string `json:"since,omitempty"`
	NextProbe string `json:"next_probe,omitempty"`
	Failures  int    `json:"failures"`
}

// healthy serves GET /healthz: the process lives.
func (x *exchange) healthy() error { return x.answer(http.StatusOK, healthAnswer{Status: "ok"}) }

// ready serves GET /readyz: 503 when one of the probes without which no lookup succeeds is
// not well.
func (x *exchange) ready() error {
	answer, status := readyAnswer{Status: "ready"}, http.StatusOK
	for _, p := range x.web.rooms.Ready(x.r.Context()) {
		row := probeAnswer{Name: p.Name, OK: p.OK}
		if !p.OK {
			if !p.Advisory {
				answer.Status, status = "not_ready", http.StatusServiceUnavailable
			}
			row.Code = p.Code
			if m, ok := manual.Message(p.Code); ok {
				row.Text = m.Text
			}
		}
		answer.Probes = append(answer.Probes, row)
	}
	return x.answer(status, answer)
}

// metrics serves GET /metrics by the handler that was given.
func (x *exchange) metrics() error {
	if x.web.rooms.Metrics == nil {
		return fault.New(fault.NotFound, "metrics are not served").WithCode(codePath)
	}
	x.web.rooms.Metrics.ServeHTTP(x.w, x.r)
	return nil
}

// probe serves POST /v1/probe: it writes an entry into the record and reads it back, and
// something into each engine beside the database.
func (x *exchange) probe() error {
	if x.r.ContentLength != 0 {
		if err := x.decode(&struct{}{}); err != nil {
			return err
		}
	}
	id, err := x.web.rooms.Gateway.ProbeRecord(x.r.Context(), x.who)
	if err != nil {
		return err
	}
	answer := probedAnswer{LookupID: id, At: moment(x.web.now()), Engines: []proofAnswer{}}
	if x.web.rooms.Prove == nil {
		return x.answer(http.StatusOK, answer)
	}
	for _, p := range x.web.rooms.Prove(x.r.Context()) {
		row := proofAnswer{Name: p.Name, OK: p.OK, Code: p.Code, Millis: p.Took.Milliseconds()}
		if m, ok := manual.Message(p.Code); ok {
			row.Text = m.Text
		}
		answer.Engines = append(answer.Engines, row)
	}
	return x.answer(http.StatusOK, answer)
}

// procedures serves GET /v1/procedures: those in force.
func (x *exchange) procedures() error {
	return x.answer(http.StatusOK, proceduresAnswer{Procedures: choices(x.web.rooms.Gateway)})
}

func spellCodes(codes []staff.Code) []codeAnswer {
	list := make([]codeAnswer, len(codes))
	for i, c := range codes {
		list[i] = codeAnswer{Code: c.Code, Name: c.Name}
	}
	return list
}

// breakers serves GET /v1/breakers to anybody who has a role.
func (x *exchange) breakers() error {
	if err := x.web.rooms.Gateway.Watch(x.r.Context(), x.who); err != nil {
		return err
	}
	var answer breakersAnswer
	for _, b := range x.web.rooms.Breakers() {
		answer.Breakers = append(answer.Breakers, breakerAnswer{
			Target: b.Target, State: b.State, Since: moment(b.Since), NextProbe: moment(b.NextProbe), Failures: b.Failures,
		})
	}
	return x.answer(http.StatusOK, answer)
}
