// Package store opens the database, brings its schema up to date and runs transactions;
// it knows no table.
//
// One [DB] is either of two.
//
// A file of SQLite, used by one running gateway: a lock beside the file keeps a second one
// out. There is one writer at a time, so [WithTx] waits for its turn, and as many readers
// as the configuration says, each with a snapshot ([Read]). Neither keeps the other waiting.
//
// A schema of a PostgreSQL server, used by any number of gateways at once, each with a pool
// of connections. Its tables may belong to another role than the gateway's ([Migrate],
// [GatewayGrants]). Gateways tell each other by [DB.Ring] that there is something to do.
// Every wait there has an end: of a statement, of a lock, of a connection, of a server that
// stands still.
//
// SQL is written with $1, $2 … and in the language that the two share; where they differ,
// the package that owns the table asks [Tx.Engine]. Cells are the same in both: numbers,
// texts compared by their bytes, and bytes; a moment is a text or a number as its table
// says, yes or no is 1 or 0. What is SQLite's alone (how it is opened, what its errors
// mean, how one of its connections is driven) stands in sqlite.go and writer.go, what is
// PostgreSQL's in postgres.go and the files that begin with pg.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"kakehashi/internal/fault"
)

// DB is an open database. It is safe for concurrent use.
type DB struct {
	path    string
	writer  *writer // nil: opened for reading alone
	readers *sql.DB
	lock    *lock    // nil: opened for reading alone
	pg      *cluster // nil: SQLite
	close   func() error

	mu       sync.Mutex
	prepared map[string]*sql.Stmt // of the readers, by text, for Query; made at the first
}

// Config says where the database lies and how large it may grow.
type Config struct {
	URL         string        `config:"url,required" format:"path" doc:"データベース。sqlite:ファイル か postgres://利用者@ホスト:ポート/データベース名"`
	MaxSize     int64         `config:"max_size" unit:"size" default:"20GiB" doc:"データベースの大きさの上限。達すると記録を書けなくなり、照会を止めます"`
	Readers     int           `config:"readers" default:"4" doc:"同時に読む接続の数"`
	BusyTimeout time.Duration `config:"busy_timeout" default:"5s" doc:"ロックの解放を待つ時間の上限"`

	// What follows is for PostgreSQL.
	Schema            string        `config:"schema" default:"kakehashi" doc:"（PostgreSQL）表を置くスキーマ。自治体ごとに1つ"`
	PasswordFile      string        `config:"password_file" format:"path" doc:"（PostgreSQL）パスワードだけを書いたファイル。URLには書けません"`
	OwnerURL          string        `config:"owner_url" doc:"（PostgreSQL）kakehashi migrate が使う、表の持ち主のURL。省くと url と同じ"`
	OwnerPasswordFile string        `config:"owner_password_file" format:"path" doc:"（PostgreSQL）持ち主のパスワードだけを書いたファイル"`
	Auditor           string        `config:"auditor" doc:"（PostgreSQL）記録だけを読める利用者の名前。kakehashi migrate が権限を与えます"`
	Pool              int           `config:"pool" default:"4" doc:"（PostgreSQL）接続の数の上限"`
	StatementTimeout  time.Duration `config:"statement_timeout" default:"30s" doc:"（PostgreSQL）1つの文を待つ時間の上限"`
	LockTimeout       time.Duration `config:"lock_timeout" default:"10s" doc:"（PostgreSQL）ほかの処理の終わりを待つ時間の上限"`
	ConnectTimeout    time.Duration `config:"connect_timeout" default:"5s" doc:"（PostgreSQL）つながるまで待つ時間の上限"`
	TLS               string        `config:"tls" enum:"verify-full|verify-ca|require|off" doc:"（PostgreSQL）通信の暗号化。省くと verify-full、同じ機械の中なら off"`
	TLSCA             string        `config:"tls_ca" format:"path" doc:"（PostgreSQL）サーバーの証明書を出した認証局の証明書"`
	Pooler            bool          `config:"pooler" doc:"（PostgreSQL）間に PgBouncer（トランザクション単位）があれば true"`
}

// scheme begins the URL of an SQLite database; its file follows.
const scheme = "sqlite:"

// File gives the configuration of an SQLite database in a file.
func File(path string) Config { return Config{URL: scheme + path} }

// Path gives the file of an SQLite database; empty: the URL names none.
func (c Config) Path() string {
	path, ok := strings.CutPrefix(c.URL, scheme)
	if !ok {
		return ""
	}
	return path
}

// Engine tells which database the URL names.
func (c Config) Engine() Engine {
	if strings.HasPrefix(c.URL, pgScheme) {
		return Postgres
	}
	return SQLite
}

// minSize is what an empty schema and a day's work need.
const minSize = 1 << 20

