package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kakehashi/config"
	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/sandbox"
	"kakehashi/internal/staff"
	"kakehashi/internal/web"
)

// sandboxFolder is where the stand-ins keep their own within a demo's folder.
const sandboxFolder = "sandbox"

// casesFile says within a demo's folder that the personas' cases were opened.
const casesFile = "cases-opened"

// ready is the line that demo --json prints when it serves.
type ready struct {
	API          string  `json:"api"`
	Console      string  `json:"console"`
	Sandbox      string  `json:"sandbox"`
	Issuer       string  `json:"issuer"`
	Dir          string  `json:"dir"`
	Municipality string  `json:"municipality"`
	PID          int     `json:"pid"`
	Example      example `json:"example"`
}

type example struct {
	Procedure string `json:"procedure"`
	Purpose   string `json:"purpose"`
	Reason    string `json:"reason"`
}

func demoCommand(s streams) *cobra.Command {
	var on demoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "架空の市で、ゲートウェイの全体を動かします",
		Long: `組み込みのデータベースと、架空の市の相手先（住民基本台帳・税務・団体内統合宛名・職員認証）で、
ゲートウェイの全体を動かします。ネットワークは使いません。データはすべて架空です。
同じ --dir で始めると、前回の続きから動きます。

--database、--redis、--kafka を付けると、本物のエンジンの上で動きます。新しい --dir のときだけ選べ、
フォルダーの設定（kakehashi.yaml）に書かれます。Kafka には、要るトピックがなければ作ります。`,
		Example: "  kakehashi demo\n  kakehashi demo --dir DIR --addr 127.0.0.1:0 --json\n" +
			"  kakehashi demo --database postgres://postgres@127.0.0.1:5432/postgres --redis redis://127.0.0.1:6379 --kafka 127.0.0.1:9092",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return demo(c.Context(), on, s)
		},
	}
	c.Flags().StringVar(&on.dir, "dir", "", "データを置くフォルダー（省くと新しい一時フォルダー）")
	c.Flags().StringVar(&on.addr, "addr", "127.0.0.1:0", "APIと画面のアドレス（ポート0は空いているポート）")
	c.Flags().BoolVar(&on.json, "json", false, "用意ができたら、標準出力にJSONを1行だけ出します")
	c.Flags().StringVar(&on.database, "database", "", "PostgreSQL のURL（postgres://利用者@ホスト:ポート/データベース名）。省くと組み込みの SQLite")
	c.Flags().StringVar(&on.schema, "schema", "", "PostgreSQL のスキーマ（省くと kakehashi）")
	c.Flags().StringVar(&on.redis, "redis", "", "Redis のURL（redis://ホスト:ポート）")
	c.Flags().StringSliceVar(&on.kafka, "kafka", nil, "Kafka のブローカー（ホスト:ポート。コンマで区切って並べられます）")
	c.AddCommand(demoTokenCommand(s))
	return c
}

func demoTokenCommand(s streams) *cobra.Command {
	var dir, role, number string
	c := &cobra.Command{
		Use:     "token",
		Short:   "試験用の職員トークン（1時間有効）を出します",
		Example: "  kakehashi demo token --dir DIR --role auditor\n  kakehashi demo token --dir DIR --staff 1001",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if role != "" && number != "" {
				return usage{errors.New("--role と --staff はどちらか一方にしてください")}
			}
			token, err := sandbox.Token(filepath.Join(dir, sandboxFolder), sandbox.TokenRequest{Role: role, Staff: number})
			if err != nil {
				return standIns(err)
			}
			_, err = fmt.Fprintln(s.out, token)
			return err
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "demo のフォルダー（必須）")
	c.Flags().StringVar(&role, "role", "", "役割: case-worker, operator, auditor, integrator, contractor, disclosure, approver, case-system（省くと case-worker）")
	c.Flags().StringVar(&number, "staff", "", "職員番号")
	required(c, "dir")
	return c
}

// demoOptions are what a demo is started with.
type demoOptions struct {
	dir, addr               string
	json                    bool
	database, schema, redis string
	kafka                   []string
}

// demo runs the whole gateway until ctx ends.
func demo(ctx context.Context, on demoOptions, s streams) error {
	if !on.json {
		_, _ = fmt.Fprintln(s.out, "架空市を用意しています…")
	}
	dir, err := demoFolder(on.dir)
	if err != nil {
		return err
	}
	neighbours, city, err := demoNeighbours(ctx, dir)
	if err != nil {
		return err
	}
	if neighbours != nil {
		defer func() { _ = neighbours.Close() }()
	}
	if err := demoFiles(city, dir, on); err != nil {
		return err
	}
	cfg, err := loadConfig(filepath.Join(dir, configFile))
	if err != nil {
		return err
	}
	if err := demoTopics(ctx, cfg); err != nil {
		return err
	}
	l, err := listenOn(ctx, on.addr)
	if err != nil {
		return err
	}
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return errors.Join(usage{errors.New("demo は同じ機械の中（127.0.0.1）だけで動きます。--addr を見直してください")}, l.Close())
	}
	log := newLog(cfg, s)
	one, err := newSet(ctx, cfg, log, demoConsole(cfg, city, dir))
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return one.serveDemo(ctx, demoRun{dir: dir, city: city, listener: l, json: on.json, streams: s})
}

