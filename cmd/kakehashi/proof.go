package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
)

func auditProofCommand(s streams) *cobra.Command {
	var at server
	var r struct {
		LookupID string `json:"lookup_id"`
		Purpose  string `json:"purpose,omitempty"`
	}
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:   "proof",
		Short: "1件の照会の記録の証明を作ります（作ったことも記録に残ります）",
		Long: `照会番号の封印済みの記録と、それが封印に含まれることの証明を、JSONで出します。証明は、
公開鍵があれば、ゲートウェイもデータベースもなしに確かめられます（kakehashi audit check）。
監査者の役割が要ります。証明には、対象者の宛名番号が含まれます。`,
		Example: "  kakehashi audit proof --dir DIR --lookup-id Q-261124-7F3K-9MTX --out proof.json\n" +
			"  kakehashi audit check proof.json --public-key record-public.key",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			gateway, err := at.connect("auditor")
			if err != nil {
				return err
			}
			var proof bytes.Buffer
			if err := gateway.post(c.Context(), "/v1/record/proof", r, &proof); err != nil {
				return err
			}
			proof.WriteByte('\n')
			if file == "" {
				_, err = proof.WriteTo(s.out)
				return err
			}
			return writeProof(s, file, proof.Bytes())
		},
	}
	at.flags(c)
	c.Flags().StringVar(&r.LookupID, "lookup-id", "", "照会番号（必須）")
	c.Flags().StringVar(&r.Purpose, "purpose", "", "記録を見る目的のコード")
	c.Flags().StringVar(&file, "out", "", "出力先のファイル（省くと標準出力。すでにあるファイルには書きません）")
	c.Flags().BoolVar(&asJSON, "json", false, "常にJSONです（ほかのコマンドとそろえるための指定）")
	required(c, "lookup-id")
	return c
}

func writeProof(s streams, file string, proof []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return usage{errors.New("--out のファイルを新しく作れません（すでにあるか、書けません）")}
	}
	_, err = f.Write(proof)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the proof: %w", err)
	}
	_, _ = fmt.Fprintln(s.err, "出力しました。取扱注意: 宛名番号を含みます。")
	return nil
}

// proofCheck is what audit check says with --json.
type proofCheck struct {
	OK       bool           `json:"ok"`
	Reason   string         `json:"reason,omitempty"` // why not, one word
	Text     string         `json:"text"`
	Lookup   string         `json:"lookup_id,omitempty"`
	Sealed   int64          `json:"sealed,omitzero"` // entries under the seal
	SealedAt string         `json:"sealed_at,omitempty"`
	Signer   string         `json:"signer,omitempty"`
	Entries  jsontext.Value `json:"entries,omitempty"` // as an export spells them
}

func auditCheckCommand(s streams) *cobra.Command {
	var key string
	var asJSON bool
	c := &cobra.Command{
		Use:   "check FILE",
		Short: "記録の証明を、公開鍵だけで確かめます",
		Long: `kakehashi audit proof が作った証明を確かめます。ゲートウェイもフォルダーも要りません。
公開鍵は、導入のときに受け取ったものを使ってください。

終了コード: 0 証明が成り立つ / 24 成り立たない`,
		Example: "  kakehashi audit check proof.json --public-key record-public.key\n" +
			"  kakehashi audit check proof.json --public-key record-public.key --json",
		Args: arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return usage{errors.New("証明のファイルを読めません")}
			}
			public, err := os.ReadFile(key)
			if err != nil {
				return usage{errors.New("--public-key のファイルを読めません")}
			}
			proved, err := checkText(text, string(public))
			if err != nil && fault.Find(err).Reason == "key" {
				return usage{errors.New("--public-key のファイルは、記録の公開鍵ではありません")}
			}
			return tellProof(s, proved, err, asJSON)
		},
	}
	c.Flags().StringVar(&key, "public-key", "", "記録の公開鍵のファイル（必須）")
	jsonFlag(c, &asJSON)
	required(c, "public-key")
	return c
}

func checkText(text []byte, public string) (audit.Proved, error) {
	p, err := audit.ParseProof(text)
	if err != nil {
		return audit.Proved{}, err
	}
	return audit.CheckProof(p, public)
}

