package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// backup keeps the tables as they are; what it gives puts them back.
func (h *house) backup(name string) (putBack func()) {
	h.t.Helper()
	var back strings.Builder
	for _, table := range []string{"audit_entry", "audit_queue", "audit_leaf", "audit_subject", "audit_checkpoint", "audit_writer"} {
		h.tamper(fmt.Sprintf("CREATE TABLE %[1]s_%[2]s AS SELECT * FROM %[2]s", name, table))
		fmt.Fprintf(&back, "DELETE FROM %[2]s; INSERT INTO %[2]s SELECT * FROM %[1]s_%[2]s;", name, table)
	}
	return func() { h.tamper(back.String()) }
}

func (h *house) losses() int64 {
	return h.one("SELECT count(*) FROM audit_entry WHERE kind = 'loss'")
}

// TestOlderStatePutBackIsALossForEveryGateway puts an older state back while no gateway
// runs: the first that starts declares it, the others find it declared, and one without a
// file of checkpoints does not hide it.
func TestOlderStatePutBackIsALossForEveryGateway(t *testing.T) {
	a := newHouseAt(t, storetest.Postgres(t))
	b := a.besides("b")
	a.start()
	b.start()
	a.ask("Q-1")
	a.allSealed()
	putBack := a.backup("old")
	for i := range 5 {
		a.ask(fmt.Sprint("lost-", i))
		a.allSealed()
	}
	// Both files are level before the gateways end.
	a.stop()
	b.stop()
	putBack()
	for _, g := range []*house{a, b} {
		wantKinds(t, g.verify(), Cut)
	}
	c := a.besides("c") // whose host has no file yet
	c.start()
	for i := range 8 {
		c.ask(fmt.Sprint("new-", i))
		c.allSealed()
	}
	if c.losses() != 0 || c.log.Behind() {
		t.Error("a gateway without a file declared a loss")
	}
	a.start()
	if !a.log.Behind() {
		t.Error("a gateway whose file is of another history does not say that it is behind")
	}
	a.ask("after")
	a.allSealed()
	b.start()
	b.ask("after-b")
	b.allSealed()
	if n := a.losses(); n < 1 || n > 2 {
		t.Errorf("losses declared: got %d, want one, or one for each file", n)
	}
	before := a.losses()
	for _, g := range []*house{a, b, c} {
		g.stop()
	}
	a.start()
	a.ask("again")
	a.stop()
	if n := a.losses(); n != before {
		t.Errorf("losses declared at the next start: got %d, want none", n-before)
	}
	for _, g := range []*house{a, b} {
		r := g.verify()
		if r.OK || slices.ContainsFunc(r.Problems, func(p Problem) bool { return !strings.Contains(p.Text, "申告済み") }) {
			t.Errorf("got %+v, want the declared loss alone", r.Problems)
		}
	}
}

// TestOlderStatePutBackUnderARunningGateway: it must notice at once.
func TestOlderStatePutBackUnderARunningGateway(t *testing.T) {
	h := newHouseAt(t, storetest.Postgres(t))
	h.start()
	h.ask("Q-1")
	h.allSealed()
	putBack := h.backup("old")
	h.ask("lost")
	h.allSealed()
	eventually(t, func() bool { return h.level() })
	putBack()
	eventually(t, func() bool { return h.losses() == 1 })
	if !h.log.Behind() {
		t.Error("it does not say that it is behind")
	}
	h.ask("after")
	h.allSealed()
	h.stop()
	r := h.verify()
	wantKinds(t, r, Cut)
	if !slices.ContainsFunc(r.Problems, func(p Problem) bool { return strings.Contains(p.Text, "申告済み") }) {
		t.Errorf("got %+v, want a declared loss among them", r.Problems)
	}
}

// level tells whether the newest checkpoint stands in the file.
func (h *house) level() bool {
	file, err := os.ReadFile(h.cfg.CheckpointsFile)
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.Count(string(file), "kakehashi.record.") >= int(h.one("SELECT count(*) FROM audit_checkpoint"))*2
}

