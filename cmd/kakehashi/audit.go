package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"kakehashi/config"
	"kakehashi/internal/audit"
)

func auditCommand(s streams) *cobra.Command {
	return group("audit", "記録（だれが何を照会したか）を検証・検索・出力・証明します",
		auditVerifyCommand(s), auditSearchCommand(s), auditExportCommand(s), auditProofCommand(s), auditCheckCommand(s))
}

func auditVerifyCommand(s streams) *cobra.Command {
	var dir, publicKey, checkpoints string
	var publicOnly, asJSON bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "記録が書き換えられていないことを検証します",
		Long: `フォルダーのデータベースを読み取り専用で開き、記録の全件を検証します。ゲートウェイが動いて
いても、止まっていても、フォルダーの写しでも使えます。

公開鍵だけでも、封印済みの記録はすべて証明できます（--public-key-only）。未封印の数件は
「未証明」として数えます。ゲートウェイの鍵があれば、それらも検証します。

終了コード: 0 問題なし（未証明があるだけなら0） / 24 不一致があった`,
		Example: `  kakehashi audit verify --dir DIR
  kakehashi audit verify --dir 写し --public-key audit-public.key --public-key-only --json`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			in, err := verifyInput(dir, publicKey, checkpoints, publicOnly)
			if err != nil {
				return err
			}
			report, err := audit.Verify(c.Context(), in)
			if err != nil {
				return err
			}
			if asJSON {
				err = writeJSON(s.out, report)
			} else {
				printReport(s.out, report)
			}
			if err == nil && !report.OK {
				err = &ending{code: exitRecord}
			}
			return err
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "ゲートウェイのフォルダー、またはその写し（必須）")
	c.Flags().StringVar(&publicKey, "public-key", "", "公開鍵のファイル（省くとフォルダーのもの。監査人は自分の控えを使ってください）")
	c.Flags().StringVar(&checkpoints, "checkpoints", "", "データベースの外に置いた控えのファイル（省くとフォルダーのもの）")
	c.Flags().BoolVar(&publicOnly, "public-key-only", false, "公開鍵だけで検証します")
	jsonFlag(c, &asJSON)
	required(c, "dir")
	return c
}

// verifyInput finds a folder's record by its configuration.
func verifyInput(dir, publicKey, checkpoints string, publicOnly bool) (audit.VerifyInput, error) {
	f, err := loadFolder(dir)
	if err != nil {
		return audit.VerifyInput{}, err
	}
	in := inputOf(f)
	if publicKey != "" {
		in.PublicKeyFile = publicKey
	}
	if checkpoints != "" {
		in.Checkpoints = checkpoints
	}
	if publicOnly {
		in.MACKeyFile = ""
	}
	return in, nil
}

// inputOf gives a configuration's record, with every key.
func inputOf(f *config.File) audit.VerifyInput {
	return audit.VerifyInput{
		DB: f.Database, Checkpoints: f.Record.CheckpointsFile, PublicKeyFile: f.Record.PublicKeyFile, MACKeyFile: f.Record.MACKeyFile,
	}
}

// loadFolder reads the configuration of a gateway's folder.
func loadFolder(dir string) (*config.File, error) {
	path := filepath.Join(dir, configFile)
	if _, err := os.Stat(path); err != nil {
		return nil, usage{fmt.Errorf("フォルダーに %s がありません", configFile)}
	}
	return loadConfig(path)
}

// loadConfig reads a configuration file, or ends with all its problems.
func loadConfig(path string) (*config.File, error) {
	f, problems := config.Load(path, os.Environ())
	if len(problems) > 0 {
		lines := make([]string, len(problems))
		for i, p := range problems {
			lines[i] = p.String()
		}
		return nil, &ending{code: exitUsage, text: strings.Join(lines, "\n")}
	}
	return f, nil
}

