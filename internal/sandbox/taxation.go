package sandbox

import "strconv"

// kazeiRecord is somebody's tax class of a year as the tax section publishes it.
type kazeiRecord struct {
	Atenabango      string `json:"atenabango"`
	Kazeinendo      string `json:"kazeinendo"`
	KazeiUmu        string `json:"kazei_umu"`
	KazeikubunKodo  string `json:"kazeikubun_kodo"`
	Shotokugaku     string `json:"shotokugaku"`
	Kintowarigaku   string `json:"kintowarigaku"`
	Shotokuwarigaku string `json:"shotokuwarigaku"`
	Kijunnichiji    string `json:"kijunnichiji"`
}

// taxResources are what the tax section publishes. Its publication has no public 業務ID:
// 900 is the fictional city's.
func taxResources() []resource {
	return []resource{{
		name: "kazeikubunshokai", title: "課税区分照会", system: Tax, scope: scopeOf("900", "kazeikubunshokai"),
		items: []item{
			{key: "kazeinendo", label: "課税年度", rule: digits(), length: 4, fixed: true, required: true},
			atenabangos(50),
		},
		answer: taxClasses,
	}}
}

// taxClasses answers with one record for each person whom the city knows, in the order
// asked. A year that is not published yet, or is kept no longer, has no tax record.
func taxClasses(in view, v values, m moment) any {
	records := []kazeiRecord{}
	year, err := strconv.Atoi(v.one("kazeinendo"))
	kept := err == nil && year <= taxYear(m.now) && year >= taxYear(in.today)-taxYearsKept
	told := map[string]bool{}
	for _, number := range v["atenabango"] {
		p, known := in.byAtena[number]
		if !known || told[number] {
			continue
		}
		told[number] = true
		r := kazeiRecord{Atenabango: number, Kazeinendo: v.one("kazeinendo"), KazeiUmu: "0", Kijunnichiji: stamp(m.night)}
		if class := p.classIn(year); kept && class != "" {
			r.KazeiUmu, r.KazeikubunKodo = "1", class
			r.Shotokugaku, r.Kintowarigaku, r.Shotokuwarigaku = p.amounts(class)
		}
		records = append(records, r)
	}
	return records
}
