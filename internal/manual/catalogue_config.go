package manual

// configEntries are the messages about configuration and arguments.
func configEntries() []Entry {
	return []Entry{
		{
			Code: "KKH0101", Severity: Error, Text: "コマンドの使い方が違います。",
			Cause:  "引数またはオプションが、コマンドの説明と合っていません。",
			Effect: "何も行われていません。",
			Action: "--help で使い方を確かめ、もう一度実行してください。",
		},
		{
			Code: "KKH0102", Severity: Error, Text: "そのメッセージ番号はありません。",
			Cause:  "番号の打ち間違いか、版の違うマニュアルを見ています。",
			Effect: "何も行われていません。",
			Action: "番号は KKH と4桁の数字です。kakehashi message で一覧を見られます。",
		},
		{
			Code: "KKH0103", Severity: Error, Text: "設定ファイルを YAML として読めません。",
			Cause:  "字下げ、引用符、「: 」のどれかが正しくありません。",
			Effect: "ゲートウェイは始まりません。",
			Action: "示された行と列を直し、kakehashi config check で確かめてください。",
		},
		{
			Code: "KKH0104", Severity: Error, Text: "設定ファイルの字下げにタブが使われています。",
			Cause:  "YAML の字下げには空白だけが使えます。",
			Effect: "ゲートウェイは始まりません。",
			Action: "タブを空白に置き換えてください。",
		},
		{
			Code: "KKH0105", Severity: Error, Text: "設定ファイルに文書が2つ以上あります。",
			Cause:  "「---」で区切られた2つ目の文書があります。",
			Effect: "ゲートウェイは始まりません。",
			Action: "1つのファイルに文書を1つだけ書いてください。",
		},
		{
			Code: "KKH0106", Severity: Error, Text: "設定ファイルに使えない書き方があります。",
			Cause:  "アンカー、エイリアス、マージキー、型の指定は使えません。",
			Effect: "ゲートウェイは始まりません。",
			Action: "値をその場所にそのまま書いてください。",
		},
		{
			Code: "KKH0107", Severity: Error, Text: "設定ファイルを読めません。",
			Cause:  "ファイルがない、権限がない、大きすぎる、のどれかです。",
			Effect: "ゲートウェイは始まりません。",
			Action: "場所、持ち主、権限を確かめてください。新しく作るときは kakehashi init を使います。",
		},
		{
			Code: "KKH0108", Severity: Error, Text: "設定ファイルの文字コードが UTF-8 ではありません。",
			Cause:  "Shift_JIS や UTF-16 で保存されています。",
			Effect: "ゲートウェイは始まりません。",
			Action: "UTF-8 で保存し直してください。",
		},
		{
			Code: "KKH0110", Severity: Error, Text: "設定ファイルに誤りがあります。",
			Cause:  "1件以上の誤りが見つかりました。",
			Effect: "ゲートウェイは始まりません。動いているゲートウェイは前の設定のままです。",
			Action: "kakehashi config check ですべての誤りを見て、直してください。",
		},
		{
			Code: "KKH0111", Severity: Error, Text: "設定ファイルに知らない項目があります。",
			Cause:  "項目の名前が違うか、この版にはない項目です。",
			Effect: "ゲートウェイは始まりません。",
			Action: "示された名前に直すか、行を消してください。",
		},
		{
			Code: "KKH0112", Severity: Error, Text: "設定ファイルの項目の場所が違います。",
			Cause:  "その項目は別の見出しの下に置くものです。",
			Effect: "ゲートウェイは始まりません。",
			Action: "示された見出しの下へ移してください。",
		},
		{
			Code: "KKH0113", Severity: Error, Text: "設定ファイルに同じ項目が2回あります。",
			Cause:  "どちらの値を使うか決められません。",
			Effect: "ゲートウェイは始まりません。",
			Action: "どちらかを消してください。",
		},
		{
			Code: "KKH0114", Severity: Error, Text: "設定ファイルの値の種類が違います。",
			Cause:  "文字列、数、真偽値、一覧、見出しの取り違えです。",
			Effect: "ゲートウェイは始まりません。",
			Action: "示された種類の値に直してください。数字の並びを文字列として書くときは引用符で囲みます。",
		},
		{
			Code: "KKH0115", Severity: Error, Text: "設定ファイルに必要な値がありません。",
			Cause:  "必須の項目がないか、値が空です。",
			Effect: "ゲートウェイは始まりません。",
			Action: "示された項目を書いてください。",
		},
		{
			Code: "KKH0116", Severity: Error, Text: "設定ファイルの値が選択肢にありません。",
			Cause:  "書ける値は決まっています。",
			Effect: "ゲートウェイは始まりません。",
			Action: "示された選択肢のどれかに直してください。",
		},
		{
			Code: "KKH0117", Severity: Error, Text: "設定ファイルの値の書き方が違います。",
			Cause:  "時間、大きさ、日付、数の書き方が決まりと違います。",
			Effect: "ゲートウェイは始まりません。",
			Action: "例に合わせて書き直してください。",
		},
		{
			Code: "KKH0118", Severity: Error, Text: "知らない環境変数があります。",
			Cause:  "KAKEHASHI_ で始まる名前のうち、設定項目にないものです。",
			Effect: "ゲートウェイは始まりません。",
			Action: "名前を直すか、環境変数を消してください。",
		},
		{
			Code: "KKH0119", Severity: Error, Text: "設定の値が使えません。",
			Cause:  "ほかの項目と合わないか、許される範囲を外れています。",
			Effect: "ゲートウェイは始まりません。",
			Action: "示された項目を、説明に合わせて直してください。",
		},
		{
			Code: "KKH0121", Severity: Error, Text: "受け付ける署名方式の設定が正しくありません。",
			Cause:  "公開鍵の署名方式でないものが含まれるか、1つもありません。",
			Effect: "ゲートウェイは始まりません。",
			Action: "staff.algorithms を、示された方式から選んで直してください。",
		},
		{
			Code: "KKH0122", Severity: Error, Text: "役割の割当ての設定が正しくありません。",
			Cause:  "grants の行に職員番号とシステムの両方があるか、どちらもありません。",
			Effect: "ゲートウェイは始まりません。",
			Action: "各行に staff か client のどちらか一方を書いてください。",
		},
		{
			Code: "KKH0123", Severity: Error, Text: "事務手続の項目の設定が正しくありません。",
			Cause:  "rights の items に、扱わない項目があります。",
			Effect: "ゲートウェイは始まりません。",
			Action: "示された項目の名前から選んで直してください。",
		},
		{
			Code: "KKH0124", Severity: Error, Text: "照会の上限の設定が正しくありません。",
			Cause:  "時間または候補の数が、許される範囲を外れています。",
			Effect: "ゲートウェイは始まりません。",
			Action: "lookup の値を、示された範囲に直してください。",
		},
		{
			Code: "KKH0131", Severity: Error, Text: "待ち受けるアドレスの設定が正しくありません。",
			Cause:  "「ホスト:ポート」の形になっていません。",
			Effect: "ゲートウェイは始まりません。",
			Action: "listen.address を 127.0.0.1:8443 のような形に直してください。",
		},
		{
			Code: "KKH0132", Severity: Error, Text: "サーバー証明書の設定が揃っていません。",
			Cause:  "証明書と秘密鍵の一方だけが書かれています。",
			Effect: "ゲートウェイは始まりません。",
			Action: "listen の tls_certificate と tls_key を両方書くか、両方消してください。",
		},
		{
			Code: "KKH0133", Severity: Error, Text: "サーバー証明書がないので、ほかの機械へは公開できません。",
			Cause:  "平文で個人情報を送ることになるためです。",
			Effect: "ゲートウェイは始まりません。",
			Action: "証明書を設定するか、address を 127.0.0.1 にしてください。",
		},
		{
			Code: "KKH0140", Severity: Error, Text: "相手先の設定が正しくありません。",
			Cause:  "URL、クライアントID、時間、数のどれかが許される範囲を外れています。",
			Effect: "ゲートウェイは始まりません。",
			Action: "neighbours の示された項目を直してください。",
		},
		{
			Code: "KKH0141", Severity: Error, Text: "相手先のシークレットを読めません。",
			Cause:  "ファイルがない、権限がない、短すぎる、のどれかです。",
			Effect: "その相手先へ照会できないので、ゲートウェイは始まりません。",
			Action: "client_secret_file の場所、権限、中身の長さ（32文字以上）を確かめてください。",
		},
		{
			Code: "KKH0142", Severity: Error, Text: "相手先との TLS に使う証明書を読めません。",
			Cause:  "ファイルがないか、PEM 形式ではないか、証明書と秘密鍵が合いません。",
			Effect: "その相手先へ照会できないので、ゲートウェイは始まりません。",
			Action: "ca_file、client_certificate_file、client_key_file を確かめてください。",
		},
		{
			Code: "KKH0151", Severity: Error, Text: "コード表を読めません。",
			Cause:  "示されたファイルと行が、コードと言葉をタブで区切った形になっていません。",
			Effect: "ゲートウェイは始まりません。",
			Action: "示された行を直してください。",
		},
		{
			Code: "KKH0152", Severity: Error, Text: "検査する値の種類が違います。",
			Cause:  "その名前の種類はありません。",
			Effect: "何も検査していません。",
			Action: "示された種類から選んでください。",
		},
	}
}
