package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
)

// arrow is one import between packages of ours, and why it stands.
type arrow struct{ to, why string }

// importMap is the whole of the house: who knows whom. A new package or arrow is added
// here, with its reason, or the test fails; so does an arrow that nobody uses any more.
// What cmd wires is listed too, since "everything" would hide a corridor.
func importMap() map[string][]arrow {
	const (
		errs  = "says what an error means"
		words = "speaks in persons, questions and outcomes"
	)
	adapter := []arrow{
		{"internal/wire", "calls its neighbour, bounded"},
		{"mapping", "translates its neighbour's words"},
		{"internal/ledger", words},
	}
	judging := append(slices.Clone(adapter), arrow{"internal/fault", errs})
	return map[string][]arrow{
		"cmd/kakehashi": {
			{"adapters/address", "wires the unified address system"},
			{"adapters/events", "wires Kafka"},
			{"adapters/residents", "wires the resident registry"},
			{"adapters/tax", "wires the tax section's publication"},
			{"config", "reads the configuration"},
			{"internal/audit", "opens, verifies and exports the record"},
			{"internal/fault", "chooses the exit code"},
			{"internal/gateway", "wires the verbs"},
			{"internal/inbox", "wires the change notices, and runs their inbox"},
			{"internal/ledger", "names the systems that it wires"},
			{"internal/logline", "writes the log"},
			{"internal/manual", "shows messages and pages"},
			{"internal/manual/licences", "shows the notices of what is linked"},
			{"internal/sandbox", "runs the fictional city"},
			{"internal/staff", "wires tokens and rules"},
			{"internal/store", "opens the database and its backup"},
			{"internal/volatile", "wires what may be lost"},
			{"internal/web", "serves the API"},
			{"internal/wire", "wires the calls to the outside"},
			{"mapping", "loads code tables, checks numbers"},
			{"outbox", "wires what is owed, and runs the relay"},
		},
		"config": {
			{"adapters/address", "declares the section neighbours.address"},
			{"adapters/events", "declares the sections kafka and events"},
			{"internal/audit", "declares the section record"},
			{"internal/fault", "reads which key a Validate refuses"},
			{"internal/gateway", "declares the section lookup"},
			{"internal/inbox", "declares the section inbox"},
			{"internal/staff", "declares the sections staff and procedures"},
			{"internal/store", "declares the section database"},
			{"internal/volatile", "declares the section redis"},
			{"internal/web", "declares the section listen"},
			{"internal/wire", "declares the sections of neighbours"},
			{"outbox", "declares the section outbox"},
		},
		"adapters/address":     judging,
		"adapters/events":      {{"internal/fault", errs}, {"internal/ledger", "speaks in changes and letters"}},
		"adapters/residents":   adapter,
		"adapters/tax":         judging,
		"mapping":              {{"internal/fault", errs}, {"internal/ledger", words}},
		"internal/adaptertest": {},
		"internal/audit": {
			{"internal/fault", errs},
			{"internal/store", "keeps its entries"},
		},
		"internal/fault": {},
		"internal/gateway": {
			{"internal/audit", "records before it acts and before it releases"},
			{"internal/fault", "turns faults into outcomes"},
			{"internal/inbox", "refreshes a person of whom notices came, and shows the inbox"},
			{"internal/ledger", words},
			{"internal/ledgerdb", "reads and opens cases, keeps the ledger"},
			{"internal/staff", "asks who may see what"},
			{"internal/store", "runs transactions"},
			{"outbox", "owes the changes to the neighbours"},
		},
		"internal/inbox": {
			{"internal/audit", "begins nothing while the record cannot be written"},
			{"internal/fault", "chooses again, later or park"},
			{"internal/ledger", "speaks in notices and persons"},
			{"internal/store", "keeps the notices"},
		},
		"internal/ledger": {{"internal/fault", errs}},
		"internal/ledgerdb": {
			{"internal/fault", errs},
			{"internal/ledger", words},
			{"internal/store", "keeps the ledger's tables"},
		},
		"internal/logline": {
			{"internal/fault", "gives an error's machine word, never its text"},
			{"internal/manual", "takes its words from the catalogue"},
		},
		"internal/manual":          {},
		"internal/manual/licences": {},
		"internal/sandbox":         {},
		"internal/staff":           {{"internal/fault", errs}, {"internal/ledger", words}},
		"internal/store":           {{"internal/fault", errs}},
		"internal/servers":         {},
		"internal/storetest": {
			{"internal/servers", "says where the PostgreSQL server for tests is"},
			{"internal/store", "opens a database for a test"},
		},
		"internal/volatile": {{"internal/fault", errs}},
		"internal/web": {
			{"internal/audit", "spells the entries that gateway found"},
			{"internal/fault", "chooses the status"},
			{"internal/gateway", "serves its verbs"},
			{"internal/inbox", "takes events and spells what gateway found in the inbox"},
			{"internal/ledger", words},
			{"internal/manual", "takes the words of problems from the catalogue"},
			{"internal/staff", "verifies who is asking"},
			{"outbox", "spells what gateway found owed"},
		},
		"internal/wire": {
			{"internal/fault", "says how a call ended"},
			{"internal/volatile", "keeps access tokens"},
		},
		"outbox": {
			{"internal/audit", "records every delivery in its transaction"},
			{"internal/fault", "chooses again or park"},
			{"internal/ledger", "speaks in changes, letters and receipts"},
			{"internal/store", "keeps what is owed"},
		},
	}
}

