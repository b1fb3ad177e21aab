package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kakehashi/internal/audit"
)

// checkedProof is what audit check prints with --json.
type checkedProof struct {
	OK      bool   `json:"ok"`
	Reason  string `json:"reason"`
	Lookup  string `json:"lookup_id"`
	Sealed  int64  `json:"sealed"`
	Entries []struct {
		Entry string `json:"entry"`
		Kind  string `json:"kind"`
		Actor struct {
			Staff string `json:"staff"`
		} `json:"actor"`
		At       string `json:"at"`
		Subjects []struct {
			Atena string `json:"atena_number"`
		} `json:"subjects"`
	} `json:"entries"`
}

// publicKeyOf gives where the folder's public key lies.
func publicKeyOf(dir string) string { return filepath.Join(dir, "keys", audit.PublicKeyName) }

func checkProof(t *testing.T, file, key string) (int, checkedProof) {
	t.Helper()
	r := kakehashi(t, "audit", "check", file, "--public-key", key, "--json")
	var c checkedProof
	if err := json.Unmarshal([]byte(r.out), &c); err != nil {
		t.Fatalf("audit check: %d %q %s", r.code, r.out, r.err)
	}
	return r.code, c
}

// TestALookupIsProvedWithoutTheGateway makes a proof, takes it and the public key away, and
// checks it where no gateway and no folder is.
func TestALookupIsProvedWithoutTheGateway(t *testing.T) {
	dir, away := t.TempDir(), t.TempDir()
	p := startDemo(t, dir)
	who := askable(personas(t, dir))[0]
	a, _ := p.lookup(token(t, dir, "case-worker"), who)
	file := filepath.Join(away, "proof.json")
	if r := kakehashi(t, "audit", "proof", "--dir", dir, "--lookup-id", "Q-261124-2222-2222"); r.code != exitData {
		t.Errorf("a lookup that never was: %d %s", r.code, r.err)
	}
	eventually(t, 10*time.Second, "everything sealed", func() bool {
		v, _ := verify(t, dir)
		return v.Unproved == 0
	})
	if r := kakehashi(t, "audit", "proof", "--dir", dir, "--lookup-id", a.LookupID, "--out", file); r.code != exitOK || r.out != "" {
		t.Fatalf("audit proof: %d %q %s", r.code, r.out, r.err)
	}
	if r := kakehashi(t, "audit", "proof", "--dir", dir, "--lookup-id", a.LookupID, "--out", file); r.code != exitUsage {
		t.Errorf("over a file that exists: %d %s", r.code, r.err)
	}
	piped := kakehashi(t, "audit", "proof", "--dir", dir, "--lookup-id", a.LookupID)
	if piped.code != exitOK || !strings.HasPrefix(piped.out, `{"checkpoint":`) {
		t.Errorf("without --out: %d %.60q %s", piped.code, piped.out, piped.err)
	}
	key := filepath.Join(away, "public.key")
	public, err := os.ReadFile(publicKeyOf(dir))
	if err == nil {
		err = os.WriteFile(key, public, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	read := kakehashi(t, "audit", "search", "--dir", dir, "--kind", "read", "--json")
	if strings.Count(read.out, a.LookupID) < 2 {
		t.Errorf("that the lookup was proved is not recorded: %s", read.out)
	}
	if got, err := p.post("/v1/record/proof", token(t, dir, "case-worker"), map[string]any{"lookup_id": a.LookupID}); err != nil || got.status != 403 {
		t.Errorf("a case worker proves: %d, %v", got.status, err)
	}
	if code := p.stop(); code != exitOK {
		t.Errorf("stop: %d", code)
	}
	code, c := checkProof(t, file, key)
	if code != exitOK || !c.OK || c.Lookup != a.LookupID || c.Sealed == 0 || len(c.Entries) != 2 ||
		c.Entries[0].Kind != "intent" || c.Entries[1].Kind != "outcome" || c.Entries[1].Subjects[0].Atena != who.Atena {
		t.Errorf("audit check: %d %+v", code, c)
	}
	plain := kakehashi(t, "audit", "check", file, "--public-key", key)
	for _, words := range []string{"成り立ちます", a.LookupID, "職員 " + c.Entries[0].Actor.Staff, who.Atena, "目的"} {
		if plain.code != exitOK || !strings.Contains(plain.out, words) {
			t.Errorf("%q is not said: %d\n%s", words, plain.code, plain.out)
		}
	}
	spoilProof(t, file, key, away)
}

// spoilProof breaks a proof in ways of which each is to be refused with its reason.
func spoilProof(t *testing.T, file, key, away string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	if r := kakehashi(t, "init", "--dir", other, "--municipality", "112127", "--name", "東松山市"); r.code != exitOK {
		t.Fatalf("init: %d %s", r.code, r.err)
	}
	broken := filepath.Join(away, "broken.json")
	edit := func(edit func(map[string]any)) []byte {
		var v map[string]any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		edit(v)
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	first := func(v map[string]any) map[string]any { return v["entries"].([]any)[0].(map[string]any) }
	for name, c := range map[string]struct {
		text   []byte
		key    string
		reason string
	}{
		"staff":       {edit(func(v map[string]any) { first(v)["staff"] = "9999" }), key, "entry"},
		"other city":  {text, publicKeyOf(other), "checkpoint"},
		"half":        {text[:len(text)/2], key, "form"},
		"nothing":     {edit(func(v map[string]any) { v["entries"] = []any{} }), key, "empty"},
		"checkpoint":  {edit(func(v map[string]any) { v["checkpoint"] = "x" }), key, "checkpoint"},
		"more":        {edit(func(v map[string]any) { v["note"] = "x" }), key, "form"},
		"empty":       {nil, key, "form"},
		"entry twice": {edit(func(v map[string]any) { v["entries"] = []any{first(v), first(v)} }), key, "order"},
	} {
		if err := os.WriteFile(broken, c.text, 0o600); err != nil {
			t.Fatal(err)
		}
		if code, got := checkProof(t, broken, c.key); code != exitRecord || got.OK || got.Reason != c.reason || got.Lookup != "" {
			t.Errorf("%s: %d %+v, want %d and %q", name, code, got, exitRecord, c.reason)
		}
		if r := kakehashi(t, "audit", "check", broken, "--public-key", c.key); r.code != exitRecord || !strings.Contains(r.out, "成り立ちません") {
			t.Errorf("%s: %d %s %s", name, r.code, r.out, r.err)
		}
	}
	for _, args := range [][]string{{"no such file", "--public-key", key}, {file, "--public-key", "no such file"}, {file, "--public-key", file}, {file}, {}} {
		if r := kakehashi(t, append([]string{"audit", "check"}, args...)...); r.code != exitUsage {
			t.Errorf("audit check %v: %d %s", args, r.code, r.err)
		}
	}
}
