package mapping

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

//go:embed tables/*.tsv
var embedded embed.FS

// codeTableBad is the message number of a code table that cannot be read.
const codeTableBad = "KKH0151"

// Names of the code tables, as the files of the embedded ones are called.
const (
	tableSex       = "seibetsu"    // 性別, standard code list 1
	tableRelation  = "tsuzukigara" // 続柄
	tableResidency = "juminjotai"  // 住民状態
	tableTax       = "kazeikubun"  // 課税区分
	tableMove      = "idojiyu"     // 異動事由, of the registry's history
)

// TableNames lists the code tables that exist, in the order of their names.
func TableNames() []string {
	return []string{tableMove, tableResidency, tableTax, tableSex, tableRelation}
}

// Tables are the code tables: for each a text to every code. They do not change once made
// and may be used by many at once.
type Tables struct{ byName map[string]map[string]string }

// Default gives the embedded tables, those of the fictional city. A test keeps them
// readable; were they not, every code would be unknown.
func Default() *Tables {
	t, err := LoadTables(nil)
	if err != nil {
		return &Tables{}
	}
	return t
}

// LoadTables gives the embedded tables, each of those named replaced by the file given for
// it. A file has a line for each code: the code, a tab, the text; UTF-8, a byte order mark
// and CR LF are allowed, empty lines are not counted. All faults of all files are reported
// at once, each with file and line; the kind is Invalid.
func LoadTables(files map[string]string) (*Tables, error) {
	t := &Tables{byName: make(map[string]map[string]string, len(TableNames()))}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !slices.Contains(TableNames(), name) {
			faults = append(faults, fmt.Errorf("code table %q does not exist; there are %s", name, strings.Join(TableNames(), ", ")))
		}
	}
	for _, name := range TableNames() {
		file, replaced := files[name]
		var text []byte
		var err error
		if replaced {
			text, err = os.ReadFile(file)
		} else {
			file = "tables/" + name + ".tsv"
			text, err = fs.ReadFile(embedded, file)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("code table %s: %w", name, err))
			continue
		}
		table, bad := parseTable(file, name, string(text))
		faults = append(faults, bad...)
		t.byName[name] = table
	}
	if len(faults) > 0 {
		return nil, fault.New(fault.Invalid, "load code tables: %w", errors.Join(faults...)).WithCode(codeTableBad)
	}
	return t, nil
}

// parseTable reads one table and names every line that is wrong.
func parseTable(file, name, text string) (map[string]string, []error) {
	table := make(map[string]string)
	var faults []error
	bad := func(line int, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s:%d: "+format, append([]any{file, line}, args...)...))
	}
	if !utf8.ValidString(text) {
		for i, line := range strings.Split(text, "\n") {
			if !utf8.ValidString(line) {
				bad(i+1, "not UTF-8")
			}
		}
		return nil, faults
	}
	lines := strings.Split(strings.TrimPrefix(text, "\uFEFF"), "\n")
	for i, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			continue
		}
		code, words, tab := strings.Cut(line, "\t")
		_, again := table[code]
		switch {
		case !tab || code == "" || words == "":
			bad(i+1, "want a code, a tab and a text")
		case strings.Contains(words, "\t"):
			bad(i+1, "more than one tab")
		case code != strings.TrimSpace(code) || words != strings.TrimSpace(words):
			bad(i+1, "spaces around the code or the text")
		case again:
			bad(i+1, "code %q stands twice", code)
		case !mayMean(name, words):
			bad(i+1, "the text of code %q is none that table %s may use: %s", code, name, strings.Join(meanings(name), ", "))
		default:
			table[code] = words
		}
	}
	if len(table) == 0 && len(faults) == 0 {
		bad(1, "table %s is empty", name)
	}
	return table, faults
}

// meanings lists the texts that the ledger understands of a table; nil where any will do.
func meanings(name string) []string {
	switch name {
	case tableSex:
		return []string{"男", "女", "不明"}
	case tableResidency:
		return []string{resident, "転出", "死亡", "住登外"}
	case tableTax:
		return []string{
			string(ledger.Taxed), string(ledger.PerCapita), string(ledger.Exempt),
			string(ledger.Undeclared), string(ledger.NoTaxData),
		}
	default:
		return nil
	}
}

func mayMean(name, words string) bool {
	allowed := meanings(name)
	return allowed == nil || slices.Contains(allowed, words)
}

// resident is the 住民状態 of a person who lives in the city now.
const resident = "住民"

// text gives the text of a code. The error names the table, not the code: a code beside
// an error's place in a reply would say something of a person.
func (t *Tables) text(system ledger.System, table, code string) (string, error) {
	if words, ok := t.byName[table][code]; ok {
		return words, nil
	}
	return "", fault.New(fault.Unavailable, "read the reply of %s: a code that table %s lacks", system, table).
		WithReason(reasonUnknownCode).WithCode(codeUnknownCode)
}

// code gives the code of a text: of several codes with that text the first in order, so
// that the same text always gives the same.
func (t *Tables) code(table, words string) (string, bool) {
	for _, code := range slices.Sorted(maps.Keys(t.byName[table])) {
		if t.byName[table][code] == words {
			return code, true
		}
	}
	return "", false
}
