package sandbox

import (
	"slices"
	"strings"
	"time"
)

// The writes of the address system: 住登外者宛名番号付番 (in the shape of the public API
// specification), 業務利用登録 and 送付先登録, and the reads that tell what became of them.
const (
	numberingResource = "jutogaishaatenabangofuban"
	useResource       = "gyomuriyotoroku"
	mailingResource   = "sofusakitoroku"
	useRead           = "gyomuriyoshokai"
	mailingRead       = "sofusakishokai"
)

// writingResources are the resources by which others write to 団体内統合宛名, and their reads.
func writingResources() []resource {
	return []resource{
		{
			name: numberingResource, title: "住登外者宛名番号付番", system: Address, scope: createScopeOf("032", numberingResource),
			kind: KindNumbering, items: append(numberingItems(), operation()...), relate: birthRelations,
			needs: func(v values) string {
				if v.one("kojinbango") != "" {
					return scopeIndividual
				}
				return ""
			},
		},
		{
			name: useResource, title: "業務利用登録", system: Address, scope: createScopeOf("032", useResource),
			kind: KindPersonUse, items: append([]item{atenabango()}, operation()...),
		},
		{
			name: mailingResource, title: "送付先登録", system: Address, scope: createScopeOf("032", mailingResource),
			kind: KindMailingAddress, items: append(mailingItems(), operation()...),
		},
		{
			name: useRead, title: "業務利用照会", system: Address, scope: scopeOf("032", useRead),
			items: append([]item{atenabango()}, business()...), answer: usesOf,
		},
		{
			name: mailingRead, title: "送付先照会", system: Address, scope: scopeOf("032", mailingRead),
			items: append([]item{atenabango(), controlNumber()}, business()...), answer: mailingOf,
		},
	}
}

// business are the items that say which business and which system calls.
func business() []item {
	return []item{
		{key: "gyomuid", label: "業務ID", rule: alphanumeric(), length: 3, fixed: true, required: true},
		{key: "dokujishisakushisutemutoid", label: "独自施策システム等ID", rule: alphanumeric(), length: 3, fixed: true, required: true},
	}
}

// operation are the items that every write carries.
func operation() []item {
	return append(business(),
		item{key: "sosashaid", label: "操作者ID", rule: halfWidth(), length: 10, required: true},
		item{key: "sosanengappi", label: "操作年月日", rule: dates(), length: 10, fixed: true, required: true},
		item{key: "sosajikoku", label: "操作時刻", rule: clockTime(), length: 8, fixed: true, required: true},
	)
}

func numberingItems() []item {
	return []item{
		{key: "shimei", label: "氏名", rule: anyText(), length: 100, required: true},
		{key: "shimei_kana", label: "氏名カナ", rule: katakana(), length: 100, required: true},
		{key: "seinengappi", label: "生年月日", rule: dates(), length: 10, fixed: true},
		{key: "seinengappi_fushofuragu", label: "生年月日不詳フラグ", rule: oneOf("0", "1"), length: 1, fixed: true, required: true},
		{key: "seinengappi_fushohyoki", label: "生年月日不詳表記", rule: anyText(), length: 72},
		{key: "seibetsu", label: "性別", rule: oneOf(unknownSex, man, woman), length: 1, fixed: true, required: true},
		{key: "jusho", label: "住所", rule: anyText(), length: 300, required: true},
		{key: "kojinbango", label: "個人番号", rule: digits(), length: 12, fixed: true},
		{key: "tagyomusanshofukafuragu", label: "他業務参照不可フラグ", rule: oneOf("0", "1"), length: 1, fixed: true, required: true},
	}
}

func mailingItems() []item {
	return []item{
		atenabango(), controlNumber(),
		{key: "rirekibango", label: "履歴番号", rule: digits(), length: 10, required: true},
		{key: "sofusaki_meisho", label: "送付先名称", rule: anyText(), length: 100},
		{key: "yubinbango", label: "郵便番号", rule: digits(), length: 7, fixed: true},
		{key: "jusho", label: "住所", rule: anyText(), length: 300, required: true},
		{key: "katagaki", label: "方書", rule: anyText(), length: 300},
		{key: "tekiyokaishibi", label: "適用開始日", rule: dates(), length: 10, fixed: true, required: true},
	}
}

// controlNumber is the number by which the caller keeps a mailing address.
func controlNumber() item {
	return item{key: "kanribango", label: "管理番号", rule: halfWidth(), length: 30, required: true}
}

// birthRelations demands either a day or the words for a birth date that is not known.
func birthRelations(v values) []wrong {
	day, words, unknown := v.one("seinengappi"), v.one("seinengappi_fushohyoki"), v.one("seinengappi_fushofuragu") == "1"
	switch {
	case !unknown && day == "":
		return []wrong{{codeRequired, "【生年月日】が設定されていません。"}}
	case !unknown && words != "":
		return []wrong{{codeCorrelation, "【生年月日不詳表記】が設定されている場合、【生年月日不詳フラグ】は設定必須です。"}}
	case unknown && words == "":
		return []wrong{{codeCorrelation, "【生年月日不詳フラグ】が設定されている場合、【生年月日不詳表記】は設定必須です。"}}
	case unknown && day != "":
		return []wrong{{codeCorrelation, "【生年月日】が設定されている場合、【生年月日不詳フラグ】は【0】で設定してください。"}}
	default:
		return nil
	}
}

// halfWidth allows what can be typed in half-width characters.
func halfWidth() rule {
	return rule{func(s string) bool {
		return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
	}, "半角文字"}
}

func clockTime() rule {
	return rule{func(s string) bool { _, err := time.Parse(time.TimeOnly, s); return err == nil }, "HH:MM:SS形式の時刻"}
}

func oneOf(words ...string) rule {
	return rule{func(s string) bool { return slices.Contains(words, s) }, strings.Join(words, "か")}
}

// usesOf answers whether a business uses a person.
func usesOf(in view, v values, _ moment) any {
	if e, there := in.register.lastUse(keyOfUse(v.one)); there {
		return []map[string]string{e.result()}
	}
	return []map[string]string{}
}

// mailingOf answers with the mailing address that was written last, whatever its 履歴番号.
func mailingOf(in view, v values, _ moment) any {
	if e, there := in.register.lastMailing(keyOfMailing(v.one)); there {
		return []map[string]string{e.items(mailingItems(), operation())}
	}
	return []map[string]string{}
}
