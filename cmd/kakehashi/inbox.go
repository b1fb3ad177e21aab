package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
)

func inboxCommand(s streams) *cobra.Command {
	return group("inbox", "庁内のシステムから届いた異動通知を、見て、やり直し、対応不要にします",
		inboxListCommand(s),
		inboxPressCommand(s, inboxPress{
			verb: "replay", done: "やり直せる", path: "/v1/inbox/replays",
			short:   "保留した通知と、次の一括処理を待つ通知を、もう一度確認します",
			example: "  kakehashi inbox replay --dir DIR --cause timeout --reason 照会先の復旧\n  kakehashi inbox replay --dir DIR N-… --reason 送り元を設定に追加",
		}),
		inboxPressCommand(s, inboxPress{
			verb: "discard", done: "対応不要にできる", path: "/v1/inbox/discards",
			short:   "保留した通知と、次の一括処理を待つ通知を、対応不要にします（replay に番号を指定すると戻せます）",
			example: "  kakehashi inbox discard --dir DIR --cause unreadable --reason 送り元の誤り --dry-run\n  kakehashi inbox discard --dir DIR N-… --reason 送り元で取り消し済み",
		}))
}

// noticesPage is the answer of GET /v1/inbox, as far as the command reads it.
type noticesPage struct {
	Due       int              `json:"due"`
	Waiting   int              `json:"waiting"`
	Parked    int              `json:"parked"`
	OldestAt  string           `json:"oldest_at"`
	Open      bool             `json:"open"`
	NextProbe string           `json:"next_probe"`
	Cause     string           `json:"cause"`
	Groups    []noticesGroup   `json:"groups"`
	Notices   []jsontext.Value `json:"notices"`
	Next      string           `json:"next"`
}

type noticesGroup struct {
	State    string `json:"state"`
	Cause    string `json:"cause"`
	Text     string `json:"text"`
	Source   string `json:"source"`
	Count    int    `json:"count"`
	OldestAt string `json:"oldest_at"`
}

// noticeLine is one notice, as far as the command prints it.
type noticeLine struct {
	ID         string `json:"id"`
	Source     string `json:"source"`
	Topic      string `json:"topic"`
	Partition  int    `json:"partition"`
	Offset     int64  `json:"offset"`
	ReceivedAt string `json:"received_at"`
	State      string `json:"state"`
	Fails      int    `json:"fails"`
	NextAt     string `json:"next_at"`
	Cause      string `json:"cause"`
	Result     string `json:"result"`
}

// noticesWhere is which notices a command concerns, as flags.
type noticesWhere struct{ state, cause, source string }

func (w *noticesWhere) flags(c *cobra.Command) {
	c.Flags().StringVar(&w.state, "state", "", "この状態のものだけ（due, working, waiting, parked, settled, discarded）")
	c.Flags().StringVar(&w.cause, "cause", "", "この原因のものだけ（list の原因の言葉）")
	c.Flags().StringVar(&w.source, "source", "", "この送り元のものだけ")
}

// terms gives the conditions that were given. An empty one was meant to be something.
func (w *noticesWhere) terms(c *cobra.Command) (map[string]string, error) {
	terms := map[string]string{}
	for name, value := range map[string]string{"state": w.state, "cause": w.cause, "source": w.source} {
		if !c.Flags().Changed(name) {
			continue
		}
		if value == "" {
			return nil, usage{errors.New("--" + name + " が空です")}
		}
		terms[name] = value
	}
	return terms, nil
}

func inboxListCommand(s streams) *cobra.Command {
	var at server
	var filter noticesWhere
	var all, asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "届いた異動通知を、原因ごとにまとめて一覧にします（人の番号は出ません）",
		Example: `  kakehashi inbox list --dir DIR
  kakehashi inbox list --dir DIR --state parked --json`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			terms, err := filter.terms(c)
			if err != nil {
				return err
			}
			gateway, err := at.connect("operator")
			if err != nil {
				return err
			}
			page, err := gateway.notices(c.Context(), terms, all)
			switch {
			case err != nil:
				return err
			case asJSON:
				return writeJSON(s.out, page.Notices)
			}
			return printNotices(s.out, page)
		},
	}
	at.flags(c)
	filter.flags(c)
	c.Flags().BoolVar(&all, "all", false, "確認済みと対応不要にしたものも出します")
	jsonFlag(c, &asJSON)
	return c
}

// notices reads every page of the list. The first alone is summed up.
func (c *client) notices(ctx context.Context, terms map[string]string, all bool) (noticesPage, error) {
	query := url.Values{"limit": {"1000"}}
	for name, value := range terms {
		query.Set(name, value)
	}
	if all {
		query.Set("all", "true")
	}
	whole := noticesPage{Notices: []jsontext.Value{}}
	for next := ""; ; query.Set("cursor", next) {
		var page noticesPage
		if err := c.get(ctx, "/v1/inbox", query, &page); err != nil {
			return noticesPage{}, err
		}
		if next == "" {
			whole = page
		} else {
			whole.Notices = append(whole.Notices, page.Notices...)
		}
		if next = page.Next; next == "" {
			return whole, nil
		}
	}
}

