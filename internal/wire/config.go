package wire

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"kakehashi/internal/fault"
)

// Config says where a neighbour is and how long to wait for it. Every duration is that of
// one call unless its text says otherwise.
type Config struct {
	BaseURL    string `config:"base_url,required" doc:"相手先のURL。https で始まります（同じ機械の中だけ http も可）"`
	TokenURL   string `config:"token_url" doc:"アクセストークンの発行先URL。省略すると base_url の /oauth2/token"`
	ClientID   string `config:"client_id,required" doc:"相手先が発行したクライアントID（半角英数字32文字）"`
	SecretFile string `config:"client_secret_file,required" format:"path" doc:"クライアントシークレットだけを書いたファイル。値を設定ファイルに書くことはできません"`

	CAFile   string `config:"ca_file" format:"path" doc:"相手先の証明書を検証する認証局証明書（PEM）。省略するとOSの既定"`
	CertFile string `config:"client_certificate_file" format:"path" doc:"相互TLSのクライアント証明書（PEM）"`
	KeyFile  string `config:"client_key_file" format:"path" doc:"相互TLSのクライアント秘密鍵（PEM）"`

	Timeout        time.Duration `config:"timeout" default:"3s" doc:"1回の照会の全体の制限時間（再試行を含む）"`
	AttemptTimeout time.Duration `config:"attempt_timeout" default:"1s" doc:"1回の試行の制限時間"`
	Retries        int           `config:"retries" default:"2" doc:"照会を制限時間内にやり直す回数"`
	RetryWaitMax   time.Duration `config:"retry_wait_max" default:"500ms" doc:"やり直すまでの待ち時間の上限（相手先が時刻を指定したときを除く）"`
	BodyLimit      int64         `config:"body_limit" default:"1MiB" unit:"size" doc:"回答の大きさの上限。超えると読まずに「取得できませんでした」とします"`

	Concurrency int           `config:"concurrency" default:"16" doc:"相手先へ同時に送る照会の数の上限"`
	QueueWait   time.Duration `config:"queue_wait" default:"200ms" doc:"同時数の上限に達したときに空きを待つ時間"`

	BreakerFailures int           `config:"breaker_failures" default:"5" doc:"breaker_window の間にこの回数失敗すると自動遮断します"`
	BreakerWindow   time.Duration `config:"breaker_window" default:"60s" doc:"自動遮断のために失敗を数える期間"`
	BreakerOpenFor  time.Duration `config:"breaker_open_for" default:"10s" doc:"自動遮断してから試しに1回つなぐまでの時間"`

	TokenEarly time.Duration `config:"token_early" default:"60s" doc:"アクセストークンを期限のどれだけ前に更新するか"`

	// SendTimeout bounds one write. It is no setting of a neighbour: cmd sets it to what the
	// outbox is told, so that there is one. Zero: DefaultSendTimeout.
	SendTimeout time.Duration `config:"-"`
}

// DefaultSendTimeout bounds a write where nobody says how long it may take (API74: 30 s as a
// guide).
const DefaultSendTimeout = 30 * time.Second

// Defaults gives the settings that the tags of Config name, with nothing said about where
// the neighbour is.
func Defaults() Config {
	return Config{
		Timeout: 3 * time.Second, AttemptTimeout: time.Second,
		Retries: 2, RetryWaitMax: 500 * time.Millisecond, BodyLimit: 1 << 20,
		Concurrency: 16, QueueWait: 200 * time.Millisecond,
		BreakerFailures: 5, BreakerWindow: time.Minute, BreakerOpenFor: 10 * time.Second,
		TokenEarly: time.Minute,
	}
}

// minSecret is the least length of a client secret (CF21 2.2.5).
const minSecret = 32

