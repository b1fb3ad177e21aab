package web

import (
	"net/http"
	"strconv"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/outbox"
)

// owedShown is how many changes a page of the outbox has unless told, and at most.
const (
	owedShown   = 100
	owedShownAt = 1000
)

// owedAnswer is one change that one neighbour is owed, or was told.
type owedAnswer struct {
	ChangeID    string      `json:"change_id"`
	Destination string      `json:"destination"`
	Record      string      `json:"record"`
	Kind        string      `json:"kind"`
	Version     int         `json:"version"`
	State       string      `json:"state"`
	Attempts    int         `json:"attempts"`
	EnqueuedAt  string      `json:"enqueued_at"`
	NextAt      string      `json:"next_at"`
	LastAt      string      `json:"last_at,omitempty"`
	Cause       string      `json:"cause"`
	Code        string      `json:"code,omitempty"`
	Detail      string      `json:"detail,omitempty"`
	Question    string      `json:"question"`
	Behind      int         `json:"behind"`
	WaitsFor    string      `json:"waits_for,omitempty"`
	Replay      string      `json:"replay,omitempty"`
	DeliveredAt string      `json:"delivered_at,omitempty"`
	Discarded   *markAnswer `json:"discarded,omitempty"`
	Answered    *markAnswer `json:"answered,omitempty"`
}

// markAnswer says who decided about a change, when and why.
type markAnswer struct {
	By     string `json:"by"`
	At     string `json:"at"`
	Reason string `json:"reason"`
}

func spellOwed(owed []outbox.Owed) []owedAnswer {
	list := make([]owedAnswer, len(owed))
	for i, o := range owed {
		list[i] = owedAnswer{
			ChangeID: string(o.Change), Destination: o.Destination, Record: string(o.Record), Kind: string(o.Kind), Version: o.Version,
			State: string(o.State), Attempts: o.Attempts, EnqueuedAt: moment(o.EnqueuedAt), NextAt: moment(o.NextAt), LastAt: moment(o.LastAt),
			Cause: o.Cause, Code: o.Code, Detail: o.Detail, Question: questionText(o.Question), Behind: o.Behind,
			WaitsFor: string(o.WaitsFor), Replay: o.Replay, DeliveredAt: moment(o.DeliveredAt),
		}
		if m := o.Discarded; m != nil {
			list[i].Discarded = &markAnswer{By: m.By, At: moment(m.At), Reason: m.Reason}
		}
		if m := o.Answered; m != nil {
			list[i].Answered = &markAnswer{By: m.By, At: moment(m.At), Reason: m.Reason}
		}
	}
	return list
}

// outboxAnswer is the answer of GET /v1/outbox. Only the first page of a list is summed up.
type outboxAnswer struct {
	*sumAnswer `json:",inline"` // nil: a later page
	Changes    []owedAnswer     `json:"changes"`
	Next       string           `json:"next"`
}

type sumAnswer struct {
	Owed          int                 `json:"owed"`
	Parked        int                 `json:"parked"`
	Unsure        int                 `json:"unsure"`
	Waiting       int                 `json:"waiting"`
	Held          int                 `json:"waiting_for_number"` // owed to nobody yet
	OldestAt      string              `json:"oldest_at,omitempty"`
	OldestSeconds int64               `json:"oldest_seconds"`
	Groups        []groupAnswer       `json:"groups"`
	Destinations  []destinationAnswer `json:"destinations"`
}

type groupAnswer struct {
	Destination string `json:"destination"`
	State       string `json:"state"`
	Cause       string `json:"cause"`
	Code        string `json:"code,omitempty"`
	Text        string `json:"text,omitempty"` // the cause in words
	Count       int    `json:"count"`
	Behind      int    `json:"behind"`
	OldestAt    string `json:"oldest_at,omitempty"`
	NextAt      string `json:"next_at,omitempty"`
}

type destinationAnswer struct {
	Destination string `json:"destination"`
	Owed        int    `json:"owed"`
	Parked      int    `json:"parked"`
	Open        bool   `json:"open"` // false: deliveries are held back after failures
	NextProbe   string `json:"next_probe,omitempty"`
	Cause       string `json:"cause,omitempty"`
	InFlight    int    `json:"in_flight"`
	Rate        int    `json:"rate"` // delivered in the last minute
	OldestAt    string `json:"oldest_at,omitempty"`
}

