package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// ledgerLock is the lock under which the ledger is changed. Whoever changes it takes this
// before anything else, so that the ledger of a municipality has one writer at a time on
// PostgreSQL too, however many gateways there are.
const ledgerLock = "ledger"

// tries is how often a change is carried out that others stood in the way of.
const tries = 3

// change runs f in a transaction that alone changes the ledger. Where others held what it
// needed, so that nothing happened, it is run again, at most as often as tries says: f must
// not build on what it left behind the first time.
func (g *Gateway) change(ctx context.Context, f func(context.Context, *store.Tx) error) error {
	for try := 1; ; try++ {
		err := store.WithTx(ctx, g.db, func(ctx context.Context, tx *store.Tx) error {
			if err := tx.Lock(ctx, ledgerLock); err != nil {
				return fmt.Errorf("wait for the ledger: %w", err)
			}
			return f(ctx, tx)
		})
		if try == tries || !crowded(err) || ctx.Err() != nil {
			return g.unwritten(ctx, err)
		}
	}
}

// unwritten tells the record that a change could not be written, unless it was others who
// wrote: then the database is well.
func (g *Gateway) unwritten(ctx context.Context, err error) error {
	if refusal(err) || g.db.Engine() == store.Postgres && crowded(err) && !audit.IsUnwritable(err) {
		return err
	}
	return g.record.Unwritten(ctx, err)
}

// crowded tells whether nothing happened because others held what was needed.
func crowded(err error) bool {
	if !fault.Is(err, fault.Unavailable) {
		return false
	}
	for err != nil {
		e, ok := errors.AsType[*fault.Error](err)
		if !ok {
			return false
		}
		if e.Reason == "busy" {
			return true
		}
		err = e.Err
	}
	return false
}

// anew gives a copy of an entry that shares nothing which is written to later.
func anew(e audit.Entry) audit.Entry {
	e.Detail, e.Subjects, e.Flags = maps.Clone(e.Detail), slices.Clone(e.Subjects), slices.Clone(e.Flags)
	return e
}
