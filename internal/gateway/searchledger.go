package gateway

import (
	"context"
	"slices"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/ledgerdb"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
)

// searchedBeneficiaries bounds what a search of the ledger gives.
const searchedBeneficiaries = 20

// LedgerSearch says by what beneficiaries are searched: exactly one of the first three.
type LedgerSearch struct {
	Number   ledger.BeneficiaryNumber
	Child    ledger.AtenaNumber
	Guardian ledger.AtenaNumber
	Basis    ledger.Basis
}

// LedgerFound is one beneficiary that fits a search. It says who belongs together, and
// nobody's name or address.
type LedgerFound struct {
	ID        ledger.BeneficiaryID
	Number    ledger.BeneficiaryNumber
	Version   int
	Child     ledger.AtenaNumber
	Guardian  ledger.AtenaNumber // empty: none assigned yet
	AppliedOn ledger.Date
}

// SearchLedger finds beneficiaries by 受給者番号 or by the 宛名番号 of child or guardian. A
// case must concern the person searched by, or the child whose number it is. It is recorded
// before it is given. Errors: Invalid, also where more fit than may be given (KKH1322),
// Denied, Unavailable where the record cannot be written.
func (g *Gateway) SearchLedger(ctx context.Context, who staff.Member, s LedgerSearch) ([]LedgerFound, ledger.LookupID, error) {
	if err := g.validSearch(s); err != nil {
		return nil, "", err
	}
	act := staff.Act{Verb: staff.SearchLedger, Basis: s.Basis, At: g.now()}
	e := g.entry(who, act)
	id := ledger.LookupID(e.Lookup)
	found, err := g.searchBeneficiaries(ctx, s)
	if err != nil {
		return nil, id, err
	}
	switch asked := string(s.Child + s.Guardian); {
	case asked != "":
		act.Persons = []ledger.AtenaNumber{s.Child + s.Guardian}
		e.Subjects = []audit.Subject{{Atena: asked, Role: "asked"}}
	default:
		e.Search = []audit.FieldDigest{{Field: "beneficiary_number", Digest: g.record.Digest("beneficiary_number", string(s.Number))}}
		for _, b := range found {
			act.Persons = append(act.Persons, b.Child.Atena)
		}
	}
	if _, _, err := g.authorize(ctx, who, &act, &e); err != nil {
		return nil, id, err
	}
	if len(found) > searchedBeneficiaries {
		return nil, id, g.refuse(ctx, e, fault.New(fault.Invalid, "more beneficiaries than may be shown").WithCode("KKH1322").WithReason("too_many"))
	}
	shown := make([]LedgerFound, len(found))
	for i, b := range found {
		shown[i] = LedgerFound{
			ID: b.ID, Number: b.Number, Version: b.Version, Child: b.Child.Atena, Guardian: b.Guardian.Atena, AppliedOn: b.AppliedOn,
		}
		for _, subject := range subjectsOf(b, "candidate") {
			if !slices.Contains(e.Subjects, subject) {
				e.Subjects = append(e.Subjects, subject)
			}
		}
	}
	e.Sources = []string{string(ledger.Own)}
	e.Ends = []audit.SourceEnd{{Source: string(ledger.Own), Outcome: string(ledger.Found)}}
	if len(found) == 0 {
		e.Ends[0].Outcome = string(ledger.NoRecord)
	}
	e.Count, e.Kind = len(found), audit.Outcome
	if err := keep(ctx, e, g.record.Record); err != nil {
		return nil, id, err
	}
	return shown, id, nil
}

func (g *Gateway) validSearch(s LedgerSearch) error {
	given := 0
	for _, value := range []string{string(s.Number), string(s.Child), string(s.Guardian)} {
		if value != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return invalid("KKH1321", "", "a search names exactly one of number, child and guardian")
	case s.Basis.Case != "" && !s.Basis.Case.Valid():
		return invalid("KKH1104", "/case", "the case number has not its shape")
	case s.Child != "":
		return g.validPerson(s.Child, "/child/atena_number")
	case s.Guardian != "":
		return g.validPerson(s.Guardian, "/guardian/atena_number")
	case len(s.Number) > 30 || !ledger.CaseID(s.Number).Valid():
		return invalid("KKH1321", "/number", "the number has not the shape of a 受給者番号")
	}
	return nil
}

// searchBeneficiaries gives one more than may be given where there are too many.
func (g *Gateway) searchBeneficiaries(ctx context.Context, s LedgerSearch) (found []ledger.Beneficiary, err error) {
	by := ledgerdb.Search{Number: s.Number, Child: s.Child, Guardian: s.Guardian}
	err = store.Read(ctx, g.db, func(ctx context.Context, tx *store.Tx) error {
		found, err = ledgerdb.SearchBeneficiaries(ctx, tx, by, searchedBeneficiaries+1)
		return err
	})
	return found, err
}
