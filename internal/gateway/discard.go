package gateway

import (
	"context"

	"kakehashi/internal/audit"
	"kakehashi/internal/ledger"
	"kakehashi/internal/ledgerdb"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
	"kakehashi/outbox"
)

// DiscardRequest leaves untold what was parked.
type DiscardRequest struct {
	Filter outbox.Filter
	Reason string // 1 to 200 characters, without a number of a person
	DryRun bool   // only say what would be done
	Count  int    // how many the operator expects; 0: not typed
}

// Discard marks what is parked as not to be told (対応不要): it leaves the way of the later
// changes of its record and stays in the history, and the mark can be undone. A dry run
// says what it would do, does nothing and needs no reason. A numbering for which changes of
// the ledger wait is not among what can be discarded. Errors are those of Replay.
func (g *Gateway) Discard(ctx context.Context, who staff.Member, r DiscardRequest) (plan outbox.Plan, err error) {
	if err := validOwed(r.Filter); err != nil {
		return plan, err
	}
	var needed outbox.Needed
	if r.DryRun {
		if err := g.admitOperator(ctx, who, staff.Discard); err != nil || g.outbox == nil {
			return plan, err
		}
		err = store.Read(ctx, g.db, func(ctx context.Context, tx *store.Tx) error {
			needed, err = ledgerdb.Waited(ctx, tx)
			return err
		})
		if err != nil {
			return plan, err
		}
		return g.outbox.PlanDiscard(ctx, r.Filter, needed)
	}
	if err := validReason(r.Reason); err != nil {
		return plan, err
	}
	err = g.operate(ctx, who, staff.Discard, func(ctx context.Context, tx *store.Tx, e *audit.Entry) error {
		noteFilter(e, "begin", r.Reason, r.Filter)
		if needed, err = ledgerdb.Waited(ctx, tx); err != nil {
			return err
		}
		plan, err = g.outbox.Discard(ctx, tx, r.Filter, outbox.Mark{By: by(who), At: g.now(), Reason: r.Reason}, needed)
		if err != nil {
			return err
		}
		e.Count = plan.Can
		if err := expected(r.Count, plan); err != nil {
			return err
		}
		return g.noteChanges(ctx, tx, e, plan.Touched)
	})
	return plan, err
}

// Undiscard takes marks of Discard back, so that the changes are parked again. It is refused
// for a change with a later one of its record delivered to the same destination, and for
// one whose fact was owed anew since, which would be told twice: the plan says which.
func (g *Gateway) Undiscard(ctx context.Context, who staff.Member, ids []ledger.ChangeID, reason string) (plan outbox.Plan, err error) {
	f := outbox.Filter{IDs: ids}
	if len(ids) == 0 {
		return plan, invalid("KKH1326", "/ids", "no change is named")
	}
	if err := validOwed(f); err != nil {
		return plan, err
	}
	if err := validReason(reason); err != nil {
		return plan, err
	}
	err = g.operate(ctx, who, staff.Discard, func(ctx context.Context, tx *store.Tx, e *audit.Entry) error {
		noteFilter(e, "undo", reason, f)
		anew, err := ledgerdb.UsedAnew(ctx, tx, ids)
		if err != nil {
			return err
		}
		plan, err = g.outbox.Undiscard(ctx, tx, ids, outbox.Mark{By: by(who), At: g.now(), Reason: reason}, anew)
		if err != nil {
			return err
		}
		e.Count = plan.Can
		return g.noteChanges(ctx, tx, e, plan.Touched)
	})
	return plan, err
}
