package residents

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
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
		if n.System != sandbox.Residents {
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
	t.Fatal("the city has no resident registry")
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

func (w *town) subject(t *testing.T, system, target string, call func(*Client, context.Context) (any, error)) adaptertest.Subject {
	t.Helper()
	tamper := adaptertest.NewTamper()
	t.Cleanup(tamper.Close)
	c := w.client(t, hasty(w.config), tamper)
	return adaptertest.Subject{
		Call: func(ctx context.Context) (any, error) { return call(c, ctx) },
		Fault: func(kind string) {
			if err := sandbox.SetFault(context.Background(), w.dir, system, kind, time.Minute); err != nil {
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
		Breaker: func() string {
			for _, b := range c.Breakers() {
				if b.Target == target {
					return b.State.String()
				}
			}
			return "none"
		},
		Wire:   tamper,
		Budget: 800 * time.Millisecond,
	}
}

func TestResidentsSitsTheExamination(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	child := w.persona(t, "child", "-protected")
	adaptertest.Exercise(t, "residents", func(t *testing.T) adaptertest.Subject {
		s := w.subject(t, sandbox.Residents, "residents", func(c *Client, ctx context.Context) (any, error) {
			return c.Lookup(ctx, question(child.AtenaNumber))
		})
		s.Spoil = func(body string) string { return strings.ReplaceAll(body, `"J1"`, `"J8"`) }
		s.SpoiltReason = "unknown_code"
		return s
	})
}

func TestProtectionSitsTheExamination(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	child := w.persona(t, "child", "-protected")
	adaptertest.Exercise(t, "residents (protection)", func(t *testing.T) adaptertest.Subject {
		s := w.subject(t, sandbox.Protection, "protection", func(c *Client, ctx context.Context) (any, error) {
			return c.Protection(ctx, []ledger.AtenaNumber{ledger.AtenaNumber(child.AtenaNumber)})
		})
		s.Spoil = func(body string) string {
			return strings.ReplaceAll(body, `"shiensochi_kubun":"0"`, `"shiensochi_kubun":"7"`)
		}
		s.SpoiltReason = wire.Unreadable
		return s
	})
}

func TestLookupByPersona(t *testing.T) {
	w := openTown(t)
	c := w.client(t, w.config, nil)
	people := w.city.People()
	for _, p := range people {
		answer, err := c.Lookup(t.Context(), question(p.AtenaNumber))
		if err != nil {
			t.Errorf("%s: %v", p.Key, err)
			continue
		}
		if string(answer.Outcome) != p.Outcomes.Residents {
			t.Errorf("%s: outcome %s, want %s", p.Key, answer.Outcome, p.Outcomes.Residents)
		}
		if answer.Outcome == ledger.Found && (len(answer.Persons) == 0 || string(answer.Persons[0].Person) != p.AtenaNumber) {
			t.Errorf("%s: the person asked about does not come first", p.Key)
		}
	}
	t.Logf("%d personas looked up", len(people))
}

func TestAdultsOfTheHousehold(t *testing.T) {
	w := openTown(t)
	c := w.client(t, w.config, nil)
	p := w.persona(t, "child", "-protected")
	adults, child, err := c.Adults(t.Context(), ledger.Question{Person: ledger.AtenaNumber(p.AtenaNumber), On: time.Now()})
	if err != nil || !child || slices.Contains(adults, ledger.AtenaNumber(p.AtenaNumber)) {
		t.Errorf("child: got %d adults, child %v, %v", len(adults), child, err)
	}
	g := w.persona(t, "guardian", "-protected")
	if _, child, err = c.Adults(t.Context(), ledger.Question{Person: ledger.AtenaNumber(g.AtenaNumber), On: time.Now()}); err != nil || child {
		t.Errorf("guardian: child %v, %v", child, err)
	}
	stranger := w.persona(t, "non-resident")
	if _, _, err = c.Adults(t.Context(), ledger.Question{Person: ledger.AtenaNumber(stranger.AtenaNumber), On: time.Now()}); !fault.Is(err, fault.NotFound) {
		t.Errorf("a person who is no resident: got %v, want not found", err)
	}
}

// Every persona at once: over a hundred persons are asked about in several requests.
func TestProtectionByPersona(t *testing.T) {
	w := openTown(t)
	c := w.client(t, w.config, nil)
	people := w.city.People()
	var all []ledger.AtenaNumber
	for range mostProtected/len(people) + 1 {
		for _, p := range people {
			all = append(all, ledger.AtenaNumber(p.AtenaNumber))
		}
	}
	read, err := c.Protection(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range people {
		got := read.Conceals(ledger.AtenaNumber(p.AtenaNumber))
		want := ""
		if slices.Contains(p.Tags, "protected") && !slices.Contains(p.Tags, "non-resident") {
			want = ledger.ConcealProtected
		}
		if got != want {
			t.Errorf("%s %v: concealed for %q, want %q", p.Key, p.Tags, got, want)
		}
	}
	if read, err := c.Protection(t.Context(), nil); err != nil || len(read) != 0 {
		t.Errorf("nobody asked about: %v, %v", read, err)
	}
}

// 支援措置 fails alone: the registry still answers.
func TestProtectionFailsAlone(t *testing.T) {
	w := openTown(t)
	p := w.persona(t, "child", "-protected")
	if err := sandbox.SetFault(t.Context(), w.dir, sandbox.Protection, "refuse", time.Minute); err != nil {
		t.Fatal(err)
	}
	c := w.client(t, hasty(w.config), nil)
	for range 3 {
		if read, err := c.Protection(t.Context(), []ledger.AtenaNumber{ledger.AtenaNumber(p.AtenaNumber)}); !fault.Is(err, fault.Unavailable) || read != nil {
			t.Fatalf("protection: got %v, %v", read, err)
		}
	}
	if _, err := c.Lookup(t.Context(), question(p.AtenaNumber)); err != nil {
		t.Errorf("the registry: %v", err)
	}
	for _, b := range c.Breakers() {
		if want := map[string]wire.State{"residents": wire.Closed, "protection": wire.Open}[b.Target]; b.State != want {
			t.Errorf("breaker %s: got %v, want %v", b.Target, b.State, want)
		}
	}
}
