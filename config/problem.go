package config

import (
	"cmp"
	"fmt"
	"slices"
)

// Numbers of what can be wrong with a configuration; manual explains each.
const (
	codeSyntax      = "KKH0103"
	codeTab         = "KKH0104"
	codeDocuments   = "KKH0105"
	codeAnchor      = "KKH0106" // anchors, aliases, merge keys and tags
	codeUnreadable  = "KKH0107" // the file cannot be opened or is too large
	codeNotUTF8     = "KKH0108"
	codeUnknownKey  = "KKH0111"
	codeWrongPlace  = "KKH0112"
	codeDuplicate   = "KKH0113"
	codeWrongType   = "KKH0114"
	codeMissing     = "KKH0115"
	codeNoChoice    = "KKH0116"
	codeWrongForm   = "KKH0117"
	codeUnknownName = "KKH0118" // a variable of the environment that nothing reads
	codeUnfit       = "KKH0119" // a package's own Validate refuses it
	codeDeclared    = "KKH9012" // our own declaration is wrong
)

// Problem is one thing that is wrong with a configuration, and where. Its text is
// Japanese, says what to do, and never holds a value.
type Problem struct {
	File   string // path as it was given, or empty
	Env    string // name of the variable of the environment at fault, instead of a place in the file
	Line   int    // from 1
	Column int    // from 1, in characters
	Code   string // message number
	Text   string
}

// String gives the form that editors and terminals make clickable:
// kakehashi.yaml:41:7: KKH0112 「timeout」は「lookup」の下に置きます。
func (p Problem) String() string {
	if p.Env != "" {
		return fmt.Sprintf("環境変数 %s: %s %s", p.Env, p.Code, p.Text)
	}
	return fmt.Sprintf("%s:%d:%d: %s %s", p.File, p.Line, p.Column, p.Code, p.Text)
}

// place is where a value stands: in the file, or in a variable of the environment.
type place struct {
	line, column int
	env          string
}

// sortProblems puts them in the order of the file, those of the environment last.
func sortProblems(all []Problem) {
	slices.SortStableFunc(all, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Env, b.Env),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Code, b.Code),
		)
	})
}
