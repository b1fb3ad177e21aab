package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"kakehashi/internal/store"
)

// walk reads all tables of the record side by side, once, and remembers what does not fit.
// Every table is dense: entries have the ids 1, 2, 3 …, sealed ones the positions 0, 1,
// 2 … in the same order, the persons of sealed entries the ids 1, 2, 3 … So each row has
// one place, and what stands there is right or wrong.
type walk struct {
	report   *Report
	verifier note.Verifier
	hash     *hasher
	file     *notes
	fileGone bool
	whole    bool // all tables are there

	entries, leaves, queue, persons, heads cursor
	tallies                                []*tally // of the tables, what their indexes should hold

	row      row // the entry that is being judged
	tree     *tree
	hollow   bool  // a leaf is unknown: no root can be computed any more
	proved   *tree // grows beyond tree over entries that wait, as far as the file proves it
	lastID   int64 // id of the last entry read
	person   int64 // id of the last person's row that was due
	found    findings
	numbers  numbering
	beside   beside
	lastNote int64 // size of the newest checkpoint in the database
	notes    int64 // how many the database has
}

// beyond is behind every id.
const beyond = int64(1) << 62

// part is a table of the record and how it is read.
type part struct{ table, query string }

// parts are the tables of the record, in the order in which a reader would look.
func parts() []part {
	return []part{
		{"audit_entry", "SELECT " + entryColumns + " FROM audit_entry e ORDER BY e.id"},
		{"audit_queue", "SELECT entry FROM audit_queue ORDER BY entry"},
		{"audit_leaf", "SELECT position, entry, lookup, hash FROM audit_leaf ORDER BY position"},
		{"audit_subject", "SELECT id, entry, atena_number, role FROM audit_subject ORDER BY id"},
		{"audit_checkpoint", "SELECT size, hashes, note FROM audit_checkpoint ORDER BY size"},
	}
}

// all verifies one snapshot.
func (w *walk) all(ctx context.Context, tx *store.Tx) (err error) {
	w.tree = newTree()
	w.numbers = newNumbering()
	w.file.next(w.verifier)
	for i, into := range []*cursor{&w.entries, &w.queue, &w.leaves, &w.persons, &w.heads} {
		cells, err := tx.Cells(ctx, parts()[i].query)
		if err != nil {
			return fmt.Errorf("read the record: %w", err)
		}
		into.Cells = cells
		for _, t := range w.tallies {
			if t.table == parts()[i].table {
				into.tallies = append(into.tallies, t)
			}
		}
		defer func() { err = errors.Join(err, cells.Close()) }()
	}
	for w.entries.Live {
		if err := w.visit(); err != nil {
			return err
		}
	}
	return w.rest()
}

// visit judges the next entry.
func (w *walk) visit() error {
	r := &w.row
	sound := w.entries.entry(r)
	if err := w.entries.Next(); err != nil {
		return err
	}
	if err := w.gap(r.id - 1); err != nil {
		return err
	}
	w.lastID = r.id
	w.report.Entries++
	queued := w.queue.Live && w.queue.Row[0] == r.id
	if queued {
		if err := w.queue.Next(); err != nil {
			return err
		}
	}
	content := w.hash.content(r)
	hash := w.hash.leaf(r, content)
	fits := sound && (w.hash.keyed == nil || w.hash.fits(r, content))
	if queued && !w.leafOf(r.id) {
		w.believe(r, fits)
		return w.unsealed(r, hash, fits)
	}
	return w.sealed(r, hash, fits, queued)
}

// believe takes what an entry says about the record itself, if it is what was written.
func (w *walk) believe(r *row, right bool) {
	if !right {
		w.numbers.disbelieve(r)
		return
	}
	w.numbers.saw(r)
	if r.kind == string(Loss) || r.kind == string(Opened) || r.kind == string(Settled) {
		w.numbers.heed(r)
	}
}

// leafOf tells whether the next leaf says that it is of the entry.
func (w *walk) leafOf(id int64) bool {
	return w.leaves.Live && w.leaves.Row[1] == id && w.leaves.Row[0] == w.tree.size()
}

