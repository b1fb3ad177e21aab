package web

import (
	"net/http"

	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
)

// searchBody is the body of POST /v1/people/search.
type searchBody struct {
	Kana            string    `json:"kana"`
	BirthDate       *dateBody `json:"birth_date"`
	HouseholdNumber string    `json:"household_number"`
	Address         string    `json:"address"`
	Case            string    `json:"case"`
	Reason          string    `json:"reason"`
	Procedure       string    `json:"procedure"`
	Purpose         string    `json:"purpose"`
}

// searchAnswer is its answer.
type searchAnswer struct {
	LookupID   string            `json:"lookup_id"`
	Flags      []string          `json:"flags"`
	Candidates []candidateAnswer `json:"candidates"`
}

type candidateAnswer struct {
	AtenaNumber     string        `json:"atena_number"`
	HouseholdNumber string        `json:"household_number"`
	Relation        string        `json:"relation"`
	Values          []valueAnswer `json:"values"`
	Suppressed      []keptAnswer  `json:"suppressed"`
}

// search serves POST /v1/people/search.
func (x *exchange) search() error {
	var body searchBody
	if err := x.decode(&body); err != nil {
		return err
	}
	switch {
	case body.Kana == "":
		return unfit("/kana", memberMissing)
	case body.BirthDate == nil:
		return unfit("/birth_date", memberMissing)
	}
	result, err := x.web.rooms.Gateway.Find(x.r.Context(), x.who, gateway.FindRequest{
		Kana: body.Kana, BirthDate: body.BirthDate.Date, Household: ledger.HouseholdNumber(body.HouseholdNumber),
		Address: body.Address, Basis: basis(body.Case, body.Procedure, body.Purpose, body.Reason),
	})
	x.id = result.ID
	if err != nil {
		return err
	}
	answer := searchAnswer{
		LookupID: string(result.ID), Flags: result.Flags, Candidates: make([]candidateAnswer, len(result.Candidates)),
	}
	for i, c := range result.Candidates {
		answer.Candidates[i] = candidateAnswer{
			AtenaNumber: string(c.Person), HouseholdNumber: string(c.Household), Relation: string(c.Relation),
			Values: spellValues(c.Values), Suppressed: spellKept(c.Suppressed),
		}
	}
	return x.answer(http.StatusOK, answer)
}
