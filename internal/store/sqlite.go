package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"kakehashi/internal/fault"
)

// applicationID marks a file of ours: "KKHS".
const applicationID = 0x4b4b4853

const (
	pageSize = 4096
	// checkpointPages is how much the write-ahead log holds before its pages go to the
	// file. SQLite's own 1,000 would make every eighth commit of a busy record wait.
	checkpointPages = 4000
	// timeForm is how a time.Time is kept: text that sorts as time does.
	timeForm = "2006-01-02T15:04:05.000000000Z"
)

// source writes a data source name. Every PRAGMA must be in it: one that is executed
// reaches a single connection of the pool.
func source(path string, pragmas []string, more ...string) string {
	q := make([]string, 0, len(pragmas)+len(more))
	for _, p := range pragmas {
		q = append(q, "_pragma="+p)
	}
	q = append(q, more...)
	u := url.URL{Scheme: "file", Path: path}
	return u.String() + "?" + strings.Join(q, "&")
}

func busyPragma(d time.Duration) string {
	return "busy_timeout(" + strconv.FormatInt(d.Milliseconds(), 10) + ")"
}

func pages(bytes int64) int64 { return max(bytes/pageSize, 1) }

func openReaders(path string, cfg Config) (*sql.DB, error) {
	pool, err := sql.Open("sqlite", source(path, []string{busyPragma(cfg.BusyTimeout), "query_only(1)"}))
	if err != nil {
		return nil, fmt.Errorf("open readers: %w", classify(err))
	}
	pool.SetMaxOpenConns(cfg.Readers)
	pool.SetMaxIdleConns(cfg.Readers)
	return pool, nil
}

// openForeign opens the file of a gateway that may be running. Where nothing can be
// created beside the file, and no write-ahead log stands there, nobody can be writing it
// (whoever writes needs the log), so it may be read as one that never changes.
func openForeign(path string) (*sql.DB, error) {
	options := []string{"mode=ro"}
	if _, err := os.Stat(path + "-wal"); errors.Is(err, os.ErrNotExist) && !writable(path) {
		options = append(options, "immutable=1")
	}
	// 32 MiB of pages: whoever checks an index against its table jumps about in it.
	pool, err := sql.Open("sqlite", source(path, []string{busyPragma(5 * time.Second), "cache_size(-32768)"}, options...))
	if err != nil {
		return nil, fmt.Errorf("open the database to read: %w", classify(err))
	}
	pool.SetMaxOpenConns(4)
	return pool, nil
}

// mark says that a fresh file is ours.
func mark(ctx context.Context, pool *sql.DB) error {
	if _, err := pool.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
		return fmt.Errorf("mark the database: %w", classify(err))
	}
	return nil
}

// inspect identifies a file without changing it.
func inspect(ctx context.Context, path string) (fresh bool, err error) {
	pool, err := openForeign(path)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	return identify(ctx, pool)
}

// identify refuses a file that is not Kakehashi's or that a newer version has written. A
// file without a mark and without a table is fresh: whoever created it died at once.
func identify(ctx context.Context, pool *sql.DB) (fresh bool, err error) {
	var id, tables int64
	if err := pool.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return false, fmt.Errorf("read whose the database is: %w", classify(err))
	}
	if err := pool.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return false, fmt.Errorf("read what the database holds: %w", classify(err))
	}
	switch {
	case id == 0 && tables == 0:
		return true, nil
	case id != applicationID:
		return false, fault.New(fault.Conflict, "the file is a database, but not Kakehashi's").
			WithCode("KKH3203").WithReason("foreign_file")
	}
	newest, err := newestVersion(SQLite)
	if err != nil {
		return false, err
	}
	stands, err := schemaVersion(ctx, pool)
	if err != nil {
		return false, err
	}
	if stands > newest {
		return false, tooNew(stands, newest)
	}
	return false, nil
}

// schemaVersion gives the version of the last migration that the file has seen; 0: none.
func schemaVersion(ctx context.Context, pool interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}) (int64, error) {
	var there int
	err := pool.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = 'goose_db_version'").Scan(&there)
	if err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", classify(err))
	}
	if there == 0 {
		return 0, nil
	}
	var version int64
	err = pool.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", classify(err))
	}
	return version, nil
}

