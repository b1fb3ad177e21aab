package ledger

import "time"

// ageLimit is the age that ends entitlement: 対象児童 until the first 31 March after
// reaching it (assessment; city's page of 2024-04-01).
const ageLimit = 18

// LastEligibleDay gives the last day on which a person is a child of this procedure: the
// first 31 March after reaching 18. A person reaches an age at the end of the day before
// the birthday (年齢計算ニ関スル法律), so that somebody born on 1 April reaches it on
// 31 March itself. Where the birth date is known in part and that leaves two days
// possible, the earlier is given; a birth date wholly unknown gives a date wholly unknown.
func LastEligibleDay(birth Date) Date {
	if birth.Year == 0 {
		return Date{}
	}
	year := birth.Year + ageLimit
	beforeApril := birth.Month <= time.March || (birth.Month == time.April && birth.Day <= 1)
	if !beforeApril {
		year++
	}
	return Date{Year: year, Month: time.March, Day: 31}
}

// IsChild tells whether on that day a person is certainly not past LastEligibleDay. A
// person whose birth date does not say so is taken for an adult: then nothing is asked
// about others on that person's account, and nobody's tax class is passed over. It says
// nothing of the days before the birth.
func IsChild(birth, on Date) bool {
	last := LastEligibleDay(birth)
	return last.Year != 0 && on.Year != 0 && on.last() <= last.first()
}
