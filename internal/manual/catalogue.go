package manual

import (
	"cmp"
	"slices"
	"sync"
)

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
	for _, n := range All() {
		byCode[n.Code] = n
	}
	return byCode
})

// Message gives the entry of a message number; false where there is no such number.
func Message(code string) (Entry, bool) {
	n, ok := index()[code]
	return n, ok
}

// All gives every entry in the order of numbers. Each range of numbers stands in a file
// of its own; to add a message is to add one block there.
func All() []Entry {
	all := slices.Concat(
		configEntries(), lookupEntries(), staffEntries(), neighbourEntries(), recordEntries(),
		storeEntries(), apiEntries(), programEntries(), sandboxEntries(), internalEntries(),
	)
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Compare(a.Code, b.Code) })
	return all
}
