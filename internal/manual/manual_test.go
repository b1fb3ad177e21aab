package manual_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kakehashi/internal/manual"
)

const root = "../.."

func TestEntriesAreWhole(t *testing.T) {
	number := regexp.MustCompile(`^KKH[0-9]{4}$`)
	seen := map[string]bool{}
	for _, e := range manual.All() {
		if !number.MatchString(e.Code) || seen[e.Code] {
			t.Errorf("%s is no number of its own", e.Code)
		}
		seen[e.Code] = true
		if !slices.Contains([]manual.Severity{manual.Info, manual.Warning, manual.Error}, e.Severity) {
			t.Errorf("%s: severity %q", e.Code, e.Severity)
		}
		for name, text := range map[string]string{"文": e.Text, "原因": e.Cause, "影響": e.Effect, "対処": e.Action} {
			if !strings.HasSuffix(text, "。") {
				t.Errorf("%s: %s is no sentence: %q", e.Code, name, text)
			}
			if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) {
				t.Errorf("%s: %s holds a character that a log line cannot: %q", e.Code, name, text)
			}
		}
		if len(e.Text) > 180 {
			t.Errorf("%s: the sentence has %d bytes; a log line has room for 180", e.Code, len(e.Text))
		}
	}
	// A number that stands twice would hide one of its blocks.
	blocks := 0
	paths, err := filepath.Glob("messages/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text := read(t, path)
		blocks += strings.Count(text, "\nKKH")
		for line := range strings.Lines(text) {
			prefix := filepath.Base(path)[:1]
			if strings.HasPrefix(line, "KKH") && !strings.HasPrefix(line, "KKH"+prefix) {
				t.Errorf("%s: %s is of another range", path, line[:7])
			}
		}
	}
	if blocks != len(seen) {
		t.Errorf("%d blocks give %d entries", blocks, len(seen))
	}
	if len(seen) < 90 {
		t.Errorf("only %d entries", len(seen))
	}
}

func TestMessageFindsByNumber(t *testing.T) {
	e, ok := manual.Message("KKH2104")
	if !ok || e.Code != "KKH2104" || e.Severity.Japanese() != "エラー" {
		t.Errorf("got %+v, %v", e, ok)
	}
	if _, ok := manual.Message("KKH0000"); ok {
		t.Error("a number that nobody gave was found")
	}
}

// A number in the code is explained in the catalogue, and every explanation is of a number
// that can come.
func TestCatalogueAndCodeHaveTheSameNumbers(t *testing.T) {
	inCode := numbersInCode(t)
	if len(inCode) < 60 {
		t.Fatalf("only %d numbers were found in the code", len(inCode))
	}
	for code, where := range inCode {
		if _, ok := manual.Message(code); !ok {
			t.Errorf("%s (%s) is not in the catalogue", code, where)
		}
	}
	for _, e := range manual.All() {
		if _, ok := inCode[e.Code]; !ok {
			t.Errorf("%s is in the catalogue and nowhere in the code", e.Code)
		}
	}
}

// numbersInCode gives each message number in a string of shipped code, and one place.
func numbersInCode(t *testing.T) map[string]string {
	t.Helper()
	number := regexp.MustCompile(`KKH[0-9]{4}`)
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go"), strings.HasSuffix(path, "_test.go"):
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				return true
			}
			for _, code := range number.FindAllString(text, -1) {
				found[code] = set.Position(lit.Pos()).String()
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestPages(t *testing.T) {
	want := []string{"はじめに", "導入", "窓口の使い方", "運用", "記録を書けないとき", "監査人の手引き", "終了コード", "設定", "送信待ちと配信不能", "異動通知", "複数の自治体", "PostgreSQL・Redis・Kafka で動かす"}
	if got := manual.Pages(); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	number := regexp.MustCompile(`KKH[0-9]{4}`)
	for _, name := range want {
		text, ok := manual.Page(name)
		if !ok || len(text) < 500 {
			t.Errorf("%s: %v, %d bytes", name, ok, len(text))
		}
		for _, code := range number.FindAllString(text, -1) {
			if _, ok := manual.Message(code); !ok {
				t.Errorf("%s names %s, which is not in the catalogue", name, code)
			}
		}
		for _, other := range regexp.MustCompile(`「([^」]+)」(?:へ|にあり|の復元)`).FindAllStringSubmatch(text, -1) {
			if !slices.Contains(want, other[1]) {
				t.Errorf("%s sends the reader to 「%s」, which is no page", name, other[1])
			}
		}
	}
	if _, ok := manual.Page("ない"); ok {
		t.Error("a page that nobody wrote was found")
	}
}
