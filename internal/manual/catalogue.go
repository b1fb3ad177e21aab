package manual

import (
	"cmp"
	"embed"
	"slices"
	"strings"
	"sync"
)

// messages are the entries, a file for each range of numbers. An entry is one block:
//
//	KKH2104-E 相手先が時間内に応答しません。
//	原因: …
//	影響: …
//	対処: …
//
//go:embed messages/*.txt
var messages embed.FS

// Severity is 重大度, the last letter of a message number in the log.
type Severity string

// The severities, as schedulers and log traps know them.
const (
	Info    Severity = "I" // 情報: nothing to do
	Warning Severity = "W" // 警告: it goes on; somebody should look
	Error   Severity = "E" // エラー: something did not happen
)

// Japanese gives the severity as pages show it.
func (s Severity) Japanese() string {
	switch s {
	case Info:
		return "情報"
	case Warning:
		return "警告"
	default:
		return "エラー"
	}
}

// Entry is one message of the catalogue: its number, and what stands beside it for whoever
// meets it. Every text is Japanese, in full sentences, and the same every time: no value is
// ever filled in.
type Entry struct {
	Code     string   `json:"code"`     // KKH and four digits
	Severity Severity `json:"severity"` // 重大度
	Text     string   `json:"text"`     // 文: what happened
	Cause    string   `json:"cause"`    // 原因
	Effect   string   `json:"effect"`   // 影響
	Action   string   `json:"action"`   // 対処
}

// index finds an entry by its number. It is made at the first question and not changed
// afterwards.
var index = sync.OnceValue(func() map[string]Entry {
	byCode := map[string]Entry{}
	files, err := messages.ReadDir("messages")
	if err != nil {
		return nil // cannot be: the folder is compiled in
	}
	for _, f := range files {
		text, err := messages.ReadFile("messages/" + f.Name())
		if err != nil {
			continue // cannot be, as above
		}
		for block := range strings.SplitSeq(string(text), "\n\n") {
			if e := parse(block); e.Code != "" {
				byCode[e.Code] = e
			}
		}
	}
	return byCode
})

// parse reads one block. What is wrong with one is the tests' to say.
func parse(block string) Entry {
	var e Entry
	for line := range strings.Lines(block) {
		name, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch name {
		case "#":
		case "原因:":
			e.Cause = text
		case "影響:":
			e.Effect = text
		case "対処:":
			e.Action = text
		default:
			code, severity, _ := strings.Cut(name, "-")
			e.Code, e.Severity, e.Text = code, Severity(severity), text
		}
	}
	return e
}

// Message gives the entry of a message number; false where there is no such number.
func Message(code string) (Entry, bool) {
	e, ok := index()[code]
	return e, ok
}

// All gives every entry in the order of numbers.
func All() []Entry {
	all := make([]Entry, 0, len(index()))
	for _, e := range index() {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Compare(a.Code, b.Code) })
	return all
}
