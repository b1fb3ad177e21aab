package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"kakehashi/internal/sandbox"
)

func sandboxReceivedCommand(s streams) *cobra.Command {
	var dir string
	var asJSON bool
	c := &cobra.Command{
		Use:   "received 相手先",
		Short: "相手先が書き込みとして受け取ったものを、届いた順に一覧にします",
		Long: `相手先が書き込みとして受け取ったもの（断ったものも）を、届いた順に出します。
相手先が動いていなくても見られます。書き込みを受けるのは address（団体内統合宛名）だけです。
applied は効いたもの、repeated は同じキーで届いたので効かせなかったもの、refused は断ったものです。`,
		Example: "  kakehashi sandbox received --dir DIR address\n  kakehashi sandbox received --dir DIR address --json",
		Args:    arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			writes, err := sandbox.Received(filepath.Join(dir, sandboxFolder), args[0])
			if err != nil {
				return standIns(err)
			}
			if asJSON {
				return writeJSON(s.out, writes)
			}
			return writesTable(s.out, writes)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "demo のフォルダー（必須）")
	jsonFlag(c, &asJSON)
	required(c, "dir")
	return c
}

// writesTable lists writes as people read them.
func writesTable(w io.Writer, writes []sandbox.Write) error {
	if len(writes) == 0 {
		_, err := fmt.Fprintln(w, "受け取った書き込みはありません。")
		return err
	}
	words := map[string]string{
		sandbox.KindNumbering: "住登外者の付番", sandbox.KindPersonUse: "業務利用の登録", sandbox.KindMailingAddress: "送付先の登録",
		sandbox.EffectApplied: "反映", sandbox.EffectRepeated: "再送（反映済み）", sandbox.EffectRefused: "拒否",
	}
	for _, e := range writes {
		said := said(words, e.Kind, e.Effect)
		line := fmt.Sprintf("%s %s %s 宛名番号 %s 変更 %s", e.At.Format("2006-01-02 15:04:05.000"), said[0], said[1], orDash(e.AtenaNumber), orDash(e.ChangeID))
		if e.Version != "" {
			line += " 履歴番号 " + e.Version
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d件\n", len(writes))
	return err
}

// orDash gives a dash for what is not there.
func orDash(word string) string {
	if word == "" {
		return "－"
	}
	return word
}

// The words by which a system is told what to do with keys.
const (
	keysHonour = "honour"
	keysIgnore = "ignore"
)

func sandboxKeysCommand(s streams) *cobra.Command {
	var dir string
	var asJSON bool
	c := &cobra.Command{
		Use:   "keys 相手先 honour|ignore",
		Short: "同じキーの書き込みを1回だけ効かせるかどうかを決めます",
		Long: `相手先が、同じ Idempotency-Key の書き込みを1回だけ効かせる（honour）か、届いた数だけ効かせる（ignore）かを
決めます。公開されている仕様はキーについて何も約束していないので、はじめは ignore です。
相手先は address（団体内統合宛名）だけです。動いていなくても決められます。`,
		Example: "  kakehashi sandbox keys --dir DIR address honour",
		Args:    arguments(2, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] != sandbox.Address || (args[1] != keysHonour && args[1] != keysIgnore) {
				return standIns(fmt.Errorf("set what keys do: %w", sandbox.ErrUnknown))
			}
			if err := sandbox.HonourKeys(c.Context(), filepath.Join(dir, sandboxFolder), args[1] == keysHonour); err != nil {
				return standIns(err)
			}
			if asJSON {
				return writeJSON(s.out, map[string]any{"ok": true, "system": args[0], "keys": args[1]})
			}
			_, err := fmt.Fprintf(s.out, "%s のキーの扱いを %s にしました。\n", args[0], args[1])
			return err
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "demo のフォルダー（必須）")
	jsonFlag(c, &asJSON)
	required(c, "dir")
	return c
}
