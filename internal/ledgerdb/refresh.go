package ledgerdb

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

const (
	// selectConcern counts what the ledger has to do with a person: a person of its own, or an
	// open case.
	selectConcern = `SELECT (SELECT count(*) FROM ledger_person WHERE atena_number = $1)
		+ (SELECT count(*) FROM ledger_case_person p JOIN ledger_case c ON c.id = p.case_id
			WHERE p.atena_number = $1 AND c.closed_at IS NULL)`
	selectSights = `SELECT system, seen_at, as_of, outcome, residency, protection, notice, kind, effective, received_at, digests, changed,
		(SELECT count(*) FROM ledger_sight o WHERE o.atena_number = s.atena_number AND o.system = s.system AND o.back = 1)
		FROM ledger_sight s WHERE atena_number = $1 AND back = 0 ORDER BY system`
	dropOlder  = `DELETE FROM ledger_sight WHERE atena_number = $1 AND system = $2 AND back = 1`
	agePresent = `UPDATE ledger_sight SET back = 1 WHERE atena_number = $1 AND system = $2 AND back = 0`
	addSight   = `INSERT INTO ledger_sight (atena_number, system, back, seen_at, as_of, outcome, residency, protection,
		notice, kind, effective, received_at, digests, changed) VALUES ($1, $2, 0, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`
)

// What a sight says of 支援措置.
const (
	Protected   = "yes"
	Unprotected = "no"
	Unread      = "unread"
)

// Sight is what one system said of a person when a change notice had come: no value but the
// state of residence, and of every item a keyed digest.
type Sight struct {
	Person     ledger.AtenaNumber
	System     ledger.System
	SeenAt     time.Time
	AsOf       string         // 基準日, as the system says; empty: it says none
	Outcome    ledger.Outcome // Found or NoPerson
	Residency  string         // 住民状態; empty: not asked for, or unknown
	Protection string         // Protected, Unprotected or Unread
	Notice     string         // name of the newest notice that led to it
	Kind       ledger.NoticeKind
	Effective  ledger.Date
	Received   time.Time              // when that notice came
	Digests    map[ledger.Item]string // of every item that was asked for; empty of an unknown person
	Changed    []ledger.Item          // those that are not what they were at the sight before
	First      bool                   // there is no sight before: what changed is unknown
}

// Concerned tells whether the ledger has to do with a person: knows the person, or has an
// open case that lists the person.
func Concerned(ctx context.Context, tx *store.Tx, p ledger.AtenaNumber) (bool, error) {
	var n int64
	if err := tx.QueryRow(ctx, selectConcern, string(p)).Scan(&n); err != nil {
		return false, fmt.Errorf("look for a person of the ledger: %w", err)
	}
	return n > 0, nil
}

// KeepSight keeps a sight as the present one, and the one that was present before as the one
// before. It finds out which items changed in between: of Changed and First nothing is read.
func KeepSight(ctx context.Context, tx *store.Tx, s Sight) error {
	before, err := Sights(ctx, tx, s.Person)
	if err != nil {
		return err
	}
	s.Changed = nil
	for _, b := range before {
		if b.System == s.System {
			s.Changed = differing(b, s)
		}
	}
	for _, statement := range []string{dropOlder, agePresent} {
		if _, err := tx.Exec(ctx, statement, string(s.Person), string(s.System)); err != nil {
			return fmt.Errorf("age a sight: %w", err)
		}
	}
	changed := make([]string, len(s.Changed))
	for i, item := range s.Changed {
		changed[i] = string(item)
	}
	if _, err := tx.Exec(ctx, addSight, string(s.Person), string(s.System), moment(s.SeenAt), s.AsOf, string(s.Outcome), s.Residency,
		s.Protection, s.Notice, string(s.Kind), s.Effective.String(), moment(s.Received), joinDigests(s.Digests), strings.Join(changed, " ")); err != nil {
		return fmt.Errorf("keep a sight: %w", err)
	}
	return nil
}

// differing gives the items that both sights know and that are not the same. Between a known
// person and an unknown one nothing is compared.
func differing(before, now Sight) []ledger.Item {
	if before.Outcome != now.Outcome {
		return nil
	}
	var items []ledger.Item
	for _, item := range ledger.Items() {
		then, known := before.Digests[item]
		is, asked := now.Digests[item]
		if known && asked && then != is {
			items = append(items, item)
		}
	}
	return items
}

// Sights gives the present sights of a person, one for each system, in the order of their
// names.
func Sights(ctx context.Context, tx *store.Tx, p ledger.AtenaNumber) ([]Sight, error) {
	rows, err := tx.Query(ctx, selectSights, string(p))
	if err != nil {
		return nil, fmt.Errorf("read sights: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var all []Sight
	for rows.Next() {
		s := Sight{Person: p}
		var seen, effective, received, digests, changed string
		var before int64
		err := rows.Scan(&s.System, &seen, &s.AsOf, &s.Outcome, &s.Residency, &s.Protection, &s.Notice, &s.Kind, &effective, &received,
			&digests, &changed, &before)
		if err == nil {
			s.SeenAt, err = time.Parse(time.RFC3339Nano, seen)
		}
		if err == nil {
			s.Received, err = time.Parse(time.RFC3339Nano, received)
		}
		if err == nil {
			s.Effective, err = day(effective)
		}
		if err != nil {
			return nil, fmt.Errorf("read sights: %w", err)
		}
		s.Digests, s.First = splitDigests(digests), before == 0
		for item := range strings.FieldsSeq(changed) {
			s.Changed = append(s.Changed, ledger.Item(item))
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read sights: %w", err)
	}
	return all, nil
}

func joinDigests(digests map[ledger.Item]string) string {
	var parts []string
	for _, item := range ledger.Items() {
		if d, ok := digests[item]; ok {
			parts = append(parts, string(item)+":"+d)
		}
	}
	return strings.Join(parts, " ")
}

func splitDigests(text string) map[ledger.Item]string {
	digests := map[ledger.Item]string{}
	for part := range strings.FieldsSeq(text) {
		item, digest, _ := strings.Cut(part, ":")
		if slices.Contains(ledger.Items(), ledger.Item(item)) {
			digests[ledger.Item(item)] = digest
		}
	}
	return digests
}
