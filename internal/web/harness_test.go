package web_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"

	"kakehashi/internal/audit"
	"kakehashi/internal/gateway"
	"kakehashi/internal/inbox"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
	"kakehashi/internal/web"
	"kakehashi/outbox"
)

// The fictional people of these tests.
const (
	child    = ledger.AtenaNumber("0000000019")
	mother   = ledger.AtenaNumber("0000000027")
	stranger = ledger.AtenaNumber("0000000035")
	newcomer = ledger.AtenaNumber("0000000043") // assigned to the guardian who lives elsewhere
)

// source answers as it is told; nil: it has found nobody.
type source func(ledger.Question) (ledger.Answer, error)

// Lookup answers.
func (s source) Lookup(_ context.Context, q ledger.Question) (ledger.Answer, error) { return s(q) }

// finder gives the candidates it is told.
type finder func(ledger.Search) ([]ledger.Candidate, error)

// Find answers.
func (f finder) Find(_ context.Context, s ledger.Search, _ int) ([]ledger.Candidate, error) {
	return f(s)
}

// shield gives the protection it is told.
type shield func([]ledger.AtenaNumber) (ledger.Protected, error)

// Protection answers.
func (s shield) Protection(_ context.Context, p []ledger.AtenaNumber) (ledger.Protected, error) {
	return s(p)
}

// neighbours are what the fakes of a test say; a test may change them before it asks.
type neighbours struct {
	residents, tax, address source
	find                    finder
	shield                  shield
	told                    func(ledger.Change) (ledger.Receipt, error) // the neighbour that is told of changes
}

// house is a whole gateway of a test over HTTP.
type house struct {
	t       *testing.T
	url     string
	issuer  *issuer
	next    *neighbours
	web     *web.Web
	record  *audit.Log
	db      *store.DB
	gateway *gateway.Gateway
	queue   *outbox.Queue
	box     *inbox.Box
	ready   []web.Probe
	log     *lockedLog
	console *web.Console
}

func found(persons ...ledger.Facts) source {
	return func(ledger.Question) (ledger.Answer, error) {
		return ledger.Answer{Outcome: ledger.Found, Persons: persons}, nil
	}
}

func childFacts() ledger.Facts {
	return ledger.Facts{Person: child, Relation: "子", Outcome: ledger.Found, Values: []ledger.Value{
		{Item: ledger.Name, Text: "架空 花子", Usable: true},
		{Item: ledger.Kana, Text: "カクウ ハナコ", Usable: true},
		{Item: ledger.BirthDate, Date: ledger.Date{Year: 2016, Month: time.May, Day: 3}, Usable: true},
		{Item: ledger.HouseholdNo, Text: "0000000500", Usable: true},
		{Item: ledger.AddressText, Text: "架空市幻町一丁目2番3号", Usable: true},
		{Item: ledger.Phone, Text: "000-0000-1234"},
	}}
}

func motherFacts() ledger.Facts {
	return ledger.Facts{Person: mother, Relation: "妻", Outcome: ledger.Found, Values: []ledger.Value{
		{Item: ledger.Name, Text: "架空 幻", Usable: true},
		{Item: ledger.BirthDate, Date: ledger.Date{Year: 1945, Note: "昭和20年頃"}, Usable: true},
	}}
}

func taxFacts(who ledger.AtenaNumber, class ledger.TaxClass) ledger.Facts {
	return ledger.Facts{Person: who, Outcome: ledger.Found, Values: []ledger.Value{
		{Item: ledger.TaxClassOfYear, Text: string(class), AsOf: "2026年度", Usable: class != ledger.NoTaxData},
	}}
}

func open(protected bool) shield {
	return func(asked []ledger.AtenaNumber) (ledger.Protected, error) {
		household := []ledger.AtenaNumber{child, mother}
		p := ledger.Protected{}
		for _, person := range append(household, asked...) {
			p[person] = ledger.Shielding{Protected: protected && person == mother, Household: household}
		}
		return p, nil
	}
}

