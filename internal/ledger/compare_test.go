package ledger_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/ledger"
)

func free(ledger.Item) string { return "" }

func TestCompareRules(t *testing.T) {
	for _, c := range []struct {
		item        ledger.Item
		here, there string
		want        ledger.Result
		rule        string
	}{
		{ledger.Name, "架空　太郎", "架空　太郎", ledger.Same, ledger.RuleExact},
		{ledger.Name, "架空 太郎", "架空　太郎", ledger.Same, ledger.RuleNameVariant},
		{ledger.Name, "架空太郎", "架空　太郎", ledger.Same, ledger.RuleNameVariant},
		{ledger.Name, "辻　太郎", "辻\U000E0100　太郎", ledger.Same, ledger.RuleNameVariant},
		{ledger.Name, "葛\U000E0101　花", "葛\U000E0100　花", ledger.Same, ledger.RuleNameVariant},
		{ledger.Name, "神　太郎", "\uFA19　太郎", ledger.Same, ledger.RuleNameVariant},
		{ledger.Name, "ANNA MARIA", "ＡＮＮＡ　ＭＡＲＩＡ", ledger.Same, ledger.RuleNameVariant},
		{ledger.Name, "高　太郎", "髙　太郎", ledger.Differs, ledger.RuleNameVariant},
		{ledger.Name, "架空　次郎", "架空　太郎", ledger.Differs, ledger.RuleNameVariant},
		{ledger.Name, "辺　太郎", "\uE0A1　太郎", ledger.NotComparable, ledger.RuleGaiji},
		{ledger.Name, "渡辺　太郎", "渡\uE0A1 太郎", ledger.NotComparable, ledger.RuleGaiji},
		{ledger.Name, "渡辺　次郎", "渡\uE0A1　太郎", ledger.Differs, ledger.RuleNameVariant},
		{ledger.Name, "渡辺　太郎", "\U0010DE92　太郎", ledger.Differs, ledger.RuleNameVariant},
		{ledger.Alias, "架空 花", "架空　花", ledger.Same, ledger.RuleNameVariant},
		{ledger.Kana, "かくう たろう", "カクウ　タロウ", ledger.Same, ledger.RuleKanaKey},
		{ledger.Kana, "ｶｸｳ ﾀﾛｳ", "カクウ　タロウ", ledger.Same, ledger.RuleKanaKey},
		{ledger.Kana, "カクウ　ジロウ", "カクウ　タロウ", ledger.Differs, ledger.RuleKanaKey},
		{ledger.AddressText, "架空市本町一丁目2番3号", "架空市本町１丁目２番３号", ledger.Same, ledger.RuleAddressFold},
		{ledger.AddressText, "架空市本町1-2-3", "架空市本町一丁目２番地の３", ledger.Same, ledger.RuleAddressFold},
		{ledger.AddressText, "架空市本町1-2-4", "架空市本町一丁目２番３号", ledger.Differs, ledger.RuleAddressFold},
		{ledger.AddressExtra, "ﾊｲﾂｶｸｳ 101", "ハイツカクウ１０１号室", ledger.Same, ledger.RuleAddressFold},
		{ledger.AddressExtra, "ハイツカクウ102", "ハイツカクウ１０１号室", ledger.Differs, ledger.RuleAddressFold},
		{ledger.PostalCode, "〒000-1234", "0001234", ledger.Same, ledger.RuleDigits},
		{ledger.PostalCode, "０００－１２３５", "0001234", ledger.Differs, ledger.RuleDigits},
		{ledger.PostalCode, "不明", "0001234", ledger.NotComparable, ledger.RuleUnreadableHere},
		{ledger.Phone, "(000)0000-1234", "000-0000-1234", ledger.Same, ledger.RuleDigits},
		{ledger.Phone, "000ー0000ー1234", "000-0000-1234", ledger.Same, ledger.RuleDigits},
		{ledger.Phone, "000-0000-1235", "000-0000-1234", ledger.Differs, ledger.RuleDigits},
		{ledger.HouseholdNo, "００１２", "0012", ledger.Same, ledger.RuleDigits},
		{ledger.HouseholdNo, "12", "0012", ledger.Differs, ledger.RuleDigits},
		{ledger.Sex, "女", "女", ledger.Same, ledger.RuleCode},
		{ledger.Sex, "女性", "女", ledger.Same, ledger.RuleCode},
		{ledger.Sex, "男", "女", ledger.Differs, ledger.RuleCode},
		{ledger.Sex, "男", "不明", ledger.NotComparable, ledger.RuleUnknown},
		{ledger.Sex, "2", "女", ledger.NotComparable, ledger.RuleUnreadableHere},
		{ledger.RelationToHead, "子", "子", ledger.Same, ledger.RuleCode},
		{ledger.RelationToHead, "妻", "子", ledger.Differs, ledger.RuleCode},
		{ledger.ResidencyStatus, "住民", "転出", ledger.Differs, ledger.RuleCode},
		{ledger.TaxClassOfYear, "非課税", "非課税", ledger.Same, ledger.RuleCode},
		{ledger.TaxClassOfYear, "非課税", "未申告", ledger.Differs, ledger.RuleCode},
		{ledger.TaxClassOfYear, "非課税", "課税情報なし", ledger.NotComparable, ledger.RuleNoRecord},
		{ledger.TaxClassOfYear, "課税情報なし", "課税", ledger.Differs, ledger.RuleCode},
		{ledger.TaxClassOfYear, "ひかぜい", "課税", ledger.NotComparable, ledger.RuleUnreadableHere},
		{ledger.Phone, "", "000-0000-1234", ledger.OnlyThere, ledger.RulePresence},
		{ledger.Phone, "　", "000-0000-1234", ledger.OnlyThere, ledger.RulePresence},
		{ledger.Phone, "000-0000-1234", "", ledger.OnlyHere, ledger.RulePresence},
		{ledger.Phone, "", "", ledger.Same, ledger.RulePresence},
	} {
		var there []ledger.Value
		if c.there != "" {
			there = []ledger.Value{{Item: c.item, Text: c.there}}
		}
		got := ledger.Compare(map[ledger.Item]string{c.item: c.here}, there, free)
		want := []ledger.Comparison{{Item: c.item, Result: c.want, Rule: c.rule}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %q against %q: (-want +got)\n%s", c.item, c.here, c.there, diff)
		}
	}
}

