package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"kakehashi/mapping"
)

func mappingCommand(s streams) *cobra.Command {
	return group("mapping", "番号・日付の形を確かめます", mappingCheckCommand(s))
}

// checked is one line of mapping check.
type checked struct {
	Line  int    `json:"line"`
	State string `json:"state"` // valid, doubtful, wrong
	Text  string `json:"text,omitempty"`
}

func mappingCheckCommand(s streams) *cobra.Command {
	var asJSON bool
	kinds := strings.Join(mapping.Kinds(), ", ")
	c := &cobra.Command{
		Use:   "check 種類 [値]",
		Short: "番号や日付が正しい形か、検査数字が合うかを確かめます",
		Long: `値を1つ、または標準入力から1行に1つずつ読み、それぞれ「正しい」「疑わしい」「誤り」を示します。
個人番号は標準入力からだけ読みます（引数はほかの利用者に見えるため）。

種類: ` + kinds + `

終了コード（いちばん悪いもの）: 0 すべて正しい / 4 疑わしいものがある / 20 誤りがある`,
		Example: "  kakehashi mapping check municipality-code 112127\n  kakehashi mapping check date 令和6年4月1日\n  kakehashi mapping check individual-number < 番号.txt",
		Args:    arguments(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 2 && args[0] == "individual-number" {
				return usage{errors.New("個人番号は引数に書かず、標準入力から読ませてください")}
			}
			if len(args) == 2 {
				return checkLines(args[0], strings.NewReader(args[1]+"\n"), true, asJSON, s.out)
			}
			return checkLines(args[0], s.in, false, asJSON, s.out)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "結果を1行ずつJSONで出します")
	return c
}

// checkLines checks a value a line and ends with the worst; empty lines count where they
// were given on purpose.
func checkLines(kind string, values io.Reader, empty, asJSON bool, out io.Writer) error {
	worst, n, line := exitOK, 0, 0
	lines := bufio.NewScanner(values)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line++
		value := strings.TrimSuffix(lines.Text(), "\r")
		if value == "" && !empty {
			continue
		}
		n++
		v, err := mapping.Check(kind, value)
		if err != nil {
			return usage{fmt.Errorf("知らない種類です。使えるもの: %s", strings.Join(mapping.Kinds(), ", "))}
		}
		row := checked{Line: line, Text: v.Text}
		row.State, worst = stateOf(v.State, worst)
		if asJSON {
			err = writeJSON(out, row)
		} else {
			_, err = fmt.Fprintf(out, "%d: %s\n", line, strings.TrimSpace(stateWord(row.State)+" "+v.Text))
		}
		if err != nil {
			return err
		}
	}
	switch {
	case lines.Err() != nil:
		return usage{errors.New("標準入力を読めません（1行は1MiBまで）")}
	case n == 0:
		return usage{errors.New("確かめる値がありません")}
	case worst != exitOK:
		return &ending{code: worst}
	}
	return nil
}

func stateOf(state mapping.State, worst int) (string, int) {
	switch state {
	case mapping.Valid:
		return "valid", worst
	case mapping.Doubtful:
		return "doubtful", max(worst, exitWarning)
	default:
		return "wrong", max(worst, exitData)
	}
}

func stateWord(state string) string {
	switch state {
	case "valid":
		return "正しい"
	case "doubtful":
		return "疑わしい"
	default:
		return "誤り"
	}
}
