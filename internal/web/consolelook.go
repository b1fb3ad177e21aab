package web

import (
	"net/http"
	"slices"
	"time"

	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
)

// comparedItems lists the items that the form for 突合 offers, in the order of the form.
func comparedItems() []ledger.Item {
	return []ledger.Item{
		ledger.Name, ledger.Kana, ledger.BirthDate, ledger.PostalCode, ledger.AddressText, ledger.AddressExtra,
		ledger.Phone, ledger.TaxClassOfYear,
	}
}

// lookupPage serves POST /console/lookup: a lookup of all sources, with 突合 where something
// was written to be compared.
func (x *exchange) lookupPage() error {
	if err := x.form(); err != nil {
		return err
	}
	if err := x.actAs(staff.CaseWorker); err != nil {
		return err
	}
	form := x.written()
	request := gateway.LookupRequest{Person: ledger.AtenaNumber(x.field("atena_number")), Basis: form.basis()}
	for _, item := range comparedItems() {
		if value := x.field("compare_" + string(item)); value != "" {
			if request.Compare.Values == nil {
				request.Compare.Values = map[ledger.Item]string{}
			}
			request.Compare.Values[item] = value
		}
	}
	result, err := x.web.rooms.Gateway.Lookup(x.r.Context(), x.who, request)
	x.id = result.ID
	if err != nil {
		return err
	}
	view := showLookup(result, request, x.web.procedureName(request.Basis.Procedure))
	view.Form = basisFields{Case: form.Case, Reason: form.Reason, Aim: form.Aim}
	view.Register, view.Line = x.web.offered(result, request, view.Form), x.owedLine()
	return x.render(http.StatusOK, "result", page{Title: "照会結果", Here: "search", Body: view})
}

// procedureName gives name and legal basis of a procedure in force.
func (w *Web) procedureName(id ledger.ProcedureID) (name procedureAnswer) {
	for _, p := range choices(w.rooms.Gateway) {
		if p.ID == string(id) {
			return p
		}
	}
	return procedureAnswer{}
}

// lookupView is the page of a lookup's answer.
type lookupView struct {
	LookupID   string
	Protection string // the banner's sentence; empty: nothing is kept back
	Atena      string
	Case       string
	Reason     string
	Procedure  procedureAnswer
	Purpose    string
	NoCase     bool
	Panels     []panel
	Compared   bool
	Compare    []compareField
	Form       basisFields
	Register   *registerForm // nil: nobody is registered by this
	Line       owedLine
}

type panel struct {
	ID      string
	Heading string
	System  string
	At      string
	Verdict verdict
	Retry   string
	Persons []personView
	Kept    []keptView
	Rows    []comparedRow
}

type personView struct {
	Who    string // 本人, or 続柄 and number
	Atena  string
	Note   string // the person's own outcome where it is not an answer
	Values []valueView
}

type valueView struct{ Item, Text, AsOf, Usable, Icon string }

type keptView struct{ Who, Items, Why string }

type comparedRow struct{ Icon, Item, Result, Rule string }

type compareField struct{ Name, Label, Value string }

func showLookup(r gateway.LookupResult, q gateway.LookupRequest, procedure procedureAnswer) lookupView {
	view := lookupView{
		LookupID: string(r.ID), Atena: string(q.Person), Case: string(q.Basis.Case), Procedure: procedure, NoCase: q.Basis.Case == "",
		Purpose: codeName(procedure.Purposes, q.Basis.Purpose), Reason: codeName(procedure.WithoutCase, q.Basis.Reason),
		Compared: q.Compare.Values != nil, Protection: protectionText(r.Protection),
	}
	for _, s := range r.Sources {
		view.Panels = append(view.Panels, showPanel(s, q.Person))
	}
	for _, item := range comparedItems() {
		view.Compare = append(view.Compare, compareField{
			Name: "compare_" + string(item), Label: itemWord(item), Value: q.Compare.Values[item],
		})
	}
	return view
}

