package mapping

import (
	"strings"

	"github.com/rivo/uniseg"

	"kakehashi/internal/ledger"
)

// KanaKey folds kana to the key by which people are searched: ledger.KanaKey. Names are
// never folded but for such a key.
func KanaKey(s string) string { return ledger.KanaKey(s) }

// isKatakana tells whether a key is made of full-width katakana and nothing else.
func isKatakana(key string) bool {
	return key != "" && !strings.ContainsFunc(key, func(r rune) bool {
		return (r < 'ァ' || r > 'ヺ') && r != 'ー' && r != 'ヽ' && r != 'ヾ'
	})
}

// HasGaiji tells whether the text holds a character of the private use areas (外字), which
// nobody but its own system can read: ledger.HasGaiji.
func HasGaiji(s string) bool { return ledger.HasGaiji(s) }

// Length counts the characters of a text as the standard means its lengths (ITEM56): what
// a reader sees as one is one, so that a kanji with its variation selector (IVS) is.
func Length(s string) int { return uniseg.GraphemeClusterCount(s) }
