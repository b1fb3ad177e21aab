package config

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write the golden files anew")

// compose completes a broken file by the sections that it does not spell out, from the
// valid one, behind it so that its own lines keep their numbers. One that begins with
// "# whole" is taken as it is.
func compose(t *testing.T, broken []byte) []byte {
	t.Helper()
	if strings.HasPrefix(string(broken), "# whole") || !strings.Contains(string(broken), ":") {
		return broken
	}
	valid, err := os.ReadFile("testdata/valid.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var own yaml.Node
	if err := yaml.Unmarshal(broken, &own); err != nil {
		return broken
	}
	has := map[string]bool{}
	for i := 0; i < len(own.Content[0].Content); i += 2 {
		has[own.Content[0].Content[i].Value] = true
	}
	out := broken
	for _, part := range regexp.MustCompile(`(?m)^[a-z].*\n(?:[ #].*\n)*`).FindAll(valid, -1) {
		if name, _, _ := strings.Cut(string(part), ":"); !has[name] {
			out = append(out, part...)
		}
	}
	return out
}

// brokenFiles gives every broken file by its name, completed.
func brokenFiles(t *testing.T) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/broken/*.yaml")
	if err != nil || len(paths) < 60 {
		t.Fatalf("%d broken files (%v); at least 60 are promised", len(paths), err)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimSuffix(filepath.Base(path), ".yaml")] = compose(t, content)
	}
	return files
}

// loadBytes loads content as the file kakehashi.yaml of a folder of its own.
func loadBytes(t *testing.T, content []byte, env ...string) (*File, []Problem, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "kakehashi.yaml")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, problems := Load(path, env)
	var text strings.Builder
	for _, p := range problems {
		text.WriteString(strings.ReplaceAll(p.String(), dir+"/", "") + "\n")
	}
	return f, problems, text.String()
}

func TestBrokenFilesAreExplained(t *testing.T) {
	for name, content := range brokenFiles(t) {
		t.Run(name, func(t *testing.T) {
			f, problems, got := loadBytes(t, content)
			if f != nil || len(problems) == 0 {
				t.Fatal("a broken file was accepted")
			}
			golden := filepath.Join("testdata/broken", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("messages differ (-want +got):\n%s", diff)
			}
		})
	}
}

// A value may be a secret, so that no message repeats one, whatever is wrong with it.
func TestNoMessageRepeatsAValue(t *testing.T) {
	tested := 0
	for name, content := range brokenFiles(t) {
		_, problems, _ := loadBytes(t, content)
		for _, value := range valuesOf(content) {
			tested++
			for _, p := range problems {
				// What a message says by itself, such as the list of choices, is no repetition.
				if strings.Contains(p.Text, value) && !ownWords(value) {
					t.Errorf("%s: a message repeats %q: %s", name, value, p)
				}
			}
		}
	}
	if tested < 300 {
		t.Errorf("only %d values were looked for", tested)
	}
}

func ownWords(value string) bool {
	return slices.Contains([]string{"line", "ES256", "RS256", "case-worker", "case-system", "name", "kana", "address", "birth_date", "tax_class", "127.0.0.1:8443"}, value)
}

// valuesOf gives the scalars of four letters and more that stand in content as values.
func valuesOf(content []byte) []string {
	var doc yaml.Node
	if yaml.Unmarshal(content, &doc) != nil {
		return []string{"hunter2secret"}
	}
	values := []string{"hunter2secret"}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, inner := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 0 {
				continue
			}
			if inner.Kind == yaml.ScalarNode && len(inner.Value) >= 4 {
				values = append(values, inner.Value)
			}
			walk(inner)
		}
	}
	walk(&doc)
	return values
}
