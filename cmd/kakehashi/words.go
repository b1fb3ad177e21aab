package main

// said gives the words of a table as people say them; a word that it does not know stays
// as it is.
func said(table map[string]string, words ...string) []string {
	spoken := make([]string, len(words))
	for i, w := range words {
		spoken[i] = w
		if known, ok := table[w]; ok {
			spoken[i] = known
		}
	}
	return spoken
}

// recordWords are the words of entries, as the console spells them.
func recordWords() map[string]string {
	return map[string]string{
		// kinds of entries
		"intent": "着手", "outcome": "結果", "refused": "拒否", "interrupted": "中断", "withheld": "回答せず",
		"change": "変更", "read": "記録の閲覧",
		// what was done
		"lookup": "照会", "find": "検索", "open_case": "案件を開く", "close_case": "案件を閉じる",
		// whom it concerns
		"asked": "尋ねられた人", "shown": "回答に含まれた人", "candidate": "候補", "case": "案件の人",
		// outcomes
		"found": "回答あり", "no_person": "該当者なし", "no_record": "登録なし", "pending": "照会中",
		"unavailable": "取得できず", "forbidden": "権限なし", "suppressed": "抑止",
		// items
		"name": "氏名", "kana": "氏名（カナ）", "alias": "通称", "birth_date": "生年月日", "sex": "性別",
		"address_extra": "方書", "postal_code": "郵便番号", "phone": "電話番号", "household_number": "世帯番号",
		"relation": "続柄", "tax_class": "課税区分", "residency": "住民状態",
		"address": "住所",
	}
}

// sourceWords are the words of systems; one of them is an item's too.
func sourceWords() map[string]string {
	return map[string]string{"residents": "住民情報", "tax": "課税", "address": "統合宛名", "protection": "支援措置"}
}
