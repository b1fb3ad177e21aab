package web

import (
	"context"
	"net/http"

	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
	"kakehashi/outbox"
)

// selectionBody is the body of POST /v1/outbox/replays and POST /v1/outbox/discards: which
// changes, by name or by condition, and why.
type selectionBody struct {
	IDs    []string   `json:"ids"`
	Where  *whereBody `json:"where"`
	Reason string     `json:"reason"`
	DryRun bool       `json:"dry_run"`
	Count  *int       `json:"count"`
}

// whereBody is a condition. An empty one is every change.
type whereBody struct {
	Destination string `json:"destination"`
	Cause       string `json:"cause"`
	State       string `json:"state"`
	Record      string `json:"record"`
}

const memberSelection = "ids か where のどちらか一方を指定してください。すべてなら where を {} にします。"

// namedAt is how many changes one request may name.
const namedAt = 1000

// filter checks the body and gives what it selects.
func (b selectionBody) filter() (outbox.Filter, error) {
	switch {
	case (b.IDs == nil) == (b.Where == nil):
		return outbox.Filter{}, unfit("/ids", memberSelection)
	case b.IDs != nil && len(b.IDs) == 0:
		return outbox.Filter{}, unfit("/ids", memberEmpty)
	case len(b.IDs) > namedAt:
		return outbox.Filter{}, unfit("/ids", "一度に指定できるのは 1000 件までです。")
	case b.Reason == "" && !b.DryRun:
		return outbox.Filter{}, unfit("/reason", memberMissing)
	case b.Count != nil && *b.Count < 1:
		return outbox.Filter{}, unfit("/count", memberPositive)
	case b.Where == nil:
		return outbox.Filter{IDs: named[ledger.ChangeID](b.IDs)}, nil
	case b.Where.State != "" && owedStateWord(outbox.State(b.Where.State)) == "":
		return outbox.Filter{}, unfit("/where/state", memberType)
	}
	return outbox.Filter{
		Destination: b.Where.Destination, Cause: b.Where.Cause, State: outbox.State(b.Where.State),
		Record: ledger.BeneficiaryID(b.Where.Record),
	}, nil
}

// typed gives the count that was confirmed; 0: none was.
func (b selectionBody) typed() int {
	if b.Count == nil {
		return 0
	}
	return *b.Count
}

// planAnswer says what a replay or a discard would do, or has begun to do.
type planAnswer struct {
	ID     string       `json:"id,omitempty"`
	At     string       `json:"at"`
	Can    int          `json:"can"`
	Cannot int          `json:"cannot"`
	Why    []whyAnswer  `json:"why"`
	Items  []itemAnswer `json:"items"` // the first 200
}

type whyAnswer struct {
	Word  string `json:"word"`
	Text  string `json:"text"`
	Count int    `json:"count"`
}

type itemAnswer struct {
	ChangeID    string `json:"change_id"`
	Destination string `json:"destination"`
	Can         bool   `json:"can"`
	Why         string `json:"why,omitempty"`
}

func spellPlan(p outbox.Plan) planAnswer {
	a := planAnswer{
		ID: p.ID, At: moment(p.At), Can: p.Can, Cannot: p.Cannot, Why: spellWhy(p.Why), Items: make([]itemAnswer, len(p.Items)),
	}
	for i, item := range p.Items {
		a.Items[i] = itemAnswer{ChangeID: string(item.Change), Destination: item.Destination, Can: item.Can, Why: item.Why}
	}
	return a
}

func spellWhy(reasons []outbox.Reason) []whyAnswer {
	list := make([]whyAnswer, len(reasons))
	for i, r := range reasons {
		list[i] = whyAnswer{Word: r.Word, Text: cannotWord(r.Word), Count: r.Count}
	}
	return list
}

// replayChanges serves POST /v1/outbox/replays: 200 for a dry run, 202 for a replay that has
// begun.
func (x *exchange) replayChanges() error {
	var body selectionBody
	if err := x.decode(&body); err != nil {
		return err
	}
	f, err := body.filter()
	if err != nil {
		return err
	}
	if body.DryRun {
		plan, err := x.web.rooms.Gateway.PlanReplay(x.r.Context(), x.who, f)
		if err != nil {
			return err
		}
		return x.answer(http.StatusOK, spellPlan(plan))
	}
	plan, err := x.web.rooms.Gateway.Replay(x.r.Context(), x.who, gateway.ReplayRequest{Filter: f, Reason: body.Reason, Count: body.typed()})
	if err != nil {
		return err
	}
	if plan.ID != "" {
		x.w.Header().Set("Location", x.web.cfg.Base+"/v1/outbox/replays/"+plan.ID)
	}
	return x.answer(http.StatusAccepted, spellPlan(plan))
}

