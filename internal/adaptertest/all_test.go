package adaptertest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryAdapterSits: each folder of adapters has a test that calls Exercise, so that a
// new adapter cannot stay unexamined.
func TestEveryAdapterSits(t *testing.T) {
	root := filepath.Join("..", "..", "adapters")
	folders, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	sat, writers := 0, 0
	for _, folder := range folders {
		if !folder.IsDir() {
			continue
		}
		if folder.Name() == "events" {
			continue // it speaks to Kafka, by no HTTP that the examination could watch; its own tests do, on two brokers
		}
		dir := filepath.Join(root, folder.Name())
		if exercises(t, dir, "Exercise") == 0 {
			t.Errorf("adapters/%s sits no examination", folder.Name())
		}
		if writes(t, dir) {
			if exercises(t, dir, "ExerciseDestination") == 0 {
				t.Errorf("adapters/%s writes and sits no examination for it", folder.Name())
			}
			writers++
		}
		sat++
	}
	if sat == 0 || writers == 0 {
		t.Fatalf("there are %d adapters, and %d that write", sat, writers)
	}
	t.Logf("%d adapters sit their examination, %d of them for what they write", sat, writers)
}

// exercises counts the calls of that examination in the tests of a folder.
func exercises(t *testing.T, dir, examination string) int {
	t.Helper()
	calls := 0
	walk(t, dir, true, func(n ast.Node) {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == examination {
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "adaptertest" {
				calls++
			}
		}
	})
	return calls
}

// writes tells whether an adapter tells its neighbour of changes: it has a method Prepare.
func writes(t *testing.T, dir string) bool {
	t.Helper()
	found := false
	walk(t, dir, false, func(n ast.Node) {
		if f, ok := n.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "Prepare" {
			found = true
		}
	})
	return found
}

// walk visits the tests of a folder, or what is shipped.
func walk(t *testing.T, dir string, tests bool, visit func(ast.Node)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") != tests {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool { visit(n); return true })
	}
}
