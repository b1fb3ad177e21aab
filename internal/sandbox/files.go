package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The files of the folder.
const (
	identityFile = "city.json"
	stateFile    = "state.json"
	lockFile     = "lock"
)

// writeFile puts v as JSON in the place of a file, whole or not at all: a temporary file,
// flushed, renamed, and the folder flushed.
func writeFile(dir, name string, v any) error {
	temp, err := writeTemp(dir, name, v)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, filepath.Join(dir, name)); err != nil {
		return errors.Join(fmt.Errorf("put %s in place: %w", name, withoutPath(err)), os.Remove(temp))
	}
	return syncFolder(dir)
}

// writeOnce is writeFile for a file that must not be replaced: where it exists it stays,
// so that two processes that found the same city agree on it.
func writeOnce(dir, name string, v any) error {
	temp, err := writeTemp(dir, name, v)
	if err != nil {
		return err
	}
	err = os.Link(temp, filepath.Join(dir, name))
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err := errors.Join(withoutPath(err), os.Remove(temp)); err != nil {
		return fmt.Errorf("put %s in place: %w", name, err)
	}
	return syncFolder(dir)
}

// writeTemp writes v as JSON to a new file beside the one of that name and flushes it.
func writeTemp(dir, name string, v any) (temp string, err error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	f, err := os.CreateTemp(dir, "."+name+"-*") // mode 0600
	if err != nil {
		return "", fmt.Errorf("write %s: %w", name, withoutPath(err))
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("write %s: %w", name, withoutPath(err)), os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// readFile reads JSON that this package wrote.
func readFile(dir, name string, v any) error {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNoCity
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, withoutPath(err))
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// syncFolder flushes the names in a folder, so that a renamed file is still there after a
// power cut.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("flush the folder: %w", withoutPath(err))
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("flush the folder: %w", withoutPath(err))
	}
	return nil
}

// withoutPath takes the path out of an error: where a folder lies is nobody's business.
func withoutPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", p.Op, p.Err)
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return fmt.Errorf("%s: %w", l.Op, l.Err)
	}
	return err
}
