package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// kinds gives the kinds of all entries of a lookup, in the order of their commitment.
func (h *house) kinds(lookup string) (kinds []Kind) {
	h.t.Helper()
	page, _, err := h.log.Search(context.Background(), Filter{Lookup: lookup, Limit: 500})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, r := range slices.Backward(page) {
		kinds = append(kinds, r.Entry.Kind)
	}
	return kinds
}

// crash leaves the gateway as a kill would: nothing is written any more, nothing closed
// in order.
func (h *house) crash() {
	h.t.Helper()
	if err := h.db.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.log.broken.Store(false)
	h.leave = func() {}
}

// hold keeps the database's turn to write until the returned function is called.
func (h *house) hold() (release func()) {
	h.t.Helper()
	held, let := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- store.WithTx(context.Background(), h.db, func(context.Context, *store.Tx) error {
			close(held)
			<-let
			return nil
		})
	}()
	<-held
	return func() {
		close(let)
		if err := <-ended; err != nil {
			h.t.Error(err)
		}
	}
}

// eventually waits until what is true.
func eventually(t testing.TB, what func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !what() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not come about in time")
		}
	}
}

func TestIntentOfAGoneWriterIsInterrupted(t *testing.T) {
	h := newHouse(t)
	h.start()
	h.ask("done")
	if err := h.log.Intend(t.Context(), lookupEntry("open", "000000000000017")); err != nil {
		t.Fatal(err)
	}
	h.leave()
	h.crash()
	for range 2 { // once settled it is settled
		h.start()
		if diff := cmp.Diff([]Kind{Intent, Interrupted}, h.kinds("open")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]Kind{Intent, Outcome}, h.kinds("done")); diff != "" {
			t.Error(diff)
		}
		h.stop()
	}
	h.wantOK()
}

func (h *house) wantWithheldBeforeNext() {
	h.t.Helper()
	h.ask("next")
	if diff := cmp.Diff([]Kind{Intent, Withheld}, h.kinds("gone")); diff != "" {
		h.t.Error(diff)
	}
	h.stop()
	if r := h.wantOK(); r.Entries != 5+h.ends() {
		h.t.Errorf("entries: got %d, want 5", r.Entries)
	}
	if n := h.one(`SELECT count(*) FROM audit_entry w, audit_entry i WHERE w.kind = 'withheld' AND i.kind = 'intent'
		AND i.lookup = 'next' AND w.id < i.id`); n != 1 {
		h.t.Error("withheld must be written before the writer's next intent")
	}
}

func TestIntentWhoseCallerHungUpBeforeTheCommitIsWithheld(t *testing.T) {
	onEngines(t, intentWhoseCallerHungUpBeforeTheCommitIsWithheld)
}

func intentWhoseCallerHungUpBeforeTheCommitIsWithheld(t *testing.T, h *house) {
	h.open()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := h.log.Intend(ctx, lookupEntry("gone", "000000000000017"))
	if !fault.Is(err, fault.Unavailable) || IsUnwritable(err) {
		t.Errorf("got %v, want Unavailable, and not for the record's sake", err)
	}
	h.run()
	h.wantWithheldBeforeNext()
}

func TestIntentWhoseCallerHungUpDuringTheCommitIsWithheld(t *testing.T) {
	h := newHouse(t)
	h.start()
	release := h.hold()
	e := lookupEntry("gone", "000000000000017")
	e.Kind = Intent
	r, err := h.log.encode(e)
	if err != nil {
		t.Fatal(err)
	}
	w := &waiter{row: r, entry: e, ended: make(chan error, 1)}
	if err := h.log.intake.add(w); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { // the committer has taken it
		h.log.intake.mu.Lock()
		defer h.log.intake.mu.Unlock()
		return len(h.log.intake.waiting) == 0
	})
	if !w.state.CompareAndSwap(waiting, abandoned) {
		t.Fatal("committed while the database was held")
	}
	release()
	h.wantWithheldBeforeNext()
}

