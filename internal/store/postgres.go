package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"kakehashi/internal/fault"
)

// cluster is a schema of a PostgreSQL server, used by any number of gateways at once.
type cluster struct {
	cfg      Config
	pool     *pgxpool.Pool
	readers  chan struct{} // a place for each reader: one connection fewer than there are
	readOnly bool
	closed   atomic.Bool
}

// grace is how much longer than the server the program waits for a statement: a server
// that stands still does not end it by itself.
const grace = 5 * time.Second

func openPG(ctx context.Context, cfg Config) (*DB, error) {
	c, err := newCluster(ctx, cfg)
	if err != nil {
		return nil, err
	}
	db := &DB{pg: c}
	db.close = sync.OnceValue(c.shut)
	if err := migratePG(ctx, cfg); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func newCluster(ctx context.Context, cfg Config) (*cluster, error) {
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
	return &cluster{cfg: cfg, pool: pool, readers: make(chan struct{}, cfg.Pool-1)}, nil
}

func (c *cluster) shut() error {
	c.closed.Store(true)
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
		discardConn(ctx, conn)
		if !again || !broken(err) || ctx.Err() != nil {
			return nil, fmt.Errorf("begin: %w", classify(err))
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
