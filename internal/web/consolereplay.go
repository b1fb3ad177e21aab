package web

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
	"kakehashi/outbox"
)

// What an operator may do with a selection.
const (
	doReplay  = "replay"
	doDiscard = "discard"
	doGo      = "go" // the button that confirms; every other one goes back
)

// planView is the page that an operator confirms: 事前確認. Its form's first button goes
// back, so that the Enter key never confirms, and the number must be typed.
type planView struct {
	Act, Word     string
	Of            selected
	At            string
	Can, Cannot   int
	Why           []whyAnswer
	Items         []planRow
	Reason, Count string // as they were typed
	Errors        map[string]string
	Refusal       *problem
	Done          bool // it was carried out
	Back          string
}

type planRow struct{ Change, Destination, Why string }

// itemsShown is how many changes of a plan the page lists.
const itemsShown = 20

// selection reads which changes a form is about.
func (x *exchange) selection() selected {
	return selected{
		Destination: x.field("destination"), Cause: x.field("cause"), State: x.field("state"), Record: x.field("record"),
		ID: x.field("id"), Before: x.field("before"),
	}
}

// operating reads a form of the outbox's pages and makes the exchange an operator's.
func (x *exchange) operating() error {
	if err := x.form(); err != nil {
		return err
	}
	return x.actAs(staff.Operator)
}

// planPage serves POST /console/outbox/plan: what would be done, frozen, with nothing done.
func (x *exchange) planPage() error {
	if err := x.operating(); err != nil {
		return err
	}
	return x.renderPlan(http.StatusOK, planView{Act: x.field("act"), Of: x.selection()})
}

// renderPlan asks anew what can be done, so that the page never shows an old number.
func (x *exchange) renderPlan(status int, view planView) error {
	view.Of.Before = ""
	var plan outbox.Plan
	var err error
	switch view.Act {
	case doReplay:
		view.Word = "再送する"
		plan, err = x.web.rooms.Gateway.PlanReplay(x.r.Context(), x.who, view.Of.filter())
	case doDiscard:
		view.Word = "対応不要にする"
		plan, err = x.web.rooms.Gateway.Discard(x.r.Context(), x.who, gateway.DiscardRequest{Filter: view.Of.filter(), DryRun: true})
	default:
		return x.unknownPath()
	}
	if err != nil {
		return err
	}
	view.Of.Before = plan.At.Format(time.RFC3339Nano)
	showPlan(&view, plan)
	title := "事前確認：" + view.Word
	if len(view.Errors) > 0 || view.Refusal != nil {
		title = "エラー：" + title
	}
	return x.render(status, "plan", page{Title: title, Here: "outbox", Body: view})
}

func showPlan(view *planView, plan outbox.Plan) {
	view.At, view.Can, view.Cannot, view.Why, view.Back = clock(plan.At), plan.Can, plan.Cannot, spellWhy(plan.Why), view.Of.path()
	for _, item := range plan.Items[:min(len(plan.Items), itemsShown)] {
		row := planRow{Change: string(item.Change), Destination: systemWord(ledger.System(item.Destination)), Why: "できます"}
		if view.Done {
			row.Why = "済み"
		}
		if !item.Can {
			row.Why = "できません（" + cannotWord(item.Why) + "）"
		}
		view.Items = append(view.Items, row)
	}
}

// confirmPage serves POST /console/outbox/confirm.
func (x *exchange) confirmPage() error {
	if err := x.operating(); err != nil {
		return err
	}
	view := planView{
		Act: x.field("act"), Of: x.selection(), Reason: x.field("reason"), Count: x.field("count"), Errors: map[string]string{},
	}
	if x.field("do") != doGo {
		return x.redirect(view.Of.path())
	}
	count, err := strconv.Atoi(view.Count)
	if err != nil || count < 1 {
		view.Errors["count"] = "＊対象の件数を数字で入力してください。"
	}
	if view.Reason == "" {
		view.Errors["reason"] = "＊理由を入力してください。"
	}
	if len(view.Errors) > 0 {
		return x.renderPlan(http.StatusUnprocessableEntity, view)
	}
	plan, err := x.carryOut(view, count)
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Conflict) {
		p := x.problem(err)
		view.Refusal, x.cause = &p, p.Code
		return x.renderPlan(p.Status, view)
	}
	switch {
	case err != nil:
		return err
	case plan.ID != "":
		return x.redirect("/console/outbox/replays/" + plan.ID)
	}
	view.Done = true
	showPlan(&view, plan)
	view.Word = "対応不要にしました"
	return x.render(http.StatusOK, "plan", page{Title: view.Word, Here: "outbox", Body: view})
}

// carryOut replays or discards the set that was confirmed.
func (x *exchange) carryOut(view planView, count int) (outbox.Plan, error) {
	g, ctx := x.web.rooms.Gateway, x.r.Context()
	switch view.Act {
	case doReplay:
		return g.Replay(ctx, x.who, gateway.ReplayRequest{Filter: view.Of.filter(), Reason: view.Reason, Count: count})
	case doDiscard:
		return g.Discard(ctx, x.who, gateway.DiscardRequest{Filter: view.Of.filter(), Reason: view.Reason, Count: count})
	default:
		return outbox.Plan{}, x.unknownPath()
	}
}

