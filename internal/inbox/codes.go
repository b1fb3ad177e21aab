package inbox

// The message numbers of this package.
const (
	codeParked     = "KKH3501" // a notice was parked
	codeShut       = "KKH3502" // nobody is asked about for now
	codeOpened     = "KKH3503" // … and is asked about again
	codeWaits      = "KKH3504" // a notice waits for the next run
	codeTrouble    = "KKH3505" // the inbox cannot be read or written
	codeRecovered  = "KKH3506" // … and can again
	codeConfig     = "KKH3510" // the configuration
	codeRooms      = "KKH3511" // a room is missing
	codeUnreadable = "KKH3512" // a kept notice cannot be opened
	codeNoEvent    = "KKH3520" // not an event: no id, no source, or not in its form
	codeSource     = "KKH3521" // a source that nobody named
	codeTooLarge   = "KKH3523" // larger than a notice may be
	codePerson     = "KKH3526" // the number is none of this city
	codePanic      = "KKH3527" // the refresh broke down
	codeFilter     = "KKH3530" // a filter cannot be understood
)

// The causes for which a notice is parked or waits, beside those that Rooms.Read and the
// Refresher give.
const (
	CauseNoEvent  = "no_event"
	CauseSource   = "unknown_source"
	CauseType     = "unknown_type"
	CauseTooLarge = "too_large"
	CauseUnread   = "unreadable"
	CauseKind     = "unknown_kind"
	CausePerson   = "no_person"
	CauseDown     = "down"
	CauseInternal = "internal"
)
