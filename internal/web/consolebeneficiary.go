package web

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
	"kakehashi/outbox"
)

// The page of what is owed for a record looks again by itself, this often and this many times.
const (
	refreshSeconds = 3
	refreshTimes   = 10
)

// query gives the fields as they stand in the address of a page: codes alone.
func (b basisFields) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"case": b.Case, "reason": b.Reason, "aim": b.Aim} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// queryBasis reads them from there.
func (x *exchange) queryBasis(more ...string) (basisFields, url.Values, error) {
	q, err := x.query(append(more, "case", "reason", "aim")...)
	return basisFields{Case: q.Get("case"), Reason: q.Get("reason"), Aim: q.Get("aim")}, q, err
}

// beneficiaryPath gives the address of a beneficiary's page.
func beneficiaryPath(id ledger.BeneficiaryID, b basisFields, more ...string) string {
	p := "/console/beneficiaries/" + url.PathEscape(string(id)) + strings.Join(more, "")
	if q := b.query().Encode(); q != "" {
		p += "?" + q
	}
	return p
}

// appliedView is the page of a change that was carried out, and of what is owed since.
type appliedView struct {
	Done     string // what was done; empty: the page looks again
	Repeated bool
	Number   string
	Version  int
	Rows     []owedRow
	Waiting  []string // what waits for a number, in words
	Numbered bool     // a number has come back
	Again    string   // address of the page that looks again
	Show     string   // address of the beneficiary's page
	Ledger   string   // address of the outbox page for this record
}

// owedRow is one change and neighbour on a page.
type owedRow struct {
	Change, Destination, Kind, Record string
	State, Icon                       string
	Attempts, Behind, Version         int
	At, Next, Last, Delivered         string
	Cause, Code, Detail, Question     string
	WaitsFor, Replay                  string
	Parked, Discarded, Moving         bool
	Mark, Answered                    string // who set it aside, or found that it arrived, when and why
	Asked, Numbers                    bool   // it is parked with the question; its answer needs a number
}

func showOwed(o outbox.Owed) owedRow {
	row := owedRow{
		Change: string(o.Change), Destination: systemWord(ledger.System(o.Destination)), Kind: changeWord(o.Kind), Record: string(o.Record),
		State: owedStateWord(o.State), Icon: owedIcon(o.State), Attempts: o.Attempts, Behind: o.Behind, Version: o.Version,
		At: clock(o.EnqueuedAt), Next: clock(o.NextAt), Last: clock(o.LastAt), Delivered: clock(o.DeliveredAt),
		Cause: owedCauseWord(o.Cause), Code: o.Code, Detail: o.Detail, Question: questionText(o.Question),
		WaitsFor: string(o.WaitsFor), Replay: o.Replay, Parked: o.State == outbox.Parked, Discarded: o.State == outbox.Discarded,
		Moving: o.State == outbox.Pending || o.State == outbox.InFlight,
	}
	if o.State == outbox.InFlight && o.Question != "" {
		row.State, row.Question = "届いたか確認中", ""
	}
	if m := o.Discarded; m != nil {
		row.Mark = "職員番号 " + m.By + "、" + clock(m.At) + "、理由：" + m.Reason
	}
	if m := o.Answered; m != nil {
		row.Answered = "職員番号 " + m.By + "、" + clock(m.At) + "、理由：" + m.Reason
	}
	row.Asked = o.State == outbox.Parked && o.Question != ""
	row.Numbers = row.Asked && o.Kind == ledger.Numbering
	return row
}

func showAllOwed(owed []outbox.Owed) (rows []owedRow) {
	for _, o := range owed {
		rows = append(rows, showOwed(o))
	}
	return rows
}

// moving tells whether a row may change by itself soon: one that waits behind a parked one
// does not.
func moving(rows []owedRow) bool {
	for _, r := range rows {
		if r.Moving && r.WaitsFor == "" {
			return true
		}
	}
	return false
}

func showWaiting(waiting []gateway.Waiting) (words []string) {
	for _, w := range waiting {
		words = append(words, changeWord(w.Kind))
	}
	return words
}

// renderApplied shows what was done; the browser then goes on to the page that looks again.
func (x *exchange) renderApplied(r gateway.ApplyResult, b basisFields, done string) error {
	view := appliedView{
		Done: done, Repeated: r.Repeated, Number: string(r.Number), Version: r.Version, Rows: showAllOwed(r.Owed), Waiting: showWaiting(r.Waiting),
		Again: beneficiaryPath(r.Beneficiary, b, "/owed"), Show: beneficiaryPath(r.Beneficiary, b), Ledger: recordPath(r.Beneficiary),
	}
	p := page{Title: done, Here: "search", Body: view}
	if moving(view.Rows) {
		p.Refresh, p.RefreshIn = view.Again, refreshSeconds
	}
	return x.render(http.StatusOK, "applied", p)
}

func recordPath(id ledger.BeneficiaryID) string {
	return "/console/outbox?" + url.Values{"record": {string(id)}, "all": {"true"}}.Encode()
}