// undoPage serves POST /console/outbox/undo: a change that was set aside is owed again.
func (x *exchange) undoPage() error {
	if err := x.operating(); err != nil {
		return err
	}
	view := changeView{ID: x.field("id"), Reason: x.field("reason")}
	back := selected{ID: view.ID}.path()
	if x.field("do") != doGo {
		return x.redirect(back)
	}
	if view.Reason == "" {
		view.Error = "＊理由を入力してください。"
		return x.renderChange(http.StatusUnprocessableEntity, view)
	}
	plan, err := x.web.rooms.Gateway.Undiscard(x.r.Context(), x.who, []ledger.ChangeID{ledger.ChangeID(view.ID)}, view.Reason)
	if fault.Is(err, fault.Invalid) {
		p := x.problem(err)
		view.Error, x.cause = "＊"+p.Title, p.Code
		return x.renderChange(p.Status, view)
	}
	if err != nil {
		return err
	}
	if plan.Can == 0 && len(plan.Why) > 0 {
		view.Error = "＊取り消せません（" + cannotWord(plan.Why[0].Word) + "）。"
		return x.renderChange(http.StatusConflict, view)
	}
	return x.redirect(back)
}

// replayView is the page of a replay: how far it is, and its end.
type replayView struct {
	ID, By, At, Reason, State, Icon                              string
	Running, Stopped                                             bool
	Total, Gone, Waiting, Armed, Delivered, ParkedAgain, Skipped int
	Why                                                          []whyAnswer
	Hold                                                         bool // the form to stop it is shown
	Error, Word                                                  string
}

// replaySeconds is how often the page of a running replay looks again.
const replaySeconds = 2

// replayPage serves GET /console/outbox/replays/{id}.
func (x *exchange) replayPage() error {
	if err := x.actAs(staff.Operator); err != nil {
		return err
	}
	q, err := x.query("hold")
	if err != nil {
		return err
	}
	return x.renderReplay(http.StatusOK, replayView{ID: x.r.PathValue("id"), Hold: q.Get("hold") != ""})
}

func (x *exchange) renderReplay(status int, view replayView) error {
	r, err := x.web.rooms.Gateway.ReplayState(x.r.Context(), x.who, view.ID)
	if err != nil {
		return err
	}
	view.By, view.At, view.Reason, view.State, view.Icon = r.By, clock(r.At), r.Reason, replayWord(r.State), "wait"
	view.Total, view.Waiting, view.Armed, view.Gone = r.Total, r.Waiting, r.Armed, r.Total-r.Waiting
	view.Delivered, view.ParkedAgain, view.Skipped, view.Why = r.Delivered, r.ParkedAgain, r.Skipped, spellWhy(r.Why)
	view.Word = "続きから再送する"
	p := page{Title: "再送の進み具合", Here: "outbox"}
	switch r.State {
	case "running":
		view.Running, view.Word = true, "再送を止める"
		if !view.Hold && status == http.StatusOK {
			p.Refresh, p.RefreshIn = "/console/outbox/replays/"+r.ID, replaySeconds
		}
	case "stopped":
		view.Stopped, view.Icon, view.Hold = true, "bar", true
	case "done":
		p.Title, view.Icon, view.Hold = "再送の結果", "ok", false
		if r.ParkedAgain > 0 {
			view.Icon = "alert"
		}
	}
	p.Body = view
	return x.render(status, "replay", p)
}

// stopPage serves POST /console/outbox/replays/{id}/stop.
func (x *exchange) stopPage() error { return x.steer(x.web.rooms.Gateway.StopReplay) }

// resumePage serves POST /console/outbox/replays/{id}/resume.
func (x *exchange) resumePage() error { return x.steer(x.web.rooms.Gateway.ResumeReplay) }

// steer stops a replay or lets it go on, and goes back to its page.
func (x *exchange) steer(change func(ctx context.Context, who staff.Member, id, reason string) error) error {
	if err := x.operating(); err != nil {
		return err
	}
	id, reason := x.r.PathValue("id"), x.field("reason")
	if x.field("do") != doGo {
		return x.redirect("/console/outbox/replays/" + id)
	}
	if reason == "" {
		return x.renderReplay(http.StatusUnprocessableEntity, replayView{ID: id, Hold: true, Error: "＊理由を入力してください。"})
	}
	err := change(x.r.Context(), x.who, id, reason)
	if fault.Is(err, fault.Invalid) {
		p := x.problem(err)
		x.cause = p.Code
		return x.renderReplay(p.Status, replayView{ID: id, Hold: true, Error: "＊" + p.Title})
	}
	if err != nil {
		return err
	}
	return x.redirect("/console/outbox/replays/" + id)
}
