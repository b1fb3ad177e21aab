package audit

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// sealChunk is how many entries one transaction of the sealer takes, so that it holds the
// writer for a few tens of milliseconds at the most.
const sealChunk = 500

// sealer gives committed entries their place in the tree. One goroutine uses it.
type sealer struct {
	tree    *tree
	note    string  // the checkpoint of tree, signed; of PostgreSQL
	refused []int64 // entries that are not what was committed; of PostgreSQL
	from    int64   // entries up to this id are sealed, or were refused; of SQLite
	file    checkFile
	hash    *hasher
}

// know takes a tree for the record's, with its checkpoint.
func (s *sealer) know(t *tree, note string) { s.tree, s.note = t, note }

func (l *Log) wakeSealer() { signal(l.sealWake) }

// sealLoop seals what is committed until done is closed, and then what is left.
func (l *Log) sealLoop(ctx context.Context, done <-chan struct{}) {
	pace := time.NewTicker(l.cfg.SealEvery)
	defer pace.Stop()
	var others <-chan time.Time // what other gateways commit and seal is looked at now and then
	if l.issuer != nil {
		look := time.NewTicker(heartbeat)
		defer look.Stop()
		others = look.C
	}
	for {
		select {
		case <-done:
			l.sealAll(ctx)
			return
		case <-l.sealWake:
		case <-others:
		}
		select { // entries that follow one another share a checkpoint
		case <-done:
		case <-pace.C:
		}
		l.sealAll(ctx)
	}
}

func (l *Log) sealAll(ctx context.Context) {
	for {
		n, err := l.seal(ctx)
		if err != nil {
			if !l.broken.Swap(true) {
				tell(ctx, slog.LevelError, "KKH3105", err)
			}
			l.wakeSealer() // again, at the pace
			return
		}
		l.broken.Store(false)
		if n < l.chunk() {
			return
		}
	}
}

// chunk is how many entries one transaction seals.
func (l *Log) chunk() int {
	if l.issuer != nil {
		return sealBesideChunk
	}
	return sealChunk
}

// seal seals one chunk and gives how many entries it looked at.
func (l *Log) seal(ctx context.Context) (int, error) {
	if l.issuer != nil {
		return l.sealBeside(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.cfg.WriteTimeout)
	defer cancel()
	s := &l.sealer
	chunk, err := l.queued(ctx, sealChunk)
	if err != nil {
		return 0, err
	}
	if len(chunk) == 0 {
		return 0, l.levelFile(ctx)
	}
	b, err := s.build(chunk)
	if err != nil {
		return 0, err
	}
	if b.unfit > 0 {
		l.unfit.Add(b.unfit)
		tell(ctx, slog.LevelError, "KKH3104", fault.New(fault.Internal, "keyed hash").WithReason("edited"))
	}
	if len(b.leaves) > 0 {
		head, err := sign(l.keys.signer, b.tree, l.now())
		if err != nil {
			return 0, err
		}
		if err := l.keep(ctx, b, head); err != nil {
			return 0, err
		}
	}
	s.from = chunk[len(chunk)-1].id
	return len(chunk), l.levelFile(ctx)
}

// queued reads entries that wait to be sealed, in the order of their commitment.
func (l *Log) queued(ctx context.Context, most int) ([]*row, error) {
	var chunk []*row
	err := store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		return entries(ctx, tx, func(r *row) error {
			chunk = append(chunk, r)
			return nil
		}, selectQueued, l.sealer.from, most)
	})
	if err != nil {
		return nil, fmt.Errorf("read what is to be sealed: %w", err)
	}
	return chunk, nil
}

// built is what sealing some entries adds to the record.
type built struct {
	tree     *tree
	leaves   [][]any
	subjects [][]any
	queued   [][]any
	rows     []*row  // that got a leaf
	refused  []int64 // ids of those that did not
	unfit    int64   // entries left in the queue: they are not what was committed
}

// build computes what sealing the entries adds, and changes nothing.
func (s *sealer) build(chunk []*row) (*built, error) {
	grown, err := s.tree.clone()
	if err != nil {
		return nil, fmt.Errorf("grow the tree: %w", err)
	}
	b := &built{tree: grown}
	for _, r := range chunk {
		content := s.hash.content(r)
		if !s.hash.fits(r, content) {
			b.unfit++
			b.refused = append(b.refused, r.id)
			continue
		}
		leaf := s.hash.leaf(r, content)
		b.leaves = append(b.leaves, []any{grown.size(), r.id, r.lookup, leaf[:]})
		if err := grown.add(leaf); err != nil {
			return nil, fmt.Errorf("grow the tree: %w", err)
		}
		subjects, err := splitSubjects(r.subjects)
		if err != nil {
			return nil, err
		}
		for _, p := range subjects {
			b.subjects = append(b.subjects, []any{r.id, p.Atena, p.Role})
		}
		b.queued = append(b.queued, []any{r.id})
		b.rows = append(b.rows, r)
	}
	return b, nil
}

// keep commits what was built, with the checkpoint of its tree.
func (l *Log) keep(ctx context.Context, b *built, head checkpoint) error {
	err := store.WithTx(store.Urgent(ctx), l.db, func(ctx context.Context, tx *store.Tx) error {
		for _, part := range []struct {
			query string
			rows  [][]any
		}{{insertLeaf, b.leaves}, {insertSubject, b.subjects}, {deleteQueued, b.queued}} {
			if err := tx.Bulk(ctx, part.query, part.rows); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, insertNote, head.size, b.tree.hashes(), head.note)
		return err
	})
	if fault.Is(err, fault.Unsure) {
		return l.reloadTree(ctx, err)
	}
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	l.sealer.tree = b.tree
	l.sealed.Store(b.tree.size())
	return nil
}

// reloadTree takes the tree from the database after a commit whose reply was lost.
func (l *Log) reloadTree(ctx context.Context, cause error) error {
	err := store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		stands, _, err := loadTree(ctx, tx, l.keys)
		if err != nil {
			return err
		}
		l.sealer.tree = stands
		l.sealed.Store(stands.size())
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the tree after a commit without a reply: %w", err)
	}
	return fmt.Errorf("seal: %w", cause)
}

// levelPage is how many checkpoints are brought to the file at a time.
const levelPage = 256

// levelFile brings the file of checkpoints up to the database.
func (l *Log) levelFile(ctx context.Context) error {
	s := &l.sealer
	for s.file.level != s.tree.size() {
		behind, err := l.behind(ctx, s.file.level)
		if err != nil {
			return err
		}
		if err := s.file.add(behind); err != nil || len(behind) < levelPage {
			return err
		}
	}
	return nil
}

// behind gives the first of the database's checkpoints that the file lacks.
func (l *Log) behind(ctx context.Context, level int64) (behind []checkpoint, err error) {
	err = store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		return queryRows(ctx, tx, func(rows *store.Rows) error {
			var c checkpoint
			if err := rows.Scan(&c.size, &c.note); err != nil {
				return err
			}
			behind = append(behind, c)
			return nil
		}, "SELECT size, note FROM audit_checkpoint WHERE size > $1 ORDER BY size LIMIT $2", level, levelPage)
	})
	if err != nil {
		return nil, fmt.Errorf("read the checkpoints: %w", err)
	}
	return behind, nil
}
