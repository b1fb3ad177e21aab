package manual

// recordEntries are the messages about the record.
func recordEntries() []Entry {
	return []Entry{
		{
			Code: "KKH3101", Severity: Error, Text: "記録に書けないので、照会を行いません。",
			Cause:  "ディスクの空きがない、書込みが禁じられている、データベースの異常、のどれかです。",
			Effect: "照会と検索はすべて止まります。すでに渡した回答の記録は失われていません。",
			Action: "空きと権限を直してください。直れば自動で再開します。その間の窓口の対応は、手引きの「記録を書けないとき」にあります。",
		},
	}
}
