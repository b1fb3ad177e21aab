package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"kakehashi/config"
)

// probeTimeout bounds each probe: on a host without a network a probe must fail, not hang.
const probeTimeout = 3 * time.Second

// finding is what one probe found. State is ok, warning, failed or skipped; a skipped one
// says why.
type finding struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Text  string `json:"text"`
}

func doctorCommand(s streams) *cobra.Command {
	var at server
	var network, asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "動くための条件がそろっているかを調べます",
		Long: `設定、鍵、データベース、動いているゲートウェイ、記録への書込み（試しの1件を書いて読み返します）を
調べます。書きかえるのは、その試しの1件だけです。相手先への接続は --network を付けたときだけ試します。

終了コード: 0 問題なし / 4 注意 / 12 ゲートウェイにつながらない / 16 使い方が違う / 20 問題がある / 24 記録に書けない`,
		Example: "  kakehashi doctor --dir DIR\n  kakehashi doctor --dir DIR --network --json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if at.dir == "" && at.url == "" {
				return usage{errors.New("ゲートウェイを --dir か --server で指定してください")}
			}
			list := examine(c.Context(), &at, network)
			if asJSON {
				if err := writeJSON(s.out, map[string]any{"findings": list}); err != nil {
					return err
				}
			} else {
				for _, f := range list {
					_, _ = fmt.Fprintf(s.out, "[%s] %s: %s\n", findingWord(f.State), f.Name, f.Text)
				}
			}
			if code := verdict(list); code != exitOK {
				return &ending{code: code}
			}
			return nil
		},
	}
	at.flags(c)
	c.Flags().BoolVar(&network, "network", false, "相手先への接続も試します")
	jsonFlag(c, &asJSON)
	return c
}

func findingWord(state string) string {
	return map[string]string{"ok": "正常", "warning": "注意", "failed": "異常", "skipped": "未確認"}[state]
}

// verdict is the exit code of all findings together.
func verdict(list []finding) int {
	code := exitOK
	for _, f := range list {
		switch {
		case f.State == "failed" && f.Name == findingRecord:
			return exitRecord
		case f.State == "failed" && f.Name == findingGateway:
			code = exitUnavailable
		case f.State == "failed" && code != exitUnavailable:
			code = exitData
		case f.State == "warning" && code == exitOK:
			code = exitWarning
		}
	}
	return code
}

// The findings that have an exit code of their own.
const (
	findingGateway = "ゲートウェイ"
	findingRecord  = "記録への書込み"
)

func examine(ctx context.Context, at *server, network bool) []finding {
	var list []finding
	if at.dir != "" {
		cfg, err := loadFolder(at.dir)
		if err != nil {
			return append(list, finding{"設定", "failed", err.Error()})
		}
		list = append(list, finding{"設定", "ok", "問題はありません"}, keysFinding(cfg), filledFinding(cfg), diskFinding(cfg))
		list = append(list, networkFindings(ctx, cfg, network)...)
	}
	return append(list, gatewayFindings(ctx, at)...)
}

// keysFinding tells whether every key is there and its owner's alone.
func keysFinding(cfg *config.File) finding {
	files := []string{
		cfg.Record.MACKeyFile, cfg.Record.SigningKeyFile, cfg.Record.PublicKeyFile,
		cfg.Neighbours.Residents.SecretFile, cfg.Neighbours.Tax.SecretFile, cfg.Neighbours.Address.SecretFile,
	}
	for _, path := range files {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return finding{"鍵", "failed", filepath.Base(path) + " を読めません"}
		case info.Mode().Perm()&0o077 != 0 && path != cfg.Record.PublicKeyFile:
			return finding{"鍵", "warning", filepath.Base(path) + " をほかの利用者が読めます。権限を 600 にしてください"}
		}
	}
	return finding{"鍵", "ok", "そろっています"}
}

// filledFinding tells whether what init could not know is filled in.
func filledFinding(cfg *config.File) finding {
	if err := filledIn(cfg); err != nil {
		return finding{"記入", "failed", explain(err)}
	}
	return finding{"記入", "ok", "要記入の値は残っていません"}
}

// diskFinding warns when less is left than the database may still grow; on PostgreSQL, where
// the database's disk is another's to watch, than the file of checkpoints needs.
func diskFinding(cfg *config.File) finding {
	folder := filepath.Dir(cmp.Or(cfg.Database.Path(), cfg.Record.CheckpointsFile))
	var fs unix.Statfs_t
	if err := unix.Statfs(folder, &fs); err != nil {
		return finding{"空き容量", "failed", "調べられません"}
	}
	free := fs.Bavail * uint64(max(fs.Bsize, 0))
	text := fmt.Sprintf("空き %d MiB", free>>20)
	switch {
	case free < 256<<20:
		return finding{"空き容量", "failed", text + "。記録を書けなくなる前に空けてください"}
	case free < 2<<30:
		return finding{"空き容量", "warning", text + "。少なくなっています"}
	}
	return finding{"空き容量", "ok", text}
}