// owedPage serves GET /console/beneficiaries/{id}/owed: how it stands with what a record
// owes. There is no person on it, so it may look again by itself.
func (x *exchange) owedPage() error {
	if err := x.actAs(staff.CaseWorker); err != nil {
		return err
	}
	id, err := x.beneficiaryID()
	if err != nil {
		return err
	}
	b, q, err := x.queryBasis("n")
	if err != nil {
		return err
	}
	changes, _, err := x.web.rooms.Gateway.OwedChanges(x.r.Context(), x.who, outbox.Filter{Record: id, All: true, Limit: owedShown})
	if err != nil {
		return err
	}
	view := appliedView{
		Rows: showAllOwed(changes), Again: beneficiaryPath(id, b, "/owed"), Show: beneficiaryPath(id, b), Ledger: recordPath(id),
	}
	for _, o := range changes {
		view.Numbered = view.Numbered || o.Kind == ledger.Numbering && o.State == outbox.Delivered
	}
	p := page{Title: "送信の状態", Here: "search", Body: view}
	n, _ := strconv.Atoi(q.Get("n")) // anything else is the first time
	if moving(view.Rows) && n >= 0 && n < refreshTimes {
		again := b.query()
		again.Set("n", strconv.Itoa(n+1))
		p.Refresh, p.RefreshIn = "/console/beneficiaries/"+url.PathEscape(string(id))+"/owed?"+again.Encode(), refreshSeconds
	}
	return x.render(http.StatusOK, "applied", p)
}

// beneficiaryView is the page of one beneficiary.
type beneficiaryView struct {
	ID, Number, Applied, From, Until string
	Version                          int
	Changed                          string // when and by whom this version was made
	Protection                       string
	Child, Guardian                  []fact
	Mailing                          []fact
	Kept                             []keptView
	Rows                             []owedRow
	Waiting                          []string
	Seen                             []seenRow
	Form                             *mailingForm // nil: the basis does not say who may see the record
	Atena                            string       // the child's, for a lookup
	Basis                            basisFields
	Again, Ledger                    string
}

// fact is a name and a value.
type fact struct{ Name, Value string }

// beneficiaryPage serves GET /console/beneficiaries/{id}; its query holds codes alone.
func (x *exchange) beneficiaryPage() error {
	if err := x.actAs(staff.CaseWorker); err != nil {
		return err
	}
	id, err := x.beneficiaryID()
	if err != nil {
		return err
	}
	b, _, err := x.queryBasis()
	if err != nil {
		return err
	}
	shown, err := x.web.rooms.Gateway.Show(x.r.Context(), x.who, id, b.basis())
	x.id = shown.LookupID
	if err != nil {
		return err
	}
	return x.render(http.StatusOK, "beneficiary", page{Title: "受給資格", Here: "search", Body: showBeneficiary(shown, b)})
}

func showBeneficiary(s gateway.Shown, b basisFields) beneficiaryView {
	of := s.Beneficiary
	view := beneficiaryView{
		ID: string(of.ID), Number: string(of.Number), Version: of.Version, Applied: bothCalendars(of.AppliedOn), From: bothCalendars(of.From),
		Changed: clock(of.ChangedAt) + "（職員番号 " + of.ChangedBy + "）", Protection: protectionText(s.Protection),
		Child: partyFacts(of.Child, of.Birth), Guardian: partyFacts(of.Guardian, of.Guardian.Identity.BirthDate),
		Rows: showAllOwed(s.Owed), Waiting: showWaiting(s.Waiting), Seen: showSeen(s.Seen), Atena: string(of.Child.Atena), Basis: b,
		Again: beneficiaryPath(of.ID, b), Ledger: recordPath(of.ID),
	}
	if of.Until.Precision() == "day" {
		view.Until = bothCalendars(of.Until)
	}
	if m := of.Mailing; m != nil {
		view.Mailing = said(fact{"宛名", legible(m.Name)}, fact{"郵便番号", m.PostalCode}, fact{"住所", legible(m.Address)},
			fact{"方書", legible(m.Extra)}, fact{"この日から", dateText(m.From)})
	}
	for _, k := range s.Suppressed {
		who := "対象児童"
		if k.Person != of.Child.Atena {
			who = "受給資格者（保護者）"
		}
		view.Kept = append(view.Kept, keptView{Who: who, Items: itemWord(k.Item), Why: whyWord(k.Why)})
	}
	if b.Aim != "" {
		view.Form = newMailingForm(of, b)
	}
	return view
}

// dateText shows a date in both calendars; "" for one that is not said.
func dateText(d ledger.Date) string {
	if d == (ledger.Date{}) {
		return ""
	}
	return bothCalendars(d)
}