// testOnly may be imported by tests, beyond the map, and by no shipped code but what the
// map says.
func testOnly() []string {
	return []string{"internal/adaptertest", "internal/sandbox", "internal/servers", "internal/storetest"}
}

// topLevel is what the customer fixed; hidden entries are free.
func topLevel() []string {
	return []string{"LICENSE", "README.md", "adapters", "cmd", "config", "go.mod", "go.sum", "internal", "mapping", "outbox"}
}

const (
	root   = "../.."
	module = "kakehashi"
)

// house is what the files say, by folder.
type house struct {
	shipped map[string]map[string]string // package -> package that it imports -> a file that does
	tests   map[string]map[string]string
	doc     map[string]bool // whether the package has a comment
}

// read parses every Go file itself: a test that asked a tool could be answered from the
// cache of tests.
func read(t *testing.T) *house {
	t.Helper()
	h := &house{shipped: map[string]map[string]string{}, tests: map[string]map[string]string{}, doc: map[string]bool{}}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, ".go"):
			return nil
		}
		return h.add(file)
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) add(file string) error {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(root, filepath.Dir(file))
	if err != nil {
		return err
	}
	pkg, into := filepath.ToSlash(rel), h.shipped
	if strings.HasSuffix(file, "_test.go") {
		into = h.tests
	} else {
		h.doc[pkg] = h.doc[pkg] || parsed.Doc != nil && !ast.IsGenerated(parsed)
	}
	if into[pkg] == nil {
		into[pkg] = map[string]string{}
	}
	for _, spec := range parsed.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		if ours, ok := strings.CutPrefix(name, module+"/"); ok && ours != pkg {
			into[pkg][ours] = filepath.Base(file)
		}
	}
	return nil
}

func TestImportMap(t *testing.T) {
	h, drawn := read(t), importMap()
	table := tabwriter.NewWriter(t.Output(), 0, 4, 1, ' ', 0)
	for _, from := range sorted(h.shipped) {
		arrows, known := drawn[from]
		if !known {
			t.Errorf("%s is a package that the map does not know", from)
			continue
		}
		for _, a := range arrows {
			_, _ = table.Write([]byte(from + "\t-> " + a.to + "\t" + a.why + "\n"))
			if _, used := h.shipped[from][a.to]; !used {
				t.Errorf("%s -> %s is drawn and nobody uses it", from, a.to)
			}
			if a.why == "" {
				t.Errorf("%s -> %s has no reason", from, a.to)
			}
		}
		for _, to := range sorted(h.shipped[from]) {
			if !has(arrows, to) {
				t.Errorf("%s -> %s (%s) is used and not drawn", from, to, h.shipped[from][to])
			}
		}
	}
	for from := range drawn {
		if _, stands := h.shipped[from]; !stands {
			t.Errorf("%s is drawn and does not stand", from)
		}
	}
	if err := table.Flush(); err != nil {
		t.Error(err)
	}
}

// Tests may reach for what the map draws, for the packages made for tests, and for what
// those packages' own callers need to build their subject: nothing else.
func TestImportsOfTests(t *testing.T) {
	h, drawn := read(t), importMap()
	for from, imports := range h.tests {
		for to, file := range imports {
			if !has(drawn[from], to) && !slices.Contains(testOnly(), to) && !below(drawn, from, to) {
				t.Errorf("%s/%s -> %s: a test may not import it", from, file, to)
			}
		}
	}
	for from, imports := range h.shipped {
		for _, to := range testOnly() {
			if file, used := imports[to]; used && !has(drawn[from], to) {
				t.Errorf("%s/%s -> %s: shipped code may not import what is for tests", from, file, to)
			}
		}
	}
}

// below tells whether the map leads from one package to the other by way of others: a test
// may build what its subject stands on.
func below(drawn map[string][]arrow, from, to string) bool {
	for _, a := range drawn[from] {
		if has(drawn[a.to], to) || below(drawn, a.to, to) {
			return true
		}
	}
	return false
}

// Arrows point one way: no package leads back to itself.
func TestImportMapHasNoCircle(t *testing.T) {
	drawn := importMap()
	for from := range drawn {
		if below(drawn, from, from) {
			t.Errorf("%s leads back to itself", from)
		}
	}
}

func TestEveryPackageSaysItsOneIdea(t *testing.T) {
	for pkg, has := range read(t).doc {
		if !has {
			t.Errorf("%s has no package comment", pkg)
		}
	}
}

func TestTopLevelIsAsTheCustomerFixedIt(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == module && !e.IsDir() {
			continue // the built program, which git ignores
		}
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(topLevel(), e.Name()) {
			t.Errorf("%s does not belong at the top level", path.Base(e.Name()))
		}
	}
}

func has(arrows []arrow, to string) bool {
	return slices.ContainsFunc(arrows, func(a arrow) bool { return a.to == to })
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
