package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"kakehashi/internal/web"
)

// lookupRequest is the body of POST /v1/lookups.
type lookupRequest struct {
	Person struct {
		Atena string `json:"atena_number"`
	} `json:"person"`
	basisFlags
	Sources []string       `json:"sources,omitempty"`
	Compare *compareValues `json:"compare,omitempty"`
}

type compareValues struct {
	Ledger bool              `json:"ledger,omitempty"`
	Values map[string]string `json:"values,omitempty"`
}

func lookupCommand(s streams) *cobra.Command {
	var at server
	var r lookupRequest
	var asJSON, ledger bool
	var compare []string
	c := &cobra.Command{
		Use:   "lookup",
		Short: "一人について、すべての相手先に同時に照会します",
		Long: `住民情報・税・団体内統合宛名に同時に照会し、相手先ごとの結果を表示します。
だれが・どの案件で・何のために照会したかは、結果を出す前に記録に残ります。

終了コード: 0 すべての相手先から答えがあった / 4 一部は取得できなかった / 12 すべて取得できなかった`,
		Example: `  kakehashi lookup --dir DIR --atena-number 0000000019 --case K-2600001 --procedure registration --purpose new-application
  kakehashi lookup --dir DIR --atena-number 0000000019 --case K-2600001 --procedure registration --purpose new-application \
    --source residents --compare address=架空市…`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := r.compare(ledger, compare); err != nil {
				return err
			}
			gateway, err := at.connect("case-worker")
			if err != nil {
				return err
			}
			raw, a, err := gateway.ask(c.Context(), "/v1/lookups", r)
			switch {
			case err != nil:
				return err
			case asJSON:
				_, err = fmt.Fprintln(s.out, raw)
			default:
				printLookup(s.out, a)
			}
			if code := lookupExit(a); err == nil && code != exitOK {
				err = &ending{code: code}
			}
			return err
		},
	}
	at.flags(c)
	r.flags(c)
	c.Flags().StringVar(&r.Person.Atena, "atena-number", "", "宛名番号（必須）")
	c.Flags().StringArrayVar(&r.Sources, "source", nil, "相手先 residents, tax, address（くり返せます。省くとすべて）")
	c.Flags().BoolVar(&ledger, "compare-ledger", false, "台帳の記録と突合します")
	c.Flags().StringArrayVar(&compare, "compare", nil, "申請の記載と突合します（項目=値。くり返せます）")
	jsonFlag(c, &asJSON)
	required(c, "atena-number", "procedure", "purpose")
	return c
}

func (r *lookupRequest) compare(ledger bool, pairs []string) error {
	if !ledger && len(pairs) == 0 {
		return nil
	}
	r.Compare = &compareValues{Ledger: ledger}
	for _, pair := range pairs {
		item, value, ok := strings.Cut(pair, "=")
		if !ok {
			return usage{errors.New("--compare は 項目=値 の形にしてください")}
		}
		if r.Compare.Values == nil {
			r.Compare.Values = map[string]string{}
		}
		r.Compare.Values[item] = value
	}
	return nil
}

// lookupExit is 0 where no source is unavailable, 4 where some are, 12 where all are.
func lookupExit(a answer) int {
	away := 0
	for _, s := range a.Sources {
		if s.Outcome == "unavailable" {
			away++
		}
	}
	switch {
	case away == 0:
		return exitOK
	case away == len(a.Sources):
		return exitUnavailable
	default:
		return exitWarning
	}
}

func decode(text string, out any) error {
	if err := json.Unmarshal([]byte(text), out); err != nil {
		return &ending{code: exitInternal, text: "KKH5105 ゲートウェイの応答を読めません。版が違うかもしれません（kakehashi version）。"}
	}
	return nil
}

func printLookup(out io.Writer, a answer) {
	_, _ = fmt.Fprintf(out, "照会番号 %s\n", a.LookupID)
	if a.Protection != "" {
		_, _ = fmt.Fprintf(out, "【支援措置】住所・電話などは表示しません（%s）\n", web.WhyWord(a.Protection))
	}
	for _, source := range a.Sources {
		_, _ = fmt.Fprintf(out, "\n■ %s: %s", web.SourceWord(source.Source), web.OutcomeText(source.Outcome, source.Reason, source.Source))
		if source.RetryAt != "" {
			_, _ = fmt.Fprintf(out, "（次の確認 %s）", source.RetryAt)
		}
		_, _ = fmt.Fprintf(out, "  %s\n", source.At)
		for _, p := range source.Persons {
			_, _ = fmt.Fprintf(out, " 宛名番号 %s %s\n", p.Atena, p.Relation)
			printPerson(out, p)
			for _, k := range source.Suppressed {
				if k.Atena == p.Atena {
					_, _ = fmt.Fprintf(out, "  %s: %s\n", web.ItemWord(k.Item), web.WhyWord(k.Why))
				}
			}
		}
		for _, row := range source.Comparison {
			_, _ = fmt.Fprintf(out, "  突合 %s: %s\n", web.ItemWord(row.Item), web.ResultWord(row.Result, row.Rule))
		}
	}
}
