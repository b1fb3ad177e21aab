package ledger_test

import (
	"testing"

	"pgregory.net/rapid"

	"kakehashi/internal/ledger"
)

func TestKanaKey(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"as it is", "カクウタロウ", "カクウタロウ"},
		{"hiragana", "かくうたろう", "カクウタロウ"},
		{"half width", "ｶｸｳﾀﾛｳ", "カクウタロウ"},
		{"half width voiced", "ｶﾞｷﾞﾊﾟ", "ガギパ"},
		{"spaces", "カクウ　タロウ jr", "カクウタロウＪＲ"},
		{"small", "キョウコ　ショウジ　ペッパァ", "キヨウコシヨウジペツパア"},
		{"half width small", "ｷｮｳｺ ｯ", "キヨウコツ"},
		{"small hiragana", "きょうこ", "キヨウコ"},
		{"small ka ke wa", "ヵヶヮ", "カケワ"},
		{"vu", "ヴィオラ", "ヴイオラ"},
		{"vu hiragana", "ゔぃおら", "ヴイオラ"},
		{"vu apart", "ウ゛ィオラ", "ヴイオラ"},
		{"vu half width", "ｳﾞｨｵﾗ", "ヴイオラ"},
		{"voiced mark apart", "ヘ゛ン", "ベン"},
		{"voiced mark combining", "ヘ\u3099ン", "ベン"},
		{"half voiced mark apart", "ハ゜", "パ"},
		{"middle dot", "アン・マリー", "アンマリー"},
		{"half width middle dot", "ｱﾝ･ﾏﾘｰ", "アンマリー"},
		{"long vowel half width", "ﾕｰｺ", "ユーコ"},
		{"long vowel by hyphen", "ユ-コ", "ユーコ"},
		{"long vowel by minus", "ユ−コ", "ユーコ"},
		{"long vowel by dash", "ユ―コ", "ユーコ"},
		{"long vowel stays", "ユウコ", "ユウコ"},
		{"voicing stays", "カトウ", "カトウ"},
		{"letters", "ａｂＣ", "ＡＢＣ"},
		{"kanji stays", "架空", "架空"},
		{"empty", "　 ", ""},
	} {
		if got := ledger.KanaKey(c.in); got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

func TestKanaKeyTwiceIsOnce(t *testing.T) {
	kana := rapid.StringOf(rapid.RuneFrom([]rune("ァアィイカガヵヴワヮヷハバパぁあがぱゔｱｶﾊﾞﾟｰー゛゜・･ 　-aＺ架")))
	rapid.Check(t, func(t *rapid.T) {
		key := ledger.KanaKey(kana.Draw(t, "in"))
		if got := ledger.KanaKey(key); got != key {
			t.Fatalf("folding %q again gives %q", key, got)
		}
	})
}

func TestHasGaiji(t *testing.T) {
	for in, want := range map[string]bool{
		"架空　太郎": false, "辻\U000E0100": false, "𠮷野": false, "": false, "\uFFFD": false, "\uFA19": false,
		"\uE000": true, "渡\uE0A1": true, "\uF8FF": true, "\U000F0000": true, "\U0010DE92": true, "\U0010FFFD": true,
	} {
		if got := ledger.HasGaiji(in); got != want {
			t.Errorf("%+q: got %v, want %v", in, got, want)
		}
	}
}
