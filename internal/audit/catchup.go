package audit

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// maxReseal is how many entries are sealed again, at the most, to catch up with a file
// that is ahead: what a backup can miss between committing and sealing, and much more.
const maxReseal = 100_000

// catchUp brings the database into step with the file of checkpoints, and gives the
// entries that declare what is lost.
//
// The database is committed first and the file written afterwards, so a crash leaves the
// file behind by a checkpoint; that is made good by levelFile. A database behind its file
// was put back to an older day. If sealing what waits in its queue gives the very
// checkpoints of the file, nothing is missing (a backup was taken between committing and
// sealing). If not, entries are lost, and the record says so for ever.
func (l *Log) catchUp(ctx context.Context) ([]Entry, error) {
	err := store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		t, err := loadTree(ctx, tx, l.keys)
		l.sealer.tree = t
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the newest checkpoint: %w", err)
	}
	stands := l.sealer.tree.size()
	l.sealed.Store(stands)
	known, err := readFile(l.sealer.file.path, stands)
	switch {
	case errors.Is(err, fs.ErrNotExist) && stands == 0:
		return nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return l.declare(ctx, Entry{Kind: Loss, Reason: "checkpoints_file_missing"})
	case err != nil:
		return nil, err
	}
	if l.sealer.file.level, err = l.inStep(ctx, known.below); err != nil {
		return nil, err
	}
	if len(known.ahead) == 0 {
		return nil, nil
	}
	ahead := make([]checkpoint, len(known.ahead))
	for i, signed := range known.ahead {
		if ahead[i], err = openCheckpoint(signed, l.keys.verifier); err != nil {
			return nil, inconsistent("the file of checkpoints ends with one that is not signed with this key")
		}
	}
	if done, err := l.reseal(ctx, ahead); done || err != nil {
		return nil, err
	}
	lost := ahead[len(ahead)-1]
	return l.declare(ctx, Entry{Kind: Loss, Reason: "database_behind", Detail: map[string]string{
		"lost_size": strconv.FormatInt(lost.size, 10),
		"lost_root": base64.StdEncoding.EncodeToString(lost.root),
	}})
}

// fileEnd is the end of the file of checkpoints, as its notes stand.
type fileEnd struct {
	below []string // the last few of trees that are not larger than the database's
	ahead []string // those at the end that are of larger trees
	sizes []int64  // of ahead
}

// readFile reads the end of the file of checkpoints.
func readFile(path string, stands int64) (end fileEnd, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return end, fs.ErrNotExist
	}
	if err != nil {
		return end, fileFault("open", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return end, fileFault("read", err)
	}
	notes := newNoteReader(file, info.Size())
	for {
		signed, more, err := notes.next()
		if err != nil || !more {
			return end, err
		}
		size, ok := sizeOf(signed)
		if !ok {
			return end, inconsistent("the file of checkpoints holds something else")
		}
		end.add(signed, size, stands)
	}
}

// add takes the next note of the file.
func (end *fileEnd) add(signed string, size, stands int64) {
	for n := len(end.sizes) - 1; n >= 0 && end.sizes[n] >= size; n-- {
		end.sizes, end.ahead = end.sizes[:n], end.ahead[:n] // lost long ago, and declared
	}
	if size > stands {
		end.sizes, end.ahead = append(end.sizes, size), append(end.ahead, signed)
		return
	}
	end.sizes, end.ahead = nil, nil
	if len(end.below) == 64 {
		end.below = append(end.below[:0], end.below[32:]...)
	}
	end.below = append(end.below, signed)
}

// sizeOf reads the size out of a checkpoint without making sure who signed it.
func sizeOf(signed string) (int64, bool) {
	lines := strings.SplitN(signed, "\n", 3)
	if len(lines) < 3 {
		return 0, false
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	return size, err == nil && size > 0
}

// inStep finds the size up to which the file holds the database's own checkpoints.
func (l *Log) inStep(ctx context.Context, below []string) (level int64, err error) {
	err = store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		for _, written := range slices.Backward(below) {
			size, _ := sizeOf(written)
			var note string
			err := tx.QueryRow(ctx, "SELECT note FROM audit_checkpoint WHERE size = $1", size).Scan(&note)
			if err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
			if err == nil && note == written {
				level = size
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("compare the checkpoints: %w", err)
	}
	return level, nil
}

// reseal seals what waits in the queue up to the file's newest checkpoint, if that gives
// the file's roots, and keeps the file's own notes. Otherwise it changes nothing.
func (l *Log) reseal(ctx context.Context, ahead []checkpoint) (bool, error) {
	s := &l.sealer
	missing := ahead[len(ahead)-1].size - s.tree.size()
	if missing > maxReseal {
		return false, nil
	}
	waiting, err := l.queued(ctx, int(missing))
	if err != nil || int64(len(waiting)) < missing {
		return false, err
	}
	parts := make([]*built, len(ahead))
	trial := sealer{tree: s.tree, hash: s.hash}
	for i, head := range ahead {
		n := head.size - trial.tree.size()
		if parts[i], err = trial.build(waiting[:n]); err != nil {
			return false, err
		}
		waiting = waiting[n:]
		root, err := parts[i].tree.root()
		if err != nil {
			return false, fmt.Errorf("compute the root: %w", err)
		}
		if parts[i].unfit > 0 || !bytes.Equal(root, head.root) {
			return false, nil
		}
		trial.tree = parts[i].tree
	}
	for i, head := range ahead {
		if err := l.keep(ctx, parts[i], head); err != nil {
			return false, err
		}
	}
	s.file.level = s.tree.size()
	return true, nil
}

// declare completes the entry about a loss by what the database still has. A loss that
// was declared already, by a writer that died before it could seal that, is not declared
// again.
func (l *Log) declare(ctx context.Context, e Entry) ([]Entry, error) {
	root, err := l.sealer.tree.root()
	if err != nil {
		return nil, fmt.Errorf("compute the root: %w", err)
	}
	if e.Detail == nil {
		e.Detail = map[string]string{}
	}
	e.Detail["size"] = strconv.FormatInt(l.sealer.tree.size(), 10)
	e.Detail["root"] = base64.StdEncoding.EncodeToString(root)
	declared := false
	err = store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		stands, err := lastID(ctx, tx)
		if err != nil {
			return err
		}
		e.Detail["entries"] = strconv.FormatInt(stands, 10)
		return entries(ctx, tx, func(r *row) error {
			known, err := r.decode()
			if err != nil {
				return err
			}
			declared = declared || known.Reason == e.Reason && known.Detail["lost_root"] == e.Detail["lost_root"]
			return nil
		}, "SELECT "+entryColumns+" FROM audit_entry e WHERE e.kind = 'loss'")
	})
	if err != nil {
		return nil, fmt.Errorf("look whether the loss is declared: %w", err)
	}
	l.loss = true
	tell(ctx, slog.LevelError, "KKH3103", fault.New(fault.Conflict, "the record is behind its checkpoints").WithReason(e.Reason))
	if declared && e.Detail["lost_root"] != "" {
		return nil, nil
	}
	return []Entry{e}, nil
}
