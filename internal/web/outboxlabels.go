package web

import (
	"kakehashi/internal/ledger"
	"kakehashi/outbox"
)

// changeWord gives the word on screen of what a change tells a neighbour.
func changeWord(k ledger.ChangeKind) string {
	switch k {
	case ledger.PersonUse:
		return "業務利用の登録"
	case ledger.Numbering:
		return "宛名番号の付番依頼"
	case ledger.MailingChange:
		return "送付先の登録"
	default:
		return string(k)
	}
}

// owedStateWord gives the word of a state (experience.md 2.7); "" for one that there is not.
func owedStateWord(s outbox.State) string {
	switch s {
	case outbox.Pending:
		return "送信待ち"
	case outbox.InFlight:
		return "送信中"
	case outbox.Delivered:
		return "送信済み"
	case outbox.Parked:
		return "配信不能"
	case outbox.Discarded:
		return "対応不要"
	default:
		return ""
	}
}

// owedIcon gives the shape that stands beside the word.
func owedIcon(s outbox.State) string {
	switch s {
	case outbox.Delivered:
		return "ok"
	case outbox.Parked:
		return "alert"
	case outbox.Discarded:
		return "none"
	default:
		return "wait"
	}
}

// owedCauseWord says in words why a change was not delivered.
func owedCauseWord(cause string) string {
	switch cause {
	case "":
		return ""
	case outbox.CauseDown:
		return "相手先停止（つながらない）"
	case "timeout":
		return "相手先停止（応答なし）"
	case "server_error":
		return "相手先の異常"
	case "busy", "bulkhead":
		return "混雑（相手先または送信枠）"
	case "breaker_open":
		return "自動遮断中"
	case "cancelled":
		return "送る前に中断"
	case "unauthorized", "token", "refused_by_neighbour":
		return "設定（相手先に認証・許可されない）"
	case outbox.CauseRejected:
		return "検査で拒否（相手先が内容を断った）"
	case "unreadable", "too_large", "unknown_code":
		return "届いたかどうか不明（応答を読み取れない）"
	case outbox.CauseUnsure:
		return "届いたかどうか不明"
	case outbox.CauseTries:
		return "試行回数の上限"
	case outbox.CauseReceiver:
		return "届いたが、返された内容を台帳に入れられない"
	case outbox.CauseLetter:
		return "送る内容が前の試行と変わった"
	case outbox.CauseLost:
		return "届いたかどうか不明（送信の途中で止まった）"
	case outbox.CauseLate:
		return "先の変更があとから届いた"
	case outbox.CauseRestored:
		return "控えから戻した（その後に届いたかもしれない）"
	case "similar_person":
		return "相手先によく似た人がいる"
	case "several_numbers":
		return "相手先に同じ人の番号が複数ある"
	case outbox.CauseInternal, "panic":
		return "このゲートウェイの異常"
	default:
		return "その他（" + cause + "）"
	}
}

// questionText is the sentence for a change of which nobody knows whether it arrived.
func questionText(question string) string {
	if question == "" {
		return ""
	}
	return "相手先に届いたかどうか分かりません。相手先の画面で確かめてから、再送、届いていた、対応不要のどれかを選んでください。"
}

// cannotWord says why a change is not among those that can be replayed or discarded.
func cannotWord(word string) string {
	switch word {
	case "waits_behind":
		return "先の変更を待っている"
	case "in_flight":
		return "送信中"
	case "delivered":
		return "送信済み"
	case "discarded":
		return "対応不要にした"
	case "not_found":
		return "見つからない"
	case "not_parked":
		return "配信不能ではない（自動で送る）"
	case "not_discarded":
		return "対応不要になっていない"
	case "sent":
		return "一度送っている"
	case "later_delivered":
		return "同じ台帳の後の変更がすでに届いた"
	case "owed_anew":
		return "同じ事を後の変更で改めて知らせている（戻すと二重になる。直すなら後の変更を戻す）"
	case "question_by_name":
		return "届いたか不明で相手先に尋ねられない（名前を指定した再送だけができる）"
	case "others_wait":
		return "この付番を待っている変更があります。番号が分かっていれば outbox answer で答えてください"
	case "moved_on":
		return "再送を始めたあとに先へ進んだ"
	default:
		return word
	}
}

// attemptWord says how an attempt to deliver ended.
func attemptWord(outcome string) string {
	switch outcome {
	case "delivered":
		return "届いた"
	case "again":
		return "届かなかった（もう一度送る）"
	case "unsure":
		return "届いたかどうか不明"
	case "parked":
		return "配信不能にした"
	case "rejected":
		return "相手先が断った"
	case "lost":
		return "途中で止まった"
	case "late":
		return "おくれて結果が分かった"
	case "":
		return "送信中"
	default:
		return outcome
	}
}

// replayWord gives the word of a replay's state.
func replayWord(state string) string {
	switch state {
	case "running":
		return "進行中"
	case "stopped":
		return "停止中"
	case "done":
		return "終了"
	default:
		return state
	}
}
