package events

import (
	"errors"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"kakehashi/internal/fault"
)

// The mechanisms by which we prove to Kafka who we are.
const (
	saslNone  = "none"
	saslPlain = "plain"
	saslScram = "scram-sha-512"
)

// Connection says where Kafka is and as whom we speak to it. Without brokers there is none.
type Connection struct {
	Brokers []string `config:"brokers" doc:"Kafka のブローカーの「ホスト:ポート」の一覧。省略すると Kafka を使いません"`

	TLS      bool   `config:"tls" doc:"Kafka へ TLS でつなぐかどうか"`
	CAFile   string `config:"tls_ca" format:"path" doc:"Kafka の証明書を検証する認証局証明書（PEM）。省略するとOSの既定"`
	CertFile string `config:"tls_certificate" format:"path" doc:"相互TLSのクライアント証明書（PEM）"`
	KeyFile  string `config:"tls_key" format:"path" doc:"相互TLSのクライアント秘密鍵（PEM）"`

	SASL         string `config:"sasl" default:"none" enum:"none|plain|scram-sha-512" doc:"Kafka に名乗る方式"`
	Username     string `config:"username" doc:"Kafka に名乗る利用者名"`
	PasswordFile string `config:"password_file" format:"path" doc:"Kafka のパスワードだけを書いたファイル。接続のたびに読み直します"`

	ClientID string        `config:"client_id" default:"kakehashi" doc:"Kafka のログに残る、この接続の名前"`
	Timeout  time.Duration `config:"timeout" default:"10s" doc:"Kafka の応答を待つ時間の上限"`
}

// Config says what is published, to whom and by which right, and which notices are taken in.
type Config struct {
	Topic     string       `config:"topic" default:"kakehashi.ledger.v1" doc:"台帳の変更を知らせるトピック"`
	Consumers []Subscriber `config:"consumers" doc:"変更の知らせを受け取る相手の一覧。1つもないときは何も知らせません"`
	Probe     string       `config:"probe_topic" default:"kakehashi.probe" doc:"doctor が書き込みと読み出しを試すトピック。ないときは試しません"`
	Notices   Notices      `config:"notices" doc:"庁内の各システムからの変更通知の取り込み"`
}

// Subscriber is somebody who reads what is published.
type Subscriber struct {
	Name       string `config:"name,required" doc:"受け取る相手の名前"`
	LegalBasis string `config:"legal_basis,required" doc:"知らせてよい根拠（条例と条項など）"`
	From       string `config:"from,required" format:"date" doc:"知らせてよくなる日。この日以後に起動したときから知らせます"`
}

// Notices says where the notices of the city's own systems come from, and when their
// consumer counts as hung.
type Notices struct {
	Enabled bool   `config:"enabled" doc:"変更通知を取り込むかどうか"`
	Topic   string `config:"topic" default:"kakehashi.notices.v1" doc:"変更通知を読むトピック"`
	Group   string `config:"group" default:"kakehashi" doc:"変更通知を読むグループの名前の始まり。後ろに「-」と団体コードが付きます"`

	Check time.Duration `config:"check" default:"10s" doc:"取り込みの遅れを調べる間隔"`
	Stall time.Duration `config:"stall" default:"60s" doc:"未読の通知があるのにこの時間何も読めないとき、または1件の処理がこの時間で終わらないとき、止まっているとみなします"`
}

// Defaults gives the settings that the tags of Connection and Config name.
func Defaults() (Connection, Config) { return Connection{}.withDefaults(), Config{}.withDefaults() }