// TestStateBeforeSealingPutBackLosesNothing: what waits in the queue gives the same tree.
func TestStateBeforeSealingPutBackLosesNothing(t *testing.T) {
	h := newHouseAt(t, storetest.Postgres(t))
	h.open()
	h.fill(7)
	putBack := h.backup("old")
	h.log.sealAll(t.Context())
	h.abandon()
	putBack()
	if r := h.wantOK(); r.Unproved != 0 {
		t.Errorf("got %+v, want everything proved by the file", r)
	}
	h.start()
	h.ask("Q-1")
	h.allSealed()
	if n := h.losses(); n != 0 || h.log.Behind() {
		t.Errorf("%d losses declared though nothing is lost", n)
	}
	h.stop()
	h.wantOK()
}

func TestGatewayThatJoinsWritesItsFile(t *testing.T) {
	a := newHouseAt(t, storetest.Postgres(t))
	a.start()
	for i := range 3 {
		a.ask(fmt.Sprint("Q-", i))
		a.allSealed()
	}
	b := a.besides("b")
	b.start()
	b.ask("Q-b")
	a.allSealed()
	eventually(t, func() bool { return a.level() && b.level() })
	a.stop()
	b.stop()
	if n := a.one("SELECT count(*) FROM audit_entry WHERE kind = 'opened' AND body LIKE '%checkpoints_file%written%'"); n != 1 {
		t.Errorf("%d writers say that they wrote a file, want 1", n)
	}
	if a.losses() != 0 {
		t.Error("a loss was declared")
	}
	a.wantOK()
	b.wantOK()
}

// TestCommitWithoutAReplyBeside has a transaction end otherwise than its writer was told.
func TestCommitWithoutAReplyBeside(t *testing.T) {
	h := newHouseAt(t, storetest.Postgres(t))
	h.open()
	s := h.log.issuer
	insert := func(committed bool, e Entry) *taken {
		t.Helper()
		var t1 *taken
		back := errors.New("taken back")
		err := store.WithTx(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
			if err := h.log.Append(ctx, tx, e); err != nil {
				return err
			}
			t1 = s.going[tx]
			if !committed {
				return back
			}
			return nil
		})
		if err != nil && !errors.Is(err, back) {
			t.Fatal(err)
		}
		return t1
	}
	stands := lookupEntry("stands", "000000000000017")
	stands.Kind = Intent
	lost := insert(true, stands)
	s.doubts = append(s.doubts, lost) // as if its reply had been lost
	vain := insert(false, Entry{Kind: Read})
	if low := s.low(); low > vain.numbers[0].from {
		t.Errorf("low: got %d, want at most the number in doubt, %d", low, vain.numbers[0].from)
	}
	insert(true, Entry{Kind: Read})
	h.log.commit(t.Context())
	if diff := cmp.Diff([]Kind{Intent, Withheld}, h.kinds("stands")); diff != "" {
		t.Error(diff)
	}
	if n := h.one(fmt.Sprintf("SELECT count(*) FROM audit_entry WHERE void = '%d'", vain.numbers[0].from)); n != 1 {
		t.Error("the number that was not kept is not void")
	}
	h.run()
	h.stop()
	h.wantOK()
}

