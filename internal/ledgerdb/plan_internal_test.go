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
	db := storetest.Open(t)
	for _, query := range []string{
		selectPerson + withAtena, selectPerson + withIdentity, selectPerson + withPersonID,
		selectBeneficiary + withID, selectBeneficiary + withChildID, selectBeneficiary + withNumber + firstNumbers,
		selectBeneficiary + withChild + firstNumbers, selectBeneficiary + withGuardian + firstNumbers,
		selectMailing, selectHeldFor, selectHeldOf, selectCase, selectUse, selectUsedAnew,
	} {
		steps := 0
		err := store.Read(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
			args := []any{"x", 21}[:strings.Count(query, "$")]
			rows, err := tx.Query(ctx, "EXPLAIN QUERY PLAN "+query, args...)
			if err != nil {
				return err
			}
			defer func() { _ = rows.Close() }()
			for ; rows.Next(); steps++ {
				var id, parent, unused int
				var step string
				if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
					return err
				}
				if strings.HasPrefix(step, "SCAN") {
					t.Errorf("%s: %s", query, step)
				}
			}
			return rows.Err()
		})
		if err != nil || steps == 0 {
			t.Errorf("%s: %d steps, %v", query, steps, err)
		}
	}
}
