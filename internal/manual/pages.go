package manual

import (
	"embed"
	"strings"
)

//go:embed ja/*.md
var pages embed.FS

// Pages gives the names of the manual's pages in the order in which a newcomer reads them.
// A page's name is its heading.
func Pages() []string {
	var names []string
	for _, text := range texts() {
		names = append(names, heading(text))
	}
	return names
}

// Page gives the page of that name, in Markdown; false where there is none.
func Page(name string) (string, bool) {
	for _, text := range texts() {
		if heading(text) == name {
			return text, true
		}
	}
	return "", false
}

// texts gives the pages in the order of their files, whose names begin with a number.
func texts() []string {
	entries, err := pages.ReadDir("ja")
	if err != nil {
		return nil // cannot be: the folder is compiled in
	}
	all := make([]string, 0, len(entries))
	for _, e := range entries {
		if text, err := pages.ReadFile("ja/" + e.Name()); err == nil {
			all = append(all, string(text))
		}
	}
	return all
}

func heading(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return strings.TrimPrefix(first, "# ")
}
