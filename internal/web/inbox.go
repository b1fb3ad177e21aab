package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/inbox"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
)

// noticeAnswer is one change notice as operators see it: nothing in it is about a person.
type noticeAnswer struct {
	ID         string      `json:"id"`
	Source     string      `json:"source"`
	Type       string      `json:"type"`
	Topic      string      `json:"topic,omitempty"`
	Partition  int         `json:"partition"`
	Offset     int64       `json:"offset"`
	EventAt    string      `json:"event_at,omitempty"`
	ReceivedAt string      `json:"received_at"`
	AgeSeconds int64       `json:"age_seconds"`
	State      string      `json:"state"`
	Fails      int         `json:"fails"`
	NextAt     string      `json:"next_at,omitempty"`
	LastAt     string      `json:"last_at,omitempty"`
	Cause      string      `json:"cause"`
	Code       string      `json:"code,omitempty"`
	Text       string      `json:"text,omitempty"` // the cause in words
	Result     string      `json:"result,omitempty"`
	EndedAt    string      `json:"ended_at,omitempty"`
	Discarded  *markAnswer `json:"discarded,omitempty"`
}

// inboxAnswer is the answer of GET /v1/inbox. Only the first page of a list is summed up.
type inboxAnswer struct {
	*inboxSum `json:",inline"` // nil: a later page
	Notices   []noticeAnswer   `json:"notices"`
	Next      string           `json:"next"`
}

type inboxSum struct {
	Due           int                 `json:"due"`
	Waiting       int                 `json:"waiting"`
	Parked        int                 `json:"parked"`
	OldestAt      string              `json:"oldest_at,omitempty"`
	OldestSeconds int64               `json:"oldest_seconds"`
	Open          bool                `json:"open"` // false: nobody is asked about but one at a time, after failures
	NextProbe     string              `json:"next_probe,omitempty"`
	Cause         string              `json:"cause,omitempty"`
	Groups        []noticeGroupAnswer `json:"groups"`
}

type noticeGroupAnswer struct {
	State    string `json:"state"`
	Cause    string `json:"cause"`
	Code     string `json:"code,omitempty"`
	Text     string `json:"text,omitempty"`
	Source   string `json:"source"`
	Count    int    `json:"count"`
	OldestAt string `json:"oldest_at"`
}

// listInbox serves GET /v1/inbox to anybody who has a role.
func (x *exchange) listInbox() error {
	f, err := x.inboxFilter()
	if err != nil {
		return err
	}
	page, err := x.web.rooms.Gateway.Notices(x.r.Context(), x.who, f)
	if err != nil {
		return err
	}
	now := x.web.now()
	answer := inboxAnswer{Notices: make([]noticeAnswer, len(page.Notices)), Next: page.Next}
	for i, n := range page.Notices {
		answer.Notices[i] = spellNotice(n, now)
	}
	if page.Summed {
		answer.inboxSum = spellInboxSum(page.Summary, now)
	}
	return x.answer(http.StatusOK, answer)
}

func spellNotice(n inbox.Item, now time.Time) noticeAnswer {
	a := noticeAnswer{
		ID: n.Name, Source: n.Source, Type: n.Type, Topic: n.Topic, Partition: n.Partition, Offset: n.Offset,
		EventAt: moment(n.EventAt), ReceivedAt: moment(n.Received), AgeSeconds: age(now, n.Received), State: string(n.State), Fails: n.Fails,
		NextAt: moment(n.NextAt), LastAt: moment(n.LastAt), Cause: n.Cause, Code: n.Code, Text: noticeCauseWord(n.Cause),
		Result: n.Result, EndedAt: moment(n.EndedAt),
	}
	if m := n.Discarded; m != nil {
		a.Discarded = &markAnswer{By: m.By, At: moment(m.At), Reason: m.Reason}
	}
	return a
}

func spellInboxSum(s inbox.Summary, now time.Time) *inboxSum {
	sum := &inboxSum{
		Due: s.Due, Waiting: s.Waiting, Parked: s.Parked, OldestAt: moment(s.Oldest), OldestSeconds: age(now, s.Oldest),
		Open: !s.Shut, NextProbe: moment(s.NextProbe), Cause: s.Cause, Groups: make([]noticeGroupAnswer, len(s.Groups)),
	}
	for i, g := range s.Groups {
		sum.Groups[i] = noticeGroupAnswer{
			State: string(g.State), Cause: g.Cause, Code: g.Code, Text: noticeCauseWord(g.Cause), Source: g.Source, Count: g.Count,
			OldestAt: moment(g.Oldest),
		}
	}
	return sum
}

