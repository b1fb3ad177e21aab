package outbox

import (
	"time"

	"kakehashi/internal/ledger"
)

// Plan says what a replay or a discard does, or would do.
type Plan struct {
	ID     string    // of a replay, R- and 26 letters and digits; empty: of a dry run or a discard
	At     time.Time // when the set was frozen
	Can    int
	Cannot int
	Why    []Reason // why those cannot, in the order of words
	Items  []PlanItem
}

// Reason counts the changes that cannot for one reason.
type Reason struct {
	Word  string // waits_behind, not_parked, in_flight, delivered, discarded, not_found, sent, later_delivered
	Count int
}

// PlanItem is one change of a plan; a plan lists the first 200.
type PlanItem struct {
	Change      ledger.ChangeID
	Destination string
	Can         bool
	Why         string // the word of a Reason; empty where it can
}

// Replay is how a replay goes on.
type Replay struct {
	ID          string
	By          string // 職員番号
	At          time.Time
	Reason      string
	State       string // running, stopped, done
	Total       int    // frozen when it began
	Armed       int    // due again, not yet ended
	Delivered   int
	ParkedAgain int
	Skipped     int
	Why         []Reason // of Skipped
	Waiting     int      // not yet armed
}
