package tax

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kakehashi/internal/adaptertest"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/sandbox"
	"kakehashi/internal/volatile"
	"kakehashi/internal/wire"
	"kakehashi/mapping"
)

// family is a household port that knows its families beforehand.
type family struct {
	adults []ledger.AtenaNumber
	child  bool
	err    error
}

func (f family) Adults(context.Context, ledger.Question) ([]ledger.AtenaNumber, bool, error) {
	return f.adults, f.child, f.err
}

// town is a fictional city whose stand-ins run.
type town struct {
	dir    string
	city   *sandbox.City
	config Config
}

func openTown(t *testing.T) *town {
	t.Helper()
	dir := t.TempDir()
	city, err := sandbox.Open(dir, sandbox.Options{FreshPorts: true})
	if err != nil {
		t.Fatal(err)
	}
	running, err := city.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = running.Close() })
	for _, n := range city.Neighbours() {
		if n.System != sandbox.Tax {
			continue
		}
		file := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, []byte(n.ClientSecret), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg := wire.Defaults()
		cfg.BaseURL, cfg.TokenURL, cfg.ClientID, cfg.SecretFile = n.BaseURL, n.TokenURL, n.ClientID, file
		return &town{dir: dir, city: city, config: Config(cfg)}
	}
	t.Fatal("the city has no tax section")
	return nil
}

