package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// rule says which characters an item may hold, and how the standard words it.
type rule struct {
	fits func(string) bool
	text string
}

// item is one item of a request, as the interface's text lists it.
type item struct {
	key, label string
	rule       rule
	length     int  // characters
	fixed      bool // exactly length of them, not at most
	required   bool
	most       int // of a list: how many there may be; 0: a single value
}

// values are the items of a request that keeps to the rules: a single value is a list of one.
type values map[string][]string

// one gives the value of a single item, "" where there is none.
func (v values) one(key string) string {
	if len(v[key]) == 0 {
		return ""
	}
	return v[key][0]
}

func alphanumeric() rule {
	return rule{func(s string) bool {
		return strings.IndexFunc(s, func(r rune) bool {
			return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		}) < 0
	}, "半角英数字"}
}

func digits() rule {
	return rule{func(s string) bool {
		return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
	}, "半角数字"}
}

func katakana() rule {
	return rule{func(s string) bool {
		return strings.IndexFunc(s, func(r rune) bool {
			return (r < 'ァ' || r > 'ヶ') && r != 'ー' && r != '・' && r != '　' && r != ' '
		}) < 0
	}, "全角カタカナ"}
}

// dates allows the open ends of a DATE.
func dates() rule {
	return rule{func(s string) bool { _, err := time.Parse(time.DateOnly, s); return err == nil }, "YYYY-MM-DD形式の日付"}
}

func anyText() rule {
	return rule{func(s string) bool { return strings.IndexFunc(s, unicode.IsControl) < 0 }, "制御文字を含まない文字列"}
}

// check reads a request's body strictly: an item that the list does not name is wrong,
// like a missing one, and everything wrong is told at once.
func check(body []byte, items []item) (values, []wrong) {
	raw, err := decode(body)
	if err != nil {
		return nil, []wrong{{codeCharacters, "【リクエスト】は【定義された項目だけのJSON】で設定してください。"}}
	}
	got := values{}
	var problems []wrong
	for _, it := range items {
		value, there := raw[it.key]
		delete(raw, it.key)
		list, problem := it.read(value, there)
		if problem != nil {
			problems = append(problems, *problem)
			continue
		}
		got[it.key] = list
	}
	if len(raw) > 0 { // the name is not repeated: it may be anything
		problems = append(problems, wrong{codeCharacters, "【リクエスト】は【定義された項目】で設定してください。"})
	}
	return got, problems
}

// read gives the values of one item, none where it is left out or empty.
func (it item) read(value any, there bool) ([]string, *wrong) {
	missing := wrong{codeRequired, fmt.Sprintf("【%s】が設定されていません。", it.label)}
	var list []string
	switch v := value.(type) {
	case string:
		if it.most > 0 {
			return nil, it.characters()
		}
		if v != "" {
			list = []string{v}
		}
	case []string:
		if it.most == 0 {
			return nil, it.characters()
		}
		list = v
	default:
		if there {
			return nil, it.characters()
		}
	}
	if len(list) == 0 {
		if it.required {
			return nil, &missing
		}
		return nil, nil
	}
	if it.most > 0 && len(list) > it.most {
		return nil, &wrong{codeLength, fmt.Sprintf("【%s】は%d件以内で設定してください。", it.label, it.most)}
	}
	for _, s := range list {
		n := utf8.RuneCountInString(s)
		switch {
		case n == 0:
			return nil, &missing
		case it.fixed && n != it.length:
			return nil, &wrong{codeLength, fmt.Sprintf("【%s】は%d桁で設定してください。", it.label, it.length)}
		case n > it.length:
			return nil, &wrong{codeLength, fmt.Sprintf("【%s】は%d桁以内で設定してください。", it.label, it.length)}
		case !it.rule.fits(s):
			return nil, it.characters()
		}
	}
	return list, nil
}

func (it item) characters() *wrong {
	return &wrong{codeCharacters, fmt.Sprintf("【%s】は【%s】で設定してください。", it.label, it.rule.text)}
}

var errNotItems = errors.New("not an object of items")

// decode reads one JSON object whose values are strings or lists of strings. Anything
// else as a value is kept as nil; a name that comes twice is an error.
func decode(body []byte) (map[string]any, error) {
	if !utf8.Valid(body) {
		return nil, errNotItems
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errNotItems
	}
	got := map[string]any{}
	for d.More() {
		name, err := d.Token()
		key, ok := name.(string)
		if err != nil || !ok {
			return nil, errNotItems
		}
		if _, twice := got[key]; twice {
			return nil, errNotItems
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, errNotItems
		}
		got[key] = simple(raw)
	}
	if _, err := d.Token(); err != nil {
		return nil, errNotItems
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotItems
	}
	return got, nil
}

// simple gives a string or a list of strings, nil for any other value.
func simple(raw json.RawMessage) any {
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return nil
	}
	switch v := value.(type) {
	case string:
		return v
	case []any:
		list := make([]string, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil
			}
			list = append(list, s)
		}
		return list
	default:
		return nil
	}
}
