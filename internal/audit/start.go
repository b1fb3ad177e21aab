package audit

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// inconsistent says that the end of the record does not hold together.
func inconsistent(what string) error {
	return fault.New(fault.Internal, "the record does not hold together: %s; verify it before starting", what).
		WithCode("KKH3102").WithReason("inconsistent")
}

// checkSchema refuses a database whose schema is not the one that the migrations make:
// what was added to it may change what is written, or hide it.
func (l *Log) checkSchema(ctx context.Context) error {
	var strange []misshape
	err := store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) (err error) {
		strange, err = compareSchema(ctx, tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("compare the schema: %w", err)
	}
	if len(strange) > 0 {
		return inconsistent("the schema is not the one that the migrations make")
	}
	return nil
}

// loadTree goes on from the newest checkpoint, once it is sure that the gateway signed it,
// and gives that checkpoint too.
func loadTree(ctx context.Context, tx *store.Tx, keys Keys) (*tree, string, error) {
	size, hashes, signed, err := lastCheckpoint(ctx, tx)
	if err != nil {
		return nil, "", err
	}
	if size == 0 {
		return newTree(), "", nil
	}
	head, err := openCheckpoint(signed, keys.verifier)
	if err != nil {
		return nil, "", inconsistent("the newest checkpoint is not signed with this key")
	}
	t, err := restoreTree(size, hashes)
	if err != nil {
		return nil, "", inconsistent("the newest checkpoint is not whole")
	}
	root, err := t.root()
	if err != nil || head.size != size || !bytes.Equal(root, head.root) {
		return nil, "", inconsistent("the newest checkpoint is not the one that was signed")
	}
	return t, signed, nil
}

// begin settles the last writer and writes this one's first entries, in one transaction.
// Writers before the last were settled by those after them.
func (l *Log) begin(ctx context.Context, lost []Entry) error {
	if l.issuer != nil {
		return l.beginBeside(ctx, lost)
	}
	var first []Entry
	err := store.Read(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		var err error
		if l.seq.id, err = lastID(ctx, tx); err != nil {
			return err
		}
		first, err = settlement(ctx, tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("settle the last writer: %w", err)
	}
	rows, err := l.encodeAll(append(first, lost...))
	if err != nil {
		return err
	}
	return store.WithTx(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		return l.place(ctx, tx, rows)
	})
}

// beginBeside is begin where other writers may live: it takes a lease and writes this one's
// first entries. Who is gone is settled later, when its lease is over. Before the first of
// all writers may stand a record that was copied from a database that knows no lease; its
// last writer is gone.
func (l *Log) beginBeside(ctx context.Context, lost []Entry) error {
	return store.WithTx(ctx, l.db, func(ctx context.Context, tx *store.Tx) error {
		if err := tx.Lock(ctx, "writers"); err != nil {
			return err
		}
		others, err := tx.Number(ctx, "SELECT count(*) FROM (SELECT 1 FROM audit_writer LIMIT 1) w")
		if err != nil {
			return err
		}
		first := []Entry{{Kind: Opened}}
		if others == 0 {
			if first, err = settlement(ctx, tx); err != nil {
				return fmt.Errorf("settle the last writer: %w", err)
			}
		}
		if l.sealer.file.fresh {
			if first[0].Detail == nil {
				first[0].Detail = map[string]string{}
			}
			first[0].Detail["checkpoints_file"] = "written"
		}
		rows, err := l.encodeAll(append(first, lost...))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO audit_writer (writer) VALUES ($1)", l.issuer.writer); err != nil {
			return err
		}
		return l.place(ctx, tx, rows)
	})
}

func (l *Log) encodeAll(entries []Entry) ([]*row, error) {
	rows := make([]*row, 0, len(entries))
	for _, e := range entries {
		r, err := l.encode(e)
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// settlement gives the entries with which a writer begins: that it opens, which writers
// it settles and up to which number, and that each intent left open was interrupted.
func settlement(ctx context.Context, tx *store.Tx) ([]Entry, error) {
	begun, _, err := lastOpened(ctx, tx)
	if fault.Is(err, fault.NotFound) {
		return []Entry{{Kind: Opened}}, nil
	}
	if err != nil {
		return nil, err
	}
	last := map[string]int64{} // of each writer, its highest number
	open := newUnended()
	err = queryRows(ctx, tx, func(rows *store.Rows) error {
		var r row
		if err := rows.Scan(&cell[string]{&r.writer, &r.mistyped}, &cell[int64]{&r.number, &r.mistyped},
			&r.kind, &r.lookup, &r.staff, &r.caseID); err != nil {
			return err
		}
		if !r.mistyped {
			last[r.writer] = max(last[r.writer], r.number)
		}
		open.take(&r)
		return nil
	}, "SELECT writer, number, kind, lookup, staff, case_id FROM audit_entry WHERE id >= $1 ORDER BY id", begun)
	if err != nil {
		return nil, err
	}
	var settled []string
	for _, w := range slices.Sorted(maps.Keys(last)) {
		settled = append(settled, fmt.Sprintf("%s/%d", w, last[w]))
	}
	first := []Entry{{Kind: Opened, Detail: map[string]string{"settled": strings.Join(settled, ",")}}}
	return append(first, open.interrupted()...), nil
}
