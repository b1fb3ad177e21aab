package ledger

import (
	"maps"
	"slices"
	"strings"
)

// Result is how one row of a comparison (突合) came out. The names are part of the API.
type Result string

// The results. Differs and the one-sided ones are findings for a person to judge; only
// NotComparable says nothing about the person.
const (
	Same          Result = "same"
	Differs       Result = "differs"
	OnlyHere      Result = "only_here"
	OnlyThere     Result = "only_there"
	NotComparable Result = "not_comparable"
)

// The rules that decide a row. The first group are those by which two values were held
// against each other, the second say why they were not. The names are part of the API.
const (
	RuleExact       = "exact"        // the same characters
	RuleNameVariant = "name_variant" // but for variation selectors, spaces and width
	RuleKanaKey     = "kana_key"     // by KanaKey
	RuleDate        = "date"         // the same day, whatever the calendar
	RuleAddressFold = "address_fold" // but for the ways to write numbers of an address
	RuleDigits      = "digits"       // the digits alone
	RuleCode        = "code"         // one of a few words
	RulePresence    = "presence"     // one side, or both, have nothing

	RuleDatePartial    = "date_partial"     // a side knows the date in part
	RuleGaiji          = "gaiji"            // the rest agrees, and a 外字 stands where the texts differ
	RuleUnknown        = "unknown"          // a side says that it does not know (不明)
	RuleNoRecord       = "no_record"        // the source has no record of this kind (課税情報なし)
	RuleUnreadableHere = "unreadable_here"  // what was given cannot be read
	RuleConcealed      = "concealed"        // kept back, whether there is a value or not
	RuleNotPermitted   = "not_permitted"    // the procedure may not see it
	RuleNotOffered     = "not_offered"      // the source cannot know it
	RuleNoLedgerRecord = "no_ledger_record" // the ledger has no record to compare
)

// Comparison is one row of a comparison: what came out for one item, and by which rule.
// It holds neither value.
type Comparison struct {
	Item   Item
	Result Result
	Rule   string
}

// Compare holds what an application (or the ledger) says of a person against what a
// source says of the same person, one row for each item that here mentions, in the order
// of Items; an item that Items does not know comes last and is not comparable.
//
// Barred gives the rule that forbids comparing an item, such as RuleConcealed or
// RuleNotPermitted, and "" where none does. It is asked first and before either value is
// looked at, so that a barred row is the same whether the source has a value or not.
// A nil barred forbids everything.
func Compare(here map[Item]string, there []Value, barred func(Item) string) []Comparison {
	rows := make([]Comparison, 0, len(here))
	known := Items()
	for _, item := range known {
		if text, mentioned := here[item]; mentioned {
			rows = append(rows, compareItem(item, text, there, barred))
		}
	}
	for _, item := range slices.Sorted(maps.Keys(here)) {
		if !slices.Contains(known, item) {
			rows = append(rows, Comparison{item, NotComparable, RuleNotOffered})
		}
	}
	return rows
}

func compareItem(item Item, here string, there []Value, barred func(Item) string) Comparison {
	if barred == nil {
		return Comparison{item, NotComparable, RuleNotPermitted}
	}
	if rule := barred(item); rule != "" {
		return Comparison{item, NotComparable, rule}
	}
	at := slices.IndexFunc(there, func(v Value) bool { return v.Item == item })
	hasHere := strings.TrimSpace(here) != ""
	switch {
	case at < 0 && hasHere:
		return Comparison{item, OnlyHere, RulePresence}
	case at < 0:
		return Comparison{item, Same, RulePresence}
	case !hasHere:
		return Comparison{item, OnlyThere, RulePresence}
	}
	result, rule := compareValues(item, here, there[at])
	return Comparison{item, result, rule}
}

// compareValues decides between two values that both exist.
func compareValues(item Item, here string, there Value) (Result, string) {
	switch item {
	case BirthDate:
		return compareDates(here, there.Date)
	case Sex, RelationToHead, ResidencyStatus, TaxClassOfYear:
		return compareCodes(item, here, there.Text)
	}
	if here == there.Text {
		return Same, RuleExact
	}
	switch item {
	case Kana:
		return verdict(KanaKey(here) == KanaKey(there.Text)), RuleKanaKey
	case AddressText, AddressExtra:
		return compareFolded(addressKey(here), addressKey(there.Text), RuleAddressFold)
	case PostalCode, Phone, HouseholdNo:
		h, ok := digitsKey(here)
		t, readable := digitsKey(there.Text)
		if !ok {
			return NotComparable, RuleUnreadableHere
		}
		return verdict(readable && h == t), RuleDigits
	default: // Name, Alias
		return compareFolded(nameKey(here), nameKey(there.Text), RuleNameVariant)
	}
}

func verdict(same bool) Result {
	if same {
		return Same
	}
	return Differs
}

// compareFolded holds two folded texts against each other. Where they differ in nothing
// but characters against 外字, nobody can say.
func compareFolded(here, there, rule string) (Result, string) {
	if here == there {
		return Same, rule
	}
	if HasGaiji(here) || HasGaiji(there) {
		h, t := []rune(here), []rune(there)
		if len(h) == len(t) {
			agree := true
			for i := range h {
				agree = agree && (h[i] == t[i] || isGaiji(h[i]) || isGaiji(t[i]))
			}
			if agree {
				return NotComparable, RuleGaiji
			}
		}
	}
	return Differs, rule
}

// compareDates holds a date as somebody wrote it against a source's. A side that knows
// the date in part proves nothing unless it contradicts; an estimate (頃) cannot.
func compareDates(here string, there Date) (Result, string) {
	read, ok := ReadDate(here)
	if !ok {
		return NotComparable, RuleUnreadableHere
	}
	mine := read.Date
	if mine.Precision() == "day" && there.Precision() == "day" {
		same := mine.Year == there.Year && mine.Month == there.Month && mine.Day == there.Day
		return verdict(same), RuleDate
	}
	apart := mine.Year != 0 && there.Year != 0 && (mine.last() < there.first() || there.last() < mine.first())
	if apart && !mine.Approximate() && !there.Approximate() {
		return Differs, RuleDatePartial
	}
	return NotComparable, RuleDatePartial
}

// compareCodes holds one word of a closed list against another.
func compareCodes(item Item, here, there string) (Result, string) {
	here = nameKey(here)
	switch item {
	case Sex:
		here = strings.TrimSuffix(here, "性")
		switch {
		case here != "男" && here != "女" && here != "不明":
			return NotComparable, RuleUnreadableHere
		case here != there && (here == "不明" || there == "不明"):
			return NotComparable, RuleUnknown
		}
	case TaxClassOfYear:
		if there == string(NoTaxData) {
			return NotComparable, RuleNoRecord
		}
		switch TaxClass(here) {
		case Taxed, PerCapita, Exempt, Undeclared, NoTaxData:
		default:
			return NotComparable, RuleUnreadableHere
		}
	}
	return verdict(here == there), RuleCode
}
