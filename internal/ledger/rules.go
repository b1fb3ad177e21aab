package ledger

import (
	"time"
	"unicode"
	"unicode/utf8"

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

// What a date can be at most, so that a slip of the finger is seen before it is told to
// others. None of these is a rule of the scheme.
const (
	longestPast = 20  // years since an application: by then its child is past the age
	youngest    = 10  // years of a guardian
	oldest      = 130 // years of anybody
)

// Register decides on a registration: what the beneficiary is, and what others must learn,
// in order. child and guardian are as the ledger knows them; of each it says whether that
// this business uses the person's data is still to be told: it was told to nobody, and is
// owed to nobody. A change that needs a number which its person has not yet is among the
// changes: it is owed only once the number came. Errors are Invalid, with the part of the
// request that is wrong.
func Register(c Command, b Beneficiary, tellChild, tellGuardian bool) (Beneficiary, []Change, error) {
	r := c.Register
	today := DateOf(c.At.In(jst()))
	switch {
	case r.AppliedOn.Precision() != "day" || !r.AppliedOn.Valid() || r.AppliedOn.After(today) || yearsBefore(today, longestPast).After(r.AppliedOn):
		return b, nil, refused(codeAppliedOn, "/applied_on", "the day of the application is no day up to today, or too long ago")
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
	if tellChild {
		f.add(PersonUse, b.Child)
	}
	if !b.Guardian.Numbered() && tellGuardian {
		f.add(Numbering, b.Guardian)
	}
	if tellGuardian {
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
	m, today := a.Mailing, DateOf(c.At.In(jst()))
	switch {
	case a.Kind != MailingChange:
		return b, nil, refused(codeMailing, "/kind", "there is no such kind of change")
	case m.PostalCode != "" && !isPostal(m.PostalCode):
		return b, nil, refused(codeMailing, "/mailing_address/postal_code", "the postal code is not seven digits")
	case !isText(m.Address, 120):
		return b, nil, refused(codeMailing, "/mailing_address/address", "the address is missing, too long or no address")
	case m.Extra != "" && !isText(m.Extra, 300):
		return b, nil, refused(codeMailing, "/mailing_address/address_extra", "方書 is too long or no 方書")
	case m.Name != "" && !isText(m.Name, 100):
		return b, nil, refused(codeMailing, "/mailing_address/name", "the addressee is too long or no name")
	case m.From.Precision() != "day" || !m.From.Valid() || m.From.After(yearsBefore(today, -1)) || yearsBefore(today, 1).After(m.From):
		return b, nil, refused(codeFrom, "/effective_on", "the first day is no day within a year of today")
	}
	b.Mailing, b.Version, b.ChangedAt, b.ChangedBy = &m, b.Version+1, c.At, c.By
	f := facts{command: c, of: b}
	f.add(MailingChange, b.Guardian)
	return b, f.changes, nil
}

// CheckParty tells what is wrong with how an application names a guardian; nil: nothing.
func CheckParty(p Party, on time.Time) error {
	i, today := p.Identity, DateOf(on.In(jst()))
	switch {
	case p.Atena != "" && !i.Zero(), p.Atena == "" && i.Zero():
		return refused(codeParty, "/guardian", "give either a 宛名番号 or an identity")
	case p.Atena != "":
		return nil
	case !isText(i.Name, 100):
		return refused(codeParty, "/guardian/name", "the name is missing, too long or no name")
	case i.Kana == "" || len([]rune(i.Kana)) > 100 || !isKana(KanaKey(i.Kana)):
		return refused(codeParty, "/guardian/kana", "the reading is missing, too long or not kana")
	case i.BirthDate.Precision() != "day" || !i.BirthDate.Valid() || i.BirthDate.After(yearsBefore(today, youngest)) || yearsBefore(today, oldest).After(i.BirthDate):
		return refused(codeParty, "/guardian/birth_date", "the birth date is no day on which a guardian can be born")
	case i.Sex != "男" && i.Sex != "女" && i.Sex != "不明":
		return refused(codeParty, "/guardian/sex", "the sex is none of 男, 女, 不明")
	case !isText(i.Address, 300):
		return refused(codeParty, "/guardian/address", "the address is missing, too long or no address")
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

// isText tells whether s can be a name or an address of at most so many characters: it says
// something, holds nothing that cannot be seen, and no run of twelve digits, which may be a
// 個人番号 that must not get into the ledger.
func isText(s string, most int) bool {
	seen, run := false, 0
	for _, r := range s {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return false
		}
		seen = seen || !unicode.IsSpace(r)
		if run++; !unicode.IsDigit(r) {
			run = 0
		} else if run >= 12 {
			return false
		}
	}
	return seen && utf8.RuneCountInString(s) <= most
}

func yearsBefore(d Date, years int) Date {
	return DateOf(time.Date(d.Year-years, d.Month, d.Day, 0, 0, 0, 0, time.UTC))
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
