package ledger

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// KanaKey folds kana to the key by which people are searched and kana compared: full-width
// katakana with voiced marks composed (ｶﾞ, か゛, ガ are one; ヴ stays ヴ), small kana made
// large, spaces and middle dots dropped, and every dash read as the long vowel mark ー,
// which stays: ユーコ and ユウコ are two. It is a key and never shown; names themselves
// are never folded. Anything that is not kana stays, in full width and capital letters.
func KanaKey(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range width.Widen.String(s) {
		switch {
		case unicode.IsSpace(r) || isMiddleDot(r):
			continue
		case r == '゛':
			r = '\u3099' // combining, so that it composes
		case r == '゜':
			r = '\u309A'
		case isDash(r):
			r = 'ー'
		case (r >= 'ぁ' && r <= 'ゖ') || r == 'ゝ' || r == 'ゞ':
			r += 'ァ' - 'ぁ'
		case r >= 'ａ' && r <= 'ｚ':
			r += 'Ａ' - 'ａ'
		}
		b.WriteRune(largeKana(r))
	}
	return norm.NFC.String(b.String())
}

// largeKana gives the large form of a small katakana.
func largeKana(r rune) rune {
	switch r {
	case 'ァ', 'ィ', 'ゥ', 'ェ', 'ォ', 'ッ', 'ャ', 'ュ', 'ョ', 'ヮ':
		return r + 1
	case 'ヵ':
		return 'カ'
	case 'ヶ':
		return 'ケ'
	default:
		return r
	}
}

func isMiddleDot(r rune) bool {
	switch r {
	case '・', '·', '•', '‧', '∙', '⋅', '．':
		return true
	default:
		return false
	}
}

// isDash tells whether r is a dash of any kind, the long vowel marks included.
func isDash(r rune) bool {
	switch r {
	case '-', '－', '‐', '‑', '‒', '–', '—', '―', '−', '─', '━', 'ー', 'ｰ', '﹣':
		return true
	default:
		return false
	}
}

// HasGaiji tells whether the text holds a character of the private use areas (外字):
// U+E000 to U+F8FF and planes 15 and 16. Such a character means nothing outside the
// system it comes from.
func HasGaiji(s string) bool { return strings.ContainsFunc(s, isGaiji) }

func isGaiji(r rune) bool { return unicode.Is(unicode.Co, r) || r >= 0xF0000 }

// isVariation tells whether r only chooses a glyph for the character before it (IVS,
// standardised variations).
func isVariation(r rune) bool {
	return (r >= 0xE0100 && r <= 0xE01EF) || (r >= 0xFE00 && r <= 0xFE0F)
}

// narrow makes full-width ASCII and the full-width space half width.
func narrow(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '！' && r <= '～':
			return r - ('！' - '!')
		case r == '\u3000':
			return ' '
		default:
			return r
		}
	}, s)
}

// nameKey folds away how a name is written down, not which name it is: the width of
// letters, spaces, variation selectors, and compatibility ideographs, which are the same
// characters under a second number.
func nameKey(s string) string {
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if isVariation(r) || unicode.IsSpace(r) {
			return -1
		}
		return r
	}, narrow(s)))
}

// digitsKey keeps the digits of a postal code or a telephone number, half width, and
// drops what people write between them. It is false where anything else stands there.
func digitsKey(s string) (string, bool) {
	var b strings.Builder
	for _, r := range narrow(s) {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case isDash(r) || unicode.IsSpace(r) || strings.ContainsRune("〒()", r):
		default:
			return "", false
		}
	}
	return b.String(), b.Len() > 0
}
