package adaptertest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
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
	sat := 0
	for _, folder := range folders {
		if !folder.IsDir() {
			continue
		}
		if calls := exercises(t, filepath.Join(root, folder.Name())); calls == 0 {
			t.Errorf("adapters/%s sits no examination", folder.Name())
		}
		sat++
	}
	if sat == 0 {
		t.Fatal("there is no adapter")
	}
	t.Logf("%d adapters sit their examination", sat)
}

// exercises counts the calls of Exercise in the tests of a folder.
func exercises(t *testing.T, dir string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Exercise" {
				if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "adaptertest" {
					calls++
				}
			}
			return true
		})
	}
	return calls
}
