package outbox

import (
	"context"
	"fmt"

	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// LeftUntold tells, as the transaction sees it, whether a change was discarded wherever it
// was owed. One that was delivered or is owed anywhere is not, nor one that was owed to
// nobody.
func (q *Queue) LeftUntold(ctx context.Context, tx *store.Tx, id ledger.ChangeID) (bool, error) {
	discarded, err := tx.Number(ctx, q.texts.discarded, string(id))
	if err != nil {
		return false, fmt.Errorf("look whether a change was discarded: %w", err)
	}
	if discarded == 0 {
		return false, nil
	}
	standing, err := tx.Number(ctx, q.texts.standing, string(id))
	if err != nil {
		return false, fmt.Errorf("look whether a change stands: %w", err)
	}
	return standing == 0, nil
}
