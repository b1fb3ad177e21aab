package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
	"kakehashi/outbox"
)

// Rows and replays that the page of the outbox shows at once.
const (
	outboxRows    = 50
	outboxReplays = 10
)

// owedLine is the line of a page that says whether anything is owed.
type owedLine struct {
	Known        bool // whether the number could be read; what is unknown is never shown as none
	Owed, Parked int
	Unsure       int
	Oldest       string // how long the oldest has waited
	At           string // when it was looked at
}

// owedLine counts what is owed for a page whose matter is another: that it cannot be counted
// is said on the page and fails nothing.
func (x *exchange) owedLine() owedLine {
	s, err := x.web.rooms.Gateway.OwedSummary(x.r.Context(), x.who)
	if err != nil {
		return owedLine{}
	}
	return showLine(s, x.web.now())
}

func showLine(s outbox.Summary, now time.Time) owedLine {
	return owedLine{Known: true, Owed: s.Owed, Parked: s.Parked, Unsure: s.Unsure, Oldest: elapsed(age(now, s.Oldest)), At: clock(now)}
}

// elapsed says a number of seconds as people do: 3分, 2時間15分, 4日.
func elapsed(seconds int64) string {
	switch {
	case seconds < 60:
		return strconv.FormatInt(seconds, 10) + "秒"
	case seconds < 60*60:
		return strconv.FormatInt(seconds/60, 10) + "分"
	case seconds < 24*60*60:
		return strconv.FormatInt(seconds/3600, 10) + "時間" + strconv.FormatInt(seconds%3600/60, 10) + "分"
	default:
		return strconv.FormatInt(seconds/86400, 10) + "日"
	}
}

// selected is which changes a page is about, as its address and its forms carry it.
type selected struct {
	Destination, Cause, State, Record, ID string
	Before                                string // of a confirmed set: when it was frozen; empty: not yet
}

// filter gives it to the outbox.
func (s selected) filter() outbox.Filter {
	f := outbox.Filter{
		Destination: s.Destination, Cause: s.Cause, State: outbox.State(s.State), Record: ledger.BeneficiaryID(s.Record),
	}
	if s.ID != "" {
		f.IDs = []ledger.ChangeID{ledger.ChangeID(s.ID)}
	}
	if at, err := time.Parse(time.RFC3339Nano, s.Before); err == nil {
		f.Before = at
	}
	return f
}

// About says in words which changes they are.
func (s selected) About() string {
	var words []string
	for _, w := range []struct{ name, value string }{
		{"変更", s.ID}, {"宛先", systemWord(ledger.System(s.Destination))}, {"原因", owedCauseWord(s.Cause)},
		{"状態", owedStateWord(outbox.State(s.State))}, {"台帳", s.Record},
	} {
		if w.value != "" {
			words = append(words, w.name+" "+w.value)
		}
	}
	if len(words) == 0 {
		return "すべて"
	}
	return strings.Join(words, "・")
}

// path gives the address of the outbox page for it.
func (s selected) path(more ...string) string {
	q := url.Values{}
	for name, value := range map[string]string{"destination": s.Destination, "cause": s.Cause, "state": s.State, "record": s.Record} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	switch {
	case s.ID != "":
		return "/console/outbox/" + url.PathEscape(s.ID)
	case len(q) > 0:
		return "/console/outbox?" + q.Encode()
	default:
		return "/console/outbox"
	}
}

// outboxView is the page of what is owed.
type outboxView struct {
	Line         owedLine
	First        bool // whether it is the first page of the list: the others show the list alone
	Held         int  // changes that wait for a number
	Moving       bool // whether anything is under way that is not parked
	Destinations []destinationRow
	Groups       []groupRow
	Rows         []owedRow
	Of           selected
	Filtered     bool
	All          bool
	WithOver     string // address of the same with what is over
	Next         string // address of the next page; empty: none
	Again        string
	Replays      []replayRow
}

type destinationRow struct {
	Name, Icon, State, Cause, Next, Oldest string
	Owed, Parked, InFlight, Rate           int
}

type groupRow struct {
	Name, Icon, State, Cause, Code, Oldest, Next, Link string
	Count, Behind                                      int
	Parked                                             bool
	Of                                                 selected
}

type replayRow struct{ ID, By, At, Reason, State, Progress string }

