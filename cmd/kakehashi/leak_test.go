package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// collector is a stub of an OpenTelemetry collector that keeps what it is sent.
type collector struct {
	*httptest.Server
	mu   sync.Mutex
	sent map[string][]byte // by path, unpacked
}

func startCollector(t *testing.T) *collector {
	c := &collector{sent: map[string][]byte{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			packed, err := gzip.NewReader(body)
			if err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			body = packed
		}
		b, err := io.ReadAll(body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		c.sent[r.URL.Path] = append(c.sent[r.URL.Path], b...)
		c.mu.Unlock()
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	return c
}

// got gives what came to a path so far.
func (c *collector) got(path string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.sent[path])
}

// traces collects what a gateway leaves behind, by where it was left.
type traces map[string][]byte

// add appends to what was left in one place.
func (a traces) add(place string, content []byte) {
	a[place] = append(append(a[place], content...), '\n')
}

// folder adds every file of a demo's folder but the stand-ins' own.
func (a traces) folder(t *testing.T, dir, when string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path == filepath.Join(dir, "sandbox"):
			return filepath.SkipDir
		case d.IsDir():
			return nil
		}
		content, err := os.ReadFile(path)
		if os.IsNotExist(err) { // a temporary file, gone again
			return nil
		}
		name, _ := filepath.Rel(dir, path)
		a.add(when+" "+name, append([]byte(name+"\n"), content...))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNothingPersonalLeaks does everything that the gateway does with everybody, and asks
// wrongly in every place, then searches all that it leaves behind.
func TestNothingPersonalLeaks(t *testing.T) {
	t.Parallel()
	c := startCollector(t)
	dir := t.TempDir()
	p := startDemo(t, dir,
		"OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_METRIC_EXPORT_INTERVAL=500", "OTEL_BSP_SCHEDULE_DELAY=200",
		"KAKEHASHI_LOG_LEVEL=debug", "KAKEHASHI_NEIGHBOURS_RESIDENTS_BREAKER_FAILURES=1000",
		"KAKEHASHI_NEIGHBOURS_TAX_BREAKER_FAILURES=1000", "KAKEHASHI_NEIGHBOURS_ADDRESS_BREAKER_FAILURES=1000",
		"KAKEHASHI_OUTBOX_RETRY_FIRST=20ms", "KAKEHASHI_OUTBOX_RETRY_MAX=200ms")
	people := personas(t, dir)
	worker := token(t, dir, "case-worker")
	left := traces{}

	for _, who := range people {
		askAll(t, p, worker, who)
	}
	for i, who := range people {
		if i%6 == 0 || who.has("protected") && i%2 == 0 {
			askWrongly(t, p, worker, who, left)
		}
	}
	askBadCommands(t, dir, people[0], left)
	applied := newApplicants(t, p, worker, people)
	applied.strangers(t)
	for _, kind := range []string{"garbage", "huge", "busy", "expired-token", "refuse", "lost-reply", "bad-encoding", "duplicate", "slow", "down"} {
		for _, system := range []string{"residents", "protection", "tax", "address"} {
			setFault(t, dir, system, kind)
		}
		var asking sync.WaitGroup
		for _, who := range people[:4] {
			asking.Go(func() { askAll(t, p, worker, who) })
		}
		applied.family(t)
		applied.look(t, left)
		asking.Wait()
		clearFaults(t, dir)
	}
	applied.finish(t)
	applied.look(t, left)

	left.add("/metrics", []byte(p.get("/metrics").body))
	left.folder(t, dir, "running")
	tables := dumpTables(t, dir)
	export := kakehashi(t, "audit", "export", "--dir", dir)
	if export.code != 0 || strings.Count(export.out, "\n") < 2*len(people) {
		t.Fatalf("audit export: %d, %d lines", export.code, strings.Count(export.out, "\n"))
	}
	left.add("export", []byte(export.out))
	if code := p.stop(); code != 0 {
		t.Fatalf("the demo ends with %d\n%s", code, p.log)
	}
	left.folder(t, dir, "stopped")
	left.add("log", []byte(p.log.String()))
	left.add("traces", c.got("/v1/traces"))
	left.add("metrics sent", c.got("/v1/metrics"))
	for name, content := range tables {
		left.add("table "+name, content)
	}

	everythingIsThere(t, left)
	logLines(t, p.log.String())
	names, atena := personal(t, people), numbers(t, people)
	said := applied.searches(t, atena)
	for place, content := range left {
		report(t, place, names.in(content))
		if !mayName(place) {
			report(t, place, said.in(content))
		}
		if !mayNumber(place) {
			report(t, place, atena.in(content))
		}
	}
	if found := atena.in(left["export"]); len(found) < len(people) {
		t.Errorf("the export names %d persons: the search may be blind", len(found))
	}
	if found := said.in(left["table ledger_person"]); len(found) < len(applied.ids) {
		t.Errorf("the ledger names %d persons: the search may be blind", len(found))
	}
	plantAndFind(t, left, names, people[3])
}

func report(t *testing.T, place string, found []string) {
	t.Helper()
	if len(found) > 0 {
		t.Errorf("%s: %d findings, the first: %s", place, len(found), strings.Join(found[:min(3, len(found))], "; "))
	}
}

// mayNumber tells where a 宛名番号 may stand: in the record and the ledger, and in the export.
func mayNumber(place string) bool {
	return place == "export" || strings.HasPrefix(place, "table audit_") || strings.HasPrefix(place, "table ledger_") ||
		strings.Contains(place, " kakehashi.db") // the tables are looked at one by one
}

// everythingIsThere makes sure that the search looks at something.
func everythingIsThere(t *testing.T, left traces) {
	t.Helper()
	for place, sign := range map[string]string{
		"/metrics": "kakehashi_breaker_state", "metrics sent": "http.server.request.duration", "traces": "/v1/lookups",
		"log": "KKH4100", "export": `"outcome"`, "running kakehashi.db-wal": "audit_", "stopped kakehashi.db": "audit_entry",
		"running gateway.json": "api", "stopped kakehashi.yaml": "municipality", "table audit_entry": "lookup",
		"table ledger_case": "K-", "refused": "KKH41", "commands": "KKH01", "/v1/outbox": "person_use", "/console/outbox": "C-",
		"table outbox_history": "delivered", "table outbox_change": "C-", "table outbox_attempt": "unsure",
	} {
		if !bytes.Contains(left[place], []byte(sign)) {
			t.Errorf("%s (%d bytes) holds no %q", place, len(left[place]), sign)
		}
	}
}

// logLines checks each event of the log: one line of at most 511 bytes with its number.
func logLines(t *testing.T, log string) {
	t.Helper()
	form := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+09:00 KKH\d{4}-[DIWE] `)
	for line := range strings.Lines(log) {
		if len(line) > 512 || !form.MatchString(line) {
			t.Errorf("a line of %d bytes is no event: %.80q", len(line), line)
		}
	}
}

// plantAndFind plants a value in each spelling into copies of what was left.
func plantAndFind(t *testing.T, left traces, names *search, who persona) {
	t.Helper()
	places := slices.Sorted(maps.Keys(left))
	for i, form := range spellings(who.Name) {
		place := places[i*5%len(places)]
		half := len(left[place]) / 2
		planted := slices.Concat(left[place][:half], form.bytes, left[place][half:])
		if len(names.in(planted)) == 0 {
			t.Errorf("a name planted in %s in %s is not found", form.form, place)
		}
	}
}

// askAll finds, looks up and compares somebody. It does not mind what comes of it.
func askAll(t *testing.T, p *process, worker string, who persona) {
	lookup := p.lookupBody(who)
	lookup["compare"] = map[string]any{"values": map[string]string{
		"name": who.Name, "kana": who.Kana, "address": who.Address, "address_extra": who.Extra, "phone": who.Phone, "birth_date": who.BirthDate,
	}}
	find := p.searchBody(who)
	find["address"] = who.Address
	if who.Household != "" {
		find["household_number"] = who.Household
	}
	for path, body := range map[string]any{"/v1/lookups": lookup, "/v1/people/search": find} {
		if _, err := p.post(path, worker, body); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// values are what somebody may write in a wrong place.
func (p persona) values() []string {
	all := []string{p.Name, p.Kana, strings.ReplaceAll(p.Kana, "　", ""), p.Address, p.Individual}
	for _, maybe := range []string{p.Phone, p.Alias, p.Extra} {
		if maybe != "" {
			all = append(all, maybe)
		}
	}
	return all
}

// askWrongly puts each personal value into every place where it does not belong. What the
// gateway answers must not repeat it.
func askWrongly(t *testing.T, p *process, worker string, who persona, left traces) {
	t.Helper()
	auditor, system, operator := token(t, p.dir, "auditor"), token(t, p.dir, "case-system"), token(t, p.dir, "operator")
	for _, v := range who.values() {
		for n, w := range append(wrongBodies(p, who, v), wrongChanges(p, who, v)...) {
			bearer := worker
			switch {
			case strings.HasPrefix(w.path, "/v1/record"):
				bearer = auditor
			case strings.HasPrefix(w.path, "/v1/cases"):
				bearer = system
			case strings.HasPrefix(w.path, "/v1/outbox"):
				bearer = operator
			}
			sendWrong(t, p, left, func() (*http.Request, error) {
				req, err := http.NewRequest(http.MethodPost, p.ready.API+w.path, strings.NewReader(w.body))
				if err == nil {
					req.Header.Set("Content-Type", "application/json")
					req.Header.Set("Authorization", "Bearer "+bearer)
					req.Header.Set("Idempotency-Key", []string{"K-1", v, url.QueryEscape(v)}[n%3])
				}
				return req, err
			})
		}
		for _, request := range wrongRequests(p, worker, who, v) {
			sendWrong(t, p, left, request)
		}
	}
}

// sendWrong sends a request and keeps the answer, headers too.
func sendWrong(t *testing.T, p *process, left traces, request func() (*http.Request, error)) {
	t.Helper()
	req, err := request()
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.do(req)
	if err != nil { // the server may cut what it cannot read
		left.add("cut", nil)
		return
	}
	if r.status >= 400 {
		// The demo's search page offers some of the fictional people to try with.
		examples := regexp.MustCompile(`(?s)id="examples">.*?</table>`)
		left.add("refused", examples.ReplaceAll([]byte(r.body), nil))
		left.add("refused", fmt.Append(nil, r.header))
	}
}

type wrongBody struct{ path, body string }

// wrongBodies are bodies with a value where it does not belong.
func wrongBodies(p *process, who persona, v string) []wrongBody {
	e := p.ready.Example
	quoted := fmt.Sprintf("%q", v)
	lookup := func(members string) wrongBody { return wrongBody{"/v1/lookups", "{" + members + "}"} }
	good := fmt.Sprintf(`"person":{"atena_number":%q},"case":%q,"procedure":%q,"purpose":%q`, who.Atena, who.Case, e.Procedure, e.Purpose)
	search := fmt.Sprintf(`"case":%q,"procedure":%q,"purpose":%q`, who.Case, e.Procedure, e.Purpose)
	return []wrongBody{
		lookup(good + `,"name":` + quoted),
		lookup(good + `,` + quoted + `:1`),
		lookup(good + `,"sources":[` + quoted + `]`),
		lookup(good + `,"sources":` + quoted),
		lookup(good + `,"compare":{"values":{` + quoted + `:"x"}}`),
		lookup(good + `,"compare":{"values":{"name":[` + quoted + `]}}`),
		lookup(good + `,"compare":{` + quoted + `:true}`),
		lookup(good + `,"reason":` + quoted + `,"reason":` + quoted),
		lookup(`"person":{"atena_number":` + quoted + `},` + search),
		lookup(`"person":{"name":` + quoted + `},` + search),
		lookup(`"person":` + quoted + `,` + search),
		lookup(strings.Replace(good, `"case":"`+who.Case+`"`, `"case":`+quoted, 1)),
		lookup(strings.Replace(good, `"procedure":"`+e.Procedure+`"`, `"procedure":`+quoted, 1)),
		lookup(strings.Replace(good, `"purpose":"`+e.Purpose+`"`, `"purpose":`+quoted, 1)),
		lookup(strings.Replace(good, `"case":"`+who.Case+`"`, `"reason":`+quoted, 1)),
		{"/v1/lookups", `{` + good + `,"name":` + v},
		{"/v1/lookups", v},
		{"/v1/lookups", quoted},
		{"/v1/lookups", `{` + good + `} ` + v},
		{"/v1/people/search", `{"kana":` + quoted + `,` + search + `}`},
		{"/v1/people/search", `{"kana":` + quoted + `,"birth_date":` + quoted + `,` + search + `}`},
		{"/v1/people/search", `{"kana":` + quoted + `,"birth_date":{"precision":` + quoted + `,"value":` + quoted + `},` + search + `}`},
		{"/v1/people/search", `{"kana":"` + strings.Repeat(v, 60) + `","birth_date":"2000-01-01",` + search + `}`},
		{"/v1/people/search", `{"kana":` + quoted + `,"birth_date":"2000-01-01","household_number":` + quoted + `,` + search + `}`},
		{"/v1/people/search", `{"kana":` + quoted + `,"birth_date":"2000-01-01","address":` + quoted + `,"case":` + quoted + `}`},
		{"/v1/cases", `{"case":"X-1","procedure":` + quoted + `,"persons":[` + quoted + `]}`},
		{"/v1/cases", `{"case":"X-1","procedure":"payment","persons":[` + quoted + `]}`},
		{"/v1/cases", `{"case":"X-1","procedure":"payment","persons":[],"name":` + quoted + `}`},
		{"/v1/cases/close", `{"case":` + quoted + `}`},
		{"/v1/record/search", `{"staff":` + quoted + `}`},
		{"/v1/record/search", `{"case":` + quoted + `}`},
		{"/v1/record/search", `{"lookup_id":` + quoted + `}`},
		{"/v1/record/search", `{"kind":` + quoted + `}`},
		{"/v1/record/search", `{"atena_number":` + quoted + `}`},
		{"/v1/record/search", `{"purpose":` + quoted + `,"cursor":` + quoted + `}`},
		{"/v1/record/search", `{"from":` + quoted + `}`},
		{"/v1/record/export", `{"to":` + quoted + `,"name":` + quoted + `}`},
	}
}

// wrongRequests are requests with a value in the address, the method or a header.
func wrongRequests(p *process, worker string, who persona, v string) []func() (*http.Request, error) {
	escaped, coded := url.PathEscape(v), base64.StdEncoding.EncodeToString([]byte(v))
	at := func(method, path string, headers ...string) func() (*http.Request, error) {
		return func() (*http.Request, error) {
			req, err := http.NewRequest(method, p.ready.API+path, strings.NewReader("{}"))
			if err != nil {
				return nil, err
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+worker)
			for i := 0; i+1 < len(headers); i += 2 {
				req.Header.Set(headers[i], headers[i+1])
			}
			return req, nil
		}
	}
	var all []func() (*http.Request, error)
	for _, path := range wrongAddresses(v) {
		all = append(all, at("GET", path))
	}
	parent := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	all = append(all,
		at("POST", "/v1/lookups?name="+url.QueryEscape(v)),
		at("POST", "/v1/lookups/"+escaped),
		at("GET", "/v1/people/"+escaped),
		at("GET", "/"+escaped+"?"+escaped),
		at("GET", "/v1//"+escaped),
		at("GET", "/v1/../"+escaped),
		at("GET", "/problems/"+escaped),
		at("GET", "/static/"+escaped),
		at("GET", "/console/"+escaped),
		at("GET", "/console/help/"+escaped),
		at("GET", "/console/?name="+escaped),
		at("POST", "/console/lookup", "Content-Type", "application/x-www-form-urlencoded; name="+coded),
		at("POST", "/console/people?kana="+escaped),
		at("POST", "/v1/lookups", "Authorization", "Bearer "+v),
		at("POST", "/v1/lookups", "Authorization", "Bearer "+coded+"."+coded+"."+coded),
		at("POST", "/v1/lookups", "Authorization", v),
		at("POST", "/v1/lookups", "Content-Type", v),
		at("POST", "/v1/lookups", "Content-Encoding", coded),
		at("POST", "/v1/lookups", "X-Person", v, "User-Agent", v, "Referer", p.ready.API+"/"+escaped, "Accept-Language", v),
		at("POST", "/v1/lookups", "Traceparent", parent, "Tracestate", "who="+strings.Trim(coded, "="), "Baggage", "who="+escaped),
		at("POST", "/v1/lookups", "Traceparent", v, "X-Request-Id", v, "X-Forwarded-For", v, "Forwarded", "for="+v, "Cookie", "who="+escaped),
	)
	if v == who.Phone || v == who.Individual { // a word that may stand for a method or a host
		all = append(all, at(v, "/v1/lookups"), func() (*http.Request, error) {
			req, err := at("GET", "/v1/procedures")()
			if err == nil {
				req.Host = v
			}
			return req, err
		})
	}
	return all
}

// askBadCommands gives commands what they refuse. What they say must not repeat it.
func askBadCommands(t *testing.T, dir string, who persona, left traces) {
	t.Helper()
	for _, v := range who.values() {
		for _, args := range [][]string{
			{"lookup", "--dir", dir, "--atena-number", v, "--case", who.Case, "--procedure", "registration", "--purpose", "new-application"},
			{"lookup", "--dir", dir, "--atena-number", who.Atena, "--case", v, "--procedure", v, "--purpose", v, "--source", v},
			{"lookup", "--dir", dir, "--atena-number", who.Atena, "--compare", v, "--procedure", "registration", "--purpose", "x"},
			{"lookup", "--dir", dir, "--name=" + v},
			{"find", "--dir", dir, "--kana", v, "--birth-date", v, "--procedure", "registration", "--purpose", "new-application"},
			{"audit", "search", "--dir", dir, "--from", v},
			{"audit", "search", "--dir", dir, "--limit", v},
			{"mapping", "check", "individual-number", v},
			{"mapping", "check", v, "1"},
			{"sandbox", "fault", "--dir", dir, "tax", v},
			{"beneficiary", "register", "--dir", dir, "--child", v, "--guardian", v, "--applied-on", v, "--procedure", v, "--purpose", v},
			{"beneficiary", "show", "--dir", dir, v, "--procedure", v, "--purpose", v},
			{"beneficiary", "mailing", "--dir", dir, v, "--version", v, "--file", v, "--effective-on", v, "--procedure", v, "--purpose", v},
			{"outbox", "show", "--dir", dir, v},
			{"outbox", "list", "--dir", dir, "--where", v},
			{"outbox", "replay", "--dir", dir, v},
			{"outbox", "discard", "--dir", dir, "--where", "cause=" + v},
		} {
			r := kakehashi(t, args...)
			if r.code == 0 {
				t.Errorf("%s with a personal value in a wrong place succeeds", args[0])
			}
			left.add("commands", []byte(r.out+r.err))
		}
	}
}

// dumpTables gives every table's content.
func dumpTables(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "kakehashi.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var names []string
	rows, err := db.QueryContext(ctx, "SELECT name FROM sqlite_master WHERE type = 'table'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	tables := map[string][]byte{}
	for _, name := range names {
		tables[name] = dumpTable(ctx, t, db, name)
	}
	return tables
}

func dumpTable(ctx context.Context, t *testing.T, db *sql.DB, name string) []byte {
	t.Helper()
	rows, err := db.QueryContext(ctx, `SELECT * FROM "`+name+`"`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	out := []byte(strings.Join(columns, "\t") + "\n")
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			if b, ok := v.([]byte); ok {
				out = append(append(out, b...), '\t')
			} else {
				out = fmt.Appendf(out, "%v\t", v)
			}
		}
		out = append(out, '\n')
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