func printReport(out io.Writer, r audit.Report) {
	if r.OK {
		_, _ = fmt.Fprintf(out, "正常 %s件（封印済み %s件、未証明 %s件）\n", thousands(r.Entries), thousands(r.Sealed), thousands(r.Unproved))
	} else {
		_, _ = fmt.Fprintf(out, "不一致 %d件（記録 %s件、封印済み %s件、未証明 %s件）\n", len(r.Problems), thousands(r.Entries), thousands(r.Sealed), thousands(r.Unproved))
	}
	for _, p := range r.Problems {
		_, _ = fmt.Fprintf(out, "  [%s] %s: %s\n", p.Kind, p.Entry, p.Text)
	}
	if !r.OK {
		_, _ = fmt.Fprintln(out, "この時点以後の記録は別途確認が必要です。責任者へ連絡してください。")
	}
	_, _ = fmt.Fprintln(out, "この検証で分かること: 封印後の改変・削除・入替え・末尾の切捨て。分からないこと: 記録される前に起きたこと（手引き: 監査人の手引き）。")
}

// thousands writes a number with commas: 1,234,567.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// recordRequest is the body of POST /v1/record/search and /v1/record/export.
type recordRequest struct {
	From        string `json:"from,omitempty"`
	To          string `json:"to,omitempty"`
	LookupID    string `json:"lookup_id,omitempty"`
	Staff       string `json:"staff,omitempty"`
	Atena       string `json:"atena_number,omitempty"`
	Case        string `json:"case,omitempty"`
	Kind        string `json:"kind,omitempty"`
	WithoutCase bool   `json:"without_case,omitzero"`
	Limit       int    `json:"limit,omitzero"`
	Cursor      string `json:"cursor,omitempty"`
	Purpose     string `json:"purpose,omitempty"`
}

func (r *recordRequest) flags(c *cobra.Command) {
	c.Flags().StringVar(&r.From, "from", "", "この日時から（2026-11-24 または RFC 3339）")
	c.Flags().StringVar(&r.To, "to", "", "この日時まで（その日を含みます）")
	c.Flags().StringVar(&r.LookupID, "lookup-id", "", "照会番号")
	c.Flags().StringVar(&r.Staff, "staff", "", "職員番号")
	c.Flags().StringVar(&r.Atena, "atena-number", "", "対象者の宛名番号")
	c.Flags().StringVar(&r.Case, "case", "", "案件番号")
	c.Flags().StringVar(&r.Kind, "kind", "", "種別（intent, outcome, refused, interrupted, withheld, change, read, token_refused, probe …）")
	c.Flags().BoolVar(&r.WithoutCase, "without-case", false, "案件なしのものだけ")
	c.Flags().StringVar(&r.Purpose, "purpose", "", "記録を見る目的のコード")
}

// days turns dates into moments: a day begins and ends in Japan, and the last day is wanted
// whole.
func (r *recordRequest) days() error {
	for _, f := range []struct {
		name  string
		value *string
		add   int
	}{{"--from", &r.From, 0}, {"--to", &r.To, 1}} {
		if *f.value == "" {
			continue
		}
		if day, err := time.ParseInLocation(time.DateOnly, *f.value, japan); err == nil {
			*f.value = day.AddDate(0, 0, f.add).Format(time.RFC3339)
		} else if _, err := time.Parse(time.RFC3339, *f.value); err != nil {
			return usage{fmt.Errorf("%s は 2026-11-24 か 2026-11-24T09:00:00+09:00 の形にしてください", f.name)}
		}
	}
	return nil
}

// entryLine is what a line about an entry shows.
type entryLine struct {
	Entry  string `json:"entry"`
	At     string `json:"at"`
	Kind   string `json:"kind"`
	Lookup string `json:"lookup_id"`
	Act    string `json:"act"`
	Case   string `json:"case"`
	Actor  struct {
		Staff  string `json:"staff"`
		Client string `json:"client"`
		Role   string `json:"role"`
	} `json:"actor"`
	Ends []struct {
		Source  string `json:"source"`
		Outcome string `json:"outcome"`
	} `json:"ends"`
	Code   string            `json:"code"`
	Flags  []string          `json:"flags"`
	Detail map[string]string `json:"detail"`
}

