package address

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kakehashi/internal/adaptertest"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/sandbox"
)

// clerk makes changes of which the town has never heard.
type clerk struct {
	town *town
	made atomic.Int64
}

// change makes the next change of a kind: each of another person or another beneficiary.
func (k *clerk) change(kind ledger.ChangeKind) ledger.Change {
	n := int(k.made.Add(1))
	c := ledger.Change{
		ID: ledger.ChangeID(fmt.Sprintf("C-%s-%d", kind, n)), Kind: kind, Record: "B-1", Version: 2, Person: "P-1",
		Number: ledger.BeneficiaryNumber(fmt.Sprintf("2%06d", n)), Operator: "10482", At: time.Now(),
	}
	people := k.town.city.People()
	switch kind {
	case ledger.Numbering:
		c.Identity = ledger.Identity{
			Name: "遠方　花子", Kana: "エンポウ　" + strings.Repeat("ハ", n), Sex: "女", Address: "別県別市月見町1-2-3 コーポ夜空101",
			BirthDate: ledger.Date{Year: 1988, Month: 5, Day: 3},
		}
	case ledger.PersonUse:
		c.Atena = ledger.AtenaNumber(people[n].AtenaNumber)
	case ledger.MailingChange:
		c.Atena = ledger.AtenaNumber(people[0].AtenaNumber)
		c.Mailing = ledger.MailingAddress{Name: "遠方　花子", PostalCode: "0001234", Address: "別県別市月見町9", From: ledger.Date{Year: 2026, Month: 12, Day: 1}}
	}
	return c
}

// effects gives what the stand-in's own list says of a change that took effect.
func (w *town) effects(t *testing.T, id ledger.ChangeID) []sandbox.Write {
	t.Helper()
	all, err := sandbox.Received(w.dir, sandbox.Address)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(r sandbox.Write) bool {
		return r.ChangeID != string(id) || r.Effect != sandbox.EffectApplied
	})
}

func (w *town) order(t *testing.T, c *Client, change ledger.Change) adaptertest.Order {
	return adaptertest.Order{
		Send: func(ctx context.Context) (any, error) {
			letter, err := c.Prepare(ctx, change)
			if err != nil {
				t.Fatal(err)
			}
			return c.Send(ctx, letter)
		},
		Confirm: func(ctx context.Context) (any, error) { return c.Confirm(ctx, change) },
		Effects: func() int { return len(w.effects(t, change.ID)) },
		Receipt: func() any {
			if change.Kind != ledger.Numbering {
				return ledger.Receipt{}
			}
			return ledger.Receipt{Atena: ledger.AtenaNumber(w.effects(t, change.ID)[0].AtenaNumber)}
		},
	}
}

func TestDeliveriesSitTheExamination(t *testing.T) {
	for _, kind := range ledger.ChangeKinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := openTown(t)
			k := &clerk{town: w}
			adaptertest.ExerciseDestination(t, "address ("+string(kind)+")", func(t *testing.T) adaptertest.Delivery {
				tamper := adaptertest.NewTamper()
				t.Cleanup(tamper.Close)
				cfg := hasty(w.config)
				cfg.SendTimeout = 400 * time.Millisecond
				c := w.client(t, cfg, tamper)
				s := w.subject(t, nil)
				return adaptertest.Delivery{
					New: func() adaptertest.Order { return w.order(t, c, k.change(kind)) },
					Refused: func(ctx context.Context) error {
						letter, err := c.Prepare(ctx, k.change(kind))
						if err != nil {
							t.Fatal(err)
						}
						letter.Body = []byte(strings.Replace(string(letter.Body), `"sosashaid":"10482"`, `"sosashaid":""`, 1))
						_, err = c.Send(ctx, letter)
						return err
					},
					Fault: s.Fault, Clear: s.Clear, Meaning: s.Meaning, Wire: tamper, Budget: 800 * time.Millisecond,
					Breaker: func() string { return c.Breakers()[1].State.String() },
				}
			})
		})
	}
}

func TestTheSameChangeGivesTheSameLetter(t *testing.T) {
	w := openTown(t)
	c, k := w.client(t, w.config, nil), &clerk{town: w}
	calls := map[string]bool{}
	for _, kind := range ledger.ChangeKinds() {
		change := k.change(kind)
		first, err := c.Prepare(t.Context(), change)
		if err != nil {
			t.Fatal(err)
		}
		second, err := c.Prepare(t.Context(), change)
		if err != nil || first.Call != second.Call || string(first.Body) != string(second.Body) || first.Key != string(change.ID) {
			t.Errorf("%s: another letter, or the key %q, %v", kind, first.Key, err)
		}
		calls[first.Call] = true
	}
	if len(calls) != 3 {
		t.Errorf("three kinds of change go to %v", calls)
	}
}