func partyFacts(p ledger.Person, birth ledger.Date) []fact {
	i := p.Identity
	list := said(fact{"宛名番号", string(p.Atena)}, fact{"氏名", legible(i.Name)}, fact{"氏名（カナ）", i.Kana},
		fact{"生年月日", dateText(birth)}, fact{"性別", i.Sex}, fact{"住所", legible(i.Address)})
	if p.Atena == "" && len(list) > 0 {
		list = append([]fact{{"宛名番号", "まだありません（付番を待っています）"}}, list...)
	}
	return list
}

// said gives the facts that have a value.
func said(facts ...fact) (list []fact) {
	for _, f := range facts {
		if f.Value != "" {
			list = append(list, f)
		}
	}
	return list
}

// protectionText is the sentence of the banner about 支援措置; "" where nothing is kept back.
func protectionText(why string) string {
	switch why {
	case ledger.ConcealProtected:
		return "支援措置の対象です。住所・電話番号など、居場所につながる項目は表示しません。"
	case ledger.ConcealUnread:
		return "支援措置を確認できません。確認できるまで、住所・電話番号など、居場所につながる項目は表示しません。"
	}
	return ""
}

// mailingForm is the form of a mailing address: what was written, and what is wrong with it.
type mailingForm struct {
	ID, Key, Version           string
	Name, Postal, Address, Ext string
	From                       dateParts
	Basis                      basisFields
	Errors                     map[string]string
	Refusal                    *problem
}

func newMailingForm(of ledger.Beneficiary, b basisFields) *mailingForm {
	f := mailingForm{
		ID: string(of.ID), Key: rand.Text(), Version: strconv.Itoa(of.Version), Basis: b, From: dateParts{Era: eras()[0]},
	}
	if m := of.Mailing; m != nil {
		f.Name, f.Postal, f.Address, f.Ext = m.Name, m.PostalCode, m.Address, m.Extra
	}
	return &f
}

// mailingPage serves POST /console/beneficiaries/{id}/mailing.
func (x *exchange) mailingPage() error {
	if err := x.form(); err != nil {
		return err
	}
	if err := x.actAs(staff.CaseWorker); err != nil {
		return err
	}
	id, err := x.beneficiaryID()
	if err != nil {
		return err
	}
	f := mailingForm{
		ID: string(id), Key: x.field("key"), Version: x.field("version"), Name: x.field("name"), Postal: x.field("postal_code"),
		Address: x.field("address"), Ext: x.field("address_extra"), From: x.parts("from_"), Basis: x.basisFields(), Errors: map[string]string{},
	}
	from, ok := f.From.read()
	if !ok || from.Date.Precision() != "day" {
		f.Errors["from"] = "＊いつからかを読み取れません。年・月・日を入力してください。"
	}
	if f.Address == "" {
		f.Errors["address"] = "＊住所を入力してください。"
	}
	if len(f.Errors) > 0 {
		return x.renderMailing(http.StatusUnprocessableEntity, f)
	}
	version, _ := strconv.Atoi(f.Version) // what is no number is no version that stands
	parts := mailingParts{Name: f.Name, PostalCode: f.Postal, Address: f.Address, AddressExtra: f.Ext}
	result, err := x.web.rooms.Gateway.Apply(x.r.Context(), x.who, gateway.ApplyRequest{
		Key: f.Key, Basis: f.Basis.basis(), Amend: parts.amendment(id, version, from.Date),
	})
	x.id = result.LookupID
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Denied) || fault.Is(err, fault.Conflict) {
		p := x.problem(err)
		p.back = beneficiaryPath(id, f.Basis)
		if p.Code == codeKeyReused {
			p.carriedOut(result, f.Basis)
		}
		f.Refusal, x.cause = &p, p.Code
		return x.renderMailing(p.Status, f)
	}
	if err != nil {
		return err
	}
	return x.renderApplied(result, f.Basis, "送付先を変えました")
}

func (x *exchange) renderMailing(status int, f mailingForm) error {
	return x.render(status, "mailing", page{Title: "エラー：送付先の変更", Here: "search", Body: f})
}

// ledgerPage serves POST /console/ledger: the beneficiary of a child, if there is one.
func (x *exchange) ledgerPage() error {
	if err := x.form(); err != nil {
		return err
	}
	if err := x.actAs(staff.CaseWorker); err != nil {
		return err
	}
	b := x.basisFields()
	entries, id, err := x.web.rooms.Gateway.SearchLedger(x.r.Context(), x.who, gateway.LedgerSearch{
		Child: ledger.AtenaNumber(x.field("atena_number")), Basis: b.basis(),
	})
	x.id = id
	switch {
	case err != nil:
		return err
	case len(entries) == 0:
		return x.render(http.StatusOK, "unregistered", page{Title: "台帳の検索", Here: "search"})
	}
	return x.redirect(beneficiaryPath(entries[0].ID, b))
}

// redirect sends the browser on to another page of the console.
func (x *exchange) redirect(to string) error {
	x.pageHeaders()
	x.w.Header().Set("Location", to)
	x.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	x.write(http.StatusSeeOther, nil)
	return nil
}