// meaning says what one of SQLite's primary result codes means to us.
func meaning(code int) *fault.Error {
	switch code & 0xff {
	case lib.SQLITE_FULL:
		return &fault.Error{Kind: fault.Unavailable, Code: "KKH3205", Reason: "full", What: "the database has no room"}
	case lib.SQLITE_READONLY, lib.SQLITE_PERM, lib.SQLITE_CANTOPEN:
		return &fault.Error{Kind: fault.Unavailable, Code: "KKH3204", Reason: "not_writable", What: "the database file cannot be opened or written"}
	case lib.SQLITE_IOERR:
		return &fault.Error{Kind: fault.Unavailable, Code: "KKH3206", Reason: "io", What: "the disk under the database failed"}
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_PROTOCOL:
		return &fault.Error{Kind: fault.Unavailable, Code: "KKH3207", Reason: "busy", What: "the database is held by another program"}
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return &fault.Error{Kind: fault.Internal, Code: "KKH3208", Reason: "damaged", What: "the database file is damaged"}
	case lib.SQLITE_CONSTRAINT:
		return &fault.Error{Kind: fault.Conflict, Reason: "constraint", What: "a rule of the schema forbids it"}
	case lib.SQLITE_INTERRUPT:
		return &fault.Error{Kind: fault.Unavailable, Reason: "cancelled", What: "the query was interrupted"}
	default:
		return &fault.Error{Kind: fault.Internal, What: "the database refused a statement"}
	}
}

// classify gives an error of the database its meaning. What has one already keeps it.
// SQLite's own text is left out: of a constraint it names columns, never values, but of a
// malformed statement it may repeat what stood there; its number says as much.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &fault.Error{Kind: fault.Unavailable, Reason: "timeout", What: "the database took too long", Err: err}
	case errors.Is(err, context.Canceled):
		return &fault.Error{Kind: fault.Unavailable, Reason: "cancelled", What: "the caller hung up", Err: err}
	case errors.Is(err, sql.ErrNoRows):
		return &fault.Error{Kind: fault.NotFound, Reason: "no_rows", Err: err}
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		meant := meaning(e.Code())
		meant.Err = fmt.Errorf("SQLite result %d", e.Code())
		return meant
	}
	if meant := classifyPG(err); meant != nil {
		return meant
	}
	return &fault.Error{Kind: fault.Internal, What: "use the database", Err: err}
}

// mild tells whether a statement's failure leaves the transaction as it was before the
// statement. After any other failure SQLite may have rolled back by itself, and the next
// statement would stand outside of any transaction.
func mild(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code()&0xff == lib.SQLITE_CONSTRAINT || e.Code()&0xff == lib.SQLITE_ERROR)
}

// maybeCommitted tells whether a COMMIT that failed in this way may have taken effect: a
// sync that failed may have brought the log to the disk all the same.
func maybeCommitted(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return true
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_FULL, lib.SQLITE_BUSY, lib.SQLITE_READONLY, lib.SQLITE_CONSTRAINT, lib.SQLITE_ERROR:
		return false
	}
	return true
}

// together is how many rows one INSERT takes where there are many: starting a statement
// costs as much as a row.
const together = 16

// widen gives an INSERT of n rows for one that ends in the arguments of a single row, and
// nothing for any other statement. Arguments have no names in it: SQLite would search for
// the name of each, row after row.
func widen(query string, n int) string {
	head, row, ok := strings.Cut(query, "VALUES (")
	row, closed := strings.CutSuffix(strings.TrimSpace(row), ")")
	if !ok || !closed || !strings.HasPrefix(strings.TrimSpace(head), "INSERT") {
		return ""
	}
	columns := strings.Split(row, ",")
	for i, c := range columns {
		if strings.TrimSpace(c) != "$"+strconv.Itoa(i+1) {
			return ""
		}
	}
	one := "(" + strings.Repeat("?, ", len(columns)-1) + "?)"
	return head + "VALUES " + strings.Repeat(one+", ", n-1) + one
}

// value turns an argument into what SQLite keeps.
func value(arg any) (driver.Value, error) {
	switch v := arg.(type) {
	case int64, string, []byte, nil:
		return v, nil
	case int:
		return int64(v), nil
	case time.Time:
		return v.UTC().Format(timeForm), nil
	}
	v, err := driver.DefaultParameterConverter.ConvertValue(arg)
	if t, ok := v.(time.Time); ok {
		return t.UTC().Format(timeForm), err
	}
	return v, err
}

// ParseTime reads a time as an argument of type time.Time is kept: text, RFC 3339, UTC.
func ParseTime(text string) (time.Time, error) {
	t, err := time.Parse(timeForm, text)
	if err != nil {
		return time.Time{}, fault.New(fault.Internal, "a time in the database is not one of ours")
	}
	return t, nil
}
