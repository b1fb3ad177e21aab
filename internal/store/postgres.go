package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"kakehashi/internal/fault"
)

// cluster is a schema of a PostgreSQL server, used by any number of gateways at once.
type cluster struct {
	cfg      Config
	pool     *pgxpool.Pool
	readers  places // fewer than there are connections, so that one is left to write
	writers  places // fewer than there are connections, so that one is left to read
	common   places // of these, those that are not kept for what is urgent
	readOnly bool
	closed   atomic.Bool
	wides    sync.Map // INSERT to wide
	bells    *bells
}

// grace is how much longer than the server the program waits for a statement: a server
// that stands still does not end it by itself.
const grace = 5 * time.Second

// openPG opens a schema for the gateway. Where the role owns it, it is brought up to date;
// another role finds it so, or is told who has to do it.
func openPG(ctx context.Context, cfg Config) (*DB, error) {
	c, err := newCluster(ctx, cfg, false)
	if err != nil {
		return nil, err
	}
	db := &DB{pg: c}
	db.close = sync.OnceValue(c.shut)
	if err := c.ready(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// openReadOnlyPG opens a schema for reading alone. One that does not exist is NotFound.
func openReadOnlyPG(ctx context.Context, cfg Config) (*DB, error) {
	// Whoever reads everything may have the server sort it first.
	cfg.StatementTimeout = max(cfg.StatementTimeout, 10*time.Minute)
	c, err := newCluster(ctx, cfg, true)
	if err != nil {
		return nil, err
	}
	db := &DB{pg: c}
	db.close = sync.OnceValue(c.shut)
	state, err := c.inspect(ctx)
	if err == nil && !state.marked {
		err = fault.New(fault.NotFound, "there is no schema of that name").WithCode("KKH3204")
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// ready sees to it that the schema is ours and up to date.
func (c *cluster) ready(ctx context.Context) error {
	newest, err := newestVersion(Postgres)
	if err != nil {
		return err
	}
	state, err := c.inspect(ctx)
	if err != nil || state.version == newest {
		return err
	}
	if !state.may || c.cfg.Pooler {
		return fault.New(fault.Conflict, "the database is of schema version %d and this program needs %d; run kakehashi migrate", state.version, newest).
			WithCode("KKH3224").WithReason("older_version")
	}
	owned := c.cfg
	owned.OwnerURL = "" // it may be done as who we are
	_, _, err = migratePG(ctx, owned)
	return err
}

// inspect looks at the schema as the gateway's role.
func (c *cluster) inspect(ctx context.Context) (s pgState, err error) {
	ctx, cancel := c.patience(ctx)
	defer cancel()
	pool := stdlib.OpenDBFromPool(c.pool)
	defer func() { err = errors.Join(err, classify(pool.Close())) }()
	return inspectPG(ctx, pool, c.cfg)
}

func newCluster(ctx context.Context, cfg Config, readOnly bool) (*cluster, error) {
	conn, err := cfg.connection(cfg.URL, cfg.PasswordFile)
	if err != nil {
		return nil, err
	}
	pc, err := pgxpool.ParseConfig("host=nowhere user=nobody dbname=nothing sslmode=disable passfile=/dev/null servicefile=/dev/null")
	if err != nil {
		return nil, fault.New(fault.Internal, "the environment says of PostgreSQL what cannot be read")
	}
	pc.ConnConfig = conn
	pc.MaxConns = int32(cfg.Pool)
	pc.PingTimeout = cfg.ConnectTimeout
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", classify(err))
	}
	readers := cfg.Pool
	if !readOnly {
		readers-- // one is left to write
	}
	c := &cluster{cfg: cfg, pool: pool, readOnly: readOnly, readers: make(places, readers), writers: make(places, cfg.Pool-1)}
	c.common = make(places, max(cfg.Pool-2, 1))
	c.bells = newBells(ctx, c)
	return c, nil
}

func (c *cluster) shut() error {
	c.closed.Store(true)
	c.bells.close()
	c.pool.Close()
	return nil
}

// patience gives a context that ends when a statement has been waited for long enough.
func (c *cluster) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.cfg.StatementTimeout+grace)
}

// detached is patience for what is to be finished whatever becomes of ctx.
func (c *cluster) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), c.cfg.ConnectTimeout+grace)
}

// places are how many may be at something at once.
type places chan struct{}

// take waits for a place, at most as long as a statement may take.
func (p places) take(ctx context.Context, c *cluster) (release func(), err error) {
	patient, cancel := c.patience(ctx)
	defer cancel()
	select {
	case p <- struct{}{}:
		return func() { <-p }, nil
	case <-patient.Done():
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("wait for a connection: %w", classify(err))
		}
		return nil, fault.New(fault.Unavailable, "every connection that may write is taken").WithCode("KKH3207").WithReason("busy")
	}
}

// takeToWrite waits for a place to write. What is urgent has one that nothing else can take:
// transactions that all wait for one lock must not keep the record from being written.
func (c *cluster) takeToWrite(ctx context.Context) (release func(), err error) {
	if ctx.Value(urgent{}) != nil {
		return c.writers.take(ctx, c)
	}
	one, err := c.common.take(ctx, c)
	if err != nil {
		return nil, err
	}
	two, err := c.writers.take(ctx, c)
	if err != nil {
		one()
		return nil, err
	}
	return func() { two(); one() }, nil
}

// acquire gives a connection of the pool on which statement, which begins something and
// changes nothing, has succeeded. Connections that died while they lay there are none of
// the caller's business: they are thrown away, and once more is tried on a new one.
func (c *cluster) acquire(ctx context.Context, begin ...string) (*pgxpool.Conn, error) {
	ctx, cancel := c.patience(ctx)
	defer cancel()
	for again := true; ; again = false {
		if c.closed.Load() {
			return nil, fault.New(fault.Unavailable, "the database is closed").WithReason("closed")
		}
		conn, err := c.pool.Acquire(ctx)
		if err != nil {
			return nil, fmt.Errorf("connect: %w", classify(err))
		}
		err = start(ctx, conn, begin)
		if err == nil {
			return conn, nil
		}
		meant, lost := (&pgTx{conn: conn}).meaning(ctx, err), conn.Conn().IsClosed()
		discardConn(ctx, conn)
		if !again || !lost || ctx.Err() != nil {
			return nil, fmt.Errorf("begin: %w", meant)
		}
		c.pool.Reset()
	}
}

func start(ctx context.Context, conn *pgxpool.Conn, statements []string) error {
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// discardConn closes a connection of whose state nothing is certain.
func discardConn(ctx context.Context, conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Conn().Close(ctx) // it is of no more use whatever becomes of it
	conn.Release()
}

// Partitions makes the partitions of this month and the next three, where the database has
// any, and gives how many there were none of. A gateway calls it when it starts and once a
// day. One that cannot be had now is made at the next call.
func (db *DB) Partitions(ctx context.Context) (made int64, err error) {
	if db.pg == nil {
		return 0, nil
	}
	err = WithTx(ctx, db, func(ctx context.Context, tx *Tx) error {
		made, err = tx.Number(ctx, "SELECT kakehashi_partitions()")
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("make the partitions: %w", err)
	}
	return made, nil
}
