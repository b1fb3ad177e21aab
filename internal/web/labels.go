package web

import (
	"strings"

	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
)

// The words of the screens (experience.md 2.7 and S0). A word that is not in a table is
// shown as it came: an unknown word is better than a wrong one.

// itemWord gives the word on screen of an item.
func itemWord(i ledger.Item) string {
	switch i {
	case ledger.Name:
		return "氏名"
	case ledger.Kana:
		return "氏名（カナ）"
	case ledger.Alias:
		return "通称"
	case ledger.BirthDate:
		return "生年月日"
	case ledger.Sex:
		return "性別"
	case ledger.AddressText:
		return "住所"
	case ledger.AddressExtra:
		return "方書"
	case ledger.PostalCode:
		return "郵便番号"
	case ledger.Phone:
		return "電話番号"
	case ledger.HouseholdNo:
		return "世帯番号"
	case ledger.RelationToHead:
		return "続柄"
	case ledger.TaxClassOfYear:
		return "課税区分"
	case ledger.ResidencyStatus:
		return "住民状態"
	default:
		return string(i)
	}
}

// sourceWord gives the heading of a source's panel.
func sourceWord(s ledger.System) string {
	switch s {
	case ledger.Residents:
		return "住民情報"
	case ledger.Tax:
		return "課税区分"
	case ledger.Address:
		return "統合宛名"
	case ledger.Protection:
		return "支援措置"
	case ledger.Own:
		return "こども医療台帳"
	default:
		return string(s)
	}
}

// systemWord gives the name of the system that answers.
func systemWord(s ledger.System) string {
	switch s {
	case ledger.Residents:
		return "住民記録システム"
	case ledger.Tax:
		return "課税システム"
	case ledger.Address:
		return "統合宛名システム"
	case ledger.Protection:
		return "支援措置の照会先"
	case ledger.Own:
		return "こども医療台帳"
	case delivering:
		return "統合宛名システム（変更の送信）"
	default:
		return string(s)
	}
}

// delivering is the unified address system as changes are sent to it: a breaker of its own.
const delivering = ledger.System("address-delivery")

// verdict is how an outcome is shown: a shape, a word and whether it may feed a decision.
type verdict struct {
	Icon string // name of the shape: ok, none, blank, wait, alert, bar, shield
	Word string // 結果区分
	Text string // the sentence of experience.md, S0
	Note string // what staff do or must not do
}

// verdictOf gives the fixed words of an outcome. since is when an inquiry was sent, as day.
func verdictOf(o ledger.Outcome, reason string, s ledger.System, since string) verdict {
	switch o {
	case ledger.Found:
		return verdict{Icon: "ok", Word: "回答あり"}
	case ledger.NoPerson:
		return verdict{"none", "該当者なし", "該当する人が見つかりません", "判定には使えません。"}
	case ledger.NoRecord:
		return noRecord(reason)
	case ledger.Pending:
		text := "照会中です"
		if since != "" {
			text += "（" + since + " 送信）"
		}
		return verdict{"wait", "照会中", text, "判定には使えません。"}
	case ledger.Forbidden:
		return verdict{"bar", "権限なし", "この事務では表示できません", "判定には使えません。"}
	case ledger.Suppressed:
		return verdict{"shield", "抑止", whyWord(reason), "判定には使えません。"}
	default:
		return verdict{
			"alert", "取得できませんでした", "取得できませんでした（" + systemWord(s) + " " + causeWord(reason) + "）",
			"判定には使えません。値がないという意味ではありません。",
		}
	}
}

// noRecord gives the words of 登録なし by its reason. Only 未申告 may feed a decision, as 未申告.
func noRecord(reason string) verdict {
	switch reason {
	case ledger.ReasonUndeclared:
		return verdict{"blank", "登録なし", "登録がありません（未申告）", "未申告として扱います。"}
	case ledger.ReasonNotHere:
		return verdict{"blank", "登録なし", "登録がありません（課税情報なし）", "判定には使えません。他の市区町村への照会が必要です。"}
	case ledger.ReasonNotAsked:
		return verdict{"blank", "登録なし", "登録がありません（未照会）", "判定には使えません。"}
	default:
		return verdict{"blank", "登録なし", "登録がありません", "判定には使えません。"}
	}
}

