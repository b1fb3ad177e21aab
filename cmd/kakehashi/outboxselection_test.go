package main

import (
	"testing"

	"github.com/go-json-experiment/json"
)

// What nobody typed is not sent: a count of 0 is refused. A filter without conditions is
// sent, since it means everything.
func TestSelectionSaysWhatWasTyped(t *testing.T) {
	for want, sel := range map[string]selection{
		`{"ids":["C-A"],"reason":"r"}`:                  {IDs: []string{"C-A"}, Reason: "r"},
		`{"where":{},"reason":"r","count":3}`:           {Where: &map[string]string{}, Reason: "r", Count: 3},
		`{"where":{"cause":"rejected"},"dry_run":true}`: {Where: &map[string]string{"cause": "rejected"}, DryRun: true},
	} {
		got, err := json.Marshal(sel)
		if err != nil || string(got) != want {
			t.Errorf("got %s (%v), want %s", got, err, want)
		}
	}
}
