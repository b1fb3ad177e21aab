package ledger_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// at is shortly after midnight in Japan, which is the day before in UTC.
var at = time.Date(2026, 11, 23, 15, 30, 0, 0, time.UTC)

func date(y int, m time.Month, d int) ledger.Date { return ledger.Date{Year: y, Month: m, Day: d} }

func registration() ledger.Command {
	return ledger.Command{ID: "C-1", By: "1001", At: at, Register: &ledger.Registration{
		Child: "1", Birth: date(2020, 4, 2), Guardian: ledger.Party{Atena: "2"}, AppliedOn: date(2026, 11, 24),
	}}
}

func persons() ledger.Beneficiary {
	return ledger.Beneficiary{
		ID: "B-1", Number: "0000018", Child: ledger.Person{ID: "P-1", Atena: "1"}, Guardian: ledger.Person{ID: "P-2", Atena: "2"},
	}
}

func kinds(changes []ledger.Change) []string {
	var all []string
	for _, c := range changes {
		text := string(c.ID) + " " + string(c.Kind) + " " + string(c.Person)
		if c.NeedsNumber() {
			text += " waits"
		}
		all = append(all, text)
	}
	return all
}

func TestRegisterDecides(t *testing.T) {
	got, _, err := ledger.Register(registration(), persons(), true, true)
	if err != nil {
		t.Fatal(err)
	}
	want := persons()
	want.Birth, want.AppliedOn, want.From, want.Until = date(2020, 4, 2), date(2026, 11, 24), date(2026, 11, 24), date(2039, 3, 31)
	want.Version, want.ChangedAt, want.ChangedBy = 1, at, "1001"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("beneficiary (-want +got):\n%s", diff)
	}
	unsaid := registration()
	unsaid.Register.Birth = ledger.Date{}
	if got, _, err = ledger.Register(unsaid, persons(), true, true); err != nil || got.Until.Year != 0 {
		t.Errorf("a birth date that was not said: until %v, %v", got.Until, err)
	}
}