// inboxFilter reads the query of GET /v1/inbox.
func (x *exchange) inboxFilter() (inbox.Filter, error) {
	q, err := x.query("state", "cause", "source", "all", "limit", "cursor")
	if err != nil {
		return inbox.Filter{}, err
	}
	f := inbox.Filter{
		State: inbox.State(q.Get("state")), Cause: q.Get("cause"), Source: q.Get("source"), Cursor: q.Get("cursor"), Limit: owedShown,
		All: q.Get("all") == "true",
	}
	wrong := !slices.Contains([]string{"", "true", "false"}, q.Get("all")) || f.State != "" && !slices.Contains(inbox.States(), f.State) ||
		f.Cursor != "" && !isCursor(f.Cursor)
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		f.Limit, wrong = n, wrong || err != nil || n < 1 || n > owedShownAt
	}
	if wrong {
		return inbox.Filter{}, fault.New(fault.Invalid, "a value of the query does not fit").WithCode(codeQuery).WithReason("query")
	}
	return f, nil
}

// noticesBody is the body of POST /v1/inbox/replays and POST /v1/inbox/discards: which
// notices, by name or by condition, and why.
type noticesBody struct {
	IDs    []string          `json:"ids"`
	Where  *noticesWhereBody `json:"where"`
	Reason string            `json:"reason"`
	DryRun bool              `json:"dry_run"`
	Count  *int              `json:"count"`
}

// noticesWhereBody is a condition. An empty one is everything that is parked or waits.
type noticesWhereBody struct {
	State  string `json:"state"`
	Cause  string `json:"cause"`
	Source string `json:"source"`
}

// request checks the body and gives what is asked for.
func (b noticesBody) request() (r gateway.NoticeRequest, err error) {
	switch {
	case (b.IDs == nil) == (b.Where == nil):
		return r, unfit("/ids", memberSelection)
	case b.IDs != nil && len(b.IDs) == 0:
		return r, unfit("/ids", memberEmpty)
	case len(b.IDs) > namedAt:
		return r, unfit("/ids", "一度に指定できるのは 1000 件までです。")
	case b.Reason == "" && !b.DryRun:
		return r, unfit("/reason", memberMissing)
	case b.Count != nil && *b.Count < 1:
		return r, unfit("/count", memberPositive)
	case b.Where != nil && b.Where.State != "" && !slices.Contains(inbox.States(), inbox.State(b.Where.State)):
		return r, unfit("/where/state", memberType)
	}
	r = gateway.NoticeRequest{Filter: inbox.Filter{Names: b.IDs}, Reason: b.Reason, DryRun: b.DryRun}
	if w := b.Where; w != nil {
		r.Filter = inbox.Filter{State: inbox.State(w.State), Cause: w.Cause, Source: w.Source}
	}
	if b.Count != nil {
		r.Count = *b.Count
	}
	return r, nil
}

// noticesPlan says what a replay or a discard of notices did, or would do.
type noticesPlan struct {
	At     string      `json:"at"`
	Total  int         `json:"total"`
	Can    int         `json:"can"`
	Cannot int         `json:"cannot"`
	Left   int         `json:"left"`
	Why    []whyAnswer `json:"why"`
}

func spellNoticesPlan(p inbox.Plan) noticesPlan {
	a := noticesPlan{At: moment(p.At), Total: p.Total, Can: p.Can, Cannot: p.Cannot, Left: p.Left, Why: make([]whyAnswer, len(p.Why))}
	for i, r := range p.Why {
		a.Why[i] = whyAnswer{Word: r.Word, Text: noticeWhyWord(r.Word), Count: r.Count}
	}
	return a
}

// replayNotices serves POST /v1/inbox/replays.
func (x *exchange) replayNotices() error {
	return x.pressNotices(x.web.rooms.Gateway.ReplayNotices)
}

// discardNotices serves POST /v1/inbox/discards.
func (x *exchange) discardNotices() error {
	return x.pressNotices(x.web.rooms.Gateway.DiscardNotices)
}

