package sandbox

// pairFamilies have one guardian, two children and nothing special about them: families to
// register. Their lots are numbered higher than anybody else's.
func (f *founder) pairFamilies() []family {
	return []family{
		{key: "pair-one", quarter: 0, lot: "一丁目71番2号", members: []member{
			{key: "mother", tags: "guardian", name: "早苗ヶ岡　汀沙子", kana: "サナエガオカ　ナギサコ", sex: woman, relation: head, born: f.day(36, 4, 19), tax: earns(3_400_000)},
			{key: "elder", tags: "child", name: "早苗ヶ岡　穂乃実", kana: "サナエガオカ　ホノミカ", sex: woman, relation: child, born: f.day(9, 6, 12), tax: depends()},
			{key: "younger", tags: "child", name: "早苗ヶ岡　稲士郎", kana: "サナエガオカ　イナシロウ", sex: man, relation: child, born: f.day(4, 8, 23), tax: depends()},
		}},
		{key: "pair-two", quarter: 2, lot: "三丁目72番6号", members: []member{
			{key: "father", tags: "guardian", name: "帆影野　航平太", kana: "ホカゲノ　コウヘイタ", sex: man, relation: head, born: f.day(41, 2, 8), tax: earns(4_700_000)},
			{key: "elder", tags: "child", name: "帆影野　湊士丸", kana: "ホカゲノ　ミナトシマル", sex: man, relation: child, born: f.day(12, 10, 4), tax: depends()},
			{key: "younger", tags: "child", name: "帆影野　渚沙香", kana: "ホカゲノ　ナギサカ", sex: woman, relation: child, born: f.day(8, 1, 30), tax: depends()},
		}},
		{key: "pair-three", quarter: 4, lot: "五丁目73番9号", extra: "白昼コーポ302号室", members: []member{
			{key: "mother", tags: "guardian", name: "綾瀬杜　糸葉奈", kana: "アヤセモリ　イトハナ", sex: woman, relation: head, born: f.day(33, 9, 15), tax: earns(2_500_000)},
			{key: "elder", tags: "child", name: "綾瀬杜　機織彦", kana: "アヤセモリ　ハタオリヒコ", sex: man, relation: child, born: f.day(7, 3, 3), tax: depends()},
			{key: "younger", tags: "child", name: "綾瀬杜　絹乃香", kana: "アヤセモリ　キヌノカ", sex: woman, relation: child, born: f.day(2, 5, 11), tax: depends()},
		}},
		{key: "pair-four", quarter: 7, lot: "二丁目74番12号", members: []member{
			{key: "father", tags: "guardian", name: "灘ノ浦　潮士朗", kana: "ナダノウラ　シオシロウ", sex: man, relation: head, born: f.day(39, 11, 27), tax: earns(5_100_000)},
			{key: "elder", tags: "child", name: "灘ノ浦　澪乃華", kana: "ナダノウラ　ミオノハナ", sex: woman, relation: child, born: f.day(10, 7, 7), tax: depends()},
			{key: "younger", tags: "child", name: "灘ノ浦　岬次郎", kana: "ナダノウラ　ミサキジロウ", sex: man, relation: child, born: f.day(6, 2, 14), tax: depends()},
		}},
	}
}

// elsewhereFamilies bring up a child whose guardian lives in another city and is unknown to
// this one.
func (f *founder) elsewhereFamilies() []family {
	return []family{
		{key: "guardian-elsewhere", quarter: 9, lot: "四丁目75番18号", members: []member{
			{key: "grandmother", name: "汐待坂　志津江子", kana: "シオマチザカ　シヅエコ", sex: woman, relation: head, born: f.day(64, 3, 21),
				tax: taxes{Class: exempt, Income: 900_000}},
			{key: "elder", tags: "child guardian-elsewhere", name: "汐待坂　燈里音", kana: "シオマチザカ　アカリネ", sex: woman, relation: grandchild, born: f.day(11, 4, 16), tax: depends()},
			{key: "younger", tags: "child guardian-elsewhere", name: "汐待坂　環太郎", kana: "シオマチザカ　カンタロウ", sex: man, relation: grandchild, born: f.day(7, 12, 2), tax: depends()},
		}},
	}
}
