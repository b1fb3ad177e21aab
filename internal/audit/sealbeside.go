package audit

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// Where several gateways write, each of them seals what it finds, one at a time under a
// lock of the database: in one transaction, from the newest checkpoint on, whoever signed
// it. What is taken first gets the first place, whatever its id.

const (
	selectUnsealed = `SELECT ` + entryColumns + ` FROM audit_queue c CROSS JOIN ` + entryOfC + `
		WHERE NOT (c.entry = ANY($1)) ORDER BY c.entry LIMIT $2`
	deleteSealed     = `DELETE FROM audit_queue WHERE entry = ANY($1)`
	insertLeafBeside = `INSERT INTO audit_leaf (position, entry, lookup, hash, at) VALUES ($1, $2, $3, $4, $5)`
	insertPersonsOf  = `INSERT INTO audit_subject (id, entry, atena_number, role, at) VALUES ($1, $2, $3, $4, $5)`
	selectLastPerson = `SELECT coalesce(max(id), 0) FROM audit_subject`
	selectStanding   = `SELECT coalesce((SELECT max(size) FROM audit_checkpoint), 0), (SELECT count(*) FROM audit_queue), (SELECT coalesce(min(at), '') FROM audit_queue)`
	selectGlance     = `SELECT coalesce((SELECT max(size) FROM audit_checkpoint), 0), coalesce((SELECT note FROM audit_checkpoint WHERE size = $1), ''),
		EXISTS (SELECT FROM audit_queue WHERE NOT (entry = ANY($2)))::int`
)

// sealBesideChunk is how many entries one transaction seals there: it keeps nobody from
// writing.
const sealBesideChunk = 2000

// standing gives how many entries there are, how many of them are sealed, and since when
// the oldest of the others waits.
func standing(ctx context.Context, tx *store.Tx) (entries, sealed int64, oldest string, err error) {
	var waiting int64
	err = tx.QueryRow(ctx, selectStanding).Scan(&sealed, &waiting, &oldest)
	return sealed + waiting, sealed, oldest, err
}

// glance is what a sealer sees before it does anything.
type glance struct {
	newest  int64 // size of the newest checkpoint
	intact  bool  // the newest checkpoint that this gateway knows is still there
	waiting bool  // something is to be sealed
}

func (l *Log) glance(ctx context.Context, tx *store.Tx) (g glance, err error) {
	s := &l.sealer
	var note string
	var waiting int64
	if err := tx.QueryRow(ctx, selectGlance, s.tree.size(), s.refused).Scan(&g.newest, &note, &waiting); err != nil {
		return g, fmt.Errorf("see what is to be sealed: %w", err)
	}
	g.intact = s.tree.size() == 0 || note == s.note
	g.waiting = waiting != 0
	return g, nil
}

// sealBeside seals one chunk, where no other gateway is at it, and brings this one's file
// level with the database's checkpoints, whoever signed them. It gives how many entries it
// looked at.
func (l *Log) sealBeside(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.cfg.WriteTimeout)
	defer cancel()
	var seen glance
	err = store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) (err error) {
		if seen, err = l.glance(ctx, tx); err != nil || !seen.intact || seen.waiting {
			return err
		}
		return l.follow(ctx, tx, seen)
	})
	if err == nil && seen.intact && seen.waiting {
		n, err = l.sealUnderLock(ctx, &seen)
	}
	if err == nil && !seen.intact {
		return 0, l.fellBehind(ctx)
	}
	if err != nil {
		return 0, err
	}
	return n, l.levelFile(ctx)
}

// follow takes over the tree that another gateway has grown.
func (l *Log) follow(ctx context.Context, tx *store.Tx, seen glance) error {
	if seen.newest == l.sealer.tree.size() {
		return nil
	}
	stands, note, err := loadTree(ctx, tx, l.keys)
	if err == nil {
		l.sealer.know(stands, note)
		l.sealed.Store(stands.size())
	}
	return err
}

