package mapping_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kakehashi/internal/ledger"
	"kakehashi/mapping"
)

func letters() mapping.AddressLetters {
	return mapping.AddressLetters{System: "K01", Tables: mapping.Default()}
}

// identity is the person whom the numbering of every case is about.
func identity() ledger.Identity {
	return ledger.Identity{
		Name: "架空　星子", Kana: "カクウ　ホシコ", BirthDate: ledger.Date{Year: 1988, Month: 5, Day: 3}, Sex: "女", Address: "別県別市月見町1-2-3 コーポ夜空101",
	}
}

// told gives the change that every case under receipt-* and confirm-* is about.
func told(kind ledger.ChangeKind) ledger.Change {
	c := ledger.Change{
		ID: "C-1", Kind: kind, Record: "B-1", Version: 3, Person: "P-1", Atena: asked, Number: "20000017",
		Operator: "10482", At: moment(),
	}
	switch kind {
	case ledger.Numbering:
		c.Atena, c.Identity = "", identity()
	case ledger.MailingChange:
		c.Mailing = ledger.MailingAddress{Name: "架空　花子", PostalCode: "0001234", Address: "別県別市月見町9", Extra: "コーポ夜空101", From: ledger.Date{Year: 2026, Month: 12, Day: 1}}
	}
	return c
}

// letterOf writes the letter of a change.
func letterOf(c ledger.Change) ([]byte, error) {
	switch c.Kind {
	case ledger.Numbering:
		return letters().Numbering(c)
	case ledger.PersonUse:
		return letters().Use(c)
	default:
		return letters().Mailing(c)
	}
}

// TestLetters writes the letter of each change under testdata/letters, which says what is
// different from told, and holds it against the file beside it.
func TestLetters(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join("testdata", "letters", "*.json"))
	if err != nil || len(cases) < 15 {
		t.Fatalf("%d cases, want at least 15 (%v)", len(cases), err)
	}
	for _, path := range cases {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			kind, _, _ := strings.Cut(name, "-")
			c := told(map[string]ledger.ChangeKind{
				"numbering": ledger.Numbering, "use": ledger.PersonUse, "mailing": ledger.MailingChange,
			}[kind])
			if err := json.Unmarshal(text, &c); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			letter, err := letterOf(c)
			if err != nil {
				tellError(&out, err)
			} else {
				var items map[string]string // every item of the interface is a text
				if err := json.Unmarshal(letter, &items); err != nil {
					t.Fatalf("%v in %s", err, letter)
				}
				fmt.Fprintf(&out, "%s\n", strings.ReplaceAll(string(letter), `","`, "\",\n\""))
			}
			if again, _ := letterOf(c); string(again) != string(letter) {
				t.Error("the same change gave two letters")
			}
			checkName(t, out.String())
			golden(t, strings.TrimSuffix(path, ".json")+".golden", out.String())
		})
	}
}

// TestReceipts reads each reply under testdata/receipt-* and testdata/confirm-*.
func TestReceipts(t *testing.T) {
	receipt := func(out *strings.Builder, r ledger.Receipt, err error) {
		if err != nil {
			tellError(out, err)
			return
		}
		fmt.Fprintf(out, "took effect, number %q\n", r.Atena)
	}
	letter := func(kind ledger.ChangeKind) []byte {
		body, err := letterOf(told(kind))
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	for folder, read := range map[string]func(*strings.Builder, []byte){
		"receipt-numbering": func(out *strings.Builder, body []byte) {
			r, err := mapping.NumberingReceipt(body)
			receipt(out, r, err)
		},
		"receipt-use": func(out *strings.Builder, body []byte) {
			r, err := mapping.UseReceipt(body, letter(ledger.PersonUse))
			receipt(out, r, err)
		},
		"receipt-mailing": func(out *strings.Builder, body []byte) {
			r, err := mapping.MailingReceipt(body, letter(ledger.MailingChange))
			receipt(out, r, err)
		},
		"confirm-use": func(out *strings.Builder, body []byte) {
			receipt(out, ledger.Receipt{}, letters().ConfirmUse(body, told(ledger.PersonUse)))
		},
		"confirm-mailing": func(out *strings.Builder, body []byte) {
			receipt(out, ledger.Receipt{}, letters().ConfirmMailing(body, told(ledger.MailingChange)))
		},
		"confirm-numbering": func(out *strings.Builder, body []byte) {
			r, err := letters().ConfirmNumbering(body, told(ledger.Numbering))
			receipt(out, r, err)
		},
	} {
		cases, err := filepath.Glob(filepath.Join("testdata", folder, "*.json"))
		if err != nil || len(cases) < 5 {
			t.Fatalf("%s: %d cases, want at least 5 (%v)", folder, len(cases), err)
		}
		for _, path := range cases {
			t.Run(folder+"/"+strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
				body, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				var out strings.Builder
				read(&out, body)
				checkName(t, out.String())
				golden(t, strings.TrimSuffix(path, ".json")+".golden", out.String())
			})
		}
	}
}

func TestRequestsToAskBack(t *testing.T) {
	numbering, err := letters().AskNumbering(told(ledger.Numbering))
	if err != nil {
		t.Fatal(err)
	}
	const ours = `{"atenabango":"1000000101","gyomuid":"000","dokujishisakushisutemutoid":"K01"`
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{letters().AskUse(told(ledger.PersonUse)), ours + `}`},
		{letters().AskMailing(told(ledger.MailingChange)), ours + `,"kanribango":"20000017"}`},
		{numbering, `{"shimei_kana":"カクウホシコ","seinengappi_kaishi":"1988-05-03","seinengappi_shuryo":"1988-05-03","setaibango":"","jusho":"","kojinbango":"","kensujogen":"100"}`},
	} {
		if string(c.got) != c.want {
			t.Errorf("got  %s\nwant %s", c.got, c.want)
		}
	}
}

// A search that comes back full may hide the one who is looked for.
func TestAFullSearchConfirmsNothing(t *testing.T) {
	one, err := os.ReadFile(filepath.Join("testdata", "confirm-numbering", "nobody-alike.json"))
	if err != nil {
		t.Fatal(err)
	}
	var reply struct {
		Result []map[string]string `json:"result"`
	}
	if err := json.Unmarshal(one, &reply); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{99, 100} {
		full := struct {
			Result []map[string]string `json:"result"`
		}{}
		for i := range n {
			record := maps.Clone(reply.Result[0])
			record["atenabango"] = fmt.Sprint(2_000_000_000 + i)
			full.Result = append(full.Result, record)
		}
		body, err := json.Marshal(full)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		_, err = letters().ConfirmNumbering(body, told(ledger.Numbering))
		tellError(&out, err)
		want := map[int]string{99: "error not_found not_there:", 100: "error unsure several_numbers: KKH2212"}[n]
		if !strings.HasPrefix(out.String(), want) {
			t.Errorf("%d rows: %s", n, out.String())
		}
	}
}

// The moment of a letter is the change's own, in Japan, however the change spells it.
func TestTheMomentOfALetterIsTheChangesOwn(t *testing.T) {
	c := told(ledger.PersonUse)
	c.At = time.Date(2026, 12, 31, 15, 0, 1, 999, time.UTC)
	here, err := letterOf(c)
	if err != nil {
		t.Fatal(err)
	}
	c.At = c.At.In(time.FixedZone("", -3600))
	there, err := letterOf(c)
	if err != nil || string(here) != string(there) || !strings.Contains(string(here), `"sosanengappi":"2027-01-01","sosajikoku":"00:00:01"`) {
		t.Errorf("got %s and %s, %v", here, there, err)
	}
}
