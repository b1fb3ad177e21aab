package ledgerdb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

const (
	selectBeneficiary = `SELECT b.id, b.number, b.birth_date, b.applied_on, b.first_day, b.last_day, b.version, b.changed_at, b.changed_by,
	c.id, c.atena_number, g.id, g.atena_number, g.name, g.kana, g.birth_date, g.sex, g.address
	FROM ledger_beneficiary b JOIN ledger_person c ON c.id = b.child_id JOIN ledger_person g ON g.id = b.guardian_id`
	withID        = ` WHERE b.id = $1`
	withChildID   = ` WHERE b.child_id = $1`
	withNumber    = ` WHERE b.number = $1`
	withChild     = ` WHERE c.atena_number = $1`
	withGuardian  = ` WHERE g.atena_number = $1`
	firstNumbers  = ` ORDER BY b.number LIMIT $2`
	selectMailing = `SELECT name, postal_code, address, address_extra, first_day FROM ledger_mailing
		WHERE beneficiary_id = $1 ORDER BY version DESC LIMIT 1`
)

// NewBeneficiaryID makes an ID that no other beneficiary bears.
func NewBeneficiaryID() ledger.BeneficiaryID { return ledger.BeneficiaryID("B-" + rand.Text()) }

// BeneficiaryOf gives the beneficiary of that ID with its present mailing address; false:
// there is none.
func BeneficiaryOf(ctx context.Context, tx *store.Tx, id ledger.BeneficiaryID) (ledger.Beneficiary, bool, error) {
	found, err := beneficiaries(ctx, tx, selectBeneficiary+withID, string(id))
	if err != nil || len(found) == 0 {
		return ledger.Beneficiary{}, false, err
	}
	b := found[0]
	b.Mailing, err = mailingOf(ctx, tx, id)
	return b, err == nil, err
}

// BeneficiaryOfChild gives the entitlement of a child, without its mailing address; false:
// it has none.
func BeneficiaryOfChild(ctx context.Context, tx *store.Tx, child ledger.PersonID) (ledger.Beneficiary, bool, error) {
	found, err := beneficiaries(ctx, tx, selectBeneficiary+withChildID, string(child))
	if err != nil || len(found) == 0 {
		return ledger.Beneficiary{}, false, err
	}
	return found[0], true, nil
}

// Search says by what beneficiaries are searched: exactly one of its fields.
type Search struct {
	Number   ledger.BeneficiaryNumber
	Child    ledger.AtenaNumber
	Guardian ledger.AtenaNumber
}

// SearchBeneficiaries gives at most limit beneficiaries, without their mailing addresses,
// in the order of their 受給者番号.
func SearchBeneficiaries(ctx context.Context, tx *store.Tx, s Search, limit int) ([]ledger.Beneficiary, error) {
	where, value := withNumber, string(s.Number)
	switch {
	case s.Child != "":
		where, value = withChild, string(s.Child)
	case s.Guardian != "":
		where, value = withGuardian, string(s.Guardian)
	}
	return beneficiaries(ctx, tx, selectBeneficiary+where+firstNumbers, value, limit)
}

// AddBeneficiary keeps a new beneficiary.
func AddBeneficiary(ctx context.Context, tx *store.Tx, b ledger.Beneficiary) error {
	if _, err := tx.Exec(ctx, `INSERT INTO ledger_beneficiary
		(id, number, child_id, guardian_id, birth_date, applied_on, first_day, last_day, version, changed_at, changed_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		string(b.ID), string(b.Number), string(b.Child.ID), string(b.Guardian.ID), b.Birth.String(), b.AppliedOn.String(),
		b.From.String(), b.Until.String(), b.Version, moment(b.ChangedAt), b.ChangedBy); err != nil {
		return fmt.Errorf("add a beneficiary: %w", err)
	}
	return nil
}

// SaveMailing keeps the beneficiary's new version and the mailing address that made it. It
// is a Conflict where the version before is not the one that stands.
func SaveMailing(ctx context.Context, tx *store.Tx, b ledger.Beneficiary, change ledger.ChangeID) error {
	n, err := tx.Exec(ctx, `UPDATE ledger_beneficiary SET version = $2, changed_at = $3, changed_by = $4 WHERE id = $1 AND version = $5`,
		string(b.ID), b.Version, moment(b.ChangedAt), b.ChangedBy, b.Version-1)
	if err != nil {
		return fmt.Errorf("save a beneficiary: %w", err)
	}
	if n != 1 {
		return fault.New(fault.Conflict, "the beneficiary stands at another version").WithReason("superseded")
	}
	m := b.Mailing
	if _, err := tx.Exec(ctx, `INSERT INTO ledger_mailing
		(beneficiary_id, version, change_id, name, postal_code, address, address_extra, first_day) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		string(b.ID), b.Version, string(change), m.Name, m.PostalCode, m.Address, m.Extra, m.From.String()); err != nil {
		return fmt.Errorf("save a mailing address: %w", err)
	}
	return nil
}

func mailingOf(ctx context.Context, tx *store.Tx, id ledger.BeneficiaryID) (*ledger.MailingAddress, error) {
	var m ledger.MailingAddress
	var from string
	err := tx.QueryRow(ctx, selectMailing, string(id)).Scan(&m.Name, &m.PostalCode, &m.Address, &m.Extra, &from)
	if fault.Is(err, fault.NotFound) {
		return nil, nil // letters go to the guardian's address
	}
	if err == nil {
		m.From, err = day(from)
	}
	if err != nil {
		return nil, fmt.Errorf("read a mailing address: %w", err)
	}
	return &m, nil
}

func beneficiaries(ctx context.Context, tx *store.Tx, query string, args ...any) ([]ledger.Beneficiary, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read beneficiaries: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var all []ledger.Beneficiary
	for rows.Next() {
		b, err := beneficiary(rows)
		if err != nil {
			return nil, fmt.Errorf("read a beneficiary: %w", err)
		}
		all = append(all, b)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read beneficiaries: %w", err)
	}
	return all, nil
}

func beneficiary(rows *store.Rows) (ledger.Beneficiary, error) {
	var b ledger.Beneficiary
	var child, guardian sql.NullString
	var born, applied, from, until, at, guardianBorn string
	g := &b.Guardian.Identity
	if err := rows.Scan(&b.ID, &b.Number, &born, &applied, &from, &until, &b.Version, &at, &b.ChangedBy,
		&b.Child.ID, &child, &b.Guardian.ID, &guardian, &g.Name, &g.Kana, &guardianBorn, &g.Sex, &g.Address); err != nil {
		return b, err
	}
	b.Child.Atena, b.Guardian.Atena = ledger.AtenaNumber(child.String), ledger.AtenaNumber(guardian.String)
	var err error
	for _, d := range []struct {
		text string
		into *ledger.Date
	}{{born, &b.Birth}, {applied, &b.AppliedOn}, {from, &b.From}, {until, &b.Until}, {guardianBorn, &g.BirthDate}} {
		if *d.into, err = day(d.text); err != nil {
			return b, err
		}
	}
	b.ChangedAt, err = time.Parse(time.RFC3339Nano, at)
	return b, err
}

// day reads a day as it is stored; the empty string is the zero Date.
func day(s string) (ledger.Date, error) {
	if s == "" {
		return ledger.Date{}, nil
	}
	d, ok := ledger.ParseDate(s)
	if !ok {
		return d, fault.New(fault.Internal, "a stored day cannot be read")
	}
	return d, nil
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