func TestSchemaOfAnotherIsFoundAndRefusedBeside(t *testing.T) {
	at := storetest.Postgres(t)
	h := newHouseAt(t, at)
	h.start()
	h.ask("Q-1")
	h.allSealed()
	h.stop()
	month := "audit_entry_" + time.Now().UTC().Format("200601")
	const function = "CREATE FUNCTION vanish() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM audit_entry WHERE id = new.id; RETURN NULL; END $$"
	for name, c := range map[string]struct{ do, undo string }{
		"trigger":                {function + "; CREATE TRIGGER x AFTER INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION vanish()", "DROP TRIGGER x ON audit_entry; DROP FUNCTION vanish"},
		"trigger of a partition": {function + "; CREATE TRIGGER x AFTER INSERT ON " + month + " FOR EACH ROW EXECUTE FUNCTION vanish()", "DROP TRIGGER x ON " + month + "; DROP FUNCTION vanish"},
		"trigger on the ledger":  {function + "; CREATE TRIGGER x AFTER INSERT ON ledger_case FOR EACH ROW EXECUTE FUNCTION vanish()", "DROP TRIGGER x ON ledger_case; DROP FUNCTION vanish"},
		"rule":                   {"CREATE RULE x AS ON DELETE TO audit_queue DO INSTEAD NOTHING", "DROP RULE x ON audit_queue"},
		"policy":                 {"CREATE POLICY x ON audit_entry USING (staff <> 'K0012345')", "DROP POLICY x ON audit_entry"},
		"row security":           {"ALTER TABLE audit_leaf ENABLE ROW LEVEL SECURITY", "ALTER TABLE audit_leaf DISABLE ROW LEVEL SECURITY"},
		"view":                   {"CREATE VIEW audit_view AS SELECT 1", "DROP VIEW audit_view"},
		"index":                  {"CREATE INDEX more ON audit_entry (staff)", "DROP INDEX more"},
		"lacking index":          {"DROP INDEX audit_leaf_lookup", "CREATE INDEX audit_leaf_lookup ON audit_leaf (lookup) WHERE lookup <> ''"},
		"column":                 {"ALTER TABLE audit_entry ADD COLUMN note TEXT", "ALTER TABLE audit_entry DROP COLUMN note"},
		"default":                {"ALTER TABLE audit_queue ALTER at SET DEFAULT 'x'", "ALTER TABLE audit_queue ALTER at SET DEFAULT ''"},
		"function":               {function, "DROP FUNCTION vanish"},
		"renamed column":         {"ALTER TABLE audit_leaf RENAME COLUMN hash TO hush", "ALTER TABLE audit_leaf RENAME COLUMN hush TO hash"},
		"renamed table":          {"ALTER TABLE audit_leaf RENAME TO leaf; CREATE VIEW audit_leaf AS SELECT * FROM leaf", "DROP VIEW audit_leaf; ALTER TABLE leaf RENAME TO audit_leaf"},
		"detached partition":     {"ALTER TABLE audit_entry DETACH PARTITION " + month, "ALTER TABLE audit_entry ATTACH PARTITION " + month + " FOR VALUES FROM ('" + time.Now().UTC().Format("2006-01") + "') TO ('" + nextMonth() + "')"},
	} {
		t.Run(name, func(t *testing.T) {
			h.tamper(c.do)
			wantKinds(t, h.verify(), Edited, Missing)
			db, err := store.Open(t.Context(), at.Config)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Open(t.Context(), db, h.cfg, h.keys); !IsUnwritable(err) || fault.Code(err) != "KKH3102" {
				t.Errorf("open: got %v, want KKH3102", err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			h.tamper(c.undo)
		})
	}
	h.wantOK()
	h.start()
	h.tamper(function, "CREATE TRIGGER x AFTER INSERT ON audit_entry FOR EACH ROW WHEN (new.staff = 'K0012345') EXECUTE FUNCTION vanish()")
	if err := h.log.Intend(t.Context(), lookupEntry("gone", "000000000000017")); !IsUnwritable(err) {
		t.Errorf("intend: got %v, want the record unwritable", err)
	}
	h.tamper("DROP TRIGGER x ON audit_entry", "DROP FUNCTION vanish")
	h.stop()
	h.wantOK()
	h.tamper("DROP TABLE " + month)
	wantKinds(t, h.verify(), Missing)
}

func nextMonth() string {
	now := time.Now().UTC()
	return time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC).Format("2006-01")
}
