package gateway

import (
	"context"
	"strings"
	"unicode"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
	"kakehashi/outbox"
)

// OwedPage is what is owed to whom: how much in all, and a page of the changes.
type OwedPage struct {
	Summary outbox.Summary
	Changes []outbox.Owed
	Next    string // where the next page begins; empty: nowhere
}

// Owed says what is owed to whom, which everybody with a role may see: nothing in it is
// about a person. Errors: Invalid where the filter has not its shape, Denied.
func (g *Gateway) Owed(ctx context.Context, who staff.Member, f outbox.Filter) (OwedPage, error) {
	if err := validOwed(f); err != nil {
		return OwedPage{}, err
	}
	if err := g.Watch(ctx, who); err != nil || g.outbox == nil {
		return OwedPage{}, err
	}
	summary, err := g.outbox.Summary(ctx)
	if err != nil {
		return OwedPage{}, err
	}
	p := OwedPage{Summary: summary}
	p.Changes, p.Next, err = g.outbox.List(ctx, f)
	return p, err
}

// OwedChange says how it stands with one change at every destination, and every attempt to
// tell it. It is NotFound where the change is owed to nobody and never was (KKH1327).
func (g *Gateway) OwedChange(ctx context.Context, who staff.Member, id ledger.ChangeID) ([]outbox.Owed, []outbox.Attempt, error) {
	if err := g.Watch(ctx, who); err != nil {
		return nil, nil, err
	}
	if !isChangeID(id) || g.outbox == nil {
		return nil, nil, notOwed()
	}
	owed, err := g.outbox.States(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if len(owed) == 0 {
		return nil, nil, notOwed()
	}
	attempts, err := g.outbox.Attempts(ctx, id)
	return owed, attempts, err
}

func notOwed() error {
	return fault.New(fault.NotFound, "nothing of that name is owed to anybody").WithCode("KKH1327").WithReason("not_owed")
}

// mostIDs bounds how many changes a filter may name.
const mostIDs = 1000

// validOwed refuses what has not the shape of what it filters by: it is recorded, and
// anything may be typed in its place.
func validOwed(f outbox.Filter) error {
	wrong := func(pointer string) error {
		return invalid("KKH1326", pointer, "the filter has not its shape")
	}
	switch {
	case f.Destination != "" && !isWord(f.Destination):
		return wrong("/where/destination")
	case f.Cause != "" && !isWord(f.Cause):
		return wrong("/where/cause")
	case f.Record != "" && !opaque(string(f.Record), "B-"):
		return wrong("/where/record")
	case len(f.IDs) > mostIDs:
		return wrong("/ids")
	}
	switch f.State {
	case "", outbox.Pending, outbox.InFlight, outbox.Delivered, outbox.Parked, outbox.Discarded:
	default:
		return wrong("/where/state")
	}
	for _, id := range f.IDs {
		if !isChangeID(id) {
			return wrong("/ids")
		}
	}
	return nil
}

// isWord tells whether s is a machine word: it holds no digit, so no number of a person.
func isWord(s string) bool {
	return len(s) <= 40 && strings.IndexFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' && r != '-' }) < 0
}

// isChangeID tells whether id has the shape of a change's name: that of a command and, but
// for the first change, its number.
func isChangeID(id ledger.ChangeID) bool {
	command, nth, more := strings.Cut(string(id), ".")
	if !opaque(command, "C-") {
		return false
	}
	return !more || nth != "" && len(nth) <= 3 && strings.IndexFunc(nth, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// validReason checks the reason of an operator, which the record keeps: 1 to 200
// characters, and no run of seven or more digits, which could be somebody's number.
func validReason(reason string) error {
	if n := len([]rune(reason)); n > 200 || strings.TrimSpace(reason) == "" || strings.IndexFunc(reason, unicode.IsControl) >= 0 {
		return invalid("KKH1325", "/reason", "the reason is missing, too long or holds control characters")
	}
	run := 0
	for _, r := range reason {
		if !unicode.IsDigit(r) {
			run = 0
			continue
		}
		if run++; run >= 7 {
			return invalid("KKH1324", "/reason", "the reason holds a number that could be a person's")
		}
	}
	return nil
}
