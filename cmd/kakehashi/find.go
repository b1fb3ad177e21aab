package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"kakehashi/internal/ledger"
	"kakehashi/internal/web"
)

// findRequest is the body of POST /v1/people/search.
type findRequest struct {
	Kana      string `json:"kana"`
	BirthDate string `json:"birth_date"`
	Household string `json:"household_number,omitempty"`
	Address   string `json:"address,omitempty"`
	basisFlags
}

// basisFlags are why something is asked, as flags and as members of a body.
type basisFlags struct {
	Case      string `json:"case,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Procedure string `json:"procedure"`
	Purpose   string `json:"purpose"`
}

func (b *basisFlags) flags(c *cobra.Command) {
	c.Flags().StringVar(&b.Case, "case", "", "案件番号")
	c.Flags().StringVar(&b.Reason, "reason", "", "案件なしのときの理由コード")
	c.Flags().StringVar(&b.Procedure, "procedure", "", "事務手続")
	c.Flags().StringVar(&b.Purpose, "purpose", "", "利用目的のコード")
}

// answer is the part of an answer that find and lookup print.
type answer struct {
	LookupID   string      `json:"lookup_id"`
	Candidates []candidate `json:"candidates"`
	Protection string      `json:"protection"`
	Sources    []struct {
		Source     string      `json:"source"`
		Outcome    string      `json:"outcome"`
		Reason     string      `json:"reason"`
		RetryAt    string      `json:"retry_at"`
		At         string      `json:"at"`
		Persons    []candidate `json:"persons"`
		Suppressed []kept      `json:"suppressed"`
		Comparison []struct {
			Item   string `json:"item"`
			Result string `json:"result"`
			Rule   string `json:"rule"`
		} `json:"comparison"`
	} `json:"sources"`
}

type candidate struct {
	Atena      string `json:"atena_number"`
	Household  string `json:"household_number"`
	Relation   string `json:"relation"`
	Reason     string `json:"reason"`
	Suppressed []kept `json:"suppressed"`
	Values     []struct {
		Item    string `json:"item"`
		Value   string `json:"value"`
		Display string `json:"display"`
		AsOf    string `json:"as_of"`
		Usable  bool   `json:"usable"`
	} `json:"values"`
}

type kept struct {
	Atena string `json:"atena_number"`
	Item  string `json:"item"`
	Why   string `json:"why"`
}

func findCommand(s streams) *cobra.Command {
	var at server
	var r findRequest
	var asJSON bool
	c := &cobra.Command{
		Use:   "find",
		Short: "カナと生年月日で人を探します",
		Long: `団体内統合宛名で人を探します。候補は20人までで、一覧のための検索はできません。
だれが何のために探したかは、照会と同じく記録に残ります。`,
		Example: `  kakehashi find --dir DIR --kana カナ --birth-date 2016-05-03 --case K-2600001 --procedure registration --purpose new-application
  kakehashi find --server URL --token-file FILE --kana カナ --birth-date H28.5.3 --reason counter --procedure registration --purpose inquiry`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			born, ok := ledger.ReadDate(r.BirthDate)
			switch {
			case !ok:
				return usage{errors.New("--birth-date を日付として読めません")}
			case born.OldCalendar:
				return usage{errors.New("--birth-date が明治6年より前の日付です。西暦で書いてください")}
			case born.Shifted:
				_, _ = fmt.Fprintf(s.err, "その年号にない日付です。%sとして探します。\n", born.Date.Wareki())
			}
			r.BirthDate = born.Date.String()
			gateway, err := at.connect("case-worker")
			if err != nil {
				return err
			}
			raw, a, err := gateway.ask(c.Context(), "/v1/people/search", r)
			switch {
			case err != nil:
				return err
			case asJSON:
				_, err = fmt.Fprintln(s.out, raw)
			default:
				printCandidates(s.out, a)
			}
			return err
		},
	}
	at.flags(c)
	r.flags(c)
	c.Flags().StringVar(&r.Kana, "kana", "", "氏名のカナ（必須）")
	c.Flags().StringVar(&r.BirthDate, "birth-date", "", "生年月日（必須。西暦か和暦。わからない部分は 1945 や 1945-08 のように省けます）")
	c.Flags().StringVar(&r.Household, "household-number", "", "世帯番号で絞り込みます")
	c.Flags().StringVar(&r.Address, "address", "", "住所で絞り込みます")
	jsonFlag(c, &asJSON)
	required(c, "kana", "birth-date", "procedure", "purpose")
	return c
}

// ask posts the body and gives the answer, as it came and read.
func (g *client) ask(ctx context.Context, path string, body any) (raw string, a answer, err error) {
	var text strings.Builder
	if err := g.post(ctx, path, body, &text); err != nil {
		return "", answer{}, err
	}
	raw = strings.TrimSpace(text.String())
	err = decode(raw, &a)
	return raw, a, err
}

func printCandidates(out io.Writer, a answer) {
	_, _ = fmt.Fprintf(out, "照会番号 %s  候補 %d人\n", a.LookupID, len(a.Candidates))
	for _, p := range a.Candidates {
		_, _ = fmt.Fprintf(out, "\n宛名番号 %s  世帯番号 %s\n", p.Atena, p.Household)
		printPerson(out, p)
		printKept(out, p.Suppressed)
	}
}

func printPerson(out io.Writer, p candidate) {
	for _, v := range p.Values {
		text := v.Value
		if v.Display != "" && v.Display != v.Value {
			text = fmt.Sprintf("%s（%s）", v.Display, v.Value)
		}
		note := ""
		if !v.Usable {
			note = "  ※判定には使えません"
		}
		_, _ = fmt.Fprintf(out, "  %s: %s  [%s]%s\n", web.ItemWord(v.Item), text, v.AsOf, note)
	}
}

func printKept(out io.Writer, all []kept) {
	for _, k := range all {
		_, _ = fmt.Fprintf(out, "  %s: %s\n", web.ItemWord(k.Item), web.WhyWord(k.Why))
	}
}
