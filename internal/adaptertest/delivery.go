package adaptertest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"
)

// Delivery is a destination with fresh state (no token, breaker closed) before its
// stand-in.
type Delivery struct {
	// New gives an order that nobody has been told of.
	New func() Order
	// Refused sends something that the neighbour refuses and names why.
	Refused func(context.Context) error
	// Fault puts the stand-in into a fault; Clear ends it.
	Fault func(kind string)
	Clear func()
	// Meaning reads an error: its kind and reason as words, when to ask again.
	Meaning func(error) (kind, reason string, retry time.Time)
	// Breaker gives closed, half_open or open.
	Breaker func() string
	// Wire is the transport that the adapter was given.
	Wire *Tamper
	// Budget is the longest that a call may take.
	Budget time.Duration
}

// Order is one change and its letter.
type Order struct {
	// Send sends the letter, and gives the receipt.
	Send func(context.Context) (any, error)
	// Confirm asks back whether it took effect, and gives the receipt.
	Confirm func(context.Context) (any, error)
	// Effects tells how often it took effect at the neighbour, by the neighbour's own list.
	Effects func() int
	// Receipt gives what the neighbour's list says that it gave back.
	Receipt func() any
}

// ExerciseDestination examines how an adapter writes; build makes it anew for each case.
// Whatever the neighbour does: a letter goes out at most once, what may have taken effect
// is said to be unsure, and asked back the adapter says the truth. It prints what it
// examined, and fails where it examined nothing.
func ExerciseDestination(t *testing.T, adapter string, build func(*testing.T) Delivery) {
	t.Helper()
	sat := 0
	for _, e := range deliveries() {
		t.Run(e.name, func(t *testing.T) {
			d := build(t)
			t.Cleanup(d.Clear)
			e.sit(t, d)
			sat++
		})
	}
	if adapter == "" || sat == 0 {
		t.Fatalf("examined nothing: adapter %q, %d cases", adapter, sat)
	}
	t.Logf("examined %s in %d cases", adapter, sat)
}

// delivery is one case.
type delivery struct {
	name string
	sit  func(*testing.T, Delivery)
}

func deliveries() []delivery {
	all := []delivery{
		{"told", told},
		{"told twice", toldTwice},
		{"never told", neverTold},
		{"reply lost on the way", lostOnTheWay},
		{"refused", refused},
		{"token expired in the middle", sendTokenExpired},
		{"cancelled before", cancelledBefore},
		{"cancelled after", cancelledAfter},
		{"not connected", notConnected},
		{"breaker", breakerHoldsBack},
		{"asked back in vain", askedInVain},
	}
	for _, h := range hardships() {
		all = append(all, delivery{h.kind, h.sit})
	}
	return all
}

// once sends an order and sees to it that at most one request went out, in time; after a
// refused token a second.
func (d Delivery) once(ctx context.Context, t *testing.T, o Order) (any, error) {
	t.Helper()
	before, tokens := d.Wire.Asked()
	began := time.Now()
	receipt, err := o.Send(ctx)
	if took := time.Since(began); took > d.Budget+200*time.Millisecond {
		t.Errorf("sending took %v, more than its budget of %v", took, d.Budget)
	}
	after, more := d.Wire.Asked()
	if after-before > 1 && (after-before > 2 || more == tokens) {
		t.Errorf("%d requests for one letter", after-before)
	}
	if err != nil && receipt != nil && !reflect.ValueOf(receipt).IsZero() {
		t.Error("a receipt came beside the error")
	}
	return receipt, err
}

// ends sends an order and checks how that ends; it gives the next time.
func (d Delivery) ends(t *testing.T, o Order, kind string, reasons ...string) time.Time {
	t.Helper()
	_, err := d.once(t.Context(), t, o)
	return d.means(t, err, kind, reasons...)
}

func (d Delivery) means(t *testing.T, err error, kind string, reasons ...string) time.Time {
	t.Helper()
	if err == nil {
		t.Fatalf("it is said to have taken effect; want %s for %v", kind, reasons)
	}
	got, reason, retry := d.Meaning(err)
	if got != kind || !slices.Contains(reasons, reason) {
		t.Fatalf("got %s for %q (%v), want %s for %v", got, reason, err, kind, reasons)
	}
	return retry
}