// sealUnderLock seals one chunk.
func (l *Log) sealUnderLock(ctx context.Context, seen *glance) (n int, err error) {
	s := &l.sealer
	var b *built
	var head checkpoint
	err = store.WithTx(store.Urgent(ctx), l.db, func(ctx context.Context, tx *store.Tx) error {
		free, err := tx.TryLock(ctx, "seal")
		if err != nil || !free {
			l.wakeSealer() // another seals; this one comes back at the pace
			return err
		}
		if *seen, err = l.glance(ctx, tx); err != nil || !seen.intact {
			return err
		}
		if err := l.follow(ctx, tx, *seen); err != nil {
			return err
		}
		chunk, err := unsealed(ctx, tx, s.refused, sealBesideChunk)
		if err != nil {
			return err
		}
		n = len(chunk)
		if b, err = s.build(chunk); err != nil {
			return err
		}
		l.refuse(ctx, b)
		if len(b.leaves) == 0 {
			return nil
		}
		if head, err = sign(l.keys.signer, b.tree, l.now()); err != nil {
			return err
		}
		return keepBeside(ctx, tx, b, head)
	})
	if err != nil {
		// After a lost reply the next glance sees what stands there: what this gateway knew
		// is there in any case.
		return 0, fmt.Errorf("seal: %w", err)
	}
	if head.size > 0 {
		s.know(b.tree, head.note)
		l.sealed.Store(b.tree.size())
	}
	return n, nil
}

// refuse remembers the entries that are not what was committed: they stay in the queue,
// where they keep no other from being sealed.
func (l *Log) refuse(ctx context.Context, b *built) {
	if b.unfit == 0 {
		return
	}
	l.sealer.refused = append(l.sealer.refused, b.refused...)
	l.unfit.Add(b.unfit)
	tell(ctx, slog.LevelError, "KKH3104", fault.New(fault.Internal, "keyed hash").WithReason("edited"))
}

// unsealed reads entries that wait to be sealed and were not refused.
func unsealed(ctx context.Context, tx *store.Tx, refused []int64, most int) (chunk []*row, err error) {
	err = entries(ctx, tx, func(r *row) error {
		chunk = append(chunk, r)
		return nil
	}, selectUnsealed, refused, most)
	if err != nil {
		return nil, fmt.Errorf("read what is to be sealed: %w", err)
	}
	return chunk, nil
}

// keepBeside adds what was built, with the checkpoint of its tree.
func keepBeside(ctx context.Context, tx *store.Tx, b *built, head checkpoint) error {
	last, err := tx.Number(ctx, selectLastPerson)
	if err != nil {
		return err
	}
	ids := make([]int64, len(b.rows))
	leaves := make([][]any, len(b.rows))
	times := make(map[any]string, len(b.rows))
	for i, r := range b.rows {
		ids[i], times[r.id] = r.id, r.at
		leaves[i] = append(slices.Clone(b.leaves[i]), r.at)
	}
	persons := make([][]any, len(b.subjects))
	for i, p := range b.subjects { // the entry first
		persons[i] = append(append([]any{last + int64(i) + 1}, p...), times[p[0]])
	}
	if err := tx.Bulk(ctx, insertLeafBeside, leaves); err != nil {
		return err
	}
	if err := tx.Bulk(ctx, insertPersonsOf, persons); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, deleteSealed, ids); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, insertNote, head.size, b.tree.hashes(), head.note)
	return err
}

// fellBehind says that the database has lost what this gateway saw in it: an older state
// was put back while it ran.
func (l *Log) fellBehind(ctx context.Context) error {
	lost, err := l.catchUp(ctx)
	if err != nil {
		return err
	}
	l.intake.owe(lost)
	return l.levelFile(ctx)
}

// resealBeside is reseal, under the lock of those who seal.
func (l *Log) resealBeside(ctx context.Context, ahead []checkpoint) (done bool, err error) {
	s := &l.sealer
	var parts []*built
	err = store.WithTx(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		if err := tx.Lock(ctx, "seal"); err != nil {
			return err
		}
		stands, signed, err := loadTree(ctx, tx, l.keys)
		if err != nil || signed != s.note {
			return err // another went on: what it sealed is another history
		}
		s.know(stands, signed)
		waiting, err := unsealed(ctx, tx, []int64{}, int(ahead[len(ahead)-1].size-stands.size()))
		if err != nil {
			return err
		}
		if parts, err = s.rebuild(waiting, ahead); err != nil {
			return err
		}
		for i, part := range parts {
			if err := keepBeside(ctx, tx, part, ahead[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("seal again: %w", err)
	}
	if parts == nil {
		return false, nil
	}
	last := len(parts) - 1
	s.know(parts[last].tree, ahead[last].note)
	s.file.level = s.tree.size()
	l.sealed.Store(s.tree.size())
	return true, nil
}
