// Package audit is the record: who asked what, of whom, why, and how it ended. What it
// has once committed cannot be altered, removed or put in another order without [Verify]
// finding it.
//
// # Entries
//
// An [Entry] is committed in the transaction that it concerns, so writers never queue
// behind one another's hashes. A writer is one run of one gateway; it numbers its entries
// 1, 2, 3 …, and a keyed hash (HMAC-SHA256) binds the number, the writer and every column
// of the entry. Numbers taken by a transaction that was not committed are declared void
// inside the writer's next entry. A number that is neither present nor void was deleted.
//
// A lookup leaves an intent before anything is asked ([Log.Intend]) and an outcome before
// anything is told ([Log.Conclude]); both are committed by one goroutine, many at a time
// (group commit). An intent that stays without an outcome gets an entry that says so:
// withheld, where the outcome could not be kept or the caller stopped waiting, before the
// writer's next intent; interrupted, where the writer is gone, at the next start.
//
// # Seal
//
// Committed entries wait in a queue. A single sealer takes them from it, in the order in
// which they were committed, checks the keyed hash, gives each its place as a leaf of a
// Merkle tree (RFC 6962) and signs the head of the tree: a checkpoint, a signed note
// (C2SP tlog-checkpoint, Ed25519) that is kept in the database and, outside of it, in a
// file. Each leaf hashes a random salt with its entry, so that a leaf whose entry was
// dropped at the end of its retention leaves nothing to guess.
//
// # What it proves
//
// With the public key alone: every sealed entry is as it was when it was sealed, none is
// missing, none was added, and the record reaches at least to the newest checkpoint kept
// outside the database. Entries that are not sealed yet (half a second's, by default) are
// counted as unproved; with the keyed hash's key they are checked too. Not proved: that
// entries stood which were removed before they were sealed, together with their rows in
// the queue; that the gateway wrote the truth, since who holds both keys can write
// anything; and nothing beyond the newest checkpoint that the verifier is given, which is
// why checkpoints are worth sending elsewhere.
//
// # Where things stand
//
// entry.go says what is written, hash.go how it is bound, append.go and committer.go how it
// gets to the disk, sealer.go how it is sealed, start.go and catchup.go what a new writer
// does about its predecessors and a restored database, proof.go how one lookup is proved
// elsewhere. verify*.go read the record as a stranger would: the walk through the tables,
// their indexes (verify_index.go) and the schema itself (verify_schema.go), which a start
// compares too, since a trigger can take away what was written. They share only hash.go,
// checkpoint.go and the reading of checkfile.go with the rest. sqlite.go holds what
// PostgreSQL will do otherwise.
package audit
