package audit

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// Log is one writer of the record: one run of one gateway. It is safe for concurrent use.
type Log struct {
	db       *store.DB
	cfg      Config
	keys     Keys
	now      func() time.Time
	seq      sequence // of SQLite
	issuer   *issuer  // of PostgreSQL; nil: SQLite
	lease    lease
	intake   *intake
	tokens   tokenCount
	sealer   sealer
	sealWake chan struct{}
	sealed   atomic.Int64
	unfit    atomic.Int64
	writable atomic.Bool
	broken   atomic.Bool // sealing: the last attempt failed
	loss     atomic.Bool // it was seen that what was sealed is gone
}

// Open begins a new writer: it brings the database and the file of checkpoints into step,
// settles what earlier writers left open, and proves that the record can be written by
// writing that it does. It starts nothing; Run does.
//
// It is IsUnwritable where the record cannot be written, or where its end does not hold
// together (then Verify says what is wrong).
func Open(ctx context.Context, db *store.DB, cfg Config, keys Keys) (*Log, error) {
	return open(ctx, db, cfg, keys, time.Now)
}

func open(ctx context.Context, db *store.DB, cfg Config, keys Keys, now func() time.Time) (*Log, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	l := &Log{
		db: db, cfg: cfg.withDefaults(), keys: keys, now: now,
		seq:      sequence{writer: writerName(now()), hash: newHasher(keys.mac)},
		intake:   newIntake(),
		sealWake: make(chan struct{}, 1),
		lease:    newLease(),
	}
	if db.Engine() == store.Postgres {
		l.issuer = newIssuer(l.seq.writer, keys.mac)
	}
	l.sealer = sealer{hash: newHasher(keys.mac), refused: []int64{}, file: checkFile{path: cfg.CheckpointsFile}}
	if err := l.prepare(ctx); IsUnwritable(err) {
		return nil, err
	} else if err != nil {
		return nil, unwritable(err)
	}
	l.writable.Store(true)
	l.wakeSealer()
	return l, nil
}

// prepare is what Open says.
func (l *Log) prepare(ctx context.Context) error {
	if err := l.checkSchema(ctx); err != nil {
		return err
	}
	lost, err := l.catchUp(ctx)
	if err != nil {
		return err
	}
	if err := l.begin(ctx, lost); err != nil {
		return err
	}
	if err := l.sealer.file.ready(); err != nil {
		return err
	}
	return l.levelFile(ctx)
}

// writerName makes a name that no other writer bears, short enough to be read out: when
// it began, in UTC, and four letters.
func writerName(now time.Time) string {
	return now.UTC().Format("060102T150405") + "-" + rand.Text()[:4]
}

// Writable tells whether the last attempt to write by itself succeeded. Where it is false
// nothing may be begun that would have to be recorded.
func (l *Log) Writable() bool { return l.writable.Load() }

// Behind tells whether this writer found, when it was opened or since, that the database
// lacks what was sealed: a backup was put back, and nobody knows what was done since it was
// taken.
func (l *Log) Behind() bool { return l.loss.Load() }

// Run writes and seals until ctx ends, and then what is left. It returns when everything
// that was handed in is on the disk or was refused. Where several gateways write, it
// returns before, with an error, when another has taken this one for gone: then nothing
// can be written by it any more, and the gateway has to be started anew.
func (l *Log) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	written, done := make(chan struct{}), make(chan struct{})
	all.Go(func() { l.sealLoop(ctx, done) })
	all.Go(func() {
		defer close(written)
		l.commitLoop(ctx)
	})
	all.Go(func() {
		defer close(done)
		l.holdLease(ctx, written)
	})
	all.Go(func() {
		select {
		case <-l.lease.over:
			cancel()
		case <-written:
		}
	})
	all.Wait()
	switch {
	case l.lease.expired():
		return unwritable(settledFault())
	case l.broken.Load():
		return unwritable(fault.New(fault.Unavailable, "what is committed could not be sealed; it will be at the next start").
			WithReason("unsealed"))
	}
	return nil
}
