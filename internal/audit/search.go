package audit

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// Filter says which entries are wanted; what is empty does not matter.
type Filter struct {
	From, To    time.Time // To itself is not wanted
	Lookup      string    // 照会番号
	Staff       string    // 職員番号
	Person      string    // 宛名番号
	Case        string    // 案件番号
	Kind        Kind
	WithoutCase bool   // of lookups without a case (案件なし) alone
	Cursor      string // where the last page ended
	Limit       int    // entries of a page; 0: 50, at most 500
}

// Record is an entry as it stands in the record.
type Record struct {
	Name     string // writer and running number
	At       time.Time
	Position int64 // its place in the tree; -1: not sealed yet
	Entry    Entry
}

// exported is the form of a Record in an export, one a line.
type exported struct {
	Name     string `json:"entry"`
	At       string `json:"at"`
	Sealed   bool   `json:"sealed"`
	Position *int64 `json:"position,omitempty"`
	Entry
}

// MarshalJSON gives the form of an export: what is the record's own first, then the entry.
func (r Record) MarshalJSON() ([]byte, error) {
	x := exported{Name: r.Name, At: r.At.UTC().Format(timeForm), Sealed: r.Position >= 0, Entry: r.Entry}
	if x.Sealed {
		x.Position = &r.Position
	}
	return json.Marshal(x)
}

// bookmark is where a page ended: entries are read in the order of their times.
type bookmark struct {
	at string
	id int64
}

func (b bookmark) cursor() string {
	return base64.RawURLEncoding.EncodeToString([]byte(b.at + " " + strconv.FormatInt(b.id, 10)))
}

func parseBookmark(cursor string) (bookmark, error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	at, number, ok := strings.Cut(string(text), " ")
	id, numberErr := strconv.ParseInt(number, 10, 64)
	if err != nil || !ok || numberErr != nil {
		return bookmark{}, fault.New(fault.Invalid, "the cursor is not one that a search gave").
			WithCode("KKH3110").WithField("/cursor")
	}
	return bookmark{at, id}, nil
}

// Search gives one page of entries, the newest first, and the cursor of the next page;
// an empty cursor: there is none. A cursor that is not one of ours is Invalid.
func (l *Log) Search(ctx context.Context, f Filter) ([]Record, string, error) {
	limit := min(f.Limit, 500)
	if limit <= 0 {
		limit = 50
	}
	start := bookmark{at: "9"} // after every time
	if f.Cursor != "" {
		var err error
		if start, err = parseBookmark(f.Cursor); err != nil {
			return nil, "", err
		}
	}
	var found []Record
	var marks []bookmark
	err := store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		query, args := f.query(tx.Engine(), "(e.at, e.id) < ($1, $2)", "ORDER BY e.at DESC, e.id DESC", start, limit+1)
		return records(ctx, tx, func(b bookmark, r Record) error {
			found, marks = append(found, r), append(marks, b)
			return nil
		}, query, args...)
	})
	if err != nil {
		return nil, "", fmt.Errorf("search the record: %w", err)
	}
	if len(found) <= limit {
		return found, "", nil
	}
	return found[:limit], marks[limit-1].cursor(), nil
}

// exportPage is how many entries an export reads in one snapshot, so that a long export
// does not keep the database from clearing its log.
const exportPage = 500

// Export writes all entries that the filter wants and that were committed when it began as
// JSON lines, the oldest first. It writes between its snapshots, never in one: a client
// who does not read on keeps no reader.
func (l *Log) Export(ctx context.Context, w io.Writer, f Filter) error {
	var until int64
	err := store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) (err error) {
		until, err = lastID(ctx, tx)
		return err
	})
	var start bookmark
	for more := true; err == nil && more; {
		var page []Record
		if page, start, err = l.exportPage(ctx, f, start, until); err == nil {
			more = len(page) == exportPage
			err = writeLines(w, page)
		}
	}
	if err != nil {
		return fmt.Errorf("export the record: %w", err)
	}
	return nil
}

