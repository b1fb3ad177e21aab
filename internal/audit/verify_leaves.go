package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// Where several gateways write, ids say nothing of the order of sealing, so the walk goes
// from leaf to leaf and looks for the entry of each. Entries are read in the order of their
// ids all the same, which is nearly that of their leaves; those whose leaf comes later are
// kept until then, without what they say.

// beside is what the walk along the leaves remembers besides.
type beside struct {
	early  map[int64]*kept  // entries read before their leaf
	queue  map[int64]string // of entries that wait: their time; those seen are taken out
	lives  map[string]int64 // of writers that are not settled: the number below which nothing is open
	last   int64            // the highest id of an entry read
	limit  int64            // no leaf stands there or behind
	resync bool             // a leaf is gone, and with it the place of its persons
}

// kept is an entry that was read and judged by itself.
type kept struct {
	row
	hash [hashSize]byte
	fits bool
}

// leavesParts are the tables of the record as several gateways write it.
func leavesParts() []part {
	return []part{
		{"audit_entry", "SELECT " + entryColumns + " FROM audit_entry e ORDER BY e.id"},
		{"audit_queue", "SELECT entry, at FROM audit_queue ORDER BY entry"},
		{"audit_leaf", "SELECT position, entry, lookup, hash, at FROM audit_leaf ORDER BY position"},
		{"audit_subject", "SELECT id, entry, atena_number, role, at FROM audit_subject ORDER BY id"},
		{"audit_checkpoint", "SELECT size, hashes, note FROM audit_checkpoint ORDER BY size"},
		{"audit_writer", "SELECT writer, low, settled FROM audit_writer ORDER BY writer"},
	}
}

// leafByLeaf verifies a record that several gateways write, if its tables can be read.
func (w *walk) leafByLeaf(ctx context.Context, db *store.DB) error {
	for _, p := range leavesParts() {
		err := store.Read(ctx, db, func(ctx context.Context, tx *store.Tx) error {
			cells, err := tx.Cells(ctx, p.query)
			if err != nil {
				return err
			}
			return cells.Close()
		})
		switch {
		case err == nil:
		case fault.Is(err, fault.Internal) && len(w.report.Problems) > 0:
			return nil // a table or a column is not there, as was said
		default:
			return fmt.Errorf("read the record: %w", err)
		}
	}
	if err := store.Read(ctx, db, w.allLeaves); err != nil {
		return err
	}
	w.file.place(w.numbers.losses, w.verifier)
	w.explain()
	return nil
}

// allLeaves verifies one snapshot of a record that several gateways write.
func (w *walk) allLeaves(ctx context.Context, tx *store.Tx) (err error) {
	w.tree = newTree()
	w.numbers = newNumbering()
	w.numbers.beside = true
	w.file.next(w.verifier)
	if err := w.prepareLeaves(ctx, tx); err != nil {
		return fmt.Errorf("read the record: %w", err)
	}
	for i, into := range []*cursor{&w.entries, nil, &w.leaves, &w.persons, &w.heads} {
		if into == nil {
			continue
		}
		cells, err := tx.Cells(ctx, leavesParts()[i].query)
		if err != nil {
			return fmt.Errorf("read the record: %w", err)
		}
		into.Cells = cells
		defer func() { err = errors.Join(err, cells.Close()) }()
	}
	for w.leaves.Live {
		if err := w.leafOn(); err != nil {
			return err
		}
	}
	if err := w.restOfEntries(); err != nil {
		return err
	}
	return w.restOfLeaves()
}

