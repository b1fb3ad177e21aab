package main

import (
	"maps"
	"testing"
)

// account is what a city looks like in which everything went well: one record, three
// changes, told and published, and two answers.
type account struct {
	promised map[string][]string
	states   map[string]owing
	applied  map[string][]int
	events   events
	ends     map[string]*ends
	given    []answer
}

func good() account {
	a := account{
		promised: map[string][]string{"R": {"C1", "C2", "C3"}}, states: map[string]owing{},
		applied: map[string][]int{"C1": {0}, "C2": {4}, "C3": {9}},
		events:  events{first: map[string]int{"C2": 1, "C3": 2}, subject: map[string]string{"C2": "S", "C3": "S"}, distinct: 2},
		ends: map[string]*ends{
			"Q1": {intent: 1, outcome: 1, subjects: map[string]bool{"1": true, "2": true}},
			"Q2": {intent: 1, interrupted: 1}, "Q3": {intent: 1, outcome: 1, withheld: 1},
		},
		given: []answer{{lookup: "Q1", persons: []string{"1", "2"}}},
	}
	for _, id := range a.promised["R"] {
		a.states[id+" "+told] = owing{Change: id, Destination: told, Record: "R", State: "delivered"}
	}
	for id := range a.events.first {
		a.states[id+" events"] = owing{Change: id, Destination: "events", Record: "R", State: "delivered"}
	}
	return a
}

func (a account) judge() *result {
	r := &result{}
	r.compare(a.promised, a.states, a.applied, a.events)
	r.judgeAnswers(a.ends, a.given)
	return r
}

func TestWhatWentWellIsNotAmiss(t *testing.T) {
	if r := good().judge(); r.broke() || len(r.amiss) > 0 || r.changes != 3 || r.delivered != 3 || r.published != 2 || r.answers != 1 {
		t.Errorf("a good account is judged %+v", r)
	}
}

func TestEveryKindOfBrokenPromiseIsSeen(t *testing.T) {
	state := func(a account, key string, change func(*owing)) {
		o := a.states[key]
		change(&o)
		a.states[key] = o
	}
	for name, broken := range map[string]struct {
		how  func(a *account)
		seen func(r *result) bool
	}{
		"a change that is nowhere":       {func(a *account) { delete(a.states, "C2 "+told) }, func(r *result) bool { return r.lost == 1 }},
		"delivered and never applied":    {func(a *account) { delete(a.applied, "C3") }, func(r *result) bool { return r.lost == 1 }},
		"applied twice":                  {func(a *account) { a.applied["C2"] = []int{4, 5} }, func(r *result) bool { return r.twice == 1 }},
		"applied in another order":       {func(a *account) { a.applied["C2"], a.applied["C3"] = []int{9}, []int{4} }, func(r *result) bool { return r.disorder == 1 }},
		"published in another order":     {func(a *account) { a.events.first["C2"] = 3 }, func(r *result) bool { return r.disorder == 1 }},
		"delivered and not on the topic": {func(a *account) { delete(a.events.first, "C3") }, func(r *result) bool { return r.lost == 1 }},
		"of another record":              {func(a *account) { state(*a, "C1 "+told, func(o *owing) { o.Record = "S" }) }, amiss},
		"parked without a question":      {func(a *account) { state(*a, "C3 "+told, func(o *owing) { o.State, o.Cause = "parked", "rejected" }) }, amiss},
		"still on its way":               {func(a *account) { state(*a, "C3 "+told, func(o *owing) { o.State = "pending" }) }, amiss},
		"an event still on its way":      {func(a *account) { state(*a, "C3 events", func(o *owing) { o.State = "pending" }) }, amiss},
		"a change that nobody asked for": {func(a *account) { a.states["X "+told] = owing{Change: "X", Destination: told} }, amiss},
		"an answer without a record":     {func(a *account) { delete(a.ends, "Q1") }, unrecorded},
		"an answer without an outcome":   {func(a *account) { a.ends["Q1"].outcome, a.ends["Q1"].withheld = 0, 1 }, unrecorded},
		"an answer that was withheld":    {func(a *account) { a.ends["Q1"].withheld = 1 }, unrecorded},
		"somebody who is not recorded":   {func(a *account) { a.given[0].persons = []string{"1", "3"} }, unrecorded},
		"a question without an end":      {func(a *account) { a.ends["Q2"].interrupted = 0 }, amiss},
		"a question with two ends":       {func(a *account) { a.ends["Q2"].outcome = 1 }, amiss},
		"an end without a beginning":     {func(a *account) { a.ends["Q2"].intent = 0 }, amiss},
	} {
		a := good()
		a.applied, a.states = maps.Clone(a.applied), maps.Clone(a.states)
		broken.how(&a)
		if r := a.judge(); !broken.seen(r) {
			t.Errorf("%s is not seen: %+v", name, r)
		}
	}
}

func amiss(r *result) bool      { return len(r.amiss) > 0 }
func unrecorded(r *result) bool { return r.unrecorded == 1 }