// demoConsole makes the pages, filled in with a persona's case.
func demoConsole(cfg *config.File, city *sandbox.City, dir string) *web.Console {
	return &web.Console{
		Token: func(_ context.Context, role string) (string, error) {
			return city.Token(sandbox.TokenRequest{Role: role})
		},
		City: cfg.Municipality.Name, Label: cfg.Municipality.Label(), Case: firstChild(city.People()).Case,
		Procedure: exampleProcedure, Purpose: examplePurpose, Reason: exampleReason,
		Examples: examples(city.People()),
		Verify: func(ctx context.Context) (web.Verification, error) {
			in, err := verifyInput(dir, "", "", false)
			if err != nil {
				return web.Verification{}, err
			}
			r, err := audit.Verify(ctx, in)
			v := web.Verification{OK: r.OK, Entries: r.Entries, Sealed: r.Sealed, Unproved: r.Unproved}
			for _, p := range r.Problems {
				v.Problems = append(v.Problems, p.Text)
			}
			return v, err
		},
	}
}

// examples picks a person for each thing that is worth trying on the pages.
func examples(people []sandbox.Persona) []web.Example {
	var list []web.Example
	for _, e := range []struct{ tag, about string }{
		{"child", "子（家族がそろっている）"}, {"protected", "支援措置の対象者"}, {"tax-undeclared", "未申告の家庭"},
		{"tax-elsewhere", "前の年度の課税が他市にある"}, {"non-resident", "住登外者"}, {"unknown-birth", "生年月日の一部が不詳"},
		{"namesake", "同姓同名の人がいる"}, {"gaiji", "外字の氏名"}, {"foreign", "通称のある外国人住民"}, {"newborn", "昨日生まれた子"}, {"dead", "亡くなった人"},
	} {
		i := slices.IndexFunc(people, func(p sandbox.Persona) bool { return slices.Contains(p.Tags, e.tag) })
		if i >= 0 {
			p := people[i]
			list = append(list, web.Example{About: e.about, Kana: p.Kana, Birth: p.BirthDate, Case: p.Case})
		}
	}
	return list
}

// demoRun is what one run of the demo has beside its rooms.
type demoRun struct {
	dir      string
	city     *sandbox.City
	listener net.Listener
	json     bool
	streams  streams
}

// serveDemo serves, opens the personas' cases the first time, says where everything is, and
// stops as serve does.
func (s *set) serveDemo(ctx context.Context, d demoRun) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	served := make(chan error, 1)
	go func() { served <- s.serve(ctx, d.listener) }()
	base := "http://" + d.listener.Addr().String()
	r := ready{
		API: base, Console: base + "/console/", Dir: d.dir, Municipality: s.cfg.Municipality.Code, PID: os.Getpid(),
		Sandbox: d.city.Addresses().Control, Issuer: d.city.Addresses().Issuer,
		Example: example{Procedure: exampleProcedure, Purpose: examplePurpose, Reason: exampleReason},
	}
	err := s.openCases(ctx, d)
	if err == nil {
		err = writeRunning(d.dir, running{API: base, Console: r.Console, Municipality: r.Municipality, PID: r.PID})
	}
	if err == nil {
		s.log.Info("started", "code", "KKH5001", "addr", d.listener.Addr().String(), "pid", r.PID, "version", version())
		if d.json {
			err = writeJSON(d.streams.out, r)
		} else {
			greet(d.streams, r, d.city)
		}
	}
	if err != nil {
		stop(err)
		return errors.Join(err, <-served)
	}
	err = <-served
	s.log.Info("stopped", "code", "KKH5002", "pid", r.PID)
	return errors.Join(err, removeRunning(d.dir))
}

// demoFolder gives the folder as an absolute path, a new one where none is named.
func demoFolder(dir string) (string, error) {
	if dir == "" {
		made, err := os.MkdirTemp("", "kakehashi-demo-")
		if err != nil {
			return "", fault.New(fault.Unavailable, "make a temporary folder: %w", withoutPath(err)).WithCode("KKH5004")
		}
		return made, nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", usage{errors.New("--dir を読めません")}
	}
	if err := os.MkdirAll(filepath.Join(dir, "keys"), 0o700); err != nil {
		return "", fault.New(fault.Unavailable, "make the folder: %w", withoutPath(err)).WithCode("KKH5004")
	}
	return dir, nil
}