func healthy() *neighbours {
	return &neighbours{
		residents: found(childFacts(), motherFacts()), tax: found(taxFacts(child, ledger.NoTaxData), taxFacts(mother, ledger.Taxed)), address: found(childFacts()),
		find: func(ledger.Search) ([]ledger.Candidate, error) {
			return []ledger.Candidate{{Household: "0000000500", Facts: childFacts()}}, nil
		},
		shield: open(false),
		told: func(c ledger.Change) (ledger.Receipt, error) {
			if c.Kind == ledger.Numbering {
				return ledger.Receipt{Atena: newcomer}, nil
			}
			return ledger.Receipt{}, nil
		},
	}
}

// destination is the neighbour that is told of changes.
type destination struct {
	mu      sync.Mutex
	changes map[string]ledger.Change
	tell    func(ledger.Change) (ledger.Receipt, error)
}

// Prepare makes a letter of the change.
func (d *destination) Prepare(_ context.Context, c ledger.Change) (ledger.Letter, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes[string(c.ID)] = c
	return ledger.Letter{Call: "tell", Key: string(c.ID), Body: []byte(c.ID)}, nil
}

// Send tells the neighbour what the letter says.
func (d *destination) Send(_ context.Context, l ledger.Letter) (ledger.Receipt, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tell(d.changes[l.Key])
}

// relay lets what is owed be told until the test ends.
func (h *house) relay() {
	h.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.queue.Run(ctx, h.gateway) }()
	h.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			h.t.Errorf("run the relay: %v", err)
		}
	})
}

// until asks again and again until the answer is as wanted.
func (h *house) until(path, role string, wanted func(reply) bool) reply {
	h.t.Helper()
	deadline, tick := time.After(10*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		a := h.ask("GET", path, role, "")
		if wanted(a) {
			return a
		}
		select {
		case <-tick.C:
		case <-deadline:
			h.t.Fatalf("GET %s never was as wanted: %d %s", path, a.status, a.body)
		}
	}
}

func procedures() []staff.Procedure {
	all := []string{}
	for _, i := range ledger.Items() {
		all = append(all, string(i))
	}
	return []staff.Procedure{
		{
			ID: "certify", Name: "受給資格の認定", LegalBasis: "条例別表第1の2", Purposes: []staff.Code{{Code: "new", Name: "新規認定"}},
			Rights:      []staff.Right{{Roles: []string{"case-worker"}, Items: all}},
			Changes:     []string{staff.Registration, staff.MailingAddress},
			WithoutCase: []staff.Code{{Code: "counter", Name: "窓口での確認"}},
		},
		{
			ID: "tax-only", Name: "所得の確認", LegalBasis: "条例別表第1の2", Purposes: []staff.Code{{Code: "new", Name: "新規認定"}},
			Rights:      []staff.Right{{Roles: []string{"case-worker"}, Items: []string{"tax_class"}}},
			WithoutCase: []staff.Code{{Code: "counter", Name: "窓口での確認"}},
		},
		{
			ID: "address-only", Name: "通知の送付", LegalBasis: "条例別表第1の2", Purposes: []staff.Code{{Code: "new", Name: "新規認定"}},
			Rights:      []staff.Right{{Roles: []string{"case-worker"}, Items: []string{"address"}}},
			WithoutCase: []staff.Code{{Code: "counter", Name: "窓口での確認"}},
		},
	}
}

func staffConfig(issuer string) staff.Config {
	return staff.Config{
		Issuer: issuer, JWKSURL: issuer + "/jwks", Audience: "kakehashi:999993", Algorithms: []string{"ES256"},
		Leeway: time.Second, KeysRefresh: time.Minute, KeysTrustedFor: time.Hour, RequiredACR: []string{"card+vein"},
		Grants: []staff.Grant{
			{Staff: "1001", Role: "case-worker"}, {Staff: "1002", Role: "case-worker"}, {Staff: "2001", Role: "operator"}, {Staff: "3001", Role: "auditor"},
			{Client: "case-system", Role: "case-system"},
		},
	}
}

