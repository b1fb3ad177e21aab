package manual_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// outline gives the levels of a text's headings, the commands in it, and the modules that
// it names: what has to be the same in both languages.
func outline(text string) (levels, commands, modules []string) {
	code := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			code = !code
		case code:
			commands = append(commands, line)
		case strings.HasPrefix(line, "#"):
			levels = append(levels, line[:strings.IndexByte(line, ' ')])
		case strings.HasPrefix(line, "| ") && strings.Contains(line, "."):
			modules = append(modules, strings.TrimSpace(strings.Split(line, "|")[1]))
		}
	}
	return levels, commands, modules
}

func TestReadmesSayTheSame(t *testing.T) {
	english, japanese := read(t, filepath.Join(root, "README.md")), read(t, "README.ja.md")
	sum := sha256.Sum256([]byte(english))
	want := "<!-- source-hash: " + hex.EncodeToString(sum[:8]) + " -->"
	if !strings.Contains(japanese, want) {
		t.Errorf("README.md has changed since README.ja.md was written from it. Bring the Japanese up to date, then write\n%s", want)
	}
	for i, name := range []string{"levels of the headings", "commands", "modules"} {
		one, other := [3][]string{}, [3][]string{}
		one[0], one[1], one[2] = outline(english)
		other[0], other[1], other[2] = outline(japanese)
		if !slices.Equal(one[i], other[i]) {
			t.Errorf("%s differ:\n%q\n%q", name, one[i], other[i])
		}
	}
	for text, link := range map[string]string{english: "](internal/manual/README.ja.md)", japanese: "](../../README.md)"} {
		if first, _, _ := strings.Cut(text, "\n"); !strings.Contains(first, link) {
			t.Errorf("the first line must lead to the other language: %q", first)
		}
	}
}

// A dependency needs a sentence that says what it saves.
func TestReadmeSaysWhatEachDependencySaves(t *testing.T) {
	readme := read(t, filepath.Join(root, "README.md"))
	direct := regexp.MustCompile(`(?m)^\t([a-z]\S+) v\S+$`).FindAllStringSubmatch(read(t, filepath.Join(root, "go.mod")), -1)
	if len(direct) < 15 {
		t.Fatalf("only %d direct dependencies were found", len(direct))
	}
	for _, module := range direct {
		name := module[1]
		if !strings.Contains(readme, name) && !strings.Contains(readme, "…/"+strings.TrimPrefix(name, "go.opentelemetry.io/otel/")) &&
			!strings.Contains(readme, "…/"+strings.TrimPrefix(name, "go.opentelemetry.io/otel/exporters/otlp/")) {
			t.Errorf("README.md does not say what %s saves", name)
		}
	}
}

func TestDecisionsHaveTheirParts(t *testing.T) {
	paths, err := filepath.Glob("adr/*.md")
	if err != nil || len(paths) < 6 {
		t.Fatalf("%d decisions (%v)", len(paths), err)
	}
	for i, path := range paths {
		text := read(t, path)
		number := filepath.Base(path)[:4]
		if want := []string{"0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009"}[min(i, 8)]; i < 9 && number != want {
			t.Errorf("%s: want number %s", path, want)
		}
		for _, part := range []string{"# " + number + " ", "\nStatus: ", "\n## Context\n", "\n## Decision\n", "\n## Consequences\n"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s lacks %q", path, part)
			}
		}
	}
}
