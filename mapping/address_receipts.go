package mapping

import (
	"strconv"

	"github.com/go-json-experiment/json"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// Why it stays unknown whether a change took effect: reasons of fault.Unsure, and their
// message numbers.
const (
	reasonSeveralNumbers = "several_numbers"
	reasonSimilarPerson  = "similar_person"
	reasonOtherContent   = "other_content"
	codeSeveralNumbers   = "KKH2212"
	codeSimilarPerson    = "KKH2214"
	codeOtherContent     = "KKH2213"
)

// reasonNotThere is the reason of fault.NotFound: the change did not take effect.
const reasonNotThere = "not_there"

// outside is the 住民状態 of a 住登外者.
const outside = "住登外"

// numbered is a record of the reply to a numbering.
type numbered struct {
	Atenabango text `json:"atenabango"`
}

func (r *numbered) items() []item { return []item{{"atenabango", r.Atenabango}} }

// used is a record of the replies about the use of a person by a business.
type used struct {
	Atenabango                 text `json:"atenabango"`
	Gyomuid                    text `json:"gyomuid"`
	Dokujishisakushisutemutoid text `json:"dokujishisakushisutemutoid"`
}

func (r *used) items() []item {
	return []item{
		{"atenabango", r.Atenabango}, {"gyomuid", r.Gyomuid},
		{"dokujishisakushisutemutoid", r.Dokujishisakushisutemutoid},
	}
}

// mailed is a record of the reply to a mailing address.
type mailed struct {
	Atenabango  text `json:"atenabango"`
	Kanribango  text `json:"kanribango"`
	Rirekibango text `json:"rirekibango"`
}

func (r *mailed) items() []item {
	return []item{{"atenabango", r.Atenabango}, {"kanribango", r.Kanribango}, {"rirekibango", r.Rirekibango}}
}

// sofusakishokai is a record of the mailing address that the system has.
type sofusakishokai struct {
	mailed
	SofusakiMeisho text `json:"sofusaki_meisho"`
	Yubinbango     text `json:"yubinbango"`
	Jusho          text `json:"jusho"`
	Katagaki       text `json:"katagaki"`
	Tekiyokaishibi text `json:"tekiyokaishibi"`
}

func (r *sofusakishokai) items() []item {
	return append(r.mailed.items(),
		item{"sofusaki_meisho", r.SofusakiMeisho}, item{"yubinbango", r.Yubinbango}, item{"jusho", r.Jusho},
		item{"katagaki", r.Katagaki}, item{"tekiyokaishibi", r.Tekiyokaishibi})
}

// sole reads a reply that must hold exactly one record.
func sole[R any](body []byte, items func(*R) []item) (r R, err error) {
	records, err := decode(ledger.Address, body, items)
	if err != nil {
		return r, err
	}
	if len(records) != 1 {
		return r, unreadable(ledger.Address, "%d records where one must be", len(records))
	}
	return records[0], nil
}

// NumberingReceipt reads the reply to a numbering: the number assigned.
func NumberingReceipt(body []byte) (ledger.Receipt, error) {
	r, err := sole(body, (*numbered).items)
	if err != nil {
		return ledger.Receipt{}, err
	}
	if CheckAtenaNumber(r.Atenabango.value, RemainderOneSkip).State == Wrong {
		return ledger.Receipt{}, unreadable(ledger.Address, "the number assigned has not the form of one")
	}
	return ledger.Receipt{Atena: ledger.AtenaNumber(r.Atenabango.value)}, nil
}

// UseReceipt reads the reply to the letter about a use. A reply about anybody else is
// unreadable.
func UseReceipt(body, letter []byte) (ledger.Receipt, error) {
	var asked gyomuriyotoroku
	r, err := sole(body, (*used).items)
	switch {
	case err != nil:
		return ledger.Receipt{}, err
	case json.Unmarshal(letter, &asked) != nil:
		return ledger.Receipt{}, noLetter("the letter cannot be read")
	case r.Atenabango.value != asked.Atenabango || r.Gyomuid.value != asked.Gyomuid ||
		r.Dokujishisakushisutemutoid.value != asked.Dokujishisakushisutemutoid:
		return ledger.Receipt{}, unreadable(ledger.Address, "it is not about the use that was told")
	}
	return ledger.Receipt{}, nil
}

// MailingReceipt reads the reply to the letter about a mailing address. A reply about
// anything else is unreadable.
func MailingReceipt(body, letter []byte) (ledger.Receipt, error) {
	var asked sofusakitoroku
	r, err := sole(body, (*mailed).items)
	switch {
	case err != nil:
		return ledger.Receipt{}, err
	case json.Unmarshal(letter, &asked) != nil:
		return ledger.Receipt{}, noLetter("the letter cannot be read")
	case r.Atenabango.value != asked.Atenabango || r.Kanribango.value != asked.Kanribango || r.Rirekibango.value != asked.Rirekibango:
		return ledger.Receipt{}, unreadable(ledger.Address, "it is not about the mailing address that was told")
	}
	return ledger.Receipt{}, nil
}

// asking is the request by which the system is asked back: gyomuriyoshokai without, and
// sofusakishokai with the beneficiary's number.
type asking struct {
	Atenabango                 string `json:"atenabango"`
	Gyomuid                    string `json:"gyomuid"`
	Dokujishisakushisutemutoid string `json:"dokujishisakushisutemutoid"`
	Kanribango                 string `json:"kanribango,omitempty"`
}

// AskUse asks whether this business uses the person (gyomuriyoshokai).
func (l AddressLetters) AskUse(c ledger.Change) []byte {
	return request(asking{Atenabango: string(c.Atena), Gyomuid: noBusiness, Dokujishisakushisutemutoid: l.System})
}

// AskMailing asks where the letters of the beneficiary go (sofusakishokai).
func (l AddressLetters) AskMailing(c ledger.Change) []byte {
	return request(asking{
		Atenabango: string(c.Atena), Gyomuid: noBusiness, Dokujishisakushisutemutoid: l.System, Kanribango: string(c.Number),
	})
}

// AskNumbering searches (atenakensaku) for the person whom the change wanted numbered.
func (l AddressLetters) AskNumbering(c ledger.Change) ([]byte, error) {
	return FindRequest(ledger.Search{Kana: c.Identity.Kana, BirthDate: c.Identity.BirthDate}, mostMembers)
}

// ConfirmUse reads the reply to AskUse: nil where the use is registered, NotFound where not.
func (l AddressLetters) ConfirmUse(body []byte, c ledger.Change) error {
	records, err := decode(ledger.Address, body, (*used).items)
	switch {
	case err != nil:
		return err
	case len(records) == 0:
		return notThere()
	case len(records) > 1:
		return unreadable(ledger.Address, "more than one record of a use")
	}
	if r := records[0]; r.Atenabango.value != string(c.Atena) || r.Gyomuid.value != noBusiness ||
		r.Dokujishisakushisutemutoid.value != l.System {
		return unreadable(ledger.Address, "it is not about the use that was asked for")
	}
	return nil
}

// ConfirmMailing reads the reply to AskMailing: nil where the system has the change, or a
// later one of the beneficiary that took its place; NotFound where it has none or an
// earlier one; Unsure where it has another address under the change's own version.
func (l AddressLetters) ConfirmMailing(body []byte, c ledger.Change) error {
	records, err := decode(ledger.Address, body, (*sofusakishokai).items)
	switch {
	case err != nil:
		return err
	case len(records) == 0:
		return notThere()
	case len(records) > 1:
		return unreadable(ledger.Address, "more than one mailing address")
	}
	r := records[0]
	version, err := strconv.Atoi(r.Rirekibango.value)
	switch {
	case err != nil || version < 0:
		return unreadable(ledger.Address, "rirekibango is no number")
	case r.Atenabango.value != string(c.Atena) || r.Kanribango.value != string(c.Number):
		return unreadable(ledger.Address, "it is not about the mailing address that was asked for")
	case version > c.Version:
		return nil
	case version < c.Version:
		return notThere()
	}
	has := ledger.MailingAddress{
		Name: r.SofusakiMeisho.value, PostalCode: r.Yubinbango.value, Address: r.Jusho.value, Extra: r.Katagaki.value, From: c.Mailing.From,
	}
	if has != c.Mailing || r.Tekiyokaishibi.value != c.Mailing.From.String() {
		return fault.New(fault.Unsure, "the unified address system has another address under this version").
			WithCode(codeOtherContent).WithReason(reasonOtherContent)
	}
	return nil
}

// ConfirmNumbering reads the reply to AskNumbering: the number of the one 住登外者 who is
// the change's identity however it is written down. NotFound: nobody is, or may be, so that
// the person was not numbered. Unsure: there are several, or more than can be looked
// through, or somebody of that reading, birth date and sex whose name or address, one of
// the two, is another: the system may spell what it keeps in its own way, and a person who
// is taken for missing is numbered twice.
func (l AddressLetters) ConfirmNumbering(body []byte, c ledger.Change) (ledger.Receipt, error) {
	candidates, err := Candidates(body, l.Tables)
	if err != nil {
		return ledger.Receipt{}, err
	}
	var same []ledger.AtenaNumber
	similar := false
	for _, candidate := range candidates {
		is, outsider := identityOf(candidate.Facts)
		switch {
		case !outsider:
		case is.Key() == c.Identity.Key():
			same = append(same, candidate.Person)
		case isSimilar(is, c.Identity):
			similar = true
		}
	}
	unsure := func(code, reason, text string) error {
		return fault.New(fault.Unsure, "the unified address system has %s", text).WithCode(code).WithReason(reason)
	}
	switch {
	case len(same) > 1 || len(candidates) >= mostMembers:
		return ledger.Receipt{}, unsure(codeSeveralNumbers, reasonSeveralNumbers, "several persons who may be the one to be numbered")
	case len(same) == 1 && CheckAtenaNumber(string(same[0]), RemainderOneSkip).State == Wrong:
		return ledger.Receipt{}, unreadable(ledger.Address, "the number has not the form of one")
	case len(same) == 1:
		return ledger.Receipt{Atena: same[0]}, nil
	case similar:
		return ledger.Receipt{}, unsure(codeSimilarPerson, reasonSimilarPerson, "somebody who is much like the one to be numbered")
	}
	return ledger.Receipt{}, notThere()
}

// identityOf gives what a candidate says of itself in the words of an application, and
// whether it is a 住登外者.
func identityOf(f ledger.Facts) (is ledger.Identity, outsider bool) {
	extra := ""
	for _, v := range f.Values {
		switch v.Item {
		case ledger.Name:
			is.Name = v.Text
		case ledger.Kana:
			is.Kana = v.Text
		case ledger.BirthDate:
			is.BirthDate = v.Date
		case ledger.Sex:
			is.Sex = v.Text
		case ledger.AddressText:
			is.Address = v.Text
		case ledger.AddressExtra:
			extra = v.Text
		case ledger.ResidencyStatus:
			outsider = v.Text == outside
		default:
		}
	}
	is.Address += extra
	return is, outsider
}

// isSimilar tells whether two identities differ in the name alone, or in the address alone.
func isSimilar(a, b ledger.Identity) bool {
	otherName, otherAddress := a, a
	otherName.Name, otherAddress.Address = b.Name, b.Address
	return otherName.Key() == b.Key() || otherAddress.Key() == b.Key()
}

func notThere() error {
	return fault.New(fault.NotFound, "the unified address system does not have the change").WithReason(reasonNotThere)
}
