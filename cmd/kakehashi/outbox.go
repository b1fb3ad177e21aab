package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
)

func outboxCommand(s streams) *cobra.Command {
	return group("outbox", "相手先への送信待ちと配信不能を、見て、再送し、対応不要にします",
		outboxListCommand(s), outboxShowCommand(s), outboxReplayCommand(s), outboxDiscardCommand(s), outboxUndoCommand(s), outboxAnswerCommand(s),
		outboxReplaysCommand(s), outboxHoldCommand(s, "stop", "再送の途中で、安全に止めます"), outboxHoldCommand(s, "resume", "止めた再送を、続きから進めます"))
}

// owedPage is the answer of GET /v1/outbox, as far as the command reads it.
type owedPage struct {
	Owed     int              `json:"owed"`
	Parked   int              `json:"parked"`
	Held     int              `json:"waiting_for_number"`
	OldestAt string           `json:"oldest_at"`
	Groups   []owedGroup      `json:"groups"`
	Shut     []owedShut       `json:"destinations"`
	Changes  []jsontext.Value `json:"changes"`
	Next     string           `json:"next"`
}

// owedShut is a destination, for whether it is told or only probed.
type owedShut struct {
	Destination string `json:"destination"`
	Open        bool   `json:"open"`
	NextProbe   string `json:"next_probe"`
	Cause       string `json:"cause"`
}

type owedGroup struct {
	Destination string `json:"destination"`
	State       string `json:"state"`
	Cause       string `json:"cause"`
	Text        string `json:"text"`
	Count       int    `json:"count"`
	Behind      int    `json:"behind"`
	OldestAt    string `json:"oldest_at"`
	NextAt      string `json:"next_at"`
}

// owed is one change and destination, as far as the command prints it.
type owed struct {
	Change      string `json:"change_id"`
	Destination string `json:"destination"`
	Record      string `json:"record"`
	Kind        string `json:"kind"`
	State       string `json:"state"`
	Attempts    int    `json:"attempts"`
	EnqueuedAt  string `json:"enqueued_at"`
	NextAt      string `json:"next_at"`
	Cause       string `json:"cause"`
	Question    string `json:"question"`
	Behind      int    `json:"behind"`
	WaitsFor    string `json:"waits_for"`
}

// where is which changes a command concerns, as flags.
type where struct {
	pairs []string
}

func (w *where) flags(c *cobra.Command) {
	c.Flags().StringArrayVar(&w.pairs, "where", nil, "条件 名前=値。名前は destination, cause, record, state（くり返すか、カンマで区切れます）。all はすべて")
}

// terms reads the conditions; none at all is every change. What they are called is checked
// here, so that a mistyped or empty one does not widen the selection.
func (w *where) terms() (map[string]string, error) {
	terms := map[string]string{}
	if len(w.pairs) == 0 || len(w.pairs) == 1 && w.pairs[0] == "all" {
		return terms, nil
	}
	for pair := range strings.SplitSeq(strings.Join(w.pairs, ","), ",") {
		name, value, ok := strings.Cut(pair, "=")
		switch {
		case pair == "all":
			return nil, usage{errors.New("--where all は、ほかの条件と一緒には使えません")}
		case !ok || value == "":
			return nil, usage{errors.New("--where は 名前=値 の形にしてください（例 cause=down,destination=address。すべてなら all）")}
		case name != "destination" && name != "cause" && name != "record" && name != "state":
			return nil, usage{errors.New("--where の名前は destination, cause, record, state です")}
		case terms[name] != "":
			return nil, usage{errors.New("--where に同じ名前が2度あります")}
		}
		terms[name] = value
	}
	return terms, nil
}

func outboxListCommand(s streams) *cobra.Command {
	var at server
	var filter where
	var all, asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "送信待ちと配信不能を、原因ごとにまとめて一覧にします",
		Example: `  kakehashi outbox list --dir DIR
  kakehashi outbox list --dir DIR --where state=parked,cause=rejected --json`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			terms, err := filter.terms()
			if err != nil {
				return err
			}
			gateway, err := at.connect("operator")
			if err != nil {
				return err
			}
			page, err := gateway.owed(c.Context(), terms, all)
			switch {
			case err != nil:
				return err
			case asJSON:
				return writeJSON(s.out, page.Changes)
			}
			return printOwed(s.out, page)
		},
	}
	at.flags(c)
	filter.flags(c)
	c.Flags().BoolVar(&all, "all", false, "送り終えたものと対応不要にしたものも出します")
	jsonFlag(c, &asJSON)
	return c
}

