package licences_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kakehashi/internal/manual/licences"
)

const root = "../../.."

// Every module that is linked into the program has its notice, in the version that is
// linked, and nothing else has one.
func TestEveryLinkedModuleHasItsNotice(t *testing.T) {
	touchSources(t)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}`, "./cmd/kakehashi")
	cmd.Dir, cmd.Stderr = root, t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		linked[strings.TrimSpace(line)] = true
	}
	delete(linked, "")
	if len(linked) < 20 {
		t.Fatalf("only %d linked modules were found", len(linked))
	}
	const again = "write the notices again: go run .ci/licences/main.go"
	text := licences.Notices()
	for module := range linked {
		if !strings.Contains(text, "\n"+module+"\nSource: ") {
			t.Errorf("%s has no notice; %s", module, again)
		}
	}
	if got := strings.Count(text, "\nSource: "); got != len(linked)+1 { // and the standard library
		t.Errorf("%d notices for %d modules; %s", got, len(linked), again)
	}
}

// touchSources opens every file on which the answer of go list depends, so that the cache
// of tests notices when one changes.
func touchSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") && d.Name() != "go.mod" && d.Name() != "go.sum":
			return nil
		}
		_, err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
