package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
)

// replayState is how far a replay is.
type replayState struct {
	ID          string `json:"id"`
	By          string `json:"by"`
	At          string `json:"at"`
	Reason      string `json:"reason"`
	State       string `json:"state"` // running, stopped, done
	Total       int    `json:"total"`
	Waiting     int    `json:"waiting"`
	Armed       int    `json:"armed"`
	Delivered   int    `json:"delivered"`
	ParkedAgain int    `json:"parked_again"`
	Skipped     int    `json:"skipped"`
	Why         []why  `json:"why"`
}

func (r replayState) print(out io.Writer) {
	word := map[string]string{"running": "進行中", "stopped": "停止", "done": "完了"}[r.State]
	_, _ = fmt.Fprintf(out, "再送 %s %s: %d / %d 件（届いた %d・再び配信不能 %d・対象外 %d・残り %d） 職員 %s %s 理由 %s\n",
		r.ID, word, r.Total-r.Waiting, r.Total, r.Delivered, r.ParkedAgain, r.Skipped, r.Waiting, r.By, r.At, r.Reason)
	for _, why := range r.Why {
		_, _ = fmt.Fprintf(out, "  対象外: %s %d 件\n", why.Text, why.Count)
	}
}

func outboxReplayCommand(s streams) *cobra.Command {
	var at server
	var filter where
	var sel selection
	var asJSON, noWait bool
	c := &cobra.Command{
		Use:   "replay [ID… | --where 条件]",
		Short: "配信不能の変更を、古いものから再送します",
		Long: `配信不能の変更を再送します。対象は始めた時点で固定され、その後に増えたものには触れません。
同じ台帳の変更の順番は変わりません。送り終えたものを再送することはありません。
Ctrl+C で止めると、まだ再送していないものは配信不能のまま残り、resume で続きから進められます。`,
		Example: `  kakehashi outbox replay --dir DIR --where cause=rejected,destination=address --reason 相手先の復旧 --dry-run
  kakehashi outbox replay --dir DIR --where all --reason 相手先の復旧 --count 398
  kakehashi outbox replay --dir DIR C-… --reason 相手先で未登録を確認`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := sel.choose(args, &filter); err != nil {
				return err
			}
			gateway, err := at.connect("operator")
			if err != nil {
				return err
			}
			return gateway.replay(c.Context(), s, sel, asJSON, noWait)
		},
	}
	at.flags(c)
	filter.flags(c)
	sel.flags(c)
	c.Flags().BoolVar(&noWait, "no-wait", false, "始めるだけで、終わりを待ちません")
	jsonFlag(c, &asJSON)
	return c
}

// replay begins a replay and follows it until everything of it is armed again.
func (c *client) replay(ctx context.Context, s streams, sel selection, asJSON, noWait bool) error {
	var raw jsontext.Value
	if err := c.post(ctx, "/v1/outbox/replays", sel, &raw); err != nil {
		return err
	}
	var p plan
	if err := decode(string(raw), &p); err != nil {
		return err
	}
	if !asJSON {
		p.print(s.out, "再送")
	}
	if sel.DryRun || noWait || p.ID == "" {
		if asJSON {
			_, _ = fmt.Fprintln(s.out, string(raw))
		}
		return p.ended(len(sel.IDs) > 0)
	}
	final, err := c.follow(ctx, s.err, p.ID)
	switch {
	case err != nil:
		return err
	case asJSON:
		err = writeJSON(s.out, map[string]any{"id": p.ID, "at": p.At, "can": p.Can, "cannot": p.Cannot, "why": p.Why, "replay": final})
	default:
		final.print(s.out)
	}
	switch {
	case err != nil:
	case final.Total > 0 && final.Skipped == final.Total:
		return &ending{code: exitData, text: "KKH5110 指定した変更は、どれも対象にできませんでした。"}
	case final.incomplete():
		return &ending{code: exitWarning}
	}
	return errors.Join(err, p.ended(len(sel.IDs) > 0))
}

// incomplete tells whether somebody has to look again: it was stopped, or some of it came
// back.
func (r replayState) incomplete() bool {
	return r.State == "stopped" || r.Waiting > 0 || r.ParkedAgain > 0
}

// follow asks how far a replay is until it is over. Whoever interrupts it stops the replay.
func (c *client) follow(ctx context.Context, progress io.Writer, id string) (replayState, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	shown := -1
	for {
		var state replayState
		if err := c.get(ctx, "/v1/outbox/replays/"+id, nil, &state); err != nil && ctx.Err() == nil {
			return state, err
		}
		if state.State == "done" || state.State == "stopped" {
			return state, nil
		}
		if ctx.Err() == nil && state.Total-state.Waiting != shown {
			shown = state.Total - state.Waiting
			_, _ = fmt.Fprintf(progress, "再送しています %d / %d 件\n", shown, state.Total)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			err := c.post(after, "/v1/outbox/replays/"+id+"/stop", map[string]string{"reason": "Ctrl+C"}, nil)
			text := "KKH5111 再送を止めました。残りは配信不能のままです。続きは kakehashi outbox resume " + id
			if err != nil {
				text = "KKH5112 中断しましたが、再送を止められませんでした。kakehashi outbox stop " + id + " で止めてください。"
			}
			return state, &ending{code: exitInterrupted, text: text}
		}
	}
}

func outboxReplaysCommand(s streams) *cobra.Command {
	var at server
	var asJSON bool
	c := &cobra.Command{
		Use:     "replays [ID]",
		Short:   "これまでの再送と、その進み具合を表示します",
		Example: "  kakehashi outbox replays --dir DIR",
		Args:    arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			gateway, err := at.connect("operator")
			if err != nil {
				return err
			}
			var list struct {
				Replays []replayState `json:"replays"`
			}
			if len(args) == 1 {
				list.Replays = make([]replayState, 1)
				err = gateway.get(c.Context(), "/v1/outbox/replays/"+args[0], nil, &list.Replays[0])
			} else {
				err = gateway.get(c.Context(), "/v1/outbox/replays", nil, &list)
			}
			switch {
			case err != nil:
				return err
			case asJSON:
				return writeJSON(s.out, list.Replays)
			}
			for _, r := range list.Replays {
				r.print(s.out)
			}
			return nil
		},
	}
	at.flags(c)
	jsonFlag(c, &asJSON)
	return c
}

// outboxHoldCommand stops or resumes a replay.
func outboxHoldCommand(s streams, verb, short string) *cobra.Command {
	var at server
	var reason string
	c := &cobra.Command{
		Use:     verb + " ID",
		Short:   short,
		Example: "  kakehashi outbox " + verb + " --dir DIR R-… --reason 相手先の都合",
		Args:    arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			gateway, err := at.connect("operator")
			if err != nil {
				return err
			}
			var state replayState
			if err := gateway.post(c.Context(), "/v1/outbox/replays/"+args[0]+"/"+verb, map[string]string{"reason": reason}, &state); err != nil {
				return err
			}
			state.print(s.out)
			return nil
		},
	}
	at.flags(c)
	c.Flags().StringVar(&reason, "reason", "", "理由（必須）")
	required(c, "reason")
	return c
}
