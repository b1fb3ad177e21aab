package outbox

import (
	"context"

	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// Destination is told what changed.
type Destination interface {
	// Prepare makes the letter of a change. It is pure but for numbers that it must fetch:
	// the same change gives the same letter, however often and whenever it is asked.
	// Unavailable: later; every other fault parks the change.
	Prepare(context.Context, ledger.Change) (ledger.Letter, error)
	// Send sends the letter once. Nil: it took effect. Unavailable: nothing happened, later.
	// Unsure: it may have taken effect. Every other fault: it never will.
	Send(context.Context, ledger.Letter) (ledger.Receipt, error)
}

// Confirmer is a Destination that can be asked whether a change took effect. Nil: it did,
// and this is its receipt. NotFound: it did not, send it again. Unavailable: ask later. Every
// other fault: it cannot be told. Asking twice is safe.
type Confirmer interface {
	Confirm(context.Context, ledger.Change) (ledger.Receipt, error)
}

// Receiver takes the receipt of a delivered change into the ledger, in the transaction that
// settles it, and owes what follows from it. Nil: taken; the transaction may still be taken
// back and Receive called again. Unavailable: the database is in trouble, later. Every other
// fault parks the change and keeps the receipt; what Receive wrote is taken back.
type Receiver interface {
	Receive(context.Context, *store.Tx, ledger.Change, ledger.Receipt) error
}