// owed reads every page of the list. The first alone is summed up.
func (c *client) owed(ctx context.Context, terms map[string]string, all bool) (owedPage, error) {
	query := url.Values{"limit": {"1000"}}
	for name, value := range terms {
		query.Set(name, value)
	}
	if all {
		query.Set("all", "true")
	}
	var whole owedPage // its sums are those of the first page
	for next := ""; ; query.Set("cursor", next) {
		var page owedPage
		if err := c.get(ctx, "/v1/outbox", query, &page); err != nil {
			return owedPage{}, err
		}
		if next == "" {
			whole = page
		} else {
			whole.Changes = append(whole.Changes, page.Changes...)
		}
		if next = page.Next; next == "" {
			return whole, nil
		}
	}
}

func printOwed(out io.Writer, page owedPage) error {
	_, _ = fmt.Fprintf(out, "送信待ち・配信不能 %d 件（うち配信不能 %d 件）", page.Owed, page.Parked)
	if page.OldestAt != "" {
		_, _ = fmt.Fprintf(out, "、最古 %s", page.OldestAt)
	}
	_, _ = fmt.Fprintln(out)
	if page.Held > 0 {
		_, _ = fmt.Fprintf(out, "宛名番号が付くのを待っている変更 %d 件（まだ送信待ちに入っていません）\n", page.Held)
	}
	for _, d := range page.Shut {
		if !d.Open {
			_, _ = fmt.Fprintf(out, "%s への送信を止めています（%s）。1件ずつ試します。次 %s\n", d.Destination, d.Cause, d.NextProbe)
		}
	}
	for _, g := range page.Groups {
		_, _ = fmt.Fprintf(out, "  %s %s %s: %d 件（順番待ち %d 件）最古 %s", g.Destination, owedWord(g.State), cmp.Or(g.Text, g.Cause, "順番どおり"), g.Count, g.Behind, g.OldestAt)
		if g.State == "pending" && g.NextAt != "" {
			_, _ = fmt.Fprintf(out, " 次回 %s", g.NextAt)
		}
		_, _ = fmt.Fprintln(out)
	}
	for _, raw := range page.Changes {
		var o owed
		if err := decode(string(raw), &o); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "%s %s %s %s %d回 %s", o.Change, o.Destination, o.Kind, owedWord(o.State), o.Attempts, o.Cause)
		if o.State == "pending" && o.NextAt != "" {
			_, _ = fmt.Fprintf(out, " 次回 %s", o.NextAt)
		}
		switch {
		case o.Question != "":
			_, _ = fmt.Fprint(out, " 届いたかどうか分かりません")
		case o.WaitsFor != "":
			_, _ = fmt.Fprintf(out, " 先の %s を待っています", o.WaitsFor)
		}
		_, _ = fmt.Fprintln(out)
	}
	return nil
}

// owedWord is the word on screen for a state (experience.md 2.7).
func owedWord(state string) string {
	switch state {
	case "pending":
		return "送信待ち"
	case "in_flight":
		return "送信中"
	case "delivered":
		return "送信済み"
	case "parked":
		return "配信不能"
	case "discarded":
		return "対応不要"
	default:
		return state
	}
}

func outboxShowCommand(s streams) *cobra.Command {
	var at server
	var asJSON bool
	c := &cobra.Command{
		Use:     "show ID",
		Short:   "一つの変更について、相手先ごとの状態と、すべての試行を表示します",
		Example: "  kakehashi outbox show --dir DIR C-…",
		Args:    arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			gateway, err := at.connect("operator")
			if err != nil {
				return err
			}
			var raw jsontext.Value
			if err := gateway.get(c.Context(), "/v1/outbox/"+url.PathEscape(args[0]), nil, &raw); err != nil {
				return err
			}
			if !asJSON {
				return printJSON(s.out, raw)
			}
			_, err = fmt.Fprintln(s.out, string(raw))
			return err
		},
	}
	at.flags(c)
	jsonFlag(c, &asJSON)
	return c
}

// selection is the body of a replay and of a discard. An empty filter means everything and
// is not left out.
type selection struct {
	IDs    []string           `json:"ids,omitzero"`
	Where  *map[string]string `json:"where,omitzero"`
	Reason string             `json:"reason,omitzero"`
	DryRun bool               `json:"dry_run,omitzero"`
	Count  int                `json:"count,omitzero"`
}

// choose makes the selection of arguments and flags: IDs or a filter, never both or neither.
func (sel *selection) choose(ids []string, w *where) error {
	if (len(ids) > 0) == (len(w.pairs) > 0) {
		return usage{errors.New("変更のID か --where のどちらか一方で対象を指定してください（すべてなら --where all）")}
	}
	if sel.Reason == "" && !sel.DryRun {
		return usage{errors.New("--reason（理由）が必要です")}
	}
	if len(ids) > 0 {
		sel.IDs = ids
		return nil
	}
	terms, err := w.terms()
	sel.Where = &terms
	return err
}

