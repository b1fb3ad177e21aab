// Package ledgerdb keeps the ledger's own tables: for now the cases (案件) on which staff
// may look somebody up. No other package queries them.
package ledgerdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// Case gives the case of that number; false: there is none.
func Case(ctx context.Context, tx *store.Tx, id ledger.CaseID) (ledger.Case, bool, error) {
	c := ledger.Case{ID: id}
	var closed sql.NullString
	err := tx.QueryRow(ctx, `SELECT procedure, closed_at FROM ledger_case WHERE id = $1`, string(id)).Scan(&c.Procedure, &closed)
	if errors.Is(err, sql.ErrNoRows) {
		return ledger.Case{}, false, nil
	}
	if err != nil {
		return ledger.Case{}, false, fmt.Errorf("read a case: %w", err)
	}
	c.Open = !closed.Valid
	rows, err := tx.Query(ctx, `SELECT atena_number FROM ledger_case_person WHERE case_id = $1 ORDER BY atena_number`, string(id))
	if err != nil {
		return ledger.Case{}, false, fmt.Errorf("read a case's persons: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var p ledger.AtenaNumber
		if err := rows.Scan(&p); err != nil {
			return ledger.Case{}, false, fmt.Errorf("read a case's persons: %w", err)
		}
		c.Persons = append(c.Persons, p)
	}
	if err := rows.Err(); err != nil {
		return ledger.Case{}, false, fmt.Errorf("read a case's persons: %w", err)
	}
	return c, true, nil
}

// OpenCase opens the case. It is false where the same case is open already, which is no
// error, and a Conflict where a case of that number is closed or has other content.
func OpenCase(ctx context.Context, tx *store.Tx, c ledger.Case, by string, at time.Time) (opened bool, err error) {
	persons := slices.Clone(c.Persons)
	slices.Sort(persons)
	persons = slices.Compact(persons)
	old, exists, err := Case(ctx, tx, c.ID)
	if err != nil {
		return false, err
	}
	if exists {
		switch {
		case !old.Open:
			return false, fault.New(fault.Conflict, "the case is closed").WithCode("KKH1132")
		case old.Procedure != c.Procedure || !slices.Equal(old.Persons, persons):
			return false, fault.New(fault.Conflict, "a case of this number is open with other content").WithCode("KKH1131")
		}
		return false, nil
	}
	if _, err := tx.Exec(ctx, `INSERT INTO ledger_case (id, procedure, opened_at, opened_by) VALUES ($1, $2, $3, $4)`,
		string(c.ID), string(c.Procedure), at.UTC().Format(time.RFC3339Nano), by); err != nil {
		return false, fmt.Errorf("open a case: %w", err)
	}
	rows := make([][]any, len(persons))
	for i, p := range persons {
		rows[i] = []any{string(c.ID), string(p)}
	}
	if err := tx.Bulk(ctx, `INSERT INTO ledger_case_person (case_id, atena_number) VALUES ($1, $2)`, rows); err != nil {
		return false, fmt.Errorf("list a case's persons: %w", err)
	}
	return true, nil
}

// CloseCase closes the case. Closing a closed one is no error; one that never was is NotFound.
func CloseCase(ctx context.Context, tx *store.Tx, id ledger.CaseID, at time.Time) error {
	_, exists, err := Case(ctx, tx, id)
	if err != nil {
		return err
	}
	if !exists {
		return fault.New(fault.NotFound, "there is no such case").WithCode("KKH1133")
	}
	if _, err := tx.Exec(ctx, `UPDATE ledger_case SET closed_at = $2 WHERE id = $1 AND closed_at IS NULL`,
		string(id), at.UTC().Format(time.RFC3339Nano)); err != nil {
		return fmt.Errorf("close a case: %w", err)
	}
	return nil
}
