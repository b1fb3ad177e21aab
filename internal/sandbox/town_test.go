package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// baseDay is the base date of the towns that tests look at.
func baseDay() time.Time { return time.Date(2026, time.November, 24, 0, 0, 0, 0, jst) }

// firstPeople is the digest of the people of the first version with seed 1.
const firstPeople = "968fb72fd3d885e9b4e143cf8c4f6fd9b7a34ec4b167bfd1c0638b3bcb78f412"

func TestSameSeedAndDaySamePeople(t *testing.T) {
	sum := func(seed uint64, day time.Time) string {
		text, err := json.Marshal(found(seed, day).people)
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256(text)
		return hex.EncodeToString(digest[:])
	}
	const want = "da5ff7f092c0dcf6484c3d11deabc515781abbabfa9511a2cff55f236eb5f60a"
	if got := sum(1, baseDay()); got != want {
		t.Errorf("people of seed 1: got %s, want %s", got, want)
	}
	if sum(2, baseDay()) == want || sum(1, baseDay().AddDate(0, 0, 1)) == want {
		t.Error("another seed or day gives the same people")
	}
}

func TestFoundingIsQuick(t *testing.T) {
	best := time.Hour
	for range 5 {
		start := time.Now()
		found(1, baseDay())
		best = min(best, time.Since(start))
	}
	t.Logf("founded in %v", best)
	if best > 2*time.Second { // 20 ms without the race detector and without company
		t.Errorf("founding the city took %v", best)
	}
}

func TestSizeOfTheCity(t *testing.T) {
	town := found(1, baseDay())
	count := map[string]int{}
	for _, p := range town.people {
		count[p.Status]++
	}
	if n := count[living]; n < 4700 || n > 5300 {
		t.Errorf("%d people live in the city, want about 5,000", n)
	}
	if n := len(town.households); n < 1800 || n > 2000 {
		t.Errorf("%d households, want about 1,900", n)
	}
	if count[dead] == 0 || count[left] == 0 || count[outside] == 0 {
		t.Errorf("somebody is missing: %v", count)
	}
	if n := len(town.search(CrowdKana, CrowdBirth, CrowdBirth)); n != crowdSize {
		t.Errorf("the crowd has %d people, want %d", n, crowdSize)
	}
}

func TestCheckDigits(t *testing.T) {
	if got, want := string(individualCheck("12345678901")), "8"; got != want {
		t.Errorf("individual number 12345678901: got %s, want %s", got, want)
	}
	if got, want := string(individualCheck("98320567321")), "4"; got != want {
		t.Errorf("individual number 98320567321: got %s, want %s", got, want)
	}
	for body, want := range map[string]string{
		"11212": "7", "13101": "6", "11207": "1", "11202": "0", MunicipalityCode[:5]: MunicipalityCode[5:],
	} {
		if got := string(municipalityCheck(body)); got != want {
			t.Errorf("municipality %s: got %s, want %s", body, got, want)
		}
	}
	for body, want := range map[string]string{
		"000000000": "0", // remainder 0
		"000000001": "9", // 1×2 = 2
		"000000006": "",  // 6×2 = 12, remainder 1: no digit
		"230000001": "3", // 1×2 + 3×3 + 2×4 = 19, remainder 8: the weights begin again at the seventh
	} {
		digit, ok := atenaCheck(body)
		got := ""
		if ok {
			got = string(digit)
		}
		if got != want {
			t.Errorf("atena number %s: got %q, want %q", body, got, want)
		}
	}
}

func TestNumbersAreUniqueAndValid(t *testing.T) {
	town := found(1, baseDay())
	seen := map[string]bool{}
	for _, p := range town.people {
		for _, number := range []string{p.Atena, p.Unified, p.Individual} {
			if seen[number] {
				t.Fatalf("%s was given twice", number)
			}
			seen[number] = true
		}
		for _, number := range []string{p.Atena, p.Unified} {
			if digit, ok := atenaCheck(number[:9]); len(number) != 10 || !ok || digit != number[9] {
				t.Errorf("%s has a wrong check digit", number)
			}
		}
		if len(p.Individual) != 12 || !strings.HasPrefix(p.Individual, "000") || individualCheck(p.Individual[:11]) != p.Individual[11] {
			t.Errorf("%s is no fictitious individual number", p.Individual)
		}
		if p.Phone != "" && (!strings.HasPrefix(p.Phone, "000-0000-") || len(p.Phone) != 13) {
			t.Errorf("%s is no fictitious telephone number", p.Phone)
		}
		if len(p.Place.Postal) != 7 || !strings.HasPrefix(p.Place.Postal, "000") {
			t.Errorf("%s is no fictitious postal code", p.Place.Postal)
		}
		if p.Status != outside && len(p.History) == 0 {
			t.Errorf("%s has no history", p.Atena)
		}
	}
}