func codeName(codes []codeAnswer, code string) string {
	for _, c := range codes {
		if c.Code == code {
			return c.Name
		}
	}
	return code
}

func showPanel(s gateway.SourceResult, asked ledger.AtenaNumber) panel {
	p := panel{
		ID: string(s.Source), Heading: sourceWord(s.Source), System: systemWord(s.Source), At: clock(s.At),
		Verdict: verdictOf(s.Outcome, s.Reason, s.Source, day(s.Since)),
	}
	if s.Outcome == ledger.Unavailable {
		p.Retry = clock(s.Retry)
	}
	for _, f := range s.Persons {
		p.Persons = append(p.Persons, showPerson(f, s, asked))
	}
	if s.Outcome == ledger.Found && len(s.Persons) == 0 {
		p.Verdict.Text = "表示できる人の分がありません"
		p.Verdict.Note = "対象者との関係を確認できない人の分は表示しません。判定には使えません。"
	}
	p.Kept = showKept(s.Suppressed, s.Persons, asked)
	for _, c := range s.Comparison {
		icon := "none"
		switch c.Result {
		case ledger.Same:
			icon = "ok"
		case ledger.Differs, ledger.OnlyHere, ledger.OnlyThere:
			icon = "alert"
		}
		p.Rows = append(p.Rows, comparedRow{icon, itemWord(c.Item), resultWord(c.Result), ruleWord(c.Rule)})
	}
	return p
}

func showPerson(f ledger.Facts, s gateway.SourceResult, asked ledger.AtenaNumber) personView {
	v := personView{Who: whoWord(f, asked), Atena: string(f.Person)}
	if f.Outcome != ledger.Found && f.Outcome != "" {
		own := verdictOf(f.Outcome, f.Reason, s.Source, "")
		v.Note = own.Text + "。" + own.Note
	}
	for _, value := range f.Values {
		row := valueView{Item: itemWord(value.Item), Text: legible(value.Text), AsOf: value.AsOf, Usable: "使えません", Icon: "bar"}
		if value.Item == ledger.BirthDate {
			row.Text = bothCalendars(value.Date)
		}
		if row.AsOf == "" {
			row.AsOf = "取得時点"
		}
		if value.Usable {
			row.Usable, row.Icon = "使えます", "ok"
		}
		v.Values = append(v.Values, row)
	}
	return v
}

// whoWord names a person of an answer: 本人 for the one asked about, else 続柄.
func whoWord(f ledger.Facts, asked ledger.AtenaNumber) string {
	switch {
	case f.Person == asked && f.Relation != "":
		return "対象者（" + string(f.Relation) + "）"
	case f.Person == asked:
		return "対象者"
	case f.Relation != "":
		return "世帯員（" + string(f.Relation) + "）"
	default:
		return "世帯員"
	}
}

// showKept gathers what is kept back: one line for each person.
func showKept(kept []ledger.Kept, persons []ledger.Facts, asked ledger.AtenaNumber) []keptView {
	var order []ledger.AtenaNumber
	lines := map[ledger.AtenaNumber]*keptView{}
	for _, k := range kept {
		line := lines[k.Person]
		if line == nil {
			order = append(order, k.Person)
			line = &keptView{Who: whoWord(ledger.Facts{Person: k.Person}, asked), Why: whyWord(k.Why)}
			if at := slices.IndexFunc(persons, func(f ledger.Facts) bool { return f.Person == k.Person }); at >= 0 {
				line.Who = whoWord(persons[at], asked)
			}
			lines[k.Person] = line
		} else {
			line.Items += "、"
		}
		line.Items += itemWord(k.Item)
	}
	list := make([]keptView, len(order))
	for i, p := range order {
		list[i] = *lines[p]
	}
	return list
}

// clock shows a moment of today as screens do: 10:05:31, with its day.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(jst).Format("01/02 15:04:05")
}

// day shows a day as 11/20.
func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(jst).Format("01/02")
}
