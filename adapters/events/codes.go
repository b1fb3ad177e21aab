package events

// The numbers of the messages that this package gives.
const (
	codeConfig      = "KKH3401" // the settings are wrong
	codeFiles       = "KKH3402" // a key, a certificate or the password cannot be read
	codeUnreached   = "KKH3403" // no broker can be reached
	codeProof       = "KKH3404" // TLS or SASL was refused
	codeTopic       = "KKH3405" // there is no such topic
	codeLeader      = "KKH3406" // the partition has no leader or too few replicas now
	codeForbidden   = "KKH3407" // we may not write to or read from the topic
	codeTooLarge    = "KKH3408" // the message is too large
	codeDoubt       = "KKH3409" // no reply: it may have been written
	codeNotTold     = "KKH3410" // Kafka is not told of this kind of change
	codeRetention   = "KKH3412" // notices were deleted before we read them
	codeHung        = "KKH3413" // the reader hangs, and is made anew
	codeSlowTake    = "KKH3414" // keeping a notice does not end
	codeUnkept      = "KKH3415" // a notice cannot be kept now
	codeReading     = "KKH3416" // the reader has trouble, and goes on by itself
	codeUncommitted = "KKH3417" // the place read up to cannot be kept now
	codeUnclosed    = "KKH3418" // closing did not end in time
	codeNoProbe     = "KKH3419" // there is no topic to try on
	codeProbe       = "KKH3420" // what was written to try could not be read back
)
