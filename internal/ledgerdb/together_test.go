package ledgerdb_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/ledgerdb"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// errChangedMind takes a transaction back.
var errChangedMind = errors.New("changed its mind")

// Two gateways carry out one command: the second waits until the first is done, and gets
// what it did; where the first is taken back, the second is the first. No lock of the whole
// ledger is needed for that.
func TestSecondBeginWaitsForTheFirst(t *testing.T) {
	for name, end := range map[string]error{"committed": nil, "taken back": errChangedMind} {
		t.Run(name, func(t *testing.T) {
			place := storetest.Postgres(t)
			a, b := place.Open(t), place.Open(t)
			begun, ended := make(chan struct{}), make(chan error, 1)
			goOn := make(chan struct{})
			go func() {
				ended <- store.WithTx(t.Context(), a, func(ctx context.Context, tx *store.Tx) error {
					if _, _, err := ledgerdb.Begin(ctx, tx, ledgerdb.Command{ID: "C-1", Body: "first", At: at}); err != nil {
						return err
					}
					close(begun)
					<-goOn
					return end
				})
			}()
			<-begun
			second := make(chan ledgerdb.Command, 1)
			var late sync.WaitGroup
			late.Go(func() {
				err := store.WithTx(t.Context(), b, func(ctx context.Context, tx *store.Tx) error {
					got, again, err := ledgerdb.Begin(ctx, tx, ledgerdb.Command{ID: "C-1", Body: "second", At: at})
					if again != (end == nil) {
						t.Errorf("again: %v", again)
					}
					second <- got
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
			select {
			case <-second:
				t.Error("the second did not wait")
			case <-time.After(100 * time.Millisecond):
			}
			close(goOn)
			if err := <-ended; !errors.Is(err, end) {
				t.Errorf("the first: %v", err)
			}
			late.Wait()
			if got := <-second; (got.Body == "first") != (end == nil) {
				t.Errorf("the second got the command of %q", got.Body)
			}
		})
	}
}

// Of many who add one person one does, and the others go on and find that one; of many who
// take a number no two get the same.
func TestManyAddOnePersonAndTakeNumbers(t *testing.T) {
	place := storetest.Postgres(t)
	var mu sync.Mutex
	persons, numbers := map[ledger.PersonID]int{}, map[ledger.BeneficiaryNumber]bool{}
	var all sync.WaitGroup
	for _, db := range []*store.DB{place.Open(t), place.Open(t), place.Open(t)} {
		for range 4 {
			all.Go(func() {
				err := store.WithTx(t.Context(), db, func(ctx context.Context, tx *store.Tx) error {
					p, err := ledgerdb.AddPerson(ctx, tx, ledger.Party{Identity: identity()})
					if fault.Is(err, fault.Conflict) {
						p, _, err = ledgerdb.FindParty(ctx, tx, ledger.Party{Identity: identity()})
					}
					if err != nil {
						return err
					}
					n, err := ledgerdb.NextNumber(ctx, tx)
					mu.Lock()
					defer mu.Unlock()
					persons[p.ID]++
					numbers[n] = true
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if len(persons) != 1 || len(numbers) != 12 {
		t.Errorf("%d persons and %d numbers, want 1 and 12", len(persons), len(numbers))
	}
}
