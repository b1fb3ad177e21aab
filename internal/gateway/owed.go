package gateway

import (
	"context"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/width"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/ledgerdb"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
	"kakehashi/outbox"
)

// OwedPage is what is owed to whom: how much in all, and a page of the changes.
type OwedPage struct {
	Summed  bool // whether Summary and Held are there: on the first page of a list alone
	Summary outbox.Summary
	Held    int // changes that are owed to nobody yet: they wait for a 宛名番号, and are not in Summary
	Changes []outbox.Owed
	Next    string // where the next page begins; empty: nowhere
}

// Owed says what is owed to whom, which everybody with a role may see: nothing in it is
// about a person. A page that is asked for by a cursor has no summary. Errors: Invalid
// where the filter has not its shape, Denied.
func (g *Gateway) Owed(ctx context.Context, who staff.Member, f outbox.Filter) (p OwedPage, err error) {
	if err := validOwed(f); err != nil {
		return OwedPage{}, err
	}
	p.Summed = f.Cursor == ""
	if err := g.Watch(ctx, who); err != nil || g.outbox == nil {
		return p, err
	}
	if p.Changes, p.Next, err = g.outbox.List(ctx, f); err != nil {
		return OwedPage{}, err
	}
	if p.Summed { // after the list: nothing that it shows as told is summed up as owed
		if p.Summary, err = g.outbox.Summary(ctx); err != nil {
			return OwedPage{}, err
		}
		err = store.Read(ctx, g.db, func(ctx context.Context, tx *store.Tx) error {
			p.Held, err = ledgerdb.HeldCount(ctx, tx)
			return err
		})
		if err != nil {
			return OwedPage{}, err
		}
	}
	return p, nil
}

// OwedChanges gives the page of the changes alone, and where the next begins.
func (g *Gateway) OwedChanges(ctx context.Context, who staff.Member, f outbox.Filter) ([]outbox.Owed, string, error) {
	if err := validOwed(f); err != nil {
		return nil, "", err
	}
	if err := g.Watch(ctx, who); err != nil || g.outbox == nil {
		return nil, "", err
	}
	return g.outbox.List(ctx, f)
}

// OwedSummary says how much is owed in all. Errors: Denied.
func (g *Gateway) OwedSummary(ctx context.Context, who staff.Member) (outbox.Summary, error) {
	if err := g.Watch(ctx, who); err != nil || g.outbox == nil {
		return outbox.Summary{}, err
	}
	return g.outbox.Summary(ctx)
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
// characters, and no seven or more digits that could be somebody's number, however they are
// written or parted. Days and times, which reasons often name, are none.
func validReason(reason string) error {
	if n := len([]rune(reason)); n > 200 || strings.TrimSpace(reason) == "" || strings.IndexFunc(reason, unicode.IsControl) >= 0 {
		return invalid("KKH1325", "/reason", "the reason is missing, too long or holds control characters")
	}
	run := 0
	for _, r := range moments().ReplaceAllString(width.Narrow.String(reason), "、") {
		switch {
		case unicode.IsDigit(r) || strings.ContainsRune("〇一二三四五六七八九", r):
			run++
		case unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || strings.ContainsRune("ー_./・", r):
		default:
			run = 0
		}
		if run >= 7 {
			return invalid("KKH1324", "/reason", "the reason holds a number that could be a person's")
		}
	}
	return nil
}

// moments finds days and times as people write them: 2026-11-24, 11/24, 10:04.
func moments() *regexp.Regexp {
	return regexp.MustCompile(`\b(?:20\d\d[-/.年])?[01]?\d[-/.月][0-3]?\d日?\b|\b[0-2]?\d:[0-5]\d(?::[0-5]\d)?\b`)
}