// outboxPage serves GET /console/outbox.
func (x *exchange) outboxPage() error {
	if err := x.actAs(staff.Operator); err != nil {
		return err
	}
	f, err := x.outboxFilter()
	if err != nil {
		return err
	}
	f.Limit = outboxRows
	owed, err := x.web.rooms.Gateway.Owed(x.r.Context(), x.who, f)
	if err != nil {
		return err
	}
	replays, err := x.web.rooms.Gateway.Replays(x.r.Context(), x.who)
	if err != nil {
		return err
	}
	of := selected{Destination: f.Destination, Cause: f.Cause, State: string(f.State), Record: string(f.Record)}
	view := showOutbox(owed, of, x.web.now())
	view.All = f.All
	if f.All {
		view.Again, view.WithOver = of.path("all", "true"), of.path()
	}
	if owed.Next != "" {
		more := []string{"cursor", owed.Next}
		if f.All {
			more = append(more, "all", "true")
		}
		view.Next = of.path(more...)
	}
	for _, r := range replays[:min(len(replays), outboxReplays)] {
		view.Replays = append(view.Replays, replayRow{
			ID: r.ID, By: r.By, At: clock(r.At), Reason: r.Reason, State: replayWord(r.State),
			Progress: strconv.Itoa(r.Total-r.Waiting) + " / " + strconv.Itoa(r.Total) + " 件",
		})
	}
	return x.render(http.StatusOK, "outbox", page{Title: "送信待ち・配信不能", Here: "outbox", Body: view})
}

func showOutbox(p gateway.OwedPage, of selected, now time.Time) outboxView {
	view := outboxView{
		Line: showLine(p.Summary, now), Rows: showAllOwed(p.Changes), Of: of, Filtered: of != selected{},
		Again: of.path(), WithOver: of.path("all", "true"), Moving: p.Summary.Owed > p.Summary.Parked,
		First: p.Summed, Held: p.Held,
	}
	for _, d := range p.Summary.Destinations {
		row := destinationRow{
			Name: systemWord(ledger.System(d.Destination)), Icon: "ok", State: "送信できます", Owed: d.Owed, Parked: d.Parked,
			InFlight: d.InFlight, Rate: d.Rate, Oldest: clock(d.Oldest),
		}
		if !d.Open {
			row.Icon, row.State, row.Cause, row.Next = "alert", "止めています（1件ずつ試します）", owedCauseWord(d.Cause), clock(d.NextProbe)
		}
		view.Destinations = append(view.Destinations, row)
	}
	for _, g := range p.Summary.Groups {
		of := selected{Destination: g.Destination, Cause: g.Cause, State: string(g.State)}
		view.Groups = append(view.Groups, groupRow{
			Name: systemWord(ledger.System(g.Destination)), Icon: owedIcon(g.State), State: owedStateWord(g.State), Cause: groupCause(g),
			Code: g.Code, Oldest: clock(g.Oldest), Next: clock(g.NextAt), Link: of.path(), Count: g.Count, Behind: g.Behind,
			Parked: g.State == outbox.Parked, Of: of,
		})
	}
	return view
}

// groupCause names a group of what has not failed as well.
func groupCause(g outbox.Group) string {
	if g.Cause == "" {
		return "これから送る"
	}
	return owedCauseWord(g.Cause)
}

// changeView is the page of one change.
type changeView struct {
	ID       string
	Rows     []owedRow
	Attempts []attemptRow
	Reason   string // of an undo that was refused
	Error    string
}

type attemptRow struct {
	Destination, What, At, Ended, Outcome, Code, Digest, Replay string
	Number                                                      int
}

// changePage serves GET /console/outbox/{change_id}.
func (x *exchange) changePage() error {
	if err := x.actAs(staff.Operator); err != nil {
		return err
	}
	if _, err := x.query(); err != nil {
		return err
	}
	return x.renderChange(http.StatusOK, changeView{ID: x.r.PathValue("change_id")})
}

func (x *exchange) renderChange(status int, view changeView) error {
	owed, attempts, err := x.web.rooms.Gateway.OwedChange(x.r.Context(), x.who, ledger.ChangeID(view.ID))
	if err != nil {
		return err
	}
	view.Rows = showAllOwed(owed)
	for _, a := range attempts {
		row := attemptRow{
			Destination: systemWord(ledger.System(a.Destination)), What: "送信", At: clock(a.At), Ended: clock(a.Ended),
			Outcome: attemptWord(a.Outcome), Code: a.Code, Digest: a.Digest[:min(len(a.Digest), 12)], Replay: a.Replay, Number: a.Number,
		}
		if a.Confirm {
			row.What = "届いたかの確認"
		}
		view.Attempts = append(view.Attempts, row)
	}
	return x.render(status, "change", page{Title: "変更の送信", Here: "outbox", Body: view})
}
