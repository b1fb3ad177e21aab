package audit

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"

	"golang.org/x/mod/sumdb/note"
)

// notes reads the file of checkpoints twice: once to find where the tree began anew after
// a loss, and once more in step with the tree, which only grows.
type notes struct {
	file   *os.File // nil: there is none
	in     *noteReader
	past   map[int]bool           // by their order: superseded by a later note of a smaller tree
	beside map[int64][]checkpoint // these, by size, once they were read
	order  int
	length int64 // of the file, when it was opened
	any    bool  // there is a note at all
	broken int   // notes that are not signed with the key
	unread bool  // the file cannot be read, or not to its end

	now  checkpoint // the next one that counts
	live bool       // there is one
}

// openNotes opens the file as far as it stands now.
func openNotes(path string) (*notes, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, fileFault("open", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(fileFault("read", err), file.Close())
	}
	n := &notes{file: file, length: info.Size(), past: map[int]bool{}, beside: map[int64][]checkpoint{}}
	if err := n.survey(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	n.in = newNoteReader(file, info.Size())
	return n, nil
}

func (n *notes) close() error {
	if n.file == nil {
		return nil
	}
	return n.file.Close()
}

// stillEmpty tells whether nothing stands in the file by now. A gateway that has just
// begun may have sealed between the file's being read and the snapshot.
func (n *notes) stillEmpty() bool {
	if n.file == nil {
		return true
	}
	info, err := n.file.Stat()
	return err == nil && info.Size() == 0
}

// survey finds the notes that a later one of a smaller tree supersedes.
func (n *notes) survey() error {
	type placed struct {
		size  int64
		order int
	}
	var stack []placed
	in := newNoteReader(n.file, n.length)
	for order := 0; ; order++ {
		signed, more, err := in.next()
		if err != nil || !more {
			return err
		}
		n.any = true
		size, ok := sizeOf(signed)
		if !ok {
			continue // next will find that it is not signed
		}
		for len(stack) > 0 && stack[len(stack)-1].size >= size {
			n.past[stack[len(stack)-1].order] = true
			stack = stack[:len(stack)-1]
		}
		stack = append(stack, placed{size, order})
	}
}

// place finds, for each loss, which note of the file was the newest when it was declared.
func (n *notes) place(losses []loss, verifier note.Verifier) {
	if n.file == nil || len(losses) == 0 {
		return
	}
	in := newNoteReader(n.file, n.length)
	for nth := 0; ; nth++ {
		signed, more, err := in.next()
		n.unread = n.unread || err != nil
		if !more {
			return
		}
		size, _ := sizeOf(signed)
		for i := range losses {
			l := &losses[i]
			if l.until >= 0 || l.lost != size {
				continue
			}
			c, err := openCheckpoint(signed, verifier)
			if err == nil && base64.StdEncoding.EncodeToString(c.root) == l.root {
				l.until = nth
			}
		}
	}
}

// next goes to the next note that counts.
func (n *notes) next(verifier note.Verifier) {
	n.live = false
	if n.file == nil {
		return
	}
	for {
		signed, more, err := n.in.next()
		n.unread = n.unread || err != nil
		if !more {
			return
		}
		order := n.order
		n.order++
		c, err := openCheckpoint(signed, verifier)
		c.nth = order
		switch {
		case err != nil:
			n.broken++
		case n.past[order]:
			n.beside[c.size] = append(n.beside[c.size], c)
		default:
			n.now, n.live = c, true
			return
		}
	}
}