func (w *town) client(t *testing.T, cfg Config, household Household, transport http.RoundTripper) *Client {
	t.Helper()
	c, err := New(cfg, mapping.Default(), household, wire.Rooms{Tokens: volatile.NewTokens(), Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// persona gives the first persona whose tags hold all of those asked for and none of those
// with a minus.
func (w *town) persona(t *testing.T, tags ...string) sandbox.Persona {
	t.Helper()
	for _, p := range w.city.People() {
		if !slices.ContainsFunc(tags, func(tag string) bool {
			plain, without := strings.CutPrefix(tag, "-")
			return slices.Contains(p.Tags, plain) == without
		}) {
			return p
		}
	}
	t.Fatalf("no persona has the tags %v", tags)
	return sandbox.Persona{}
}

func question(person string, items ...ledger.Item) ledger.Question {
	if len(items) == 0 {
		items = ledger.Items()
	}
	return ledger.Question{ID: "Q-1", Person: ledger.AtenaNumber(person), Items: items, On: time.Now()}
}

// hasty is a configuration whose waits are short.
func hasty(cfg Config) Config {
	cfg.Timeout, cfg.AttemptTimeout, cfg.QueueWait = 800*time.Millisecond, 250*time.Millisecond, 100*time.Millisecond
	cfg.RetryWaitMax, cfg.BreakerOpenFor = 20*time.Millisecond, 300*time.Millisecond
	return cfg
}

func (w *town) subject(t *testing.T, household Household, call func(*Client, context.Context) (any, error)) adaptertest.Subject {
	t.Helper()
	tamper := adaptertest.NewTamper()
	t.Cleanup(tamper.Close)
	c := w.client(t, hasty(w.config), household, tamper)
	return adaptertest.Subject{
		Call: func(ctx context.Context) (any, error) { return call(c, ctx) },
		Fault: func(kind string) {
			if err := sandbox.SetFault(context.Background(), w.dir, sandbox.Tax, kind, time.Minute); err != nil {
				t.Fatal(err)
			}
		},
		Clear: func() {
			if err := sandbox.ClearFaults(context.Background(), w.dir, ""); err != nil {
				t.Error(err)
			}
		},
		Meaning: func(err error) (string, string, time.Time) {
			f := fault.Find(err)
			return f.Kind.String(), f.Reason, f.Retry
		},
		Breaker: func() string { return c.Breakers()[0].State.String() },
		Wire:    tamper,
		Budget:  800 * time.Millisecond,
	}
}

func TestTaxSitsTheExamination(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	child := w.persona(t, "child", "-protected", "-tax-elsewhere", "-tax-undeclared")
	adaptertest.Exercise(t, "tax", func(t *testing.T) adaptertest.Subject {
		s := w.subject(t, w.familyOf(child), func(c *Client, ctx context.Context) (any, error) {
			return c.Lookup(ctx, question(child.AtenaNumber))
		})
		s.Spoil = func(body string) string {
			return strings.NewReplacer(`"K1"`, `"K8"`, `"K2"`, `"K8"`, `"K3"`, `"K8"`).Replace(body)
		}
		s.SpoiltReason = "unknown_code"
		return s
	})
}

// familyOf is what the registry would say of a persona, as far as the personas tell it.
func (w *town) familyOf(p sandbox.Persona) family {
	if len(p.Members) == 0 {
		return family{err: fault.New(fault.NotFound, "no such resident")}
	}
	on := ledger.DateOf(time.Now())
	f := family{child: isChild(p, on)}
	for _, other := range w.city.People() {
		if slices.Contains(p.Members, other.AtenaNumber) && !isChild(other, on) && other.AtenaNumber != p.AtenaNumber {
			f.adults = append(f.adults, ledger.AtenaNumber(other.AtenaNumber))
		}
	}
	return f
}

func isChild(p sandbox.Persona, on ledger.Date) bool {
	birth, ok := ledger.ParseDate(p.BirthDate)
	return ok && ledger.IsChild(birth, on)
}

func TestLookupByPersona(t *testing.T) {
	w := openTown(t)
	people := w.city.People()
	for _, p := range people {
		household := w.familyOf(p)
		c := w.client(t, w.config, household, nil)
		answer, err := c.Lookup(t.Context(), question(p.AtenaNumber))
		if err != nil {
			t.Errorf("%s: %v", p.Key, err)
			continue
		}
		if string(answer.Outcome) != p.Outcomes.Tax {
			t.Errorf("%s: outcome %s (%s), want %s", p.Key, answer.Outcome, answer.Reason, p.Outcomes.Tax)
		}
		asked := 1
		if household.child {
			asked += len(household.adults)
		}
		if len(answer.Persons) != asked || string(answer.Persons[0].Person) != p.AtenaNumber {
			t.Errorf("%s: %d persons, want %d with the person first", p.Key, len(answer.Persons), asked)
		}
		year := strconv.Itoa(mapping.TaxYear(time.Now()))
		for _, v := range answer.Persons[0].Values {
			if v.Item != ledger.TaxClassOfYear || v.Text != p.Tax[year] || v.AsOf != year+"年度" {
				t.Errorf("%s: %s is %q as of %s, want %q", p.Key, v.Item, v.Text, v.AsOf, p.Tax[year])
			}
		}
	}
	t.Logf("%d personas looked up", len(people))
}

// What decides, as the city's text says it; the person asked about comes first.
func TestDecide(t *testing.T) {
	found := ledger.Facts{Outcome: ledger.Found}
	undeclared := ledger.Facts{Outcome: ledger.NoRecord, Reason: ledger.ReasonUndeclared}
	notHere := ledger.Facts{Outcome: ledger.NoRecord, Reason: ledger.ReasonNotHere}
	unknown := ledger.Facts{Outcome: ledger.NoPerson}
	for _, c := range []struct {
		name    string
		persons []ledger.Facts
		outcome ledger.Outcome
		reason  string
	}{
		{"adult", []ledger.Facts{found}, ledger.Found, ""},
		{"adult undeclared", []ledger.Facts{undeclared}, ledger.NoRecord, "undeclared"},
		{"adult elsewhere", []ledger.Facts{notHere}, ledger.NoRecord, "not_here"},
		{"adult unknown", []ledger.Facts{unknown}, ledger.NoPerson, ""},
		{"child of the declared", []ledger.Facts{notHere, found, found}, ledger.Found, ""},
		{"child with one undeclared", []ledger.Facts{found, found, undeclared}, ledger.NoRecord, "undeclared"},
		{"child with one elsewhere", []ledger.Facts{found, undeclared, notHere}, ledger.NoRecord, "not_here"},
		{"child unknown, adult known", []ledger.Facts{unknown, found}, ledger.Found, ""},
		{"child known, adult unknown", []ledger.Facts{found, found, unknown}, ledger.NoRecord, "not_here"},
		{"nobody known", []ledger.Facts{unknown, unknown}, ledger.NoPerson, ""},
	} {
		got := decide(c.persons, len(c.persons) > 1)
		if got.Outcome != c.outcome || got.Reason != c.reason || len(got.Persons) != len(c.persons) {
			t.Errorf("%s: got %s %q with %d persons, want %s %q", c.name, got.Outcome, got.Reason, len(got.Persons), c.outcome, c.reason)
		}
	}
}

func TestChildWithoutAnAdultDecidesNothing(t *testing.T) {
	own := ledger.Facts{Person: "1", Outcome: ledger.Found, Values: []ledger.Value{{Item: ledger.TaxClassOfYear, Text: "非課税", Usable: true}}}
	got := decide([]ledger.Facts{own}, true)
	if got.Outcome != ledger.NoRecord || got.Reason != ledger.ReasonNotHere || got.Persons[0].Values[0].Usable {
		t.Errorf("got %+v, want no_record not_here and nothing usable", got)
	}
}

// A child's own class may mislead, so without its household there is no answer.
func TestWithoutTheHouseholdThereIsNoAnswer(t *testing.T) {
	w := openTown(t)
	child := w.persona(t, "child", "-protected")
	next := time.Now().Add(7 * time.Second)
	broken := family{err: fault.New(fault.Unavailable, "the registry is away").WithReason("down").WithRetry(next)}
	answer, err := w.client(t, w.config, broken, nil).Lookup(t.Context(), question(child.AtenaNumber))
	f := fault.Find(err)
	if !fault.Is(err, fault.Unavailable) || f.Reason != HouseholdUnknown || f.Code != "KKH2116" || !f.Retry.Equal(next) || answer.Persons != nil {
		t.Errorf("got %v with %d persons", err, len(answer.Persons))
	}
}

// waiting is a household port that waits for its caller.
type waiting struct{ left chan error }

func (w waiting) Adults(ctx context.Context, _ ledger.Question) ([]ledger.AtenaNumber, bool, error) {
	<-ctx.Done()
	w.left <- ctx.Err()
	return nil, false, ctx.Err()
}

func TestAFailedReadDoesNotWaitForTheHousehold(t *testing.T) {
	w := openTown(t)
	if err := sandbox.SetFault(t.Context(), w.dir, sandbox.Tax, "refuse", time.Minute); err != nil {
		t.Fatal(err)
	}
	port := waiting{make(chan error, 1)}
	c := w.client(t, hasty(w.config), port, nil)
	_, err := c.Lookup(t.Context(), question("9999999999"))
	if f := fault.Find(err); f.Reason != wire.ServerError {
		t.Errorf("got %v, want server_error", err)
	}
	select {
	case <-port.left:
	default:
		t.Error("Lookup came back and left its goroutine behind")
	}
}

func TestTheClassAloneIsAsked(t *testing.T) {
	w := openTown(t)
	c := w.client(t, w.config, waiting{}, nil)
	if _, err := c.Lookup(t.Context(), question("9999999999", ledger.Name)); !fault.Is(err, fault.Denied) {
		t.Errorf("without the class among the items: got %v, want denied", err)
	}
}
