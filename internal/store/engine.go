package store

import (
	"context"

	"kakehashi/internal/fault"
)

// Engine is which database is underneath.
type Engine string

// The engines. Where SQL differs between them, the package that owns the table has a text
// for each.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// Engine tells which database is underneath.
func (db *DB) Engine() Engine {
	if db.pg != nil {
		return Postgres
	}
	return SQLite
}

// Engine tells which database is underneath.
func (tx *Tx) Engine() Engine {
	if tx.pg != nil {
		return Postgres
	}
	return SQLite
}

// Lock takes a named lock of this database for the rest of the transaction, and waits for
// it where another transaction, of whatever process, has it. On SQLite there is nothing to
// take: one transaction writes at a time.
func (tx *Tx) Lock(ctx context.Context, name string) error {
	_, err := tx.lock(ctx, name, true)
	return err
}

// TryLock is Lock without waiting: false where another transaction has it.
func (tx *Tx) TryLock(ctx context.Context, name string) (bool, error) {
	return tx.lock(ctx, name, false)
}

func (tx *Tx) lock(ctx context.Context, name string, wait bool) (taken bool, err error) {
	switch {
	case tx.w == nil && (tx.pg == nil || tx.pg.snapshot):
		return false, fault.New(fault.Internal, "a lock was taken on a snapshot")
	case tx.failed != nil:
		return false, tx.failed
	case tx.pg != nil:
		return tx.lockPG(ctx, name, wait)
	}
	return true, nil
}

// Ring tells the other processes on this database, soon and without waiting, that there is
// something to do about a topic. It is a hint: one may be lost, several may become one. On
// SQLite there is no other process.
func (db *DB) Ring(topic string) {
	if db.pg != nil {
		db.pg.bells.put(topic)
	}
}

// Listen calls woken, which must not wait, whenever another process rings for the topic, and
// once after each time the connection was lost. It returns when ctx ends.
func (db *DB) Listen(ctx context.Context, topic string, woken func()) {
	if db.pg != nil {
		db.pg.bells.listen(ctx, topic, woken)
		return
	}
	<-ctx.Done()
}