func TestCompareDates(t *testing.T) {
	year := ledger.Date{Year: 1945, Note: "昭和20年（月日不詳）"}
	about := ledger.Date{Year: 1945, Note: "昭和20年頃"}
	unknown := ledger.Date{Note: "不詳"}
	for _, c := range []struct {
		here  string
		there ledger.Date
		want  ledger.Result
		rule  string
	}{
		{"2016-05-03", day(2016, 5, 3), ledger.Same, ledger.RuleDate},
		{"平成28年5月3日", day(2016, 5, 3), ledger.Same, ledger.RuleDate},
		{"H28.5.3", day(2016, 5, 3), ledger.Same, ledger.RuleDate},
		{"平成31年6月1日", day(2019, 6, 1), ledger.Same, ledger.RuleDate},
		{"2016-05-04", day(2016, 5, 3), ledger.Differs, ledger.RuleDate},
		{"2016-05", day(2016, 5, 3), ledger.NotComparable, ledger.RuleDatePartial},
		{"2016-06", day(2016, 5, 3), ledger.Differs, ledger.RuleDatePartial},
		{"1945-08-15", year, ledger.NotComparable, ledger.RuleDatePartial},
		{"1946-08-15", year, ledger.Differs, ledger.RuleDatePartial},
		{"1945", year, ledger.NotComparable, ledger.RuleDatePartial},
		{"昭和21年", year, ledger.Differs, ledger.RuleDatePartial},
		{"昭和21年頃", year, ledger.NotComparable, ledger.RuleDatePartial},
		{"1946-08-15", about, ledger.NotComparable, ledger.RuleDatePartial},
		{"1946-08-15", unknown, ledger.NotComparable, ledger.RuleDatePartial},
		{"不詳", day(2016, 5, 3), ledger.NotComparable, ledger.RuleDatePartial},
		{"2016-02-30", day(2016, 5, 3), ledger.NotComparable, ledger.RuleUnreadableHere},
		{"五月三日", day(2016, 5, 3), ledger.NotComparable, ledger.RuleUnreadableHere},
	} {
		there := []ledger.Value{{Item: ledger.BirthDate, Date: c.there}}
		got := ledger.Compare(map[ledger.Item]string{ledger.BirthDate: c.here}, there, free)
		want := []ledger.Comparison{{Item: ledger.BirthDate, Result: c.want, Rule: c.rule}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q against %v: (-want +got)\n%s", c.here, c.there, diff)
		}
	}
}

// A barred row must look the same whatever either side holds: a guess at a concealed
// address must find out nothing, not even that there is one.
func TestCompareSaysNothingOfWhatIsBarred(t *testing.T) {
	barred := func(i ledger.Item) string {
		switch {
		case i == ledger.TaxClassOfYear:
			return ledger.RuleNotPermitted
		case i.Locates():
			return ledger.RuleConcealed
		default:
			return ""
		}
	}
	want := []ledger.Comparison{
		{Item: ledger.Name, Result: ledger.Same, Rule: ledger.RuleExact},
		{Item: ledger.AddressText, Result: ledger.NotComparable, Rule: ledger.RuleConcealed},
		{Item: ledger.TaxClassOfYear, Result: ledger.NotComparable, Rule: ledger.RuleNotPermitted},
	}
	for _, address := range []string{"", "架空市本町1-2-3", "架空市本町9-9-9"} {
		for _, there := range []string{"", "架空市本町1-2-3"} {
			values := []ledger.Value{{Item: ledger.Name, Text: "架空　太郎"}}
			if there != "" {
				values = append(values, ledger.Value{Item: ledger.AddressText, Text: there},
					ledger.Value{Item: ledger.TaxClassOfYear, Text: "非課税"})
			}
			got := ledger.Compare(map[ledger.Item]string{
				ledger.AddressText: address, ledger.Name: "架空　太郎", ledger.TaxClassOfYear: "非課税",
			}, values, barred)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("here %q there %q: (-want +got)\n%s", address, there, diff)
			}
		}
	}
}

func TestCompareOrderAndUnknownItems(t *testing.T) {
	here := map[ledger.Item]string{"shoe_size": "27", ledger.Phone: "1", ledger.Name: "架空", ledger.Kana: "カクウ"}
	var got []ledger.Item
	for _, row := range ledger.Compare(here, nil, free) {
		got = append(got, row.Item)
	}
	want := []ledger.Item{ledger.Name, ledger.Kana, ledger.Phone, "shoe_size"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order: (-want +got)\n%s", diff)
	}
	for _, row := range ledger.Compare(here, []ledger.Value{{Item: ledger.Phone, Text: "1"}}, nil) {
		if row.Result != ledger.NotComparable {
			t.Errorf("%s: with nothing said about what is barred, got %s", row.Item, row.Result)
		}
	}
	if got := ledger.Compare(nil, []ledger.Value{{Item: ledger.Phone, Text: "1"}}, free); len(got) != 0 {
		t.Errorf("nothing was asked, got %v", got)
	}
}
