package ledger

// AtenaNumber is 宛名番号, the number by which the city's systems know a person: at most
// 15 half-width characters (ITEM56, X15). Its last digit checks new numbers only
// (CF21 2.3.5); an old number with a wrong one is doubtful, never refused.
type AtenaNumber string

// HouseholdNumber is 世帯番号, the number of a household (世帯) in the resident registry.
type HouseholdNumber string

// Relation is 続柄, a person's place in the household, as shown to staff: 本人, 妻, 子 …
// The code values behind it are not public; mapping loads them from a table.
type Relation string

// System names who holds a fact. The names are part of the API and of the record.
type System string

// The systems that a lookup may ask, and Protection, the registry's 支援措置, which every
// lookup asks and which is no source of its own.
const (
	Residents  System = "residents"  // 既存住民基本台帳
	Tax        System = "tax"        // 税務, as the city publishes it
	Address    System = "address"    // 団体内統合宛名
	Protection System = "protection" // 支援措置
	Own        System = "ledger"     // こども医療 itself
)

// Item names one fact about a person. The names are part of the API.
type Item string

// The items of a lookup (assessment, 別添1).
const (
	Name            Item = "name"             // 氏名
	Kana            Item = "kana"             // 氏名かな, full-width katakana
	Alias           Item = "alias"            // 通称
	BirthDate       Item = "birth_date"       // 生年月日
	Sex             Item = "sex"              // 性別: 男, 女, 不明
	AddressText     Item = "address"          // 住所
	AddressExtra    Item = "address_extra"    // 方書
	PostalCode      Item = "postal_code"      // 郵便番号, seven digits
	Phone           Item = "phone"            // 電話番号
	HouseholdNo     Item = "household_number" // 世帯番号
	RelationToHead  Item = "relation"         // 続柄
	TaxClassOfYear  Item = "tax_class"        // 課税区分
	ResidencyStatus Item = "residency"        // 住民状態: 住民, 転出, 死亡, 住登外
)

// Items lists every item in the order in which a screen shows them.
func Items() []Item {
	return []Item{
		Name, Kana, Alias, BirthDate, Sex, RelationToHead, HouseholdNo, ResidencyStatus,
		PostalCode, AddressText, AddressExtra, Phone, TaxClassOfYear,
	}
}

// Locates tells whether an item can lead to where a person lives. What is concealed for
// a person under 支援措置 are these; an item that this table does not know locates too.
// The number of a household is not among them: it says who belongs together, not where.
func (i Item) Locates() bool {
	switch i {
	case Name, Kana, Alias, BirthDate, Sex, HouseholdNo, RelationToHead, TaxClassOfYear, ResidencyStatus:
		return false
	default:
		return true
	}
}

// TaxClass is 課税区分 as staff read it. Undeclared is never to be taken for Exempt.
type TaxClass string

// The tax classes.
const (
	Taxed      TaxClass = "課税"
	PerCapita  TaxClass = "均等割のみ課税"
	Exempt     TaxClass = "非課税"
	Undeclared TaxClass = "未申告"
	NoTaxData  TaxClass = "課税情報なし" // for instance because the person lived elsewhere on 1 January
)
