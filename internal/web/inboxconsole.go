package web

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/inbox"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
)

// inboxView is the page of change notices.
type inboxView struct {
	First                bool // whether it is the first page of the list
	Due, Waiting, Parked int
	Oldest, At           string
	Shut                 string // why nobody is asked about but one at a time; empty: it is open
	NextProbe            string
	Groups               []noticeGroupRow
	Rows                 []noticeRow
	All                  bool
	Filtered             bool
	Next                 string
	Done                 string // what a press did
	Error                string // why it did nothing
	Reason               string // as it was typed
}

// noticeGroupRow is notices that stand alike, with what may be pressed.
type noticeGroupRow struct {
	State, Icon, Cause, Code, Source, Oldest, Link string
	Count                                          int
	Press                                          bool
	Of                                             noticesWhereBody
}

type noticeRow struct {
	ID, State, Icon, Cause, Code, Source, Place, Received, Next, Result, Mark string
	Fails                                                                     int
	Press                                                                     bool
}

// inboxPage serves GET /console/inbox.
func (x *exchange) inboxPage() error {
	if err := x.actAs(staff.Operator); err != nil {
		return err
	}
	f, err := x.inboxFilter()
	if err != nil {
		return err
	}
	return x.renderInbox(http.StatusOK, f, inboxView{})
}

func (x *exchange) renderInbox(status int, f inbox.Filter, view inboxView) error {
	f.Limit = outboxRows
	p, err := x.web.rooms.Gateway.Notices(x.r.Context(), x.who, f)
	if err != nil {
		return err
	}
	now := x.web.now()
	s := p.Summary
	view.First, view.Due, view.Waiting, view.Parked, view.At = p.Summed, s.Due, s.Waiting, s.Parked, clock(now)
	view.All, view.Filtered = f.All, f.State != "" || f.Cause != "" || f.Source != ""
	if s.Due > 0 {
		view.Oldest = elapsed(age(now, s.Oldest))
	}
	if s.Shut {
		view.Shut, view.NextProbe = noticeCauseWord(s.Cause), clock(s.NextProbe)
	}
	for _, g := range s.Groups {
		of := noticesWhereBody{State: string(g.State), Cause: g.Cause, Source: g.Source}
		view.Groups = append(view.Groups, noticeGroupRow{
			State: noticeStateWord(g.State), Icon: noticeIcon(g.State), Cause: cmp.Or(noticeCauseWord(g.Cause), "これから確認する"), Code: g.Code,
			Source: cmp.Or(g.Source, "不明"), Oldest: clock(g.Oldest), Link: inboxPath(of), Count: g.Count, Press: pressable(g.State), Of: of,
		})
	}
	for _, n := range p.Notices {
		view.Rows = append(view.Rows, showNotice(n))
	}
	if p.Next != "" {
		q := url.Values{"cursor": {p.Next}}
		for name, value := range map[string]string{"state": string(f.State), "cause": f.Cause, "source": f.Source} {
			if value != "" {
				q.Set(name, value)
			}
		}
		if f.All {
			q.Set("all", "true")
		}
		view.Next = "/console/inbox?" + q.Encode()
	}
	return x.render(status, "inbox", page{Title: "届いた異動通知", Here: "inbox", Body: view})
}

func showNotice(n inbox.Item) noticeRow {
	row := noticeRow{
		ID: n.Name, State: noticeStateWord(n.State), Icon: noticeIcon(n.State), Cause: noticeCauseWord(n.Cause), Code: n.Code,
		Source: cmp.Or(n.Source, "不明"), Place: "API", Received: clock(n.Received), Next: clock(n.NextAt), Fails: n.Fails, Press: pressable(n.State),
	}
	if n.Topic != "" {
		row.Place = n.Topic + " " + strconv.Itoa(n.Partition) + " / " + strconv.FormatInt(n.Offset, 10)
	}
	switch n.Result {
	case inbox.Refreshed:
		row.Result = "照会して確認した"
	case inbox.NotOurs:
		row.Result = "こども医療に関係のない人（照会していない）"
	}
	if m := n.Discarded; m != nil {
		row.Mark = "職員 " + m.By + "：" + m.Reason
	}
	return row
}

