package manual

// lookupEntries are the messages about lookups, searches and cases.
func lookupEntries() []Entry {
	return []Entry{
		{
			Code: "KKH1102", Severity: Warning, Text: "照会した人が回答を待たずに切断しました。",
			Cause:  "画面が閉じられたか、通信が切れました。",
			Effect: "回答は渡していません。記録には残っています。",
			Action: "必要なら、もう一度照会してください。",
		},
		{
			Code: "KKH1103", Severity: Error, Text: "宛名番号の形が違います。",
			Cause:  "15文字以内の半角英数字ではありません。",
			Effect: "照会は行われていません。",
			Action: "宛名番号を確かめてください。",
		},
		{
			Code: "KKH1104", Severity: Error, Text: "案件番号の形が違います。",
			Cause:  "使えない文字があるか、長すぎます。",
			Effect: "照会は行われていません。",
			Action: "案件番号を確かめてください。",
		},
		{
			Code: "KKH1105", Severity: Error, Text: "その照会先はありません。",
			Cause:  "照会先の名前が違うか、この自治体では使っていません。",
			Effect: "照会は行われていません。",
			Action: "residents、tax、address から選んでください。",
		},
		{
			Code: "KKH1106", Severity: Error, Text: "突き合わせる値に誤りがあります。",
			Cause:  "項目の名前が違うか、値が長すぎます。",
			Effect: "照会は行われていません。",
			Action: "項目の名前と値の長さを確かめてください。",
		},
		{
			Code: "KKH1107", Severity: Error, Text: "案件の対象者の数が範囲を外れています。",
			Cause:  "案件には1人から100人までを登録できます。",
			Effect: "案件は開かれていません。",
			Action: "対象者の数を確かめてください。",
		},
		{
			Code: "KKH1108", Severity: Error, Text: "その事務手続はありません。",
			Cause:  "識別子が違うか、有効期間の外です。",
			Effect: "案件は開かれていません。",
			Action: "設定の procedures にある、有効な事務手続を指定してください。",
		},
		{
			Code: "KKH1121", Severity: Error, Text: "候補が多すぎるので表示しません。",
			Cause:  "条件に合う人が上限を超えています。一覧を眺める使い方はできません。",
			Effect: "候補は1人も渡していません。",
			Action: "世帯番号か住所の一部を加えて、もう一度検索してください。",
		},
		{
			Code: "KKH1122", Severity: Error, Text: "カナ氏名がないか、長すぎます。",
			Cause:  "カナ氏名は必須で、100文字以内です。",
			Effect: "検索は行われていません。",
			Action: "氏名をカナで入力してください。",
		},
		{
			Code: "KKH1123", Severity: Error, Text: "生年月日がありません。",
			Cause:  "生年月日は必須です。一部が不詳のときも、年は必要です。",
			Effect: "検索は行われていません。",
			Action: "生年月日を入力してください。",
		},
		{
			Code: "KKH1124", Severity: Error, Text: "世帯番号の形が違います。",
			Cause:  "使えない文字があるか、長すぎます。",
			Effect: "検索は行われていません。",
			Action: "世帯番号を確かめてください。",
		},
		{
			Code: "KKH1125", Severity: Error, Text: "住所が長すぎます。",
			Cause:  "絞り込みに使う住所の長さには上限があります。",
			Effect: "検索は行われていません。",
			Action: "住所の一部だけを入力してください。",
		},
		{
			Code: "KKH1131", Severity: Error, Text: "同じ番号の案件が、別の内容で開かれています。",
			Cause:  "案件番号が重なっているか、対象者や事務手続が変わっています。",
			Effect: "案件は変わっていません。",
			Action: "案件番号を確かめるか、先の案件を閉じてください。",
		},
		{
			Code: "KKH1132", Severity: Error, Text: "その案件は閉じられています。",
			Cause:  "閉じた案件は開き直せません。",
			Effect: "案件は変わっていません。",
			Action: "新しい案件番号で開いてください。",
		},
		{
			Code: "KKH1133", Severity: Error, Text: "その案件はありません。",
			Cause:  "案件番号が違うか、まだ開かれていません。",
			Effect: "何も変わっていません。",
			Action: "案件番号を確かめてください。",
		},
		{
			Code: "KKH1141", Severity: Error, Text: "記録に書いた試験の項目を読み戻せません。",
			Cause:  "データベースの書込みか読出しに異常があります。",
			Effect: "記録が信頼できないおそれがあります。",
			Action: "保守担当へ連絡し、kakehashi audit verify を実行してください。",
		},
	}
}
