package audit

import "bytes"

// grow adds a leaf to the tree and judges the checkpoints of its new size.
func (w *walk) grow(hash []byte, known bool) error {
	var leaf [hashSize]byte
	copy(leaf[:], hash)
	w.hollow = w.hollow || !known
	if err := w.tree.add(leaf); err != nil {
		return err
	}
	size := w.tree.size()
	for w.heads.Live {
		if at, ok := w.heads.number(0); ok && at > size {
			break
		} else if at < size {
			w.found.heads.add(head{size: at})
		} else if err := w.judgeHead(size); err != nil {
			return err
		}
		if err := w.heads.Next(); err != nil {
			return err
		}
	}
	return w.judgeFile(size)
}

// judgeHead judges the database's checkpoint of the tree as it stands.
func (w *walk) judgeHead(size int64) error {
	w.lastNote = size
	w.notes++
	text, _ := w.heads.text(2)
	hashes, _ := w.heads.bytes(1)
	c, err := openCheckpoint(text, w.verifier)
	if err != nil || c.size != size {
		w.found.heads.add(head{size: size, signed: c.size, forged: err != nil})
		return nil //nolint:nilerr // that it cannot be opened is the finding
	}
	if w.hollow {
		return nil
	}
	root, err := w.tree.root()
	if err != nil {
		return err
	}
	switch {
	case !bytes.Equal(root, c.root):
		if w.found.badRoot == 0 {
			w.found.badRoot = size
		}
	case !bytes.Equal(hashes, w.tree.hashes()):
		w.found.heads.add(head{size: size, signed: size})
	case w.found.badRoot == 0:
		w.found.goodRoot = size
	}
	return nil
}

// judgeFile judges the file's checkpoints of the tree as it stands.
func (w *walk) judgeFile(size int64) error {
	due := w.file.beside[size]
	delete(w.file.beside, size)
	current := w.file.live && w.file.now.size == size
	if current {
		due = append(due, w.file.now)
	} else if w.lastNote == size && w.file.live {
		w.found.unfiled.add(size)
	}
	if len(due) > 0 && !w.hollow {
		root, err := w.tree.root()
		if err != nil {
			return err
		}
		fits, kept := false, checkpoint{}
		for _, c := range due {
			if bytes.Equal(c.root, root) {
				fits, kept = true, c
			} else {
				w.found.lose(c)
			}
		}
		if fits && w.lastNote != size {
			kept.note = ""
			w.found.unheaded.add(kept)
		}
	}
	if current {
		w.file.next(w.verifier)
	}
	return nil
}

// rest judges what stands behind the last entry.
func (w *walk) rest() error {
	for w.leaves.Live {
		l := w.leaves.leaf()
		if l.position != w.tree.size() {
			w.found.astrayLeaves.add(l)
		} else {
			w.found.tail++
			if err := w.grow(l.hash, l.sound); err != nil {
				return err
			}
		}
		if err := w.leaves.Next(); err != nil {
			return err
		}
	}
	if err := w.gap(beyond); err != nil {
		return err
	}
	for w.persons.Live {
		p := w.persons.person()
		if w.found.tail == 0 || p.entry <= w.lastID {
			w.found.astrayPersons.add(p)
		}
		if err := w.persons.Next(); err != nil {
			return err
		}
	}
	return w.restOfHeads()
}

// restOfHeads judges the checkpoints of trees that the leaves do not reach.
func (w *walk) restOfHeads() error {
	for w.heads.Live {
		size, _ := w.heads.number(0)
		text, _ := w.heads.text(2)
		c, err := openCheckpoint(text, w.verifier)
		w.found.ahead.add(head{size: size, signed: c.size, forged: err != nil})
		if err := w.heads.Next(); err != nil {
			return err
		}
	}
	w.restOfFile()
	return nil
}

// restOfFile takes the file's checkpoints of trees that the database does not reach.
func (w *walk) restOfFile() {
	for w.file.live {
		w.found.lose(w.file.now)
		w.file.next(w.verifier)
	}
	for _, beside := range w.file.beside {
		for _, c := range beside {
			w.found.lose(c)
		}
	}
}
