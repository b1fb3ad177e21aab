package mapping

import (
	"strings"

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
