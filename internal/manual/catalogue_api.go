package manual

// apiEntries are the messages about the API.
func apiEntries() []Entry {
	return []Entry{
		{
			Code: "KKH4100", Severity: Info, Text: "要求に応答しました。",
			Cause:  "要求が処理されました。",
			Effect: "ありません。",
			Action: "対処は要りません。",
		},
		{
			Code: "KKH4101", Severity: Error, Text: "そのアドレスはありません。",
			Cause:  "パスが違います。",
			Effect: "何も行われていません。",
			Action: "/openapi.json でアドレスを確かめてください。",
		},
		{
			Code: "KKH4102", Severity: Error, Text: "そのアドレスでは使えない方法です。",
			Cause:  "HTTP のメソッドが違います。",
			Effect: "何も行われていません。",
			Action: "/openapi.json でメソッドを確かめてください。",
		},
		{
			Code: "KKH4103", Severity: Error, Text: "要求の本文が大きすぎます。",
			Cause:  "本文が上限を超えています。",
			Effect: "何も行われていません。",
			Action: "本文を小さくしてください。",
		},
		{
			Code: "KKH4104", Severity: Error, Text: "要求の本文が JSON と宣言されていません。",
			Cause:  "Content-Type が application/json ではありません。",
			Effect: "何も行われていません。",
			Action: "Content-Type: application/json を付けてください。",
		},
		{
			Code: "KKH4105", Severity: Error, Text: "要求の本文を JSON として読めません。",
			Cause:  "書き方の誤りか、同じ名前の重複があります。",
			Effect: "何も行われていません。",
			Action: "本文を直してください。",
		},
		{
			Code: "KKH4106", Severity: Error, Text: "要求の本文に誤りがあります。",
			Cause:  "知らない項目、足りない項目、種類の違う値のどれかがあります。",
			Effect: "何も行われていません。",
			Action: "errors が指す場所を直してください。",
		},
		{
			Code: "KKH4107", Severity: Error, Text: "ほかのサイトからの操作なので断りました。",
			Cause:  "画面の操作が、このゲートウェイの画面以外から来ました。",
			Effect: "何も行われていません。",
			Action: "このゲートウェイの画面を開き直して操作してください。",
		},
		{
			Code: "KKH4108", Severity: Warning, Text: "応答を送り終える前に切断されました。",
			Cause:  "相手が切断したか、通信が切れました。",
			Effect: "回答の一部が届いていないおそれがあります。記録には残っています。",
			Action: "対処は要りません。続くときは通信を確かめてください。",
		},
		{
			Code: "KKH4111", Severity: Error, Text: "いまは処理できません。",
			Cause:  "必要なものが一時的に使えません。",
			Effect: "何も行われていません。",
			Action: "時間をおいて、もう一度行ってください。",
		},
		{
			Code: "KKH4112", Severity: Error, Text: "この操作は認められていません。",
			Cause:  "権限、案件、利用目的のどれかが足りません。",
			Effect: "何も行われていません。断ったことは記録に残っています。",
			Action: "next_action に従ってください。",
		},
		{
			Code: "KKH4113", Severity: Error, Text: "指定されたものはありません。",
			Cause:  "番号が違います。",
			Effect: "何も行われていません。",
			Action: "番号を確かめてください。",
		},
		{
			Code: "KKH4114", Severity: Error, Text: "いまの状態ではできません。",
			Cause:  "先にほかの操作が行われています。",
			Effect: "何も変わっていません。",
			Action: "いまの状態を見てから、もう一度行ってください。",
		},
		{
			Code: "KKH4115", Severity: Error, Text: "処理が済んだかどうか分かりません。",
			Cause:  "確定の応答が返る前に異常が起きました。",
			Effect: "済んでいるかもしれません。",
			Action: "いまの状態を見てから、もう一度行ってください。",
		},
		{
			Code: "KKH4116", Severity: Error, Text: "内容を受け付けられません。",
			Cause:  "相手先が内容を断りました。",
			Effect: "何も行われていません。",
			Action: "内容を確かめてください。",
		},
	}
}
