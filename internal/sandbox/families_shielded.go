package sandbox

// shieldedFamilies are under 支援措置: mother and child, the child itself, one member of
// four. Everybody in them is concealed.
func (f *founder) shieldedFamilies() []family {
	return []family{
		{key: "shielded", quarter: 3, lot: "二丁目9番27号", extra: "蜃気楼マンション508号室", members: []member{
			{key: "mother", tags: "guardian", name: "水簾野　沙弥華", kana: "スイレンノ　サヤカナ", sex: woman, relation: head, born: f.day(35, 7, 29), tax: earns(2_300_000), shield: true},
			{key: "daughter", tags: "child", name: "水簾野　灯里菜", kana: "スイレンノ　トモリナ", sex: woman, relation: child, born: f.day(10, 1, 22), tax: depends(), shield: true},
			{key: "son", tags: "child", name: "水簾野　颯士丸", kana: "スイレンノ　ソウシマル", sex: man, relation: child, born: f.day(6, 3, 11), tax: depends(), shield: true},
		}},
		{key: "shielded-child", quarter: 4, lot: "一丁目50番13号", members: []member{
			{key: "mother", tags: "guardian", name: "霧隠原　詠理子", kana: "キリガクレハラ　ヨミリコ", sex: woman, relation: head, born: f.day(42, 9, 6), tax: earns(3_900_000)},
			{key: "child", tags: "child", name: "霧隠原　凪咲音", kana: "キリガクレハラ　ナギサネ", sex: woman, relation: child, born: f.day(14, 2, 15), tax: depends(), shield: true},
		}},
		{key: "shielded-one", quarter: 5, lot: "五丁目14番22号", members: []member{
			{key: "father", tags: "guardian", name: "篝火野　玄士朗", kana: "カガリビノ　ゲンシロウ", sex: man, relation: head, born: f.day(44, 8, 19), tax: earns(5_700_000)},
			{key: "mother", tags: "guardian", name: "篝火野　亜弥音", kana: "カガリビノ　アヤネカ", sex: woman, relation: wife, born: f.day(41, 11, 11), tax: earns(1_900_000), shield: true},
			{key: "son", tags: "child", name: "篝火野　柊伍郎", kana: "カガリビノ　シュウゴロウ", sex: man, relation: child, born: f.day(12, 6, 24), tax: depends()},
			{key: "daughter", tags: "child", name: "篝火野　柚葉奈", kana: "カガリビノ　ユズハナ", sex: woman, relation: child, born: f.day(8, 10, 2), tax: depends()},
		}},
	}
}
