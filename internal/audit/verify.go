package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sync/errgroup"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// VerifyInput says what is to be verified, and with what. All but DB are paths.
type VerifyInput struct {
	DB            store.Config // of gateways that run or not, or a copy; its role needs to read audit_* and no more
	Checkpoints   string       // the file of checkpoints
	PublicKeyFile string
	MACKeyFile    string // the keyed hash's key; empty: what is not sealed is not checked
}

// Report says whether the record is as it was written.
type Report struct {
	OK       bool      `json:"ok"`
	Entries  int64     `json:"entries"`
	Sealed   int64     `json:"sealed"`
	Unproved int64     `json:"unproved"` // not sealed yet; alone no problem
	Problems []Problem `json:"problems"`
}

// ProblemKind says what was done to the record.
type ProblemKind string

// The kinds of problems.
const (
	Edited    ProblemKind = "edited"    // something is not what was written, or was never written
	Deleted   ProblemKind = "deleted"   // something is gone from the middle
	Reordered ProblemKind = "reordered" // something stands in another's place
	Cut       ProblemKind = "cut"       // the end is gone
	Missing   ProblemKind = "missing"   // a whole part is gone
)

// Problem is one thing that is wrong.
type Problem struct {
	Kind  ProblemKind `json:"kind"`
	Entry string      `json:"entry"` // writer/number of an entry, or its place; empty: none in particular
	Text  string      `json:"text"`  // what is wrong, in plain Japanese
}

// maxProblems is how many problems a report lists; of the rest it gives the number.
const maxProblems = 100

func (r *Report) add(kind ProblemKind, entry, format string, args ...any) {
	r.Problems = append(r.Problems, Problem{Kind: kind, Entry: entry, Text: fmt.Sprintf(format, args...)})
}

// finish sets OK and shortens the list.
func (r *Report) finish() Report {
	r.OK = len(r.Problems) == 0
	if r.Problems == nil {
		r.Problems = []Problem{}
	}
	if more := len(r.Problems) - maxProblems; more > 0 {
		last := r.Problems[maxProblems-1]
		r.Problems = r.Problems[:maxProblems]
		r.add(last.Kind, "", "このほかに%d件の不一致があります。", more)
	}
	return *r
}

// Verify reads the whole record, changes nothing, and reports what is wrong with it. It
// works on the database of a running gateway, on a copy, and without any gateway. What it
// finds is in the report; an error means that it could not look.
func Verify(ctx context.Context, in VerifyInput) (Report, error) {
	r := &Report{}
	w := &walk{report: r}
	if err := w.loadKeys(in); err != nil {
		return Report{}, err
	}
	if len(r.Problems) > 0 {
		return r.finish(), nil
	}
	// The file is read before the snapshot is taken: a running gateway commits to the
	// database first, so what stands in the file by now stands in the snapshot too.
	var err error
	if w.file, err = openNotes(in.Checkpoints); err != nil {
		w.file = &notes{unread: !errors.Is(err, fs.ErrNotExist)}
		w.fileGone = !w.file.unread
	}
	defer func() { _ = w.file.close() }() // it was only read
	db, err := store.OpenReadOnly(ctx, in.DB)
	if err == nil {
		err = errors.Join(w.both(ctx, db), db.Close())
	}
	if err = w.blame(err); err != nil {
		return Report{}, err
	}
	return r.finish(), nil
}

// both reads the tables and, beside that, compares them with their indexes.
func (w *walk) both(ctx context.Context, db *store.DB) error {
	if err := store.Read(ctx, db, w.schema); err != nil {
		return err
	}
	if db.Engine() == store.Postgres {
		return w.leafByLeaf(ctx, db)
	}
	if !w.whole {
		return nil
	}
	var torn []string
	var found []*tally
	side, ctx := errgroup.WithContext(ctx)
	side.Go(func() error {
		return store.Read(ctx, db, func(ctx context.Context, tx *store.Tx) (err error) {
			found, torn, err = readIndexes(ctx, tx, w.tallies)
			return err
		})
	})
	side.Go(func() error { return store.Read(ctx, db, w.all) })
	err := side.Wait()
	if err == nil {
		w.file.place(w.numbers.losses, w.verifier)
		w.explain()
		w.explainIndexes(found, torn)
	}
	return err
}

// blame turns what kept the database from being read into a problem, where the database
// is to blame.
func (w *walk) blame(err error) error {
	switch fault.Code(err) {
	case "KKH3204":
		if fault.Is(err, fault.NotFound) {
			w.report.add(Missing, "", "データベースのファイルがありません。")
			return nil
		}
	case "KKH3203":
		w.report.add(Edited, "", "データベースのファイルが、架け橋のものではありません。")
		return nil
	case "KKH3208":
		w.report.add(Edited, "", "データベースのファイルが壊れているため、最後まで検証できません。")
		return nil
	}
	if err != nil {
		return fmt.Errorf("verify the record: %w", err)
	}
	return nil
}

func (w *walk) loadKeys(in VerifyInput) error {
	public, err := loadPublicKey(in.PublicKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		w.report.add(Missing, "", "封印を検証する公開鍵のファイルがありません。")
		return nil
	}
	if err != nil {
		return err
	}
	w.verifier = public
	var mac []byte
	if in.MACKeyFile != "" {
		mac, err = loadMACKey(in.MACKeyFile)
		if errors.Is(err, fs.ErrNotExist) {
			w.report.add(Missing, "", "記録の照合鍵のファイルがありません。")
			return nil
		}
		if err != nil {
			return err
		}
	}
	w.hash = newHasher(mac)
	return nil
}
