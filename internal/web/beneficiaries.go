package web

import (
	"net/http"
	"strings"
	"unicode"

	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
)

// What is wrong with a member of a change, as it is told.
const (
	memberSex      = "性別は 男・女・不明、male・female・unknown、1・2・0 のどれかにしてください。"
	memberOneOf    = "number、child、guardian のどれか一つを指定してください。"
	memberKind     = "その種類の変更はありません。"
	memberMailing  = "送付先は mailing_address か、kind と同じ場所の住所の、どちらか一方に書いてください。"
	memberPositive = "1 以上の数にしてください。"
)

// reasonBody says why somebody asks. It is part of every body that concerns a person.
type reasonBody struct {
	Case      string `json:"case"`
	Procedure string `json:"procedure"`
	Purpose   string `json:"purpose"`
	Reason    string `json:"reason"`
}

func (b reasonBody) basis() ledger.Basis { return basis(b.Case, b.Procedure, b.Purpose, b.Reason) }

// registerBody is the body of POST /v1/beneficiaries.
type registerBody struct {
	Child      *childBody    `json:"child"`
	Guardian   *guardianBody `json:"guardian"`
	AppliedOn  *dateBody     `json:"applied_on"`
	reasonBody `json:",inline"`
}

type childBody struct {
	AtenaNumber string    `json:"atena_number"`
	BirthDate   *dateBody `json:"birth_date"`
}

type guardianBody struct {
	AtenaNumber string    `json:"atena_number"`
	Name        string    `json:"name"`
	Kana        string    `json:"kana"`
	BirthDate   *dateBody `json:"birth_date"`
	Sex         string    `json:"sex"`
	Address     string    `json:"address"`
}

// registration checks that what is needed is there. What it must be is for the rules of the
// ledger to say: their refusal is recorded.
func (b registerBody) registration() (*ledger.Registration, error) {
	switch {
	case b.Child == nil || b.Child.AtenaNumber == "":
		return nil, unfit("/child/atena_number", memberMissing)
	case b.Guardian == nil:
		return nil, unfit("/guardian", memberMissing)
	case b.AppliedOn == nil:
		return nil, unfit("/applied_on", memberMissing)
	}
	sex, ok := sexOf(b.Guardian.Sex)
	if !ok {
		return nil, unfit("/guardian/sex", memberSex)
	}
	return &ledger.Registration{
		Child: ledger.AtenaNumber(b.Child.AtenaNumber), Birth: b.Child.BirthDate.date(), AppliedOn: b.AppliedOn.Date,
		Guardian: ledger.Party{Atena: ledger.AtenaNumber(b.Guardian.AtenaNumber), Identity: ledger.Identity{
			Name: b.Guardian.Name, Kana: b.Guardian.Kana, BirthDate: b.Guardian.BirthDate.date(), Sex: sex, Address: b.Guardian.Address,
		}},
	}, nil
}

// date gives the date, or the zero one where the member is not there.
func (d *dateBody) date() ledger.Date {
	if d == nil {
		return ledger.Date{}
	}
	return d.Date
}

// sexOf reads the words and codes for 性別; "" stays "".
func sexOf(s string) (string, bool) {
	switch s {
	case "":
		return "", true
	case "男", "male", "1":
		return "男", true
	case "女", "female", "2":
		return "女", true
	case "不明", "unknown", "0":
		return "不明", true
	default:
		return "", false
	}
}

// appliedAnswer is the answer of a change of the ledger that was carried out.
type appliedAnswer struct {
	ID       string          `json:"id"`
	Number   string          `json:"number"`
	ChangeID string          `json:"change_id"`
	Version  int             `json:"version"`
	Owed     []owedAnswer    `json:"owed"`
	Waiting  []waitingAnswer `json:"waiting"`
	LookupID string          `json:"lookup_id"`
	Repeated bool            `json:"repeated,omitzero"`
}

// waitingAnswer is a change that is owed to nobody yet: it waits for its person's number.
type waitingAnswer struct {
	ChangeID string `json:"change_id"`
	Kind     string `json:"kind"`
	For      string `json:"for"`
}

