package inbox

import (
	"context"
	"time"

	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// Message is an event as it came: over Kafka, or through the API.
type Message struct {
	Source  string // CloudEvents source
	ID      string // CloudEvents id: unique within the source
	Type    string // CloudEvents type
	Subject string // CloudEvents subject; kept with what cannot be read, and used for nothing
	Time    string // CloudEvents time, RFC 3339; empty: it says none
	Value   []byte // the data; all that came, where Source or ID could not be read
	Headers map[string]string
	By      string // client_id of who brought it through the API; empty: it was read from a topic

	Topic     string // where it was read; empty: it came through the API
	Partition int
	Offset    int64
}

// Taken is how a message was taken.
type Taken struct {
	Name      string // by which operators know the notice: N-…
	Duplicate bool   // it was kept before, and nothing happened now
	State     State  // Due or Parked; empty for a duplicate
	Cause     string // of a parked one
	Code      string // its message number
}

// Notice is a notice that is due.
type Notice struct {
	Name     string
	Source   string
	By       string // client_id of who brought it through the API
	At       time.Time
	Received time.Time
	ledger.Notice
}

// Result is how a refresh ended.
type Result struct {
	Word string // refreshed or not_ours
	// Keep writes the effect, in the transaction that settles the notices: both are committed
	// or neither. It may be called again in another transaction when that one failed; nil:
	// there is nothing to keep.
	Keep func(context.Context, *store.Tx) error
}

// How a refresh can end.
const (
	Refreshed = "refreshed" // the person was asked about
	NotOurs   = "not_ours"  // nobody of the ledger: nothing was asked
)

// Refresher asks about a person anew, for the notices that came of that person, oldest
// first. Unavailable and Unsure: later again. Every other fault: the notices are parked.
// Calling twice is safe: only what Keep writes in a transaction that is committed counts.
type Refresher interface {
	Refresh(context.Context, ledger.AtenaNumber, []Notice) (Result, error)
}

// Bell wakes the inboxes of other gateways. Ring never waits; a ring may be lost. Listen
// returns when ctx ends.
type Bell interface {
	Ring(topic string)
	Listen(ctx context.Context, topic string, woken func())
}

// bell is the topic of the bell.
const bell = "inbox"
