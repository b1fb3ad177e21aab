package outbox

// The message numbers of this package.
const (
	codeConfig      = "KKH3310" // the configuration
	codeRoutes      = "KKH3311" // the table of routes
	codeTwice       = "KKH3312" // a change was to be owed twice
	codeUnreadable  = "KKH3313" // a stored change cannot be read
	codeParked      = "KKH3301" // a change was parked
	codeShut        = "KKH3302" // a destination is told nothing for now
	codeOpened      = "KKH3303" // … and is told again
	codeLate        = "KKH3304" // a result came when the change had gone on
	codeReplayBegan = "KKH3305"
	codeReplayEnded = "KKH3306"
	codeTrouble     = "KKH3307" // the outbox cannot be read or written
	codeRecovered   = "KKH3308" // … and can again
	codeRestored    = "KKH3309" // a backup was put back: all that is not told is asked about first
	codeTries       = "KKH3320" // tried too often
	codeLetter      = "KKH3321" // a letter is not the one that may have arrived
	codeReceiver    = "KKH3322" // the ledger did not take the receipt
	codeQuestion    = "KKH3323" // unknown whether it arrived, and nobody can be asked
	codePanic       = "KKH3324" // an adapter broke down
	codeUnsettled   = "KKH3325" // the end of a delivery cannot be written
	codeNoReplay    = "KKH3330" // no such replay
	codeReplayOver  = "KKH3331" // the replay is over
	codeFilter      = "KKH3332" // a filter cannot be understood
	codeNoQuestion  = "KKH3333" // nobody is asked whether it arrived
	codeWhichOne    = "KKH3334" // owed to several, and none is named
	codeTooMany     = "KKH3335" // more than one discard may take
)
