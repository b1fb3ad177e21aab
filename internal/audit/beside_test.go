package audit

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// besides gives another gateway on the same record, with a file of checkpoints of its own.
func (h *house) besides(name string) *house {
	h.t.Helper()
	c := &house{t: h.t, dir: h.dir, keys: h.keys, cfg: h.cfg, at: h.at}
	c.cfg.CheckpointsFile = h.path("checkpoints-" + name)
	return c
}

// abandon leaves the gateway as a kill would: nothing is written any more, nothing is
// settled.
func (h *house) abandon() {
	h.t.Helper()
	if err := h.db.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.leave = func() {}
}

// alive counts the writers that are not settled.
func (h *house) alive() int64 { return h.one("SELECT count(*) FROM audit_writer WHERE settled = 0") }

// allSealed waits until nothing waits for its seal.
func (h *house) allSealed() {
	h.t.Helper()
	eventually(h.t, func() bool { return h.one("SELECT count(*) FROM audit_queue") == 0 })
}

func TestThreeGatewaysOnOneRecord(t *testing.T) {
	first := newHouseAt(t, storetest.Postgres(t))
	first.cfg.Lease = time.Second
	gateways := []*house{first, first.besides("b"), first.besides("c")}
	for _, g := range gateways {
		g.start()
	}
	dead := first.besides("dead") // killed with an intent open and a number that nothing bears
	dead.start()
	dead.ask("dead-done")
	if err := dead.log.Intend(t.Context(), lookupEntry("dead-open", "000000000000017")); err != nil {
		t.Fatal(err)
	}
	dead.leave()
	// What a kill leaves: no settlement. Its row is put back as it was.
	dead.tamper("UPDATE audit_writer SET settled = 0 WHERE writer = '" + dead.log.issuer.writer + "'")
	if err := dead.db.Close(); err != nil {
		t.Fatal(err)
	}

	long := make(chan struct{}) // a transaction that is held open all the while
	var holding sync.WaitGroup
	holding.Go(func() {
		err := store.WithTx(context.Background(), gateways[1].db, func(ctx context.Context, tx *store.Tx) error {
			if err := gateways[1].log.Append(ctx, tx, lookupEntryOf(Change, "long")); err != nil {
				return err
			}
			<-long
			return nil
		})
		if err != nil {
			t.Errorf("the long transaction: %v", err)
		}
	})
	var all sync.WaitGroup
	var mu sync.Mutex
	var kept []string
	for i, g := range gateways {
		for c := range 8 {
			all.Go(func() {
				for n := range 12 {
					name := fmt.Sprintf("%d-%d-%d", i, c, n)
					if c < 4 {
						g.ask(name)
					} else if !g.change(name) {
						continue
					}
					mu.Lock()
					kept = append(kept, name)
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	if r := first.wantOK(); r.Sealed == 0 {
		t.Errorf("got %+v: nothing was sealed beside a long transaction", r)
	}
	close(long)
	holding.Wait()
	eventually(t, func() bool { return first.alive() == 3 }) // the dead one is settled by another
	first.allSealed()
	for _, g := range gateways {
		g.wantOK()
	}
	if diff := cmp.Diff([]Kind{Intent, Interrupted}, first.kinds("dead-open")); diff != "" {
		t.Error(diff)
	}
	if n := first.one("SELECT count(*) FROM audit_entry WHERE kind = 'interrupted'"); n != 1 {
		t.Errorf("interrupted: got %d, want 1", n)
	}
	names := "('" + strings.Join(kept, "'), ('") + "')"
	if n := first.one("SELECT count(*) FROM (VALUES " + names + ") k (name) WHERE NOT EXISTS (SELECT FROM audit_leaf WHERE lookup = name)"); n != 0 {
		t.Errorf("%d of %d are not in the record", n, len(kept))
	}
	for _, g := range gateways {
		g.stop()
	}
	if n := first.alive(); n != 0 {
		t.Errorf("%d writers that ended in order are not settled", n)
	}
	for _, g := range gateways {
		g.wantOK()
	}
}

// change writes two entries in a transaction and tells whether it was committed; now and
// then it is taken back.
func (h *house) change(name string) bool {
	h.t.Helper()
	taken := errors.New("taken back")
	back := rand.IntN(3) == 0
	err := store.WithTx(context.Background(), h.db, func(ctx context.Context, tx *store.Tx) error {
		if err := h.log.Append(ctx, tx, lookupEntryOf(Change, name)); err != nil {
			return err
		}
		if err := h.log.Append(ctx, tx, lookupEntryOf(Delivery, name)); err != nil {
			return err
		}
		if back {
			return taken
		}
		return nil
	})
	if err != nil && !errors.Is(err, taken) {
		h.t.Errorf("change %s: %v", name, err)
	}
	return err == nil
}

func TestPausedGatewayCannotWriteBehindItsSettlement(t *testing.T) {
	paused := newHouseAt(t, storetest.Postgres(t))
	paused.cfg.Lease = time.Second
	paused.open()
	paused.tamper("UPDATE audit_writer SET beats = 1") // its heart has beaten, and does no more until it runs
	other := paused.besides("other")
	other.start()
	eventually(t, func() bool { return other.alive() == 1 })
	ended := make(chan error, 1)
	go func() { ended <- paused.log.Run(t.Context()) }()
	if err := paused.log.Intend(t.Context(), lookupEntry("late", "000000000000017")); !IsUnwritable(err) {
		t.Errorf("intend: got %v, want the record unwritable", err)
	}
	select {
	case err := <-ended:
		if !IsUnwritable(err) || !fault.Is(err, fault.Unavailable) {
			t.Errorf("run: got %v, want the record unwritable", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a gateway that was taken for gone runs on")
	}
	err := store.WithTx(t.Context(), paused.db, func(ctx context.Context, tx *store.Tx) error {
		return paused.log.Append(ctx, tx, lookupEntryOf(Change, "late"))
	})
	if !IsUnwritable(err) {
		t.Errorf("append: got %v, want the record unwritable", err)
	}
	other.stop()
	other.wantOK()
	if n := other.one("SELECT count(*) FROM audit_entry WHERE lookup = 'late'"); n != 0 {
		t.Error("something was written behind a settlement")
	}
}

func TestWatch(t *testing.T) {
	start := time.Now()
	w := watch{lease: 10 * time.Second}
	type step struct {
		at    time.Duration
		beats map[string]int64
		gone  []string
	}
	for i, s := range []step{
		{0, map[string]int64{"a": 1, "b": 1}, nil},
		{4 * time.Second, map[string]int64{"a": 2, "b": 1}, nil},
		{8 * time.Second, map[string]int64{"a": 3, "b": 1}, nil},
		{10 * time.Second, map[string]int64{"a": 3, "b": 1}, []string{"b"}},
		{12 * time.Second, map[string]int64{"a": 3}, nil},
		// The database stood still, and so did everybody.
		{60 * time.Second, map[string]int64{"a": 3}, nil},
		{64 * time.Second, map[string]int64{"a": 3}, nil},
		{68 * time.Second, map[string]int64{"a": 3}, nil},
		{70 * time.Second, map[string]int64{"a": 3}, []string{"a"}},
		{74 * time.Second, map[string]int64{"begins": 0}, nil},
		{78 * time.Second, map[string]int64{"begins": 0}, nil},
		{82 * time.Second, map[string]int64{"begins": 0}, nil},
		{86 * time.Second, map[string]int64{"begins": 0}, nil},
	} {
		if got := w.beat(start.Add(s.at), s.beats); !slices.Equal(got, s.gone) {
			t.Errorf("step %d: got %v gone, want %v", i, got, s.gone)
		}
	}
}

// TestRolesThatMayDoNoMore runs the record as a role that may only add to it, and verifies
// it as one that may only read it.
func TestRolesThatMayDoNoMore(t *testing.T) {
	at := storetest.Postgres(t)
	as := func() (role, place string) {
		role = "test_" + strings.ToLower(crand.Text()[:12])
		storetest.Admin(t, "CREATE ROLE "+role+" LOGIN")
		t.Cleanup(func() { storetest.Admin(t, "DROP OWNED BY "+role, "DROP ROLE "+role) })
		u, err := url.Parse(at.Config.URL)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.User(role)
		return role, u.String()
	}
	_, gateway := as()
	auditor, asAuditor := as()
	owner := at.Config
	at.Config.OwnerURL, at.Config.URL, at.Config.Auditor = owner.URL, gateway, auditor
	if _, _, err := store.Migrate(t.Context(), at.Config); err != nil {
		t.Fatal(err)
	}
	h := newHouseAt(t, at)
	h.start()
	h.ask("Q-1")
	eventually(t, func() bool {
		s, err := h.log.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.Entries == 3 && s.Sealed == 3
	})
	h.stop()
	in := h.input()
	in.DB = owner
	in.DB.URL = asAuditor
	if r, err := Verify(t.Context(), in); err != nil || !r.OK || r.Sealed != 4 {
		t.Errorf("as the auditor: %+v, %v", r, err)
	}
}

// TestSearchesReadIndexes holds the plans of what is asked often.
func TestSearchesReadIndexes(t *testing.T) {
	h := newHouseAt(t, storetest.Postgres(t))
	h.open()
	h.fill(6000)
	h.log.sealAll(t.Context())
	h.fill(300)
	h.tamper("ANALYZE")
	start := bookmark{at: "9"}
	person, args := Filter{Person: "000000000007919"}.query(store.Postgres, "(e.at, e.id) < ($1, $2)", "ORDER BY e.at DESC, e.id DESC", start, 50)
	lookup, more := Filter{Lookup: "Q-261124-00000001"}.query(store.Postgres, "(e.at, e.id) < ($1, $2)", "ORDER BY e.at DESC, e.id DESC", start, 50)
	newest, last := Filter{}.query(store.Postgres, "(e.at, e.id) < ($1, $2)", "ORDER BY e.at DESC, e.id DESC", start, 50)
	for name, c := range map[string]struct {
		query string
		args  []any
	}{"person": {person, args}, "lookup": {lookup, more}, "newest": {newest, last}, "sealer": {selectUnsealed, []any{[]int64{}, 500}}} {
		var plan strings.Builder
		err := store.Read(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
			return queryRows(ctx, tx, func(rows *store.Rows) error {
				var line string
				err := rows.Scan(&line)
				fmt.Fprintln(&plan, line)
				return err
			}, "EXPLAIN "+c.query, c.args...)
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		month := "audit_entry_" + time.Now().UTC().Format("200601")
		if strings.Contains(plan.String(), "Seq Scan on "+month) || !strings.Contains(plan.String(), "Index") {
			t.Errorf("%s reads every entry:\n%s", name, plan.String())
		}
	}
	h.stop()
}
