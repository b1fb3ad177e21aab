package web

import (
	"net/http"

	"kakehashi/internal/ledger"
	"kakehashi/internal/manual"
	"kakehashi/internal/staff"
)

// breakersView is the page of the breakers.
type breakersView struct{ Rows []breakerRow }

type breakerRow struct {
	System, Icon, State, Since, Next, Effect string
	Failures                                 int
}

// breakersPage serves GET /console/breakers.
func (x *exchange) breakersPage() error {
	if err := x.actAs(staff.Operator); err != nil {
		return err
	}
	if err := x.web.rooms.Gateway.Watch(x.r.Context(), x.who); err != nil {
		return err
	}
	var view breakersView
	for _, b := range x.web.rooms.Breakers() {
		icon, word := breakerWord(b.State)
		row := breakerRow{
			System: systemWord(ledger.System(b.Target)), Icon: icon, State: word, Failures: b.Failures,
			Since: clock(b.Since), Next: clock(b.NextProbe), Effect: "なし",
		}
		if b.State != "closed" {
			row.Effect = effectWord(ledger.System(b.Target))
		}
		view.Rows = append(view.Rows, row)
	}
	return x.render(http.StatusOK, "breakers", page{Title: "接続先と自動遮断", Here: "breakers", Body: view})
}

// effectWord says what staff do not see while a system is not asked.
func effectWord(s ledger.System) string {
	if s == ledger.Protection {
		return "支援措置を確認できないため、だれについても居場所につながる項目を表示しません"
	}
	if s == delivering {
		return "台帳の変更が届くのが遅れます。失われません"
	}
	return "「" + sourceWord(s) + "」が「取得できませんでした」になります"
}

// helpView is a page of the manual, or the list of them.
type helpView struct {
	Pages  []string
	Blocks []block
}

// helpPage serves GET /console/help and GET /console/help/{name}.
func (x *exchange) helpPage() error {
	name := x.r.PathValue("name")
	if name == "" {
		return x.render(http.StatusOK, "help", page{Title: "ヘルプ", Here: "help", Body: helpView{Pages: manual.Pages()}})
	}
	text, ok := manual.Page(name)
	if !ok {
		return x.unknownPath()
	}
	return x.render(http.StatusOK, "help", page{
		Title: name, Here: "help", Body: helpView{Pages: manual.Pages(), Blocks: readMarkdown(text)},
	})
}

// problemPage serves GET /problems/{code}: what a message number means and what to do.
func (x *exchange) problemPage() error {
	x.html = true
	notice, ok := manual.Message(x.r.PathValue("code"))
	if !ok {
		return x.unknownPath()
	}
	return x.render(http.StatusOK, "notice", page{Title: notice.Code + " " + notice.Text, Body: notice})
}
