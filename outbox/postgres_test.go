package outbox

import (
	"context"
	"testing"

	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// PostgreSQL decides the types of a statement before it sees an argument: each is one that it
// understands.
func TestPostgreSQLUnderstandsEveryStatement(t *testing.T) {
	db := storetest.Postgres(t).Open(t)
	own := textsOf(store.Postgres)
	frozen, _ := running{}.next()
	two, _ := oweStatement(make([]wanted, 2))
	for _, query := range []string{
		own.ofChange, own.attempts, own.past, own.discarded, own.standing, own.promote,
		oweOne, oweBegins + oweArrays + oweEnds, two, claimAll, lockRows, lockNamed, moveAll, promoteAll, takeParking, forgetTold, doubtSomeRows, readClock,
		seeOldest, seeNewest, takeOldest, takeNewest, holdAllLanes, dueAfter, leasedRow, nextDue, isClaimed,
		stateOfRecord, moveOn, toHistory, deleteOwed, deleteChange, insertAttempt, endItem, renumber, laterDelivered, laterUnderWay,
		outcomeOf, markLate, laterOfLane, underWayOfLane, standsNow, changeBack, owedBack, deletePast, demote, askAnew,
		frozen, armRow, setItem, setReached, runningReplays, waitingItems, stillParked, setReplay, freezeNamed, insertReplay,
		lastParking, countFrozen, oneReplay, lastReplays, sumUp, behindHeads, owedAt, questioned,
	} {
		err := store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, "PREPARE understood AS "+query)
			if err == nil {
				_, err = tx.Exec(ctx, "DEALLOCATE understood")
			}
			return err
		})
		if err != nil {
			t.Errorf("%v\n  of %s", err, query)
		}
	}
}
