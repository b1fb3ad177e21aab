package mapping_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/mapping"
)

var update = flag.Bool("update", false, "write what comes out as what is expected")

// Every reply under testdata was asked for these persons, at this moment.
const (
	asked  = ledger.AtenaNumber("1000000101")
	mother = ledger.AtenaNumber("1000000110")
	father = ledger.AtenaNumber("1000000128")
)

func moment() time.Time { return time.Date(2026, time.November, 24, 1, 0, 0, 0, time.UTC) }

// TestGolden reads each reply under testdata/SYSTEM as that system's and holds what comes
// out, an error included, against the file beside it.
func TestGolden(t *testing.T) {
	tables := mapping.Default()
	everything := ledger.Question{Person: asked, Items: ledger.Items(), On: moment()}
	for system, read := range map[string]func(*strings.Builder, []byte){
		"residents": func(out *strings.Builder, body []byte) {
			answer, err := mapping.Household(body, tables, everything)
			tellAnswer(out, answer, err)
			adults, child, err := mapping.Adults(body, tables, asked, moment())
			if err != nil {
				tellError(out, err)
				return
			}
			fmt.Fprintf(out, "child %v, adults %v\n", child, adults)
		},
		"protection": func(out *strings.Builder, body []byte) {
			shielded, err := mapping.Protection(body)
			if err != nil {
				tellError(out, err)
			}
			for _, p := range []ledger.AtenaNumber{asked, mother, father, "1000000209"} {
				one, read := shielded[p]
				fmt.Fprintf(out, "%s read %v, protected %v, household %v, conceals %q\n",
					p, read, one.Protected, one.Household, shielded.Conceals(p))
			}
		},
		"tax": func(out *strings.Builder, body []byte) {
			all, err := mapping.TaxClasses(body, tables, mapping.TaxYear(moment()), []ledger.AtenaNumber{asked, mother, father})
			if err != nil {
				tellError(out, err)
			}
			for _, facts := range all {
				tellFacts(out, facts)
			}
		},
		"address": func(out *strings.Builder, body []byte) {
			answer, err := mapping.AddressData(body, tables, everything)
			tellAnswer(out, answer, err)
		},
		"search": func(out *strings.Builder, body []byte) {
			all, err := mapping.Candidates(body, tables)
			if err != nil {
				tellError(out, err)
			}
			for _, c := range all {
				fmt.Fprintf(out, "candidate of household %q\n", c.Household)
				tellFacts(out, c.Facts)
			}
		},
	} {
		cases, err := filepath.Glob(filepath.Join("testdata", system, "*.json"))
		if err != nil || len(cases) < 8 {
			t.Fatalf("%s: %d cases, want at least 8 (%v)", system, len(cases), err)
		}
		for _, path := range cases {
			t.Run(system+"/"+strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
				body, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				var out strings.Builder
				read(&out, body)
				checkName(t, out.String())
				golden(t, strings.TrimSuffix(path, ".json")+".golden", out.String())
			})
		}
	}
}

// checkName holds what came out against what the case's name promises, and finds any
// value of a person in an error.
func checkName(t *testing.T, out string) {
	t.Helper()
	name := t.Name()[strings.LastIndex(t.Name(), "/")+1:]
	for prefix, want := range map[string]string{
		"broken-": "error unavailable unreadable: KKH2151", "unknown-": "error unavailable unknown_code: KKH2152",
	} {
		if got := strings.Contains(out, want); got != strings.HasPrefix(name, prefix) {
			t.Errorf("%q in the outcome: %v, with a case of this name", want, got)
		}
	}
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "error") {
			continue
		}
		for _, value := range []string{"架空", "カクウ", "星", "月子", "2016", "1988", "10000001", "2000001", "0001234", "000-0000", "ZZ", "J7", "K7"} {
			if strings.Contains(line, value) {
				t.Errorf("an error repeats %q: %s", value, line)
			}
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func tellAnswer(out *strings.Builder, answer ledger.Answer, err error) {
	if err != nil {
		tellError(out, err)
		return
	}
	fmt.Fprintf(out, "answer %s %s\n", answer.Outcome, answer.Reason)
	for _, facts := range answer.Persons {
		tellFacts(out, facts)
	}
}

func tellFacts(out *strings.Builder, facts ledger.Facts) {
	fmt.Fprintf(out, "person %s relation %q: %s %s\n", facts.Person, facts.Relation, facts.Outcome, facts.Reason)
	if facts.Conceal {
		fmt.Fprintln(out, "  conceal")
	}
	for _, v := range facts.Values {
		words := v.Text
		if v.Item == ledger.BirthDate {
			words = fmt.Sprintf("%s (%s) %s", v.Date, v.Date.Precision(), v.Date.Wareki())
		}
		use := ""
		if !v.Usable {
			use = ", not for a decision"
		}
		fmt.Fprintf(out, "  %s = %s, as of %s%s\n", v.Item, spell(words), v.AsOf, use)
	}
}

func tellError(out *strings.Builder, err error) {
	f := fault.Find(err)
	fmt.Fprintf(out, "error %s %s: %v\n", f.Kind, f.Reason, err)
}

// spell shows characters that a terminal would not.
func spell(s string) string {
	var b strings.Builder
	for _, r := range s {
		if (r >= 0xE000 && r <= 0xF8FF) || r >= 0xE0000 {
			fmt.Fprintf(&b, "<U+%04X>", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
