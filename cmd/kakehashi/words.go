package main

// The words of experience.md 2.7 and S0 for what the API says in English.

func itemWord(item string) string {
	words := map[string]string{
		"name": "氏名", "kana": "カナ", "alias": "通称", "birth_date": "生年月日", "sex": "性別",
		"relation": "続柄", "household_number": "世帯番号", "residency": "住民状態", "postal_code": "郵便番号",
		"address": "住所", "address_extra": "方書", "phone": "電話番号", "tax_class": "課税区分",
	}
	if w, ok := words[item]; ok {
		return w
	}
	return item
}

func sourceWord(source string) string {
	switch source {
	case "residents":
		return "住民情報（既存住民基本台帳）"
	case "tax":
		return "課税区分（税務）"
	case "address":
		return "宛名（団体内統合宛名）"
	case "protection":
		return "支援措置"
	default:
		return source
	}
}

func outcomeWord(outcome, reason string) string {
	switch outcome {
	case "found":
		return "回答あり"
	case "no_person":
		return "該当する人が見つかりません"
	case "no_record":
		if reason == "undeclared" {
			return "登録がありません（未申告）"
		}
		return "登録がありません（課税情報なし。他の市町村の課税かもしれません）"
	case "pending":
		return "照会中です"
	case "unavailable":
		return "取得できませんでした（" + reason + "）"
	case "forbidden":
		return "この事務では表示できません"
	case "suppressed":
		return "支援措置のため表示しません"
	default:
		return outcome
	}
}

func whyWord(why string) string {
	if why == "unread" {
		return "支援措置を確認できないため表示しません"
	}
	return "支援措置のため表示しません"
}

func resultWord(result string) string {
	switch result {
	case "same":
		return "一致"
	case "differs":
		return "相違"
	case "only_here":
		return "申請・台帳にのみあり"
	case "only_there":
		return "相手先にのみあり"
	default:
		return "突合できません"
	}
}
