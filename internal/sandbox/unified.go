package sandbox

import (
	"slices"
	"strconv"
	"strings"
)

// atenaRecord is a person as the unified address system spells one.
type atenaRecord struct {
	Atenabango              string `json:"atenabango"`
	Setaibango              string `json:"setaibango"`
	TsuzukigaraKodo         string `json:"tsuzukigara_kodo"`
	Shimei                  string `json:"shimei"`
	ShimeiKana              string `json:"shimei_kana"`
	Tsusho                  string `json:"tsusho"`
	TsushoKana              string `json:"tsusho_kana"`
	Seinengappi             string `json:"seinengappi"`
	SeinengappiFushofuragu  string `json:"seinengappi_fushofuragu"`
	SeinengappiFushohyoki   string `json:"seinengappi_fushohyoki"`
	Seibetsu                string `json:"seibetsu"`
	Yubinbango              string `json:"yubinbango"`
	Jusho                   string `json:"jusho"`
	Katagaki                string `json:"katagaki"`
	Denwabango              string `json:"denwabango"`
	Jutokubun               string `json:"jutokubun"`
	JuminjotaiKodo          string `json:"juminjotai_kodo"`
	Tagyomusanshofukafuragu string `json:"tagyomusanshofukafuragu"`
	Kijunnichiji            string `json:"kijunnichiji"`
}

// bangoRecord gives the numbers of a person.
type bangoRecord struct {
	Atenabango              string `json:"atenabango"`
	Dantainaitogoatenabango string `json:"dantainaitogoatenabango"`
	Kojinbango              string `json:"kojinbango"`
}

// addressResources are the resources of 団体内統合宛名, 業務ID 032.
func addressResources() []resource {
	return append([]resource{
		{
			name: "atenakensaku", title: "宛名検索", system: Address, scope: scopeOf("032", "atenakensaku"),
			items: []item{
				{key: "shimei_kana", label: "氏名カナ", rule: katakana(), length: 100},
				{key: "seinengappi_kaishi", label: "生年月日（開始）", rule: dates(), length: 10, fixed: true},
				{key: "seinengappi_shuryo", label: "生年月日（終了）", rule: dates(), length: 10, fixed: true},
				{key: "setaibango", label: "世帯番号", rule: alphanumeric(), length: 15},
				{key: "jusho", label: "住所", rule: anyText(), length: 300},
				{key: "kojinbango", label: "個人番号", rule: digits(), length: 12, fixed: true},
				{key: "kensujogen", label: "件数上限", rule: upTo100(), length: 3, required: true},
			},
			relate: searchRelations,
			needs: func(v values) string {
				if v.one("kojinbango") != "" {
					return scopeIndividual
				}
				return ""
			},
			answer: searchPeople,
		},
		{
			name: "atenajohoshokai", title: "宛名情報照会", system: Address, scope: scopeOf("032", "atenajohoshokai"),
			items: []item{atenabangos(50)}, answer: addressData,
		},
		{
			name: "atenabangoshokai", title: "宛名番号照会", system: Address, scope: scopeNumbers,
			items: []item{atenabango()}, answer: numbersOf,
		},
	}, writingResources()...)
}

func upTo100() rule {
	return rule{func(s string) bool {
		n, err := strconv.Atoi(s)
		return err == nil && n >= 1 && n <= 100 && strconv.Itoa(n) == s
	}, "1から100までの半角数字"}
}

