package audit

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// house is a record in a folder of the test.
type house struct {
	t     testing.TB
	dir   string
	cfg   Config
	keys  Keys
	size  int64           // of the database; 0: as much as it wants
	at    storetest.Place // on PostgreSQL; zero: a file in dir
	db    *store.DB
	log   *Log
	leave func() // stops the gateway
}

func newHouse(t testing.TB) *house {
	t.Helper()
	return newHouseAt(t, storetest.Place{})
}

// newHouseAt is newHouse with its database elsewhere.
func newHouseAt(t testing.TB, at storetest.Place) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), at: at}
	if err := GenerateKeys(h.dir); err != nil {
		t.Fatal(err)
	}
	h.cfg = Config{
		MACKeyFile: h.path(MACKeyName), SigningKeyFile: h.path(SigningKeyName), PublicKeyFile: h.path(PublicKeyName),
		CheckpointsFile: h.path("checkpoints"), SealEvery: 2 * time.Millisecond,
	}
	var err error
	if h.keys, err = LoadKeys(h.cfg); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) path(name string) string { return filepath.Join(h.dir, name) }

// onEngines runs f on each engine, with a house of its own.
func onEngines(t *testing.T, f func(t *testing.T, h *house)) {
	t.Helper()
	storetest.Engines(t, func(t *testing.T, at storetest.Place) { f(t, newHouseAt(t, at)) })
}

// ends is how many entries a writer that ends in order adds: its settlement, where others
// may be.
func (h *house) ends() int64 {
	if h.at.Config.Engine() == store.Postgres {
		return 1
	}
	return 0
}

// database says where the record lies.
func (h *house) database() store.Config {
	if h.at.Config.Engine() == store.Postgres {
		return h.at.Config
	}
	return store.Config{URL: "sqlite:" + h.path("kakehashi.db"), MaxSize: h.size}
}

// open opens the record and starts nothing.
func (h *house) open() {
	h.t.Helper()
	var err error
	h.db, err = store.Open(context.Background(), h.database())
	if err != nil {
		h.t.Fatal(err)
	}
	if h.log, err = Open(context.Background(), h.db, h.cfg, h.keys); err != nil {
		h.t.Fatal(errors.Join(err, h.db.Close()))
	}
	h.leave = func() {}
	h.t.Cleanup(func() { _ = h.db.Close() })
}

// start opens the record and runs it.
func (h *house) start() {
	h.t.Helper()
	h.open()
	h.run()
}

func (h *house) run() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.log.Run(ctx) }()
	h.leave = func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Errorf("Run: %v", err)
		}
		h.leave = func() {}
	}
	h.t.Cleanup(func() { h.leave() })
}

// stop ends the gateway in good order.
func (h *house) stop() {
	h.t.Helper()
	h.leave()
	if err := h.db.Close(); err != nil {
		h.t.Fatal(err)
	}
}

func lookupEntry(id string, atena string) Entry {
	return Entry{
		Lookup: id, Act: "lookup", Actor: Actor{Staff: "K0012345", Department: "子育て支援課", Authentication: "card+vein", Role: "case-worker"},
		Case: "C-1", Procedure: "child-medical-new", LegalBasis: "番号法19条8号", Purpose: "eligibility",
		Sources: []string{"residents", "tax", "address"}, Items: []string{"name", "address"},
		Subjects: []Subject{{Atena: atena, Role: "asked"}},
	}
}

// ask leaves the entries of one lookup.
func (h *house) ask(id string) {
	h.t.Helper()
	ctx := context.Background()
	if err := h.log.Intend(ctx, lookupEntry(id, "000000000000017")); err != nil {
		h.t.Fatal(err)
	}
	e := lookupEntry(id, "000000000000017")
	e.Subjects = append(e.Subjects, Subject{Atena: "000000000000025", Role: "shown"})
	e.Ends = []SourceEnd{{Source: "tax", Outcome: "found", Items: []string{"tax_class"}, Millis: 12}}
	if err := h.log.Conclude(ctx, e); err != nil {
		h.t.Fatal(err)
	}
}

// settle waits until everything is sealed.
func (h *house) settle() Stats {
	h.t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		s, err := h.log.Stats(context.Background())
		if err != nil {
			h.t.Fatal(err)
		}
		if s.Entries == s.Sealed+s.Unfit {
			return s
		}
		select {
		case <-tick.C:
		case <-deadline:
			h.t.Fatalf("not sealed in time: %+v", s)
		}
	}
}

func TestLookupIsRecordedSealedAndFound(t *testing.T) {
	onEngines(t, lookupIsRecordedSealedAndFound)
}

func lookupIsRecordedSealedAndFound(t *testing.T, h *house) {
	h.start()
	h.ask("Q-1")
	h.ask("Q-2")
	found := func(f Filter) (kinds []Kind) {
		t.Helper()
		page, next, err := h.log.Search(t.Context(), f)
		if err != nil || next != "" {
			t.Fatalf("search: %v, next %q", err, next)
		}
		for _, r := range page {
			kinds = append(kinds, r.Entry.Kind)
		}
		return kinds
	}
	check := func() {
		t.Helper()
		for name, c := range map[string]struct {
			f    Filter
			want int
		}{
			"all": {Filter{}, 5}, "lookup": {Filter{Lookup: "Q-1"}, 2}, "person": {Filter{Person: "000000000000025"}, 2},
			"asked": {Filter{Person: "000000000000017"}, 4}, "part of a number": {Filter{Person: "0000"}, 0},
			"lookup and person": {Filter{Lookup: "Q-2", Person: "000000000000025"}, 1},
			"kind":              {Filter{Kind: Intent}, 2}, "case": {Filter{Case: "C-1"}, 4}, "staff": {Filter{Staff: "K0012345"}, 4},
			"no case": {Filter{WithoutCase: true}, 0}, "future": {Filter{From: time.Now().Add(time.Hour)}, 0},
			"past": {Filter{From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)}, 5},
		} {
			if got := found(c.f); len(got) != c.want {
				t.Errorf("%s: got %v, want %d", name, got, c.want)
			}
		}
	}
	check()
	s := h.settle()
	if s.Entries != 5 || !s.Writable {
		t.Errorf("got %+v, want 5 entries", s)
	}
	check()
	h.stop()
}
