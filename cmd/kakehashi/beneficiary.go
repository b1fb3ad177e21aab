package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
)

func beneficiaryCommand(s streams) *cobra.Command {
	return group("beneficiary", "台帳の受給資格を、登録し、表示し、送付先を変えます",
		beneficiaryRegisterCommand(s), beneficiaryMailingCommand(s), beneficiaryShowCommand(s), beneficiarySearchCommand(s))
}

// registerRequest is the body of POST /v1/beneficiaries.
type registerRequest struct {
	Child struct {
		Atena string `json:"atena_number"`
		Birth string `json:"birth_date,omitempty"`
	} `json:"child"`
	Guardian  jsontext.Value `json:"guardian"`
	AppliedOn string         `json:"applied_on"`
	basisFlags
}

func beneficiaryRegisterCommand(s streams) *cobra.Command {
	var at server
	var r registerRequest
	var guardian, guardianFile, key string
	var asJSON bool
	c := &cobra.Command{
		Use:   "register",
		Short: "子の受給資格を登録します",
		Long: `子の受給資格を登録します。保護者は宛名番号で、宛名番号のない市外の保護者は --guardian-file のJSONで指定します
（コマンドの引数に氏名を書かないためです。- は標準入力）:
  {"name":"…","kana":"…","birth_date":"1985-03-02","sex":"女","address":"…"}
同じ --key でくり返すと、新しく登録せず、はじめの結果を返します。`,
		Example: `  kakehashi beneficiary register --dir DIR --child 0000000019 --guardian 0000000027 --applied-on 2026-11-24 \
    --case K-2600001 --procedure registration --purpose new-application
  kakehashi beneficiary register --dir DIR --child 0000000019 --guardian-file - --applied-on 2026-11-24 …`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			switch {
			case (guardian == "") == (guardianFile == ""):
				return usage{errors.New("--guardian か --guardian-file のどちらか一方で保護者を指定してください")}
			case guardian != "":
				r.Guardian, err = json.Marshal(map[string]string{"atena_number": guardian})
			default:
				r.Guardian, err = readBody(guardianFile, "--guardian-file")
			}
			if err != nil {
				return err
			}
			return at.apply(c.Context(), s, press{path: "/v1/beneficiaries", key: key, body: r, json: asJSON})
		},
	}
	at.flags(c)
	r.flags(c)
	c.Flags().StringVar(&r.Child.Atena, "child", "", "子の宛名番号（必須）")
	c.Flags().StringVar(&r.Child.Birth, "child-birth-date", "", "子の生年月日（照会の結果から写します。最終日の計算に使います）")
	c.Flags().StringVar(&guardian, "guardian", "", "保護者の宛名番号")
	c.Flags().StringVar(&guardianFile, "guardian-file", "", "宛名番号のない保護者を書いたJSONのファイル（- は標準入力）")
	c.Flags().StringVar(&r.AppliedOn, "applied-on", "", "申請日 2026-11-24（必須）")
	keyFlag(c, &key)
	jsonFlag(c, &asJSON)
	required(c, "child", "applied-on", "procedure", "purpose")
	return c
}

// mailingRequest is the body of POST /v1/beneficiaries/{id}/changes for a mailing address.
type mailingRequest struct {
	Kind        string         `json:"kind"`
	EffectiveOn string         `json:"effective_on"`
	Version     int            `json:"version"`
	Mailing     jsontext.Value `json:"mailing_address"`
	basisFlags
}

func beneficiaryMailingCommand(s streams) *cobra.Command {
	var at server
	r := mailingRequest{Kind: "mailing_address"}
	var file, key string
	var asJSON bool
	c := &cobra.Command{
		Use:   "mailing ID",
		Short: "送付先を変えます",
		Long: `送付先を変えます。送付先は --file のJSONで指定します（- は標準入力）:
  {"name":"…","postal_code":"9990001","address":"…","address_extra":"…"}
--version は、show で見た版です。ほかの職員が先に変えていれば、だれがいつ変えたかを示して止まります。`,
		Example: "  kakehashi beneficiary mailing --dir DIR B-… --version 1 --effective-on 2026-12-01 --file - --case K-2600001 --procedure registration --purpose new-application",
		Args:    arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if r.Mailing, err = readBody(file, "--file"); err != nil {
				return err
			}
			return at.apply(c.Context(), s, press{path: "/v1/beneficiaries/" + url.PathEscape(args[0]) + "/changes", key: key, body: r, json: asJSON})
		},
	}
	at.flags(c)
	r.flags(c)
	c.Flags().StringVar(&file, "file", "", "送付先を書いたJSONのファイル（- は標準入力。必須）")
	c.Flags().StringVar(&r.EffectiveOn, "effective-on", "", "この日から（必須）")
	c.Flags().IntVar(&r.Version, "version", 0, "見た版（必須）")
	keyFlag(c, &key)
	jsonFlag(c, &asJSON)
	required(c, "file", "effective-on", "version", "procedure", "purpose")
	return c
}

func keyFlag(c *cobra.Command, key *string) {
	c.Flags().StringVar(key, "key", "", "Idempotency-Key（省くと新しいもの。返事が来なかったときは、同じものでやりなおせます）")
}

// applied is the answer of a change of the ledger, as far as the command prints it.
type applied struct {
	ID       string `json:"id"`
	Number   string `json:"number"`
	Version  int    `json:"version"`
	LookupID string `json:"lookup_id"`
	Repeated bool   `json:"repeated"`
	Owed     []owed `json:"owed"`
	Waiting  []struct {
		Change string `json:"change_id"`
		Kind   string `json:"kind"`
	} `json:"waiting"`
}

