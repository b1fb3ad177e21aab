package ledgerdb

import (
	"context"
	"fmt"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

const (
	selectHeldFor = `SELECT h.change_id, h.kind, h.beneficiary_id, h.version, h.operator, h.made_at, b.number,
		COALESCE(m.name, ''), COALESCE(m.postal_code, ''), COALESCE(m.address, ''), COALESCE(m.address_extra, ''), COALESCE(m.first_day, '')
		FROM ledger_held h JOIN ledger_beneficiary b ON b.id = h.beneficiary_id
		LEFT JOIN ledger_mailing m ON m.beneficiary_id = h.beneficiary_id AND m.version = h.version
		WHERE h.person_id = $1 ORDER BY h.id`
	selectHeldOf = `SELECT change_id, kind FROM ledger_held WHERE beneficiary_id = $1 ORDER BY id`
	// selectWaited gives every beneficiary whose guardian's number something waits for.
	selectWaited = `SELECT id FROM ledger_beneficiary WHERE guardian_id IN (SELECT person_id FROM ledger_held)`
)

// Held is a change that waits for the 宛名番号 of its person.
type Held struct {
	Change ledger.ChangeID
	Kind   ledger.ChangeKind
}

// Hold keeps changes until their person has a 宛名番号. What a change says of a mailing
// address is not kept twice: it must have been saved.
func Hold(ctx context.Context, tx *store.Tx, changes []ledger.Change) error {
	rows := make([][]any, len(changes))
	for i, c := range changes {
		rows[i] = []any{string(c.ID), string(c.Person), string(c.Record), c.Version, string(c.Kind), c.Operator, moment(c.At)}
	}
	if err := tx.Bulk(ctx, `INSERT INTO ledger_held (change_id, person_id, beneficiary_id, version, kind, operator, made_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, rows); err != nil {
		return fmt.Errorf("hold changes: %w", err)
	}
	return nil
}

// Release takes what was held for the person, in the order in which it was made, with the
// number filled in.
func Release(ctx context.Context, tx *store.Tx, person ledger.PersonID, number ledger.AtenaNumber) ([]ledger.Change, error) {
	changes, err := heldFor(ctx, tx, person)
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	for i := range changes {
		changes[i].Atena = number
	}
	if _, err := tx.Exec(ctx, `DELETE FROM ledger_held WHERE person_id = $1`, string(person)); err != nil {
		return nil, fmt.Errorf("release changes: %w", err)
	}
	return changes, nil
}

func heldFor(ctx context.Context, tx *store.Tx, person ledger.PersonID) ([]ledger.Change, error) {
	rows, err := tx.Query(ctx, selectHeldFor, string(person))
	if err != nil {
		return nil, fmt.Errorf("read what is held: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var changes []ledger.Change
	for rows.Next() {
		c := ledger.Change{Person: person}
		m := &c.Mailing
		var at, from string
		err := rows.Scan(&c.ID, &c.Kind, &c.Record, &c.Version, &c.Operator, &at, &c.Number, &m.Name, &m.PostalCode, &m.Address, &m.Extra, &from)
		if err == nil {
			m.From, err = day(from)
		}
		if err == nil {
			c.At, err = time.Parse(time.RFC3339Nano, at)
		}
		if err != nil {
			return nil, fmt.Errorf("read what is held: %w", err)
		}
		if c.Kind == ledger.MailingChange && m.Address == "" {
			return nil, fault.New(fault.Internal, "a held change of a mailing address has none")
		}
		changes = append(changes, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read what is held: %w", err)
	}
	return changes, nil
}

// HeldOf lists the changes of a beneficiary that wait for a number, in order.
func HeldOf(ctx context.Context, tx *store.Tx, id ledger.BeneficiaryID) ([]Held, error) {
	rows, err := tx.Query(ctx, selectHeldOf, string(id))
	if err != nil {
		return nil, fmt.Errorf("read what is held: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var held []Held
	for rows.Next() {
		var h Held
		if err := rows.Scan(&h.Change, &h.Kind); err != nil {
			return nil, fmt.Errorf("read what is held: %w", err)
		}
		held = append(held, h)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read what is held: %w", err)
	}
	return held, nil
}

// HeldCount counts the changes that wait for a number.
func HeldCount(ctx context.Context, tx *store.Tx) (n int, err error) {
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM ledger_held`).Scan(&n); err != nil {
		return 0, fmt.Errorf("count what is held: %w", err)
	}
	return n, nil
}

// Waited gives the beneficiaries whose guardian's number changes wait for: their own, or
// those of another child of that guardian.
func Waited(ctx context.Context, tx *store.Tx) (map[ledger.BeneficiaryID]bool, error) {
	rows, err := tx.Query(ctx, selectWaited)
	if err != nil {
		return nil, fmt.Errorf("read which numbers are waited for: %w", err)
	}
	defer func() { _ = rows.Close() }()
	all := map[ledger.BeneficiaryID]bool{}
	for rows.Next() {
		var id ledger.BeneficiaryID
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("read which numbers are waited for: %w", err)
		}
		all[id] = true
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read which numbers are waited for: %w", err)
	}
	return all, nil
}
