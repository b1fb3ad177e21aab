package address

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/adaptertest"
	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/sandbox"
	"kakehashi/internal/volatile"
	"kakehashi/internal/wire"
	"kakehashi/mapping"
)

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
		if n.System != sandbox.Address {
			continue
		}
		file := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, []byte(n.ClientSecret), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg := Defaults()
		cfg.BaseURL, cfg.TokenURL, cfg.ClientID, cfg.SecretFile = n.BaseURL, n.TokenURL, n.ClientID, file
		return &town{dir: dir, city: city, config: cfg}
	}
	t.Fatal("the city has no unified address system")
	return nil
}

func (w *town) client(t *testing.T, cfg Config, transport http.RoundTripper) *Client {
	t.Helper()
	c, err := New(cfg, mapping.Default(), wire.Rooms{Tokens: volatile.NewTokens(), Transport: transport})
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

func (w *town) subject(t *testing.T, call func(*Client, context.Context) (any, error)) adaptertest.Subject {
	t.Helper()
	tamper := adaptertest.NewTamper()
	t.Cleanup(tamper.Close)
	c := w.client(t, hasty(w.config), tamper)
	return adaptertest.Subject{
		Call: func(ctx context.Context) (any, error) { return call(c, ctx) },
		Fault: func(kind string) {
			if err := sandbox.SetFault(context.Background(), w.dir, sandbox.Address, kind, time.Minute); err != nil {
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

func TestAddressSitsTheExamination(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	child := w.persona(t, "child", "-protected")
	adaptertest.Exercise(t, "address", func(t *testing.T) adaptertest.Subject {
		s := w.subject(t, func(c *Client, ctx context.Context) (any, error) {
			return c.Lookup(ctx, question(child.AtenaNumber))
		})
		s.Spoil = func(body string) string { return strings.ReplaceAll(body, `"J1"`, `"J8"`) }
		s.SpoiltReason = "unknown_code"
		return s
	})
}

func TestFindSitsTheExamination(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	child := w.persona(t, "child", "-protected", "-namesake", "-unknown-birth")
	adaptertest.Exercise(t, "address (find)", func(t *testing.T) adaptertest.Subject {
		s := w.subject(t, func(c *Client, ctx context.Context) (any, error) { return c.Find(ctx, searchFor(t, child), 20) })
		s.Spoil = func(body string) string { return strings.ReplaceAll(body, `"J1"`, `"J8"`) }
		s.SpoiltReason = "unknown_code"
		return s
	})
}

func searchFor(t *testing.T, p sandbox.Persona) ledger.Search {
	t.Helper()
	birth, ok := ledger.ParseDate(p.BirthDate)
	if !ok {
		t.Fatalf("%s has no birth date to search for", p.Key)
	}
	return ledger.Search{ID: "Q-1", Kana: p.Kana, BirthDate: birth, On: time.Now()}
}

func TestLookupByPersona(t *testing.T) {
	w := openTown(t)
	c := w.client(t, w.config, nil)
	people := w.city.People()
	for _, p := range people {
		answer, err := c.Lookup(t.Context(), question(p.AtenaNumber, ledger.Name, ledger.AddressText))
		if err != nil {
			t.Errorf("%s: %v", p.Key, err)
			continue
		}
		if string(answer.Outcome) != p.Outcomes.Address {
			t.Errorf("%s: outcome %s, want %s", p.Key, answer.Outcome, p.Outcomes.Address)
		}
		if len(answer.Persons) != 1 {
			t.Errorf("%s: %d persons, want one", p.Key, len(answer.Persons))
			continue
		}
		got := map[ledger.Item]string{}
		for _, v := range answer.Persons[0].Values {
			got[v.Item] = v.Text
		}
		want := map[ledger.Item]string{ledger.Name: p.Name, ledger.AddressText: p.Address}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", p.Key, diff)
		}
		if slices.Contains(p.Tags, "protected") && slices.Contains(p.Tags, "non-resident") && !answer.Persons[0].Conceal {
			t.Errorf("%s: the flag of the address system is lost", p.Key)
		}
	}
	t.Logf("%d personas looked up", len(people))
}

func TestFindByPersona(t *testing.T) {
	w := openTown(t)
	c := w.client(t, w.config, nil)
	searched := 0
	for _, p := range w.city.People() {
		if p.BirthDate == "" {
			continue
		}
		found, err := c.Find(t.Context(), searchFor(t, p), 20)
		if err != nil {
			t.Errorf("%s: %v", p.Key, err)
			continue
		}
		if !slices.ContainsFunc(found, func(f ledger.Candidate) bool {
			return string(f.Person) == p.AtenaNumber && string(f.Household) == p.HouseholdNumber
		}) {
			t.Errorf("%s is not among the %d who fit", p.Key, len(found))
		}
		if slices.Contains(p.Tags, "namesake") && len(found) < 2 {
			t.Errorf("%s: the namesake is missing", p.Key)
		}
		searched++
	}
	t.Logf("%d personas searched for", searched)
}

func TestFindIsNoBrowse(t *testing.T) {
	w := openTown(t)
	c := w.client(t, w.config, nil)
	birth, _ := ledger.ParseDate(sandbox.CrowdBirth)
	crowd := ledger.Search{ID: "Q-1", Kana: sandbox.CrowdKana, BirthDate: birth, On: time.Now()}
	found, err := c.Find(t.Context(), crowd, 20)
	f := fault.Find(err)
	if !fault.Is(err, fault.Invalid) || f.Code != "KKH1121" || f.Reason != "too_many" || found != nil {
		t.Errorf("got %d candidates, %v", len(found), err)
	}
	if found, err = c.Find(t.Context(), crowd, 24); err != nil || len(found) != 24 {
		t.Errorf("exactly as many as allowed: got %d, %v", len(found), err)
	}
	crowd.Kana = "ナナシノ　ゴンベエ"
	if found, err = c.Find(t.Context(), crowd, 20); err != nil || len(found) != 0 {
		t.Errorf("nobody: got %d, %v", len(found), err)
	}
	crowd.Kana = ""
	if _, err = c.Find(t.Context(), crowd, 20); !fault.Is(err, fault.Invalid) {
		t.Errorf("without kana: got %v, want invalid", err)
	}
}

func TestHouseholdSitsTheExamination(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	child := w.persona(t, "child", "-protected")
	adaptertest.Exercise(t, "address (household)", func(t *testing.T) adaptertest.Subject {
		s := w.subject(t, func(c *Client, ctx context.Context) (any, error) {
			adults, _, err := c.Adults(ctx, ledger.Question{Person: ledger.AtenaNumber(child.AtenaNumber), On: time.Now()})
			return adults, err
		})
		s.Spoil = func(body string) string { return strings.ReplaceAll(body, `"J1"`, `"J8"`) }
		s.SpoiltReason = "unknown_code"
		return s
	})
}

// The address system says of every living child what the registry lists; of an adult
// nobody, and of somebody without a household what it is.
func TestAdultsByPersona(t *testing.T) {
	w := openTown(t)
	c := w.client(t, w.config, nil)
	on := time.Now()
	adult := map[string]bool{}
	for _, p := range w.city.People() {
		birth, ok := ledger.ParseDate(p.BirthDate)
		adult[p.AtenaNumber] = (!ok || !ledger.IsChild(birth, ledger.DateOf(on))) && !slices.Contains(p.Tags, "dead")
	}
	children := 0
	for _, p := range w.city.People() {
		if slices.Contains(p.Tags, "dead") {
			continue
		}
		adults, child, err := c.Adults(t.Context(), ledger.Question{Person: ledger.AtenaNumber(p.AtenaNumber), On: on})
		if err != nil || child == adult[p.AtenaNumber] {
			t.Errorf("%s: child %v, %v", p.Key, child, err)
			continue
		}
		if !child {
			if len(adults) != 0 {
				t.Errorf("%s is an adult and was given %d others", p.Key, len(adults))
			}
			continue
		}
		children++
		for _, a := range adults {
			if !slices.Contains(p.Members, string(a)) || string(a) == p.AtenaNumber {
				t.Errorf("%s: an adult who is not of the household", p.Key)
			}
		}
		for _, m := range p.Members {
			if adult[m] && !slices.Contains(adults, ledger.AtenaNumber(m)) {
				t.Errorf("%s: an adult of the household is missing", p.Key)
			}
		}
	}
	if children < 30 {
		t.Errorf("only %d children examined", children)
	}
	if _, _, err := c.Adults(t.Context(), ledger.Question{Person: "9999999999", On: on}); !fault.Is(err, fault.NotFound) {
		t.Errorf("nobody: got %v, want not found", err)
	}
}

func TestLookupOfNobody(t *testing.T) {
	w := openTown(t)
	answer, err := w.client(t, w.config, nil).Lookup(t.Context(), question("9999999999"))
	if err != nil || answer.Outcome != ledger.NoPerson {
		t.Errorf("got %s, %v; want no person", answer.Outcome, err)
	}
}
