package gateway_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
	"kakehashi/internal/storetest"
	"kakehashi/outbox"
)

// A clerk's change of a mailing address, whole: command, ledger and record in one
// transaction, with nothing owed and with a change owed to one neighbour. Their ratio is
// what the outbox costs those who wait.
func BenchmarkApply(b *testing.B) {
	for _, owing := range []bool{false, true} {
		name := "nothing owed"
		if owing {
			name = "a change owed"
		}
		b.Run(name, func(b *testing.B) {
			g := benchGateway(b, owing)
			r, err := g.Apply(b.Context(), worker, register("first", ledger.Party{Atena: mother}))
			if err != nil {
				b.Fatal(err)
			}
			for i := 0; b.Loop(); i++ {
				if r, err = g.Apply(b.Context(), worker, move(strconv.Itoa(i), r)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchGateway(b *testing.B, owing bool) *gateway.Gateway {
	b.Helper()
	db := storetest.Open(b)
	rooms := gateway.Rooms{
		DB: db, Record: openRecord(b, db), Rules: ledgerRules(), Shield: shield(nobodyProtected), Now: func() time.Time { return now },
	}
	if owing {
		queue, err := outbox.New(outbox.Config{}, outbox.Rooms{DB: db, Record: rooms.Record, Key: [32]byte{1}, Routes: []outbox.Route{
			{Destination: "address", Kinds: ledger.ChangeKinds(), To: neighbour{}},
		}})
		if err != nil {
			b.Fatal(err)
		}
		rooms.Outbox = queue
	}
	g := gateway.New(gateway.Config{Budget: time.Second, Candidates: 20}, rooms)
	if _, err := g.OpenCase(context.Background(), staff.Member{Client: "case-system"}, ledger.Case{
		ID: "K-1", Procedure: "registration", Persons: []ledger.AtenaNumber{child, mother},
	}); err != nil {
		b.Fatal(err)
	}
	return g
}