// Validate tells everything that is wrong with the settings at once: Invalid faults joined,
// each with the key in Field. No value stands in their texts. It reads no file.
func (c Config) Validate() error {
	var wrong []error
	add := func(bad bool, key, text string) {
		if bad {
			wrong = append(wrong, &fault.Error{Kind: fault.Invalid, Code: "KKH0140", Field: "/" + key, What: text})
		}
	}
	const unsafe = "https で始まるURLにしてください（http は同じ機械の中だけ。利用者名・問い合わせ文字列・# は書けません）"
	add(!fitURL(c.BaseURL), "base_url", unsafe)
	add(c.TokenURL != "" && !fitURL(c.TokenURL), "token_url", unsafe)
	add(!fitClientID(c.ClientID), "client_id", "半角英数字32文字にしてください")
	add(c.SecretFile == "", "client_secret_file", "シークレットを書いたファイルを指定してください")
	add((c.CertFile == "") != (c.KeyFile == ""), "client_key_file", "クライアント証明書と秘密鍵は両方指定してください")
	add(c.Timeout <= 0, "timeout", "0より長くしてください")
	add(c.AttemptTimeout <= 0 || c.AttemptTimeout > c.Timeout, "attempt_timeout", "0より長く、timeout 以下にしてください")
	add(c.Retries < 0 || c.Retries > 10, "retries", "0から10にしてください")
	add(c.RetryWaitMax <= 0 || c.RetryWaitMax > 30*time.Second, "retry_wait_max", "0より長く、30秒以下にしてください")
	add(c.BodyLimit < 1<<10 || c.BodyLimit > 1<<30, "body_limit", "1KiBから1GiBにしてください")
	add(c.Concurrency < 1 || c.Concurrency > 10_000, "concurrency", "1から10000にしてください")
	add(c.QueueWait <= 0 || c.QueueWait > c.Timeout, "queue_wait", "0より長く、timeout 以下にしてください")
	add(c.BreakerFailures < 1 || c.BreakerFailures > 1000, "breaker_failures", "1から1000にしてください")
	add(c.BreakerWindow <= 0, "breaker_window", "0より長くしてください")
	add(c.BreakerOpenFor <= 0, "breaker_open_for", "0より長くしてください")
	add(c.TokenEarly < 0, "token_early", "0以上にしてください")
	return errors.Join(wrong...)
}

// fitURL tells whether an address may be called: TLS, or plain HTTP inside this machine
// (CF21 2.2.5 asks for TLS 1.2 or later), with nothing in it that must not be in a trace.
func fitURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	switch u.Scheme {
	case "https":
		return true
	case "http":
		if u.Hostname() == "localhost" {
			return true
		}
		addr, err := netip.ParseAddr(u.Hostname())
		return err == nil && addr.IsLoopback()
	default:
		return false
	}
}

func fitClientID(id string) bool {
	if len(id) != 32 {
		return false
	}
	for _, r := range id {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return true
}

func (c Config) tokenURL() string {
	if c.TokenURL != "" {
		return c.TokenURL
	}
	return strings.TrimRight(c.BaseURL, "/") + "/oauth2/token"
}

// secret reads the client's secret. The cause of a failure is the file's, never its content.
func (c Config) secret() ([]byte, error) {
	raw, err := os.ReadFile(c.SecretFile)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Invalid, Code: "KKH0141", Field: "/client_secret_file",
			What: "read the client secret", Err: err}
	}
	secret := []byte(strings.TrimSpace(string(raw)))
	if len(secret) < minSecret {
		return nil, &fault.Error{Kind: fault.Invalid, Code: "KKH0141", Field: "/client_secret_file",
			What: "the client secret is shorter than 32 characters"}
	}
	return secret, nil
}

// tls makes the client side of TLS from the files named.
func (c Config) tls() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, &fault.Error{Kind: fault.Invalid, Code: "KKH0142", Field: "/ca_file", What: "read the certificate authority", Err: err}
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &fault.Error{Kind: fault.Invalid, Code: "KKH0142", Field: "/ca_file", What: "no certificate in the file of the certificate authority"}
		}
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, &fault.Error{Kind: fault.Invalid, Code: "KKH0142", Field: "/client_certificate_file", What: "read the client certificate", Err: err}
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}
