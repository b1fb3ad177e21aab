package store

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"kakehashi/internal/fault"
)

// pgScheme begins the URL of a PostgreSQL database.
const pgScheme = "postgres://"

// pgPlace is what the URL of a PostgreSQL database says.
type pgPlace struct {
	user, host, database string
	port                 uint16
}

// placeOf reads a URL of the form postgres://USER@HOST:PORT/DATABASE. A folder with the
// server's socket stands as ?host=/folder. It says nothing of what stood there: a URL may
// bear a secret.
func placeOf(text string) (pgPlace, *fault.Error) {
	wrong := func(why string) (pgPlace, *fault.Error) {
		return pgPlace{}, fault.New(fault.Invalid, "%s", why).WithCode("KKH3210").WithField("url")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" {
		return wrong("postgres://利用者@ホスト:ポート/データベース名 の形で指定してください")
	}
	if _, has := u.User.Password(); has {
		return pgPlace{}, fault.New(fault.Invalid, "パスワードはURLに書かず、password_file で指定してください").WithCode("KKH3226").WithField("url")
	}
	p := pgPlace{user: u.User.Username(), host: u.Hostname(), database: strings.TrimPrefix(u.Path, "/"), port: 5432}
	for key, values := range u.Query() {
		if key != "host" || len(values) != 1 || !strings.HasPrefix(values[0], "/") || p.host != "" {
			return wrong("URLの ? の後ろには、ソケットのフォルダー（host=/…）だけを書けます")
		}
		p.host = values[0]
	}
	if text := u.Port(); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return wrong("ポートの番号が違います")
		}
		p.port = uint16(n)
	}
	if p.user == "" || p.host == "" || p.database == "" || strings.Contains(p.database, "/") {
		return wrong("postgres://利用者@ホスト:ポート/データベース名 の形で指定してください")
	}
	return p, nil
}

// local tells whether what is sent there leaves this machine.
func (p pgPlace) local() bool {
	if strings.HasPrefix(p.host, "/") || p.host == "localhost" {
		return true
	}
	ip := net.ParseIP(p.host)
	return ip != nil && ip.IsLoopback()
}

// connection gives how to connect as the role of the URL. What the environment says of
// PostgreSQL counts for nothing.
func (c Config) connection(place string, passwordFile string) (*pgx.ConnConfig, error) {
	p, wrong := placeOf(place)
	if wrong != nil {
		return nil, wrong
	}
	cfg, err := pgx.ParseConfig("host=nowhere user=nobody dbname=nothing sslmode=disable passfile=/dev/null servicefile=/dev/null target_session_attrs=any")
	if err != nil {
		return nil, fault.New(fault.Internal, "the environment says of PostgreSQL what cannot be read")
	}
	cfg.Host, cfg.Port, cfg.User, cfg.Database, cfg.Password = p.host, p.port, p.user, p.database, ""
	cfg.Fallbacks, cfg.KerberosSrvName, cfg.KerberosSpn = nil, "", ""
	if passwordFile != "" {
		secret, err := os.ReadFile(passwordFile)
		if err != nil {
			return nil, fault.New(fault.Invalid, "パスワードのファイルを読めません").WithCode("KKH3210").WithField("password_file")
		}
		cfg.Password = strings.TrimRight(string(secret), "\r\n")
	}
	if cfg.TLSConfig, err = c.encryption(p); err != nil {
		return nil, err
	}
	cfg.ConnectTimeout = c.ConnectTimeout
	cfg.DialFunc = (&net.Dialer{Timeout: c.ConnectTimeout, KeepAlive: 30 * time.Second}).DialContext
	cfg.RuntimeParams = map[string]string{"application_name": "kakehashi"}
	if c.Pooler {
		cfg.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	} else {
		cfg.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
		maps.Copy(cfg.RuntimeParams, c.session())
	}
	// Whoever hangs up has the statement cancelled at the server; where the server does not
	// answer to that, the connection is given up.
	cfg.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelPatience}
	}
	return cfg, nil
}

// cancelPatience is how long the server may take to end a statement that was cancelled.
const cancelPatience = 2 * time.Second

// idleInTx is how long a transaction may stand still between two statements: a gateway that
// is stopped in the middle of one keeps its locks from all others no longer.
const idleInTx = 10 * time.Second

// session is what holds for every connection: only our own schema is looked at, nothing
// waits for ever, and no statement is compiled: ours are short.
func (c Config) session() map[string]string {
	return map[string]string{
		"search_path":                         c.searchPath(),
		"statement_timeout":                   strconv.FormatInt(c.StatementTimeout.Milliseconds(), 10),
		"lock_timeout":                        strconv.FormatInt(c.LockTimeout.Milliseconds(), 10),
		"idle_in_transaction_session_timeout": strconv.FormatInt(idleInTx.Milliseconds(), 10),
		"timezone":                            "UTC",
		"standard_conforming_strings":         "on",
		// A statement that is kept from walking through a table costs 1e10 in the planner's eyes
		// where it must, and would be compiled for a second to run for a microsecond.
		"jit": "off",
	}
}

// searchPath has the temporary schema last: otherwise a temporary table would stand before
// one of ours.
func (c Config) searchPath() string {
	return pgx.Identifier{c.Schema}.Sanitize() + ", pg_temp"
}

