package audit

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"kakehashi/internal/fault"
)

func TestProofHoldsAndBreaks(t *testing.T) { onEngines(t, proofHoldsAndBreaks) }

func proofHoldsAndBreaks(t *testing.T, h *house) {
	h.start()
	for i := range 9 {
		h.ask(fmt.Sprint("Q-", i))
		h.settle()
	}
	h.ask("other")
	h.settle()
	public, err := readKey(h.cfg.PublicKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 9 {
		p, err := h.log.Proof(t.Context(), fmt.Sprint("Q-", i))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if p, err = ParseProof(text); err != nil {
			t.Fatal(err)
		}
		got, err := CheckProof(p, public)
		if err != nil || len(got.Entries) != 2 || got.Lookup != fmt.Sprint("Q-", i) || time.Since(got.SealedAt) > time.Hour ||
			got.Entries[1].Entry.Kind != Outcome || len(got.Entries[1].Entry.Subjects) != 2 {
			t.Errorf("Q-%d: %v, %+v", i, err, got)
		}
		for name, breakIt := range map[string]func(*Proof){
			"staff":      func(p *Proof) { p.Entries[0].Staff = "K9" },
			"subjects":   func(p *Proof) { p.Entries[1].Subjects += "1" },
			"position":   func(p *Proof) { p.Entries[0].Position++ },
			"path":       func(p *Proof) { p.Entries[0].Path[0][3] ^= 1 },
			"checkpoint": func(p *Proof) { p.Checkpoint = p.Checkpoint[1:] },
			"nothing":    func(p *Proof) { p.Entries = nil },
			"twice":      func(p *Proof) { p.Entries[1] = p.Entries[0] },
			"two lookups": func(p *Proof) {
				other, err := h.log.Proof(t.Context(), "other")
				if err != nil || other.Checkpoint != p.Checkpoint {
					t.Fatal(err)
				}
				p.Entries = append(p.Entries, other.Entries...)
			},
		} {
			broken, err := ParseProof(text)
			if err != nil {
				t.Fatal(err)
			}
			breakIt(&broken)
			if got, err := CheckProof(broken, public); !fault.Is(err, fault.Invalid) || got.Lookup != "" {
				t.Errorf("%s: got %v, want Invalid", name, err)
			}
		}
	}
	if _, err := h.log.Proof(t.Context(), "none"); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v, want NotFound", err)
	}
	h.stop()
}