// exportPage reads the page behind start, of entries up to the id until.
func (l *Log) exportPage(ctx context.Context, f Filter, start bookmark, until int64) (page []Record, end bookmark, err error) {
	end = start
	err = store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		where := fmt.Sprintf("(e.at, e.id) > ($1, $2) AND e.id <= %d", until)
		query, args := f.query(tx.Engine(), where, "ORDER BY e.at, e.id", start, exportPage)
		return records(ctx, tx, func(b bookmark, r Record) error {
			page, end = append(page, r), b
			return nil
		}, query, args...)
	})
	return page, end, err
}

func writeLines(w io.Writer, page []Record) error {
	out := bufio.NewWriter(w)
	lines := json.NewEncoder(out)
	for _, r := range page {
		if err := lines.Encode(r); err != nil {
			return err
		}
	}
	return out.Flush()
}

// query makes the query of a page: where it begins, in which order, how long it may be.
func (f Filter) query(on store.Engine, where, order string, start bookmark, limit int) (string, []any) {
	args := []any{start.at, start.id, limit}
	wanted := []string{where}
	bind := func(value any) string {
		args = append(args, value)
		return "$" + strconv.Itoa(len(args))
	}
	from := "audit_entry e"
	// What is sealed is found by an index that the sealer made; the rest waits in the queue.
	// The cross join keeps the database from trying every entry instead.
	candidates := func(query string) {
		if on == store.Postgres { // the time chooses the month's table
			query = strings.Replace(query, "SELECT entry", "SELECT entry, at", 1)
			from = "(" + query + " UNION SELECT entry, at FROM audit_queue) c CROSS JOIN " + entryOfC
			return
		}
		from = "(" + query + " UNION SELECT entry FROM audit_queue) c CROSS JOIN audit_entry e"
		wanted = append(wanted, "e.id = c.entry")
	}
	within := "instr"
	if on == store.Postgres {
		within = "strpos"
	}
	if f.Lookup != "" {
		v := bind(f.Lookup)
		candidates("SELECT entry FROM audit_leaf WHERE lookup <> '' AND lookup = " + v)
		wanted = append(wanted, "e.lookup = "+v)
	}
	if f.Person != "" {
		v := bind(f.Person)
		if f.Lookup == "" {
			candidates("SELECT entry FROM audit_subject WHERE atena_number = " + v)
		}
		wanted = append(wanted, within+"(e.subjects || ' ', ':' || "+v+" || ' ') > 0")
	}
	if !f.From.IsZero() {
		wanted = append(wanted, "e.at >= "+bind(f.From.UTC().Format(timeForm)))
	}
	if !f.To.IsZero() {
		wanted = append(wanted, "e.at < "+bind(f.To.UTC().Format(timeForm)))
	}
	for _, c := range []struct{ column, value string }{
		{"e.staff", f.Staff}, {"e.case_id", f.Case}, {"e.kind", string(f.Kind)},
	} {
		if c.value != "" {
			wanted = append(wanted, c.column+" = "+bind(c.value))
		}
	}
	if f.WithoutCase {
		// A quote within a text of the body is escaped, so the word with its quotes is the flag.
		wanted = append(wanted, `e.case_id = '' AND e.lookup <> '' AND e.body LIKE '%"`+FlagNoCase+`"%'`)
	}
	return "SELECT " + entryColumns + ", coalesce(l.position, -1) FROM " + from +
		" LEFT JOIN audit_leaf l ON l.entry = e.id WHERE " +
		strings.Join(wanted, " AND ") + " " + order + " LIMIT $3", args
}

// records reads entries, and where they stand in the tree.
func records(ctx context.Context, tx *store.Tx, each func(bookmark, Record) error, query string, args ...any) error {
	var r row
	var position int64
	into := append(r.columns(), &position)
	return queryRows(ctx, tx, func(rows *store.Rows) error {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		found, err := r.record(position)
		if err != nil {
			return err
		}
		return each(bookmark{r.at, r.id}, found)
	}, query, args...)
}

// record reads a row as people are shown it.
func (r *row) record(position int64) (Record, error) {
	e, err := r.decode()
	if err != nil {
		return Record{}, err
	}
	at, err := time.Parse(timeForm, r.at)
	if err != nil {
		return Record{}, fault.New(fault.Internal, "entry %s cannot be read", r.name()).WithCode("KKH3102")
	}
	return Record{Name: r.name(), At: at, Position: position, Entry: e}, nil
}
