package audit

import (
	"encoding/json"
	"fmt"
	"testing"

	"kakehashi/internal/fault"
)

func TestProofHoldsAndBreaks(t *testing.T) {
	h := newHouse(t)
	h.start()
	for i := range 9 {
		h.ask(fmt.Sprint("Q-", i))
		h.settle()
	}
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
		if err := CheckProof(p, public); err != nil || len(p.Entries) != 2 {
			t.Errorf("Q-%d: %v, %d entries", i, err, len(p.Entries))
		}
		for name, breakIt := range map[string]func(*Proof){
			"staff":      func(p *Proof) { p.Entries[0].Staff = "K9" },
			"subjects":   func(p *Proof) { p.Entries[1].Subjects += "1" },
			"position":   func(p *Proof) { p.Entries[0].Position++ },
			"path":       func(p *Proof) { p.Entries[0].Path[0][3] ^= 1 },
			"checkpoint": func(p *Proof) { p.Checkpoint = p.Checkpoint[1:] },
			"nothing":    func(p *Proof) { p.Entries = nil },
		} {
			broken, err := ParseProof(text)
			if err != nil {
				t.Fatal(err)
			}
			breakIt(&broken)
			if err := CheckProof(broken, public); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: got %v, want Invalid", name, err)
			}
		}
	}
	if _, err := h.log.Proof(t.Context(), "none"); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v, want NotFound", err)
	}
	h.stop()
}
