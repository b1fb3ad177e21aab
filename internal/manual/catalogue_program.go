package manual

// programEntries are the messages about the program itself.
func programEntries() []Entry {
	return []Entry{
		{
			Code: "KKH5001", Severity: Info, Text: "ゲートウェイを始めました。",
			Cause:  "serve または demo が始まりました。",
			Effect: "要求を受け付けています。",
			Action: "対処は要りません。",
		},
		{
			Code: "KKH5002", Severity: Info, Text: "ゲートウェイを止めました。",
			Cause:  "停止の合図を受けました。",
			Effect: "要求は受け付けません。記録は封印してあります。",
			Action: "対処は要りません。",
		},
		{
			Code: "KKH5003", Severity: Error, Text: "待ち受けを始められません。",
			Cause:  "ポートが使われているか、アドレスがこの機械のものではありません。",
			Effect: "ゲートウェイは始まりません。",
			Action: "listen.address を確かめ、そのポートを使うプログラムを止めてください。",
		},
		{
			Code: "KKH5004", Severity: Error, Text: "フォルダーにファイルを書けません。",
			Cause:  "空きがないか、権限がありません。",
			Effect: "ゲートウェイは始まりません。",
			Action: "空きと権限を確かめてください。",
		},
		{
			Code: "KKH5101", Severity: Error, Text: "ゲートウェイにつながりません。",
			Cause:  "止まっているか、アドレスが違います。",
			Effect: "何も行われていません。",
			Action: "動いているか確かめてください（kakehashi doctor）。",
		},
		{
			Code: "KKH5102", Severity: Error, Text: "このフォルダーのゲートウェイは動いていません。",
			Cause:  "まだ始めていないか、止まっています。",
			Effect: "何も行われていません。",
			Action: "demo か serve で始めてください。",
		},
		{
			Code: "KKH5103", Severity: Warning, Text: "中断しました。",
			Cause:  "停止の合図を受けました。",
			Effect: "途中までの結果はありません。",
			Action: "必要なら、もう一度実行してください。",
		},
		{
			Code: "KKH5104", Severity: Error, Text: "応答が途中で切れました。",
			Cause:  "ゲートウェイが止まったか、通信が切れました。",
			Effect: "行われたかもしれません。記録には残っています。",
			Action: "もう一度実行してください。",
		},
		{
			Code: "KKH5105", Severity: Error, Text: "ゲートウェイの応答を読めません。",
			Cause:  "コマンドとゲートウェイの版が違うか、間に別の装置があります。",
			Effect: "行われたかもしれません。記録には残っています。",
			Action: "kakehashi version で版を揃えてください。",
		},
	}
}
