package manual

// internalEntries are the messages about our own mistakes.
func internalEntries() []Entry {
	return []Entry{
		{
			Code: "KKH9001", Severity: Error, Text: "内部の誤りで処理できませんでした。",
			Cause:  "プログラムの誤りです。",
			Effect: "この要求は行われていません。",
			Action: "照会番号を添えて保守担当へ連絡してください。",
		},
		{
			Code: "KKH9002", Severity: Error, Text: "相手先とのやり取りの途中で内部の誤りが起きました。",
			Cause:  "プログラムの誤りです。",
			Effect: "その照会先は「取得できませんでした」になります。",
			Action: "照会番号を添えて保守担当へ連絡してください。",
		},
		{
			Code: "KKH9003", Severity: Error, Text: "処理できませんでした。",
			Cause:  "分類されていない誤りです。",
			Effect: "行われたかどうか分かりません。",
			Action: "表示された内容を添えて保守担当へ連絡してください。",
		},
		{
			Code: "KKH9011", Severity: Warning, Text: "番号のない出来事がありました。",
			Cause:  "プログラムが番号を付けずにログへ書きました。",
			Effect: "内容はログに出していません。",
			Action: "続くときは、場所（at）を添えて保守担当へ連絡してください。",
		},
		{
			Code: "KKH9012", Severity: Error, Text: "設定項目の宣言に誤りがあります。",
			Cause:  "プログラムの誤りです。",
			Effect: "ゲートウェイは始まりません。",
			Action: "表示された内容を添えて保守担当へ連絡してください。",
		},
		{
			Code: "KKH9021", Severity: Error, Text: "相手先への呼出しを組み立てられません。",
			Cause:  "プログラムの誤りです。",
			Effect: "その照会先は「取得できませんでした」になります。",
			Action: "照会番号を添えて保守担当へ連絡してください。",
		},
	}
}
