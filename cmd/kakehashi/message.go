package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"kakehashi/internal/manual"
)

func messageCommand(s streams) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "message [番号]",
		Short:   "メッセージ番号の意味と対処を表示します",
		Example: "  kakehashi message KKH2101\n  kakehashi message --json",
		Args:    arguments(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			found := manual.All()
			if len(args) == 1 {
				m, ok := manual.Message(strings.ToUpper(args[0]))
				if !ok {
					return &ending{code: exitData, text: "KKH0102 そのメッセージ番号はありません。番号は KKH と4桁の数字です。"}
				}
				found = []manual.Entry{m}
			}
			if asJSON {
				return writeJSON(s.out, found)
			}
			for _, m := range found {
				if len(args) == 0 {
					_, _ = fmt.Fprintf(s.out, "%s-%s %s\n", m.Code, m.Severity, m.Text)
					continue
				}
				_, _ = fmt.Fprintf(s.out, "%s-%s %s\n原因: %s\n影響: %s\n対処: %s\n", m.Code, m.Severity, m.Text, m.Cause, m.Effect, m.Action)
			}
			return nil
		},
	}
	jsonFlag(c, &asJSON)
	c.AddCommand(manualPageCommand(s))
	return c
}

func manualPageCommand(s streams) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "manual [ページ]",
		Short:   "手引きを表示します（省くと一覧）",
		Example: "  kakehashi message manual\n  kakehashi message manual 監査人の手引き",
		Args:    arguments(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				if asJSON {
					return writeJSON(s.out, manual.Pages())
				}
				_, err := fmt.Fprintln(s.out, strings.Join(manual.Pages(), "\n"))
				return err
			}
			text, ok := manual.Page(args[0])
			if !ok {
				return usage{errors.New("そのページはありません。一覧: kakehashi message manual")}
			}
			if asJSON {
				return writeJSON(s.out, map[string]string{"page": args[0], "text": text})
			}
			_, err := fmt.Fprintln(s.out, text)
			return err
		},
	}
	jsonFlag(c, &asJSON)
	return c
}
