package store

import (
	"context"
	"fmt"
	"time"
)

// PoolStats says how the connections of a database are used.
type PoolStats struct {
	Max   int           // connections that there may be
	InUse int           // now
	Idle  int           // open and not in use
	Waits int64         // times that somebody had to wait for one, since the database was opened
	Wait  time.Duration // how long altogether
}

// Stats gives how the connections are used. On SQLite these are the readers'.
func (db *DB) Stats() PoolStats {
	if db.pg != nil {
		s := db.pg.pool.Stat()
		return PoolStats{
			Max: int(s.MaxConns()), InUse: int(s.AcquiredConns()), Idle: int(s.IdleConns()),
			Waits: s.EmptyAcquireCount(), Wait: s.EmptyAcquireWaitTime(),
		}
	}
	s := db.readers.Stats()
	return PoolStats{Max: s.MaxOpenConnections, InUse: s.InUse, Idle: s.Idle, Waits: s.WaitCount, Wait: s.WaitDuration}
}

// Ping tells whether the database answers: nil, or why not. It waits for a connection and
// the answer as long as ctx lives.
func (db *DB) Ping(ctx context.Context) error {
	if db.pg == nil {
		var one int
		if err := db.readers.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
			return fmt.Errorf("ask the database: %w", classify(err))
		}
		return nil
	}
	conn, err := db.pg.acquire(ctx, "SELECT 1")
	if err != nil {
		return fmt.Errorf("ask the database: %w", err)
	}
	conn.Release()
	return nil
}
