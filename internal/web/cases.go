package web

import (
	"net/http"

	"kakehashi/internal/ledger"
)

// caseBody is the body of POST /v1/cases, and its answer.
type caseBody struct {
	Case      string   `json:"case"`
	Procedure string   `json:"procedure"`
	Persons   []string `json:"persons"`
}

// closeBody is the body of POST /v1/cases/close.
type closeBody struct {
	Case string `json:"case"`
}

type caseState struct {
	Case  string `json:"case"`
	State string `json:"state"` // open or closed
}

// openCase serves POST /v1/cases: 201 where the case was opened, 200 where the same one is
// open already.
func (x *exchange) openCase() error {
	var body caseBody
	if err := x.decode(&body); err != nil {
		return err
	}
	switch {
	case body.Case == "":
		return unfit("/case", memberMissing)
	case body.Procedure == "":
		return unfit("/procedure", memberMissing)
	case len(body.Persons) == 0:
		return unfit("/persons", memberMissing)
	}
	opened, err := x.web.rooms.Gateway.OpenCase(x.r.Context(), x.who, ledger.Case{
		ID: ledger.CaseID(body.Case), Procedure: ledger.ProcedureID(body.Procedure),
		Persons: named[ledger.AtenaNumber](body.Persons), Open: true,
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if opened {
		status = http.StatusCreated
	}
	return x.answer(status, caseState{Case: body.Case, State: "open"})
}

// closeCase serves POST /v1/cases/close.
func (x *exchange) closeCase() error {
	var body closeBody
	if err := x.decode(&body); err != nil {
		return err
	}
	if body.Case == "" {
		return unfit("/case", memberMissing)
	}
	if err := x.web.rooms.Gateway.CloseCase(x.r.Context(), x.who, ledger.CaseID(body.Case)); err != nil {
		return err
	}
	return x.answer(http.StatusOK, caseState{Case: body.Case, State: "closed"})
}