// build makes the house; change may alter its parts before the doors open.
func build(t *testing.T, change func(*house, *web.Rooms)) *house {
	t.Helper()
	h := &house{t: t, issuer: newIssuer(t), next: healthy(), log: &lockedLog{}, ready: []web.Probe{{Name: "record", OK: true}}}
	h.db = storetest.Open(t)
	h.record = openRecord(t, h.db)
	cfg := staffConfig(h.issuer.url)
	told := &destination{changes: map[string]ledger.Change{}, tell: func(c ledger.Change) (ledger.Receipt, error) { return h.next.told(c) }}
	var err error
	h.queue, err = outbox.New(outbox.Defaults(), outbox.Rooms{
		DB: h.db, Record: h.record, Key: [32]byte{1}, Exclusive: true,
		Routes: []outbox.Route{{Destination: "address", Kinds: ledger.ChangeKinds(), To: told}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.box, err = inbox.New(inbox.Config{RetryFirst: time.Millisecond, RetryMax: 2 * time.Millisecond, Tries: 3}, inbox.Rooms{
		DB: h.db, Record: h.record, Key: [32]byte{2}, Exclusive: true, Read: readNotice,
	})
	if err != nil {
		t.Fatal(err)
	}
	g := gateway.New(gateway.Config{Budget: 2 * time.Second, Candidates: 20}, gateway.Rooms{
		DB: h.db, Record: h.record, Rules: staff.NewRules(cfg, procedures(), time.FixedZone("JST", 9*60*60)),
		Sources: []gateway.Neighbour{
			{System: ledger.Residents, Source: source(func(q ledger.Question) (ledger.Answer, error) { return h.next.residents(q) })},
			{System: ledger.Tax, Source: source(func(q ledger.Question) (ledger.Answer, error) { return h.next.tax(q) })},
			{System: ledger.Address, Source: source(func(q ledger.Question) (ledger.Answer, error) { return h.next.address(q) })},
		},
		Finder: finder(func(s ledger.Search) ([]ledger.Candidate, error) { return h.next.find(s) }),
		Shield: shield(func(p []ledger.AtenaNumber) (ledger.Protected, error) { return h.next.shield(p) }), Outbox: h.queue, Inbox: h.box,
	})
	h.gateway = g
	rooms := web.Rooms{
		Gateway: g, Tokens: staff.NewVerifier(cfg, staff.NewKeys(cfg, http.DefaultClient)),
		Breakers: func() []web.Breaker {
			return []web.Breaker{
				{Target: "residents", State: "closed"},
				{Target: "tax", State: "open", Since: time.Now(), NextProbe: time.Now().Add(10 * time.Second), Failures: 5},
			}
		},
		Ready:   func(context.Context) []web.Probe { return h.ready },
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "kakehashi_up 1\n") }),
		Log:     slog.New(slog.NewJSONHandler(h.log, nil)),
		Console: &web.Console{
			Token: func(_ context.Context, role string) (string, error) { return h.token(role), nil },
			City:  "架空市", Label: "架空データ", Procedure: "certify", Purpose: "new", Reason: "counter",
			Verify: func(context.Context) (web.Verification, error) {
				return web.Verification{OK: true, Entries: 3, Sealed: 2, Unproved: 1}, nil
			},
		},
	}
	if change != nil {
		change(h, &rooms)
	}
	h.console = rooms.Console
	w, err := web.New(web.Config{Address: "127.0.0.1:0"}, rooms)
	if err != nil {
		t.Fatal(err)
	}
	h.web = w
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = w.Server()
	srv.Start()
	t.Cleanup(srv.Close)
	h.url = srv.URL
	return h
}

// lockedLog is a log that the server writes while the test reads.
type lockedLog struct {
	mu  sync.Mutex
	all bytes.Buffer
}

