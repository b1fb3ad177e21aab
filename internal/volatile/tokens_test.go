package volatile

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTokensServeUntilTheyExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := NewTokens()
		store.Put("a", Token{Value: "one", Expires: time.Now().Add(time.Minute)})
		if got, ok := store.Get("a"); !ok || got.Value != "one" {
			t.Fatalf("Get: got %q, %v; want one, true", got.Value, ok)
		}
		if _, ok := store.Get("b"); ok {
			t.Error("Get of another key: got a token")
		}
		pass(time.Minute)
		if _, ok := store.Get("a"); ok {
			t.Error("Get at the moment of expiry: got a token")
		}
		store.Put("b", Token{Value: "two", Expires: time.Now().Add(time.Minute)})
		if len(store.held) != 1 {
			t.Errorf("held after Put: got %d tokens, want the fresh one alone", len(store.held))
		}
	})
}

func TestDropSparesWhatWasRenewed(t *testing.T) {
	store := NewTokens()
	store.Put("a", Token{Value: "new", Expires: time.Now().Add(time.Minute)})
	store.Drop(t.Context(), "a", Token{Value: "old"})
	if _, ok := store.Get("a"); !ok {
		t.Error("Drop of the old value took the new token")
	}
	store.Drop(t.Context(), "a", Token{Value: "new"})
	if _, ok := store.Get("a"); ok {
		t.Error("Drop left the token")
	}
}

func TestTokenNeverPrintsItself(t *testing.T) {
	token := Token{Value: "geheim"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", token)
	for _, text := range []string{fmt.Sprint(token), fmt.Sprintf("%+v", token), fmt.Sprintf("%#v", token), log.String()} {
		if strings.Contains(text, "geheim") {
			t.Errorf("the token stands in %q", text)
		}
	}
}

// pass lets time go by on the bubble's clock.
func pass(d time.Duration) { <-time.After(d) }
