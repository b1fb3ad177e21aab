package main

import (
	"fmt"
	"slices"
)

// registration is the body that registers a child with a guardian who lives elsewhere, no two
// of them alike in name, reading and birth date.
func registration(e example, child persona, n int) map[string]any {
	sounds := []rune("アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワ")
	kanji := []rune("青赤白黒緑紫金銀銅鉄水火木土日月星空雲雨雪風山川海湖森林野原")
	k, j := len(sounds), len(kanji)
	guardian := map[string]any{
		"name":       fmt.Sprintf("遠%c%c　%c子", kanji[n%j], kanji[n/j%j], kanji[(n*7+3)%j]),
		"kana":       fmt.Sprintf("トオ%c%c　%c%cコ", sounds[n%k], sounds[n/k%k], sounds[(n*5+1)%k], sounds[(n/k+n)%k]),
		"birth_date": fmt.Sprintf("19%02d-%02d-%02d", 70+n%25, 1+n%12, 1+n%28),
		"sex":        "女", "address": fmt.Sprintf("遠国県彼方市外町%d丁目%d番%d号", 1+n%9, 1+n, 1+n%17),
	}
	return basis(e, child, map[string]any{
		"child":    map[string]any{"atena_number": child.Atena, "birth_date": child.BirthDate},
		"guardian": guardian, "applied_on": "2026-11-20",
	})
}

// mailing is the body that changes a mailing address from its version on.
func mailing(e example, child persona, version, n int) map[string]any {
	return basis(e, child, map[string]any{
		"kind": "mailing_address", "effective_on": "2026-12-01", "version": version, "mailing_address": map[string]any{
			"name": "架空　方", "postal_code": "9990001", "address": fmt.Sprintf("彼方市外町%d番地", n),
		},
	})
}

// askable leaves out whose date of birth is not known whole.
func askable(all []persona) []persona {
	return slices.DeleteFunc(slices.Clone(all), func(p persona) bool { return len(p.BirthDate) != len("2016-05-03") })
}

// children gives the people that can be registered on the day of the applications: born
// before it and within the scheme's age.
func children(all []persona) []persona {
	return slices.DeleteFunc(askable(all), func(p persona) bool {
		return !p.has("child") || p.has("protected") || p.has("newborn") || p.BirthDate < "2011-04-02"
	})
}