// register serves POST /v1/beneficiaries.
func (x *exchange) register() error {
	key, err := x.idempotencyKey()
	if err != nil {
		return err
	}
	var body registerBody
	if err := x.decode(&body); err != nil {
		return err
	}
	r, err := body.registration()
	if err != nil {
		return err
	}
	return x.apply(gateway.ApplyRequest{Key: key, Basis: body.basis(), Register: r})
}

// apply carries a change out and answers: 201, or 200 where the same press was carried out
// before.
func (x *exchange) apply(r gateway.ApplyRequest) error {
	result, err := x.web.rooms.Gateway.Apply(x.r.Context(), x.who, r)
	x.id = result.LookupID
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if result.Repeated {
		status = http.StatusOK
	}
	x.w.Header().Set("Location", x.web.cfg.Base+"/v1/beneficiaries/"+string(result.Beneficiary))
	return x.answer(status, appliedAnswer{
		ID: string(result.Beneficiary), Number: string(result.Number), ChangeID: string(result.Change), Version: result.Version,
		Owed: spellOwed(result.Owed), Waiting: spellWaiting(result.Waiting), LookupID: string(result.LookupID), Repeated: result.Repeated,
	})
}

func spellWaiting(waiting []gateway.Waiting) []waitingAnswer {
	list := make([]waitingAnswer, len(waiting))
	for i, w := range waiting {
		list[i] = waitingAnswer{ChangeID: string(w.Change), Kind: string(w.Kind), For: "atena_number"}
	}
	return list
}

// idempotencyKey gives the header that names the press of a button: exactly one, of 1 to 255
// visible ASCII characters.
func (x *exchange) idempotencyKey() (string, error) {
	values := x.r.Header.Values("Idempotency-Key")
	if len(values) == 1 && len(values[0]) >= 1 && len(values[0]) <= 255 &&
		!strings.ContainsFunc(values[0], func(c rune) bool { return c <= ' ' || c > '~' }) {
		return values[0], nil
	}
	return "", fault.New(fault.Invalid, "the request bears no Idempotency-Key").WithCode(codeKey).WithReason("idempotency_key")
}

// beneficiaryID takes the opaque ID out of the address. What has not its shape names none.
func (x *exchange) beneficiaryID() (ledger.BeneficiaryID, error) {
	id := x.r.PathValue("id")
	letters, ok := strings.CutPrefix(id, "B-")
	if !ok || letters == "" || len(letters) > 64 || strings.ContainsFunc(letters, notLetterOrDigit) {
		return "", fault.New(fault.NotFound, "there is no such beneficiary").WithCode(codeNoBeneficiary)
	}
	return ledger.BeneficiaryID(id), nil
}

func notLetterOrDigit(c rune) bool {
	return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
}

// amendBody is the body of POST /v1/beneficiaries/{id}/changes. A mailing address stands in
// a member of its own, as a text or an object, or beside the kind.
type amendBody struct {
	Kind         string       `json:"kind"`
	EffectiveOn  *dateBody    `json:"effective_on"`
	Version      *int         `json:"version"`
	Mailing      *mailingBody `json:"mailing_address"`
	mailingParts `json:",inline"`
	reasonBody   `json:",inline"`
}

type mailingParts struct {
	Name         string `json:"name"`
	PostalCode   string `json:"postal_code"`
	Address      string `json:"address"`
	AddressExtra string `json:"address_extra"`
}

// amendment checks that what is needed is there.
func (b amendBody) amendment(id ledger.BeneficiaryID) (*ledger.Amendment, error) {
	switch {
	case b.Kind == "":
		return nil, unfit("/kind", memberMissing)
	case ledger.ChangeKind(b.Kind) != ledger.MailingChange:
		return nil, unfit("/kind", memberKind)
	case b.EffectiveOn == nil:
		return nil, unfit("/effective_on", memberMissing)
	case b.Version == nil:
		return nil, unfit("/version", memberMissing)
	case *b.Version < 1:
		return nil, unfit("/version", memberPositive)
	case b.Mailing == nil && b.mailingParts == mailingParts{}:
		return nil, unfit("/mailing_address", memberMissing)
	case b.Mailing != nil && b.mailingParts != mailingParts{}:
		return nil, unfit("/mailing_address", memberMailing)
	}
	parts := b.mailingParts
	if b.Mailing != nil {
		parts = b.Mailing.mailingParts
	}
	return parts.amendment(id, *b.Version, b.EffectiveOn.Date), nil
}