// listOutbox serves GET /v1/outbox to anybody who has a role: there is no person in it.
func (x *exchange) listOutbox() error {
	f, err := x.outboxFilter()
	if err != nil {
		return err
	}
	page, err := x.web.rooms.Gateway.Owed(x.r.Context(), x.who, f)
	if err != nil {
		return err
	}
	answer := outboxAnswer{Changes: spellOwed(page.Changes), Next: page.Next}
	if page.Summed {
		answer.sumAnswer = spellSum(page, x.web.now())
	}
	return x.answer(http.StatusOK, answer)
}

func spellSum(page gateway.OwedPage, now time.Time) *sumAnswer {
	s := page.Summary
	answer := &sumAnswer{
		Owed: s.Owed, Parked: s.Parked, Unsure: s.Unsure, Waiting: s.Waiting, Held: page.Held, OldestAt: moment(s.Oldest),
		OldestSeconds: age(now, s.Oldest),
		Groups:        make([]groupAnswer, len(s.Groups)), Destinations: make([]destinationAnswer, len(s.Destinations)),
	}
	for i, g := range s.Groups {
		answer.Groups[i] = groupAnswer{
			Destination: g.Destination, State: string(g.State), Cause: g.Cause, Code: g.Code, Text: owedCauseWord(g.Cause),
			Count: g.Count, Behind: g.Behind, OldestAt: moment(g.Oldest), NextAt: moment(g.NextAt),
		}
	}
	for i, d := range s.Destinations {
		answer.Destinations[i] = destinationAnswer{
			Destination: d.Destination, Owed: d.Owed, Parked: d.Parked, Open: d.Open, NextProbe: moment(d.NextProbe),
			Cause: d.Cause, InFlight: d.InFlight, Rate: d.Rate, OldestAt: moment(d.Oldest),
		}
	}
	return answer
}

// age gives whole seconds since a moment; 0 for none and for one that is still to come.
func age(now, since time.Time) int64 {
	if since.IsZero() || since.After(now) {
		return 0
	}
	return int64(now.Sub(since) / time.Second)
}

// outboxFilter reads the query of GET /v1/outbox.
func (x *exchange) outboxFilter() (outbox.Filter, error) {
	q, err := x.query("state", "destination", "cause", "record", "all", "limit", "cursor")
	if err != nil {
		return outbox.Filter{}, err
	}
	f := outbox.Filter{
		Destination: q.Get("destination"), State: outbox.State(q.Get("state")), Cause: q.Get("cause"),
		Record: ledger.BeneficiaryID(q.Get("record")), Cursor: q.Get("cursor"), Limit: owedShown,
	}
	wrong := f.State != "" && owedStateWord(f.State) == "" || f.Cursor != "" && !isCursor(f.Cursor)
	switch q.Get("all") {
	case "true":
		f.All = true
	case "", "false":
	default:
		wrong = true
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		f.Limit, wrong = n, wrong || err != nil || n < 1 || n > owedShownAt
	}
	if wrong {
		return outbox.Filter{}, fault.New(fault.Invalid, "a value of the query does not fit").WithCode(codeQuery).WithReason("query")
	}
	return f, nil
}

// isCursor tells whether a text can be where a page begins: a positive number, in base 36.
func isCursor(s string) bool {
	n, err := strconv.ParseInt(s, 36, 64)
	return err == nil && n > 0
}

// outboxChangeAnswer is the answer of GET /v1/outbox/{change_id}.
type outboxChangeAnswer struct {
	Changes  []owedAnswer    `json:"changes"`
	Attempts []attemptAnswer `json:"attempts"`
}

type attemptAnswer struct {
	Destination string `json:"destination"`
	Number      int    `json:"number"`
	At          string `json:"at"`
	EndedAt     string `json:"ended_at,omitempty"`
	Outcome     string `json:"outcome"`
	Code        string `json:"code,omitempty"`
	Digest      string `json:"digest,omitempty"`
	Replay      string `json:"replay,omitempty"`
	Confirm     bool   `json:"confirm"`
}

// showChange serves GET /v1/outbox/{change_id}.
func (x *exchange) showChange() error {
	if _, err := x.query(); err != nil {
		return err
	}
	owed, attempts, err := x.web.rooms.Gateway.OwedChange(x.r.Context(), x.who, ledger.ChangeID(x.r.PathValue("change_id")))
	if err != nil {
		return err
	}
	answer := outboxChangeAnswer{Changes: spellOwed(owed), Attempts: make([]attemptAnswer, len(attempts))}
	for i, a := range attempts {
		answer.Attempts[i] = attemptAnswer{
			Destination: a.Destination, Number: a.Number, At: moment(a.At), EndedAt: moment(a.Ended), Outcome: a.Outcome,
			Code: a.Code, Digest: a.Digest, Replay: a.Replay, Confirm: a.Confirm,
		}
	}
	return x.answer(http.StatusOK, answer)
}
