package volatile

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"kakehashi/internal/fault"
)

// Config says where Redis is. The zero value keeps everything in memory.
type Config struct {
	URL          string        `config:"url" doc:"Redis の場所。redis://ホスト:ポート か rediss://（TLS）。省略すると、同じことをメモリの中で行います"`
	PasswordFile string        `config:"password_file" format:"path" doc:"Redis のパスワードだけを書いたファイル。接続のたびに読み直します"`
	CAFile       string        `config:"tls_ca" format:"path" doc:"Redis の証明書を検証する認証局証明書（PEM）。省略するとOSの既定"`
	Timeout      time.Duration `config:"timeout" default:"200ms" doc:"Redis の応答を待つ時間の上限。過ぎるとメモリだけで続けます"`
	Pool         int           `config:"pool" default:"4" doc:"Redis への接続の数の上限（呼び鈴のための1本を除く）"`
}

// Validate tells what is wrong with the configuration; nil: nothing.
func (c Config) Validate() error {
	if field, text := c.wrong(); text != "" {
		return fault.New(fault.Invalid, "%s", text).WithCode("KKH3601").WithField(field)
	}
	return nil
}

func (c Config) wrong() (field, text string) {
	switch {
	case c.URL != "" && !c.fitURL():
		return "url", "redis://ホスト:ポート か rediss://ホスト:ポート にしてください（パスワードは password_file に、番号は末尾に /0 から /15 まで）"
	case c.URL == "" && (c.PasswordFile != "" || c.CAFile != ""):
		return "url", "redis の url がないのに、ほかの項目があります"
	case c.CAFile != "" && !strings.HasPrefix(c.URL, "rediss://"):
		return "tls_ca", "認証局証明書は rediss:// のときだけ使います"
	case c.Timeout < 0 || c.Timeout > 5*time.Second || c.Timeout > 0 && c.Timeout < 10*time.Millisecond:
		return "timeout", "10ms から 5s の間にしてください"
	case c.Pool < 0 || c.Pool > 64:
		return "pool", "1 から 64 の間にしてください"
	}
	return "", ""
}

// fitURL tells whether the URL names a server and nothing that belongs elsewhere.
func (c Config) fitURL() bool {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	if _, secret := u.User.Password(); secret {
		return false
	}
	_, ok := database(u)
	return ok
}

// database gives the number of the database that the URL's path names.
func database(u *url.URL) (int, bool) {
	path := strings.TrimPrefix(u.Path, "/")
	if path == "" {
		return 0, true
	}
	n, err := strconv.Atoi(path)
	return n, err == nil && n >= 0 && n <= 15
}

func (c Config) withDefaults() Config {
	if c.Timeout == 0 {
		c.Timeout = 200 * time.Millisecond
	}
	if c.Pool == 0 {
		c.Pool = 4
	}
	return c
}

// password reads the password; empty: there is none.
func (c Config) password() (string, error) {
	if c.PasswordFile == "" {
		return "", nil
	}
	text, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return "", fault.New(fault.Invalid, "パスワードのファイルを読めません").WithCode("KKH3601").WithField("password_file")
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", fault.New(fault.Invalid, "パスワードのファイルが空です").WithCode("KKH3601").WithField("password_file")
	}
	return password, nil
}

// tls gives how the server proves itself; nil: it does not.
func (c Config) tls(u *url.URL) (*tls.Config, error) {
	if u.Scheme != "rediss" {
		return nil, nil
	}
	conf := &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	if c.CAFile == "" {
		return conf, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err == nil {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			err = errors.New("no certificate in the file")
		}
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "認証局証明書のファイルを読めません").WithCode("KKH3601").WithField("tls_ca")
	}
	return conf, nil
}