// confirms asks back, until the neighbour can be asked, and holds the answer against the
// neighbour's own list.
func (d Delivery) confirms(t *testing.T, o Order) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		receipt, err := o.Confirm(t.Context())
		if err == nil {
			if o.Effects() != 1 {
				t.Errorf("confirmed what took effect %d times", o.Effects())
			} else if want := o.Receipt(); !reflect.DeepEqual(receipt, want) {
				t.Error("the receipt confirmed is not the one that was given")
			}
			return
		}
		switch kind, reason, _ := d.Meaning(err); kind {
		case "not_found":
			if o.Effects() != 0 {
				t.Error("said not to have taken effect, and it did")
			}
			return
		case "unavailable":
		default:
			t.Fatalf("asked back: %s for %q (%v)", kind, reason, err)
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("could not be asked back: %v", err)
		}
	}
}

func told(t *testing.T, d Delivery) {
	o := d.New()
	receipt, err := d.once(t.Context(), t, o)
	if err != nil {
		t.Fatalf("a healthy stand-in: %v", err)
	}
	if o.Effects() != 1 || !reflect.DeepEqual(receipt, o.Receipt()) {
		t.Errorf("it took effect %d times, or the receipt is another", o.Effects())
	}
	d.confirms(t, o)
	if asked, tokens := d.Wire.Asked(); asked != 2 || tokens != 1 {
		t.Errorf("%d requests and %d tokens for sending and asking back, want 2 and 1", asked, tokens)
	}
}

// toldTwice: the adapter keeps nothing that would let a second sending pass for the first.
func toldTwice(t *testing.T, d Delivery) {
	o := d.New()
	for range 2 {
		if _, err := d.once(t.Context(), t, o); err != nil {
			t.Fatalf("a healthy stand-in: %v", err)
		}
	}
	if asked, tokens := d.Wire.Asked(); asked != 2 || tokens != 1 {
		t.Errorf("%d requests and %d tokens for two sendings, want 2 and 1", asked, tokens)
	}
}

func neverTold(t *testing.T, d Delivery) {
	_, err := d.New().Confirm(t.Context())
	if err == nil {
		t.Fatal("confirmed what was never sent")
	}
	if kind, reason, _ := d.Meaning(err); kind != "not_found" {
		t.Fatalf("got %s for %q (%v), want not_found", kind, reason, err)
	}
}

func lostOnTheWay(t *testing.T, d Delivery) {
	o := d.New()
	d.Wire.Lose(1)
	d.ends(t, o, "unsure", "down")
	if o.Effects() != 1 {
		t.Errorf("it took effect %d times", o.Effects())
	}
	d.confirms(t, o)
}

func refused(t *testing.T, d Delivery) {
	before, _ := d.Wire.Asked()
	d.means(t, d.Refused(t.Context()), "rejected", "rejected")
	if after, _ := d.Wire.Asked(); after != before+1 {
		t.Errorf("%d requests for a letter that was refused", after-before)
	}
	if d.Breaker() != "closed" {
		t.Errorf("a refusal left the breaker %s", d.Breaker())
	}
}

func sendTokenExpired(t *testing.T, d Delivery) {
	if _, err := d.once(t.Context(), t, d.New()); err != nil {
		t.Fatalf("a healthy stand-in: %v", err)
	}
	before, tokens := d.Wire.Asked()
	d.Fault("expired-token")
	d.Clear()
	o := d.New()
	if _, err := d.once(t.Context(), t, o); err != nil {
		t.Fatalf("the expired token was seen: %v", err)
	}
	if after, more := d.Wire.Asked(); after != before+2 || more != tokens+1 || o.Effects() != 1 {
		t.Errorf("%d requests, %d tokens, %d effects; want 2, 1, 1", after-before, more-tokens, o.Effects())
	}
}

func cancelledBefore(t *testing.T, d Delivery) {
	o := d.New()
	gone := errors.New("the lease is over")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	_, err := d.once(ctx, t, o)
	d.means(t, err, "unavailable", "cancelled")
	if !errors.Is(err, gone) {
		t.Errorf("the cause is lost: %v", err)
	}
	if asked, _ := d.Wire.Asked(); asked != 0 || o.Effects() != 0 {
		t.Errorf("%d requests, %d effects after the end", asked, o.Effects())
	}
}

