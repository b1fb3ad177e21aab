package ledgerdb

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// Command is a command as it was carried out.
type Command struct {
	ID          ledger.ChangeID
	Body        string // keyed digest of what was asked
	By          string // 職員番号
	At          time.Time
	Kind        string // registration, mailing_address
	Beneficiary ledger.BeneficiaryID
	Version     int // of the beneficiary, as the command left it
	Changes     int // how many facts it changed
}

// Begin keeps that a command is being carried out, before anything else of it is done: a
// second press of the same button waits here. Where the command was carried out already,
// it gives that one and true.
func Begin(ctx context.Context, tx *store.Tx, c Command) (Command, bool, error) {
	n, err := tx.Exec(ctx, `INSERT INTO ledger_command (id, body, made_by, made_at, kind, beneficiary_id, version, changes)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING`,
		string(c.ID), c.Body, c.By, moment(c.At), c.Kind, string(c.Beneficiary), c.Version, c.Changes)
	if err != nil {
		return Command{}, false, fmt.Errorf("begin a command: %w", err)
	}
	if n == 1 {
		return c, false, nil
	}
	first := Command{ID: c.ID}
	var at string
	err = tx.QueryRow(ctx, `SELECT body, made_by, made_at, kind, beneficiary_id, version, changes FROM ledger_command WHERE id = $1`,
		string(c.ID)).Scan(&first.Body, &first.By, &at, &first.Kind, &first.Beneficiary, &first.Version, &first.Changes)
	if err == nil {
		first.At, err = time.Parse(time.RFC3339Nano, at)
	}
	if err != nil {
		return Command{}, false, fmt.Errorf("read a command: %w", err)
	}
	return first, true, nil
}

// Finish keeps how many facts the command changed.
func Finish(ctx context.Context, tx *store.Tx, id ledger.ChangeID, changes int) error {
	if _, err := tx.Exec(ctx, `UPDATE ledger_command SET changes = $2 WHERE id = $1`, string(id), changes); err != nil {
		return fmt.Errorf("finish a command: %w", err)
	}
	return nil
}

// runningNumber is the counter of 受給者番号.
const runningNumber = "beneficiary_number"

// lastRunningNumber is the highest that six digits give.
const lastRunningNumber = 999999

// NextNumber gives the next 受給者番号: six digits that run, and a check digit. It is a
// Conflict where all are given.
func NextNumber(ctx context.Context, tx *store.Tx) (ledger.BeneficiaryNumber, error) {
	if _, err := tx.Exec(ctx, `INSERT INTO ledger_counter (name, value) VALUES ($1, 1)
		ON CONFLICT (name) DO UPDATE SET value = ledger_counter.value + 1`, runningNumber); err != nil {
		return "", fmt.Errorf("take a number: %w", err)
	}
	var n int
	if err := tx.QueryRow(ctx, `SELECT value FROM ledger_counter WHERE name = $1`, runningNumber).Scan(&n); err != nil {
		return "", fmt.Errorf("take a number: %w", err)
	}
	if n > lastRunningNumber {
		return "", fault.New(fault.Conflict, "every 受給者番号 of six digits is given").WithCode("KKH1318").WithReason("numbers_used_up")
	}
	body := fmt.Sprintf("%06d", n)
	return ledger.BeneficiaryNumber(body + strconv.Itoa(checkDigit(body))), nil
}

// checkDigit gives 検証番号: from the last digit on, the digits are multiplied by 2 and 1
// in turn; the digits of the products are added up, and the check digit fills the sum up
// to the next ten.
func checkDigit(body string) int {
	sum := 0
	for i := range len(body) {
		product := int(body[len(body)-1-i] - '0')
		if i%2 == 0 {
			product *= 2
		}
		sum += product/10 + product%10
	}
	return (10 - sum%10) % 10
}
