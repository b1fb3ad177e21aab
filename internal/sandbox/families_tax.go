package sandbox

import "fmt"

// taxFamilies have taxes that try a system: every class, no declaration, years elsewhere.
func (f *founder) taxFamilies() []family {
	year := taxYear(f.today)
	never := taxes{Class: exempt, UndeclaredFrom: year - 3}
	return []family{
		{key: "undeclared", quarter: 1, lot: "三丁目27番11号", members: []member{
			{key: "mother", tags: "guardian tax-undeclared", name: "篠笛原　律佳子", kana: "シノブエハラ　リツカコ", sex: woman, relation: head, born: f.day(34, 5, 9), tax: never},
			{key: "son", tags: "child tax-undeclared", name: "篠笛原　奏汰郎", kana: "シノブエハラ　カナタロウ", sex: man, relation: child, born: f.day(9, 2, 25), tax: never},
			{key: "daughter", tags: "child tax-undeclared", name: "篠笛原　響希奈", kana: "シノブエハラ　ヒビキナ", sex: woman, relation: child, born: f.day(5, 11, 30), tax: never},
		}},
		{key: "undeclared-one", quarter: 2, lot: "一丁目44番2号", members: []member{
			{key: "father", tags: "guardian", name: "蒔絵沢　誠司朗", kana: "マキエザワ　セイシロウ", sex: man, relation: head, born: f.day(40, 1, 17), tax: earns(4_600_000)},
			{key: "mother", tags: "guardian tax-undeclared", name: "蒔絵沢　佐和美子", kana: "マキエザワ　サワミコ", sex: woman, relation: wife, born: f.day(39, 3, 8), tax: taxes{Class: exempt, UndeclaredFrom: year}},
			{key: "child", tags: "child", name: "蒔絵沢　栞莉音", kana: "マキエザワ　シオリネ", sex: woman, relation: child, born: f.day(7, 9, 9), tax: depends()},
		}},
		{key: "exempt", quarter: 8, lot: "二丁目22番8号", members: []member{
			{key: "father", tags: "guardian", name: "綿雪谷　耕三朗", kana: "ワタユキダニ　コウザブロウ", sex: man, relation: head, born: f.day(47, 10, 12), tax: taxes{Class: exempt, Income: 400_000}},
			{key: "child", tags: "child", name: "綿雪谷　麦之助", kana: "ワタユキダニ　ムギノスケ", sex: man, relation: child, born: f.day(14, 7, 23), tax: depends()},
		}},
		{key: "per-capita", quarter: 9, lot: "四丁目16番29号", members: []member{
			{key: "mother", tags: "guardian", name: "織部坂　糸音子", kana: "オリベザカ　イトネコ", sex: woman, relation: head, born: f.day(33, 2, 14), tax: taxes{Class: perCapita, Income: 1_000_000}},
			{key: "child", tags: "child", name: "織部坂　縫衣香", kana: "オリベザカ　ヌイカナ", sex: woman, relation: child, born: f.day(8, 4, 1), tax: depends()},
		}},
		{key: "elsewhere", quarter: 10, lot: "一丁目3番17号", since: f.ago(0, 0, 40), members: []member{
			{key: "father", tags: "guardian moved-in tax-elsewhere", name: "渡月原　航志朗", kana: "トゲツハラ　コウシロウ", sex: man, relation: head, born: f.day(38, 6, 27), tax: earns(5_000_000)},
			{key: "mother", tags: "guardian moved-in tax-elsewhere", name: "渡月原　史緒里", kana: "トゲツハラ　シオリナミ", sex: woman, relation: wife, born: f.day(37, 4, 4), tax: earns(1_800_000)},
			{key: "daughter", tags: "child moved-in tax-elsewhere", name: "渡月原　帆乃夏", kana: "トゲツハラ　ホノナツ", sex: woman, relation: child, born: f.day(8, 5, 18), tax: depends()},
			{key: "son", tags: "child moved-in tax-elsewhere", name: "渡月原　汐音斗", kana: "トゲツハラ　シオネト", sex: man, relation: child, born: f.day(5, 1, 7), tax: depends()},
		}},
		{key: "moved-in", quarter: 11, lot: "三丁目35番6号", since: fmt.Sprintf("%04d-07-10", year-1), members: []member{
			{key: "mother", tags: "guardian moved-in", name: "旅籠坂　真帆美子", kana: "ハタゴザカ　マホミコ", sex: woman, relation: head, born: f.day(36, 12, 1), tax: earns(2_600_000)},
			{key: "child", tags: "child moved-in", name: "旅籠坂　嶺士郎", kana: "ハタゴザカ　レイシロウ", sex: man, relation: child, born: f.day(9, 8, 20), tax: depends()},
		}},
	}
}