func (sel *selection) flags(c *cobra.Command) {
	c.Flags().StringVar(&sel.Reason, "reason", "", "理由（必須。記録に残ります。氏名や番号は書かないでください）")
	c.Flags().BoolVar(&sel.DryRun, "dry-run", false, "何も変えず、対象の件数と、できないものの理由だけを出します")
	c.Flags().IntVar(&sel.Count, "count", 0, "確認した件数。対象の件数と違えば何もしません")
}

// plan is what a replay or discard would do, or did.
type plan struct {
	ID     string `json:"id"`
	At     string `json:"at"`
	Can    int    `json:"can"`
	Cannot int    `json:"cannot"`
	Why    []why  `json:"why"`
}

// why is a reason for which something cannot be done, and of how many.
type why struct {
	Word  string `json:"word"`
	Text  string `json:"text"`
	Count int    `json:"count"`
}

func (p plan) print(out io.Writer, verb string) {
	_, _ = fmt.Fprintf(out, "対象 %d 件（%s に固定）／%sできる %d ／できない %d\n", p.Can+p.Cannot, p.At, verb, p.Can, p.Cannot)
	for _, why := range p.Why {
		_, _ = fmt.Fprintf(out, "  できない: %s %d 件\n", why.Text, why.Count)
	}
}

// ended gives the exit code of a plan that was carried out: a warning where some of what was
// named could not be done, and a refusal where nothing of it could.
func (p plan) ended(named bool) error {
	switch {
	case p.Cannot == 0:
		return nil
	case p.Can == 0 && named:
		return &ending{code: exitData, text: "KKH5110 指定した変更は、どれも対象にできませんでした。"}
	case named:
		return &ending{code: exitWarning}
	default:
		return nil
	}
}

func outboxDiscardCommand(s streams) *cobra.Command {
	var at server
	var filter where
	var sel selection
	var asJSON bool
	c := &cobra.Command{
		Use:   "discard [ID… | --where 条件]",
		Short: "配信不能の変更を、対応不要にします（印をつけるだけで、undo で戻せます）",
		Example: `  kakehashi outbox discard --dir DIR C-… --reason 相手先の画面で入力済み
  kakehashi outbox discard --dir DIR --where cause=rejected --reason 転出のため --dry-run`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := sel.choose(args, &filter); err != nil {
				return err
			}
			return at.change(c.Context(), s, act{path: "/v1/outbox/discards", verb: "対応不要に", json: asJSON}, sel)
		},
	}
	at.flags(c)
	filter.flags(c)
	sel.flags(c)
	jsonFlag(c, &asJSON)
	return c
}

func outboxUndoCommand(s streams) *cobra.Command {
	var at server
	var sel selection
	var asJSON bool
	c := &cobra.Command{
		Use:     "undo ID…",
		Short:   "対応不要の印を取り消し、配信不能に戻します",
		Long:    "対応不要の印を取り消します。同じ台帳の後の変更がすでに届いているときは、順番が入れかわるので取り消せません。",
		Example: "  kakehashi outbox undo --dir DIR C-… --reason 取り違え",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || sel.Reason == "" {
				return usage{errors.New("変更のID と --reason（理由）が必要です")}
			}
			sel.IDs = args
			return at.change(c.Context(), s, act{path: "/v1/outbox/discards/undo", verb: "取り消し", json: asJSON}, sel)
		},
	}
	at.flags(c)
	c.Flags().StringVar(&sel.Reason, "reason", "", "理由（必須。記録に残ります。氏名や番号は書かないでください）")
	jsonFlag(c, &asJSON)
	return c
}

// act is what is done at once with a selection.
type act struct {
	path, verb string
	json       bool
}

// change posts a selection whose answer is a plan that was carried out at once.
func (at *server) change(ctx context.Context, s streams, a act, sel selection) error {
	gateway, err := at.connect("operator")
	if err != nil {
		return err
	}
	var raw jsontext.Value
	if err := gateway.post(ctx, a.path, sel, &raw); err != nil {
		return err
	}
	var p plan
	if err := decode(string(raw), &p); err != nil {
		return err
	}
	if a.json {
		_, err = fmt.Fprintln(s.out, string(raw))
	} else {
		p.print(s.out, a.verb)
	}
	return errors.Join(err, p.ended(len(sel.IDs) > 0))
}

// pollEvery is how often a command asks how far a replay is.
const pollEvery = 300 * time.Millisecond