func pressable(s inbox.State) bool { return s == inbox.Parked || s == inbox.Waiting }

// noticeIcon gives the shape that stands beside the word of a state.
func noticeIcon(s inbox.State) string {
	switch s {
	case inbox.Settled:
		return "ok"
	case inbox.Parked:
		return "alert"
	case inbox.Discarded:
		return "none"
	default:
		return "wait"
	}
}

func inboxPath(of noticesWhereBody) string {
	q := url.Values{}
	for name, value := range map[string]string{"state": of.State, "cause": of.Cause, "source": of.Source} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "/console/inbox?" + q.Encode()
}

// pressInboxPage serves POST /console/inbox: a replay or a discard of a group, as many as were
// on the page, or of one notice.
func (x *exchange) pressInboxPage() error {
	if err := x.form(); err != nil {
		return err
	}
	if err := x.actAs(staff.Operator); err != nil {
		return err
	}
	r := gateway.NoticeRequest{Reason: x.field("reason"), Filter: inbox.Filter{
		State: inbox.State(x.field("state")), Cause: x.field("cause"), Source: x.field("source"),
	}}
	if id := x.field("id"); id != "" {
		r.Filter = inbox.Filter{Names: []string{id}}
	} else {
		r.Count, _ = strconv.Atoi(x.field("count"))
	}
	if r.Reason == "" {
		return x.renderInbox(http.StatusUnprocessableEntity, inbox.Filter{}, inboxView{Error: "＊理由を入力してください。"})
	}
	press, verb := x.web.rooms.Gateway.ReplayNotices, "やり直しました"
	if x.field("act") == "discard" {
		press, verb = x.web.rooms.Gateway.DiscardNotices, "対応不要にしました"
	}
	plan, err := press(x.r.Context(), x.who, r)
	switch {
	case fault.Is(err, fault.Conflict):
		return x.renderInbox(http.StatusConflict, inbox.Filter{}, inboxView{Reason: r.Reason, Error: "件数が変わりました。いまの件数を見て、もう一度行ってください。"})
	case fault.Is(err, fault.Invalid):
		return x.renderInbox(http.StatusUnprocessableEntity, inbox.Filter{}, inboxView{
			Reason: r.Reason, Error: "＊理由は200文字までで、氏名や番号は書かないでください。",
		})
	case err != nil:
		return err
	}
	return x.renderInbox(http.StatusOK, inbox.Filter{}, inboxView{Done: pressedText(plan, verb)})
}

func pressedText(p inbox.Plan, verb string) string {
	var text strings.Builder
	_, _ = fmt.Fprintf(&text, "%d 件を%s。", p.Can, verb)
	for _, why := range p.Why {
		_, _ = fmt.Fprintf(&text, "できない %d 件（%s）。", why.Count, noticeWhyWord(why.Word))
	}
	if p.Left > 0 {
		_, _ = fmt.Fprintf(&text, "残り %d 件は、もう一度行ってください。", p.Left)
	}
	return text.String()
}

// seenRow is what a change notice led to, as the page of a beneficiary shows it.
type seenRow struct{ Who, Kind, Effective, Received, Checked, Changed, Residency string }

func showSeen(all []gateway.Seen) []seenRow {
	var rows []seenRow
	for _, s := range all {
		row := seenRow{
			Who: "受給資格者（保護者）", Kind: noticeKindWord(s.Kind), Effective: dateText(s.Effective), Received: fullClock(s.Received),
			Checked: fullClock(s.SeenAt), Residency: s.Residency, Changed: changedText(s),
		}
		if s.Child {
			row.Who = "対象児童"
		}
		rows = append(rows, row)
	}
	return rows
}

// changedText says what changed, by name alone.
func changedText(s gateway.Seen) string {
	switch {
	case s.Outcome == ledger.NoPerson:
		return "住民基本台帳に該当者がありません"
	case s.First:
		return "はじめての確認（変わった項目は分かりません）"
	case len(s.Changed) == 0:
		return "表示できる項目に変わりはありません"
	}
	var words []string
	for _, item := range s.Changed {
		words = append(words, itemWord(item))
	}
	return strings.Join(words, "、")
}

// fullClock shows a moment with its year.
func fullClock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(jst).Format("2006-01-02 15:04")
}