func cancelledAfter(t *testing.T, d Delivery) {
	if _, err := d.once(t.Context(), t, d.New()); err != nil {
		t.Fatalf("a healthy stand-in: %v", err)
	}
	d.Fault("slow")
	o := d.New()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	timer := time.AfterFunc(d.Budget/4, cancel)
	defer timer.Stop()
	_, err := d.once(ctx, t, o)
	d.means(t, err, "unsure", "cancelled")
	if d.Breaker() != "closed" {
		t.Errorf("our own stopping left the breaker %s", d.Breaker())
	}
	d.Clear()
	d.confirms(t, o)
}

// notConnected: a neighbour that does not listen has got nothing, which is certain.
func notConnected(t *testing.T, d Delivery) {
	if _, err := d.once(t.Context(), t, d.New()); err != nil {
		t.Fatalf("a healthy stand-in: %v", err)
	}
	d.Fault("down")
	d.Wire.Close() // a kept connection may be found dead too late to be sure
	o := d.New()
	if retry := d.ends(t, o, "unavailable", "down"); !retry.IsZero() && d.Breaker() == "closed" {
		t.Errorf("the next attempt is said to be worth it at %v, which nobody knows", retry)
	}
	d.Clear()
	d.confirms(t, o)
}

func breakerHoldsBack(t *testing.T, d Delivery) {
	d.Fault("refuse")
	for range 8 {
		if d.Breaker() == "open" {
			break
		}
		d.ends(t, d.New(), "unsure", "server_error")
	}
	before, tokens := d.Wire.Asked()
	o := d.New()
	if retry := d.ends(t, o, "unavailable", "breaker_open"); retry.IsZero() {
		t.Error("an open breaker names no next attempt")
	}
	if after, more := d.Wire.Asked(); after != before || more != tokens {
		t.Error("an open breaker let a request through")
	}
	d.Clear()
	d.confirms(t, o)
}

// askedInVain: a neighbour that cannot be asked has not said no.
func askedInVain(t *testing.T, d Delivery) {
	o := d.New()
	if _, err := d.once(t.Context(), t, o); err != nil {
		t.Fatalf("a healthy stand-in: %v", err)
	}
	for kind, reasons := range map[string][]string{
		"garbage": {"unreadable"}, "busy": {"busy"}, "bad-encoding": {"unreadable"}, "huge": {"too_large"}, "slow": {"timeout"},
	} {
		d.Fault(kind)
		_, err := o.Confirm(t.Context())
		d.means(t, err, "unavailable", reasons...)
	}
	d.Clear()
	d.confirms(t, o)
}

// hardship is a fault of the stand-in and what it makes of a sending.
type hardship struct {
	kind, end string
	reasons   []string
	effects   int // -1: either
}

func hardships() []hardship {
	return []hardship{
		{"lost-reply", "unsure", []string{"down"}, 1},
		{"slow", "unsure", []string{"timeout"}, 1},
		{"half-open", "unsure", []string{"timeout"}, 0},
		{"drip", "unsure", []string{"timeout"}, 1},
		{"garbage", "unsure", []string{"unreadable"}, -1},
		{"bad-encoding", "unsure", []string{"unreadable"}, 1},
		{"huge", "unsure", []string{"too_large"}, -1},
		{"duplicate", "unsure", []string{"unreadable"}, 1},
		{"refuse", "unsure", []string{"server_error"}, -1},
		{"busy", "unavailable", []string{"busy"}, 0},
		{"expired-token", "unavailable", []string{"unauthorized", "token"}, 0},
	}
}

// sit: under the fault the end is honest, afterwards it is found out what happened, and a
// new order goes through by itself.
func (h hardship) sit(t *testing.T, d Delivery) {
	if _, err := d.once(t.Context(), t, d.New()); err != nil {
		t.Fatalf("a healthy stand-in: %v", err)
	}
	d.Fault(h.kind)
	o := d.New()
	retry := d.ends(t, o, h.end, h.reasons...)
	if named := !retry.IsZero(); named && retry.Before(time.Now().Add(-time.Second)) || !named && h.kind == "busy" {
		t.Errorf("the next attempt is said to be worth it at %v", retry)
	}
	if got := o.Effects(); h.effects >= 0 && got != h.effects {
		t.Errorf("it took effect %d times, want %d", got, h.effects)
	}
	d.Clear()
	d.confirms(t, o)
	next := d.New()
	if _, err := d.once(t.Context(), t, next); err != nil || next.Effects() != 1 {
		t.Errorf("afterwards: %v, %d effects", err, next.Effects())
	}
}