// line puts an entry into one line, without the fields that it does not have.
func (e entryLine) line() string {
	words := []string{e.At, fmt.Sprintf("%-13s", e.Kind)}
	for _, f := range []struct{ label, value string }{
		{"", e.Lookup}, {"", e.Act}, {"職員 ", e.Actor.Staff}, {"システム ", e.Actor.Client}, {"案件 ", e.Case},
		{"変更 ", e.Detail["change"]}, {"", cmp.Or(e.Detail["kind"], e.Detail["change_kind"])}, {"再送 ", e.Detail["replay"]},
		{"", e.ended()}, {"理由 ", e.Detail["reason"]}, {"", e.Code}, {"", strings.Join(e.Flags, ",")},
	} {
		if f.value != "" {
			words = append(words, f.label+f.value)
		}
	}
	return strings.Join(words, " ")
}

// ended says how each system ended that was asked or told.
func (e entryLine) ended() string {
	words := make([]string, len(e.Ends))
	for i, end := range e.Ends {
		words[i] = end.Source + "=" + end.Outcome
	}
	return strings.Join(words, ",")
}

func auditSearchCommand(s streams) *cobra.Command {
	var at server
	var r recordRequest
	var asJSON bool
	c := &cobra.Command{
		Use:     "search",
		Short:   "記録を検索します（検索したことも記録に残ります）",
		Example: "  kakehashi audit search --dir DIR --lookup-id Q-261124-7F3K-9MTX\n  kakehashi audit search --dir DIR --from 2026-11-01 --without-case --json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := r.days(); err != nil {
				return err
			}
			gateway, err := at.connect("auditor")
			if err != nil {
				return err
			}
			var raw strings.Builder
			if err := gateway.post(c.Context(), "/v1/record/search", r, &raw); err != nil {
				return err
			}
			if asJSON {
				_, _ = fmt.Fprintln(s.out, strings.TrimSpace(raw.String()))
				return nil
			}
			var page struct {
				Entries []entryLine `json:"entries"`
				Next    string      `json:"next"`
			}
			if err := decode(raw.String(), &page); err != nil {
				return err
			}
			for _, e := range page.Entries {
				_, _ = fmt.Fprintln(s.out, e.line())
			}
			_, _ = fmt.Fprintf(s.out, "%d件\n", len(page.Entries))
			if page.Next != "" {
				_, _ = fmt.Fprintf(s.out, "続きがあります: --cursor %s\n", page.Next)
			}
			return nil
		},
	}
	at.flags(c)
	r.flags(c)
	c.Flags().IntVar(&r.Limit, "limit", 50, "1ページの件数（200まで）")
	c.Flags().StringVar(&r.Cursor, "cursor", "", "続きの位置")
	jsonFlag(c, &asJSON)
	return c
}

func auditExportCommand(s streams) *cobra.Command {
	var at server
	var r recordRequest
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:     "export",
		Short:   "記録を1件1行のJSONで出力します（出力したことも記録に残ります）",
		Example: "  kakehashi audit export --dir DIR --from 2026-11-01 --to 2026-11-30 --out record.jsonl",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := r.days(); err != nil {
				return err
			}
			gateway, err := at.connect("auditor")
			if err != nil {
				return err
			}
			gateway.http.Timeout = 0 // as long as it takes; SIGINT ends it
			if file == "" {
				return gateway.post(c.Context(), "/v1/record/export", r, s.out)
			}
			return exportTo(c, gateway, r, file, s)
		},
	}
	at.flags(c)
	r.flags(c)
	c.Flags().StringVar(&file, "out", "", "出力先のファイル（省くと標準出力。すでにあるファイルには書きません）")
	c.Flags().BoolVar(&asJSON, "json", false, "常にJSONです（ほかのコマンドとそろえるための指定）")
	return c
}

func exportTo(c *cobra.Command, gateway *client, r recordRequest, file string, s streams) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return usage{errors.New("--out のファイルを新しく作れません（すでにあるか、書けません）")}
	}
	w := bufio.NewWriter(f)
	err = gateway.post(c.Context(), "/v1/record/export", r, w)
	if err = errors.Join(err, w.Flush(), f.Sync(), f.Close()); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(s.err, "出力しました。取扱注意: 宛名番号を含みます。")
	return nil
}

// writeJSON writes one value as one line.
func writeJSON(w io.Writer, v any) error {
	if err := json.MarshalWrite(w, v, json.Deterministic(true)); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	_, err := fmt.Fprintln(w)
	return err
}
