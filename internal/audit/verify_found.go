package audit

import "slices"

// maxFound is how many findings of a sort are remembered; the others are counted.
const maxFound = 10_000

// some remembers the first of many.
type some[T any] struct {
	first []T
	n     int64
}

func (s *some[T]) add(v T) {
	s.n++
	if len(s.first) < maxFound {
		s.first = append(s.first, v)
	}
}

func (s *some[T]) join(more some[T]) {
	s.first = append(s.first, more.first[:min(len(more.first), maxFound-len(s.first))]...)
	s.n += more.n
}

// claim is an entry and a leaf that should belong together.
type claim struct {
	name  string // of the entry; empty: it is not there
	id    int64  // of the entry
	place int64  // of the leaf, counted from 1; 0: it has none
	has   [hashSize]byte
	wants [hashSize]byte
}

func hashOf(b []byte) (h [hashSize]byte) {
	copy(h[:], b)
	return h
}

// head is a checkpoint that does not fit: the size under which it stands, and the size
// that was signed.
type head struct {
	size, signed int64
	forged       bool
}

// misfit is a person's row that is not what its entry says.
type misfit struct {
	want, has person
	name      string
	last      bool // no row stands behind it
}

// findings are what the walk found not to fit, before it is known why.
type findings struct {
	wrong    some[claim] // entry and leaf are there and do not agree
	missing  some[claim] // a leaf without its entry
	unleafed some[claim] // an entry without its leaf, in the middle
	leafless some[claim] // an entry without leaf and not in the queue, at the end
	tail     int64       // leaves behind the last entry

	waiting  some[string] // entries that wait to be sealed
	unfit    some[string] // of these, those whose keyed hash does not fit
	refused  some[string] // entries that the sealer passed over
	resealed int64        // of those that wait, how many the file proves

	queueTail     int64       // rows of the queue behind the last entry
	lostWaiting   some[int64] // rows of the queue whose entry is not there, where ids may be missing
	astrayQueue   some[int64]
	astrayLeaves  some[leaf]
	astrayPersons some[person]
	lostPersons   some[misfit]
	wrongPersons  some[misfit]

	heads     some[head]       // checkpoints of the database that do not fit
	ahead     some[head]       // those of trees larger than the leaves make
	unheaded  some[checkpoint] // checkpoints that only the file has
	unfiled   some[int64]      // checkpoints that only the database has, though the file goes on
	lostHeads []run            // checkpoints of the file that the tree does not reach or contradicts
	lostMost  int64            // the largest of these
	goodRoot  int64            // the newest checkpoint that fits
	badRoot   int64            // the first that does not; 0: all do
}

// run is a row of the file's notes, one behind the other, that the database does not bear
// out. There may be very many of them, of a day that is lost.
type run struct {
	smallest, largest int64 // trees
	last              int   // which note of the file the last of them is
}

// lose remembers a checkpoint outside the database that the database does not bear out.
func (f *findings) lose(c checkpoint) {
	if n := len(f.lostHeads) - 1; n >= 0 && f.lostHeads[n].last == c.nth-1 {
		r := &f.lostHeads[n]
		r.smallest, r.largest, r.last = min(r.smallest, c.size), max(r.largest, c.size), c.nth
	} else {
		f.lostHeads = append(f.lostHeads, run{c.size, c.size, c.nth})
	}
	f.lostMost = max(f.lostMost, c.size)
}

// sound tells whether entries and leaves agree, so that a root that does not fit has to
// be explained by itself.
func (f *findings) sound() bool {
	return f.wrong.n+f.missing.n+f.unleafed.n+f.leafless.n+f.tail+f.astrayLeaves.n == 0
}

// exchanged finds, among things that stand in wrong places, those that stand in each
// other's: has says what stands in a place, wants what should. It gives for each index the
// index of where its content should be, or -1.
func exchanged[K comparable](has, wants []K) []int {
	where := map[K]int{}
	for i, w := range wants {
		where[w] = i
	}
	target := make([]int, len(has))
	for i, h := range has {
		target[i] = -1
		if at, ok := where[h]; ok && at != i {
			target[i] = at
		}
	}
	// What moved to a place that nobody left is a change of that one place alone.
	taken := slices.Clone(target)
	for i, at := range target {
		if at >= 0 && taken[at] < 0 {
			target[i] = -1
		}
	}
	return target
}
