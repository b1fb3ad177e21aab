package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// unknown complains of a key that its section does not have, and says where it belongs:
// a slip of the pen beside its right spelling first, then the same key in another section.
func (d *decoder) unknown(fields []field, path string, key *yaml.Node) {
	near, distance := nearest(fields, key.Value)
	parents := parentsOf(d.root, "", key.Value)
	elsewhere := similar(d.root, "", key.Value)
	name := printable(key.Value)
	switch {
	case distance == 1 || near != "" && len(parents) == 0:
		d.complain(at(key), codeUnknownKey, "「%s」という項目はありません。「%s」の書き間違いではありませんか。", name, near)
	case len(parents) > 0:
		d.complain(at(key), codeWrongPlace, "「%s」は%sの下に置きます。", name, quoteAll(parents))
	case elsewhere.key != "":
		d.complain(at(key), codeUnknownKey, "「%s」という項目はありません。「%s」の下の「%s」ではありませんか。", name, elsewhere.path, elsewhere.key)
	default:
		d.complain(at(key), codeUnknownKey, "「%s」という項目はありません。%sに書けるのは %s です。", name, sectionName(path), keysOf(fields))
	}
}

func sectionName(path string) string {
	if path == "" {
		return "いちばん外側"
	}
	return "「" + show(path) + "」"
}

func keysOf(fields []field) string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return strings.Join(keys, ", ")
}

// quoteAll names at most three sections.
func quoteAll(paths []string) string {
	rest := ""
	if len(paths) > 3 {
		paths, rest = paths[:3], "など"
	}
	return "「" + strings.Join(paths, "」「") + "」" + rest
}

// nameLetters are those of keys and of values that need no quotes.
const nameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."

// printable gives a key as a message may show it. What does not look like a key may be a
// value that slipped to the left of a colon, and values are never shown.
func printable(key string) string {
	if len(key) > 40 || strings.Trim(key, nameLetters) != "" {
		return "（表示しません）"
	}
	return key
}

// parentsOf lists the sections that have the key, sorted; of the top level none.
func parentsOf(fields []field, path, key string) []string {
	var all []string
	for _, f := range fields {
		if f.key == key && path != "" {
			all = append(all, path)
		}
		if len(f.inner) > 0 {
			all = append(all, parentsOf(f.inner, join(path, f.key), key)...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// spot is a key of some section.
type spot struct{ path, key string }

// similar finds a key of any section that begins as this one does, as client_secret_file
// does for client_secret, or that may be meant by a slip of the pen.
func similar(fields []field, path, key string) spot {
	for _, f := range fields {
		if path != "" && len(key) >= 4 && (strings.HasPrefix(f.key, key+"_") || edits(key, f.key) == 1) {
			return spot{path, f.key}
		}
		if found := similar(f.inner, join(path, f.key), key); found.key != "" {
			return found
		}
	}
	return spot{}
}

// nearest gives the key of the section that differs least, and by how much; empty where
// none is near enough to be a slip of the pen.
func nearest(fields []field, key string) (string, int) {
	best, least := "", 1+max(1, len(key)/3)
	folded := strings.ReplaceAll(strings.ToLower(key), "-", "_")
	for _, f := range fields {
		distance := edits(folded, f.key)
		if distance == 0 {
			distance = 1 // differs by case or by - for _ alone
		}
		if distance < least {
			best, least = f.key, distance
		}
	}
	return best, least
}

// edits counts the insertions, deletions, substitutions and swaps of neighbours that make
// b of a (optimal string alignment distance), by bytes.
func edits(a, b string) int {
	before, last, row := []int(nil), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, make([]int, len(b)+1)
	}
	return last[len(b)]
}
