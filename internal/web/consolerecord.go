package web

import (
	"net/http"
	"slices"
	"strings"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
)

// recordShown is how many of the latest entries the page of the record shows.
const recordShown = 50

// recordView is the page of the record.
type recordView struct {
	Rows     []recordRow
	Offered  bool          // whether a verification can be asked for
	Verified *Verification // nil: none was asked for
}

type recordRow struct {
	At, Kind, Act, Staff, Case, Ends, LookupID string
	Persons                                    int // how many persons the entry concerns; their numbers stay in it
	NoCase                                     bool
	Sealed                                     bool
}

// recordPage serves GET /console/record: the latest entries, as an auditor sees them.
func (x *exchange) recordPage() error { return x.showRecord(nil) }

// verifyPage serves POST /console/record/verify.
func (x *exchange) verifyPage() error {
	verify := x.web.rooms.Console.Verify
	if verify == nil {
		return fault.New(fault.NotFound, "a verification is not offered").WithCode(codePath)
	}
	if err := x.form(); err != nil {
		return err
	}
	if err := x.actAs(staff.Auditor); err != nil {
		return err
	}
	found, err := verify(x.r.Context())
	if err != nil {
		return err
	}
	return x.showRecord(&found)
}

func (x *exchange) showRecord(verified *Verification) error {
	if err := x.actAs(staff.Auditor); err != nil {
		return err
	}
	entries, _, err := x.web.rooms.Gateway.SearchRecord(x.r.Context(), x.who, gateway.RecordRequest{
		Filter: audit.Filter{Limit: recordShown},
	})
	if err != nil {
		return err
	}
	view := recordView{Offered: x.web.rooms.Console.Verify != nil, Verified: verified}
	for _, e := range entries {
		view.Rows = append(view.Rows, showEntry(e))
	}
	return x.render(http.StatusOK, "record", page{Title: "記録", Here: "record", Body: view})
}

func showEntry(r audit.Record) recordRow {
	e := r.Entry
	row := recordRow{
		At: clock(r.At), Kind: kindWord(e.Kind), Act: actWord(staff.Verb(e.Act)), Staff: first(e.Actor.Staff, e.Actor.Client),
		Case: e.Case, LookupID: e.Lookup, Persons: persons(e.Subjects), Sealed: r.Position >= 0,
		NoCase: slices.Contains(e.Flags, "no_case"),
	}
	var ends []string
	for _, end := range e.Ends {
		word := verdictOf(ledger.Outcome(end.Outcome), end.Reason, ledger.System(end.Source), "").Word
		if e.Kind == audit.Delivery {
			word = attemptWord(end.Outcome)
		}
		ends = append(ends, sourceWord(ledger.System(end.Source))+"："+word)
	}
	row.Ends = first(strings.Join(ends, "、"), e.Code)
	return row
}

// persons counts the persons of an entry; one may stand in it in several roles.
func persons(subjects []audit.Subject) int {
	numbers := map[string]bool{}
	for _, s := range subjects {
		numbers[s.Atena] = true
	}
	return len(numbers)
}

// first gives the first of two texts that is not empty.
func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// kindWord gives the word on screen of an entry's kind.
func kindWord(k audit.Kind) string {
	switch k {
	case audit.Opened:
		return "記録の開始"
	case audit.Settled:
		return "記録の締め"
	case audit.Intent:
		return "着手"
	case audit.Outcome:
		return "結果"
	case audit.Refused:
		return "拒否"
	case audit.Interrupted:
		return "中断"
	case audit.Withheld:
		return "回答せず"
	case audit.Change:
		return "変更"
	case audit.Read:
		return "記録の閲覧"
	case audit.TokenRefused:
		return "トークンの拒否"
	case audit.Probe:
		return "試し書き"
	case audit.Loss:
		return "欠損の申告"
	case audit.Delivery:
		return "送信の結果"
	default:
		return string(k)
	}
}

// actWord gives the word on screen of what was done.
func actWord(v staff.Verb) string {
	switch v {
	case staff.Lookup:
		return "照会"
	case staff.Find:
		return "検索"
	case staff.OpenCase:
		return "案件を開く"
	case staff.CloseCase:
		return "案件を閉じる"
	case staff.SearchRecord:
		return "記録の検索"
	case staff.ExportRecord:
		return "記録の出力"
	case staff.Probe:
		return "診断"
	case staff.Watch:
		return "接続先の表示"
	case staff.Apply:
		return "台帳の変更"
	case staff.Show:
		return "受給資格の表示"
	case staff.SearchLedger:
		return "台帳の検索"
	case staff.Replay:
		return "再送"
	case staff.Discard:
		return "対応不要"
	case staff.Answer:
		return "到着の確認"
	case staff.Notify:
		return "異動通知の受付"
	case gateway.ActRefresh:
		return "異動の確認"
	case "deliver":
		return "送信"
	default:
		return string(v)
	}
}
