package mapping_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/mapping"
)

func TestEmbeddedTablesAreReadable(t *testing.T) {
	if _, err := mapping.LoadTables(nil); err != nil {
		t.Fatal(err)
	}
}

func TestLoadTablesReplacesOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ours.tsv")
	write(t, file, "\uFEFF02\t世帯主\r\n20\t長子\r\n\r\n")
	tables, err := mapping.LoadTables(map[string]string{"tsuzukigara": file})
	if err != nil {
		t.Fatal(err)
	}
	body := reply(t, "residents/child-alone.json", map[string]any{"tsuzukigara_kodo": "20"})
	answer, err := mapping.Household(body, tables, ledger.Question{
		Person: asked, Items: []ledger.Item{ledger.RelationToHead, ledger.Sex},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := answer.Persons[0].Relation, ledger.Relation("長子"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := mapping.Household(body, mapping.Default(), ledger.Question{
		Person: asked, Items: []ledger.Item{ledger.RelationToHead},
	}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("the embedded table knows the city's own code: %v", err)
	}
}

// Every fault of a table is named with file and line, all at once.
func TestLoadTablesNamesEveryFault(t *testing.T) {
	dir := t.TempDir()
	relations, sexes, taxes, empty := filepath.Join(dir, "r.tsv"), filepath.Join(dir, "s.tsv"), filepath.Join(dir, "k.tsv"), filepath.Join(dir, "e.tsv")
	write(t, relations, "H1 世帯主\nH2\t夫\nH2\t妻\nH3\t\n\t子\nH4\t子\t余り\n H5\t父\n")
	write(t, sexes, "1\t男\n2\tメス\n")
	write(t, taxes, "K1\t課税\nK2\t\xff\xfe\n")
	write(t, empty, "\n\n")
	_, err := mapping.LoadTables(map[string]string{
		"tsuzukigara": relations, "seibetsu": sexes, "kazeikubun": taxes, "juminjotai": empty,
		"idojiyu": filepath.Join(dir, "missing.tsv"), "gengo": relations,
	})
	if !fault.Is(err, fault.Invalid) || fault.Code(err) != "KKH0151" {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		relations + ":1: want a code, a tab and a text",
		relations + ":3: code \"H2\" stands twice",
		relations + ":4: want a code, a tab and a text",
		relations + ":5: want a code, a tab and a text",
		relations + ":6: more than one tab",
		relations + ":7: spaces around",
		sexes + ":2: the text of code \"2\" is none that table seibetsu may use: 男, 女, 不明",
		taxes + ":2: not UTF-8",
		empty + ":1: table juminjotai is empty",
		"code table idojiyu: open",
		"code table \"gengo\" does not exist; there are idojiyu, juminjotai, kazeikubun, seibetsu, tsuzukigara",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing says %q in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), relations+":2:") {
		t.Error("a right line is called wrong")
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
