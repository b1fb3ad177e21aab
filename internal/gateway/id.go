package gateway

import (
	"crypto/rand"
	"time"

	"kakehashi/internal/ledger"
)

// alphabet has no 0, O, 1 or I, so that a number can be read out over the telephone.
const alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

// newLookupID makes a 照会番号 such as Q-261122-7F3K-9MTX: the day, and eight characters
// (40 bits), since four collide after about a thousand lookups a day (experience.md 4).
func newLookupID(at time.Time) ledger.LookupID {
	var random [8]byte
	_, _ = rand.Read(random[:]) // crypto/rand.Read never fails: it ends the program instead
	for i, b := range random {
		random[i] = alphabet[b%32]
	}
	return ledger.LookupID("Q-" + at.In(jst).Format("060102") + "-" + string(random[:4]) + "-" + string(random[4:]))
}

// jst is Japan's time, which has known no summer time since 1951.
var jst = time.FixedZone("JST", 9*60*60)
