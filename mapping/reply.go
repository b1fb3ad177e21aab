package mapping

import (
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// Why a reply is of no use: reasons of fault.Unavailable, and their message numbers.
const (
	reasonUnreadable  = "unreadable"
	reasonUnknownCode = "unknown_code"
	codeUnreadable    = "KKH2151" // a neighbour's reply cannot be read
	codeUnknownCode   = "KKH2152" // a neighbour's reply holds a code that its table lacks
)

// unreadable makes the error for a reply that does not say what its interface promises.
// The format may name items and places, never a value.
func unreadable(system ledger.System, format string, args ...any) error {
	return fault.New(fault.Unavailable, "read the reply of "+string(system)+": "+format, args...).
		WithReason(reasonUnreadable).WithCode(codeUnreadable)
}

// text is one item of a record. It tells an item that is empty from one that is missing:
// items are always strings, and "" where there is no value.
type text struct {
	value string
	given bool
}

// UnmarshalJSONFrom takes a string and nothing else.
func (t *text) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	token, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() != '"' {
		return errors.New("the item is not a string") // decode says it in its own words
	}
	t.value, t.given = token.String(), true
	return nil
}

// item is one item of a record with its name, for checking.
type item struct {
	name string
	text text
}

// decode reads the records of a reply: its result, and each of the items that every
// record must have. It says nothing of what the JSON library found, whose errors quote.
func decode[R any](system ledger.System, body []byte, items func(*R) []item) ([]R, error) {
	var reply struct {
		Result []R `json:"result"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return nil, unreadable(system, "not the JSON that was agreed")
	}
	if reply.Result == nil {
		return nil, unreadable(system, "no result")
	}
	for i := range reply.Result {
		for _, it := range items(&reply.Result[i]) {
			if !it.text.given {
				return nil, unreadable(system, "record %d lacks %s", i+1, it.name)
			}
			if strings.ContainsFunc(it.text.value, isBroken) {
				return nil, unreadable(system, "record %d: %s holds a broken character", i+1, it.name)
			}
		}
	}
	return reply.Result, nil
}

// isBroken tells whether r can stand in no item: a control character, or the mark that an
// earlier conversion leaves for a character it lost.
func isBroken(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }

// request spells a request. A struct of strings always can be.
func request(body any) []byte {
	b, _ := json.Marshal(body, jsontext.AllowInvalidUTF8(true))
	return b
}

// seen refuses a person who comes twice in one reply.
type seen map[ledger.AtenaNumber]bool

// add reads the 宛名番号 of record i (from 0).
func (s seen) add(system ledger.System, i int, number string) (ledger.AtenaNumber, error) {
	p := ledger.AtenaNumber(number)
	switch {
	case number == "" || len(number) > atenaLength:
		return "", unreadable(system, "record %d: atenabango is empty or too long", i+1)
	case s[p]:
		return "", unreadable(system, "record %d: a person comes twice", i+1)
	}
	s[p] = true
	return p, nil
}

// jst is the zone in which days and years of tax begin.
func jst() *time.Location { return time.FixedZone("JST", 9*60*60) }

// asOf gives the day, in Japan, of which a record is: its kijunnichiji.
func asOf(system ledger.System, i int, moment string) (string, error) {
	at, err := time.Parse(time.RFC3339, moment)
	if err != nil {
		return "", unreadable(system, "record %d: kijunnichiji is no moment", i+1)
	}
	return ledger.DateOf(at.In(jst())).String(), nil
}

// partialDate reads the three items of a date that may be 不詳: the date, the flag, and the
// words (不詳表記) that hold what is known when the flag is set. Words that no rule reads
// are kept as they are: they say something to people.
func partialDate(system ledger.System, i int, date, flag, words string) (ledger.Date, error) {
	switch flag {
	case "0":
		d, ok := ledger.ParseDate(date)
		if !ok || d.Precision() != "day" || date == openEnd {
			return ledger.Date{}, unreadable(system, "record %d: seinengappi is no day", i+1)
		}
		return d, nil
	case "1":
		if date != "" || words == "" {
			return ledger.Date{}, unreadable(system, "record %d: seinengappi, its flag and its words contradict", i+1)
		}
		read, ok := ledger.ReadDate(words)
		if !ok || read.Date.Precision() == "day" {
			return ledger.Date{Note: words}, nil
		}
		read.Date.Note = words
		return read.Date, nil
	default:
		return ledger.Date{}, unreadable(system, "record %d: seinengappi_fushofuragu is neither 0 nor 1", i+1)
	}
}

// The sentinels for a range without a beginning and without an end (ITEM56).
const (
	openStart = "0000-01-01"
	openEnd   = "9999-12-31"
)
