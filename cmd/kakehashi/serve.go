package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"kakehashi/config"
	"kakehashi/internal/fault"
	"kakehashi/internal/logline"
)

// configFile is the configuration's name in a gateway's folder.
const configFile = "kakehashi.yaml"

func serveCommand(s streams) *cobra.Command {
	var file, dir string
	c := &cobra.Command{
		Use:   "serve",
		Short: "ゲートウェイを動かします",
		Long: `設定ファイルのとおりにゲートウェイを動かします。SIGTERM か SIGINT で、受け付けた照会を終え、
記録を封印してから止まります。運用ログは標準エラーに1行ずつ出ます。

municipalities に自治体ごとの設定ファイルを並べたファイルを渡すと、1つのプログラムで複数の自治体の
ゲートウェイを、たがいに切り離して動かします（説明は「複数の自治体」）。`,
		Example: "  kakehashi serve --config /etc/kakehashi/kakehashi.yaml\n  kakehashi serve --dir DIR\n" +
			"  kakehashi serve --config /etc/kakehashi/host.yaml",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if (file == "") == (dir == "") {
				return usage{errors.New("--config か --dir のどちらか一方で設定を指定してください")}
			}
			if file == "" {
				file = filepath.Join(dir, configFile)
			}
			if config.IsHost(file) {
				cfg, err := loadHost(file)
				if err != nil {
					return err
				}
				return serveHost(c.Context(), cfg, s)
			}
			cfg, err := loadConfig(file)
			if err != nil {
				return err
			}
			return serveConfig(c.Context(), cfg, filepath.Dir(file), s)
		},
	}
	c.Flags().StringVar(&file, "config", "", "設定ファイル")
	c.Flags().StringVar(&dir, "dir", "", "kakehashi.yaml のあるフォルダー（init が作ったもの）")
	return c
}

func serveConfig(ctx context.Context, cfg *config.File, dir string, s streams) error {
	if err := filledIn(cfg); err != nil {
		return err
	}
	log := newLog(cfg, s)
	one, err := newSet(ctx, cfg, log, nil)
	if err != nil {
		return err
	}
	l, err := listenOn(ctx, cfg.Listen.Address)
	if err != nil {
		return errors.Join(err, one.close(ctx))
	}
	scheme := "http://"
	if cfg.Listen.TLSCertificate != "" {
		scheme = "https://"
	}
	r := running{API: scheme + l.Addr().String(), Municipality: cfg.Municipality.Code, PID: os.Getpid()}
	if err := writeRunning(dir, r); err != nil { // it serves all the same; only --dir does not find it
		log.Warn("not announced", "code", "KKH5006")
	}
	log.Info("started", "code", "KKH5001", "addr", l.Addr().String(), "pid", os.Getpid(), "version", version())
	err = one.serve(ctx, l)
	log.Info("stopped", "code", "KKH5002", "pid", os.Getpid())
	return errors.Join(err, removeRunning(dir))
}

// newLog makes the program's log of one line an event (experience.md 3.2). It becomes the
// process's log too, so that a library's word takes the same form.
func newLog(cfg *config.File, s streams) *slog.Logger { return logAs(cfg.Log, s) }

// logAs is newLog of a configuration's section.
func logAs(cfg config.Log, s streams) *slog.Logger {
	log := slog.New(logline.New(s.err, logline.Options{JSON: cfg.Format == "json", Level: cfg.Level}))
	slog.SetDefault(log)
	return log
}

func listenOn(ctx context.Context, address string) (net.Listener, error) {
	var how net.ListenConfig
	l, err := how.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "listen: %w", err).WithCode("KKH5003")
	}
	return l, nil
}

// writeRunning tells other commands where the gateway runs, whole or not at all.
func writeRunning(dir string, r running) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode %s: %w", runningFile, err)
	}
	return writeFile(filepath.Join(dir, runningFile), b)
}

// removeRunning takes back what writeRunning wrote, where it is still this process's: on
// PostgreSQL another gateway may have been started on the same folder since.
func removeRunning(dir string) error {
	content, err := os.ReadFile(filepath.Join(dir, runningFile))
	var told running
	if err == nil && json.Unmarshal(content, &told) == nil && told.PID != os.Getpid() {
		return nil
	}
	if err := os.Remove(filepath.Join(dir, runningFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fault.New(fault.Internal, "remove %s", runningFile)
	}
	return nil
}

// writeFile writes a small file for its owner alone, whole or not at all.
func writeFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fault.New(fault.Unavailable, "write %s: %w", filepath.Base(path), withoutPath(err)).WithCode("KKH5004")
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fault.New(fault.Unavailable, "write %s: %w", filepath.Base(path), withoutPath(err)).WithCode("KKH5004")
	}
	return nil
}

// withoutPath keeps the cause of a file's error and drops where the file is.
func withoutPath(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err
	}
	return err
}
