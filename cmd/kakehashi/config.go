package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"kakehashi/adapters/events"
	"kakehashi/config"
)

func configCommand(s streams) *cobra.Command {
	return group("config", "設定ファイルを検査し、書き方を示します", configCheckCommand(s), configSchemaCommand(s), configEventsCommand(s))
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
環境変数 KAKEHASHI_… による上書きも検査します。複数の自治体を動かす設定では、それぞれの自治体の設定ファイルも
検査します（環境変数が上書きするのは全体の設定だけです）。

終了コード: 0 問題なし / 16 問題がある`,
		Example: "  kakehashi config check /etc/kakehashi/kakehashi.yaml",
		Args:    arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			c := examineConfig(args[0], os.Environ())
			if asJSON {
				if err := writeJSON(s.out, c.spell()); err != nil {
					return err
				}
			} else {
				c.print(s)
			}
			if len(c.problems) > 0 {
				return &ending{code: exitUsage}
			}
			return nil
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

// examined is what is known of a configuration, of one municipality or of a host.
type examined struct {
	problems []config.Problem
	warnings []config.Problem
	cities   []*config.File // where there is no problem
	gateways int            // that serve each of them
}

// examineConfig reads a file of either kind.
func examineConfig(path string, env []string) examined {
	if !config.IsHost(path) {
		f, problems := config.Load(path, env)
		if f == nil {
			return examined{problems: problems}
		}
		return examined{cities: []*config.File{f}, gateways: 1}
	}
	h, problems := config.LoadHost(path, env)
	c := examined{problems: problems}
	if h != nil {
		c.warnings, c.gateways = h.Warnings, h.Gateways
		for _, one := range h.Municipalities {
			c.cities = append(c.cities, one.File)
		}
	}
	return c
}

// spell gives it as JSON.
func (c examined) spell() map[string]any {
	list := func(all []config.Problem) []configProblem {
		out := []configProblem{}
		for _, p := range all {
			out = append(out, configProblem{File: p.File, Line: p.Line, Column: p.Column, Code: p.Code, Text: p.Text})
		}
		return out
	}
	connections := config.Budget(c.cities, c.gateways)
	if connections == nil {
		connections = []config.Connections{}
	}
	return map[string]any{
		"ok": len(c.problems) == 0, "problems": list(c.problems), "warnings": list(c.warnings), "connections": connections,
	}
}

// print gives it in words.
func (c examined) print(s streams) {
	for _, p := range append(c.problems, c.warnings...) {
		_, _ = fmt.Fprintln(s.err, p.String())
	}
	if len(c.problems) > 0 {
		return
	}
	_, _ = fmt.Fprintln(s.out, "設定に問題はありません。")
	for _, f := range c.cities {
		if err := filledIn(f); err != nil {
			_, _ = fmt.Fprintln(s.out, "ただし、serve の前に記入が必要です（自治体 "+f.Municipality.Code+"）。"+err.Error())
		}
	}
	for i, b := range config.Budget(c.cities, c.gateways) {
		_, _ = fmt.Fprintf(s.out, "この構成が使う接続数（PostgreSQL %d台目）: %d（%d自治体×ゲートウェイ%d）、予備 %d、合わせて %d。max_connections をこれ以上にしてください。\n",
			i+1, b.Sets, b.Municipalities, b.Gateways, b.Reserve, b.Total())
	}
}

func configSchemaCommand(s streams) *cobra.Command {
	var asJSON, host bool
	c := &cobra.Command{
		Use:     "schema",
		Short:   "設定ファイルのJSON Schemaを出します（エディターの補完に使えます）",
		Example: "  kakehashi config schema > kakehashi.schema.json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			describe := config.Schema
			if host {
				describe = config.HostSchema
			}
			schema, err := describe()
			if err != nil {
				return err
			}
			_, err = s.out.Write(schema)
			return err
		},
	}
	c.Flags().BoolVar(&host, "host", false, "複数の自治体を動かす設定のものを出します")
	c.Flags().BoolVar(&asJSON, "json", false, "常にJSONです（ほかのコマンドとそろえるための指定）")
	return c
}

func configEventsCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:     "asyncapi",
		Short:   "Kafka の2つのトピックの説明（AsyncAPI 3）を出します",
		Long:    "知らせを受け取る側と、異動通知を出す側に渡す説明です。トピックの名前は既定のものが書いてあります。",
		Example: "  kakehashi config asyncapi > kakehashi.asyncapi.yaml",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := s.out.Write(events.AsyncAPI())
			return err
		},
	}
}
