package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"kakehashi/config"
)

func configCommand(s streams) *cobra.Command {
	return group("config", "設定ファイルを検査し、書き方を示します", configCheckCommand(s), configSchemaCommand(s))
}

// configProblem is one problem of a configuration as JSON.
type configProblem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Code   string `json:"code"`
	Text   string `json:"text"`
}

func configCheckCommand(s streams) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "check ファイル",
		Short: "設定ファイルを検査します（ゲートウェイは要りません）",
		Long: `設定ファイルのすべての問題を、ファイル名:行:桁 とともに一度に示します。値は表示しません。
環境変数 KAKEHASHI_… による上書きも検査します。

終了コード: 0 問題なし / 16 問題がある`,
		Example: "  kakehashi config check /etc/kakehashi/kakehashi.yaml",
		Args:    arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, problems := config.Load(args[0], os.Environ())
			list := []configProblem{}
			for _, p := range problems {
				list = append(list, configProblem{File: p.File, Line: p.Line, Column: p.Column, Code: p.Code, Text: p.Text})
				if !asJSON {
					_, _ = fmt.Fprintln(s.err, p.String())
				}
			}
			if asJSON {
				if err := writeJSON(s.out, map[string]any{"ok": len(list) == 0, "problems": list}); err != nil {
					return err
				}
			}
			if len(list) > 0 {
				return &ending{code: exitUsage}
			}
			if !asJSON {
				_, _ = fmt.Fprintln(s.out, "設定に問題はありません。")
				if err := filledIn(f); err != nil {
					_, _ = fmt.Fprintln(s.out, "ただし、serve の前に記入が必要です。"+err.Error())
				}
			}
			return nil
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

func configSchemaCommand(s streams) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "schema",
		Short:   "設定ファイルのJSON Schemaを出します（エディターの補完に使えます）",
		Example: "  kakehashi config schema > kakehashi.schema.json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			schema, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = s.out.Write(schema)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "常にJSONです（ほかのコマンドとそろえるための指定）")
	return c
}
