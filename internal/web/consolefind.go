package web

import (
	"net/http"
	"slices"
	"strings"

	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
)

// searchForm is what the search page holds: what was written, and what is wrong with it.
type searchForm struct {
	Kana, Era, Year, Month, Day string
	Household, Address          string
	Case, Reason, Aim           string // Aim is procedure and purpose, a space between
	Procedures                  []procedureAnswer
	Reasons                     []codeAnswer
	Eras                        []string
	Errors                      map[string]string // by field; a text begins with ＊
	Refusal                     *problem          // why the search was refused; nil: it was not
	Examples                    []Example         // fictional people to try with
	Line                        owedLine
}

// eras lists what the form offers beside the year. 西暦 is first.
func eras() []string { return []string{"西暦", "令和", "平成", "昭和", "大正", "明治"} }

// searchPage serves GET /console/.
func (x *exchange) searchPage() error {
	if err := x.actAs(staff.CaseWorker); err != nil {
		return err
	}
	c := x.web.rooms.Console
	return x.renderSearch(http.StatusOK, searchForm{Case: c.Case, Reason: c.Reason, Aim: c.Procedure + " " + c.Purpose})
}

func (x *exchange) renderSearch(status int, f searchForm) error {
	f.Procedures, f.Eras, f.Examples = choices(x.web.rooms.Gateway), eras(), x.web.rooms.Console.Examples
	f.Line = x.owedLine()
	for _, p := range f.Procedures {
		for _, c := range p.WithoutCase {
			if !slices.Contains(f.Reasons, c) {
				f.Reasons = append(f.Reasons, c)
			}
		}
	}
	title := "対象者の検索"
	if len(f.Errors) > 0 || f.Refusal != nil {
		title = "エラー：" + title
	}
	return x.render(status, "search", page{Title: title, Here: "search", Body: f})
}

// written reads the search form as it was posted.
func (x *exchange) written() searchForm {
	return searchForm{
		Kana: x.field("kana"), Era: x.field("era"), Year: x.field("year"), Month: x.field("month"), Day: x.field("day"),
		Household: x.field("household_number"), Address: x.field("address"),
		Case: x.field("case"), Reason: x.field("reason"), Aim: x.field("aim"), Errors: map[string]string{},
	}
}

// basis gives what the form says of why somebody asks. A case goes before a reason.
func (f searchForm) basis() ledger.Basis {
	procedure, purpose, _ := strings.Cut(f.Aim, " ")
	if f.Case != "" {
		return basis(f.Case, procedure, purpose, "")
	}
	return basis("", procedure, purpose, f.Reason)
}

// date reads the three fields of a date, or a whole date in the field of the year.
func (f searchForm) date() (ledger.Reading, bool) {
	return dateParts{f.Era, f.Year, f.Month, f.Day}.read()
}

// candidatesPage serves POST /console/people.
func (x *exchange) candidatesPage() error {
	if err := x.form(); err != nil {
		return err
	}
	if err := x.actAs(staff.CaseWorker); err != nil {
		return err
	}
	form := x.written()
	if form.Kana == "" {
		form.Errors["kana"] = "＊氏名のカナを入力してください。"
	}
	read, ok := form.date()
	if !ok {
		form.Errors["birth_date"] = "＊生年月日を読み取れません。ある日付を、年から順に入力してください。"
	}
	if form.Case == "" && form.Reason == "" {
		form.Errors["case"] = "＊案件番号を入力するか、案件なしの理由を選んでください。"
	}
	if len(form.Errors) > 0 {
		return x.renderSearch(http.StatusUnprocessableEntity, form)
	}
	result, err := x.web.rooms.Gateway.Find(x.r.Context(), x.who, gateway.FindRequest{
		Kana: form.Kana, BirthDate: read.Date, Household: ledger.HouseholdNumber(form.Household),
		Address: form.Address, Basis: form.basis(),
	})
	x.id = result.ID
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Denied) {
		p := x.problem(err)
		form.Refusal, x.cause = &p, p.Code
		return x.renderSearch(p.Status, form)
	}
	if err != nil {
		return err
	}
	return x.render(http.StatusOK, "candidates", page{
		Title: "検索結果", Here: "search", Body: showCandidates(result, form, read),
	})
}

// candidatesView is the page of candidates.
type candidatesView struct {
	Count   int
	Rows    []candidateRow
	Shifted string // the day that is meant where the era written had ended; empty: none
	NoCase  bool
	Basis   basisFields
}

// basisFields go from page to page in hidden fields of forms, never in a URL.
type basisFields struct{ Case, Reason, Aim string }

type candidateRow struct {
	Atena, Household, Relation     string
	Name, Kana, Alias, Birth, Sex  string
	Address, Status, Why, WhoLabel string
	Kept                           []string // words of the items kept back
}

func showCandidates(r gateway.FindResult, form searchForm, read ledger.Reading) candidatesView {
	view := candidatesView{
		Count: len(r.Candidates), NoCase: form.Case == "",
		Basis: basisFields{Case: form.Case, Reason: form.Reason, Aim: form.Aim},
	}
	if read.Shifted {
		view.Shifted = bothCalendars(read.Date)
	}
	for _, c := range r.Candidates {
		row := candidateRow{Atena: string(c.Person), Household: string(c.Household), Relation: string(c.Relation)}
		for _, v := range c.Values {
			switch v.Item {
			case ledger.Name:
				row.Name = legible(v.Text)
			case ledger.Kana:
				row.Kana = v.Text
			case ledger.Alias:
				row.Alias = legible(v.Text)
			case ledger.BirthDate:
				row.Birth = bothCalendars(v.Date)
			case ledger.Sex:
				row.Sex = v.Text
			case ledger.AddressText, ledger.AddressExtra:
				row.Address = strings.TrimSpace(row.Address + " " + legible(v.Text))
			case ledger.ResidencyStatus:
				row.Status = v.Text
			}
		}
		for _, k := range c.Suppressed {
			row.Kept = append(row.Kept, itemWord(k.Item))
			row.Why = whyWord(k.Why)
		}
		view.Rows = append(view.Rows, row)
	}
	return view
}

// bothCalendars shows a date in the Japanese and the common calendar:
// 令和6年4月1日（2024-04-01）; one known in part as 和暦 alone where that is all there is.
func bothCalendars(d ledger.Date) string {
	if iso := d.String(); iso != "" {
		return d.Wareki() + "（" + iso + "）"
	}
	return d.Wareki()
}