func TestPersonasAreWhatTheirTagsSay(t *testing.T) {
	town := found(1, baseDay())
	people := town.personas(baseDay())
	if len(people) < 44 {
		t.Errorf("%d personas, want at least 44", len(people))
	}
	tags, children := map[string]int{}, 0
	keys, phones, cases := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, p := range people {
		person := town.byAtena[p.AtenaNumber]
		for _, tag := range p.Tags {
			tags[tag]++
		}
		if slices.Contains(p.Tags, "child") {
			children++
			if person.Status != living || !person.Birth.minorOn(baseDay()) {
				t.Errorf("%s cannot be registered", p.Key)
			}
		}
		if keys[p.Key] || cases[p.Case] || (p.Phone != "" && phones[p.Phone]) {
			t.Errorf("%s shares a key, a case or a telephone", p.Key)
		}
		keys[p.Key], cases[p.Case], phones[p.Phone] = true, true, true
		checkTag(t, p, "protected", strings.HasPrefix(p.Key, "shielded") || p.Key == "outside-hidden")
		if sorted := slices.Sorted(slices.Values(p.Tags)); len(slices.Compact(sorted)) != len(p.Tags) {
			t.Errorf("%s bears a tag twice: %v", p.Key, p.Tags)
		}
		checkGuardian(t, p, people)
		if p.Members[0] != p.AtenaNumber {
			t.Errorf("%s is not the first of its members", p.Key)
		}
		for _, word := range append(strings.Split(p.Name, "　"), strings.Split(p.Kana, "　")...) {
			if utf8.RuneCountInString(word) < 2 {
				t.Errorf("%s has a name that is not distinctive", p.Key)
			}
		}
		checkTag(t, p, "gaiji", strings.ContainsFunc(p.Name, func(r rune) bool { return r >= 0xE000 && r <= 0xF8FF || r >= 0x100000 }))
		checkTag(t, p, "ivs", strings.ContainsFunc(p.Name, func(r rune) bool { return r >= 0xE0100 && r <= 0xE01EF }))
		checkTag(t, p, "unknown-birth", len(p.BirthDate) < 10)
		checkTag(t, p, "dead", person.Status == dead)
		checkTag(t, p, "non-resident", person.Status == outside)
		checkTag(t, p, "newborn", p.BirthDate == "2026-11-23")
		checkTag(t, p, "born-04-01", p.BirthDate == "2009-04-01")
		checkTag(t, p, "born-04-02", p.BirthDate == "2009-04-02")
		checkTag(t, p, "tax-undeclared", p.Tax["2026"] == "未申告")
		checkTag(t, p, "namesake", slices.ContainsFunc(people, func(o Persona) bool {
			return o.Key != p.Key && o.Name == p.Name && o.Kana == p.Kana && o.BirthDate == p.BirthDate && o.HouseholdNumber != p.HouseholdNumber
		}))
		checkTag(t, p, "twin", slices.ContainsFunc(people, func(o Persona) bool {
			return o.Key != p.Key && o.BirthDate == p.BirthDate && o.HouseholdNumber != "" && o.HouseholdNumber == p.HouseholdNumber
		}))
		if slices.Contains(p.Tags, "tax-elsewhere") && (p.Tax["2026"] != "課税情報なし" || p.Tax["2025"] != "課税情報なし" || p.Outcomes.Tax != outcomeNoRecord) {
			t.Errorf("%s: its tax is not elsewhere", p.Key)
		}
	}
	if children < 32 {
		t.Errorf("%d children who could be registered, want at least 32", children)
	}
	for _, tag := range []string{
		"child", "guardian", "protected", "tax-undeclared", "tax-elsewhere", "unknown-birth", "gaiji", "ivs", "namesake", "twin",
		"split-household", "non-resident", "foreign", "dead", "moved-in", "newborn", "born-04-01", "born-04-02",
		"guardian-elsewhere",
	} {
		if tags[tag] == 0 {
			t.Errorf("no persona is tagged %s", tag)
		}
	}
	t.Logf("%d personas, %d children, tags %v", len(people), children, tags)
}

