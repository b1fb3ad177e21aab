// Package audit is the record: who asked what, of whom, why, and how it ended. What it has
// once committed cannot be altered, removed or put in another order without [Verify] finding
// it.
//
// # Entries
//
// An [Entry] is committed in the transaction that it concerns, so writers never queue behind
// one another's hashes. A writer is one run of one gateway; it numbers its entries 1, 2, 3
// …, and a keyed hash (HMAC-SHA256) binds the number, the writer and every column of the
// entry. Numbers taken by a transaction that was not committed are declared void inside the
// writer's next entry. A number that is neither present nor void was deleted.
//
// A lookup leaves an intent before anything is asked ([Log.Intend]) and an outcome before
// anything is told ([Log.Conclude]); both are committed by one goroutine, many at a time
// (group commit). An intent that stays without an outcome gets an entry that says so:
// withheld, where the outcome could not be kept or the caller stopped waiting, before the
// writer's next intent; interrupted, where the writer is gone, once it is settled.
//
// # Several writers
//
// On SQLite the database's lock is the writer's lease, one transaction writes at a time, and
// whoever starts settles the writer before: it says that writer's last number, so that
// entries cut off its end are missed. On PostgreSQL several gateways write, each many
// transactions at once. A lease is a row whose beats grow; a writer whose beats have not
// grown for a lease's time, by the clock of another whose own beats succeeded all the while,
// is gone, and that other settles it: an entry of kind settled names its last number and
// those that it left void. Whoever writes an entry holds the writer's row until the commit,
// and whoever settles needs it alone, so nothing is ever written behind a settlement. A
// writer that was only paused finds itself settled and can write no more; its process ends.
// A writer that ends in order settles itself.
//
// # Seal
//
// Committed entries wait in a queue. One sealer at a time takes them from it (on PostgreSQL
// any of the gateways, under a lock, in the order of taking, which ids do not tell), checks
// the keyed hash, gives each its place as a leaf of a Merkle tree (RFC 6962) and signs the
// head of the tree: a checkpoint, a signed note (C2SP tlog-checkpoint, Ed25519) that is kept
// in the database and, outside of it, in a file. Each leaf hashes a random salt with its
// entry, so that a leaf whose entry was dropped at the end of its retention leaves nothing
// to guess.
//
// # What it proves
//
// With the public key alone: every sealed entry is as it was when it was sealed, none is
// missing, none was added, and the record reaches at least to the newest checkpoint kept
// outside the database, in the file of each gateway. Entries that are not sealed yet (half a
// second's, by default) are counted as unproved; with the keyed hash's key they are checked
// too. Not proved: that entries stood which were removed before they were sealed, together
// with their rows in the queue (the numbering shows it, but not of a writer's last, nor,
// where several write, of those that may have been under way when its heart last beat); that
// the gateway wrote the truth, since who holds both keys can write anything; and nothing
// beyond the newest checkpoint that the verifier is given, which is why checkpoints are
// worth sending elsewhere.
//
// # Where things stand
//
// entry.go says what is written, hash.go how it is bound, append.go and committer.go how it
// gets to the disk, sealer.go how it is sealed, start.go and catchup.go what a new writer
// does about its predecessors and a restored database, proof.go how one lookup is proved
// elsewhere. Of several writers on PostgreSQL: issuer.go numbers, lease.go and settle.go are
// the lease, sealbeside.go the sealer, postgres.go the statements. verify*.go read the
// record as a stranger would: the walk through the tables, their indexes (verify_index.go)
// and the schema itself (verify_schema.go), which a start compares too, since a trigger can
// take away what was written. They share only hash.go, checkpoint.go and the reading of
// checkfile.go with the rest. On PostgreSQL the walk goes from leaf to leaf
// (verify_leaves.go) and the numbers are judged as a whole (verify_beside.go).
package audit
