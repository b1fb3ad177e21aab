package inbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// The source and the type of the tests' events.
const (
	from    = "urn:kakehashi:test:residents"
	changed = "jp.lg.kakehashi.test.changed.v1"
)

// read reads the tests' events, as mapping does the city's.
func read(kind string, data []byte) (n ledger.Notice, err error) {
	var d struct {
		Atena     string `json:"atena_number"`
		Kind      string `json:"kind"`
		Effective string `json:"effective"`
	}
	unfit := func(cause, code string) error {
		return fault.New(fault.Invalid, "an event does not fit").WithReason(cause).WithCode(code)
	}
	switch {
	case kind != changed:
		return n, unfit(CauseType, "KKH3522")
	case json.Unmarshal(data, &d) != nil:
		return n, unfit(CauseUnread, "KKH3524")
	case d.Atena == "":
		return n, unfit(CausePerson, "KKH3526")
	case !slices.Contains(ledger.NoticeKinds(), ledger.NoticeKind(d.Kind)):
		return n, unfit(CauseKind, "KKH3525")
	}
	day, _ := ledger.ParseDate(d.Effective)
	return ledger.Notice{Person: ledger.AtenaNumber(d.Atena), Kind: ledger.NoticeKind(d.Kind), Effective: day}, nil
}

func data(atena, kind string) []byte {
	return []byte(`{"atena_number":"` + atena + `","kind":"` + kind + `","effective":"2026-11-20"}`)
}

func event(id, atena string) Message {
	return Message{
		Source: from, ID: id, Type: changed, Time: "2026-11-20T09:00:00+09:00", Value: data(atena, "changed"),
		Topic: "kakehashi.notices.v1", Partition: 1, Offset: 7,
	}
}

// quick are settings that a test need not wait for.
func quick() Config {
	return Config{Workers: 4, Timeout: 2 * time.Second, RetryFirst: 2 * time.Millisecond, RetryMax: 8 * time.Millisecond, Tries: 4}
}

// logs is a log that a test reads.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// house is one database with one gateway's inbox, or several.
type house struct {
	t      testing.TB
	at     storetest.Place
	db     *store.DB
	record *audit.Log
	log    *logs
	box    *Box
}

// newHouse opens a box. The record lies beside it: only whether it can be written is asked.
func newHouse(t *testing.T, at storetest.Place, cfg Config) *house {
	t.Helper()
	h := &house{t: t, at: at, db: at.Open(t), log: &logs{}}
	dir := t.TempDir()
	if err := audit.GenerateKeys(dir); err != nil {
		t.Fatal(err)
	}
	keep := audit.Config{
		MACKeyFile: filepath.Join(dir, audit.MACKeyName), SigningKeyFile: filepath.Join(dir, audit.SigningKeyName),
		PublicKeyFile: filepath.Join(dir, audit.PublicKeyName), CheckpointsFile: filepath.Join(dir, "checkpoints"),
	}
	keys, err := audit.LoadKeys(keep)
	if err != nil {
		t.Fatal(err)
	}
	if h.record, err = audit.Open(t.Context(), storetest.Open(t), keep, keys); err != nil {
		t.Fatal(err)
	}
	h.box = h.open(h.db, cfg, nil)
	return h
}

// open makes a box on a database, with a clock of its own where one is given.
func (h *house) open(db *store.DB, cfg Config, now func() time.Time) *Box {
	h.t.Helper()
	b, err := New(cfg, Rooms{
		DB: db, Record: h.record, Key: [32]byte{1, 2, 3}, Read: read, Now: now,
		Exclusive: false, Log: slog.New(slog.NewTextHandler(h.log, nil)),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

// second gives the database as another gateway has it: a connection of its own where the
// engine lets several in.
func (h *house) second() *store.DB {
	if h.db.Engine() == store.SQLite {
		return h.db
	}
	return h.at.Open(h.t)
}

func (h *house) take(all ...Message) {
	h.t.Helper()
	for _, m := range all {
		if _, err := h.box.Take(h.t.Context(), m); err != nil {
			h.t.Fatal(err)
		}
	}
}

// run runs a box until the test ends or the function that it gives is called.
func (h *house) run(b *Box, r Refresher) (stop func()) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx, r) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Errorf("run: %v", err)
		}
	})
	h.t.Cleanup(stop)
	return stop
}

func (h *house) list(f Filter) []Item {
	h.t.Helper()
	items, _, err := h.box.List(h.t.Context(), f)
	if err != nil {
		h.t.Fatal(err)
	}
	return items
}

// states counts all notices by state.
func (h *house) states() map[State]int {
	n := map[State]int{}
	for _, i := range h.list(Filter{All: true, Limit: 1000}) {
		n[i.State]++
	}
	return n
}

func (h *house) settled(n int) func() bool { return func() bool { return h.states()[Settled] == n } }

// until waits for a condition.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	over := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// effect writes that a notice took effect: one more each time.
func effect(name string) func(context.Context, *store.Tx) error {
	return func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO ledger_counter (name, value) VALUES ($1, 1)
			ON CONFLICT (name) DO UPDATE SET value = ledger_counter.value + 1`, name)
		return err
	}
}

// effects reads how often each took effect.
func (h *house) effects() map[string]int {
	h.t.Helper()
	all := map[string]int{}
	rows, err := store.Query(h.t.Context(), h.db, `SELECT name, value FROM ledger_counter`)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			h.t.Fatal(err)
		}
		all[name] = n
	}
	if err := rows.Err(); err != nil {
		h.t.Fatal(err)
	}
	return all
}

// refresher asks nobody: it does what a test says, and sees to it that no person is asked
// about twice at once.
type refresher struct {
	t    testing.TB
	does func(person ledger.AtenaNumber, n []Notice) (Result, error)

	mu    sync.Mutex
	asked []string // person: names of the notices
	under map[ledger.AtenaNumber]bool
}

func (r *refresher) Refresh(_ context.Context, p ledger.AtenaNumber, n []Notice) (Result, error) {
	r.mu.Lock()
	if r.under == nil {
		r.under = map[ledger.AtenaNumber]bool{}
	}
	if r.under[p] {
		r.t.Error("a person is asked about twice at once")
	}
	r.under[p] = true
	line := string(p) + ":"
	for _, one := range n {
		line += " " + one.Name
	}
	r.asked = append(r.asked, line)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.under, p)
		r.mu.Unlock()
	}()
	return r.does(p, n)
}

func (r *refresher) times() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

// counting settles every notice and counts its effect by name.
func counting(_ ledger.AtenaNumber, n []Notice) (Result, error) {
	return Result{Word: Refreshed, Keep: func(ctx context.Context, tx *store.Tx) error {
		for _, one := range n {
			if err := effect(one.Name)(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}

func down() error {
	return fault.New(fault.Unavailable, "the source is away").WithReason("timeout").WithCode("KKH2101")
}

// press runs Replay or Discard in a transaction.
func (h *house) press(f func(context.Context, *store.Tx) (Plan, error)) (p Plan) {
	h.t.Helper()
	err := store.WithTx(h.t.Context(), h.db, func(ctx context.Context, tx *store.Tx) (err error) {
		p, err = f(ctx, tx)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

func person(n int) string { return fmt.Sprintf("10001%05d", n) }
