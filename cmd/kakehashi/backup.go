package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"kakehashi/internal/store"
)

func backupCommand(s streams) *cobra.Command {
	var dir string
	var asJSON bool
	c := &cobra.Command{
		Use:   "backup ファイル",
		Short: "データベースの控えを取ります（動いたままで取れます）",
		Long: `ゲートウェイが動いたまま、データベースの控えを1つのファイルに取ります。すでにあるファイルには
書きません。鍵（keys フォルダー）と checkpoints.txt は別に、別の場所へ控えてください。

戻し方: ゲートウェイを止める → 控えを kakehashi.db の場所に置く（kakehashi.db-wal と
kakehashi.db-shm は消す）→ kakehashi audit verify --dir DIR → ゲートウェイを始める。
控えのあとの記録が失われたときは、検証がその件数を示します。

PostgreSQL のデータベースの控えは取れません（20）。pg_dump -Fc --schema=スキーマ で取ります。
取るものと戻し方は、手引きの「PostgreSQL・Redis・Kafka で動かす」にあります。`,
		Example: "  kakehashi backup --dir DIR /backup/kakehashi-20261124.db",
		Args:    arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			f, err := loadFolder(dir)
			if err != nil {
				return err
			}
			db, err := store.OpenReadOnly(c.Context(), f.Database)
			if err != nil {
				return err
			}
			if err := errors.Join(store.Backup(c.Context(), db, args[0]), db.Close()); err != nil {
				return err
			}
			if asJSON {
				return writeJSON(s.out, map[string]any{"ok": true, "file": args[0]})
			}
			_, err = fmt.Fprintln(s.out, "控えを取りました。取扱注意: 宛名番号を含みます。")
			return err
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "ゲートウェイのフォルダー（必須）")
	jsonFlag(c, &asJSON)
	required(c, "dir")
	return c
}
