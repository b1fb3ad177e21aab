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
//
// Where several gateways write, each has a file of its own, and one that joins them has
// none yet: it writes one from the database and declares nothing. The others may have gone
// on from an older day before this one comes to look, so notes at the end of its file that
// the database does not bear are lost too, however large the tree is by now.
func (l *Log) catchUp(ctx context.Context) ([]Entry, error) {
	seen := l.sealer.note // by a gateway that runs
	err := store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		t, signed, err := loadTree(ctx, tx, l.keys)
		if err == nil {
			l.sealer.know(t, signed)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the newest checkpoint: %w", err)
	}
	stands := l.sealer.tree.size()
	l.sealed.Store(stands)
	known, err := readFile(l.sealer.file.path, stands)
	switch {
	case errors.Is(err, fs.ErrNotExist) && (stands == 0 || l.issuer != nil) && seen == "":
		l.sealer.file.fresh = stands > 0
		return nil, nil
	case errors.Is(err, fs.ErrNotExist) && l.issuer == nil:
		return l.declare(ctx, Entry{Kind: Loss, Reason: "checkpoints_file_missing"})
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	common, astray, err := l.inStep(ctx, known.below)
	if err != nil {
		return nil, err
	}
	l.sealer.file.level = common.size
	if l.issuer == nil {
		astray = nil
	} else if seen != "" && seen != common.note && !slices.Contains(append(astray, known.ahead...), seen) {
		known.ahead = append(known.ahead, seen)
	}
	ahead := make([]checkpoint, 0, len(astray)+len(known.ahead))
	for _, signed := range append(astray, known.ahead...) {
		c, err := openCheckpoint(signed, l.keys.verifier)
		if err != nil {
			return nil, inconsistent("the file of checkpoints ends with one that is not signed with this key")
		}
		ahead = append(ahead, c)
	}
	if len(ahead) == 0 {
		return nil, nil
	}
	if len(astray) == 0 {
		if done, err := l.reseal(ctx, ahead); done || err != nil {
			return nil, err
		}
	}
	lost := ahead[len(ahead)-1]
	detail := map[string]string{
		"lost_size": strconv.FormatInt(lost.size, 10),
		"lost_root": base64.StdEncoding.EncodeToString(lost.root),
	}
	if len(astray) > 0 { // up to where the file bears the database out
		detail["size"], detail["root"] = strconv.FormatInt(common.size, 10), base64.StdEncoding.EncodeToString(common.root)
	}
	return l.declare(ctx, Entry{Kind: Loss, Reason: "database_behind", Detail: detail})
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

// inStep finds the newest of the file's checkpoints that is the database's own, and gives
// those behind it, which are not.
func (l *Log) inStep(ctx context.Context, below []string) (common checkpoint, astray []string, err error) {
	err = store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		for i, written := range slices.Backward(below) {
			size, _ := sizeOf(written)
			var note string
			err := tx.QueryRow(ctx, "SELECT note FROM audit_checkpoint WHERE size = $1", size).Scan(&note)
			if err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
			if err == nil && note == written {
				common = checkpoint{size: size, note: note}
				if c, err := openCheckpoint(note, l.keys.verifier); err == nil {
					common.root = c.root
				}
				astray = below[i+1:]
				return nil
			}
		}
		astray = below
		return nil
	})
	if err != nil {
		return checkpoint{}, nil, fmt.Errorf("compare the checkpoints: %w", err)
	}
	return common, slices.Clone(astray), nil
}

// reseal seals what waits in the queue up to the file's newest checkpoint, if that gives
// the file's roots, and keeps the file's own notes. Otherwise it changes nothing.
func (l *Log) reseal(ctx context.Context, ahead []checkpoint) (bool, error) {
	s := &l.sealer
	missing := ahead[len(ahead)-1].size - s.tree.size()
	if missing > maxReseal {
		return false, nil
	}
	if l.issuer != nil {
		return l.resealBeside(ctx, ahead)
	}
	waiting, err := l.queued(ctx, int(missing))
	if err != nil || int64(len(waiting)) < missing {
		return false, err
	}
	parts, err := s.rebuild(waiting, ahead)
	if err != nil || parts == nil {
		return false, err
	}
	for i, head := range ahead {
		if err := l.keep(ctx, parts[i], head); err != nil {
			return false, err
		}
	}
	s.file.level = s.tree.size()
	return true, nil
}

// rebuild builds what sealing the entries adds, a part for each of the file's checkpoints;
// nil: it does not give them.
func (s *sealer) rebuild(waiting []*row, ahead []checkpoint) (parts []*built, err error) {
	trial := sealer{tree: s.tree, hash: s.hash}
	for _, head := range ahead {
		n := head.size - trial.tree.size()
		if n < 0 || n > int64(len(waiting)) {
			return nil, nil
		}
		part, err := trial.build(waiting[:n])
		if err != nil {
			return nil, err
		}
		waiting = waiting[n:]
		root, err := part.tree.root()
		if err != nil {
			return nil, fmt.Errorf("compute the root: %w", err)
		}
		if part.unfit > 0 || !bytes.Equal(root, head.root) {
			return nil, nil
		}
		trial.tree = part.tree
		parts = append(parts, part)
	}
	return parts, nil
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
	if e.Detail["size"] == "" {
		e.Detail["size"] = strconv.FormatInt(l.sealer.tree.size(), 10)
		e.Detail["root"] = base64.StdEncoding.EncodeToString(root)
	}
	declared := false
	err = store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		stands, err := lastID(ctx, tx)
		if tx.Engine() == store.Postgres {
			stands, _, _, err = standing(ctx, tx)
		}
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
	l.loss.Store(true)
	tell(ctx, slog.LevelError, "KKH3103", fault.New(fault.Conflict, "the record is behind its checkpoints").WithReason(e.Reason))
	if declared && e.Detail["lost_root"] != "" {
		return nil, nil
	}
	return []Entry{e}, nil
}
