package mapping

import (
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// codeLetter is the message number of a change of which no letter can be made.
const codeLetter = "KKH2211"

// noBusiness is 業務ID of a system of a city's own, which has none (API74).
const noBusiness = "000"

// AddressLetters writes what the unified address system is told of a change. Everything in
// a letter is the change's own, operator, date and time included, so that a repeat is the
// same bytes.
type AddressLetters struct {
	System string  // 独自施策システム等ID, ours
	Tables *Tables // for the code of a sex
}

// operation holds the items that every write carries.
type operation struct {
	Gyomuid                    string `json:"gyomuid"`
	Dokujishisakushisutemutoid string `json:"dokujishisakushisutemutoid"`
	Sosashaid                  string `json:"sosashaid"`
	Sosanengappi               string `json:"sosanengappi"`
	Sosajikoku                 string `json:"sosajikoku"`
}

// jutogaishaatenabangofuban asks for the 宛名番号 of a 住登外者.
type jutogaishaatenabangofuban struct {
	Shimei                  string `json:"shimei"`
	ShimeiKana              string `json:"shimei_kana"`
	Seinengappi             string `json:"seinengappi"`
	SeinengappiFushofuragu  string `json:"seinengappi_fushofuragu"`
	SeinengappiFushohyoki   string `json:"seinengappi_fushohyoki"`
	Seibetsu                string `json:"seibetsu"`
	Jusho                   string `json:"jusho"`
	Kojinbango              string `json:"kojinbango"` // never by us
	Tagyomusanshofukafuragu string `json:"tagyomusanshofukafuragu"`
	operation
}

// gyomuriyotoroku tells that this business uses a person's data.
type gyomuriyotoroku struct {
	Atenabango string `json:"atenabango"`
	operation
}

// sofusakitoroku tells where letters go.
type sofusakitoroku struct {
	Atenabango     string `json:"atenabango"`
	Kanribango     string `json:"kanribango"`
	Rirekibango    string `json:"rirekibango"`
	SofusakiMeisho string `json:"sofusaki_meisho"`
	Yubinbango     string `json:"yubinbango"`
	Jusho          string `json:"jusho"`
	Katagaki       string `json:"katagaki"`
	Tekiyokaishibi string `json:"tekiyokaishibi"`
	operation
}

// Numbering asks the unified address system for a number (jutogaishaatenabangofuban). It is
// Invalid for a change that lacks what the interface requires.
func (l AddressLetters) Numbering(c ledger.Change) ([]byte, error) {
	op, err := l.operation(c)
	if err != nil {
		return nil, err
	}
	sex, ok := l.Tables.code(tableSex, c.Identity.Sex)
	kana := katakana(c.Identity.Kana)
	switch {
	case !ok:
		return nil, noLetter("the sex has no code")
	case c.Identity.Name == "" || c.Identity.Address == "" || !isKatakana(KanaKey(kana)):
		return nil, noLetter("the identity is not whole")
	case c.Identity.BirthDate.Precision() != "day" || !c.Identity.BirthDate.Valid():
		return nil, noLetter("the birth date is no day")
	}
	return request(jutogaishaatenabangofuban{
		Shimei: c.Identity.Name, ShimeiKana: kana, Seinengappi: c.Identity.BirthDate.String(), SeinengappiFushofuragu: "0",
		Seibetsu: sex, Jusho: c.Identity.Address, Tagyomusanshofukafuragu: "0", operation: op,
	}), nil
}

// Use tells the unified address system that this business uses the person
// (gyomuriyotoroku). It is Invalid for a person without a number.
func (l AddressLetters) Use(c ledger.Change) ([]byte, error) {
	op, err := l.operation(c)
	if err == nil && c.Atena == "" {
		err = noLetter("the person has no number yet")
	}
	if err != nil {
		return nil, err
	}
	return request(gyomuriyotoroku{Atenabango: string(c.Atena), operation: op}), nil
}

// Mailing tells the unified address system where letters go (sofusakitoroku), under the
// beneficiary's number and version. It is Invalid for a change that lacks one of them.
func (l AddressLetters) Mailing(c ledger.Change) ([]byte, error) {
	op, err := l.operation(c)
	m := c.Mailing
	switch {
	case err != nil:
		return nil, err
	case c.Atena == "":
		return nil, noLetter("the person has no number yet")
	case c.Number == "" || c.Version < 1:
		return nil, noLetter("the beneficiary has no number or no version")
	case m.Address == "" || m.From.Precision() != "day" || !m.From.Valid():
		return nil, noLetter("the mailing address lacks its text or its first day")
	}
	return request(sofusakitoroku{
		Atenabango: string(c.Atena), Kanribango: string(c.Number), Rirekibango: strconv.Itoa(c.Version),
		SofusakiMeisho: m.Name, Yubinbango: m.PostalCode, Jusho: m.Address, Katagaki: m.Extra,
		Tekiyokaishibi: m.From.String(), operation: op,
	}), nil
}

// mostOperator is the most characters that 操作者ID has (API74, X10).
const mostOperator = 10

// operation gives the items that every write carries: who made the change, and when, in
// Japan.
func (l AddressLetters) operation(c ledger.Change) (operation, error) {
	operator := strings.Map(func(r rune) rune {
		if notGraph(r) {
			return -1
		}
		return r
	}, c.Operator)
	if operator == "" || c.At.IsZero() {
		return operation{}, noLetter("it is not known who made the change, or when")
	}
	at := c.At.In(jst())
	return operation{
		Gyomuid: noBusiness, Dokujishisakushisutemutoid: l.System, Sosashaid: operator[:min(len(operator), mostOperator)],
		Sosanengappi: at.Format("2006-01-02"), Sosajikoku: at.Format("15:04:05"),
	}, nil
}

// katakana writes a reading as the interface wants it: full-width katakana, voiced marks
// composed, one full-width space between the parts. Small kana stay small: the neighbour
// keeps it as the person's reading.
func katakana(s string) string {
	wide := strings.Join(strings.Fields(width.Widen.String(s)), "\u3000")
	return norm.NFC.String(strings.Map(func(r rune) rune {
		switch {
		case r == '゛':
			return '\u3099'
		case r == '゜':
			return '\u309A'
		case (r >= 'ぁ' && r <= 'ゖ') || r == 'ゝ' || r == 'ゞ':
			return r + 'ァ' - 'ぁ'
		default:
			return r
		}
	}, wide))
}

// noLetter is the error for a change of which no letter can be made.
func noLetter(what string) error {
	return fault.New(fault.Invalid, "write to the unified address system: %s", what).WithCode(codeLetter)
}
