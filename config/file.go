package config

import (
	"errors"
	"net/url"
	"strconv"

	"kakehashi/adapters/address"
	"kakehashi/adapters/events"
	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/inbox"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
	"kakehashi/internal/volatile"
	"kakehashi/internal/web"
	"kakehashi/internal/wire"
	"kakehashi/outbox"
)

// File is the whole configuration of one municipality's gateway. Every section but those
// declared here belongs to the package that uses it.
type File struct {
	Municipality Municipality      `config:"municipality" doc:"自治体"`
	Listen       web.Config        `config:"listen" doc:"APIと画面を公開するところ"`
	Database     store.Config      `config:"database" doc:"データベース"`
	Redis        volatile.Config   `config:"redis" doc:"Redis（無くてもよい。失われてよいものだけを置きます）"`
	Kafka        events.Connection `config:"kafka" doc:"Kafka（無くてもよい）"`
	Events       events.Config     `config:"events" doc:"台帳の変更の知らせと、庁内の各システムからの異動通知"`
	Inbox        inbox.Config      `config:"inbox" doc:"異動通知の受信箱"`
	Record       audit.Config      `config:"record" doc:"記録（監査証跡）の鍵と控え"`
	Staff        staff.Config      `config:"staff" doc:"だれのトークンを信頼し、だれに何の役割を認めるか"`
	Procedures   []staff.Procedure `config:"procedures,required" doc:"事務手続ごとに見てよい項目と根拠法令"`
	Lookup       gateway.Config    `config:"lookup" doc:"照会と検索の上限"`
	Outbox       outbox.Config     `config:"outbox" doc:"台帳の変更を相手先へ送る速さと粘り強さ"`
	Neighbours   Neighbours        `config:"neighbours" doc:"相手先のシステム"`
	Mapping      Mapping           `config:"mapping" doc:"コード表と変換"`
	Telemetry    Telemetry         `config:"telemetry" doc:"計測値とトレースの送り先"`
	Log          Log               `config:"log" doc:"運用ログ（標準エラー出力）"`
}

// Municipality says whose gateway this is.
type Municipality struct {
	Code        string `config:"code,required" doc:"全国地方公共団体コード（検査数字を含む6桁）"`
	Name        string `config:"name,required" doc:"自治体の名前"`
	Environment string `config:"environment" default:"production" enum:"production|staging|fictional" doc:"環境。画面に production は「本番」、staging は「検証」、fictional は「架空データ」と出ます"`
}

// Label gives the environment as the word that the pages show.
func (m Municipality) Label() string {
	switch m.Environment {
	case "fictional":
		return "架空データ"
	case "staging":
		return "検証"
	default:
		return "本番"
	}
}

// Validate tells whether the code has its shape; its check digit is the program's to check.
func (m Municipality) Validate() error {
	for _, r := range m.Code {
		if r < '0' || r > '9' {
			return unfit("code", "6桁の半角数字にしてください")
		}
	}
	if len(m.Code) != 6 {
		return unfit("code", "6桁の半角数字にしてください")
	}
	return nil
}

// Neighbours are the systems around the ledger, by the names that the API uses.
type Neighbours struct {
	Residents wire.Config    `config:"residents" doc:"既存住民基本台帳。支援措置もここに問い合わせます（自動遮断は別に働きます）"`
	Tax       wire.Config    `config:"tax" doc:"税務課が庁内へ公開する課税区分"`
	Address   address.Config `config:"address" doc:"団体内統合宛名"`
}

// Mapping replaces what is built in by what the city uses.
type Mapping struct {
	Tables string `config:"tables" format:"path" doc:"この市のコード表（.tsv）を置いたフォルダー。省略すると架空市のコード表"`
}

// Telemetry says where measurements go besides /metrics.
type Telemetry struct {
	OTLPEndpoint string `config:"otlp_endpoint" doc:"OTLP/HTTP の受け口のURL。省略すると送りません"`
}

// Validate refuses addresses that may hold a secret.
func (t Telemetry) Validate() error {
	if t.OTLPEndpoint == "" {
		return nil
	}
	u, err := url.Parse(t.OTLPEndpoint)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || (u.Scheme != "http" && u.Scheme != "https") {
		return unfit("otlp_endpoint", "http:// か https:// で始まるURLにしてください（利用者名と問い合わせ文字列は書けません）")
	}
	return nil
}

// Log is the form of the lines on standard error.
type Log struct {
	Format string `config:"format" default:"line" enum:"line|json" doc:"行の形。line は監視製品向けの511バイト以内の1行"`
	Level  string `config:"level" default:"info" enum:"debug|info|warn|error" doc:"ここから上の重大度を書きます"`
}

// Validate tells what only the whole file shows.
func (f File) Validate() error {
	var wrong []error
	seen := map[string]int{}
	for i, p := range f.Procedures {
		if first, twice := seen[p.ID+" "+p.From]; twice {
			wrong = append(wrong, fault.New(fault.Invalid, "同じ識別子と初日の事務手続が %d 番目にもあります", first+1).
				WithCode(codeUnfit).WithField("procedures."+strconv.Itoa(i)+".id"))
			continue
		}
		seen[p.ID+" "+p.From] = i
	}
	for _, n := range []struct {
		key string
		cfg wire.Config
	}{{"residents", f.Neighbours.Residents}, {"tax", f.Neighbours.Tax}, {"address", f.Neighbours.Address.Config}} {
		if n.cfg.AttemptTimeout > f.Lookup.Budget {
			// No attempt would ever end by its own time-out, so the breaker would never open.
			wrong = append(wrong, unfit("neighbours."+n.key+".attempt_timeout", "lookup.budget 以下にしてください。長いと自動遮断が働きません"))
		}
	}
	if most := f.Neighbours.Address.Concurrency; f.Outbox.InFlight > most && most > 0 {
		// The rest would be refused by our own limit, which looks like trouble of the neighbour's.
		wrong = append(wrong, unfit("outbox.in_flight", "neighbours.address.concurrency 以下にしてください"))
	}
	if err := events.Check(f.Kafka, f.Events); err != nil {
		wrong = append(wrong, unfit("kafka.brokers", "events で知らせる相手か異動通知の取り込みを設定したときは、ブローカーを書いてください"))
	}
	return errors.Join(wrong...)
}

func unfit(field, text string) error {
	return fault.New(fault.Invalid, "%s", text).WithCode(codeUnfit).WithField(field)
}
