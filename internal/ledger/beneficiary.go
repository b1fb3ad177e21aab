package ledger

import "time"

// PersonID is the ledger's own, opaque name of a person, P- and 26 letters and digits: a
// guardian who lives elsewhere has no 宛名番号 until one is assigned.
type PersonID string

// BeneficiaryID is the opaque name of a beneficiary, B- and 26 letters and digits. It may
// stand in a URL; what it names is one record of the ledger with its versions.
type BeneficiaryID string

// BeneficiaryNumber is 受給者番号, which stands on the certificate. A scheme of a city's own
// may give it up to 30 characters (PMH011); ours is a running number of digits and, last, a
// check digit. By default each child's entitlement has one.
type BeneficiaryNumber string

// Identity is what an application says of somebody who has no 宛名番号 here: the four items
// of 付番依頼 (氏名, 性別, 生年月日, 住所; CF21 2.4) and the reading of the name.
type Identity struct {
	Name      string // 氏名, one full-width space between its parts
	Kana      string // 氏名カナ, full-width katakana
	BirthDate Date
	Sex       string // 男, 女 or 不明
	Address   string // 住所, with 方書
}

// Zero tells whether nothing is said.
func (i Identity) Zero() bool { return i == Identity{} }

// Key folds away how the identity is written down: two applications that name the same
// person have one key. It is compared and never shown.
func (i Identity) Key() string {
	return nameKey(i.Name) + "|" + KanaKey(i.Kana) + "|" + i.BirthDate.String() + "|" + i.Sex + "|" + AddressKey(i.Address)
}

// Person is a person of the ledger: known by a 宛名番号, by an identity of an application
// that waits for its number, or by both once the number came.
type Person struct {
	ID       PersonID
	Atena    AtenaNumber // empty: none assigned yet
	Identity Identity    // zero for a resident, whose data the registry has
}

// Numbered tells whether the person has a 宛名番号.
func (p Person) Numbered() bool { return p.Atena != "" }

// MailingAddress is 送付先, where letters about an entitlement go.
type MailingAddress struct {
	Name       string // addressee; empty: the guardian's own name
	PostalCode string // seven digits; may be empty
	Address    string // 住所
	Extra      string // 方書; may be empty
	From       Date   // the first day on which it holds
}

// Beneficiary is one entitlement: a child (対象児童), the guardian to whom the costs are paid
// (受給資格者), and what was decided.
type Beneficiary struct {
	ID        BeneficiaryID
	Number    BeneficiaryNumber
	Child     Person
	Birth     Date // the child's, as the clerk took it over from the lookup; zero: not said
	Guardian  Person
	AppliedOn Date
	From      Date            // first day of entitlement
	Until     Date            // last day of entitlement; zero where the birth date was not said
	Mailing   *MailingAddress // nil: letters go to the guardian's address
	Version   int             // 1 when registered; every change that a clerk makes raises it
	ChangedAt time.Time       // of this version
	ChangedBy string          // 職員番号 of this version
}
