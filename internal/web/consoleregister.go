package web

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
)

// The choices of a guardian whom the lookup did not show.
const (
	elsewhere = "elsewhere" // lives elsewhere and has no 宛名番号 here
	byNumber  = "numbered"  // is named by a 宛名番号 that the clerk knows
)

// dateParts is a date as a form holds it.
type dateParts struct{ Era, Year, Month, Day string }

// parts reads the four fields of a date, whose names begin with the prefix.
func (x *exchange) parts(prefix string) dateParts {
	return dateParts{x.field(prefix + "era"), x.field(prefix + "year"), x.field(prefix + "month"), x.field(prefix + "day")}
}

// read reads the fields, or a whole date in the field of the year.
func (d dateParts) read() (ledger.Reading, bool) {
	if d.Month == "" && d.Day == "" {
		if r, ok := ledger.ReadDate(d.Year); ok {
			return r, true
		}
	}
	if d.Month == "" && d.Day != "" || d.Year == "" {
		return ledger.Reading{}, false
	}
	text := d.Year + "年"
	if d.Era != "" && d.Era != eras()[0] {
		text = d.Era + text
	}
	for _, part := range []struct{ value, unit string }{{d.Month, "月"}, {d.Day, "日"}} {
		if part.value != "" {
			text += part.value + part.unit
		}
	}
	return ledger.ReadDate(text)
}

// partsOf fills the fields with a date.
func partsOf(d ledger.Date) dateParts {
	return dateParts{eras()[0], strconv.Itoa(d.Year), strconv.Itoa(int(d.Month)), strconv.Itoa(d.Day)}
}

// choice is a person whom a form offers: the number, and who it is.
type choice struct{ Atena, Who string }

// Value is the choice as a hidden field carries it.
func (c choice) Value() string { return c.Atena + " " + c.Who }

// registerForm is the form of a registration: what was written, and what is wrong with it.
type registerForm struct {
	Key          string // of the press: a double click is one registration
	Child, Birth string // Birth as ISO, taken over from the lookup
	Choices      []choice
	Unseen       bool   // the registry could not be asked: who lives with the child is not known
	Guardian     string // the chosen 宛名番号, elsewhere or byNumber
	Number       string // of a guardian who is chosen by number
	Name, Kana   string
	Sex, Address string
	Born         dateParts
	Applied      dateParts
	Basis        basisFields
	Errors       map[string]string // by field; a text begins with ＊
	Refusal      *problem
	Ledger       bool // whether to offer to look the child up in the ledger
}

// Sexes gives the choices of 性別.
func (registerForm) Sexes() []string { return []string{"女", "男", "不明"} }

// Elsewhere tells whether the guardian who lives elsewhere is chosen.
func (f registerForm) Elsewhere() bool { return f.Guardian == elsewhere }

// ByNumber tells whether a guardian is chosen who is named by number.
func (f registerForm) ByNumber() bool { return f.Guardian == byNumber }

// offered makes the form for the child of a lookup; nil where the person is no child, or the
// procedure registers nobody.
func (w *Web) offered(r gateway.LookupResult, q gateway.LookupRequest, basis basisFields) *registerForm {
	i := slices.IndexFunc(w.rooms.Gateway.Procedures(), func(p staff.Procedure) bool {
		return p.ID == string(q.Basis.Procedure) && slices.Contains(p.Changes, staff.Registration)
	})
	today := ledger.DateOf(w.now().In(jst))
	f := registerForm{
		Key: rand.Text(), Child: string(q.Person), Basis: basis,
		Applied: partsOf(today), Born: dateParts{Era: eras()[0]}, Unseen: true,
	}
	for _, s := range r.Sources {
		if s.Source == ledger.Residents {
			answered := s.Outcome == ledger.Found || s.Outcome == ledger.NoPerson || s.Outcome == ledger.NoRecord
			f.Unseen = !answered || r.Protection == ledger.ConcealUnread // then others are not shown either
		}
		for _, p := range s.Persons {
			birth := birthOf(p)
			switch {
			case p.Person == q.Person && f.Birth == "" && ledger.IsChild(birth, today):
				f.Birth = birth.String()
			case p.Person != q.Person && s.Source == ledger.Residents && !ledger.IsChild(birth, today):
				f.Choices = append(f.Choices, choice{string(p.Person), describe(p)})
			}
		}
	}
	if i < 0 || f.Birth == "" {
		return nil
	}
	return &f
}

func birthOf(f ledger.Facts) ledger.Date {
	for _, v := range f.Values {
		if v.Item == ledger.BirthDate {
			return v.Date
		}
	}
	return ledger.Date{}
}

// describe names a person of a household for a choice.
func describe(f ledger.Facts) string {
	text := whoWord(f, "")
	for _, v := range f.Values {
		if v.Item == ledger.Name {
			text = legible(v.Text) + " " + text
		}
	}
	return text
}

