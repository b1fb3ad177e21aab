// Package ledgerdb keeps the ledger's own tables: the cases (案件) on which staff act, the
// persons and beneficiaries of the ledger, and the commands that were carried out. No other
// package queries them.
package ledgerdb

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// selectCase gives a row for each person of a case, or one without a person.
const selectCase = `SELECT c.procedure, c.closed_at, p.atena_number FROM ledger_case c
	LEFT JOIN ledger_case_person p ON p.case_id = c.id WHERE c.id = $1 ORDER BY p.atena_number`

// FindCase gives the case of that number; false: there is none.
func FindCase(ctx context.Context, db *store.DB, id ledger.CaseID) (ledger.Case, bool, error) {
	rows, err := store.Query(ctx, db, selectCase, string(id))
	if err != nil {
		return ledger.Case{}, false, fmt.Errorf("read a case: %w", err)
	}
	return readCase(rows, id)
}

// CaseOf gives the case of that number as a transaction sees it; false: there is none.
func CaseOf(ctx context.Context, tx *store.Tx, id ledger.CaseID) (ledger.Case, bool, error) {
	rows, err := tx.Query(ctx, selectCase, string(id))
	if err != nil {
		return ledger.Case{}, false, fmt.Errorf("read a case: %w", err)
	}
	return readCase(rows, id)
}

func readCase(rows *store.Rows, id ledger.CaseID) (ledger.Case, bool, error) {
	defer func() { _ = rows.Close() }()
	c, found := ledger.Case{ID: id}, false
	for rows.Next() {
		var closed, person sql.NullString
		if err := rows.Scan(&c.Procedure, &closed, &person); err != nil {
			return ledger.Case{}, false, fmt.Errorf("read a case: %w", err)
		}
		found, c.Open = true, !closed.Valid
		if person.Valid {
			c.Persons = append(c.Persons, ledger.AtenaNumber(person.String))
		}
	}
	if err := rows.Err(); err != nil {
		return ledger.Case{}, false, fmt.Errorf("read a case: %w", err)
	}
	if !found {
		return ledger.Case{}, false, nil
	}
	return c, true, nil
}

// OpenCase opens the case. It is false where the same case is open already, which is no
// error, and a Conflict where a case of that number is closed or has other content.
func OpenCase(ctx context.Context, tx *store.Tx, c ledger.Case, by string, at time.Time) (opened bool, err error) {
	persons := slices.Clone(c.Persons)
	slices.Sort(persons)
	persons = slices.Compact(persons)
	old, exists, err := CaseOf(ctx, tx, c.ID)
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
	_, exists, err := CaseOf(ctx, tx, id)
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
