package sandbox

// nameFamilies have names that try a system: namesakes, 外字, IVS, 通称.
func (f *founder) nameFamilies() []family {
	namesake := f.day(9, 5, 5)
	return []family{
		{key: "namesake", quarter: 0, lot: "五丁目33番7号", extra: "幻灯ハイツ101号室", members: []member{
			{key: "mother", tags: "guardian", name: "朧ヶ淵　千暁美", kana: "オボロガフチ　チアケミ", sex: woman, relation: head, born: f.day(37, 10, 28), tax: earns(2_900_000)},
			{key: "child", tags: "child namesake", name: "朧ヶ淵　悠弦丸", kana: "オボロガフチ　ユヅルマル", sex: man, relation: child, born: namesake, tax: depends()},
		}},
		{key: "namesake-other", quarter: 0, lot: "五丁目33番7号", extra: "幻灯ハイツ205号室", members: []member{
			{key: "father", tags: "guardian", name: "朧ヶ淵　龍之佑", kana: "オボロガフチ　リュウノスケ", sex: man, relation: head, born: f.day(41, 6, 2), tax: earns(4_100_000)},
			{key: "child", tags: "child namesake", name: "朧ヶ淵　悠弦丸", kana: "オボロガフチ　ユヅルマル", sex: man, relation: child, born: namesake, tax: depends()},
		}},
		{key: "gaiji", quarter: 5, lot: "一丁目19番25号", members: []member{
			{key: "father", tags: "guardian gaiji", name: "\uE0A1野瀬　克比古", kana: "ナギノセ　カツヒコネ", sex: man, relation: head, born: f.day(39, 7, 7), tax: earns(4_800_000)},
			{key: "elder", tags: "child gaiji", name: "\uE0A1野瀬　結芽花", kana: "ナギノセ　ユメノハナ", sex: woman, relation: child, born: f.day(11, 9, 14), tax: depends()},
			{key: "younger", tags: "child gaiji", name: "\uE0A1野瀬　\U0010DE92太朗", kana: "ナギノセ　リンタロウ", sex: man, relation: child, born: f.day(6, 11, 3), tax: depends()},
		}},
		{key: "ivs", quarter: 6, lot: "三丁目7番16号", members: []member{
			{key: "mother", tags: "guardian ivs", name: "辻\U000E0100ノ森　志摩子", kana: "ツジノモリ　シマコナ", sex: woman, relation: head, born: f.day(44, 2, 23), tax: earns(3_700_000)},
			{key: "child", tags: "child ivs", name: "辻\U000E0100ノ森　葛\U000E0101葉丸", kana: "ツジノモリ　クズハマル", sex: man, relation: child, born: f.day(13, 1, 19), tax: depends()},
		}},
		{key: "foreign", quarter: 7, lot: "二丁目5番9号", extra: "星渡レジデンス402号室", members: []member{
			{key: "mother", tags: "guardian foreign", name: "ＴＡＮＧＶＡＬＤ　ＭＡＲＩＳＥＬＡ", kana: "タングヴァルド　マリセラ",
				alias: "丹珂原　鞠瀬良", aliasKana: "タンガハラ　マリセラ", sex: woman, relation: head, born: f.day(36, 8, 30), tax: earns(3_000_000)},
			{key: "daughter", tags: "child foreign", name: "ＴＡＮＧＶＡＬＤ　ＥＲＩＫＡ", kana: "タングヴァルド　エーリカ",
				alias: "丹珂原　絵利珂", aliasKana: "タンガハラ　エリカナ", sex: woman, relation: child, born: f.day(10, 6, 18), tax: depends()},
			{key: "son", tags: "child foreign", name: "ＴＡＮＧＶＡＬＤ　ＪＯＲＵＮＤ", kana: "タングヴァルド　ヨールンド", sex: man, relation: child, born: f.day(3, 4, 27), tax: depends()},
		}},
	}
}