func (c Connection) withDefaults() Connection {
	if c.SASL == "" {
		c.SASL = saslNone
	}
	if c.ClientID == "" {
		c.ClientID = "kakehashi"
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	return c
}

func (c Config) withDefaults() Config {
	fill := func(s *string, preset string) {
		if *s == "" {
			*s = preset
		}
	}
	fill(&c.Topic, "kakehashi.ledger.v1")
	fill(&c.Probe, "kakehashi.probe")
	fill(&c.Notices.Topic, "kakehashi.notices.v1")
	fill(&c.Notices.Group, "kakehashi")
	if c.Notices.Check == 0 {
		c.Notices.Check = 10 * time.Second
	}
	if c.Notices.Stall == 0 {
		c.Notices.Stall = time.Minute
	}
	return c
}

// Publishes tells whether anything may be published on the day: somebody is named who may be
// told by then. Where it does not, cmd makes no route to Kafka, and nothing is owed to it.
func (c Config) Publishes(on time.Time) bool {
	today := on.In(japan()).Format(time.DateOnly)
	for _, s := range c.Consumers {
		if s.From <= today {
			return true
		}
	}
	return false
}

// japan is the zone in which the configuration's dates are days.
func japan() *time.Location { return time.FixedZone("JST", 9*60*60) }

// Validate tells everything that is wrong with the settings at once: Invalid faults joined,
// each with the key in Field. No value stands in their texts. It reads no file.
func (c Connection) Validate() error {
	c = c.withDefaults()
	var w wrongs
	for _, b := range c.Brokers {
		w.add(!fitBroker(b), "brokers", "「ホスト:ポート」の一覧にしてください")
	}
	w.add(!c.TLS && c.CAFile+c.CertFile+c.KeyFile != "", "tls", "証明書を使うには tls を true にしてください")
	w.add((c.CertFile == "") != (c.KeyFile == ""), "tls_key", "クライアント証明書と秘密鍵は両方指定してください")
	named := c.SASL != saslNone
	w.add(named && c.SASL != saslPlain && c.SASL != saslScram, "sasl", "none、plain、scram-sha-512 のどれかにしてください")
	w.add(named != (c.Username != ""), "username", "sasl を使うときだけ、利用者名を書いてください")
	w.add(named != (c.PasswordFile != ""), "password_file", "sasl を使うときだけ、パスワードのファイルを指定してください")
	w.add(named && !c.TLS && !c.local(), "tls", "パスワードは TLS の上でだけ送れます（同じ機械の中を除く）")
	w.add(!fitName(c.ClientID), "client_id", "半角英数字と . _ - だけの200文字までにしてください")
	w.add(c.Timeout < 100*time.Millisecond || c.Timeout > time.Minute, "timeout", "100msから1分の間にしてください")
	return w.joined()
}

// Validate tells everything that is wrong with the settings at once, like that of Connection.
func (c Config) Validate() error {
	c = c.withDefaults()
	var w wrongs
	const name = "半角英数字と . _ - だけの200文字までにしてください"
	w.add(!fitName(c.Topic), "topic", name)
	w.add(!fitName(c.Probe), "probe_topic", name)
	w.add(!fitName(c.Notices.Topic), "notices/topic", name)
	w.add(!fitName(c.Notices.Group), "notices/group", name)
	w.add(c.Topic == c.Notices.Topic || c.Probe == c.Topic || c.Probe == c.Notices.Topic, "topic", "3つのトピックは別々の名前にしてください")
	seen := map[string]bool{}
	for i, s := range c.Consumers {
		at := "consumers/" + strconv.Itoa(i)
		w.add(strings.TrimSpace(s.Name) == "" || seen[s.Name], at+"/name", "受け取る相手ごとに、別の名前を書いてください")
		w.add(strings.TrimSpace(s.LegalBasis) == "", at+"/legal_basis", "知らせてよい根拠を書いてください")
		_, err := time.Parse(time.DateOnly, s.From)
		w.add(err != nil, at+"/from", "知らせてよくなる日を書いてください")
		seen[s.Name] = true
	}
	w.add(c.Notices.Check < 10*time.Millisecond || c.Notices.Check > time.Hour, "notices/check", "10msから1時間の間にしてください")
	w.add(c.Notices.Stall < c.Notices.Check || c.Notices.Stall > time.Hour, "notices/stall", "check 以上、1時間以下にしてください")
	return w.joined()
}

// Check tells whether the two sections fit one another: whoever publishes or reads needs
// brokers.
func Check(conn Connection, cfg Config) error {
	var w wrongs
	w.add(len(conn.Brokers) == 0 && (len(cfg.Consumers) > 0 || cfg.Notices.Enabled), "brokers",
		"events で知らせる相手か変更通知の取り込みを設定したときは、ブローカーを書いてください")
	return w.joined()
}

// wrongs collects what is wrong with settings.
type wrongs []error

func (w *wrongs) add(bad bool, key, text string) {
	if bad {
		*w = append(*w, &fault.Error{Kind: fault.Invalid, Code: codeConfig, Field: "/" + key, What: text})
	}
}

func (w *wrongs) joined() error { return errors.Join(*w...) }

// local tells whether every broker is on this machine.
func (c Connection) local() bool {
	for _, b := range c.Brokers {
		host, _, err := net.SplitHostPort(b)
		if err != nil {
			return false
		}
		if ip := net.ParseIP(host); host != "localhost" && !ip.IsLoopback() {
			return false
		}
	}
	return true
}

func fitBroker(b string) bool {
	host, port, err := net.SplitHostPort(b)
	n, bad := strconv.Atoi(port)
	return err == nil && bad == nil && host != "" && n > 0 && n < 1<<16 && !strings.ContainsAny(host, " /,@")
}

// fitName tells whether s may name a topic or a group: Kafka allows these characters and 249
// of them; the rest is for what we append.
func fitName(s string) bool {
	return len(s) <= 200 && s != "." && s != ".." && regexp.MustCompile(`^[A-Za-z0-9._-]+$`).MatchString(s)
}