func networkFindings(ctx context.Context, cfg *config.File, network bool) []finding {
	var list []finding
	for _, n := range []struct{ name, address string }{
		{"residents", cfg.Neighbours.Residents.BaseURL}, {"tax", cfg.Neighbours.Tax.BaseURL},
		{"address", cfg.Neighbours.Address.BaseURL}, {"職員認証", cfg.Staff.JWKSURL},
	} {
		name := "接続 " + n.name
		if !network {
			list = append(list, finding{name, "skipped", "--network を付けると試します"})
			continue
		}
		if err := dial(ctx, n.address); err != nil {
			list = append(list, finding{name, "failed", "つながりません"})
			continue
		}
		list = append(list, finding{name, "ok", "つながります"})
	}
	return list
}

func dial(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	port := u.Port()
	if port == "" {
		port = u.Scheme // net knows http and https
	}
	how := net.Dialer{Timeout: probeTimeout}
	conn, err := how.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	return conn.Close()
}

// gatewayFindings asks the gateway that runs: its readiness, for which no token is needed,
// and that the record can be written and read back.
func gatewayFindings(ctx context.Context, at *server) []finding {
	open, err := at.reach(2 * probeTimeout)
	if err != nil {
		return []finding{{findingGateway, "failed", err.Error()}}
	}
	list := []finding{readiness(ctx, open)}
	gateway, err := at.connect("operator")
	if err != nil {
		return append(list, finding{findingRecord, "skipped", err.Error()})
	}
	gateway.http.Timeout = 2 * probeTimeout
	var probe struct {
		LookupID string `json:"lookup_id"`
		Engines  []struct {
			Name   string `json:"name"`
			OK     bool   `json:"ok"`
			Code   string `json:"code"`
			Text   string `json:"text"`
			Millis int64  `json:"ms"`
		} `json:"engines"`
	}
	err = gateway.post(ctx, "/v1/probe", struct{}{}, &probe)
	end, refused := errors.AsType[*ending](err)
	switch {
	case err == nil:
		list = append(list, finding{findingRecord, "ok", "1件書いて読み返しました（" + probe.LookupID + "）"})
		for _, e := range probe.Engines {
			name := map[string]string{"redis": "Redis", "kafka": "Kafka"}[e.Name]
			switch {
			case !e.OK:
				list = append(list, finding{name, "warning", e.Code + " " + e.Text})
			case e.Code != "":
				list = append(list, finding{name, "ok", fmt.Sprintf("つながります（%d ms）。%s %s", e.Millis, e.Code, e.Text)})
			default:
				list = append(list, finding{name, "ok", fmt.Sprintf("書いて読み返しました（%d ms）", e.Millis)})
			}
		}
		return list
	case refused && (end.code == exitRecord || end.code == exitInternal):
		return append(list, finding{findingRecord, "failed", err.Error()})
	case refused && end.code == exitUsage: // the token given does not serve: whoever relies on this check must see it
		return append(list, finding{findingRecord, "warning", err.Error()})
	default: // it was not tried: there is no gateway
		return append(list, finding{findingRecord, "skipped", err.Error()})
	}
}

func readiness(ctx context.Context, gateway *client) finding {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, gateway.base+"/readyz", http.NoBody)
	if err != nil {
		return finding{findingGateway, "failed", "URLを読めません"}
	}
	req.Host = gateway.host
	res, err := gateway.http.Do(req)
	if err != nil {
		return finding{findingGateway, "failed", "つながりません。動いているか確かめてください"}
	}
	defer func() { _ = res.Body.Close() }()
	var body struct {
		Probes []struct {
			Name string `json:"name"`
			OK   bool   `json:"ok"`
			Code string `json:"code"`
			Text string `json:"text"`
		} `json:"probes"`
	}
	var wrong []string
	if json.UnmarshalRead(res.Body, &body) == nil {
		for _, p := range body.Probes {
			if !p.OK {
				wrong = append(wrong, p.Code+" "+p.Text)
			}
		}
	}
	switch {
	case res.StatusCode != http.StatusOK:
		return finding{"受付", "failed", "動いていますが、照会を受け付けられません。" + strings.Join(wrong, " ")}
	case len(wrong) > 0:
		return finding{"受付", "warning", "照会を受け付けていますが、直すものがあります。" + strings.Join(wrong, " ")}
	}
	return finding{findingGateway, "ok", "動いていて、照会を受け付けています"}
}