// replayAnswer is how far a replay is.
type replayAnswer struct {
	ID          string      `json:"id"`
	By          string      `json:"by"`
	At          string      `json:"at"`
	Reason      string      `json:"reason"`
	State       string      `json:"state"` // running, stopped or done
	Total       int         `json:"total"`
	Waiting     int         `json:"waiting"`
	Armed       int         `json:"armed"`
	Delivered   int         `json:"delivered"`
	ParkedAgain int         `json:"parked_again"`
	Skipped     int         `json:"skipped"`
	Why         []whyAnswer `json:"why"`
}

type replaysAnswer struct {
	Replays []replayAnswer `json:"replays"`
}

func spellReplay(r outbox.Replay) replayAnswer {
	return replayAnswer{
		ID: r.ID, By: r.By, At: moment(r.At), Reason: r.Reason, State: r.State, Total: r.Total, Waiting: r.Waiting,
		Armed: r.Armed, Delivered: r.Delivered, ParkedAgain: r.ParkedAgain, Skipped: r.Skipped, Why: spellWhy(r.Why),
	}
}

// listReplays serves GET /v1/outbox/replays: the latest first.
func (x *exchange) listReplays() error {
	if _, err := x.query(); err != nil {
		return err
	}
	replays, err := x.web.rooms.Gateway.Replays(x.r.Context(), x.who)
	if err != nil {
		return err
	}
	answer := replaysAnswer{Replays: make([]replayAnswer, len(replays))}
	for i, r := range replays {
		answer.Replays[i] = spellReplay(r)
	}
	return x.answer(http.StatusOK, answer)
}

// showReplay serves GET /v1/outbox/replays/{id}.
func (x *exchange) showReplay() error {
	if _, err := x.query(); err != nil {
		return err
	}
	return x.answerReplay(x.r.PathValue("id"))
}

func (x *exchange) answerReplay(id string) error {
	replay, err := x.web.rooms.Gateway.ReplayState(x.r.Context(), x.who, id)
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, spellReplay(replay))
}

// holdBody is the body of POST /v1/outbox/replays/{id}/stop and resume.
type holdBody struct {
	Reason string `json:"reason"`
}

// stopReplay serves POST /v1/outbox/replays/{id}/stop.
func (x *exchange) stopReplay() error { return x.hold(x.web.rooms.Gateway.StopReplay) }

// resumeReplay serves POST /v1/outbox/replays/{id}/resume.
func (x *exchange) resumeReplay() error { return x.hold(x.web.rooms.Gateway.ResumeReplay) }

// discardChanges serves POST /v1/outbox/discards.
func (x *exchange) discardChanges() error {
	var body selectionBody
	if err := x.decode(&body); err != nil {
		return err
	}
	f, err := body.filter()
	if err != nil {
		return err
	}
	plan, err := x.web.rooms.Gateway.Discard(x.r.Context(), x.who, gateway.DiscardRequest{
		Filter: f, Reason: body.Reason, DryRun: body.DryRun, Count: body.typed(),
	})
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, spellPlan(plan))
}

// undoBody is the body of POST /v1/outbox/discards/undo.
type undoBody struct {
	IDs    []string `json:"ids"`
	Reason string   `json:"reason"`
}

// undoDiscard serves POST /v1/outbox/discards/undo.
func (x *exchange) undoDiscard() error {
	var body undoBody
	if err := x.decode(&body); err != nil {
		return err
	}
	switch {
	case len(body.IDs) == 0:
		return unfit("/ids", memberMissing)
	case len(body.IDs) > namedAt:
		return unfit("/ids", "一度に指定できるのは 1000 件までです。")
	case body.Reason == "":
		return unfit("/reason", memberMissing)
	}
	plan, err := x.web.rooms.Gateway.Undiscard(x.r.Context(), x.who, named[ledger.ChangeID](body.IDs), body.Reason)
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, spellPlan(plan))
}

// hold stops a replay or lets it go on, and answers how far it is.
func (x *exchange) hold(change func(ctx context.Context, who staff.Member, id, reason string) error) error {
	var body holdBody
	if err := x.decode(&body); err != nil {
		return err
	}
	if body.Reason == "" {
		return unfit("/reason", memberMissing)
	}
	id := x.r.PathValue("id")
	if err := change(x.r.Context(), x.who, id, body.Reason); err != nil {
		return err
	}
	return x.answerReplay(id)
}
