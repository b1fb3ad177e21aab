package ledgerdb

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// The rule is that of 医療機関コード and 公費負担者番号: these are numbers in use.
func TestCheckDigit(t *testing.T) {
	for _, number := range []string{"3410712362", "06130488", "33120015", "81136244", "81137242", "88138243", "88131248", "89131247"} {
		body, last := number[:len(number)-1], number[len(number)-1:]
		if got := strconv.Itoa(checkDigit(body)); got != last {
			t.Errorf("%s: got check digit %s", number, got)
		}
	}
}

// No query walks through a whole table.
func TestQueriesUseIndexes(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		db := at.Open(t)
		for _, query := range []string{
			selectPerson + withAtena, selectPerson + withIdentity, selectPerson + withPersonID,
			selectBeneficiary + withID, selectBeneficiary + withChildID, selectBeneficiary + withNumber + firstNumbers,
			selectBeneficiary + withChild + firstNumbers, selectBeneficiary + withGuardian + firstNumbers,
			selectMailing, selectHeldFor, selectHeldOf, selectCase, selectUse, selectUsedAnew,
		} {
			steps, err := walk(t, db, query)
			if err != nil || len(steps) == 0 {
				t.Errorf("%s: %d steps, %v", query, len(steps), err)
			}
			for _, step := range steps {
				if strings.HasPrefix(step, "SCAN") || strings.Contains(step, "Seq Scan") {
					t.Errorf("%s: %s", query, step)
				}
			}
		}
	})
}

// walk gives the steps by which the database would run a query. PostgreSQL, which would
// walk through a table so small, is told to do so only where it must.
func walk(t *testing.T, db *store.DB, query string) (steps []string, err error) {
	t.Helper()
	args := []any{"x", 21}[:strings.Count(query, "$")]
	return steps, store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
		explain := "EXPLAIN QUERY PLAN "
		if tx.Engine() == store.Postgres {
			explain = "EXPLAIN "
			if _, err := tx.Exec(ctx, "SET LOCAL enable_seqscan = off"); err != nil {
				return err
			}
		}
		rows, err := tx.Query(ctx, explain+query, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var id, parent, unused int
			var step string
			into := []any{&id, &parent, &unused, &step}
			if tx.Engine() == store.Postgres {
				into = into[3:]
			}
			if err := rows.Scan(into...); err != nil {
				return err
			}
			steps = append(steps, step)
		}
		return rows.Err()
	})
}
