package ledgerdb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

const (
	selectPerson = `SELECT id, atena_number, name, kana, birth_date, sex, address FROM ledger_person`
	withAtena    = ` WHERE atena_number = $1`
	withIdentity = ` WHERE identity_key = $1`
	withPersonID = ` WHERE id = $1`
)

// FindParty gives the person whom an application names, by 宛名番号 or by identity; false:
// the ledger does not know such a person. A person named by an identity stays found by it
// when the number has come.
func FindParty(ctx context.Context, tx *store.Tx, p ledger.Party) (ledger.Person, bool, error) {
	if p.Atena != "" {
		return person(tx.QueryRow(ctx, selectPerson+withAtena, string(p.Atena)))
	}
	return person(tx.QueryRow(ctx, selectPerson+withIdentity, p.Identity.Key()))
}

// PersonOf gives the person of that ID; false: there is none.
func PersonOf(ctx context.Context, tx *store.Tx, id ledger.PersonID) (ledger.Person, bool, error) {
	return person(tx.QueryRow(ctx, selectPerson+withPersonID, string(id)))
}

// AddPerson takes a person into the ledger whom FindParty did not find. It is a Conflict,
// and the transaction goes on, where somebody was first: FindParty then finds the person.
func AddPerson(ctx context.Context, tx *store.Tx, p ledger.Party) (ledger.Person, error) {
	added := ledger.Person{ID: ledger.PersonID("P-" + rand.Text()), Atena: p.Atena, Identity: p.Identity}
	var number, key any
	if p.Atena != "" {
		number = string(p.Atena)
	}
	i := p.Identity
	if !i.Zero() {
		key = i.Key()
	}
	// A rule of the schema that is broken would end the transaction on PostgreSQL.
	n, err := tx.Exec(ctx, `INSERT INTO ledger_person (id, atena_number, identity_key, name, kana, birth_date, sex, address)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		string(added.ID), number, key, i.Name, i.Kana, i.BirthDate.String(), i.Sex, i.Address)
	if err != nil {
		return ledger.Person{}, fmt.Errorf("add a person: %w", err)
	}
	if n != 1 {
		return ledger.Person{}, fault.New(fault.Conflict, "the ledger knows this person already").WithReason("known")
	}
	return added, nil
}

// GiveNumber gives a person the 宛名番号 that was assigned. Whoever calls it has the ledger's
// lock and knows that nobody bears the number.
func GiveNumber(ctx context.Context, tx *store.Tx, id ledger.PersonID, number ledger.AtenaNumber) error {
	n, err := tx.Exec(ctx, `UPDATE ledger_person SET atena_number = $2 WHERE id = $1 AND atena_number IS NULL`, string(id), string(number))
	if err != nil {
		return fmt.Errorf("give a person the number: %w", err)
	}
	if n != 1 {
		return fault.New(fault.Internal, "a number was to be given to nobody, or to somebody who has one")
	}
	return nil
}

func person(row *store.Row) (ledger.Person, bool, error) {
	var p ledger.Person
	var number sql.NullString
	var birth string
	err := row.Scan(&p.ID, &number, &p.Identity.Name, &p.Identity.Kana, &birth, &p.Identity.Sex, &p.Identity.Address)
	if fault.Is(err, fault.NotFound) {
		return ledger.Person{}, false, nil
	}
	if err == nil {
		p.Atena = ledger.AtenaNumber(number.String)
		p.Identity.BirthDate, err = day(birth)
	}
	if err != nil {
		return ledger.Person{}, false, fmt.Errorf("read a person: %w", err)
	}
	return p, true, nil
}
