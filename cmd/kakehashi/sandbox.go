package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"kakehashi/internal/fault"
	"kakehashi/internal/sandbox"
	"kakehashi/mapping"
)

func sandboxCommand(s streams) *cobra.Command {
	return group("sandbox", "架空の市の相手先を動かし、故障させます",
		sandboxServeCommand(s), sandboxPeopleCommand(s), sandboxFaultCommand(s), sandboxClearCommand(s),
		sandboxReceivedCommand(s), sandboxKeysCommand(s))
}

func sandboxServeCommand(s streams) *cobra.Command {
	var dir, code string
	var asJSON bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "相手先だけを動かします（demo は動いている相手先を使います）",
		Long: `架空の市の相手先（住民基本台帳・税務・団体内統合宛名・職員認証）だけを動かします。
同じ --dir の demo は、動いている相手先を使います。片方だけを止めて試すことができます。
--municipality は、複数の自治体を試すときに、はじめて作る架空の市のコードを変えます。`,
		Example: "  kakehashi sandbox serve --dir DIR --json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if v, err := mapping.Check("municipality-code", code); code != "" && (err != nil || v.State != mapping.Valid) {
				return usage{errors.New("--municipality は検査数字の合う6桁の全国地方公共団体コードにしてください: " + v.Text)}
			}
			dir, err := demoFolder(dir)
			if err != nil {
				return err
			}
			city, err := sandbox.Open(filepath.Join(dir, sandboxFolder), sandbox.Options{Code: code})
			if err != nil {
				return standIns(err)
			}
			if code != "" && city.Municipality() != code {
				return usage{errors.New("このフォルダーの架空の市は、別の自治体コードで作られています。別の --dir を指定してください")}
			}
			served, err := city.Start(context.WithoutCancel(c.Context()))
			if err != nil {
				return standIns(err)
			}
			a := city.Addresses()
			if asJSON {
				err = writeJSON(s.out, map[string]any{"sandbox": a.Control, "issuer": a.Issuer, "pid": os.Getpid()})
			} else {
				_, err = fmt.Fprintf(s.out, "相手先が動いています（架空データ。止めるときは Ctrl+C）。\n  操作 %s\n  職員認証 %s\n  フォルダー %s\n", a.Control, a.Issuer, dir)
			}
			if err != nil {
				return err
			}
			<-c.Context().Done()
			return served.Close()
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "demo のフォルダー（必須）")
	c.Flags().BoolVar(&asJSON, "json", false, "用意ができたら、標準出力にJSONを1行だけ出します")
	c.Flags().StringVar(&code, "municipality", "", "架空の市の全国地方公共団体コード（省くと "+sandbox.MunicipalityCode+"）")
	required(c, "dir")
	return c
}

func sandboxPeopleCommand(s streams) *cobra.Command {
	var dir string
	var asJSON bool
	c := &cobra.Command{
		Use:     "people",
		Short:   "架空の市の、名前のある人を一覧にします",
		Example: "  kakehashi sandbox people --dir DIR\n  kakehashi sandbox people --dir DIR --json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			people, err := sandbox.People(filepath.Join(dir, sandboxFolder))
			if err != nil {
				return standIns(err)
			}
			if asJSON {
				return writeJSON(s.out, people)
			}
			for _, p := range people {
				_, _ = fmt.Fprintf(s.out, "%-24s %s %s %s %s 案件 %s 保護者 %s %v\n",
					p.Key, p.AtenaNumber, p.Name, p.Kana, p.BirthDate, p.Case, orDash(p.Guardian), p.Tags)
			}
			return nil
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "demo のフォルダー（必須）")
	jsonFlag(c, &asJSON)
	required(c, "dir")
	return c
}

func sandboxFaultCommand(s streams) *cobra.Command {
	var dir string
	var lasts time.Duration
	var every int
	var asJSON bool
	c := &cobra.Command{
		Use:   "fault 相手先 故障",
		Short: "相手先を故障させます",
		Long: `相手先: residents, protection（支援措置だけ）, tax, address
故障: down（停止）, slow（遅い）, refuse（500を返す）, busy（429を返す）, garbage（読めない応答）,
      huge（大きすぎる応答）, expired-token（発行済みのトークンを拒否）, half-open（何もせず、何も返さない）,
      lost-reply（処理はするが応答の前に切る）, drip（処理はするが応答が1バイトずつ）,
      bad-encoding（処理はするが応答の文字コードが違う）, duplicate（処理は1回だが応答に各行が2回ずつ）,
      wrong-clock（時計が37時間進んでいる）
slow では、待つ前に処理を済ませます。--every 2 なら2回に1回だけ故障します。`,
		Example: "  kakehashi sandbox fault --dir DIR tax down --for 1m\n  kakehashi sandbox fault --dir DIR address lost-reply --every 2",
		Args:    arguments(2, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if lasts < 0 {
				return usage{errors.New("--for は 0 より長い時間にしてください（例 30s）")}
			}
			if every < 1 {
				return usage{errors.New("--every は 1 以上にしてください（例 2）")}
			}
			wish := sandbox.Wish{System: args[0], Kind: args[1], Lasts: lasts, Every: every}
			if err := sandbox.Break(c.Context(), filepath.Join(dir, sandboxFolder), wish); err != nil {
				return standIns(err)
			}
			if asJSON {
				return writeJSON(s.out, map[string]any{"ok": true, "system": args[0], "kind": args[1], "for": lasts.String(), "every": every})
			}
			_, err := fmt.Fprintf(s.out, "%s を %s にしました。\n", args[0], args[1])
			return err
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "demo のフォルダー（必須）")
	c.Flags().DurationVar(&lasts, "for", 0, "続く時間（例 30s。省くと clear まで）")
	c.Flags().IntVar(&every, "every", 1, "この回数に1回だけ故障させます（1 なら毎回）")
	jsonFlag(c, &asJSON)
	required(c, "dir")
	return c
}

func sandboxClearCommand(s streams) *cobra.Command {
	var dir string
	var asJSON bool
	c := &cobra.Command{
		Use:     "clear [相手先]",
		Short:   "相手先の故障を直します（省くとすべて）",
		Example: "  kakehashi sandbox clear --dir DIR tax",
		Args:    arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			system := ""
			if len(args) == 1 {
				system = args[0]
			}
			if err := sandbox.ClearFaults(c.Context(), filepath.Join(dir, sandboxFolder), system); err != nil {
				return standIns(err)
			}
			if asJSON {
				return writeJSON(s.out, map[string]any{"ok": true, "system": system})
			}
			_, err := fmt.Fprintln(s.out, "故障を直しました。")
			return err
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "demo のフォルダー（必須）")
	jsonFlag(c, &asJSON)
	required(c, "dir")
	return c
}

// standIns gives an error of the sandbox, which knows nothing of ours, its kind and number.
func standIns(err error) error {
	for _, known := range []struct {
		is   error
		kind fault.Kind
		code string
	}{
		{sandbox.ErrServed, fault.Conflict, "KKH6102"},
		{sandbox.ErrPortTaken, fault.Unavailable, "KKH6103"},
		{sandbox.ErrNotRunning, fault.Unavailable, "KKH6104"},
		{sandbox.ErrNoCity, fault.NotFound, "KKH6105"},
		{sandbox.ErrUnknown, fault.Denied, "KKH6106"},
	} {
		if errors.Is(err, known.is) {
			return &fault.Error{Kind: known.kind, Code: known.code, Err: err}
		}
	}
	if errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOSPC) {
		return &fault.Error{Kind: fault.Unavailable, Code: "KKH5004", Err: err}
	}
	return err
}
