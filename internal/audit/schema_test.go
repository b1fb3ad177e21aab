package audit

import (
	"context"
	"errors"
	"testing"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// vanish is a trigger that makes entries of one member of staff vanish as they are written.
const vanish = `CREATE TRIGGER x AFTER INSERT ON audit_entry WHEN new.staff = 'K0012345'
	BEGIN DELETE FROM audit_entry WHERE id = new.id; END`

func TestTriggerThatMakesEntriesVanishIsNoticedAsTheyAreWritten(t *testing.T) {
	for name, trigger := range map[string]string{
		"entry": vanish,
		"both": `CREATE TRIGGER x AFTER INSERT ON audit_queue
			BEGIN DELETE FROM audit_entry WHERE id = new.entry AND staff = 'K0012345'; END`,
		"entry and queue": `CREATE TRIGGER x AFTER INSERT ON audit_queue
			WHEN (SELECT staff FROM audit_entry WHERE id = new.entry) = 'K0012345'
			BEGIN DELETE FROM audit_entry WHERE id = new.entry; DELETE FROM audit_queue WHERE entry = new.entry; END`,
		"ignored": `CREATE TRIGGER x BEFORE INSERT ON audit_entry WHEN new.staff = 'K0012345'
			BEGIN SELECT raise(ignore); END`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.start()
			h.tamper(trigger)
			if err := h.log.Intend(t.Context(), lookupEntry("gone", "000000000000017")); !IsUnwritable(err) {
				t.Errorf("intend: got %v, want the record unwritable", err)
			}
			err := store.WithTx(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
				return h.log.Append(ctx, tx, lookupEntryOf(Change, "gone"))
			})
			if !IsUnwritable(err) {
				t.Errorf("append: got %v, want the record unwritable", err)
			}
			if err := h.log.Record(t.Context(), Entry{Kind: Read, Lookup: "other"}); err != nil {
				t.Errorf("what the trigger does not take: %v", err)
			}
			h.stop()
			wantKinds(t, h.verify(), Edited)
		})
	}
}

func TestSchemaThatIsNotTheMigrationsIsFoundAndRefused(t *testing.T) {
	base := filled(t)
	for name, c := range map[string]struct {
		statement string
		want      ProblemKind
	}{
		"trigger":                {vanish, Edited},
		"trigger on the ledger":  {"CREATE TRIGGER y AFTER INSERT ON ledger_case BEGIN DELETE FROM audit_entry; END", Edited},
		"trigger, other letters": {"CREATE TRIGGER z AFTER DELETE ON AUDIT_QUEUE BEGIN DELETE FROM audit_entry; END", Edited},
		"view":                   {"CREATE VIEW audit_view AS SELECT 1", Edited},
		"table":                  {"CREATE TABLE Audit_more (a)", Edited},
		"index":                  {"CREATE INDEX more ON audit_entry (staff)", Edited},
		"unique index":           {"CREATE UNIQUE INDEX more ON audit_entry (staff) WHERE kind = 'none'", Edited},
		"column":                 {"ALTER TABLE audit_entry ADD COLUMN note TEXT", Edited},
		"column of the queue":    {"ALTER TABLE audit_queue ADD COLUMN note TEXT DEFAULT '--'", Edited},
		"lacking index":          {"DROP INDEX audit_leaf_lookup", Missing},
		"renamed column":         {"ALTER TABLE audit_entry RENAME COLUMN body TO text", Edited},
	} {
		t.Run(name, func(t *testing.T) {
			h := base.copy(t)
			h.tamper(c.statement)
			wantKinds(t, h.verify(), c.want)
			db, err := store.Open(t.Context(), store.File(h.path("kakehashi.db")))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Open(t.Context(), db, h.cfg, h.keys); !IsUnwritable(err) || fault.Code(err) != "KKH3102" {
				t.Errorf("open: got %v, want KKH3102", err)
			}
			if err := db.Close(); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}
