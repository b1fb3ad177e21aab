package web

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
)

// mailingBody is a mailing address in a body: the address alone as a text, or an object.
type mailingBody struct{ mailingParts }

// UnmarshalJSONFrom reads either form.
func (m *mailingBody) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	if from.PeekKind() == '"' {
		return json.UnmarshalDecode(from, &m.Address)
	}
	return json.UnmarshalDecode(from, &m.mailingParts, json.RejectUnknownMembers(true))
}

// query reads the query of the address: each of the names at most once, and none besides.
func (x *exchange) query(names ...string) (url.Values, error) {
	values, err := url.ParseQuery(x.r.URL.RawQuery)
	for name, list := range values {
		if !slices.Contains(names, name) || len(list) != 1 {
			err = fault.New(fault.Invalid, "a name of the query is unknown or stands twice")
		}
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "the query cannot be read").WithCode(codeQuery).WithReason("query")
	}
	return values, nil
}

// shownAnswer is the answer of GET /v1/beneficiaries/{id}.
type shownAnswer struct {
	ID                  string          `json:"id"`
	Number              string          `json:"number"`
	Version             int             `json:"version"`
	AppliedOn           string          `json:"applied_on"`
	AppliedOnWareki     string          `json:"applied_on_wareki"`
	EligibleFrom        string          `json:"eligible_from"`
	EligibleFromWareki  string          `json:"eligible_from_wareki"`
	EligibleUntil       string          `json:"eligible_until,omitempty"`
	EligibleUntilWareki string          `json:"eligible_until_wareki,omitempty"`
	ChangedAt           string          `json:"changed_at"`
	ChangedBy           string          `json:"changed_by"`
	Child               *partyAnswer    `json:"child,omitempty"`
	Guardian            *partyAnswer    `json:"guardian,omitempty"`
	Mailing             *mailingAnswer  `json:"mailing_address,omitempty"`
	Protection          string          `json:"protection,omitempty"`
	Suppressed          []keptAnswer    `json:"suppressed,omitempty"`
	Owed                []owedAnswer    `json:"owed"`
	Waiting             []waitingAnswer `json:"waiting"`
	Notices             []seenAnswer    `json:"notices"`
	LookupID            string          `json:"lookup_id"`
}

// partyAnswer is a person of the ledger as far as the basis may see the person.
type partyAnswer struct {
	AtenaNumber     string `json:"atena_number,omitempty"`
	Name            string `json:"name,omitempty"`
	Kana            string `json:"kana,omitempty"`
	BirthDate       string `json:"birth_date,omitempty"`
	BirthDateWareki string `json:"birth_date_wareki,omitempty"`
	Sex             string `json:"sex,omitempty"`
	Address         string `json:"address,omitempty"`
}

type mailingAnswer struct {
	Name              string `json:"name,omitempty"`
	PostalCode        string `json:"postal_code,omitempty"`
	Address           string `json:"address,omitempty"`
	AddressExtra      string `json:"address_extra,omitempty"`
	EffectiveOn       string `json:"effective_on,omitempty"`
	EffectiveOnWareki string `json:"effective_on_wareki,omitempty"`
}

// showBeneficiary serves GET /v1/beneficiaries/{id}. Its query holds codes alone.
func (x *exchange) showBeneficiary() error {
	id, err := x.beneficiaryID()
	if err != nil {
		return err
	}
	q, err := x.query("case", "procedure", "purpose", "reason")
	if err != nil {
		return err
	}
	shown, err := x.web.rooms.Gateway.Show(x.r.Context(), x.who, id,
		basis(q.Get("case"), q.Get("procedure"), q.Get("purpose"), q.Get("reason")))
	x.id = shown.LookupID
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, spellShown(shown))
}

func spellShown(s gateway.Shown) shownAnswer {
	b := s.Beneficiary
	a := shownAnswer{
		ID: string(b.ID), Number: string(b.Number), Version: b.Version,
		AppliedOn: b.AppliedOn.String(), AppliedOnWareki: wareki(b.AppliedOn),
		EligibleFrom: b.From.String(), EligibleFromWareki: wareki(b.From),
		EligibleUntil: b.Until.String(), EligibleUntilWareki: wareki(b.Until),
		ChangedAt: moment(b.ChangedAt), ChangedBy: b.ChangedBy,
		Child: spellParty(b.Child, b.Birth), Guardian: spellParty(b.Guardian, b.Guardian.Identity.BirthDate),
		Protection: s.Protection, Suppressed: spellKept(s.Suppressed),
		Owed: spellOwed(s.Owed), Waiting: spellWaiting(s.Waiting), Notices: spellSeen(s.Seen), LookupID: string(s.LookupID),
	}
	if m := b.Mailing; m != nil {
		a.Mailing = &mailingAnswer{
			Name: m.Name, PostalCode: m.PostalCode, Address: m.Address, AddressExtra: m.Extra,
			EffectiveOn: m.From.String(), EffectiveOnWareki: wareki(m.From),
		}
	}
	return a
}

// spellParty gives nil for a person of whom nothing may be seen.
func spellParty(p ledger.Person, birth ledger.Date) *partyAnswer {
	a := partyAnswer{
		AtenaNumber: string(p.Atena), Name: p.Identity.Name, Kana: p.Identity.Kana, BirthDate: birth.String(),
		BirthDateWareki: wareki(birth), Sex: p.Identity.Sex, Address: p.Identity.Address,
	}
	if a == (partyAnswer{}) {
		return nil
	}
	return &a
}

// wareki gives the date in the Japanese calendar; "" for one that is not said.
func wareki(d ledger.Date) string {
	if d == (ledger.Date{}) {
		return ""
	}
	return d.Wareki()
}