// tellProof says what is proved, or why nothing is, and ends accordingly.
func tellProof(s streams, proved audit.Proved, wrong error, asJSON bool) error {
	check := proofCheck{OK: wrong == nil, Text: "証明は成り立ちます。"}
	if wrong != nil {
		check.Reason = fault.Find(wrong).Reason
		check.Text = "証明は成り立ちません: " + unprovedWord(check.Reason)
	}
	var err error
	switch {
	case asJSON:
		err = writeCheck(s.out, check, proved)
	case wrong != nil:
		_, err = fmt.Fprintln(s.out, "KKH3112 "+check.Text)
	default:
		err = printProved(s.out, proved)
	}
	if err == nil && wrong != nil {
		err = &ending{code: exitRecord}
	}
	return err
}

func writeCheck(out io.Writer, check proofCheck, proved audit.Proved) error {
	if check.OK {
		entries, err := json.Marshal(proved.Entries, json.Deterministic(true))
		if err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
		check.Lookup, check.Sealed, check.Signer, check.Entries = proved.Lookup, proved.Sealed, proved.Signer, entries
		if !proved.SealedAt.IsZero() {
			check.SealedAt = proved.SealedAt.In(japan).Format("2006-01-02T15:04:05-07:00")
		}
	}
	return writeJSON(out, check)
}

// unprovedWord says why a proof does not hold.
func unprovedWord(reason string) string {
	switch reason {
	case "checkpoint":
		return "封印が、この公開鍵で署名されたものではありません。"
	case "empty":
		return "記録の項目がひとつもありません。"
	case "order":
		return "項目の並びが、記録と違います。"
	case "lookup":
		return "ひとつの照会の項目ではありません。"
	case "entry":
		return "項目の内容が、封印したときと一致しません。"
	default:
		return "証明のファイルが壊れているか、証明ではありません。"
	}
}

// printProved says who did what, when and for which lookup, as far as it is proved.
func printProved(out io.Writer, p audit.Proved) error {
	var b strings.Builder
	fmt.Fprintf(&b, "証明は成り立ちます。照会番号 %s の次の%d件は、書かれたとおりに封印されています。\n", p.Lookup, len(p.Entries))
	for _, r := range p.Entries {
		printEntry(&b, r)
	}
	sealed := ""
	if !p.SealedAt.IsZero() {
		sealed = "（" + p.SealedAt.In(japan).Format("2006年1月2日 15時04分05秒") + "）"
	}
	fmt.Fprintf(&b, "封印: 第%s件までの封印%s、署名の鍵 %s\n", thousands(p.Sealed), sealed, p.Signer)
	b.WriteString("この証明で分からないこと: この照会の項目がほかにないこと、記録される前に起きたこと（手引き: 監査人の手引き）。\n")
	_, err := io.WriteString(out, b.String())
	return err
}

func printEntry(b *strings.Builder, r audit.Record) {
	e, words := r.Entry, recordWords()
	fmt.Fprintf(b, "\n  %s  %s（第%s件、%s）\n", r.At.In(japan).Format("2006年1月2日 15時04分05秒"), said(words, string(e.Kind))[0], thousands(r.Position+1), r.Name)
	line := func(word string, values ...string) {
		if text := strings.Join(values, " "); strings.TrimSpace(text) != "" {
			fmt.Fprintf(b, "    %s %s\n", word, text)
		}
	}
	line("職員", e.Actor.Staff)
	line("システム", e.Actor.Client)
	line("所属", e.Actor.Department)
	line("端末", e.Actor.Terminal)
	line("認証", e.Actor.Authentication)
	line("行為", said(words, e.Act)...)
	line("案件", e.Case)
	line("手続", e.Procedure)
	line("根拠", e.LegalBasis)
	line("目的", e.Purpose)
	line("理由", e.Reason)
	line("照会先", said(sourceWords(), e.Sources...)...)
	line("項目", said(words, e.Items...)...)
	line("印", e.Flags...)
	for _, p := range e.Subjects {
		line("対象者", p.Atena+"（"+said(words, p.Role)[0]+"）")
	}
	for _, end := range e.Ends {
		line("回答", slices.Concat(said(sourceWords(), end.Source), said(words, end.Outcome), said(words, end.Items...))...)
	}
	line("拒否の番号", e.Code)
}
