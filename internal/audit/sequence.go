package audit

import (
	"context"
	"fmt"
	"slices"

	"kakehashi/internal/store"
)

// sequence gives entries their id, their number and their keyed hash, inside the
// transaction that writes them. Only who holds the database's turn to write touches it.
type sequence struct {
	writer string
	hash   *hasher
	number int64 // last number given; a number is never given twice
	state
	tx *store.Tx // the transaction that has been prepared
}

// state is what a transaction that fails puts back.
type state struct {
	id    int64  // last id given
	void  []span // numbers that no entry bears, not yet declared
	doubt []span // numbers of transactions that failed: whether they stand is to be seen
	seen  int64  // the id after which they would stand
}

// place gives rows their place and adds them to the transaction. The first of them
// declares what is void. It returns the entries that a failed transaction has left
// standing: their writers were told that nothing was kept.
func (s *sequence) place(ctx context.Context, tx *store.Tx, rows []*row) ([]*row, error) {
	var strays []*row
	if s.tx != tx {
		var err error
		if strays, err = s.prepare(ctx, tx); err != nil {
			return nil, err
		}
	}
	bound := make([][]any, len(rows))
	for i, r := range rows {
		s.id++
		s.number++
		r.id, r.writer, r.number, r.void = s.id, s.writer, s.number, joinSpans(s.void)
		s.void = nil
		r.mac = s.hash.mac(r, s.hash.content(r))
		bound[i] = []any{r.id, r.writer, r.number, r.at, r.kind, r.lookup, r.staff, r.caseID, r.subjects, r.void, r.body, r.salt, r.mac}
	}
	if err := tx.Bulk(ctx, insertEntry, bound); err != nil {
		return nil, fmt.Errorf("write entries: %w", err)
	}
	if _, err := tx.Exec(ctx, insertQueue, rows[0].id, s.id); err != nil {
		return nil, fmt.Errorf("queue entries: %w", err)
	}
	// What has been added to the schema may take away what was written: only what stands
	// there is written.
	stand, err := tx.Number(ctx, countPlaced, rows[0].id, s.id)
	if err != nil {
		return nil, fmt.Errorf("count the entries written: %w", err)
	}
	if stand != int64(len(rows)) {
		return nil, inconsistent("entries that were written do not stand there")
	}
	return strays, nil
}

// prepare readies the sequence for a transaction, and for its failure.
func (s *sequence) prepare(ctx context.Context, tx *store.Tx) ([]*row, error) {
	before, number := s.state, s.number
	s.tx = tx
	tx.Done(func(committed bool) {
		s.tx = nil
		if committed {
			return
		}
		s.state = before
		if s.number > number {
			if len(s.doubt) == 0 {
				s.seen = before.id
			}
			s.doubt = addSpan(slices.Clone(s.doubt), span{number + 1, s.number})
		}
	})
	if len(s.doubt) == 0 {
		return nil, nil
	}
	return s.resolve(ctx, tx)
}

// resolve finds out which numbers of transactions that failed stand all the same: a
// commit whose reply was lost may have taken effect. The others are void.
func (s *sequence) resolve(ctx context.Context, tx *store.Tx) ([]*row, error) {
	var strays []*row
	present := map[int64]bool{}
	last := s.seen
	err := entries(ctx, tx, func(r *row) error {
		last = r.id
		if r.writer == s.writer && inSpans(s.doubt, r.number) {
			present[r.number] = true
			strays = append(strays, r)
		}
		return nil
	}, "SELECT "+entryColumns+" FROM audit_entry e WHERE e.id > $1 ORDER BY e.id", s.seen)
	if err != nil {
		return nil, fmt.Errorf("look for the entries of a transaction that failed: %w", err)
	}
	void := slices.Clone(s.void)
	for _, d := range s.doubt {
		for n := d.from; n <= d.to; n++ {
			if !present[n] {
				void = addSpan(void, span{n, n})
			}
		}
	}
	s.id, s.void, s.doubt = last, void, nil
	return strays, nil
}