// causeWord says in words what kept a system from answering.
func causeWord(reason string) string {
	switch reason {
	case "timeout", "down":
		return "応答なし"
	case "breaker_open":
		return "自動遮断中"
	case "busy", "bulkhead":
		return "混雑中"
	case "unauthorized", "token":
		return "認証できず"
	case "unreadable", "unknown_code", "too_large", "internal":
		return "回答を読み取れず"
	case "household_unknown":
		return "世帯を確認できず"
	default:
		return "回答できず"
	}
}

// resultWord gives the word of a comparison's result (突合).
func resultWord(r ledger.Result) string {
	switch r {
	case ledger.Same:
		return "一致"
	case ledger.Differs:
		return "相違"
	case ledger.OnlyHere:
		return "こちらだけにあり"
	case ledger.OnlyThere:
		return "取得元だけにあり"
	case ledger.NotComparable:
		return "比べられません"
	default:
		return string(r)
	}
}

// ruleWord says in words by which rule a comparison was decided.
func ruleWord(rule string) string {
	switch rule {
	case ledger.RuleExact:
		return "文字がすべて同じ"
	case ledger.RuleNameVariant:
		return "空白・全角半角・異体字の違いを除く"
	case ledger.RuleKanaKey:
		return "カナの検索キー"
	case ledger.RuleDate:
		return "同じ日かどうか（和暦・西暦を問わない）"
	case ledger.RuleAddressFold:
		return "番地の書き方の違いを除く"
	case ledger.RuleDigits:
		return "数字だけ"
	case ledger.RuleCode:
		return "区分の名前"
	case ledger.RulePresence:
		return "値の有無"
	case ledger.RuleDatePartial:
		return "一部が不詳の日付"
	case ledger.RuleGaiji:
		return "外字があり機械では決められない"
	case ledger.RuleUnknown:
		return "一方が不明"
	case ledger.RuleNoRecord:
		return "登録がない"
	case ledger.RuleUnreadableHere:
		return "入力を読み取れない"
	case ledger.RuleConcealed:
		return "支援措置の確認による抑止"
	case ledger.RuleNotPermitted, string(ledger.Forbidden):
		return "この事務では見られない"
	case ledger.RuleNotOffered:
		return "取得元にない項目"
	case ledger.RuleNoLedgerRecord:
		return "台帳に記録がない"
	case string(ledger.Unavailable):
		return "取得できなかった"
	case string(ledger.NoPerson):
		return "該当者なし"
	case string(ledger.Pending):
		return "照会中"
	default:
		return rule
	}
}

// roleWord gives the word of a role.
func roleWord(role staff.Role) string {
	switch role {
	case staff.CaseWorker:
		return "担当者"
	case staff.Operator:
		return "運用者"
	case staff.Auditor:
		return "監査者"
	default:
		return string(role)
	}
}

// breakerWord gives shape and word of a breaker's state.
func breakerWord(state string) (icon, word string) {
	switch state {
	case "closed":
		return "ok", "通常"
	case "half_open":
		return "wait", "試行中"
	case "open":
		return "alert", "遮断中"
	default:
		return "blank", "不明"
	}
}

// legible shows 〓 where a 外字 stands, for which no font of the pages has a glyph, and says
// so: the character is neither dropped nor taken for another (experience.md 2.6). The API
// gives the text as the source spells it.
func legible(text string) string {
	if !ledger.HasGaiji(text) {
		return text
	}
	shown := strings.Map(func(r rune) rune {
		if ledger.HasGaiji(string(r)) {
			return '〓'
		}
		return r
	}, text)
	return shown + "（〓は外字。住民票などの字形で確かめてください）"
}
