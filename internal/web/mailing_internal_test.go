package web

import "testing"

// What an input method makes of a postal code reads as the code.
func TestPostalCode(t *testing.T) {
	for _, typed := range []string{
		"1234567", "123-4567", "〒123-4567", "〒 123-4567", "１２３４５６７", "１２３－４５６７", "１２３‐４５６７", "123−4567", "１２３ー４５６７",
		"123ｰ4567", "123–4567", "123—4567", "123‑4567", "　123　4567 ", "123 4567",
	} {
		if got := postalCode(typed); got != "1234567" {
			t.Errorf("%q: got %q", typed, got)
		}
	}
	// What is no postal code is for the rules to refuse, as it was typed.
	for typed, want := range map[string]string{"": "", "123-456a": "123456a", "一二三": "一二三", "12.34": "12.34"} {
		if got := postalCode(typed); got != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}
