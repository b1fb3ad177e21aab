package ledger

import "slices"

// Case is a fact about a case of the case system (案件): it exists, it is of one procedure,
// and it concerns these persons. It comes from our own table or signed in the staff token.
type Case struct {
	ID        CaseID
	Procedure ProcedureID
	Persons   []AtenaNumber
	Open      bool
}

// Concerns tells whether the case lists the person.
func (c Case) Concerns(p AtenaNumber) bool { return slices.Contains(c.Persons, p) }

// Valid tells whether the number has the shape of a 宛名番号: 1 to 15 half-width letters
// and digits (ITEM56, X15). The check digit is mapping's business.
func (n AtenaNumber) Valid() bool { return plain(string(n), 15) }

// Valid tells whether the identifier has a shape that may stand in a record: 1 to 64
// half-width letters, digits, "-", "_" and ".".
func (c CaseID) Valid() bool { return plain(string(c), 64) }

// Valid tells whether the number has the shape of a 世帯番号 (X15).
func (n HouseholdNumber) Valid() bool { return plain(string(n), 15) }

func plain(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for _, r := range []byte(s) {
		switch {
		case r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r == '-', r == '_', r == '.':
		default:
			return false
		}
	}
	return true
}
