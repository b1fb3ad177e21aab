package audit

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"kakehashi/internal/fault"
)

// checkFile is the file outside the database to which every checkpoint is appended: the
// signed notes as they are, an empty line after each.
type checkFile struct {
	path  string
	level int64 // the size of the tree up to which the database's checkpoints stand in it
	fresh bool  // there was none, and the database had checkpoints
}

func fileFault(what string, err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return fault.New(fault.Unavailable, "%s the file of checkpoints: %w", what, err).WithCode("KKH3108")
}

// ready makes an empty file where there is none, so that one that is missing later was
// taken away, and cuts off a note that a crash left in part.
func (f *checkFile) ready() error {
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fileFault("open", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fileFault("read", err), file.Close())
	}
	notes := newNoteReader(file, info.Size())
	for more := true; more; {
		if _, more, err = notes.next(); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	if err := errors.Join(file.Truncate(notes.whole), file.Sync(), file.Close()); err != nil {
		return fileFault("ready", err)
	}
	return syncFolder(filepath.Dir(f.path))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fileFault("sync the folder of", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fileFault("sync the folder of", err)
	}
	return nil
}

// add appends notes and brings them to the disk.
func (f *checkFile) add(notes []checkpoint) error {
	if len(notes) == 0 {
		return nil
	}
	var text bytes.Buffer
	for _, c := range notes {
		text.WriteString(c.note)
		text.WriteByte('\n')
	}
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fileFault("open", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fileFault("read", err), file.Close())
	}
	if _, err := file.Write(text.Bytes()); err != nil {
		// A note that stands there in part would hide those after it.
		return errors.Join(fileFault("write", err), file.Truncate(info.Size()), file.Close())
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fileFault("write", err)
	}
	f.level = notes[len(notes)-1].size
	return nil
}

// maxNote is more than any note of ours takes, and than any line of it.
const maxNote = 64 << 10

// noteReader gives the notes of a file one by one, as they stand. What a crash left in
// part at the end is passed over; what is longer than a note can be is given as one, cut
// short, so that whoever opens it finds that it is none.
type noteReader struct {
	in    *bufio.Reader
	whole int64 // how many bytes the notes given so far take
}

func newNoteReader(r io.ReaderAt, length int64) *noteReader {
	return &noteReader{in: bufio.NewReaderSize(io.NewSectionReader(r, 0, length), maxNote)}
}

// next gives the next whole note; false at the end.
func (n *noteReader) next() (string, bool, error) {
	var note bytes.Buffer
	for blank := 0; ; { // empty lines: the first ends the text, the second the note
		line, err := n.in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			note.Write(line)
			rest, err := n.endLine()
			if err != nil {
				return "", false, err
			}
			n.whole += int64(note.Len()) + rest
			return note.String(), true, nil
		case errors.Is(err, io.EOF):
			return "", false, nil
		case err != nil:
			return "", false, fileFault("read", err)
		}
		if len(line) == 1 {
			blank++
		}
		if blank == 2 {
			n.whole += int64(note.Len()) + 1
			return note.String(), true, nil
		}
		note.Write(line)
		if note.Len() > maxNote {
			n.whole += int64(note.Len())
			return note.String(), true, nil
		}
	}
}

// endLine passes over the rest of a line and gives its length.
func (n *noteReader) endLine() (length int64, err error) {
	for {
		line, err := n.in.ReadSlice('\n')
		length += int64(len(line))
		switch {
		case err == nil, errors.Is(err, io.EOF):
			return length, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return length, fileFault("read", err)
		}
	}
}