// Write writes.
func (l *lockedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

// String gives what was written until now.
func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// wait gives the log once it holds the word: an event is written after its answer.
func (l *lockedLog) wait(t *testing.T, word string) string {
	t.Helper()
	deadline, tick := time.After(10*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for {
		if text := l.String(); strings.Contains(text, word) {
			return text
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%q never came into the log: %s", word, l.String())
		}
	}
}

func openRecord(t *testing.T, db *store.DB) *audit.Log {
	t.Helper()
	dir := t.TempDir()
	if err := audit.GenerateKeys(dir); err != nil {
		t.Fatal(err)
	}
	cfg := audit.Config{
		MACKeyFile: filepath.Join(dir, audit.MACKeyName), SigningKeyFile: filepath.Join(dir, audit.SigningKeyName),
		PublicKeyFile: filepath.Join(dir, audit.PublicKeyName), CheckpointsFile: filepath.Join(dir, "checkpoints"),
	}
	keys, err := audit.LoadKeys(cfg)
	if err != nil {
		t.Fatal(err)
	}
	record, err := audit.Open(t.Context(), db, cfg, keys)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- record.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("run the record: %v", err)
		}
	})
	return record
}

// issuer is a small issuer: one key, its public half over HTTP.
type issuer struct {
	key  jwk.Key
	url  string
	mu   sync.Mutex
	away bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{}
	if i.key, err = jwk.Import(private); err != nil {
		t.Fatal(err)
	}
	if err := i.key.Set(jwk.KeyIDKey, "k1"); err != nil {
		t.Fatal(err)
	}
	public, err := i.key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	set := jwk.NewSet()
	if err := set.AddKey(public); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.away {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(srv.Close)
	i.url = srv.URL
	return i
}

// token gives a token of the role.
func (h *house) token(role string) string {
	h.t.Helper()
	numbers := map[string]string{"case-worker": "1001", "operator": "2001", "auditor": "3001", "nobody": "9999", "colleague": "1002"}
	claims := h.claims(numbers[role])
	if role == "case-system" {
		delete(claims, "staff_number")
		delete(claims, "acr")
	}
	return h.sign(claims)
}

func (h *house) claims(number string) map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": h.issuer.url, "sub": number + "x", "aud": "kakehashi:999993", "client_id": "case-system", "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "acr": "card+vein",
		"staff_number": number, "department": "子育て支援課", "terminal": "T-1",
	}
}

func (h *house) sign(claims map[string]any) string {
	h.t.Helper()
	header := jws.NewHeaders()
	for name, value := range map[string]any{"typ": "at+jwt", "kid": "k1"} {
		if err := header.Set(name, value); err != nil {
			h.t.Fatal(err)
		}
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		h.t.Fatal(err)
	}
	token, err := jws.Sign(payload, jws.WithKey(jwa.ES256(), h.issuer.key, jws.WithProtectedHeaders(header)))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(token)
}

// reply is an answer that was read whole.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("answer is no JSON: %v\n%s", err, r.body)
	}
	return v
}

// ask sends a request as the role ("" sends no token) and holds the answer against
// /openapi.json.
func (h *house) ask(method, path, role, body string) reply {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, bytes.NewBufferString(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if role != "" {
		r.Header.Set("Authorization", "Bearer "+h.token(role))
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return h.send(r, body)
}

func (h *house) send(r *http.Request, body string) reply {
	h.t.Helper()
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	a := reply{status: res.StatusCode, header: res.Header, body: got}
	conforms(h.t, r, body, a)
	return a
}

// openCase opens a case on the child and its mother.
func (h *house) openCase(id string) {
	h.t.Helper()
	a := h.ask("POST", "/v1/cases", "case-system", `{"case":"`+id+`","procedure":"certify","persons":["0000000019","0000000027"]}`)
	if a.status != http.StatusCreated {
		h.t.Fatalf("open a case: %d %s", a.status, a.body)
	}
}