// prepareLeaves reads what is small: who waits, who lives, and how far leaves may go.
func (w *walk) prepareLeaves(ctx context.Context, tx *store.Tx) error {
	w.beside = beside{early: map[int64]*kept{}, queue: map[int64]string{}, lives: map[string]int64{}}
	err := queryRows(ctx, tx, func(rows *store.Rows) error {
		var entry int64
		var at string
		err := rows.Scan(&entry, &at)
		w.beside.queue[entry] = at
		return err
	}, "SELECT entry, at FROM audit_queue")
	if err != nil {
		return err
	}
	err = queryRows(ctx, tx, func(rows *store.Rows) error {
		var writer string
		var low int64
		err := rows.Scan(&writer, &low)
		w.beside.lives[writer] = low
		return err
	}, "SELECT writer, low FROM audit_writer WHERE settled = 0")
	if err != nil {
		return err
	}
	return tx.QueryRow(ctx, `SELECT greatest((SELECT count(*) FROM audit_leaf),
		coalesce((SELECT max(size) FROM audit_checkpoint), 0))`).Scan(&w.beside.limit)
}

// leafOn judges the next leaf and its entry.
func (w *walk) leafOn() error {
	l := w.leaves.leaf()
	at, _ := w.leaves.text(4)
	if err := w.leaves.Next(); err != nil {
		return err
	}
	size := w.tree.size()
	if l.position < size || l.position >= w.beside.limit {
		w.found.astrayLeaves.add(l)
		return nil
	}
	for ; size < l.position; size++ {
		w.found.unleafed.add(claim{name: fmt.Sprint(size + 1), place: size + 1})
		w.beside.resync = true
		if err := w.grow(nil, false); err != nil {
			return err
		}
	}
	e, err := w.entryOf(l.entry)
	if err != nil {
		return err
	}
	if e == nil {
		return w.entryless(l)
	}
	w.report.Sealed++
	waits, queued := w.beside.queue[l.entry]
	if queued {
		w.unqueue(e, waits)
	}
	right := e.fits && !queued && l.sound && l.lookup == e.lookup && bytes.Equal(l.hash, e.hash[:]) && (at == "" || at == e.at)
	w.believe(&e.row, right)
	if right && (e.kind == string(Settled) || e.kind == string(Opened)) {
		w.numbers.seal()
	}
	if !right {
		w.found.wrong.add(claim{name: e.name(), id: e.id, place: l.position + 1, has: e.hash, wants: hashOf(l.hash)})
	}
	if err := w.grow(l.hash, l.sound); err != nil {
		return err
	}
	if err := w.catchPersons(e); err != nil {
		return err
	}
	if !right {
		return w.skipPersons(e.id)
	}
	return w.checkPersons(&e.row)
}

// entryless judges a leaf whose entry is not there.
func (w *walk) entryless(l leaf) error {
	w.found.missing.add(claim{place: l.position + 1, id: l.entry, wants: hashOf(l.hash)})
	if _, queued := w.beside.queue[l.entry]; queued {
		w.found.astrayQueue.add(l.entry)
		delete(w.beside.queue, l.entry)
	}
	if err := w.grow(l.hash, l.sound); err != nil {
		return err
	}
	return w.skipPersons(l.entry)
}

// catchPersons passes over the rows of persons whose leaf is gone, to those of an entry.
func (w *walk) catchPersons(e *kept) error {
	if !w.beside.resync || e.subjects == "" {
		return nil
	}
	w.beside.resync = false
	for w.persons.Live && w.persons.person().entry != e.id {
		w.person = w.persons.person().id
		if err := w.persons.Next(); err != nil {
			return err
		}
	}
	return nil
}

// unqueue takes a row of the queue whose entry was seen out of the list.
func (w *walk) unqueue(e *kept, at string) {
	if at != "" && at != e.at {
		w.found.astrayQueue.add(e.id)
	}
	delete(w.beside.queue, e.id)
}

// read judges the next entry by itself.
func (w *walk) read() (*kept, error) {
	e := &kept{}
	sound := w.entries.entry(&e.row)
	e.salt, e.mac = bytes.Clone(e.salt), bytes.Clone(e.mac)
	if err := w.entries.Next(); err != nil {
		return nil, err
	}
	content := w.hash.content(&e.row)
	e.hash = w.hash.leaf(&e.row, content)
	e.fits = sound && (w.hash.keyed == nil || w.hash.fits(&e.row, content))
	w.report.Entries++
	w.lastID = w.report.Entries
	w.beside.last = e.id
	return e, nil
}

