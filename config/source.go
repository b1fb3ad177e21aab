package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// mostBytes bounds the file: a configuration of a thousand lines has about 50 kB.
const mostBytes = 1 << 20

// document reads the bytes of a file into the node of its one mapping; nil where it
// cannot be read, which has been complained of.
func (d *decoder) document(content []byte) *yaml.Node {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")) // a byte order mark, as Windows editors write
	if where, ok := firstInvalid(content); ok {
		d.complain(where, codeNotUTF8, "文字コードが UTF-8 ではありません。UTF-8 で保存し直してください。")
		return nil
	}
	reader := yaml.NewDecoder(bytes.NewReader(content))
	var doc, second yaml.Node
	err := reader.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		return &yaml.Node{Kind: yaml.MappingNode, Line: 1, Column: 1} // nothing but comments: everything is missing
	case err != nil:
		d.syntax(content, err)
		return nil
	}
	if err := reader.Decode(&second); err == nil {
		d.complain(place{line: second.Line, column: 1}, codeDocuments, "「---」で区切られた 2 つ目の文書があります。1 つのファイルに文書は 1 つだけです。")
	} else if !errors.Is(err, io.EOF) {
		d.syntax(content, err)
		return nil
	}
	d.refuseSharing(&doc)
	modernise(doc.Content[0])
	return doc.Content[0]
}

// modernise reads a file of the versions that knew SQLite alone: their store.path is
// database.url.
func modernise(root *yaml.Node) {
	for i := 0; i+1 < len(root.Content) && root.Kind == yaml.MappingNode; i += 2 {
		key, section := root.Content[i], root.Content[i+1]
		if key.Value == "database" {
			return
		}
		if key.Value != "store" || section.Kind != yaml.MappingNode {
			continue
		}
		key.Value = "database"
		for j := 0; j+1 < len(section.Content); j += 2 {
			if path := section.Content[j+1]; section.Content[j].Value == "path" && path.Kind == yaml.ScalarNode && path.Value != "" {
				section.Content[j].Value, path.Value = "url", fileScheme+path.Value
			}
		}
	}
}

// firstInvalid finds the first byte that is no UTF-8.
func firstInvalid(content []byte) (place, bool) {
	at := place{line: 1, column: 1}
	for len(content) > 0 {
		r, size := utf8.DecodeRune(content)
		switch {
		case r == utf8.RuneError && size <= 1:
			return at, true
		case r == '\n':
			at = place{line: at.line + 1, column: 1}
		default:
			at.column++
		}
		content = content[size:]
	}
	return at, false
}

const aliasText = "%sは使えません。値をその場所にそのまま書いてください。"

// placeOf finds the first line that holds word.
func placeOf(lines []string, word string) place {
	for i, line := range lines {
		if before, _, found := strings.Cut(line, word); found {
			return place{line: i + 1, column: 1 + utf8.RuneCountInString(before)}
		}
	}
	return place{line: 1, column: 1}
}

// refuseSharing complains of anchors, aliases, merge keys and tags: what a key means must
// stand where the key stands.
func (d *decoder) refuseSharing(n *yaml.Node) {
	switch {
	case n.Kind == yaml.AliasNode:
		d.complain(at(n), codeAnchor, aliasText, "エイリアス（*）")
		return
	case n.Anchor != "":
		d.complain(at(n), codeAnchor, aliasText, "アンカー（&）")
	case n.Style&yaml.TaggedStyle != 0:
		d.complain(at(n), codeAnchor, aliasText, "型の指定（!）")
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!merge":
		d.complain(at(n), codeAnchor, aliasText, "マージキー（<<）")
	}
	for _, inner := range n.Content {
		d.refuseSharing(inner)
	}
}

// syntax complains of what is no YAML at all. Where the indentation holds tabs, which YAML
// forbids and screens hide, each is named instead.
func (d *decoder) syntax(content []byte, err error) {
	lines := strings.Split(string(content), "\n")
	if _, name, found := strings.Cut(err.Error(), "unknown anchor '"); found {
		name, _, _ = strings.Cut(name, "'")
		d.complain(placeOf(lines, "*"+name), codeAnchor, aliasText, "エイリアス（*）")
		return
	}
	tabs := false
	for i, line := range lines {
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if column := strings.IndexByte(indent, '\t'); column >= 0 && len(indent) < len(line) {
			d.complain(place{line: i + 1, column: column + 1}, codeTab, "字下げにタブが使われています。空白に置き換えてください。")
			tabs = true
		}
	}
	if tabs {
		return
	}
	line := brokenLine(lines)
	if line == 0 {
		line = max(lineOf(err), 1)
	}
	column := 1
	if line <= len(lines) {
		column += len(lines[line-1]) - len(strings.TrimLeft(lines[line-1], " "))
	}
	d.complain(place{line: line, column: column}, codeSyntax, "YAML として読めません。%s", syntaxHint(err))
}

// brokenLine gives the line from which on nothing can be read: the library's own line is
// that of the block in which it noticed, often far above. 0: the file is too long to try.
func brokenLine(lines []string) int {
	const most = 2000
	if len(lines) > most {
		return 0
	}
	for n := len(lines) - 1; n > 0; n-- {
		var node yaml.Node
		if yaml.Unmarshal([]byte(strings.Join(lines[:n], "\n")+"\n"), &node) == nil {
			return n + 1
		}
	}
	return 1
}

// lineOf reads the line that the library names; 0 where it names none. This is the one
// place where an error's text is read: the library gives its position nowhere else.
func lineOf(err error) int {
	match := regexp.MustCompile(`line (\d+)`).FindStringSubmatch(err.Error())
	if match == nil {
		return 0
	}
	n, _ := strconv.Atoi(match[1]) // digits, by the pattern
	return n
}

// syntaxHint says what the usual causes of the library's complaints are. The complaint
// itself is not shown.
func syntaxHint(err error) string {
	for _, known := range []struct{ part, hint string }{
		{"mapping values are not allowed", "1 行に「: 」が 2 つあるか、字下げが深すぎます。「: 」を含む値は引用符「\"」で囲んでください。"},
		{"cannot start any token", "値が「@」「`」「%」などで始まっています。引用符「\"」で囲んでください。"},
		{"could not find expected ':'", "名前の後の「: 」（コロンと空白）がありません。"},
		{"unexpected end of stream", "引用符「\"」または「'」が閉じていません。"},
		{"unknown escape character", "「\"」の中の「\\」の書き方が違います。「'」で囲むか「\\\\」と書いてください。"},
		{"did not find expected ',' or", "「[ ]」または「{ }」が閉じていないか、区切りの「,」がありません。"},
		{"did not find expected '-' indicator", "一覧の「- 」の字下げが揃っていません。"},
		{"did not find expected key", "字下げが揃っていないか、引用符の後に余分な文字があります。"},
		{"control characters", "目に見えない制御文字が含まれています。"},
	} {
		if strings.Contains(err.Error(), known.part) {
			return known.hint
		}
	}
	return "字下げ、引用符、「: 」（コロンと空白）を確かめてください。"
}
