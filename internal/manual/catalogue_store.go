package manual

// storeEntries are the messages about the database.
func storeEntries() []Entry {
	return []Entry{
		{
			Code: "KKH3201", Severity: Error, Text: "このデータベースは、動いているゲートウェイが使っています。",
			Cause:  "同じデータベースで2つ目を始めようとしました。",
			Effect: "2つ目は始まりません。動いている方に影響はありません。",
			Action: "動いている方を止めるか、別のフォルダーを指定してください。",
		},
		{
			Code: "KKH3202", Severity: Error, Text: "データベースが新しい版のものです。",
			Cause:  "新しい版で使われた後に、古い版で開こうとしました。",
			Effect: "始まりません。データベースは変わっていません。",
			Action: "新しい版のプログラムを使うか、古い版の控えを戻してください。",
		},
		{
			Code: "KKH3203", Severity: Error, Text: "このファイルは Kakehashi のデータベースではありません。",
			Cause:  "場所の指定が違います。",
			Effect: "始まりません。ファイルは変わっていません。",
			Action: "store.path を確かめてください。",
		},
		{
			Code: "KKH3204", Severity: Error, Text: "データベースのファイルを開けないか、書けません。",
			Cause:  "権限がない、読取り専用の場所にある、フォルダーがない、のどれかです。",
			Effect: "照会と検索はすべて止まります。",
			Action: "持ち主、権限、マウントの状態を確かめてください。",
		},
		{
			Code: "KKH3205", Severity: Error, Text: "データベースに空きがありません。",
			Cause:  "ディスクの空きがないか、設定の上限（store.max_size）に達しました。",
			Effect: "照会と検索はすべて止まります。記録は失われていません。",
			Action: "空きを作るか、上限を上げて始め直してください。",
		},
		{
			Code: "KKH3206", Severity: Error, Text: "データベースのあるディスクに異常があります。",
			Cause:  "読み書きがディスクの異常で失敗しました。",
			Effect: "照会と検索はすべて止まります。",
			Action: "ディスクを点検し、控えからの復元を準備してください。",
		},
		{
			Code: "KKH3207", Severity: Error, Text: "データベースを別のプログラムが使っています。",
			Cause:  "控えを取るソフトなどがファイルを占めています。",
			Effect: "待っても空かなかった照会は止まります。",
			Action: "データベースのファイルを直接開くプログラムを止めてください。控えは kakehashi backup で取ります。",
		},
		{
			Code: "KKH3208", Severity: Error, Text: "データベースが壊れています。",
			Cause:  "ディスクの異常か、動いている間の上書きです。",
			Effect: "照会と検索はすべて止まります。",
			Action: "触らずに写しを取り、保守担当へ連絡してください。復元の手順は手引きにあります。",
		},
		{
			Code: "KKH3209", Severity: Error, Text: "書込みが済んだかどうか分かりません。",
			Cause:  "確定の応答が返る前に異常が起きました。",
			Effect: "済んでいるかもしれません。回答は渡していません。",
			Action: "案件の状態を見てから、もう一度行ってください。",
		},
		{
			Code: "KKH3210", Severity: Error, Text: "データベースの設定が正しくありません。",
			Cause:  "場所がないか、上限や数が許される範囲を外れています。",
			Effect: "ゲートウェイは始まりません。",
			Action: "store の示された項目を直してください（max_size は 1MiB 以上、readers は 1 から 64）。",
		},
		{
			Code: "KKH3211", Severity: Error, Text: "控えの書き先に、すでにファイルがあります。",
			Cause:  "控えは上書きしません。",
			Effect: "控えは取られていません。",
			Action: "別の名前を指定してください。",
		},
		{
			Code: "KKH3212", Severity: Error, Text: "控えを書けません。",
			Cause:  "空きがないか、書き先の権限がありません。",
			Effect: "控えは取られていません。ゲートウェイに影響はありません。",
			Action: "空きと権限を確かめ、もう一度実行してください。",
		},
	}
}