// checkGuardian holds a child to a guardian of its household, whose case concerns both,
// unless the guardian lives elsewhere.
func checkGuardian(t *testing.T, p Persona, people []Persona) {
	t.Helper()
	i := slices.IndexFunc(people, func(o Persona) bool { return o.Key == p.Guardian })
	switch want := slices.Contains(p.Tags, "child") && !slices.Contains(p.Tags, "guardian-elsewhere"); {
	case p.Guardian == "" && want:
		t.Errorf("%s has no guardian", p.Key)
	case p.Guardian != "" && !want:
		t.Errorf("%s has the guardian %s", p.Key, p.Guardian)
	case p.Guardian == "":
	case i < 0:
		t.Errorf("%s has the guardian %s, who is nobody", p.Key, p.Guardian)
	default:
		g := people[i]
		if g.HouseholdNumber != p.HouseholdNumber || !slices.Contains(g.Tags, "guardian") || len(g.BirthDate) != 10 ||
			!slices.Contains(g.Members, p.AtenaNumber) || !slices.Contains(p.Members, g.AtenaNumber) {
			t.Errorf("%s cannot be the guardian of %s", g.Key, p.Key)
		}
	}
}

// TestGuardiansOfFamilies has guardians who look after two children alone, and the one
// who comes first where there are two.
func TestGuardiansOfFamilies(t *testing.T) {
	guardians, alone := map[string]string{}, 0
	people := found(1, baseDay()).personas(baseDay())
	for _, p := range people {
		guardians[p.Key] = p.Guardian
	}
	for _, p := range people {
		if !slices.Contains(p.Tags, "guardian") || len(p.Members) != 3 || slices.Contains(p.Tags, "protected") {
			continue
		}
		children := 0
		for _, g := range guardians {
			if g == p.Key {
				children++
			}
		}
		if children == 2 {
			alone++
		}
	}
	if alone < 4 {
		t.Errorf("%d guardians have two children and nobody else, want at least 4", alone)
	}
	for key, want := range map[string]string{
		"everyday-youngest": "everyday-father", "twins-boy": "twins-mother", "shielded-one-son": "shielded-one-father", "everyday-father": "",
		"bereaved-child": "bereaved-father", "alone-child": "", "guardian-elsewhere-elder": "", "pair-two-younger": "pair-two-father",
	} {
		if got := guardians[key]; got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
}

// TestOlderPersonasStayWhoTheyWere holds people of the first version to their numbers:
// what a folder's record says of them must stay true.
func TestOlderPersonasStayWhoTheyWere(t *testing.T) {
	town := found(1, baseDay())
	const before = 5316 // people in the first version
	text, err := json.Marshal(town.people[:before])
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(text)
	if got := hex.EncodeToString(digest[:]); got != firstPeople {
		t.Errorf("the people of the first version are others: %s", got)
	}
}

func checkTag(t *testing.T, p Persona, tag string, want bool) {
	t.Helper()
	if got := slices.Contains(p.Tags, tag); got != want {
		t.Errorf("%s: tag %s is %v, want %v", p.Key, tag, got, want)
	}
}

func TestNobodyElseIsCalledLikeAPersona(t *testing.T) {
	town := found(1, baseDay())
	named := map[string]bool{}
	for _, n := range town.named {
		named[n.Atena] = true
	}
	for _, n := range town.named {
		first, last := n.Birth.span()
		for _, p := range town.search(n.Kana, first, last) {
			if !named[p.Atena] {
				t.Errorf("a search for %s finds somebody else", n.key)
			}
		}
		for _, p := range town.people {
			if !named[p.Atena] && (p.Name == n.Name || p.Place.Text == n.Place.Text) {
				t.Errorf("somebody else has the name or the address of %s", n.key)
			}
		}
	}
}

func TestOutcomesOfHealthyNeighbours(t *testing.T) {
	got := map[string]Outcomes{}
	for _, p := range found(1, baseDay()).personas(baseDay()) {
		got[p.Key] = p.Outcomes
	}
	for key, want := range map[string]Outcomes{
		"everyday-father":       {outcomeFound, outcomeFound, outcomeFound},
		"everyday-eldest":       {outcomeFound, outcomeFound, outcomeFound},
		"undeclared-mother":     {outcomeFound, outcomeNoRecord, outcomeFound},
		"undeclared-son":        {outcomeFound, outcomeNoRecord, outcomeFound},
		"undeclared-one-child":  {outcomeFound, outcomeNoRecord, outcomeFound}, // one adult is enough
		"undeclared-one-father": {outcomeFound, outcomeFound, outcomeFound},    // an adult's own decides
		"elsewhere-son":         {outcomeFound, outcomeNoRecord, outcomeFound},
		"moved-in-child":        {outcomeFound, outcomeFound, outcomeFound},
		"newborn-baby":          {outcomeFound, outcomeFound, outcomeFound},    // the adults decide
		"alone-child":           {outcomeFound, outcomeNoRecord, outcomeFound}, // no adult: those who count are elsewhere
		"bereaved-grandfather":  {outcomeFound, outcomeFound, outcomeFound},
		"outside-guardian":      {outcomeNoPerson, outcomeNoRecord, outcomeFound},
		"outside-hidden":        {outcomeNoPerson, outcomeNoRecord, outcomeFound},
		"outside-taxpayer":      {outcomeNoPerson, outcomeFound, outcomeFound},
		"shielded-one-son":      {outcomeFound, outcomeFound, outcomeFound},
	} {
		if diff := cmp.Diff(want, got[key]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
}

func TestTaxClassesOfAYear(t *testing.T) {
	tax := map[string]map[string]string{}
	for _, p := range found(1, baseDay()).personas(baseDay()) {
		tax[p.Key] = p.Tax
	}
	for key, want := range map[string]map[string]string{
		"everyday-father":       {"2024": "課税", "2025": "課税", "2026": "課税"},
		"everyday-eldest":       {"2024": "非課税", "2025": "非課税", "2026": "非課税"},
		"undeclared-son":        {"2024": "未申告", "2025": "未申告", "2026": "未申告"},
		"undeclared-one-mother": {"2024": "非課税", "2025": "非課税", "2026": "未申告"},
		"undeclared-one-child":  {"2024": "非課税", "2025": "非課税", "2026": "非課税"},
		"moved-in-child":        {"2024": "課税情報なし", "2025": "課税情報なし", "2026": "非課税"},
		"newborn-baby":          {"2024": "課税情報なし", "2025": "課税情報なし", "2026": "課税情報なし"},
		"per-capita-mother":     {"2024": "均等割のみ課税", "2025": "均等割のみ課税", "2026": "均等割のみ課税"},
	} {
		if diff := cmp.Diff(want, tax[key]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
}

func TestTheYearRollsOverInJune(t *testing.T) {
	last := time.Date(2027, time.May, 31, 23, 59, 59, 0, jst)
	for _, c := range []struct {
		on   time.Time
		want int
	}{{last, 2026}, {last.Add(time.Second), 2027}, {last.Add(time.Second).UTC(), 2027}} {
		if got := taxYear(c.on); got != c.want {
			t.Errorf("%v: got %d, want %d", c.on, got, c.want)
		}
	}
	for _, p := range found(1, baseDay()).personas(last.Add(time.Second)) {
		if p.Key == "elsewhere-son" && p.Tax["2027"] != "非課税" {
			t.Errorf("who lived here on 1 January 2027 has %s, want 非課税", p.Tax["2027"])
		}
	}
}

func TestAgeLimit(t *testing.T) {
	for birthday, last := range map[string]string{
		"2006-04-01": "2024-03-31", "2006-04-02": "2025-03-31", "2008-02-29": "2026-03-31",
		"2008-04-01": "2026-03-31", "2008-04-02": "2027-03-31", "2026-01-01": "2044-03-31",
	} {
		day, err := time.ParseInLocation(time.DateOnly, last, jst)
		if err != nil {
			t.Fatal(err)
		}
		b := birth{ISO: birthday}
		if !b.minorOn(day) || b.minorOn(day.AddDate(0, 0, 1)) {
			t.Errorf("%s: the last day is not %s", birthday, last)
		}
	}
}

func TestSpanOfABirthKnownInPart(t *testing.T) {
	for iso, want := range map[string][2]string{
		"2016-05-03": {"2016-05-03", "2016-05-03"}, "1945-08": {"1945-08-01", "1945-08-31"},
		"2024-02": {"2024-02-01", "2024-02-29"}, "1945": {"1945-01-01", "1945-12-31"}, "": {firstDay, lastDay},
	} {
		first, last := birth{ISO: iso}.span()
		if diff := cmp.Diff(want, [2]string{first, last}); diff != "" {
			t.Errorf("%q (-want +got):\n%s", iso, diff)
		}
	}
}

func TestKanaKey(t *testing.T) {
	for kana, want := range map[string]string{
		"タングヴァルド　エーリカ": "タングヴアルドエーリカ", "リュウノスケ ショッパ": "リユウノスケシヨツパ", "ヵヶヮ": "カケワ",
	} {
		if got := kanaKey(kana); got != want {
			t.Errorf("%s: got %s, want %s", kana, got, want)
		}
	}
}
