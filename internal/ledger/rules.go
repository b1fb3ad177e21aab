package ledger

import (
	"time"

	"kakehashi/internal/fault"
)

// The message numbers of what the rules refuse.
const (
	codeParty      = "KKH1301" // who the guardian is
	codeSame       = "KKH1302" // child and guardian are one person
	codeAppliedOn  = "KKH1303" // 申請日
	codeNoChild    = "KKH1304" // past the age of the scheme
	codeBirth      = "KKH1305" // birth date
	codeMailing    = "KKH1306" // 送付先
	codeFrom       = "KKH1307" // first day of the mailing address
	codeSuperseded = "KKH1310" // somebody was first
)

// Register decides on a registration: what the beneficiary is, and what others must learn,
// in order. child and guardian are as the ledger knows them; a person is new where the
// ledger had not known it before. A change that needs a number which its person has not
// yet is among the changes: it is owed only once the number came. Errors are Invalid, with
// the part of the request that is wrong.
func Register(c Command, b Beneficiary, newChild, newGuardian bool) (Beneficiary, []Change, error) {
	r := c.Register
	today := DateOf(c.At.In(jst()))
	switch {
	case r.AppliedOn.Precision() != "day" || !r.AppliedOn.Valid() || r.AppliedOn.After(today):
		return b, nil, refused(codeAppliedOn, "/applied_on", "the day of the application is no day up to today")
	case b.Child.ID == b.Guardian.ID:
		return b, nil, refused(codeSame, "/guardian", "child and guardian are one person")
	case r.Birth.Year != 0 && (r.Birth.Precision() != "day" || !r.Birth.Valid() || r.Birth.After(r.AppliedOn)):
		return b, nil, refused(codeBirth, "/child/birth_date", "the birth date is no day up to the application")
	case r.Birth.Year != 0 && !IsChild(r.Birth, r.AppliedOn):
		return b, nil, refused(codeNoChild, "/child", "the child is past the age of the scheme on the day of the application")
	}
	b.Birth, b.AppliedOn, b.From = r.Birth, r.AppliedOn, r.AppliedOn
	b.Until = LastEligibleDay(r.Birth)
	b.Version, b.ChangedAt, b.ChangedBy = 1, c.At, c.By
	f := facts{command: c, of: b}
	if newChild {
		f.add(PersonUse, b.Child)
	}
	if !b.Guardian.Numbered() && newGuardian {
		f.add(Numbering, b.Guardian)
	}
	if newGuardian {
		f.add(PersonUse, b.Guardian)
	}
	return b, f.changes, nil
}

// Amend decides on an amendment of the beneficiary as it stands: what it becomes and what
// others must learn. It is a Conflict where the clerk saw another version, with who made
// the present one as [Superseded]; Invalid where the request is wrong.
func Amend(c Command, b Beneficiary) (Beneficiary, []Change, error) {
	a := c.Amend
	if a.Version != b.Version {
		cause := &Superseded{Version: b.Version, By: b.ChangedBy, At: b.ChangedAt}
		return b, nil, fault.New(fault.Conflict, "somebody was first: %w", cause).WithCode(codeSuperseded).WithReason("superseded")
	}
	m := a.Mailing
	switch {
	case a.Kind != MailingChange:
		return b, nil, refused(codeMailing, "/kind", "there is no such kind of change")
	case m.PostalCode != "" && !isPostal(m.PostalCode):
		return b, nil, refused(codeMailing, "/mailing_address/postal_code", "the postal code is not seven digits")
	case m.Address == "" || len([]rune(m.Address)) > 120 || hasControl(m.Address):
		return b, nil, refused(codeMailing, "/mailing_address/address", "the address is missing or too long")
	case len([]rune(m.Extra)) > 300 || hasControl(m.Extra):
		return b, nil, refused(codeMailing, "/mailing_address/address_extra", "方書 is too long")
	case len([]rune(m.Name)) > 100 || hasControl(m.Name):
		return b, nil, refused(codeMailing, "/mailing_address/name", "the addressee is too long")
	case m.From.Precision() != "day" || !m.From.Valid() || m.From.After(DateOf(c.At.In(jst()).AddDate(1, 0, 0))):
		return b, nil, refused(codeFrom, "/effective_on", "the first day is no day, or more than a year ahead")
	}
	b.Mailing, b.Version, b.ChangedAt, b.ChangedBy = &m, b.Version+1, c.At, c.By
	f := facts{command: c, of: b}
	f.add(MailingChange, b.Guardian)
	return b, f.changes, nil
}

// CheckParty tells what is wrong with how an application names a guardian; nil: nothing.
func CheckParty(p Party, on time.Time) error {
	i := p.Identity
	switch {
	case p.Atena != "" && !i.Zero(), p.Atena == "" && i.Zero():
		return refused(codeParty, "/guardian", "give either a 宛名番号 or an identity")
	case p.Atena != "":
		return nil
	case i.Name == "" || len([]rune(i.Name)) > 100 || hasControl(i.Name):
		return refused(codeParty, "/guardian/name", "the name is missing or too long")
	case i.Kana == "" || len([]rune(i.Kana)) > 100 || !isKana(KanaKey(i.Kana)):
		return refused(codeParty, "/guardian/kana", "the reading is missing, too long or not kana")
	case i.BirthDate.Precision() != "day" || !i.BirthDate.Valid() || i.BirthDate.After(DateOf(on.In(jst()))):
		return refused(codeParty, "/guardian/birth_date", "the birth date is no day up to today")
	case i.Sex != "男" && i.Sex != "女" && i.Sex != "不明":
		return refused(codeParty, "/guardian/sex", "the sex is none of 男, 女, 不明")
	case i.Address == "" || len([]rune(i.Address)) > 300 || hasControl(i.Address):
		return refused(codeParty, "/guardian/address", "the address is missing or too long")
	}
	return nil
}

// facts collects the changes of one command.
type facts struct {
	command Command
	of      Beneficiary
	changes []Change
}

func (f *facts) add(kind ChangeKind, p Person) {
	c := Change{
		ID: f.command.ID.Nth(len(f.changes)), Kind: kind, Record: f.of.ID, Version: f.of.Version, Person: p.ID,
		Atena: p.Atena, Number: f.of.Number, Operator: f.command.By, At: f.command.At,
	}
	switch kind {
	case Numbering:
		c.Identity = p.Identity
	case MailingChange:
		c.Mailing = *f.of.Mailing
	case PersonUse:
	}
	f.changes = append(f.changes, c)
}

func refused(code, pointer, text string) error {
	return fault.New(fault.Invalid, "%s", text).WithCode(code).WithField(pointer)
}

func isPostal(s string) bool {
	if len(s) != 7 {
		return false
	}
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return true
}

func hasControl(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return true
		}
	}
	return false
}

// isKana tells whether a KanaKey is katakana and nothing else.
func isKana(key string) bool {
	for _, r := range key {
		if (r < 'ァ' || r > 'ヺ') && r != 'ー' {
			return false
		}
	}
	return key != ""
}

// jst is Japan's time, which has known no summer time since 1951.
func jst() *time.Location { return time.FixedZone("JST", 9*60*60) }