func TestRegisterOwesEachFactOnce(t *testing.T) {
	for _, c := range []struct {
		name                  string
		newChild, newGuardian bool
		guardian              ledger.Person
		want                  []string
	}{
		{"both new", true, true, ledger.Person{ID: "P-2", Atena: "2"}, []string{"C-1 person_use P-1", "C-1.1 person_use P-2"}},
		{"the guardian is known", true, false, ledger.Person{ID: "P-2", Atena: "2"}, []string{"C-1 person_use P-1"}},
		{"both are known", false, false, ledger.Person{ID: "P-2", Atena: "2"}, nil},
		{"a new guardian has no number", true, true, ledger.Person{ID: "P-2"}, []string{"C-1 person_use P-1", "C-1.1 numbering P-2", "C-1.2 person_use P-2 waits"}},
		{"a known guardian waits for one", true, false, ledger.Person{ID: "P-2"}, []string{"C-1 person_use P-1"}},
	} {
		b := persons()
		b.Guardian = c.guardian
		_, changes, err := ledger.Register(registration(), b, c.newChild, c.newGuardian)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(c.want, kinds(changes)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestNumberingAloneBearsTheIdentity(t *testing.T) {
	b := persons()
	b.Guardian = ledger.Person{ID: "P-2", Identity: identity()}
	_, changes, err := ledger.Register(registration(), b, true, true)
	if err != nil {
		t.Fatal(err)
	}
	want := ledger.Change{
		ID: "C-1.1", Kind: ledger.Numbering, Record: "B-1", Version: 1, Person: "P-2", Number: "0000018",
		Operator: "1001", At: at, Identity: identity(),
	}
	if diff := cmp.Diff(want, changes[1]); diff != "" {
		t.Errorf("numbering (-want +got):\n%s", diff)
	}
	for _, c := range []ledger.Change{changes[0], changes[2]} {
		if !c.Identity.Zero() {
			t.Errorf("%s bears an identity", c.Kind)
		}
	}
}

func TestRegisterRefuses(t *testing.T) {
	for _, c := range []struct {
		name, code, field string
		with              func(*ledger.Registration, *ledger.Beneficiary)
	}{
		{"tomorrow", "KKH1303", "/applied_on", func(r *ledger.Registration, _ *ledger.Beneficiary) { r.AppliedOn = date(2026, 11, 25) }},
		{"a month", "KKH1303", "/applied_on", func(r *ledger.Registration, _ *ledger.Beneficiary) { r.AppliedOn.Day = 0 }},
		{"no such day", "KKH1303", "/applied_on", func(r *ledger.Registration, _ *ledger.Beneficiary) { r.AppliedOn = date(2026, 2, 30) }},
		{"not said", "KKH1303", "/applied_on", func(r *ledger.Registration, _ *ledger.Beneficiary) { r.AppliedOn = ledger.Date{} }},
		{"one person", "KKH1302", "/guardian", func(_ *ledger.Registration, b *ledger.Beneficiary) { b.Guardian = b.Child }},
		{"born later", "KKH1305", "/child/birth_date", func(r *ledger.Registration, _ *ledger.Beneficiary) { r.Birth = date(2026, 11, 25) }},
		{"born in a year", "KKH1305", "/child/birth_date", func(r *ledger.Registration, _ *ledger.Beneficiary) { r.Birth = ledger.Date{Year: 2020} }},
		{"grown up", "KKH1304", "/child", func(r *ledger.Registration, _ *ledger.Beneficiary) { r.Birth = date(2008, 4, 1) }},
	} {
		command, b := registration(), persons()
		c.with(command.Register, &b)
		_, changes, err := ledger.Register(command, b, true, true)
		if !fault.Is(err, fault.Invalid) || fault.Code(err) != c.code || fault.Find(err).Field != c.field || changes != nil {
			t.Errorf("%s: got %v at %q and %d changes, want Invalid %s at %s", c.name, err, fault.Find(err).Field, len(changes), c.code, c.field)
		}
	}
	last := registration()
	last.Register.Birth = date(2008, 4, 2) // a child until 31 March 2027
	if _, _, err := ledger.Register(last, persons(), true, true); err != nil {
		t.Errorf("a child in its last year: %v", err)
	}
	today := registration()
	today.Register.Birth = date(2026, 11, 24)
	if _, _, err := ledger.Register(today, persons(), true, true); err != nil {
		t.Errorf("born on the day of the application: %v", err)
	}
}

func amendment() (ledger.Command, ledger.Beneficiary) {
	b := persons()
	b.Version, b.ChangedAt, b.ChangedBy = 3, at.Add(-time.Hour), "1002"
	return ledger.Command{ID: "C-2", By: "1001", At: at, Amend: &ledger.Amendment{
		Beneficiary: "B-1", Version: 3, Kind: ledger.MailingChange,
		Mailing: ledger.MailingAddress{PostalCode: "1234567", Address: "架空町1", From: date(2026, 12, 1)},
	}}, b
}

func TestAmendDecides(t *testing.T) {
	command, b := amendment()
	got, changes, err := ledger.Amend(command, b)
	if err != nil {
		t.Fatal(err)
	}
	if got.Version != 4 || got.ChangedBy != "1001" || !got.ChangedAt.Equal(at) || got.Mailing == nil || *got.Mailing != command.Amend.Mailing {
		t.Errorf("got %+v", got)
	}
	want := []ledger.Change{{
		ID: "C-2", Kind: ledger.MailingChange, Record: "B-1", Version: 4, Person: "P-2", Atena: "2", Number: "0000018",
		Operator: "1001", At: at, Mailing: command.Amend.Mailing,
	}}
	if diff := cmp.Diff(want, changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if b.Mailing != nil || b.Version != 3 {
		t.Error("the beneficiary that was given has changed")
	}
}

func TestAmendRefuses(t *testing.T) {
	for _, c := range []struct {
		name, code, field string
		with              func(*ledger.Amendment)
	}{
		{"another kind", "KKH1306", "/kind", func(a *ledger.Amendment) { a.Kind = ledger.PersonUse }},
		{"a short postal code", "KKH1306", "/mailing_address/postal_code", func(a *ledger.Amendment) { a.Mailing.PostalCode = "123456" }},
		{"a full-width postal code", "KKH1306", "/mailing_address/postal_code", func(a *ledger.Amendment) { a.Mailing.PostalCode = "１２３４５６７" }},
		{"no address", "KKH1306", "/mailing_address/address", func(a *ledger.Amendment) { a.Mailing.Address = "" }},
		{"a long address", "KKH1306", "/mailing_address/address", func(a *ledger.Amendment) { a.Mailing.Address = strings.Repeat("町", 121) }},
		{"two lines", "KKH1306", "/mailing_address/address", func(a *ledger.Amendment) { a.Mailing.Address = "町\n1" }},
		{"a long 方書", "KKH1306", "/mailing_address/address_extra", func(a *ledger.Amendment) { a.Mailing.Extra = strings.Repeat("棟", 301) }},
		{"a long addressee", "KKH1306", "/mailing_address/name", func(a *ledger.Amendment) { a.Mailing.Name = strings.Repeat("名", 101) }},
		{"no first day", "KKH1307", "/effective_on", func(a *ledger.Amendment) { a.Mailing.From = ledger.Date{} }},
		{"too far ahead", "KKH1307", "/effective_on", func(a *ledger.Amendment) { a.Mailing.From = date(2027, 11, 25) }},
	} {
		command, b := amendment()
		c.with(command.Amend)
		_, changes, err := ledger.Amend(command, b)
		if !fault.Is(err, fault.Invalid) || fault.Code(err) != c.code || fault.Find(err).Field != c.field || changes != nil {
			t.Errorf("%s: got %v at %q, want Invalid %s at %s", c.name, err, fault.Find(err).Field, c.code, c.field)
		}
	}
	for _, seen := range []int{2, 4} {
		command, b := amendment()
		command.Amend.Version = seen
		_, _, err := ledger.Amend(command, b)
		first, ok := errors.AsType[*ledger.Superseded](err)
		if !fault.Is(err, fault.Conflict) || fault.Code(err) != "KKH1310" || !ok || first.Version != 3 || first.By != "1002" {
			t.Errorf("who saw version %d: got %v", seen, err)
		}
	}
}

func identity() ledger.Identity {
	return ledger.Identity{Name: "架空　花子", Kana: "カクウ　ハナコ", BirthDate: date(1990, 5, 3), Sex: "女", Address: "別市架空町九丁目8番7号"}
}

func TestCheckParty(t *testing.T) {
	for _, p := range []ledger.Party{{Atena: "2"}, {Identity: identity()}} {
		if err := ledger.CheckParty(p, at); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
	for field, with := range map[string]func(*ledger.Party){
		"/guardian":            func(p *ledger.Party) { p.Atena = "2" },
		"/guardian/name":       func(p *ledger.Party) { p.Identity.Name = "" },
		"/guardian/kana":       func(p *ledger.Party) { p.Identity.Kana = "架空" },
		"/guardian/birth_date": func(p *ledger.Party) { p.Identity.BirthDate = date(2026, 11, 25) },
		"/guardian/sex":        func(p *ledger.Party) { p.Identity.Sex = "F" },
		"/guardian/address":    func(p *ledger.Party) { p.Identity.Address = "別市\x7f" },
	} {
		p := ledger.Party{Identity: identity()}
		with(&p)
		if err := ledger.CheckParty(p, at); fault.Code(err) != "KKH1301" || fault.Find(err).Field != field {
			t.Errorf("got %v, want KKH1301 at %s", err, field)
		}
	}
	if err := ledger.CheckParty(ledger.Party{}, at); fault.Code(err) != "KKH1301" {
		t.Errorf("nobody named: got %v", err)
	}
}

func TestIdentityHasOneKeyHoweverItIsWritten(t *testing.T) {
	other := identity()
	other.Kana, other.Address = "かくう　はなこ", "別市架空町9-8-7"
	if identity().Key() != other.Key() {
		t.Errorf("two spellings of one person: %q and %q", identity().Key(), other.Key())
	}
	other = identity()
	other.BirthDate.Day = 4
	if identity().Key() == other.Key() {
		t.Error("two persons have one key")
	}
}

func TestChangesOfACommandBearItsName(t *testing.T) {
	id := ledger.ChangeID("C-1")
	if got := []ledger.ChangeID{id.Nth(0), id.Nth(1), id.Nth(2)}; got[0] != "C-1" || got[1] != "C-1.1" || got[2] != "C-1.2" {
		t.Errorf("got %v", got)
	}
}

// What can be no name, no address or no birth date of a guardian is seen before a number is
// assigned for it, which nobody can take back.
func TestSlipsOfAnIdentityAreRefused(t *testing.T) {
	at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	good := ledger.Identity{Name: "架空　花子", Kana: "カクウ　ハナコ", BirthDate: ledger.Date{Year: 1990, Month: 5, Day: 3}, Sex: "女", Address: "別市架空町九丁目8番7号"}
	if err := ledger.CheckParty(ledger.Party{Identity: good}, at); err != nil {
		t.Fatalf("a good identity: %v", err)
	}
	for name, spoil := range map[string]func(*ledger.Identity){
		"a blank name":           func(i *ledger.Identity) { i.Name = "　" },
		"a number for a name":    func(i *ledger.Identity) { i.Name = "000316680372" },
		"full-width digits":      func(i *ledger.Identity) { i.Address = "別市０００３１６６８０３７２" },
		"a name that turns":      func(i *ledger.Identity) { i.Name = "架空\u202e花子" },
		"a blank address":        func(i *ledger.Identity) { i.Address = " 　" },
		"five days old":          func(i *ledger.Identity) { i.BirthDate = ledger.Date{Year: 2026, Month: 11, Day: 20} },
		"older than anybody":     func(i *ledger.Identity) { i.BirthDate = ledger.Date{Year: 1850, Month: 1, Day: 1} },
		"a birth date in part":   func(i *ledger.Identity) { i.BirthDate = ledger.Date{Year: 1990} },
		"a name with a new line": func(i *ledger.Identity) { i.Name = "架空\n花子" },
	} {
		i := good
		spoil(&i)
		if err := ledger.CheckParty(ledger.Party{Identity: i}, at); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"架空　花子", "葛\U000E0100城　花子", "\ue000田　花子"} { // a plain name, an IVS, a 外字
		i := good
		i.Name = name
		if err := ledger.CheckParty(ledger.Party{Identity: i}, at); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Days that are years off are a slip of the finger.
func TestDaysYearsOffAreRefused(t *testing.T) {
	at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	b := ledger.Beneficiary{Child: ledger.Person{ID: "P-1", Atena: "1"}, Guardian: ledger.Person{ID: "P-2", Atena: "2"}}
	_, _, err := ledger.Register(ledger.Command{At: at, Register: &ledger.Registration{AppliedOn: ledger.Date{Year: 1800, Month: 1, Day: 1}}}, b, true, true)
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("an application of 1800: %v", err)
	}
	for _, year := range []int{1900, 2025, 2028} {
		b.Version = 1
		amend := &ledger.Amendment{Version: 1, Kind: ledger.MailingChange, Mailing: ledger.MailingAddress{Address: "町1", From: ledger.Date{Year: year, Month: 1, Day: 1}}}
		if _, _, err := ledger.Amend(ledger.Command{At: at, Amend: amend}, b); !fault.Is(err, fault.Invalid) {
			t.Errorf("from %d: %v", year, err)
		}
	}
}