func TestOutcomeThatCannotBeKeptIsWithheldAndTheRecordGoesOn(t *testing.T) {
	h := newHouse(t)
	h.size = 1 << 20
	h.start()
	if err := h.log.Intend(t.Context(), lookupEntry("late", "000000000000017")); err != nil {
		t.Fatal(err)
	}
	big := lookupEntry("big", "000000000000017")
	big.Detail = map[string]string{"pad": strings.Repeat("x", 20_000)}
	var err error
	for i := 0; err == nil && i < 200; i++ {
		big.Lookup = fmt.Sprint("big-", i)
		err = h.log.Record(t.Context(), Entry{Kind: Read, Lookup: big.Lookup, Detail: big.Detail})
	}
	if !IsUnwritable(err) || !fault.Is(err, fault.Unavailable) || fault.Code(err) != "KKH3101" {
		t.Fatalf("got %v, want the record unwritable", err)
	}
	late := lookupEntry("late", "000000000000017")
	late.Detail = big.Detail
	if err := h.log.Conclude(t.Context(), late); !IsUnwritable(err) {
		t.Errorf("conclude: got %v, want the record unwritable", err)
	}
	eventually(t, func() bool { // smaller entries, the probe's too, still find room for a while
		refused := h.log.Intend(t.Context(), lookupEntry("never", "000000000000017"))
		s, err := h.log.Stats(t.Context())
		if err != nil {
			t.Errorf("stats: %v", err)
		}
		return IsUnwritable(refused) && !s.Writable && s.Entries > 0
	})
	if err := h.db.SetMaxSize(t.Context(), 64<<20); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return h.log.Intend(t.Context(), lookupEntry("after", "000000000000017")) == nil })
	if diff := cmp.Diff([]Kind{Intent, Withheld}, h.kinds("late")); diff != "" {
		t.Error(diff)
	}
	s := h.settle()
	if !s.Writable || s.Unfit != 0 {
		t.Errorf("stats: %+v", s)
	}
	h.stop()
	h.wantOK()
	if n := h.one("SELECT count(*) FROM audit_entry WHERE void <> ''"); n == 0 {
		t.Error("the numbers of what could not be written are not declared void")
	}
}

func TestRecordThatCannotBeWrittenAtStartIsRefused(t *testing.T) {
	h := newHouse(t)
	h.start()
	h.ask("Q-1")
	h.stop()
	db, err := store.Open(t.Context(), store.File(h.path("kakehashi.db")))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), db, h.cfg, h.keys); !IsUnwritable(err) {
		t.Errorf("a database that is closed: got %v, want the record unwritable", err)
	}
	spoilt := h.copy(t)
	if err := errors.Join(os.Remove(spoilt.cfg.CheckpointsFile), os.Mkdir(spoilt.cfg.CheckpointsFile, 0o700)); err != nil {
		t.Fatal(err)
	}
	if db, err = store.Open(t.Context(), store.File(spoilt.path("kakehashi.db"))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), db, spoilt.cfg, h.keys); !IsUnwritable(err) {
		t.Errorf("a file of checkpoints that cannot be read: got %v, want the record unwritable", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFullDatabaseIsRefusedAtStart(t *testing.T) {
	h := newHouse(t)
	h.size = 1 << 20
	h.open()
	var err error
	for pad := 30_000; pad > 0 && err == nil; {
		err = store.WithTx(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
			return h.log.Append(ctx, tx, Entry{Kind: Read, Detail: map[string]string{"pad": strings.Repeat("x", pad)}})
		})
		if err != nil && pad > 1 {
			pad, err = pad/2, nil
		}
	}
	h.stop()
	db, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + h.path("kakehashi.db"), MaxSize: h.size})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), db, h.cfg, h.keys); !IsUnwritable(err) {
		t.Errorf("got %v, want the record unwritable", err)
	}
	if err := db.SetMaxSize(t.Context(), 64<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), db, h.cfg, h.keys); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFileOfCheckpointsIsLevelledInPages: a file that lags a year behind must not be
