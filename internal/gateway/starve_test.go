package gateway_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// Another gateway stands still in the middle of a change, with the ledger's lock. However
// many clerks wait for it here, lookups go on and this gateway is not taken for dead.
func TestPressesThatWaitForTheLedgerKeepNobodyFromLookingUp(t *testing.T) {
	at := storetest.Postgres(t)
	houses := threeGateways(t, at, nil)
	still := at.Open(t)
	var all sync.WaitGroup
	free, held := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(free) })
	defer func() { release(); all.Wait() }()
	all.Go(func() {
		_ = store.WithTx(context.WithoutCancel(t.Context()), still, func(ctx context.Context, tx *store.Tx) error {
			err := tx.Lock(ctx, "ledger")
			close(held)
			<-free
			return err
		})
	})
	<-held
	for i := range 8 {
		all.Go(func() {
			_, _ = houses[0].Apply(t.Context(), worker, register(fmt.Sprintf("key-%d", i), ledger.Party{Identity: elsewhere()}))
		})
	}
	over := time.After(7 * time.Second)
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-over:
			return
		case <-again.C:
		}
		if _, err := houses[0].Lookup(t.Context(), worker, ask()); err != nil {
			t.Fatalf("look up while clerks wait: %v", err)
		}
		if !houses[0].record.Writable() {
			t.Fatal("the record is called unwritable")
		}
	}
}
