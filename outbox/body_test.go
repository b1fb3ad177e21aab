package outbox

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// Every form in which a change was ever kept stays readable: a parked one may wait for years.
func TestStoredFormsStayReadable(t *testing.T) {
	full := use("a", 3)
	full.Identity = ledger.Identity{
		Name: "架橋 花子", Kana: "カケハシ ハナコ", BirthDate: ledger.Date{Year: 1990, Month: time.April, Day: 1, Note: "推定"}, Sex: "女", Address: "となり市1番地",
	}
	full.Mailing = ledger.MailingAddress{Name: "宛先", PostalCode: "1000001", Address: "架橋市2番地", Extra: "3号室", From: ledger.Date{Year: 2026, Month: time.December, Day: 1}}
	for name, want := range map[string]ledger.Change{"v1-full.json": full, "v1-plain.json": use("a", 1)} {
		path := filepath.Join("testdata", name)
		if *update {
			body, err := encodeChange(want)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, body, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeChange(kept)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if body, err := encodeChange(want); err != nil || string(body) != string(kept) {
			t.Errorf("%s is no longer what is written: %s, %v", name, body, err)
		}
	}
	if _, err := decodeChange([]byte(`{"v":2}`)); err == nil {
		t.Error("a form of the future was read")
	}
}

var update = flag.Bool("update", false, "write the golden files anew")

// Every query that the relay runs goes by an index: a backlog of a million costs no more.
func TestTheRelayNeverReadsTheWholeBacklog(t *testing.T) {
	db := storetest.Open(t)
	frozen, _ := running{}.next()
	frozenOfOne, _ := running{filter: Filter{Destination: "address", Cause: CauseDown, Before: time.Now()}}.next()
	for _, query := range []string{
		frozen, frozenOfOne, freezeNamed, insertReplay, setReached, renumber, stillParked, underWayOfLane, standsNow, oldestDue, newestDue, dueAfter, leasedRow, nextDue, isClaimed, lastSeq, headOf, isCurrent, textsOf(store.SQLite).ofChange, stateOfRecord, laterOfLane,
		outcomeOf, waitingItems, runningReplays, laterDelivered, laterUnderWay, textsOf(store.SQLite).attempts, oneReplay,
		claimRow, moveOn, toHistory, deleteOwed, deleteChange, promote, demote, endItem, armRow, setItem, setReplay,
		changeBack, owedBack, deletePast, askAnew, markLate,
	} {
		err := store.Read(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
			args := make([]any, arguments(query))
			for i := range args {
				args[i] = 1
			}
			rows, err := tx.Query(ctx, "EXPLAIN QUERY PLAN "+query, args...)
			if err != nil {
				return err
			}
			defer func() { _ = rows.Close() }()
			for rows.Next() {
				var a, b, c int
				var detail string
				if err := rows.Scan(&a, &b, &c, &detail); err != nil {
					return err
				}
				whole := strings.HasPrefix(detail, "SCAN") && !strings.Contains(detail, "CONSTANT") &&
					!strings.Contains(detail, "outbox_replay_running") && !strings.HasPrefix(detail, "SCAN given")
				if whole || strings.Contains(detail, "TEMP B-TREE FOR ORDER BY") && query != textsOf(store.SQLite).attempts {
					t.Errorf("%s\n  of %s", detail, query)
				}
			}
			return rows.Err()
		})
		if err != nil {
			t.Errorf("%v\n  of %s", err, query)
		}
	}
}

// arguments gives how many arguments a query takes.
func arguments(query string) (most int) {
	for _, part := range strings.Split(query, "$")[1:] {
		n := 0
		for _, r := range part {
			if r < '0' || r > '9' {
				break
			}
			n = n*10 + int(r-'0')
		}
		most = max(most, n)
	}
	return most
}