// brought up from memory.
func TestFileOfCheckpointsIsLevelledInPages(t *testing.T) {
	h := newHouse(t)
	h.start()
	for range levelPage*2 + 3 {
		h.fill(1)
		h.log.wakeSealer()
		h.settle()
	}
	h.stop()
	file, err := os.ReadFile(h.cfg.CheckpointsFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.cfg.CheckpointsFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.start()
	h.stop()
	h.wantOK()
	if after, err := os.ReadFile(h.cfg.CheckpointsFile); err != nil || !strings.HasPrefix(string(after), string(file)) {
		t.Errorf("the file is not what it was, and more: %v", err)
	}
}

func TestProbeFindsTheRecordWritableAgain(t *testing.T) {
	onEngines(t, probeFindsTheRecordWritableAgain)
}

func probeFindsTheRecordWritableAgain(t *testing.T, h *house) {
	h.open()
	h.log.writable.Store(false)
	h.log.beat(t.Context())
	if !h.log.writable.Load() {
		t.Error("the record is still said to be unwritable")
	}
	page, _, err := h.log.Search(t.Context(), Filter{Kind: Probe})
	if err != nil || len(page) != 1 {
		t.Errorf("probes: %v, %v", page, err)
	}
	h.stop()
	h.wantOK()
}

// TestEntryOfALostCommit puts the sequence where it stands after a commit whose reply was
// lost: its writer believes that nothing was kept, and something was.
func TestEntryOfALostCommit(t *testing.T) {
	h := newHouse(t)
	h.open()
	insert := func(rows ...Entry) {
		t.Helper()
		err := store.WithTx(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
			for _, e := range rows {
				r, err := h.log.encode(e)
				if err != nil {
					return err
				}
				if err := h.log.place(ctx, tx, []*row{r}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	before := h.log.seq.state
	number := h.log.seq.number
	stands := lookupEntry("stands", "000000000000017")
	stands.Kind = Intent
	insert(stands)
	// The transaction took two numbers; one entry stands.
	h.log.seq.number = number + 2
	h.log.seq.state = before
	h.log.seq.seen = before.id
	h.log.seq.doubt = []span{{number + 1, number + 2}}
	insert(Entry{Kind: Read})
	h.log.commit(t.Context())
	if diff := cmp.Diff([]Kind{Intent, Withheld}, h.kinds("stands")); diff != "" {
		t.Error(diff)
	}
	h.stop()
	h.wantOK()
	if n := h.one(fmt.Sprintf("SELECT count(*) FROM audit_entry WHERE void = '%d'", number+2)); n != 1 {
		t.Error("the number that was not kept is not void")
	}
}

func TestSealerRefusesWhatWasEditedBeforeItCame(t *testing.T) {
	onEngines(t, sealerRefusesWhatWasEditedBeforeItCame)
}

func sealerRefusesWhatWasEditedBeforeItCame(t *testing.T, h *house) {
	h.cfg.SealEvery = time.Minute
	h.start()
	h.ask("Q-1")
	err := store.WithTx(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE audit_entry SET staff = 'K9999999' WHERE lookup = 'Q-1' AND kind = 'intent'")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	h.ask("Q-2")
	h.stop()
	h.start()
	h.ask("Q-3")
	h.stop()
	in := h.input()
	in.MACKeyFile = ""
	r, err := Verify(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	wantKinds(t, r, Edited)
	if len(r.Problems) != 1 || r.Problems[0].Entry == "" {
		t.Errorf("got %+v, want the one entry named, with the public key alone", r)
	}
}

func TestManyWritersAtOnce(t *testing.T) { onEngines(t, manyWritersAtOnce) }

func manyWritersAtOnce(t *testing.T, h *house) {
	h.start()
	var all sync.WaitGroup
	const callers, each = 16, 12
	for c := range callers {
		all.Go(func() {
			for i := range each {
				if c == 0 {
					err := store.WithTx(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
						if err := h.log.Append(ctx, tx, lookupEntryOf(Change, "")); err != nil {
							return err
						}
						if i%3 == 0 {
							return errors.New("taken back")
						}
						return nil
					})
					if err != nil && i%3 != 0 {
						t.Error(err)
					}
					continue
				}
				h.ask(fmt.Sprintf("Q-%d-%d", c, i))
			}
		})
	}
	all.Go(func() { // the verifier beside the running gateway
		for range 5 {
			h.wantOK()
		}
	})
	all.Wait()
	h.stop()
	r := h.wantOK()
	if want := int64(1 + (callers-1)*each*2 + each*2/3); r.Entries != want+h.ends() || r.Sealed != r.Entries {
		t.Errorf("got %+v, want %d entries, all sealed", r, want+h.ends())
	}
}

func TestInsideATransactionNothingWaits(t *testing.T) { onEngines(t, insideATransactionNothingWaits) }

func insideATransactionNothingWaits(t *testing.T, h *house) {
	h.start()
	err := store.WithTx(t.Context(), h.db, func(ctx context.Context, _ *store.Tx) error {
		return h.log.Record(ctx, Entry{Kind: Read})
	})
	if !fault.Is(err, fault.Internal) {
		t.Errorf("got %v, want Internal", err)
	}
	err = store.WithTx(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
		_ = h.log.Append(ctx, tx, Entry{Kind: "no such kind"})
		return nil // a caller who does not look at the error
	})
	if err == nil {
		t.Error("a change was committed without its entry")
	}
	h.stop()
	h.wantOK()
}

func TestAfterTheStopNothingIsTaken(t *testing.T) { onEngines(t, afterTheStopNothingIsTaken) }

func afterTheStopNothingIsTaken(t *testing.T, h *house) {
	h.start()
	h.leave()
	if err := h.log.Intend(t.Context(), lookupEntry("Q-1", "000000000000017")); !IsUnwritable(err) {
		t.Errorf("got %v, want the record unwritable", err)
	}
	h.stop()
	h.wantOK()
}

func TestRefusedTokensAreCounted(t *testing.T) {
	h := newHouse(t)
	now := time.Date(2026, 11, 24, 3, 0, 10, 0, time.UTC)
	h.start()
	h.stop()
	var err error
	if h.db, err = store.Open(t.Context(), store.File(h.path("kakehashi.db"))); err != nil {
		t.Fatal(err)
	}
	defer h.db.Close()
	if h.log, err = open(t.Context(), h.db, h.cfg, h.keys, func() time.Time { return now }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.log.Run(ctx) }()
	refuse := func(cause, address string) {
		t.Helper()
		if err := h.log.TokenRefused(t.Context(), cause, address); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		refuse("KKH1201", "192.0.2.7:4711")
	}
	refuse("KKH1202", "192.0.2.7")
	refuse("KKH1201", "2001:db8::1")
	refuse("KKH1201", "2001:db8::2") // the same line
	for i := range 100 {
		refuse("KKH1203", fmt.Sprintf("198.51.100.%d", i))
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	got := map[string]int{}
	page, _, err := h.log.Search(t.Context(), Filter{Kind: TokenRefused, Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[string]bool{}
	for _, r := range page {
		got[r.Entry.Code] += r.Entry.Count
		addresses[r.Entry.Address] = true
	}
	if diff := cmp.Diff(map[string]int{"KKH1201": 7, "KKH1202": 1, "KKH1203": 100}, got); diff != "" {
		t.Error(diff)
	}
	if len(addresses) > maxAddresses+1 || !addresses[elsewhere] || !addresses["2001:db8::/64"] {
		t.Errorf("%d addresses: %v", len(addresses), addresses)
	}
	if len(page) > maxAddresses+8 {
		t.Errorf("%d entries for 108 tokens", len(page))
	}
}

func TestSumOfAMinuteIsWrittenWhenItIsOver(t *testing.T) {
	var count tokenCount
	in := newIntake()
	now := time.Date(2026, 11, 24, 3, 0, 59, 0, time.UTC)
	key := refusal{"KKH1201", "192.0.2.7"}
	for i := range 3 {
		if _, first := count.count(now, key, in); first != (i == 0) {
			t.Errorf("token %d: first is %v", i, first)
		}
	}
	if _, first := count.count(now.Add(time.Second), key, in); !first {
		t.Error("the first of another minute is not written at once")
	}
	_, owed := in.take()
	if len(owed) != 1 || owed[0].Count != 2 || owed[0].Detail["minute"] != "2026-11-24T03:00Z" {
		t.Errorf("owed: %+v", owed)
	}
}

func TestExportAndPages(t *testing.T) { onEngines(t, exportAndPages) }

func exportAndPages(t *testing.T, h *house) {
	h.start()
	for i := range 20 {
		h.ask(fmt.Sprint("Q-", i))
	}
	h.settle()
	var names []string
	f := Filter{Limit: 7}
	for {
		page, next, err := h.log.Search(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			names = append(names, r.Name)
		}
		if next == "" {
			break
		}
		f.Cursor = next
	}
	slices.Reverse(names)
	var out bytes.Buffer
	if err := h.log.Export(t.Context(), &out, Filter{}); err != nil {
		t.Fatal(err)
	}
	var exported []string
	for line := range strings.Lines(out.String()) {
		var e struct {
			Entry, Kind, Case string
			Sealed            bool
			Subjects          []Subject
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		exported = append(exported, e.Entry)
		if !e.Sealed || e.Kind == "" || e.Kind == "outcome" && (len(e.Subjects) != 2 || e.Case != "C-1") {
			t.Errorf("line: %s", line)
		}
	}
	if diff := cmp.Diff(exported, names); diff != "" || len(names) != 41 {
		t.Errorf("%d entries: %s", len(names), diff)
	}
	if _, _, err := h.log.Search(t.Context(), Filter{Cursor: "x"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a cursor that is none: %v", err)
	}
	h.stop()
}

func TestDigestsAreKeyed(t *testing.T) {
	a, b := newHouse(t), newHouse(t)
	if first, again := a.keys.digest("kana", "x"), a.keys.digest("kana", "x"); first != again {
		t.Error("the same twice gives two digests")
	}
	for _, other := range []string{a.keys.digest("kana", "y"), a.keys.digest("name", "x"), b.keys.digest("kana", "x")} {
		if other == a.keys.digest("kana", "x") {
			t.Error("two things give one digest")
		}
	}
}

func TestKeysAreNeverOverwritten(t *testing.T) {
	h := newHouse(t)
	if err := GenerateKeys(h.dir); !fault.Is(err, fault.Conflict) {
		t.Errorf("got %v, want a Conflict", err)
	}
	other := newHouse(t)
	cfg := h.cfg
	cfg.PublicKeyFile = other.cfg.PublicKeyFile
	if _, err := LoadKeys(cfg); !fault.Is(err, fault.Invalid) {
		t.Errorf("keys that do not belong together: %v", err)
	}
}

// TestWithheldThatCannotBeKeptIsOwed: an intent must not stay open while its writer lives.
func TestWithheldThatCannotBeKeptIsOwed(t *testing.T) {
	h := newHouse(t)
	h.start()
	if err := h.log.Intend(t.Context(), lookupEntry("gone", "000000000000017")); err != nil {
		t.Fatal(err)
	}
	e := lookupEntry("gone", "000000000000017")
	e.Kind = Withheld
	h.tamper("CREATE TRIGGER no BEFORE INSERT ON audit_entry WHEN new.kind = 'withheld' BEGIN SELECT raise(abort, ''); END")
	if err := h.log.Record(t.Context(), e); !IsUnwritable(err) {
		t.Errorf("got %v, want the record unwritable", err)
	}
	h.tamper("DROP TRIGGER no")
	h.ask("next")
	if diff := cmp.Diff([]Kind{Intent, Withheld}, h.kinds("gone")); diff != "" {
		t.Error(diff)
	}
	h.stop()
	h.wantOK()
}

// TestMistypedEntryStopsNothing: what somebody wrote into one entry that is not sealed yet
// must keep neither the others from being sealed nor the gateway from starting.
func TestMistypedEntryStopsNothing(t *testing.T) {
	for column, value := range map[string]string{
		"number": "'abc'", "writer": "x'00'", "at": "x'00'", "body": "CAST(body AS BLOB)", "salt": "'text'", "mac": "CAST(mac AS TEXT)",
	} {
		t.Run(column, func(t *testing.T) {
			h := newHouse(t)
			h.cfg.SealEvery = time.Minute
			h.start()
			h.ask("Q-1")
			h.tamper(fmt.Sprintf("UPDATE audit_entry SET %s = %s WHERE lookup = 'Q-1' AND kind = 'outcome'", column, value))
			h.ask("Q-2")
			h.stop()
			h.start()
			h.ask("Q-3")
			h.stop()
			r := h.verify()
			wantKinds(t, r, Edited)
			if len(r.Problems) != 1 || r.Sealed != r.Entries-1 {
				t.Errorf("got %+v, want one problem, and everything else sealed", r)
			}
		})
	}
}