// encryption gives how the connection is encrypted; nil: not at all.
func (c Config) encryption(p pgPlace) (*tls.Config, error) {
	mode := c.TLS
	if mode == "" {
		mode = "verify-full"
		if p.local() {
			mode = "off"
		}
	}
	if mode == "off" || strings.HasPrefix(p.host, "/") {
		return nil, nil //nolint:nilnil // nil is what the driver takes for "not encrypted"
	}
	cfg := &tls.Config{ServerName: p.host, MinVersion: tls.VersionTLS12}
	if c.TLSCA != "" {
		pem, err := os.ReadFile(c.TLSCA)
		if err != nil {
			return nil, fault.New(fault.Invalid, "認証局の証明書のファイルを読めません").WithCode("KKH3210").WithField("tls_ca")
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.Invalid, "認証局の証明書が1枚もありません").WithCode("KKH3210").WithField("tls_ca")
		}
	}
	switch mode {
	case "require":
		cfg.InsecureSkipVerify = true
	case "verify-ca":
		cfg.InsecureSkipVerify = true
		cfg.VerifyConnection = func(s tls.ConnectionState) error { return verifyChain(s, cfg.RootCAs) }
	}
	return cfg, nil
}

func verifyChain(s tls.ConnectionState, roots *x509.CertPool) error {
	if len(s.PeerCertificates) == 0 {
		return fault.New(fault.Unavailable, "the database server shows no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	if _, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between}); err != nil {
		return fmt.Errorf("check the database server's certificate: %w", err)
	}
	return nil
}

// Owner gives the same database as the owner of its tables reaches it: what changes the
// schema or fills it is done so.
func (c Config) Owner() Config {
	if c.OwnerURL != "" {
		c.URL, c.PasswordFile = c.OwnerURL, c.OwnerPasswordFile
	}
	c.OwnerURL, c.OwnerPasswordFile, c.Pooler = "", "", false
	return c
}

func (c Config) withDefaultsPG() Config {
	c.Schema = orElse(c.Schema, "kakehashi")
	c.Pool = orElse(c.Pool, 4)
	c.StatementTimeout = orElse(c.StatementTimeout, 30*time.Second)
	c.LockTimeout = orElse(c.LockTimeout, 10*time.Second)
	c.ConnectTimeout = orElse(c.ConnectTimeout, 5*time.Second)
	return c
}

func orElse[T comparable](value, preset T) T {
	var zero T
	if value == zero {
		return preset
	}
	return value
}

func (c Config) validatePG() error {
	wrong := func(field, text string) error {
		return fault.New(fault.Invalid, "%s", text).WithCode("KKH3210").WithField(field)
	}
	if _, err := placeOf(c.URL); err != nil {
		return err
	}
	if c.OwnerURL != "" {
		if _, err := placeOf(c.OwnerURL); err != nil {
			return err.WithField("owner_url")
		}
	}
	switch {
	case c.Schema != "" && !plainName(c.Schema):
		return wrong("schema", "小文字の英字で始まる、英小文字・数字・下線の63字までにしてください")
	case c.Pool != 0 && (c.Pool < 2 || c.Pool > 64):
		return wrong("pool", "2から64の間にしてください")
	case c.StatementTimeout < 0 || c.StatementTimeout > time.Hour:
		return wrong("statement_timeout", "1時間までにしてください")
	case c.LockTimeout < 0 || c.LockTimeout > time.Hour:
		return wrong("lock_timeout", "1時間までにしてください")
	case c.ConnectTimeout < 0 || c.ConnectTimeout > time.Minute:
		return wrong("connect_timeout", "1分までにしてください")
	case c.TLS != "" && !slices.Contains([]string{"verify-full", "verify-ca", "require", "off"}, c.TLS):
		return wrong("tls", "verify-full、verify-ca、require、off のどれかにしてください")
	}
	return c.onlyOf(Postgres)
}

// onlyOf refuses what is said of the other engine and would count for nothing. A value that
// is the preset cannot be told from one that was left out.
func (c Config) onlyOf(engine Engine) error {
	for _, k := range []struct {
		engine Engine
		field  string
		set    bool
	}{
		{SQLite, "max_size", c.MaxSize != 0 && c.MaxSize != presetMaxSize},
		{SQLite, "readers", orElse(c.Readers, 4) != 4},
		{SQLite, "busy_timeout", orElse(c.BusyTimeout, 5*time.Second) != 5*time.Second},
		{Postgres, "schema", orElse(c.Schema, "kakehashi") != "kakehashi"},
		{Postgres, "password_file", c.PasswordFile != ""},
		{Postgres, "owner_url", c.OwnerURL != ""},
		{Postgres, "owner_password_file", c.OwnerPasswordFile != ""},
		{Postgres, "auditor", c.Auditor != ""},
		{Postgres, "pool", orElse(c.Pool, 4) != 4},
		{Postgres, "statement_timeout", orElse(c.StatementTimeout, 30*time.Second) != 30*time.Second},
		{Postgres, "lock_timeout", orElse(c.LockTimeout, 10*time.Second) != 10*time.Second},
		{Postgres, "connect_timeout", orElse(c.ConnectTimeout, 5*time.Second) != 5*time.Second},
		{Postgres, "tls", c.TLS != ""},
		{Postgres, "tls_ca", c.TLSCA != ""},
		{Postgres, "pooler", c.Pooler},
	} {
		if k.set && k.engine != engine {
			other := map[Engine]string{SQLite: "SQLite", Postgres: "PostgreSQL"}[k.engine]
			return fault.New(fault.Invalid, "%s だけの項目です。url のデータベースには使えないので、消してください", other).
				WithCode("KKH3210").WithField(k.field)
		}
	}
	return nil
}

// presetMaxSize is the preset of max_size, as its tag says it.
const presetMaxSize = 20 << 30

// plainName tells whether a name of the database is one that never needs quotes.
func plainName(name string) bool {
	for i, r := range name {
		if (r < 'a' || r > 'z') && r != '_' && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != "" && len(name) <= 63 && !strings.HasPrefix(name, "pg_")
}
