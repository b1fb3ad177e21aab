package ledger

import (
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// addressKey folds away how an address is written down: width, spaces, kinds of dashes,
// 丁目 番地 番 号 の between numbers (一丁目2番3号, 1丁目2番地の3 and 1-2-3 are one), kanji
// numerals before 丁目, variation selectors. It knows no gazetteer: a dropped 大字 or
// prefecture makes another address.
func addressKey(s string) string {
	wide := norm.NFC.String(width.Widen.String(s)) // half-width kana need their marks composed
	runes := make([]rune, 0, len(s))
	for _, r := range narrow(wide) {
		if !unicode.IsSpace(r) && !isVariation(r) {
			runes = append(runes, r)
		}
	}
	return joinNumbers(numeralsBeforeChome(runes))
}

// joinNumbers writes one hyphen for whatever stands between two numbers of an address and
// nothing for what follows the last.
func joinNumbers(in []rune) string {
	var b strings.Builder
	afterNumber := false
	for i := 0; i < len(in); {
		if afterNumber {
			if n := separatorAt(in[i:]); n > 0 {
				i += n
				if i < len(in) && isDigit(in[i]) {
					b.WriteByte('-')
				}
				afterNumber = false
				continue
			}
		}
		r := in[i]
		if isDash(r) && r != 'ー' {
			r = '-'
		}
		b.WriteRune(r)
		afterNumber = isDigit(r)
		i++
	}
	return b.String()
}

// separatorAt gives the length of the separator of numbers at the start of in, 0 for none.
// 番 before 町 belongs to the name of a town.
func separatorAt(in []rune) int {
	for _, word := range []string{"丁目", "番地の", "番地", "番の", "号室", "番", "号", "の", "ノ"} {
		w := []rune(word)
		if len(in) < len(w) || string(in[:len(w)]) != word {
			continue
		}
		if word == "番" && len(in) > 1 && in[1] == '町' {
			return 0
		}
		if (word == "の" || word == "ノ") && (len(in) == 1 || !isDigit(in[1])) {
			return 0
		}
		return len(w)
	}
	if isDash(in[0]) && len(in) > 1 && isDigit(in[1]) {
		return 1
	}
	return 0
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// numeralsBeforeChome rewrites the kanji numeral right before each 丁目 in digits.
func numeralsBeforeChome(in []rune) []rune {
	out := make([]rune, 0, len(in))
	for i, r := range in {
		if r == '丁' && i+1 < len(in) && in[i+1] == '目' {
			start := len(out)
			for start > 0 && kanjiDigit(out[start-1]) >= 0 {
				start--
			}
			if start < len(out) {
				out = append(out[:start], []rune(kanjiNumber(out[start:]))...)
			}
		}
		out = append(out, r)
	}
	return out
}

// kanjiDigit gives the value of a kanji numeral up to 十 (10), -1 for anything else.
func kanjiDigit(r rune) int {
	switch r {
	case '〇', '零':
		return 0
	case '十':
		return 10
	default:
		for i, k := range []rune("一二三四五六七八九") {
			if r == k {
				return i + 1
			}
		}
		return -1
	}
}

// kanjiNumber reads a numeral below a hundred with 十 (二十三) or digit by digit (二三).
func kanjiNumber(in []rune) string {
	tens, ones := 0, 0
	for _, r := range in {
		if v := kanjiDigit(r); v == 10 {
			tens, ones = tens+max(ones, 1), 0
		} else {
			ones = ones*10 + v
		}
	}
	return strconv.Itoa(tens*10 + ones)
}
