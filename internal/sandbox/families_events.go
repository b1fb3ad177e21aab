package sandbox

// eventFamilies were changed by something of late: a birth yesterday, a death.
func (f *founder) eventFamilies() []family {
	return []family{
		{key: "newborn", quarter: 6, lot: "二丁目31番4号", members: []member{
			{key: "father", tags: "guardian", name: "曙ヶ原　朝陽彦", kana: "アケボノガハラ　アサヒヒコ", sex: man, relation: head, born: f.day(32, 3, 3), tax: earns(4_000_000)},
			{key: "mother", tags: "guardian", name: "曙ヶ原　暁音子", kana: "アケボノガハラ　アキネコ", sex: woman, relation: wife, born: f.day(31, 6, 9), tax: earns(2_500_000)},
			{key: "brother", tags: "child", name: "曙ヶ原　晨之介", kana: "アケボノガハラ　シンノスケ", sex: man, relation: child, born: f.day(3, 9, 16), tax: depends()},
			{key: "baby", tags: "child newborn", name: "曙ヶ原　曙美香", kana: "アケボノガハラ　アケミカ", sex: woman, relation: child, born: f.day(0, 0, 1), tax: depends()},
		}},
		{key: "bereaved", quarter: 7, lot: "四丁目26番10号", members: []member{
			{key: "father", tags: "guardian", name: "灯籠谷　惣士朗", kana: "トウロウダニ　ソウシロウ", sex: man, relation: head, born: f.day(46, 5, 21), tax: earns(4_400_000)},
			{key: "child", tags: "child", name: "灯籠谷　鈴之音", kana: "トウロウダニ　スズノネ", sex: woman, relation: child, born: f.day(11, 12, 8), tax: depends()},
			{key: "grandfather", tags: "dead", name: "灯籠谷　惣右衛門", kana: "トウロウダニ　ソウエモン", sex: man, relation: father, born: f.day(79, 4, 30),
				tax: taxes{Class: exempt, Income: 900_000}, gone: f.ago(0, 0, 25)},
		}},
	}
}
