package ledgerdb

import (
	"context"
	"fmt"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

const (
	selectUse      = `SELECT change_id FROM ledger_use WHERE person_id = $1 ORDER BY id DESC LIMIT 1`
	selectUsedAnew = `SELECT count(*) FROM ledger_use u JOIN ledger_use later ON later.person_id = u.person_id AND later.id > u.id
		WHERE u.change_id = $1`
)

// KeepUses keeps which of the changes tell that this business uses somebody's data.
func KeepUses(ctx context.Context, tx *store.Tx, changes []ledger.Change) error {
	var rows [][]any
	for _, c := range changes {
		if c.Kind == ledger.PersonUse {
			rows = append(rows, []any{string(c.ID), string(c.Person)})
		}
	}
	if err := tx.Bulk(ctx, `INSERT INTO ledger_use (change_id, person_id) VALUES ($1, $2)`, rows); err != nil {
		return fmt.Errorf("keep which changes tell of a use: %w", err)
	}
	return nil
}

// UseOf gives the newest change that tells that this business uses the person's data;
// false: none was ever made.
func UseOf(ctx context.Context, tx *store.Tx, id ledger.PersonID) (change ledger.ChangeID, made bool, err error) {
	err = tx.QueryRow(ctx, selectUse, string(id)).Scan(&change)
	if fault.Is(err, fault.NotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read which change tells of a use: %w", err)
	}
	return change, true, nil
}

// UsedAnew gives those of the changes whose fact a later change tells instead.
func UsedAnew(ctx context.Context, tx *store.Tx, ids []ledger.ChangeID) (map[ledger.ChangeID]bool, error) {
	all := map[ledger.ChangeID]bool{}
	for _, id := range ids {
		n, err := tx.Number(ctx, selectUsedAnew, string(id))
		if err != nil {
			return nil, fmt.Errorf("look for a later change that tells of a use: %w", err)
		}
		if n > 0 {
			all[id] = true
		}
	}
	return all, nil
}
