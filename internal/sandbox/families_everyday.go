package sandbox

// everydayFamilies have nothing special about them but what their tags say.
func (f *founder) everydayFamilies() []family {
	return []family{
		{key: "everyday", quarter: 0, lot: "三丁目12番5号", members: []member{
			{key: "father", tags: "guardian", name: "雲居坂　蒼士郎", kana: "クモイザカ　ソウシロウ", sex: man, relation: head, born: f.day(42, 4, 8), tax: earns(5_200_000)},
			{key: "mother", tags: "guardian", name: "雲居坂　琴羽子", kana: "クモイザカ　コトハコ", sex: woman, relation: wife, born: f.day(40, 9, 21), tax: earns(2_100_000)},
			{key: "eldest", tags: "child", name: "雲居坂　紬希菜", kana: "クモイザカ　ツムギナ", sex: woman, relation: child, born: f.day(12, 3, 2), tax: depends()},
			{key: "second", tags: "child", name: "雲居坂　蓮之丞", kana: "クモイザカ　レンノジョウ", sex: man, relation: child, born: f.day(8, 7, 15), tax: depends()},
			{key: "youngest", tags: "child", name: "雲居坂　澄玲香", kana: "クモイザカ　スミレカ", sex: woman, relation: child, born: f.day(4, 1, 26), tax: depends()},
		}},
		{key: "many", quarter: 1, lot: "一丁目8番21号", members: []member{
			{key: "father", tags: "guardian", name: "五百蔵野　鉄之進", kana: "イオロイノ　テツノシン", sex: man, relation: head, born: f.day(45, 1, 13), tax: earns(6_400_000)},
			{key: "mother", tags: "guardian", name: "五百蔵野　珠理恵", kana: "イオロイノ　ジュリエカ", sex: woman, relation: wife, born: f.day(43, 8, 3), tax: taxes{Class: exempt, Income: 300_000}},
			{key: "first", tags: "child", name: "五百蔵野　一乃花", kana: "イオロイノ　イチノハナ", sex: woman, relation: child, born: f.day(15, 2, 9), tax: depends()},
			{key: "second", tags: "child", name: "五百蔵野　二葉彦", kana: "イオロイノ　フタバヒコ", sex: man, relation: child, born: f.day(13, 5, 30), tax: depends()},
			{key: "third", tags: "child", name: "五百蔵野　三津音", kana: "イオロイノ　ミツネカ", sex: woman, relation: child, born: f.day(9, 10, 17), tax: depends()},
			{key: "fourth", tags: "child", name: "五百蔵野　四季斗", kana: "イオロイノ　シキトモ", sex: man, relation: child, born: f.day(6, 6, 6), tax: depends()},
		}},
		{key: "twins", quarter: 2, lot: "二丁目30番14号", members: []member{
			{key: "mother", tags: "guardian", name: "鷺宮路　紗衣乃香", kana: "サギノミヤジ　サエノカ", sex: woman, relation: head, born: f.day(38, 11, 5), tax: earns(3_300_000)},
			{key: "elder", tags: "child", name: "鷺宮路　燈樹丸", kana: "サギノミヤジ　トウキマル", sex: man, relation: child, born: f.day(10, 4, 12), tax: depends()},
			{key: "boy", tags: "child twin", name: "鷺宮路　燈真彦", kana: "サギノミヤジ　トウマヒコ", sex: man, relation: child, born: f.day(7, 2, 20), tax: depends()},
			{key: "girl", tags: "child twin", name: "鷺宮路　燈歌姫", kana: "サギノミヤジ　トウカヒメ", sex: woman, relation: child, born: f.day(7, 2, 20), tax: depends()},
		}},
		{key: "split", quarter: 3, lot: "四丁目2番18号", members: []member{
			{key: "mother", tags: "guardian split-household", name: "硯ヶ浜　実緒莉奈", kana: "スズリガハマ　ミオリナ", sex: woman, relation: head, born: f.day(35, 3, 24), tax: earns(2_700_000)},
			{key: "child", tags: "child split-household", name: "硯ヶ浜　壱之輔", kana: "スズリガハマ　イチノスケ", sex: man, relation: child, born: f.day(5, 8, 1), tax: depends()},
		}},
		{key: "split-other", quarter: 3, lot: "四丁目2番18号", members: []member{
			{key: "grandmother", tags: "split-household", name: "硯ヶ浜　富久恵美", kana: "スズリガハマ　フクエミ", sex: woman, relation: head, born: f.day(67, 5, 16), tax: taxes{Class: exempt, Income: 800_000}},
		}},
		{key: "alone", quarter: 4, lot: "五丁目41番3号", extra: "学生寮白昼館203号室", members: []member{
			{key: "child", tags: "child guardian-elsewhere", name: "巣立原　悠歩丸", kana: "スダチハラ　ユウホマル", sex: man, relation: head, born: f.day(16, 3, 10), tax: depends()},
		}},
	}
}