// entryOf gives the entry of an id, reading on to it; nil: it is not there.
func (w *walk) entryOf(id int64) (*kept, error) {
	if e := w.beside.early[id]; e != nil {
		delete(w.beside.early, id)
		return e, nil
	}
	for w.entries.Live {
		if next, ok := w.entries.number(0); ok && next > id {
			return nil, nil
		}
		e, err := w.read()
		if err != nil || e.id == id {
			return e, err
		}
		w.keep(e)
	}
	return nil, nil
}

// keep remembers an entry until its leaf comes. Of most it needs no more than what binds.
func (w *walk) keep(e *kept) {
	e.salt, e.mac = nil, nil
	switch Kind(e.kind) {
	case Loss, Opened, Settled:
	default:
		e.body = ""
	}
	w.beside.early[e.id] = e
}

// restOfEntries judges the entries that no leaf names.
func (w *walk) restOfEntries() error {
	for _, id := range slices.Sorted(maps.Keys(w.beside.early)) {
		if err := w.leafless(w.beside.early[id]); err != nil {
			return err
		}
	}
	for w.entries.Live {
		e, err := w.read()
		if err == nil {
			err = w.leafless(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) leafless(e *kept) error {
	waits, queued := w.beside.queue[e.id]
	if !queued {
		w.report.Unproved++
		w.found.leafless.add(claim{name: e.name(), id: e.id, has: e.hash})
		w.believe(&e.row, e.fits)
		return nil
	}
	w.unqueue(e, waits)
	w.believe(&e.row, e.fits)
	if w.numbers.sealedEnds[e.writer] && e.number <= w.numbers.ends[e.writer] {
		// Its writer was settled later than it was written, and that is sealed: who sealed
		// it has seen this entry too.
		w.report.Unproved++
		w.found.refused.add(e.name())
		return nil
	}
	return w.unsealed(&e.row, e.hash, e.fits)
}

// restOfLeaves judges what stands behind the last entry and the last leaf.
func (w *walk) restOfLeaves() error {
	for _, id := range slices.Sorted(maps.Keys(w.beside.queue)) {
		if id > w.beside.last {
			w.found.queueTail++
		} else {
			w.found.lostWaiting.add(id)
		}
	}
	w.pair()
	for w.persons.Live {
		p := w.persons.person()
		if w.found.tail == 0 || p.entry <= w.beside.last {
			w.found.astrayPersons.add(p)
		}
		if err := w.persons.Next(); err != nil {
			return err
		}
	}
	if err := w.restOfHeads(); err != nil {
		return err
	}
	w.numbers.judge(w.beside.lives, w.found.missing.n+w.found.tail)
	return nil
}

// pair finds leaves whose entry is there under another id, tells those whose entries are
// gone from the end from the others, and names leaves that are gone by the entries that
// have none.
func (w *walk) pair() {
	f := &w.found
	at := map[[hashSize]byte]int{}
	for i, c := range f.missing.first {
		at[c.wants] = i + 1
	}
	paired := map[int]bool{}
	left := f.leafless
	left.first = nil
	for _, c := range f.leafless.first {
		i := at[c.has]
		if i == 0 || paired[i] {
			left.first = append(left.first, c)
			continue
		}
		paired[i] = true
		left.n--
		m := f.missing.first[i-1]
		f.wrong.add(claim{name: c.name, id: c.id, place: m.place, has: c.has})
	}
	f.leafless = left
	var missing []claim
	for i, c := range f.missing.first {
		switch {
		case paired[i+1]:
			f.missing.n--
		case c.id > w.beside.last:
			f.missing.n--
			f.tail++
		default:
			missing = append(missing, c)
		}
	}
	f.missing.first = missing
	if f.unleafed.n == f.leafless.n && f.unleafed.n == int64(len(f.unleafed.first)) {
		for i := range f.unleafed.first {
			f.unleafed.first[i].name = f.leafless.first[i].name
		}
		f.leafless = some[claim]{}
	}
}
