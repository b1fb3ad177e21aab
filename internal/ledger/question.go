package ledger

import "time"

// LookupID is 照会番号, the number of one question, short enough to be read out over the
// telephone: Q-261122-7F3K-9MTX.
type LookupID string

// CaseID is 案件番号, the case system's number of a case. It names no person.
type CaseID string

// ProcedureID names a procedure (事務手続) of the configuration.
type ProcedureID string

// Basis is why something is asked or done: it goes with every Question, Search and Command.
// Every field is a code of the case system or of the configuration, never free text.
type Basis struct {
	Case      CaseID      // empty: 案件なし, which needs a Reason
	Procedure ProcedureID // 事務手続
	Purpose   string      // 利用目的, a code that the procedure lists
	Reason    string      // reason code for asking without a case
}

// Question asks one system about one person.
type Question struct {
	ID     LookupID
	Person AtenaNumber
	Items  []Item // what the procedure may see of this system; never empty
	Basis  Basis
	On     time.Time // the moment of asking; it decides which 課税年度 is current
}

// Outcome is how the question to one system ended.
type Outcome string

// The seven outcomes (domain.md 6b). A Source answers with the first four; only gateway
// says the last three.
const (
	Found       Outcome = "found"       // 回答あり
	NoPerson    Outcome = "no_person"   // 該当者なし
	NoRecord    Outcome = "no_record"   // 登録なし
	Pending     Outcome = "pending"     // 照会中
	Unavailable Outcome = "unavailable" // 取得できませんでした
	Forbidden   Outcome = "forbidden"   // 権限なし
	Suppressed  Outcome = "suppressed"  // 抑止
)

// Reasons that go with NoRecord.
const (
	ReasonUndeclared = "undeclared" // 未申告: may feed a decision, as 未申告
	ReasonNotHere    = "not_here"   // 課税情報なし: the other municipality must be asked
	ReasonNotAsked   = "not_asked"  // an inquiry was never sent
)

// Value is one fact about one person, with where and when it is from.
type Value struct {
	Item   Item
	Text   string // as the source spells it; for BirthDate empty, Date holds it
	Date   Date   // for BirthDate alone
	AsOf   string // 基準日 (2026-11-24) or 課税年度 (2026年度); empty: the moment of reading
	Usable bool   // whether it may feed a decision
	From   System // stamped by gateway
	At     time.Time
}

// Facts are what one system says about one person.
type Facts struct {
	Person   AtenaNumber
	Relation Relation // to the head of the household; for tax, empty where the system does not know it
	Outcome  Outcome  // Found, NoPerson or NoRecord, for this person alone
	Reason   string
	Values   []Value
	Conceal  bool // the system itself flags that this person must not be located
}

// Answer is what one Source knows: Found, NoPerson, NoRecord or Pending. What kept it
// from knowing is an error beside it, never an Answer.
type Answer struct {
	Outcome Outcome
	Reason  string
	Since   time.Time // of Pending: when the inquiry was sent
	Persons []Facts   // the person asked about first
}

// Search looks for a person at the counter: kana and birth date are required. The other
// two narrow, and are applied by the gateway after concealment, so that guessing an
// address finds out nothing about a protected person; a Finder does not see them.
type Search struct {
	ID        LookupID
	Kana      string // any width, hiragana or katakana; mapping makes the search key
	BirthDate Date
	Basis     Basis
	On        time.Time
}

// Candidate is one person who fits a Search.
type Candidate struct {
	Household HouseholdNumber // empty for a person without one
	Facts
}

// Shielding says what the registry's 支援措置 says of one person.
type Shielding struct {
	Protected bool          // the person is under 支援措置
	Household []AtenaNumber // everybody in the person's household, the person too; empty: not our resident
}

// Protected is what a Shield read: for each person asked about, and each member of that
// person's household, whether one is protected. A person missing from it is unread, and
// unread conceals.
type Protected map[AtenaNumber]Shielding

// Conceals tells whether a person's whereabouts must be kept back, and why: "protected"
// for a protected person and for everybody in a household with one, "unread" for a person
// whose protection is not known. The empty string: nothing is to be kept back.
func (p Protected) Conceals(person AtenaNumber) string {
	own, read := p[person]
	if !read {
		return ConcealUnread
	}
	if own.Protected {
		return ConcealProtected
	}
	for _, member := range own.Household {
		other, read := p[member]
		if !read {
			return ConcealUnread
		}
		if other.Protected {
			return ConcealProtected
		}
	}
	return ""
}

// Why an item is concealed.
const (
	ConcealProtected = "protected" // 支援措置
	ConcealUnread    = "unread"    // 支援措置を確認できない
)
