package sandbox

import (
	"fmt"
	"time"
)

// dateFamilies have birth dates that try a system: known in part, and the first and
// second of April of one year, whose age limits lie a year apart.
func (f *founder) dateFamilies() []family {
	april := f.schoolYear() - 17
	return []family{
		{key: "old", quarter: 8, lot: "一丁目12番33号", members: []member{
			{key: "father", tags: "guardian", name: "古杣川　勘五郎", kana: "フルソマガワ　カンゴロウ", sex: man, relation: head, born: f.day(49, 1, 25), tax: earns(3_500_000)},
			{key: "grandmother", tags: "unknown-birth", name: "古杣川　登免代", kana: "フルソマガワ　トメヨシロ", sex: woman, relation: mother,
				born: birth{ISO: "1945", Text: "昭和20年頃"}, tax: taxes{Class: exempt, Income: 700_000}},
			{key: "child", tags: "child", name: "古杣川　杉乃香", kana: "フルソマガワ　スギノカ", sex: woman, relation: child, born: f.day(15, 8, 28), tax: depends()},
		}},
		{key: "old-alone", quarter: 8, lot: "三丁目58番1号", members: []member{
			{key: "grandfather", tags: "unknown-birth", name: "古杣川　弥平治", kana: "フルソマガワ　ヤヘイジロ", sex: man, relation: head,
				born: birth{ISO: "1945-08", Text: "昭和20年8月（日不詳）"}, tax: taxes{Class: perCapita, Income: 1_100_000}},
		}},
		{key: "april-first", quarter: 9, lot: "二丁目37番20号", members: []member{
			{key: "mother", tags: "guardian", name: "卯月坂　花衣奈", kana: "ウヅキザカ　ハナイナ", sex: woman, relation: head, born: f.day(45, 5, 27), tax: earns(3_200_000)},
			{key: "child", tags: "child born-04-01", name: "卯月坂　桜次郎", kana: "ウヅキザカ　オウジロウ", sex: man, relation: child, born: birth{ISO: fmt.Sprintf("%04d-04-01", april)}, tax: depends()},
		}},
		{key: "april-second", quarter: 10, lot: "四丁目6番24号", members: []member{
			{key: "mother", tags: "guardian", name: "余寒沢　花梨杏", kana: "ヨカンザワ　カリンアン", sex: woman, relation: head, born: f.day(43, 7, 13), tax: earns(2_800_000)},
			{key: "child", tags: "child born-04-02", name: "余寒沢　桃士郎", kana: "ヨカンザワ　モモシロウ", sex: man, relation: child, born: birth{ISO: fmt.Sprintf("%04d-04-02", april)}, tax: depends()},
		}},
	}
}

// schoolYear gives the year (年度, from April) in which the base date lies.
func (f *founder) schoolYear() int {
	if f.today.Month() < time.April {
		return f.today.Year() - 1
	}
	return f.today.Year()
}
