package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestWriteThatCannotBeKept has a register whose file refuses to be written: nothing takes
// effect, then and later.
func TestWriteThatCannotBeKept(t *testing.T) {
	dir := t.TempDir()
	r, err := openRegister(dir, found(1, baseDay()))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	if r.file, err = os.Open(filepath.Join(dir, writesFile)); err != nil { // to read alone
		t.Fatal(err)
	}
	numbering := resource{name: numberingResource, kind: KindNumbering}
	for range 2 {
		result, problems, err := r.take(submission{system: Address, resource: numbering, items: values{"shimei_kana": {"ヨソノ"}}})
		if !errors.Is(err, errNotKept) || result != nil || problems != nil {
			t.Errorf("got %v, %v, %v", result, problems, err)
		}
	}
	if r.file != nil || len(r.numbered) != 0 {
		t.Error("what was not kept took effect, or the file is still trusted")
	}
	if err := r.close(); err != nil {
		t.Error(err)
	}
}