// amendment gives what the ledger is asked for a mailing address that holds from a day on.
func (p mailingParts) amendment(id ledger.BeneficiaryID, version int, from ledger.Date) *ledger.Amendment {
	return &ledger.Amendment{
		Beneficiary: id, Version: version, Kind: ledger.MailingChange, Mailing: ledger.MailingAddress{
			Name: p.Name, PostalCode: postalCode(p.PostalCode), Address: p.Address, Extra: p.AddressExtra, From: from,
		},
	}
}

// postalCode reads a postal code (郵便番号) as people and input methods write it: with a mark
// before it, a stroke or a space in it, in wide digits. What it cannot read stays, for the
// rules to refuse.
func postalCode(typed string) string {
	return narrowDigits(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || strings.ContainsRune("〒−ーｰ", r) {
			return -1
		}
		return r
	}, typed))
}

// narrowDigits makes ASCII digits of wide ones.
func narrowDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if '０' <= r && r <= '９' {
			return r - '０' + '0'
		}
		return r
	}, s)
}

// amend serves POST /v1/beneficiaries/{id}/changes.
func (x *exchange) amend() error {
	key, err := x.idempotencyKey()
	if err != nil {
		return err
	}
	id, err := x.beneficiaryID()
	if err != nil {
		return err
	}
	var body amendBody
	if err := x.decode(&body); err != nil {
		return err
	}
	a, err := body.amendment(id)
	if err != nil {
		return err
	}
	return x.apply(gateway.ApplyRequest{Key: key, Basis: body.basis(), Amend: a})
}

// ledgerSearchBody is the body of POST /v1/beneficiaries/search.
type ledgerSearchBody struct {
	Number     string      `json:"number"`
	Child      *personBody `json:"child"`
	Guardian   *personBody `json:"guardian"`
	reasonBody `json:",inline"`
}

// foundAnswer is its answer.
type foundAnswer struct {
	LookupID      string        `json:"lookup_id"`
	Beneficiaries []entryOfFind `json:"beneficiaries"`
}

type entryOfFind struct {
	ID              string      `json:"id"`
	Number          string      `json:"number"`
	Version         int         `json:"version"`
	Child           *personBody `json:"child,omitempty"`
	Guardian        *personBody `json:"guardian,omitempty"`
	AppliedOn       string      `json:"applied_on"`
	AppliedOnWareki string      `json:"applied_on_wareki"`
}

// searchLedger serves POST /v1/beneficiaries/search.
func (x *exchange) searchLedger() error {
	var body ledgerSearchBody
	if err := x.decode(&body); err != nil {
		return err
	}
	s := gateway.LedgerSearch{Number: ledger.BeneficiaryNumber(body.Number), Basis: body.basis()}
	named := 0
	if body.Number != "" {
		named++
	}
	if body.Child != nil {
		s.Child = ledger.AtenaNumber(body.Child.AtenaNumber)
		named++
	}
	if body.Guardian != nil {
		s.Guardian = ledger.AtenaNumber(body.Guardian.AtenaNumber)
		named++
	}
	switch {
	case named != 1:
		return unfit("", memberOneOf)
	case body.Child != nil && s.Child == "":
		return unfit("/child/atena_number", memberMissing)
	case body.Guardian != nil && s.Guardian == "":
		return unfit("/guardian/atena_number", memberMissing)
	}
	entries, id, err := x.web.rooms.Gateway.SearchLedger(x.r.Context(), x.who, s)
	x.id = id
	if err != nil {
		return err
	}
	answer := foundAnswer{LookupID: string(id), Beneficiaries: make([]entryOfFind, len(entries))}
	for i, e := range entries {
		answer.Beneficiaries[i] = entryOfFind{
			ID: string(e.ID), Number: string(e.Number), Version: e.Version, Child: numbered(e.Child), Guardian: numbered(e.Guardian),
			AppliedOn: e.AppliedOn.String(), AppliedOnWareki: e.AppliedOn.Wareki(),
		}
	}
	return x.answer(http.StatusOK, answer)
}

func numbered(n ledger.AtenaNumber) *personBody {
	if n == "" {
		return nil
	}
	return &personBody{AtenaNumber: string(n)}
}
