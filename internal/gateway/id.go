package gateway

import (
	"crypto/rand"
	"strings"
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

// isLookupID tells whether s has the form of a 照会番号.
func isLookupID(s string) bool {
	if len(s) != len("Q-261122-7F3K-9MTX") || s[:2] != "Q-" || s[8] != '-' || s[13] != '-' {
		return false
	}
	for _, c := range s[2:8] {
		if c < '0' || c > '9' {
			return false
		}
	}
	for _, c := range s[9:13] + s[14:] {
		if !strings.ContainsRune(alphabet, c) {
			return false
		}
	}
	return true
}

// jst is Japan's time, which has known no summer time since 1951.
var jst = time.FixedZone("JST", 9*60*60)
