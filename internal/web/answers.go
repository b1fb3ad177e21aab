package web

import (
	"net/http"

	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/outbox"
)

// arrivalBody is the body of POST /v1/outbox/answers: a change arrived, as somebody found at
// the neighbour.
type arrivalBody struct {
	ID          string `json:"id"`
	Destination string `json:"destination"`
	AtenaNumber string `json:"atena_number"`
	Reason      string `json:"reason"`
}

// answerChange serves POST /v1/outbox/answers.
func (x *exchange) answerChange() error {
	var body arrivalBody
	if err := x.decode(&body); err != nil {
		return err
	}
	switch {
	case body.ID == "":
		return unfit("/id", memberMissing)
	case body.Reason == "":
		return unfit("/reason", memberMissing)
	}
	owed, err := x.web.rooms.Gateway.Answer(x.r.Context(), x.who, gateway.AnswerRequest{
		Change: ledger.ChangeID(body.ID), Destination: body.Destination, Atena: ledger.AtenaNumber(body.AtenaNumber), Reason: body.Reason,
	})
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, spellOwed([]outbox.Owed{owed})[0])
}

// answerPage serves POST /console/outbox/answer: somebody looked, and the change arrived.
func (x *exchange) answerPage() error {
	if err := x.operating(); err != nil {
		return err
	}
	view := changeView{ID: x.field("id"), Reason: x.field("reason")}
	if x.field("do") != doGo {
		return x.redirect(selected{ID: view.ID}.path())
	}
	if view.Reason == "" {
		view.Error = "＊理由を入力してください。"
		return x.renderChange(http.StatusUnprocessableEntity, view)
	}
	_, err := x.web.rooms.Gateway.Answer(x.r.Context(), x.who, gateway.AnswerRequest{
		Change: ledger.ChangeID(view.ID), Atena: ledger.AtenaNumber(x.field("atena_number")), Reason: view.Reason,
	})
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Conflict) {
		p := x.problem(err)
		view.Error, x.cause = "＊"+p.Title, p.Code
		return x.renderChange(p.Status, view)
	}
	if err != nil {
		return err
	}
	return x.redirect(selected{ID: view.ID}.path())
}