// press is one change of the ledger that is asked for.
type press struct {
	path, key string // key: empty makes a new one
	body      any
	json      bool
}

// apply posts a change of the ledger. Where no answer came, it says with which key the same
// change can be asked for again without being made twice.
func (at *server) apply(ctx context.Context, s streams, p press) error {
	gateway, err := at.connect("case-worker")
	if err != nil {
		return err
	}
	if p.key == "" {
		p.key = rand.Text()
	}
	var raw jsontext.Value
	if err := gateway.send(ctx, p.path, p.key, p.body, &raw); err != nil {
		// With every ending but a refusal the change may have been made.
		if e, ok := errors.AsType[*ending](err); ok && e.code != exitUsage && e.code != exitData {
			e.text += "\n同じ内容でやりなおすときは --key " + p.key + " をつけてください（二重には登録されません）。"
		}
		return err
	}
	if p.json {
		_, err := fmt.Fprintln(s.out, string(raw))
		return err
	}
	var a applied
	if err := decode(string(raw), &a); err != nil {
		return err
	}
	a.print(s.out)
	return nil
}

func (a applied) print(out io.Writer) {
	if a.Repeated {
		_, _ = fmt.Fprintln(out, "すでに受け付けています。はじめの結果です。")
	}
	_, _ = fmt.Fprintf(out, "受給資格 %s\n受給者番号 %s 版 %d 照会番号 %s\n", a.ID, a.Number, a.Version, a.LookupID)
	for _, o := range a.Owed {
		_, _ = fmt.Fprintf(out, "  %s へ %s: %s（%s）\n", o.Destination, o.Kind, owedWord(o.State), o.Change)
	}
	for _, w := range a.Waiting {
		_, _ = fmt.Fprintf(out, "  宛名番号が付くのを待っています: %s（%s）\n", w.Kind, w.Change)
	}
}

func beneficiaryShowCommand(s streams) *cobra.Command {
	var at server
	var basis basisFlags
	c := &cobra.Command{
		Use:   "show ID",
		Short: "受給資格と、相手先への送信の状態を表示します",
		Long: `受給資格を表示します。案件・事務手続・利用目的を付けると、その事務で見てよい項目も出します。
付けないときは、氏名や住所を出しません。どちらも記録に残ります。`,
		Example: "  kakehashi beneficiary show --dir DIR B-… --case K-2600001 --procedure registration --purpose new-application",
		Args:    arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			gateway, err := at.connect("case-worker")
			if err != nil {
				return err
			}
			query := url.Values{}
			for name, value := range map[string]string{"case": basis.Case, "procedure": basis.Procedure, "purpose": basis.Purpose, "reason": basis.Reason} {
				if value != "" {
					query.Set(name, value)
				}
			}
			var raw jsontext.Value
			if err := gateway.get(c.Context(), "/v1/beneficiaries/"+url.PathEscape(args[0]), query, &raw); err != nil {
				return err
			}
			return printJSON(s.out, raw)
		},
	}
	at.flags(c)
	basis.flags(c)
	return c
}

func beneficiarySearchCommand(s streams) *cobra.Command {
	var at server
	var basis basisFlags
	var number, child, guardian string
	c := &cobra.Command{
		Use:     "search",
		Short:   "受給者番号か、子または保護者の宛名番号で、受給資格を探します",
		Example: "  kakehashi beneficiary search --dir DIR --child 0000000019 --case K-2600001 --procedure registration --purpose new-application",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			gateway, err := at.connect("case-worker")
			if err != nil {
				return err
			}
			body := map[string]any{"procedure": basis.Procedure, "purpose": basis.Purpose}
			for name, value := range map[string]string{"case": basis.Case, "reason": basis.Reason, "number": number} {
				if value != "" {
					body[name] = value
				}
			}
			for name, value := range map[string]string{"child": child, "guardian": guardian} {
				if value != "" {
					body[name] = map[string]string{"atena_number": value}
				}
			}
			var raw jsontext.Value
			if err := gateway.post(c.Context(), "/v1/beneficiaries/search", body, &raw); err != nil {
				return err
			}
			return printJSON(s.out, raw)
		},
	}
	at.flags(c)
	basis.flags(c)
	c.Flags().StringVar(&number, "number", "", "受給者番号")
	c.Flags().StringVar(&child, "child", "", "子の宛名番号")
	c.Flags().StringVar(&guardian, "guardian", "", "保護者の宛名番号")
	required(c, "procedure", "purpose")
	return c
}

// printJSON writes an answer so that people can read it.
func printJSON(out io.Writer, raw jsontext.Value) error {
	if err := raw.Indent(); err != nil {
		return &ending{code: exitInternal, text: "KKH5105 ゲートウェイの応答を読めません。版が違うかもしれません（kakehashi version）。"}
	}
	_, err := fmt.Fprintln(out, string(raw))
	return err
}

// readBody reads a JSON object of a file, or of standard input where the file is "-".
func readBody(file, flag string) (jsontext.Value, error) {
	var b []byte
	var err error
	if file == "-" {
		b, err = io.ReadAll(io.LimitReader(os.Stdin, 64<<10))
	} else {
		b, err = os.ReadFile(filepath.Clean(file))
	}
	value := jsontext.Value(b)
	if err != nil || !value.IsValid() || value.Kind() != '{' {
		return nil, usage{fmt.Errorf("%s を読めないか、JSONのオブジェクトではありません", flag)}
	}
	return value, nil
}