func printNotices(out io.Writer, page noticesPage) error {
	_, _ = fmt.Fprintf(out, "確認待ち %d 件、次の一括処理を待つ %d 件、保留 %d 件", page.Due, page.Waiting, page.Parked)
	if page.OldestAt != "" {
		_, _ = fmt.Fprintf(out, "、最古の確認待ち %s", page.OldestAt)
	}
	_, _ = fmt.Fprintln(out)
	if !page.Open && page.Cause != "" {
		_, _ = fmt.Fprintf(out, "照会先から答えがないので（%s）、1人ずつ試しています。次 %s\n", page.Cause, page.NextProbe)
	}
	for _, g := range page.Groups {
		_, _ = fmt.Fprintf(out, "  %s %s %s: %d 件 最古 %s\n", noticeWord(g.State), cmp.Or(g.Text, g.Cause, "順番どおり"), cmp.Or(g.Source, "送り元不明"), g.Count, g.OldestAt)
	}
	for _, raw := range page.Notices {
		var n noticeLine
		if err := decode(string(raw), &n); err != nil {
			return err
		}
		place := "API"
		if n.Topic != "" {
			place = fmt.Sprintf("%s %d/%d", n.Topic, n.Partition, n.Offset)
		}
		_, _ = fmt.Fprintf(out, "%s %s %s %s %s", n.ID, noticeWord(n.State), cmp.Or(n.Source, "送り元不明"), place, n.ReceivedAt)
		if word := cmp.Or(n.Cause, n.Result); word != "" {
			_, _ = fmt.Fprint(out, " "+word)
		}
		if n.State == "due" && n.Fails > 0 {
			_, _ = fmt.Fprintf(out, " 失敗 %d回 次回 %s", n.Fails, n.NextAt)
		}
		_, _ = fmt.Fprintln(out)
	}
	return nil
}

// noticeWord is the word on screen for a notice's state.
func noticeWord(state string) string {
	switch state {
	case "due":
		return "確認待ち"
	case "working":
		return "確認中"
	case "waiting":
		return "次の一括処理を待つ"
	case "parked":
		return "保留"
	case "settled":
		return "確認済み"
	case "discarded":
		return "対応不要"
	default:
		return state
	}
}

// inboxPress is a command that does something with notices at once.
type inboxPress struct{ verb, done, path, short, example string }

// noticesDone is what was done, or would be.
type noticesDone struct {
	At     string `json:"at"`
	Total  int    `json:"total"`
	Can    int    `json:"can"`
	Cannot int    `json:"cannot"`
	Left   int    `json:"left"`
	Why    []why  `json:"why"`
}

func inboxPressCommand(s streams, p inboxPress) *cobra.Command {
	var at server
	var filter noticesWhere
	var sel selection
	var asJSON bool
	c := &cobra.Command{
		Use:     p.verb + " [ID… | --state 状態 --cause 原因 --source 送り元]",
		Short:   p.short,
		Example: p.example,
		RunE: func(c *cobra.Command, args []string) error {
			terms, err := filter.terms(c)
			switch {
			case err != nil:
				return err
			case (len(args) > 0) == (len(terms) > 0):
				return usage{errors.New("通知の番号か、--state --cause --source のどちらか一方で対象を指定してください")}
			case strings.TrimSpace(sel.Reason) == "" && !sel.DryRun:
				return usage{errors.New("--reason（理由）が必要です")}
			case len(args) > 0:
				sel.IDs = args
			default:
				sel.Where = &terms
			}
			gateway, err := at.connect("operator")
			if err != nil {
				return err
			}
			return gateway.pressNotices(c.Context(), s, p, sel, asJSON)
		},
	}
	at.flags(c)
	filter.flags(c)
	sel.flags(c)
	jsonFlag(c, &asJSON)
	return c
}

// pressNotices does it, as many at once as the gateway takes, until none is left.
func (c *client) pressNotices(ctx context.Context, s streams, p inboxPress, sel selection, asJSON bool) error {
	var whole noticesDone
	for first := true; ; first = false {
		var done noticesDone
		if err := c.post(ctx, p.path, sel, &done); err != nil {
			return err
		}
		if first {
			whole = done
		} else {
			whole.Can, whole.Cannot, whole.Left = whole.Can+done.Can, whole.Cannot+done.Cannot, done.Left
		}
		if done.Left == 0 || done.Can == 0 || sel.DryRun { // what cannot be done would come again and again
			break
		}
		sel.Count = 0
	}
	if whole.Why == nil {
		whole.Why = []why{}
	}
	var err error
	if asJSON {
		err = writeJSON(s.out, whole)
	} else {
		_, _ = fmt.Fprintf(s.out, "対象 %d 件／%s %d ／できない %d ／残り %d\n", whole.Total, p.done, whole.Can, whole.Cannot, whole.Left)
		for _, why := range whole.Why {
			_, _ = fmt.Fprintf(s.out, "  できない: %s %d 件\n", why.Text, why.Count)
		}
	}
	if sel.DryRun {
		return err
	}
	return errors.Join(err, plan{Can: whole.Can, Cannot: whole.Cannot}.ended(len(sel.IDs) > 0))
}
