package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	cp932 "golang.org/x/text/encoding/japanese"
)

// A spelling is one form in which a value may stand in bytes.
type spelling struct {
	form  string
	bytes []byte
}

// spellings gives every form in which a value is searched for.
func spellings(value string) []spelling {
	all := []spelling{
		{"UTF-8", []byte(value)},
		{`\u`, []byte(escaped(value, `\u%04x`))},
		{`\u upper case`, []byte(escaped(value, `\u%04X`))},
		{"percent", []byte(percent(value, "%%%02X"))},
		{"percent lower case", []byte(percent(value, "%%%02x"))},
	}
	for shift := range 3 {
		all = append(all, spelling{fmt.Sprintf("base64 +%d", shift), aligned(base64.StdEncoding, value, shift)},
			spelling{fmt.Sprintf("base64url +%d", shift), aligned(base64.URLEncoding, value, shift)})
	}
	if b, err := cp932.ShiftJIS.NewEncoder().Bytes([]byte(value)); err == nil { // 外字 and IVS have no CP932
		all = append(all, spelling{"CP932", b})
	}
	return all
}

// escaped writes what is not ASCII as JSON escapes, beyond the first plane as two.
func escaped(value, form string) string {
	var b strings.Builder
	for _, r := range value {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r >= 0x10000:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, form+form, high, low)
		default:
			fmt.Fprintf(&b, form, r)
		}
	}
	return b.String()
}

// percent writes every byte that is not unreserved as an URL does.
func percent(value, form string) string {
	var b strings.Builder
	for _, c := range []byte(value) {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, form, c)
		}
	}
	return b.String()
}

// aligned gives the characters of base64 that do not depend on what stands around the
// value, where shift bytes of the group of three come before it.
func aligned(enc *base64.Encoding, value string, shift int) []byte {
	coded := enc.EncodeToString(append(make([]byte, shift), value...))
	return []byte(coded[(shift*8+5)/6 : (shift+len(value))*8/6])
}

// needle is one spelling of one value of somebody.
type needle struct {
	whose, what string
	spelling
}

// search finds many needles in one pass, by their first bytes.
type search struct {
	byHead map[[headBytes]byte][]needle
	count  int
}

const headBytes = 6

func newSearch() *search { return &search{byHead: map[[headBytes]byte][]needle{}} }

// add searches for a value from now on; an empty one is no value.
func (s *search) add(t testing.TB, whose, what, value string) {
	t.Helper()
	if value == "" {
		return
	}
	for _, form := range spellings(value) {
		if len(form.bytes) < headBytes {
			t.Fatalf("%s of %s in %s is too short to be searched for", what, whose, form.form)
		}
		head := [headBytes]byte(form.bytes)
		if slices.ContainsFunc(s.byHead[head], func(n needle) bool { return bytes.Equal(n.bytes, form.bytes) }) {
			continue
		}
		s.byHead[head] = append(s.byHead[head], needle{whose, what, form})
		s.count++
	}
}

// in gives what stands in the bytes, each once.
func (s *search) in(content []byte) []string {
	var found []string
	for i := 0; i+headBytes <= len(content); i++ {
		for _, n := range s.byHead[[headBytes]byte(content[i:i+headBytes])] {
			if line := fmt.Sprintf("%s of %s in %s", n.what, n.whose, n.form); bytes.HasPrefix(content[i:], n.bytes) && !slices.Contains(found, line) {
				found = append(found, line)
			}
		}
	}
	return found
}

// personal is the search for everything personal of the people but their 宛名番号.
func personal(t testing.TB, people []persona) *search {
	t.Helper()
	s := newSearch()
	without := strings.NewReplacer("　", "", " ", "", "-", "")
	for _, p := range people {
		for what, value := range map[string]string{"name": p.Name, "kana": p.Kana, "alias": p.Alias, "phone": p.Phone} {
			s.add(t, p.Key, what, value)
			s.add(t, p.Key, what+" without separators", without.Replace(value))
		}
		_, local, _ := strings.Cut(p.Address, "市")
		s.add(t, p.Key, "address", local) // the whole address contains it
		s.add(t, p.Key, "方書", p.Extra)
		s.add(t, p.Key, "individual number", p.Individual)
	}
	return s
}

// numbers is the search for the people's 宛名番号.
func numbers(t testing.TB, people []persona) *search {
	t.Helper()
	s := newSearch()
	for _, p := range people {
		s.add(t, p.Key, "宛名番号", p.Atena)
	}
	return s
}

// TestSearchFindsWhatIsPlanted plants values as other programs would write them, each
// form at every alignment, and sees that the search finds them.
func TestSearchFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	who := persona{
		Key: "somebody", Name: "架空　花子", Kana: "カクウ　ハナコ", Alias: "架空　華", Phone: "000-0000-0107", Individual: "000314749537",
		Address: "架空県架空市幻灯町三丁目12番5号", Extra: "幻灯ハイツ101号室", Atena: "2300000056",
	}
	all := personal(t, []persona{who})
	atena := numbers(t, []persona{who})
	coder := cp932.ShiftJIS.NewEncoder()
	for what, value := range map[string]string{
		"name": who.Name, "name without separators": "架空花子", "kana": who.Kana, "kana without separators": "カクウハナコ",
		"alias": who.Alias, "address": who.Address, "方書": who.Extra, "phone": who.Phone, "phone without separators": "00000000107",
		"individual number": who.Individual, "宛名番号": who.Atena,
	} {
		planted := map[string]string{
			"UTF-8":   value,
			`\u`:      escaped(value, `\u%04x`),
			"percent": percent(value, "%%%02X"),
		}
		if b, err := coder.String(value); err == nil {
			planted["CP932"] = b
		} else {
			t.Errorf("%s has no CP932", what)
		}
		for before := range 4 {
			for after := range 3 {
				text := []byte(strings.Repeat("x", before) + value + strings.Repeat("y", after))
				planted[fmt.Sprintf("base64 %d %d", before, after)] = base64.StdEncoding.EncodeToString(text)
				planted[fmt.Sprintf("base64url %d %d", before, after)] = base64.RawURLEncoding.EncodeToString(text)
			}
		}
		for form, text := range planted {
			content := []byte("junk before " + text + " and after")
			found := append(all.in(content), atena.in(content)...)
			if !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, what+" of somebody") }) {
				t.Errorf("%s in %s is not found: %q", what, form, found)
			}
		}
	}
	if found := all.in([]byte("nothing personal 2300000056 at all")); len(found) > 0 {
		t.Errorf("found where nothing is: %q", found)
	}
}