func TestOnlyWhatTheSystemIsToldOf(t *testing.T) {
	w := openTown(t)
	c, k := w.client(t, w.config, nil), &clerk{town: w}
	strange, bare := k.change("certificate"), k.change(ledger.PersonUse)
	bare.Atena = ""
	for name, change := range map[string]ledger.Change{"strange": strange, "without a number": bare} {
		if letter, err := c.Prepare(t.Context(), change); !fault.Is(err, fault.Invalid) || letter.Body != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := c.Send(t.Context(), ledger.Letter{Call: "app_submit/v10/x", Key: "C-1", Body: []byte(`{}`)}); !fault.Is(err, fault.Invalid) {
		t.Errorf("send: got %v", err)
	}
	if _, err := c.Confirm(t.Context(), strange); !fault.Is(err, fault.Invalid) {
		t.Errorf("confirm: got %v", err)
	}
}

// A mailing address that a later one has replaced took effect; what an earlier one left
// there did not.
func TestMailingIsConfirmedByItsVersion(t *testing.T) {
	w := openTown(t)
	c, k := w.client(t, w.config, nil), &clerk{town: w}
	change := k.change(ledger.MailingChange)
	letter, err := c.Prepare(t.Context(), change)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	earlier, later, other := change, change, change
	earlier.Version, later.Version, other.Mailing.Address = 1, 3, "別の所"
	for name, want := range map[string]struct {
		change ledger.Change
		kind   string
	}{
		"itself": {change, ""}, "an earlier one": {earlier, ""}, "a later one": {later, "not_found"}, "other content": {other, "unsure"},
	} {
		_, err := c.Confirm(t.Context(), want.change)
		if got := fault.Find(err); (err == nil) != (want.kind == "") || err != nil && got.Kind.String() != want.kind {
			t.Errorf("%s: got %v, want %q", name, err, want.kind)
		}
	}
}

// Somebody whom the system does not know is refused; asked back, it does not say no.
func TestOfAStrangerNothingIsKnown(t *testing.T) {
	w := openTown(t)
	c, k := w.client(t, w.config, nil), &clerk{town: w}
	change := k.change(ledger.PersonUse)
	change.Atena = "9999999999"
	letter, err := c.Prepare(t.Context(), change)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Send(t.Context(), letter); !fault.Is(err, fault.Rejected) || !strings.Contains(err.Error(), "E0004") || strings.Contains(err.Error(), "9999999999") {
		t.Errorf("got %v, want rejected with the code and without the number", err)
	}
	if _, err := c.Confirm(t.Context(), change); !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Unsure) {
		t.Errorf("asked back: %v", err)
	}
}

// Trouble with deliveries is no trouble of those who look something up.
func TestLookupsAndDeliveriesHaveBreakersOfTheirOwn(t *testing.T) {
	w := openTown(t)
	k := &clerk{town: w}
	cfg := hasty(w.config)
	cfg.BreakerOpenFor = time.Minute
	tamper := adaptertest.NewTamper()
	t.Cleanup(tamper.Close)
	c := w.client(t, cfg, tamper)
	for range 5 {
		letter, err := c.Prepare(t.Context(), k.change(ledger.PersonUse))
		if err != nil {
			t.Fatal(err)
		}
		tamper.Lose(1)
		if _, err := c.Send(t.Context(), letter); !fault.Is(err, fault.Unsure) {
			t.Fatalf("got %v, want unsure", err)
		}
	}
	states := map[string]string{}
	for _, b := range c.Breakers() {
		states[b.Target] = b.State.String()
	}
	if states["address"] != "closed" || states["address-delivery"] != "open" || len(states) != 2 {
		t.Errorf("breakers: %v", states)
	}
	if _, err := c.Lookup(t.Context(), question(w.city.People()[0].AtenaNumber)); err != nil {
		t.Errorf("a lookup beside broken deliveries: %v", err)
	}
}

func TestConfigNamesTheSystemID(t *testing.T) {
	for id, fit := range map[string]bool{"K01": true, "000": true, "": false, "K1": false, "K011": false, "Ｋ01": false, "K 1": false} {
		cfg := Defaults()
		cfg.BaseURL, cfg.ClientID, cfg.SecretFile, cfg.System = "https://x", strings.Repeat("c", 32), "x", id
		if err := cfg.Validate(); (err == nil) != fit {
			t.Errorf("%q: got %v", id, err)
		}
	}
}
