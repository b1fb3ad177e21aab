package outbox

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

const (
	// lastSeq is the highest number given so far: a row that has moved keeps its own.
	lastSeq = `SELECT coalesce(max(seq), 0) FROM (
		SELECT max(seq) AS seq FROM outbox_change UNION ALL SELECT max(seq) FROM outbox_history) AS given`
	// headOf is the oldest that is owed of a lane; 0: nothing, -1: this very change was
	// delivered or discarded already.
	headOf = `SELECT CASE WHEN EXISTS (SELECT 1 FROM outbox_history WHERE change_id = $3 AND destination = $1) THEN -1
		ELSE coalesce((SELECT min(seq) FROM outbox_owed WHERE destination = $1 AND record = $2), 0) END`
	insertChange = `INSERT INTO outbox_change (seq, destination, change_id, record, kind, version, enqueued_at, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	insertOwed = `INSERT INTO outbox_owed (seq, destination, record, waits, phase, due_at, number, sends, tries, fails, last_at,
		cause, code, detail, question, answered, replay, parking)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`
)

// lane is what one destination is owed of one record.
type lane struct {
	destination string
	record      ledger.BeneficiaryID
}

// wanted is a change that is to be owed to one destination.
type wanted struct {
	change      ledger.Change
	destination string
	body        []byte // encrypted
}

func (w wanted) lane() lane { return lane{w.destination, w.change.Record} }

// placement is where a change came to stand.
type placement struct {
	at   int64           // when, by the clock that moments are kept by
	head ledger.ChangeID // the oldest of its lane before this call; empty: there was none
}

// Enqueue owes the changes, in their order, to every destination whose route takes their
// kind, in the caller's transaction; the relay wakes when that is committed. A change that
// no route takes is owed to nobody. It is a Conflict where a change is or was owed already.
// Callers on one record must come one after the other, by a lock of their own; callers on
// different ones keep nobody waiting.
func (q *Queue) Enqueue(ctx context.Context, tx *store.Tx, changes ...ledger.Change) ([]Owed, error) {
	list, err := q.wanted(changes)
	if err != nil {
		return nil, fmt.Errorf("owe changes: %w", err)
	}
	if len(list) == 0 {
		return nil, nil
	}
	var places []placement
	if tx.Engine() == store.Postgres {
		places, err = oweAtOnce(ctx, tx, list)
	} else {
		places, err = oweInTurn(ctx, tx, list, micros(q.now()))
	}
	if err != nil {
		return nil, fmt.Errorf("owe changes: %w", err)
	}
	if f, ok := ctx.Value(following{}).(*follow); ok {
		f.list = append(f.list, list...)
	}
	q.wakeOn(tx)
	return nowOwed(list, places), nil
}

// wanted gives what is to be owed to whom. A change that is named twice is owed twice.
func (q *Queue) wanted(changes []ledger.Change) ([]wanted, error) {
	var list []wanted
	seen := make(map[ledger.ChangeID]bool, len(changes))
	for _, c := range changes {
		for _, r := range q.rooms.Routes {
			if !slices.Contains(r.Kinds, c.Kind) {
				continue
			}
			if seen[c.ID] {
				return nil, alreadyOwed()
			}
			body, err := q.seal.closeChange(c, r.Destination)
			if err != nil {
				return nil, err
			}
			list = append(list, wanted{c, r.Destination, body})
		}
		seen[c.ID] = true
	}
	return list, nil
}

func alreadyOwed() error {
	return fault.New(fault.Conflict, "a change was owed already").WithCode(codeTwice)
}

// twice says of a key that exists what it means.
func twice(err error) error {
	if fault.Is(err, fault.Conflict) {
		return fault.New(fault.Conflict, "a change is owed already: %w", err).WithCode(codeTwice)
	}
	return err
}

// nowOwed says how it stands with what was just owed.
func nowOwed(list []wanted, places []placement) []Owed {
	owed := make([]Owed, len(list))
	first, behind := map[lane]ledger.ChangeID{}, map[lane]int{}
	for i, w := range list {
		c, l := w.change, w.lane()
		owed[i] = Owed{
			Change: c.ID, Destination: w.destination, Record: c.Record, Kind: c.Kind, Version: c.Version, State: Pending,
			EnqueuedAt: moment(places[i].at), WaitsFor: cmp.Or(places[i].head, first[l]),
		}
		if owed[i].WaitsFor == "" {
			first[l], owed[i].NextAt = c.ID, owed[i].EnqueuedAt
		}
	}
	for i, w := range slices.Backward(list) {
		owed[i].Behind = behind[w.lane()]
		behind[w.lane()]++
	}
	return owed
}

// oweInTurn is what Enqueue does on SQLite, where nobody else writes meanwhile.
func oweInTurn(ctx context.Context, tx *store.Tx, list []wanted, at int64) ([]placement, error) {
	seq, err := tx.Number(ctx, lastSeq)
	if err != nil {
		return nil, err
	}
	heads := map[lane]placement{}
	places := make([]placement, len(list))
	var wide, narrow [][]any
	for i, w := range list {
		p, stands := heads[w.lane()]
		known, err := headNow(ctx, tx, w)
		if err != nil {
			return nil, err
		}
		waits := 1
		if !stands {
			if p = (placement{at, known}); known == "" {
				waits = 0
			}
			heads[w.lane()] = p
		}
		places[i] = p
		seq++
		c := w.change
		wide = append(wide, []any{seq, w.destination, string(c.ID), string(c.Record), string(c.Kind), c.Version, at, w.body})
		narrow = append(narrow, []any{seq, w.destination, string(c.Record), waits, string(toSend), at, 0, 0, 0, 0, 0, "", "", "", "", 0, "", 0})
	}
	if err := tx.Bulk(ctx, insertChange, wide); err != nil {
		return nil, twice(err)
	}
	return places, tx.Bulk(ctx, insertOwed, narrow)
}

// headNow gives the oldest change of a lane; empty: it has none.
func headNow(ctx context.Context, tx *store.Tx, w wanted) (ledger.ChangeID, error) {
	head, err := tx.Number(ctx, headOf, w.destination, string(w.change.Record), string(w.change.ID))
	switch {
	case err != nil:
		return "", err
	case head < 0:
		return "", alreadyOwed()
	case head == 0:
		return "", nil
	}
	var name ledger.ChangeID
	err = tx.QueryRow(ctx, `SELECT change_id FROM outbox_change WHERE seq = $1`, head).Scan(&name)
	return name, err
}