// gap judges the ids between the last entry and another: entries that other tables know
// but that are not there.
func (w *walk) gap(until int64) error {
	for w.leaves.Live {
		l := w.leaves.leaf()
		if l.position != w.tree.size() || l.entry <= w.lastID || l.entry > until {
			break
		}
		w.numbers.absent = append(w.numbers.absent, len(w.found.missing.first))
		w.found.missing.add(claim{place: l.position + 1, id: l.entry, wants: hashOf(l.hash)})
		if err := w.grow(l.hash, l.sound); err != nil {
			return err
		}
		if err := w.leaves.Next(); err != nil {
			return err
		}
		if err := w.skipPersons(l.entry); err != nil {
			return err
		}
	}
	for w.queue.Live {
		id, ok := w.queue.number(0)
		if ok && id > until {
			break
		}
		if id > w.lastID && until == beyond {
			w.found.queueTail++
		} else {
			w.found.astrayQueue.add(id)
		}
		if err := w.queue.Next(); err != nil {
			return err
		}
	}
	return nil
}

// unsealed judges an entry that waits in the queue.
func (w *walk) unsealed(r *row, hash [hashSize]byte, fits bool) error {
	w.report.Unproved++
	w.found.waiting.add(r.name())
	if !fits {
		w.found.unfit.add(r.name())
	}
	if !w.file.live || w.hollow {
		return nil
	}
	if w.proved == nil {
		var err error
		if w.proved, err = w.tree.clone(); err != nil {
			return err
		}
	}
	// The file may be ahead of a database that was put back; then it proves these too.
	if err := w.proved.add(hash); err != nil {
		return err
	}
	for w.file.live && w.file.now.size == w.proved.size() {
		root, err := w.proved.root()
		if err != nil {
			return err
		}
		if !bytes.Equal(root, w.file.now.root) {
			break
		}
		w.found.resealed = w.proved.size() - w.tree.size()
		w.file.next(w.verifier)
	}
	return nil
}

// sealed judges an entry that should have a leaf.
func (w *walk) sealed(r *row, hash [hashSize]byte, fits, queued bool) error {
	if w.found.waiting.n > 0 { // the sealer passed them over, since they did not fit
		w.found.refused.join(w.found.waiting)
		w.found.waiting, w.found.unfit = some[string]{}, some[string]{}
		w.proved, w.found.resealed = nil, 0
	}
	for w.leaves.Live {
		l := w.leaves.leaf()
		if l.position >= w.tree.size() {
			break
		}
		w.found.astrayLeaves.add(l)
		if err := w.leaves.Next(); err != nil {
			return err
		}
	}
	if !w.leaves.Live {
		w.report.Unproved++
		w.found.leafless.add(claim{name: r.name(), id: r.id, has: hash})
		w.believe(r, fits)
		return nil
	}
	w.report.Sealed++
	l := w.leaves.leaf()
	c := claim{id: r.id, place: w.tree.size() + 1, has: hash}
	if l.position > w.tree.size() {
		c.name = r.name()
		w.found.unleafed.add(c)
		w.believe(r, fits)
		return errors.Join(w.grow(hash[:], true), w.skipPersons(r.id))
	}
	right := fits && !queued && l.sound && l.entry == r.id && l.lookup == r.lookup && bytes.Equal(l.hash, hash[:])
	w.believe(r, right)
	if !right {
		c.name, c.wants = r.name(), hashOf(l.hash)
		w.found.wrong.add(c)
	}
	if err := errors.Join(w.leaves.Next(), w.grow(l.hash, l.sound)); err != nil {
		return err
	}
	if !right {
		return w.skipPersons(r.id)
	}
	return w.checkPersons(r)
}

// checkPersons compares an entry's persons with their rows.
func (w *walk) checkPersons(r *row) error {
	if r.subjects == "" {
		return nil
	}
	for due := range strings.SplitSeq(r.subjects, " ") {
		w.person++
		for w.persons.Live && w.persons.person().id < w.person {
			w.found.astrayPersons.add(w.persons.person())
			if err := w.persons.Next(); err != nil {
				return err
			}
		}
		want := person{id: w.person, entry: r.id, text: due}
		if !w.persons.Live || w.persons.person().id > w.person {
			w.found.lostPersons.add(misfit{want: want, name: r.name(), last: !w.persons.Live})
			continue
		}
		has := w.persons.person()
		if has.at != "" { // where it was copied from a database without, it is not known
			want.at = r.at
		}
		if has != want {
			w.found.wrongPersons.add(misfit{want: want, has: has, name: r.name()})
		}
		if err := w.persons.Next(); err != nil {
			return err
		}
	}
	return nil
}

// skipPersons passes over the rows of an entry that is not there, or not to be trusted.
func (w *walk) skipPersons(entry int64) error {
	for w.persons.Live {
		p := w.persons.person()
		if p.entry != entry {
			return nil
		}
		w.person = p.id
		if err := w.persons.Next(); err != nil {
			return err
		}
	}
	return nil
}
