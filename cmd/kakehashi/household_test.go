package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// teller tells a household after a while.
type teller struct {
	after time.Duration
	adult ledger.AtenaNumber
	err   error
	asked int
}

func (h *teller) Adults(ctx context.Context, _ ledger.Question) ([]ledger.AtenaNumber, bool, error) {
	h.asked++
	select {
	case <-time.After(h.after):
		return []ledger.AtenaNumber{h.adult}, true, h.err
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
}

func TestHouseholdIsKnownWhileOneOfTwoAnswers(t *testing.T) {
	down := fault.New(fault.Unavailable, "down")
	for _, c := range []struct {
		name             string
		registry, second teller
		want             ledger.AtenaNumber
		took             time.Duration
		err              error
	}{
		{"registry answers", teller{after: 10 * time.Millisecond, adult: "R"}, teller{adult: "A"}, "R", 10 * time.Millisecond, nil},
		{"registry down", teller{err: down}, teller{after: time.Millisecond, adult: "A"}, "A", time.Millisecond, nil},
		{"registry hangs", teller{after: time.Hour}, teller{after: time.Millisecond, adult: "A"}, "A", hedge + time.Millisecond, nil},
		{"registry slow, second down", teller{after: time.Second, adult: "R"}, teller{err: down}, "R", time.Second, nil},
		{"both down", teller{err: down}, teller{err: errors.New("also")}, "", 0, down},
		{"both late and down", teller{after: time.Second, err: down}, teller{err: errors.New("also")}, "", time.Second, down},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			adults, _, err := households{&c.registry, &c.second}.Adults(t.Context(), ledger.Question{Person: "1", On: began})
			if took := time.Since(began); took != c.took {
				t.Errorf("%s: took %v, want %v", c.name, took, c.took)
			}
			if c.err != nil {
				if !fault.Is(err, fault.KindOf(c.err)) {
					t.Errorf("%s: got %v, want %v", c.name, err, c.err)
				}
				return
			}
			if err != nil || len(adults) != 1 || adults[0] != c.want {
				t.Errorf("%s: got %v, %v; want %s", c.name, adults, err, c.want)
			}
		})
	}
}

func TestSomebodyUnknownToTheRegistryIsAskedForElsewhere(t *testing.T) {
	nobody, down := fault.New(fault.NotFound, "nobody"), fault.New(fault.Unavailable, "down")
	for _, c := range []struct {
		name             string
		registry, second teller
		want             ledger.AtenaNumber
		kind             fault.Kind
	}{
		{"known elsewhere", teller{err: nobody}, teller{adult: "A"}, "A", 0},
		{"known nowhere", teller{err: nobody}, teller{err: nobody}, "", fault.NotFound},
		{"the other is down", teller{err: nobody}, teller{err: down}, "", fault.Unavailable},
		{"the registry is down", teller{err: down}, teller{err: nobody}, "", fault.Unavailable},
	} {
		adults, _, err := households{&c.registry, &c.second}.Adults(t.Context(), ledger.Question{Person: "1", On: time.Now()})
		if c.want == "" && !fault.Is(err, c.kind) || c.want != "" && (err != nil || adults[0] != c.want) {
			t.Errorf("%s: got %v, %v", c.name, adults, err)
		}
	}
}