// searchRelations demands what a search without a 個人番号 or a 世帯番号 needs: the kana and
// both ends of the birth date, in order.
func searchRelations(v values) []wrong {
	kana, from, to := v.one("shimei_kana"), v.one("seinengappi_kaishi"), v.one("seinengappi_shuryo")
	byNumber := v.one("kojinbango") != "" || v.one("setaibango") != ""
	var problems []wrong
	switch {
	case from != "" && to == "":
		problems = append(problems, wrong{codeCorrelation, "【生年月日（開始）】が設定されている場合、【生年月日（終了）】は設定必須です。"})
	case from == "" && to != "":
		problems = append(problems, wrong{codeCorrelation, "【生年月日（終了）】が設定されている場合、【生年月日（開始）】は設定必須です。"})
	case from > to:
		problems = append(problems, wrong{codeCorrelation, "【生年月日（終了）】は【生年月日（開始）】以後の日付で設定してください。"})
	case from == "" && (!byNumber || kana != ""):
		problems = append(problems,
			wrong{codeRequired, "【生年月日（開始）】が設定されていません。"}, wrong{codeRequired, "【生年月日（終了）】が設定されていません。"})
	}
	if kana == "" && (!byNumber || from != "" && v.one("kojinbango") == "") {
		problems = append(problems, wrong{codeRequired, "【氏名カナ】が設定されていません。"})
	}
	return problems
}

// searchPeople answers with those who fit everything that was given, at most as many as asked.
func searchPeople(in view, v values, m moment) any {
	records := []atenaRecord{}
	most, err := strconv.Atoi(v.one("kensujogen"))
	if err != nil {
		return records
	}
	for _, p := range candidates(in, v) {
		if number := v.one("setaibango"); number != "" && number != p.Household {
			continue
		}
		if !strings.Contains(unspaced(p.Place.Text+p.Place.Extra), unspaced(v.one("jusho"))) {
			continue
		}
		if len(records) == most {
			break
		}
		records = append(records, atena(p, m))
	}
	return records
}

// candidates gives those whom number, kana and birth date leave.
func candidates(in view, v values) []*person {
	kana, first, last := v.one("shimei_kana"), v.one("seinengappi_kaishi"), v.one("seinengappi_shuryo")
	if first == "" {
		first, last = firstDay, lastDay
	}
	number := v.one("kojinbango")
	switch {
	case number == "" && kana == "":
		return in.households[v.one("setaibango")]
	case number == "":
		return in.search(kana, first, last)
	}
	p, there := in.byNumber(number)
	if !there {
		return nil
	}
	if from, to := p.Birth.span(); from > last || to < first {
		return nil
	}
	if kana != "" && !slices.Contains(in.search(kana, firstDay, lastDay), p) {
		return nil
	}
	return []*person{p}
}

func unspaced(s string) string { return strings.NewReplacer(" ", "", "　", "").Replace(s) }

// addressData answers with the records of those whom the system knows, in the order asked.
func addressData(in view, v values, m moment) any {
	records := []atenaRecord{}
	told := map[string]bool{}
	for _, number := range v["atenabango"] {
		if p, there := in.person(number); there && !told[number] {
			told[number] = true
			records = append(records, atena(p, m))
		}
	}
	return records
}

// numbersOf answers with the numbers of a person.
func numbersOf(in view, v values, _ moment) any {
	records := []bangoRecord{}
	if p, there := in.person(v.one("atenabango")); there {
		records = append(records, bangoRecord{p.Atena, p.Unified, p.Individual})
	}
	return records
}

// atena spells a person.
func atena(p *person, m moment) atenaRecord {
	r := atenaRecord{
		Atenabango: p.Atena, Setaibango: p.Household, TsuzukigaraKodo: p.Relation,
		Shimei: p.Name, ShimeiKana: p.Kana, Tsusho: p.Alias, TsushoKana: p.AliasKana, Seibetsu: p.Sex,
		Yubinbango: p.Place.Postal, Jusho: p.Place.Text, Katagaki: p.Place.Extra, Denwabango: p.Phone,
		Jutokubun: "1", JuminjotaiKodo: p.Status, Tagyomusanshofukafuragu: flag(p.Hidden), Kijunnichiji: stamp(m.night),
	}
	if p.Status == outside {
		r.Jutokubun = "2"
	}
	r.Seinengappi, r.SeinengappiFushofuragu, r.SeinengappiFushohyoki = p.Birth.wire()
	return r
}
