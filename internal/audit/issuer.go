package audit

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"kakehashi/internal/store"
)

// issuer gives entries their number and their keyed hash where many transactions of one
// writer are open at once. A number is given once, whatever becomes of its transaction. It
// is safe for concurrent use.
type issuer struct {
	writer string

	mu     sync.Mutex
	hash   *hasher
	number int64                // last number given
	void   []span               // numbers that no entry bears, not yet declared
	doubts []*taken             // transactions that were not seen to commit
	going  map[*store.Tx]*taken // transactions that have not ended
	open   map[string]int64     // intents without an end: lookup -> number
}

// taken is what a transaction has taken with it.
type taken struct {
	numbers []span
	voids   []span   // that it declares
	ended   []string // lookups whose end it holds
	asked   bool     // somebody finds out how it ended
	id      int64    // the database's number of the transaction; 0: nothing of it was written
}

func newIssuer(writer string, macKey []byte) *issuer {
	return &issuer{
		writer: writer, hash: newHasher(macKey),
		going: map[*store.Tx]*taken{}, open: map[string]int64{},
	}
}

// place gives rows their place and adds them to the transaction. The first of them
// declares what is void. It returns the entries that a transaction has left standing whose
// reply was lost: their writers were told that nothing was kept.
func (s *issuer) place(ctx context.Context, tx *store.Tx, rows []*row) ([]*row, error) {
	strays, err := s.resolve(ctx, tx)
	if err != nil {
		return strays, err
	}
	t := s.take(tx, rows)
	id, err := insertPlaced(ctx, tx, s.writer, rows)
	if err != nil {
		return strays, err
	}
	s.mu.Lock()
	t.id = id
	s.mu.Unlock()
	return strays, nil
}

// take gives the rows their numbers, under the transaction's name.
func (s *issuer) take(tx *store.Tx, rows []*row) *taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.going[tx]
	if t == nil {
		t = &taken{}
		s.going[tx] = t
		tx.Done(func(committed bool) { s.end(tx, t, committed) })
	}
	first := s.number + 1
	for _, r := range rows {
		s.number++
		r.writer, r.number, r.void = s.writer, s.number, joinSpans(s.void)
		t.voids = append(t.voids, s.void...)
		s.void = nil
		r.mac = s.hash.mac(r, s.hash.content(r))
		if r.lookup == "" {
			continue
		}
		switch Kind(r.kind) {
		case Intent:
			s.open[r.lookup] = r.number
		case Outcome, Withheld, Interrupted, Refused:
			t.ended = append(t.ended, r.lookup)
		}
	}
	t.numbers = append(t.numbers, span{first, s.number})
	return t
}

// end takes how a transaction ended. One that was not seen to commit is in doubt; where
// nothing of it was written it cannot have been committed.
func (s *issuer) end(tx *store.Tx, t *taken, committed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.going, tx)
	switch {
	case committed:
		s.ends(t)
	case t.id == 0:
		s.vain(t)
	default:
		s.doubts = append(s.doubts, t)
	}
}

// ends forgets the intents whose end was committed.
func (s *issuer) ends(t *taken) {
	for _, lookup := range t.ended {
		delete(s.open, lookup)
	}
}

// vain takes back what a transaction took that was not committed.
func (s *issuer) vain(t *taken) {
	s.void = merge(append(append(s.void, t.numbers...), t.voids...))
	for lookup, number := range s.open {
		if inSpans(t.numbers, number) {
			delete(s.open, lookup)
		}
	}
}

// resolve finds out how the transactions in doubt ended, which the database knows by their
// number. One that is still under way stays in doubt.
func (s *issuer) resolve(ctx context.Context, tx *store.Tx) (strays []*row, err error) {
	for t := s.ask(nil, false); t != nil; t = s.ask(t, true) {
		var stand []*row
		ended, err := transactionEnded(ctx, tx, t.id)
		if err == nil && ended {
			stand, err = placed(ctx, tx, s.writer, t.numbers)
		}
		if err != nil {
			s.ask(t, false)
			return strays, fmt.Errorf("look for the entries of a transaction that failed: %w", err)
		}
		if ended {
			s.cleared(t, len(stand) > 0)
			strays = append(strays, stand...)
		}
	}
	return strays, nil
}

// ask gives the next transaction in doubt after the last that nobody else asks after; nil:
// there is none, or no more is wanted. Until it is cleared it stays in doubt.
func (s *issuer) ask(last *taken, more bool) (next *taken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := 0
	if last != nil {
		last.asked = false
		from = slices.Index(s.doubts, last) + 1 // it may be cleared
		if !more {
			return nil
		}
	}
	for _, t := range s.doubts[from:] {
		if !t.asked {
			t.asked = true
			return t
		}
	}
	return nil
}

// cleared takes how a transaction ended that was in doubt.
func (s *issuer) cleared(t *taken, committed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doubts = slices.DeleteFunc(s.doubts, func(other *taken) bool { return other == t })
	if committed {
		s.ends(t)
	} else {
		s.vain(t)
	}
}

// low is the lowest number of which something is still to be said: of an intent without an
// end, of a transaction that has not ended, or one that is void and not declared.
func (s *issuer) low() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	low := s.number + 1
	lower := func(spans []span) {
		for _, v := range spans {
			low = min(low, v.from)
		}
	}
	lower(s.void)
	for _, t := range s.doubts {
		lower(t.numbers)
		lower(t.voids)
	}
	for _, t := range s.going {
		lower(t.numbers)
		lower(t.voids)
	}
	for _, number := range s.open {
		low = min(low, number)
	}
	return low
}

// merge puts spans in order and joins those that touch.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return int(a.from - b.from) })
	var merged []span
	for _, v := range spans {
		if last := len(merged) - 1; last >= 0 && v.from <= merged[last].to+1 {
			merged[last].to = max(merged[last].to, v.to)
			continue
		}
		merged = append(merged, v)
	}
	return merged
}
