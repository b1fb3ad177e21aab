package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"kakehashi/config"
	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// migration is what migrate did, as --json prints it.
type migration struct {
	OK      bool             `json:"ok"`
	From    int64            `json:"from"` // version of the schema before; 0: it was empty
	To      int64            `json:"to"`
	Copied  map[string]int64 `json:"copied,omitempty"` // rows by table
	Entries int64            `json:"entries,omitempty"`
}

func migrateCommand(s streams) *cobra.Command {
	var file, from string
	var asJSON bool
	c := &cobra.Command{
		Use:   "migrate",
		Short: "データベースの表を作り、新しい版に合わせます",
		Long: `設定の database のとおりに、データベースの表を作るか、このプログラムの版に合わせます。
PostgreSQL では database.owner_url の持ち主でつなぎ、動かす利用者（database.url）に要る権限だけを
渡します。何度行っても同じ結果になります。

--from を付けると、SQLite のデータベースの中身を、空の PostgreSQL へ移します。元のファイルは変えません。
移した後の記録を検証し、合わなければ失敗とします。ゲートウェイを止めてから行ってください。
公開鍵・照合鍵・checkpoints.txt は、同じものを使い続けます。

終了コード: 0 正常 / 8 ゲートウェイが動いている / 12 データベースにつながらない / 16 設定の誤り /
20 移す先が空でない・版が新しい / 24 移した記録が合わない`,
		Example: "  kakehashi migrate --config /etc/kakehashi/kakehashi.yaml\n" +
			"  kakehashi migrate --config kakehashi.yaml --from sqlite:kakehashi.db",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(file)
			if err != nil {
				return err
			}
			if err := movable(from, cfg); err != nil {
				return err
			}
			m := migration{}
			if m.From, m.To, err = store.Migrate(c.Context(), cfg.Database); err != nil {
				return err
			}
			if from != "" {
				progress := s.err
				if asJSON {
					progress = io.Discard
				}
				if err := moveInto(c.Context(), cfg, store.Config{URL: from}, &m, progress); err != nil {
					return err
				}
			}
			m.OK = true
			if asJSON {
				return writeJSON(s.out, m)
			}
			return sayMigrated(s, m)
		},
	}
	c.Flags().StringVar(&file, "config", "", "設定ファイル（必須）")
	c.Flags().StringVar(&from, "from", "", "中身を移す元（sqlite:ファイル）")
	jsonFlag(c, &asJSON)
	required(c, "config")
	return c
}

func sayMigrated(s streams, m migration) error {
	text := fmt.Sprintf("表は版 %d になっています（変更なし）。", m.To)
	if m.From != m.To {
		text = fmt.Sprintf("表を版 %d から %d にしました。", m.From, m.To)
	}
	if m.Copied != nil {
		var rows int64
		for _, n := range m.Copied {
			rows += n
		}
		text += fmt.Sprintf("\n%s行を移しました。記録 %s件は正しく検証できます。元のファイルは残してあります。", thousands(rows), thousands(m.Entries))
	}
	_, err := fmt.Fprintln(s.out, text)
	return err
}

// movable tells, before anything is made, whether there is something to move and a place for
// it: a file that is not there must not be made by looking for it.
func movable(from string, cfg *config.File) error {
	if from == "" {
		return nil
	}
	source := store.Config{URL: from}
	if source.Path() == "" || cfg.Database.Path() != "" {
		return usage{errors.New("--from は sqlite:ファイル に、設定の database.url は postgres:// にしてください")}
	}
	if info, err := os.Stat(source.Path()); err != nil || !info.Mode().IsRegular() {
		return usage{errors.New("--from のファイルがありません（相対パスは、いまいるフォルダーから数えます）")}
	}
	return nil
}

// moveInto copies what an SQLite database holds into the configuration's, and verifies the
// record there.
func moveInto(ctx context.Context, cfg *config.File, source store.Config, m *migration, progress io.Writer) (err error) {
	if path, err := filepath.Abs(source.Path()); err == nil {
		source = store.File(path)
	}
	from, err := store.Open(ctx, source) // with its lock: no gateway may write it meanwhile
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	owner := cfg.Database.Owner()
	to, err := store.Open(ctx, owner)
	if err != nil {
		return err
	}
	m.Copied = map[string]int64{}
	told := time.Now()
	err = store.Copy(ctx, from, to, func(table string, rows int64) {
		m.Copied[table] = rows
		if time.Since(told) > time.Second {
			told = time.Now()
			_, _ = fmt.Fprintf(progress, "移しています: %s %s行\n", table, thousands(rows))
		}
	})
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	return verifyMoved(ctx, cfg, m)
}

// verifyMoved proves the record where it stands now.
func verifyMoved(ctx context.Context, cfg *config.File, m *migration) error {
	report, err := audit.Verify(ctx, inputOf(cfg))
	if err != nil {
		return err
	}
	if m.Entries = report.Entries; !report.OK {
		return fault.New(fault.Conflict, "the record that was moved does not verify").WithCode("KKH5050").WithReason("record")
	}
	return nil
}