// writtenRegistration reads the form as it was posted.
func (x *exchange) writtenRegistration() registerForm {
	f := registerForm{
		Key: x.field("key"), Child: x.field("atena_number"), Birth: x.field("birth"), Guardian: x.field("guardian"),
		Unseen: x.field("unseen") != "", Number: narrowDigits(x.field("guardian_number")),
		Name: x.field("name"), Kana: x.field("kana"), Sex: x.field("sex"), Address: x.field("address"),
		Born: x.parts("born_"), Applied: x.parts("applied_"), Basis: x.basisFields(), Errors: map[string]string{},
	}
	for _, text := range x.r.PostForm["choice"] {
		atena, who, _ := strings.Cut(text, " ")
		f.Choices = append(f.Choices, choice{atena, who})
	}
	return f
}

// basisFields reads the hidden fields that go from page to page.
func (x *exchange) basisFields() basisFields {
	return basisFields{Case: x.field("case"), Reason: x.field("reason"), Aim: x.field("aim")}
}

// basis gives what the fields say of why somebody asks.
func (b basisFields) basis() ledger.Basis {
	return searchForm{Case: b.Case, Reason: b.Reason, Aim: b.Aim}.basis()
}

// registration makes of the form what the ledger is asked; what cannot be read is noted.
func (f registerForm) registration() *ledger.Registration {
	r := &ledger.Registration{Child: ledger.AtenaNumber(f.Child)}
	r.Birth, _ = ledger.ParseDate(f.Birth)
	applied, ok := f.Applied.read()
	if !ok || applied.Date.Precision() != "day" {
		f.Errors["applied"] = "＊申請日を読み取れません。年・月・日を入力してください。"
	}
	r.AppliedOn = applied.Date
	switch f.Guardian {
	case "":
		f.Errors["guardian"] = "＊保護者を選んでください。"
	case elsewhere:
		r.Guardian.Identity = f.identity()
	case byNumber:
		if f.Number == "" {
			f.Errors["guardian_number"] = "＊保護者の宛名番号を入力してください。"
		}
		r.Guardian.Atena = ledger.AtenaNumber(f.Number)
	default:
		r.Guardian.Atena = ledger.AtenaNumber(f.Guardian)
	}
	return r
}

// identity reads the fields of a guardian who lives elsewhere.
func (f registerForm) identity() ledger.Identity {
	born, ok := f.Born.read()
	if !ok || born.Date.Precision() != "day" {
		f.Errors["born"] = "＊保護者の生年月日を読み取れません。年・月・日を入力してください。"
	}
	for _, field := range []struct{ name, value, text string }{
		{"name", f.Name, "＊保護者の氏名を入力してください。"}, {"kana", f.Kana, "＊保護者の氏名のカナを入力してください。"},
		{"sex", f.Sex, "＊保護者の性別を選んでください。"}, {"address", f.Address, "＊保護者の住所を入力してください。"},
	} {
		if field.value == "" {
			f.Errors[field.name] = field.text
		}
	}
	return ledger.Identity{Name: f.Name, Kana: f.Kana, BirthDate: born.Date, Sex: f.Sex, Address: f.Address}
}

// registerPage serves POST /console/register.
func (x *exchange) registerPage() error {
	if err := x.form(); err != nil {
		return err
	}
	if err := x.actAs(staff.CaseWorker); err != nil {
		return err
	}
	f := x.writtenRegistration()
	r := f.registration()
	if len(f.Errors) > 0 {
		return x.renderRegister(http.StatusUnprocessableEntity, f)
	}
	result, err := x.web.rooms.Gateway.Apply(x.r.Context(), x.who, gateway.ApplyRequest{Key: f.Key, Basis: f.Basis.basis(), Register: r})
	x.id = result.LookupID
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Denied) || fault.Is(err, fault.Conflict) {
		p := x.problem(err)
		if p.Code == codeKeyReused {
			p.carriedOut(result, f.Basis)
		}
		f.Refusal, x.cause, f.Ledger = &p, p.Code, p.Code == codeRegistered
		return x.renderRegister(p.Status, f)
	}
	if err != nil {
		return err
	}
	return x.renderApplied(result, f.Basis, "登録しました")
}

// carriedOut says to a clerk, who knows of no key, what it means that a form was pressed
// again with other content: going back has brought up what is done already.
func (p *problem) carriedOut(r gateway.ApplyResult, b basisFields) {
	p.Title = "この画面での入力は、すでに受け付けています。"
	p.Detail = "受給者番号 " + string(r.Number) + " で登録されています。いま直した内容では、何も変更していません。"
	p.NextAction = "いまの内容を表示して確かめてください。送付先は、そこから変えられます。ほかの登録や変更は、検索からやり直して新しい画面で行ってください。"
	p.back = beneficiaryPath(r.Beneficiary, b)
}

func (x *exchange) renderRegister(status int, f registerForm) error {
	return x.render(status, "register", page{Title: "エラー：受給資格の登録", Here: "search", Body: f})
}