// Validate tells what is wrong with the configuration, or nil.
func (c Config) Validate() error {
	if c.Engine() == Postgres {
		return c.validatePG()
	}
	switch {
	case c.Path() == "":
		return fault.New(fault.Invalid, "sqlite:ファイル の形でデータベースを指定してください").WithCode("KKH3210").WithField("url")
	case c.MaxSize != 0 && c.MaxSize < minSize:
		return fault.New(fault.Invalid, "1MiB以上にしてください").WithCode("KKH3210").WithField("max_size")
	case c.Readers < 0 || c.Readers > 64:
		return fault.New(fault.Invalid, "1から64の間にしてください").WithCode("KKH3210").WithField("readers")
	case c.BusyTimeout < 0:
		return fault.New(fault.Invalid, "0以上にしてください").WithCode("KKH3210").WithField("busy_timeout")
	}
	return c.onlyOf(SQLite)
}

func (c Config) withDefaults() Config {
	if c.Engine() == Postgres {
		return c.withDefaultsPG()
	}
	if c.Readers == 0 {
		c.Readers = 4
	}
	if c.BusyTimeout == 0 {
		c.BusyTimeout = 5 * time.Second
	}
	return c
}

// Open opens the database for the gateway, creating it where there is none, and brings
// its schema up to date. It is a Conflict where another gateway runs on it, or where the
// file is not Kakehashi's or of a newer version: such a file is left as it is.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Engine() == Postgres {
		return openPG(ctx, cfg)
	}
	path, err := filepath.Abs(cfg.Path())
	if err != nil {
		return nil, fmt.Errorf("find the database: %w", err)
	}
	held, err := takeLock(path + ".lock")
	if err != nil {
		return nil, err
	}
	db := &DB{path: path, lock: held}
	db.close = sync.OnceValue(db.shut)
	if err := db.open(ctx, cfg); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context, cfg Config) error {
	fresh, err := ownFile(db.path)
	if err != nil {
		return err
	}
	if !fresh {
		// Opening to write would change a file that is not ours to the journal we use.
		if fresh, err = inspect(ctx, db.path); err != nil {
			return err
		}
	}
	if db.writer, err = openWriter(db.path, cfg); err != nil {
		return err
	}
	if fresh {
		if err := mark(ctx, db.writer.pool); err != nil {
			return err
		}
	}
	if err := migrate(ctx, db.writer.pool); err != nil {
		return err
	}
	db.readers, err = openReaders(db.path, cfg)
	return err
}

// ownFile makes sure that the file exists and that nobody but its owner may read it. It
// tells whether the file is new: it was not there, or it is empty.
func ownFile(path string) (fresh bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, cannotOpen(err)
	}
	info, err := f.Stat()
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = f.Chmod(0o600)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return false, cannotOpen(err)
	}
	return info.Size() == 0, nil
}

// cannotOpen says why a file cannot be opened without naming it: its path may bear the
// name of a person or a city.
func cannotOpen(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("%s: %w", pathErr.Op, pathErr.Err)
	}
	kind := fault.Unavailable
	if errors.Is(err, fs.ErrNotExist) {
		kind = fault.NotFound
	}
	return fault.New(kind, "open the database file: %w", err).WithCode("KKH3204")
}

// OpenReadOnly opens the database of a gateway that may be running, for reading alone.
// It is NotFound where there is no file. It changes nothing, and creates no file where
// that can be avoided: beside a file in WAL mode SQLite needs two small ones.
func OpenReadOnly(ctx context.Context, cfg Config) (*DB, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Engine() == Postgres {
		return openReadOnlyPG(ctx, cfg)
	}
	path, err := filepath.Abs(cfg.Path())
	if err != nil {
		return nil, fmt.Errorf("find the database: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, cannotOpen(err)
	}
	if err := f.Close(); err != nil {
		return nil, cannotOpen(err)
	}
	readers, err := openForeign(path)
	if err != nil {
		return nil, err
	}
	db := &DB{path: path, readers: readers}
	db.close = sync.OnceValue(db.shut)
	if _, err := identify(ctx, readers); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Close waits for the transaction that is running, ends all connections and gives the
// lock back; whoever writes after it is refused. Closing twice is safe.
func (db *DB) Close() error { return db.close() }

func (db *DB) shut() error {
	var errs []error
	if db.readers != nil {
		errs = append(errs, db.readers.Close())
	}
	if db.writer != nil {
		errs = append(errs, db.writer.close())
	}
	if db.lock != nil {
		errs = append(errs, db.lock.release())
	}
	return errors.Join(errs...)
}

// SetMaxSize changes, while the gateway runs, how many bytes the database may hold. A
// limit below what it holds already stops its growth and takes nothing away.
//
// A PostgreSQL database has no limit of ours, and nothing is changed.
func (db *DB) SetMaxSize(ctx context.Context, bytes int64) error {
	if db.pg != nil {
		return nil
	}
	if db.writer == nil {
		return fault.New(fault.Internal, "a database opened for reading has no limit to set")
	}
	if err := db.writer.take(ctx); err != nil {
		return err
	}
	defer db.writer.giveBack()
	db.writer.limit = pages(bytes)
	return db.writer.applyLimit(ctx)
}
