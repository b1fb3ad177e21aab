package sandbox_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/sandbox"
)

func opened(t *testing.T) *sandbox.City {
	t.Helper()
	c, _ := start(t, t.TempDir(), sandbox.Options{Now: noon})
	return c
}

func asked(number string) string { return fmt.Sprintf(`{"atenabango":%q}`, number) }

func listed(numbers ...string) string {
	return fmt.Sprintf(`{"atenabango":["%s"]}`, strings.Join(numbers, `","`))
}

// column gives one item of every record.
func column(records []map[string]string, key string) []string {
	all := make([]string, len(records))
	for i, r := range records {
		all[i] = r[key]
	}
	return all
}

func TestHouseholdOfAResident(t *testing.T) {
	c := opened(t)
	residents, p := callerOf(t, c, sandbox.Residents), persona(t, c, "newborn-baby")
	got := residents.result(t, "juminsetaishokai", asked(p.AtenaNumber))
	want := slices.Clone(p.Members)
	slices.Sort(want)
	numbers := column(got, "atenabango")
	slices.Sort(numbers)
	if diff := cmp.Diff(want, numbers); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	record := got[slices.Index(column(got, "atenabango"), p.AtenaNumber)]
	if diff := cmp.Diff(map[string]string{
		"atenabango": p.AtenaNumber, "setaibango": p.HouseholdNumber, "shimei": p.Name, "shimei_kana": p.Kana, "tsusho": "", "tsusho_kana": "",
		"seinengappi": "2026-11-23", "seinengappi_fushofuragu": "0", "seinengappi_fushohyoki": "", "seibetsu": "2", "tsuzukigara_kodo": "H4",
		"yubinbango": p.PostalCode, "jusho": p.Address, "katagaki": "", "denwabango": p.Phone, "juminjotai_kodo": "J1", "idojiyu_kodo": "D3",
		"idonengappi": "2026-11-23", "kijunnichiji": "2026-11-24T12:00:00+09:00",
	}, record); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func TestWhoDiedIsListedAlone(t *testing.T) {
	c := opened(t)
	residents := callerOf(t, c, sandbox.Residents)
	gone, son := persona(t, c, "bereaved-grandfather"), persona(t, c, "bereaved-father")
	got := residents.result(t, "juminsetaishokai", asked(gone.AtenaNumber))
	if diff := cmp.Diff([]string{gone.AtenaNumber}, column(got, "atenabango")); diff != "" {
		t.Errorf("household of the dead (-want +got):\n%s", diff)
	}
	if got[0]["juminjotai_kodo"] != "J3" || got[0]["setaibango"] != son.HouseholdNumber {
		t.Errorf("state and last household: %v", got[0])
	}
	living := residents.result(t, "juminsetaishokai", asked(son.AtenaNumber))
	if slices.Contains(column(living, "atenabango"), gone.AtenaNumber) {
		t.Error("the dead is among the members of the living's household")
	}
	shield := callerOf(t, c, sandbox.Residents).result(t, "shiensochishokai", listed(gone.AtenaNumber))
	if !slices.Contains(column(shield, "atenabango"), son.AtenaNumber) {
		t.Error("支援措置 of those who live in the last household of the dead is not told")
	}
}

func TestResidentAndHistory(t *testing.T) {
	c := opened(t)
	residents, p := callerOf(t, c, sandbox.Residents), persona(t, c, "elsewhere-son")
	if got := residents.result(t, "juminkihonshokai", asked(p.AtenaNumber)); len(got) != 1 || got[0]["shimei"] != p.Name {
		t.Errorf("juminkihonshokai: %v", got)
	}
	got := residents.result(t, "juminrirekishokai", asked(p.AtenaNumber))
	if diff := cmp.Diff([]map[string]string{{
		"rirekibango": "1", "idojiyu_kodo": "D1", "idonengappi": "2026-10-15", "todokedenengappi": "2026-10-15",
		"setaibango": p.HouseholdNumber, "jusho": p.Address, "katagaki": "",
	}}, got); diff != "" {
		t.Errorf("juminrirekishokai (-want +got):\n%s", diff)
	}
}

func TestNobodyFound(t *testing.T) {
	c := opened(t)
	outsider := persona(t, c, "outside-guardian")
	for resource, body := range map[string]string{
		"juminsetaishokai": asked(outsider.AtenaNumber), "juminkihonshokai": asked("9999999999"), "juminrirekishokai": asked("9999999999"),
	} {
		if got := callerOf(t, c, sandbox.Residents).result(t, resource, body); len(got) != 0 {
			t.Errorf("%s finds %v", resource, got)
		}
	}
	if got := callerOf(t, c, sandbox.Tax).result(t, "kazeikubunshokai", `{"kazeinendo":"2026","atenabango":["9999999999"]}`); len(got) != 0 {
		t.Errorf("tax finds %v", got)
	}
	if got := callerOf(t, c, sandbox.Address).result(t, "atenajohoshokai", listed("9999999999")); len(got) != 0 {
		t.Errorf("address finds %v", got)
	}
}

func TestShieldsOfAHousehold(t *testing.T) {
	c := opened(t)
	p, outsider := persona(t, c, "shielded-one-son"), persona(t, c, "outside-guardian")
	got := callerOf(t, c, sandbox.Residents).result(t, "shiensochishokai", listed(p.AtenaNumber, outsider.AtenaNumber))
	protected := map[string]string{}
	for _, r := range got {
		protected[r["atenabango"]] = r["jumin_umu"] + r["shiensochi_kubun"]
	}
	want := map[string]string{outsider.AtenaNumber: "0"}
	for _, member := range p.Members {
		want[member] = "10"
	}
	want[persona(t, c, "shielded-one-mother").AtenaNumber] = "11"
	if diff := cmp.Diff(want, protected); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if last := got[len(got)-1]; len(last) != 2 {
		t.Errorf("of an outsider more is told than that: %v", last)
	}
}

func TestTaxOfAYear(t *testing.T) {
	c := opened(t)
	tax := callerOf(t, c, sandbox.Tax)
	father, mother := persona(t, c, "undeclared-one-father"), persona(t, c, "undeclared-one-mother")
	baby := persona(t, c, "newborn-baby")
	ask := func(year string) []string {
		got := tax.result(t, "kazeikubunshokai", fmt.Sprintf(`{"kazeinendo":%q,"atenabango":["%s","%s","%s","9999999999"]}`,
			year, father.AtenaNumber, mother.AtenaNumber, baby.AtenaNumber))
		var all []string
		for _, r := range got {
			all = append(all, strings.Join([]string{r["kazeinendo"], r["kazei_umu"], r["kazeikubun_kodo"], r["shotokugaku"], r["kintowarigaku"], r["shotokuwarigaku"]}, "/"))
		}
		return all
	}
	for year, want := range map[string][]string{
		"2026": {"2026/1/K1/4600000/5000/360000", "2026/1/K9///", "2026/0////"},
		"2025": {"2025/1/K1/4600000/5000/360000", "2025/1/K3/0/0/0", "2025/0////"},
		"2027": {"2027/0////", "2027/0////", "2027/0////"}, // not published yet
		"1999": {"1999/0////", "1999/0////", "1999/0////"}, // kept no longer
	} {
		if diff := cmp.Diff(want, ask(year)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", year, diff)
		}
	}
}

// query gives a search for a persona by kana and range of birth dates.
func query(kana, from, to, more string) string {
	return fmt.Sprintf(`{"shimei_kana":%q,"seinengappi_kaishi":%q,"seinengappi_shuryo":%q,"kensujogen":"21"%s}`, kana, from, to, more)
}

func TestSearch(t *testing.T) {
	c := opened(t)
	address := callerOf(t, c, sandbox.Address)
	a, b := persona(t, c, "namesake-child"), persona(t, c, "namesake-other-child")
	foreign, old, hidden := persona(t, c, "foreign-daughter"), persona(t, c, "old-grandmother"), persona(t, c, "outside-hidden")
	for name, tt := range map[string]struct {
		body string
		want []string
	}{
		"namesakes":              {query(a.Kana, a.BirthDate, a.BirthDate, ""), []string{a.AtenaNumber, b.AtenaNumber}},
		"without the space":      {query(strings.ReplaceAll(a.Kana, "　", ""), a.BirthDate, a.BirthDate, ""), []string{a.AtenaNumber, b.AtenaNumber}},
		"narrowed by household":  {query(a.Kana, a.BirthDate, a.BirthDate, `,"setaibango":"`+b.HouseholdNumber+`"`), []string{b.AtenaNumber}},
		"narrowed by address":    {query(a.Kana, a.BirthDate, a.BirthDate, `,"jusho":"幻灯ハイツ101号室"`), []string{a.AtenaNumber}},
		"empty items":            {query(old.Kana, "1945-05-05", "1945-05-05", `,"setaibango":"","jusho":"","kojinbango":""`), []string{old.AtenaNumber}},
		"another birth date":     {query(a.Kana, "2001-01-01", "2001-01-01", ""), nil},
		"part of a name":         {query("オボロガフチ", a.BirthDate, a.BirthDate, ""), nil},
		"通称":                     {query(foreign.AliasKana, foreign.BirthDate, foreign.BirthDate, ""), []string{foreign.AtenaNumber}},
		"small kana written big": {query("タングヴアルドエーリカ", foreign.BirthDate, foreign.BirthDate, ""), []string{foreign.AtenaNumber}},
		"year known alone":       {query(old.Kana, "1945-12-31", "1946-01-01", ""), []string{old.AtenaNumber}},
		"outside the year":       {query(old.Kana, "1946-01-01", "9999-12-31", ""), nil},
		"outsider":               {query(hidden.Kana, "0000-01-01", "9999-12-31", ""), []string{hidden.AtenaNumber}},
	} {
		t.Run(name, func(t *testing.T) {
			got := address.result(t, "atenakensaku", tt.body)
			if diff := cmp.Diff(tt.want, append([]string(nil), column(got, "atenabango")...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if got := address.result(t, "atenakensaku", query(sandbox.CrowdKana, sandbox.CrowdBirth, sandbox.CrowdBirth, "")); len(got) != 21 {
		t.Errorf("of the crowd %d come, want the 21 that were asked for", len(got))
	}
}

func TestAddressData(t *testing.T) {
	c := opened(t)
	hidden, old := persona(t, c, "outside-hidden"), persona(t, c, "old-alone-grandfather")
	got := callerOf(t, c, sandbox.Address).result(t, "atenajohoshokai", listed(hidden.AtenaNumber, old.AtenaNumber))
	want := []map[string]string{
		{
			"atenabango": hidden.AtenaNumber, "setaibango": "", "tsuzukigara_kodo": "", "shimei": hidden.Name, "shimei_kana": hidden.Kana,
			"tsusho": "", "tsusho_kana": "", "seinengappi": hidden.BirthDate, "seinengappi_fushofuragu": "0", "seinengappi_fushohyoki": "",
			"seibetsu": "2", "yubinbango": "0009001", "jusho": hidden.Address, "katagaki": "", "denwabango": hidden.Phone, "jutokubun": "2",
			"juminjotai_kodo": "J9", "tagyomusanshofukafuragu": "1", "kijunnichiji": "2026-11-24T03:00:00+09:00",
		},
		{
			"atenabango": old.AtenaNumber, "setaibango": old.HouseholdNumber, "tsuzukigara_kodo": "H1", "shimei": old.Name, "shimei_kana": old.Kana,
			"tsusho": "", "tsusho_kana": "", "seinengappi": "", "seinengappi_fushofuragu": "1", "seinengappi_fushohyoki": "昭和20年8月（日不詳）",
			"seibetsu": "1", "yubinbango": old.PostalCode, "jusho": old.Address, "katagaki": "", "denwabango": old.Phone, "jutokubun": "1",
			"juminjotai_kodo": "J1", "tagyomusanshofukafuragu": "0", "kijunnichiji": "2026-11-24T03:00:00+09:00",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNumbersNeedTheirOwnScopes(t *testing.T) {
	c := opened(t)
	gateway, desk, p := callerOf(t, c, sandbox.Address), caller{c.NumberDesk(), noon}, persona(t, c, "everyday-eldest")
	search := fmt.Sprintf(`{"kojinbango":%q,"kensujogen":"1"}`, p.IndividualNumber)
	if r := must(t, gateway.read(t, gateway.token(t), "atenakensaku", search)); r.status != http.StatusForbidden {
		t.Errorf("a search by number without the scope: status %d", r.status)
	}
	if r := must(t, gateway.read(t, gateway.token(t), "atenabangoshokai", asked(p.AtenaNumber))); r.status != http.StatusForbidden {
		t.Errorf("numbers without the scope: status %d", r.status)
	}
	if got := desk.result(t, "atenakensaku", search); len(got) != 1 || got[0]["atenabango"] != p.AtenaNumber {
		t.Errorf("a search by number finds %v", got)
	}
	got := desk.result(t, "atenabangoshokai", asked(p.AtenaNumber))
	if len(got) != 1 || got[0]["kojinbango"] != p.IndividualNumber || len(got[0]["dantainaitogoatenabango"]) != 10 {
		t.Errorf("numbers: %v", got)
	}
}

func TestEveryPersonaIsFoundAsItIs(t *testing.T) {
	c := opened(t)
	residents, address := callerOf(t, c, sandbox.Residents), callerOf(t, c, sandbox.Address)
	forResidents, forAddress := residents.token(t), address.token(t)
	for _, p := range c.People() {
		var got struct {
			Result []map[string]string `json:"result"`
		}
		decode(t, must(t, residents.read(t, forResidents, "juminsetaishokai", asked(p.AtenaNumber))).body, &got)
		found := slices.Contains(column(got.Result, "shimei"), p.Name)
		if want := p.Outcomes.Residents == "found"; found != want {
			t.Errorf("%s: the registry finds it: %v, want %v", p.Key, found, want)
		}
		first, last := p.BirthDate, p.BirthDate
		if len(p.BirthDate) < 10 {
			first, last = "1945-08-15", "1945-08-15"
		}
		decode(t, must(t, address.read(t, forAddress, "atenakensaku", query(p.Kana, first, last, ""))).body, &got)
		if !slices.Contains(column(got.Result, "atenabango"), p.AtenaNumber) {
			t.Errorf("%s: a search does not find it", p.Key)
		}
	}
}
