package outbox

import (
	"time"

	"kakehashi/internal/ledger"
)

// State is how it stands with a change that is or was owed. The words are part of the API.
type State string

// The states. One that waits to be confirmed is InFlight with its Question set.
const (
	Pending   State = "pending"
	InFlight  State = "in_flight"
	Delivered State = "delivered"
	Parked    State = "parked"
	Discarded State = "discarded"
)

// The words of Owed.Cause that this package gives; those of calls are wire's reasons.
const (
	CauseDown       = "down"           // nothing happened: not reached
	CauseRejected   = "rejected"       // the neighbour refused for good
	CauseUnsure     = "unsure"         // it may have arrived
	CauseInternal   = "internal"       // our own mistake
	CauseTries      = "tries"          // tried too often
	CauseReceiver   = "receiver"       // delivered, and the ledger did not take the receipt
	CauseLetter     = "letter_changed" // a repeat would not be the same letter
	CauseLost       = "lost"           // the lease ran out: whoever was sending is gone
	CauseNotArrived = "not_arrived"    // the neighbour says that it did not; it is sent again
	CauseRestored   = "restored"       // a backup was put back: it may have been told since that was taken
	CauseLate       = "late"           // an earlier change took effect after this one
)

// QuestionArrived is the word of the question whether a change arrived.
const QuestionArrived = "arrived"

// Mark says who decided about a change, when and why.
type Mark struct {
	By     string // 職員番号
	At     time.Time
	Reason string
}

// Owed is how it stands with one change and one destination. Nothing in it is about a person.
type Owed struct {
	Change      ledger.ChangeID
	Destination string
	Record      ledger.BeneficiaryID
	Kind        ledger.ChangeKind
	Version     int
	State       State
	Attempts    int       // deliveries attempted, however they ended
	EnqueuedAt  time.Time // when it was owed
	NextAt      time.Time // when it goes on: the next attempt, the question, the lease's end; zero: not by itself
	LastAt      time.Time // when the last attempt began; zero: none yet
	Cause       string    // machine word for the last failure; empty: none
	Code        string    // message number of the last failure
	Detail      string    // the neighbour's codes (E0004), never its text
	Question    string    // QuestionArrived where it is unknown whether it arrived
	Behind      int       // later changes of the record that wait behind it
	WaitsFor    ledger.ChangeID
	Replay      string    // the last replay that armed it
	DeliveredAt time.Time // zero: it was not
	Discarded   *Mark     // nil: it was not
	Answered    *Mark     // who found at the neighbour that it arrived; nil: nobody had to look
}

// Attempt is one delivery or one question about it.
type Attempt struct {
	Destination string
	Number      int // from 1; deliveries and questions share the numbers
	Confirm     bool
	At          time.Time
	Ended       time.Time // zero: under way
	Outcome     string    // delivered, again, unsure, parked, rejected, lost, late; empty: under way
	Code        string    // message number of the failure
	Digest      string    // keyed, of the letter, in hexadecimal
	Replay      string    // the replay that had armed the change
}

// phase is where a row of outbox_owed stands; doc.go draws it.
type phase string

const (
	toSend    phase = "send"
	sending   phase = "sending"
	toAsk     phase = "ask"
	asking    phase = "asking"
	toReceive phase = "receive"
	parked    phase = "parked"
)

func (p phase) state() State {
	switch p {
	case toSend, toReceive:
		return Pending
	case parked:
		return Parked
	case sending, toAsk, asking:
	}
	return InFlight
}