// demoNeighbours opens the city and starts its stand-ins in this process, unless another
// process serves them already.
func demoNeighbours(ctx context.Context, dir string) (*sandbox.Running, *sandbox.City, error) {
	folder := filepath.Join(dir, sandboxFolder)
	city, err := sandbox.Open(folder, sandbox.Options{})
	if err != nil {
		return nil, nil, standIns(err)
	}
	if _, _, served := sandbox.Find(ctx, folder); served {
		return nil, city, nil
	}
	// They outlive the signal that ends the gateway: its last lookups still need them.
	neighbours, err := city.Start(context.WithoutCancel(ctx))
	return neighbours, city, standIns(err)
}

// demoFiles writes keys and configuration the first time, the configuration last, so that
// a folder with one is complete.
func demoFiles(city *sandbox.City, dir string, on demoOptions) error {
	path := filepath.Join(dir, configFile)
	if _, err := os.Stat(path); err == nil {
		if on.database+on.schema+on.redis != "" || len(on.kafka) > 0 {
			return usage{errors.New("このフォルダーには設定があります。エンジンは kakehashi.yaml の database、redis、kafka で選んでください")}
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Join(dir, "keys"), 0o700); err != nil {
		return fault.New(fault.Unavailable, "make the folder of keys: %w", withoutPath(err)).WithCode("KKH5004")
	}
	// A start that was killed half-way may have left keys; nothing was sealed with them yet.
	for _, name := range []string{audit.MACKeyName, audit.SigningKeyName, audit.PublicKeyName} {
		_ = os.Remove(filepath.Join(dir, "keys", name))
	}
	if err := audit.GenerateKeys(filepath.Join(dir, "keys")); err != nil {
		return err
	}
	for _, n := range city.Neighbours() {
		if err := writeFile(secretFile(dir, n.System), []byte(n.ClientSecret+"\n")); err != nil {
			return err
		}
	}
	return writeConfig(dir, demoEngines(demoConfig(city, dir), on))
}

// writeConfig writes a folder's configuration and its schema. Paths below the folder are
// written relative to it, so that the folder may be moved.
func writeConfig(dir string, f *config.File) error {
	schema, err := config.Schema()
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, "kakehashi.schema.json"), schema); err != nil {
		return err
	}
	text, err := config.Render(f, dir)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, configFile), text)
}

// openCases opens the personas' cases the first time, as the case system would, and those
// of further personas that a newer version brings. The marker names the last that was
// opened; it is empty where the version that wrote it did not say.
func (s *set) openCases(ctx context.Context, d demoRun) error {
	marker := filepath.Join(d.dir, casesFile)
	last, err := os.ReadFile(filepath.Clean(marker))
	begun := err == nil
	system := staff.Member{Client: "case-system"}
	newest := string(last)
	for _, p := range d.city.People() {
		if p.Case <= string(last) {
			continue
		}
		c := ledger.Case{ID: ledger.CaseID(p.Case), Procedure: exampleProcedure}
		for _, m := range p.Members {
			c.Persons = append(c.Persons, ledger.AtenaNumber(m))
		}
		_, err := s.gateway.OpenCase(ctx, system, c)
		if err != nil && (!begun || !fault.Is(err, fault.Conflict)) { // one that was closed stays closed
			return fmt.Errorf("open the personas' cases: %w", err)
		}
		newest = max(newest, p.Case)
	}
	if begun && newest == string(last) {
		return nil
	}
	return writeFile(marker, []byte(newest))
}

// greet says where everything is, with commands to paste.
func greet(s streams, r ready, city *sandbox.City) {
	program := invocation()
	p := firstChild(city.People())
	basis := fmt.Sprintf("--case %s --procedure %s --purpose %s", p.Case, r.Example.Procedure, r.Example.Purpose)
	_, _ = fmt.Fprintf(s.out, `
架け橋のデモが動いています（架空データ。止めるときは Ctrl+C）。

  画面        %s
  API         %s/v1/
  相手先の操作 %s
  フォルダー  %s

試すコマンド（そのまま貼り付けられます）:

  # 人を探す
  %s find --dir %s --kana %s --birth-date %s %s

  # 照会する
  %s lookup --dir %s --atena-number %s %s

  # 記録を検証する
  %s audit verify --dir %s

相手先を止めてみる: %s sandbox fault --dir %s tax down --for 1m
`, r.Console, r.API, r.Sandbox, r.Dir,
		program, quote(r.Dir), quote(p.Kana), p.BirthDate, basis,
		program, quote(r.Dir), p.AtenaNumber, basis,
		program, quote(r.Dir), program, quote(r.Dir))
}

// firstChild gives a persona that a case worker would look up: a child with a family.
func firstChild(people []sandbox.Persona) sandbox.Persona {
	for _, p := range people {
		if slices.Contains(p.Tags, "child") && len(p.Members) > 1 {
			return p
		}
	}
	return people[0]
}

// invocation is how this program was called: by "go run" its own path is gone soon.
func invocation() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./cmd/kakehashi"
	}
	return quote(os.Args[0])
}

// quote makes one word of a shell's command line.
func quote(word string) string {
	if strings.ContainsAny(word, " \t\"'$`\\!*?[]{}()<>|&;#~　") {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}
