package gateway

import (
	"slices"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// offers is the table of what each source can know. An item that is not here is never
// asked for, and never released from that source, whatever it brings.
func offers(s ledger.System) []ledger.Item {
	switch s {
	case ledger.Residents, ledger.Address:
		return []ledger.Item{
			ledger.Name, ledger.Kana, ledger.Alias, ledger.BirthDate, ledger.Sex, ledger.RelationToHead,
			ledger.HouseholdNo, ledger.ResidencyStatus, ledger.PostalCode, ledger.AddressText,
			ledger.AddressExtra, ledger.Phone,
		}
	case ledger.Tax:
		return []ledger.Item{ledger.TaxClassOfYear}
	case ledger.Own:
		return []ledger.Item{
			ledger.Name, ledger.Kana, ledger.BirthDate, ledger.Sex, ledger.PostalCode, ledger.AddressText, ledger.AddressExtra,
		}
	default:
		return nil
	}
}

// permitted gives the items that the source offers and the procedure may see.
func permitted(s ledger.System, items []ledger.Item) []ledger.Item {
	return slices.DeleteFunc(offers(s), func(i ledger.Item) bool { return !slices.Contains(items, i) })
}

// meaning is the table of what a fault of a source means to staff: an outcome, its reason,
// and when asking again is worth it.
func meaning(err error) (ledger.Outcome, string, time.Time) {
	f := fault.Find(err)
	reason := f.Reason
	switch f.Kind {
	case fault.Denied:
		return ledger.Forbidden, "neighbour", time.Time{} // they refuse this procedure
	case fault.Unavailable, fault.Unsure, fault.Rejected:
		if reason == "" {
			reason = f.Kind.String()
		}
		return ledger.Unavailable, reason, f.Retry
	default:
		// NotFound, Invalid, Conflict and Internal are our own mistakes: a source that knows of
		// nobody says so in its Answer. A mistake is never shown as an empty answer.
		return ledger.Unavailable, "internal", time.Time{}
	}
}

// sound tells whether an Answer can be read at all: an outcome that a source may not say,
// or a found one without the person asked about, is a mistake of the adapter.
func sound(a ledger.Answer, asked ledger.AtenaNumber) bool {
	switch a.Outcome {
	case ledger.NoPerson, ledger.Pending:
		return true
	case ledger.NoRecord:
		return a.Reason != ""
	case ledger.Found:
		return slices.ContainsFunc(a.Persons, func(f ledger.Facts) bool { return f.Person == asked })
	default:
		return false
	}
}