func (x *exchange) pressNotices(press func(context.Context, staff.Member, gateway.NoticeRequest) (inbox.Plan, error)) error {
	var body noticesBody
	if err := x.decode(&body); err != nil {
		return err
	}
	r, err := body.request()
	if err != nil {
		return err
	}
	plan, err := press(x.r.Context(), x.who, r)
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, spellNoticesPlan(plan))
}

// seenAnswer is what a change notice led to.
type seenAnswer struct {
	Of                string   `json:"of"` // child or guardian
	System            string   `json:"system"`
	Kind              string   `json:"kind"`
	KindText          string   `json:"kind_text"`
	EffectiveOn       string   `json:"effective_on"`
	EffectiveOnWareki string   `json:"effective_on_wareki"`
	ReceivedAt        string   `json:"received_at"`
	CheckedAt         string   `json:"checked_at"`
	AsOf              string   `json:"as_of,omitempty"`
	Outcome           string   `json:"outcome"`
	Residency         string   `json:"residency,omitempty"`
	Changed           []string `json:"changed"`
	First             bool     `json:"first"` // nothing was seen before: what changed is unknown
}

func spellSeen(all []gateway.Seen) []seenAnswer {
	list := make([]seenAnswer, len(all))
	for i, s := range all {
		list[i] = seenAnswer{
			Of: "guardian", System: string(s.System), Kind: string(s.Kind), KindText: noticeKindWord(s.Kind),
			EffectiveOn: s.Effective.String(), EffectiveOnWareki: wareki(s.Effective), ReceivedAt: moment(s.Received), CheckedAt: moment(s.SeenAt),
			AsOf: s.AsOf, Outcome: string(s.Outcome), Residency: s.Residency, Changed: make([]string, len(s.Changed)), First: s.First,
		}
		if s.Child {
			list[i].Of = "child"
		}
		for j, item := range s.Changed {
			list[i].Changed[j] = string(item)
		}
	}
	return list
}

// noticeKindWord gives the word on screen of what happened to a resident.
func noticeKindWord(k ledger.NoticeKind) string {
	switch k {
	case ledger.MovedIn:
		return "転入"
	case ledger.MovedOut:
		return "転出"
	case ledger.Died:
		return "死亡"
	case ledger.Born:
		return "出生"
	case ledger.DataChanged:
		return "記載事項の変更"
	case ledger.HouseholdChanged:
		return "世帯の変更"
	case ledger.ProtectionBegan:
		return "支援措置の変更"
	default:
		return string(k)
	}
}

// noticeStateWord gives the word on screen of a notice's state.
func noticeStateWord(s inbox.State) string {
	switch s {
	case inbox.Due:
		return "確認待ち"
	case inbox.Working:
		return "確認中"
	case inbox.Waiting:
		return "次の一括処理を待つ"
	case inbox.Parked:
		return "保留（人の判断が必要）"
	case inbox.Settled:
		return "確認済み"
	case inbox.Discarded:
		return "対応不要"
	default:
		return string(s)
	}
}

// noticeCauseWord says in words why a notice is parked or was not followed.
func noticeCauseWord(cause string) string {
	switch cause {
	case "":
		return ""
	case inbox.CauseNoEvent:
		return "通知の形になっていない"
	case inbox.CauseSource:
		return "登録していない送り元"
	case inbox.CauseType:
		return "知らない種類の通知"
	case inbox.CauseTooLarge:
		return "大きすぎる"
	case inbox.CauseUnread:
		return "中身を読み取れない"
	case inbox.CauseKind:
		return "知らない異動の種別"
	case inbox.CausePerson:
		return "宛名番号がないか、形が違う"
	case "no_items":
		return "どの事務手続も住民基本台帳を見られない"
	case "registered":
		return "確認の途中で台帳に登録された（もう一度確認する）"
	default:
		return owedCauseWord(cause)
	}
}

// noticeWhyWord says why a notice is not among those that can be pressed.
func noticeWhyWord(word string) string {
	switch word {
	case "cut":
		return "大きすぎて全部は保管していない"
	case "not_found":
		return "見つからない"
	}
	if slices.Contains(inbox.States(), inbox.State(word)) {
		return noticeStateWord(inbox.State(word))
	}
	return "いまも読み取れない：" + strings.TrimSuffix(noticeCauseWord(word), "。")
}
