// Package outbox keeps what is owed to whom, and tells them: at least once, in order per
// record and destination, and never by keeping anybody waiting.
//
// # What is owed
//
// [Queue.Enqueue] writes, in the transaction of the change itself, one row for each
// destination that takes its kind: the change encrypted, written once (outbox_change), and
// how it stands with it, narrow (outbox_owed). What one destination is owed of one record is
// a lane. Only the oldest change of a lane is ever attempted; the others wait behind it,
// also where it is parked. A row that is delivered or discarded moves to outbox_history,
// and the next of its lane is due, so a queue that has grown costs no more a change than a
// short one.
//
// # The phases of a change
//
//	send ──claim──▶ sending ──delivered──▶ history
//	  ▲ ▲              │ nothing happened: send, later
//	  │ │              │ refused for good: parked
//	  │ │              ▼ unknown, or the lease ran out
//	  │ └─did not──── ask ──claim──▶ asking ──it arrived──▶ history
//	  │   arrive                       │ no answer: ask, later
//	  │                                ▼ cannot be told: send again, where a key
//	  └────replay───── parked ◀────────  takes effect once; otherwise parked
//
// A change is claimed in a transaction that commits its attempt's number, its lease and the
// keyed digest of its letter; only then it is sent, outside any transaction, once, with a
// deadline that ends before the lease; a process that was held up between the two until the
// lease has no time left for that sends nothing. The attempt's number is the fencing token: a result
// that comes when the row has gone on settles nothing, unless it is the answer to the
// question that the row stands with. A run never takes up what it holds itself, whatever
// becomes of the clock. A row in phase receive was delivered
// and its receipt refused by the ledger; replayed, it takes the receipt in and sends nothing.
//
// Whether an unknown outcome is an outcome at all is asked not before [Config].Settle has
// passed since we gave up on its answer: until then the neighbour may still be working, and asking too
// early would have a person numbered twice. After a backup was put back everything that
// stands as not told is such an unknown outcome, for it may have been told since.
//
// # The relay
//
// [Queue.Run] is one goroutine that alone touches the tables, and a goroutine for each
// letter on its way. A round settles what has come back and claims what is prepared, in one
// transaction. Each destination has a gate, which shuts at the first sign of trouble, lets
// one probe at a time through and opens slowly; a rate; and a number of deliveries at once.
// A quarter of what is claimed is the newest that is due, so that a long backlog does not
// starve the persons of today.
//
// # Several gateways on one database
//
// On PostgreSQL any number of gateways owe, claim and settle at once. What keeps them apart
// is in the rows and not in who runs: a claim is fenced by the attempt's number and the
// phase, takes the oldest of a lane alone and waits for nobody; a settlement holds its rows,
// lowest first; what rearranges a lane does so under the ledger's lock, which is taken
// before all others. Rows are found by how they stand, never by a number greater than the
// last. Several relays would prepare the same letters, and all but one in vain; so, once one
// has lost a claim, rows are picked by putting them off for two seconds, over which the
// others pass. That is a hint: whose a row is is settled by the claim, and what a relay dies
// over is due again when it is over. Leases end by time alone.
//
// Moments are the database's: each relay reads its clock every ten seconds, and in between
// counts the time that passes, not what its own clock shows; what is due is compared with the
// database's clock itself. A host whose clock is an hour off, or is stepped by one, tells
// nothing twice, loses nothing and gives nothing away.
//
// After a backup was put back, each gateway whose own checkpoints show it asks about what
// stands as not told when it starts. One that had no checkpoints of before cannot know: the
// first to be started is one that has. Relays wake one another by a [Bell], and look once a
// second all the same.
//
// # Where things stand
//
// policy.go and gate.go decide and know neither database nor network; enqueue.go,
// claim.go, transact.go, settle.go, each.go, late.go, replay.go, arm.go, discard.go and answer.go are the transactions;
// relay.go, send.go, adopt.go, restored.go and finish.go what runs between them; list.go, plan.go and
// summary.go what is shown; body.go how a change is kept. postgres.go holds what PostgreSQL is
// asked differently, and why that holds; shared.go what a relay does that is not alone.
package outbox
