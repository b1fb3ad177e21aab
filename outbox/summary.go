package outbox

import "time"

// Summary sums up what is owed.
type Summary struct {
	Owed         int       // the one number that sums everything owed: pending, in flight and parked
	Parked       int       // of these, parked
	Unsure       int       // of these, unknown whether they arrived
	Waiting      int       // of these, behind an earlier change of their record
	Oldest       time.Time // when the oldest of them was owed; zero: nothing is
	Groups       []Group   // by destination, state, cause and code
	Destinations []DestinationState
}

// Group is what is owed to one destination and stands alike.
type Group struct {
	Destination string
	State       State
	Cause       string
	Code        string
	Count       int
	Behind      int       // that wait behind these
	Oldest      time.Time // when the oldest of the group was owed
	NextAt      time.Time // when the first of the group goes on; zero: none by itself
}

// DestinationState is how it stands with one destination.
type DestinationState struct {
	Destination string
	Owed        int
	Parked      int
	Open        bool      // false: the gate is shut after failures, and one probe at a time goes out
	NextProbe   time.Time // when it does; zero where the gate is open
	Cause       string    // why the gate is shut
	InFlight    int       // on their way now
	Rate        int       // of the last minute
	Oldest      time.Time
}
