package config

import (
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// wrong says what is wrong with a value: a message number and a text without the value.
type wrong struct{ code, text string }

// shape says in Japanese what has to stand at a key of the kind.
func (k kind) shape() string {
	switch k {
	case kindBool:
		return "true か false"
	case kindInt:
		return "整数（例: 5）"
	case kindFloat:
		return "数（例: 0.5）"
	case kindDuration:
		return "単位の付いた時間（例: 500ms, 3s, 1h30m）"
	case kindSize:
		return "単位の付いた大きさ（例: 512KiB, 64MiB, 10GiB）"
	case kindDate:
		return "日付（例: 2026-04-01）"
	case kindTexts, kindSections:
		return "一覧（「- 」で始まる行の並び）"
	case kindTextMap, kindSection, kindSectionMap:
		return "「名前: 値」の行の並び"
	default:
		return "文字列"
	}
}

// parse reads text as the field's kind into v. dir is the folder from which relative
// paths count.
func (f field) parse(v reflect.Value, text, dir string) *wrong {
	if f.kind == kindTexts {
		var parts []string
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				parts = append(parts, part)
			}
		}
		return f.parseTexts(v, parts)
	}
	if len(f.enum) > 0 && !slices.Contains(f.enum, text) {
		return f.noChoice()
	}
	misread := &wrong{codeWrongForm, fmt.Sprintf("「%s」の書き方が違います。%sを書いてください。", f.key, f.kind.shape())}
	switch f.kind {
	case kindText:
		v.SetString(text)
	case kindPath:
		v.SetString(resolve(dir, text))
	case kindDate:
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return misread
		}
		v.SetString(text)
	case kindBool:
		if text != "true" && text != "false" {
			return misread
		}
		v.SetBool(text == "true")
	case kindInt:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || v.OverflowInt(n) {
			return misread
		}
		v.SetInt(n)
	case kindFloat:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return misread
		}
		v.SetFloat(n)
	case kindDuration:
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return misread
		}
		v.SetInt(int64(d))
	case kindSize:
		n, ok := parseSize(text)
		if !ok {
			return misread
		}
		v.SetInt(n)
	}
	return nil
}

func (f field) parseTexts(v reflect.Value, parts []string) *wrong {
	list := reflect.MakeSlice(v.Type(), len(parts), len(parts))
	for i, part := range parts {
		if len(f.enum) > 0 && !slices.Contains(f.enum, part) {
			return f.noChoice()
		}
		list.Index(i).SetString(part)
	}
	v.Set(list)
	return nil
}

func (f field) noChoice() *wrong {
	return &wrong{codeNoChoice, fmt.Sprintf("「%s」に書けるのは %s のどれかです。", f.key, strings.Join(f.enum, ", "))}
}

// fileScheme begins a database's URL that is a file.
const fileScheme = "sqlite:"

// resolve counts a relative path from dir, also that of a database's file; an empty one and
// any other URL stay as they are.
func resolve(dir, path string) string {
	if file, ok := strings.CutPrefix(path, fileScheme); ok && file != "" {
		return fileScheme + resolve(dir, file)
	}
	if strings.Contains(path, "://") {
		return path
	}
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// size is one unit in which a size may be written.
type size struct {
	name  string
	bytes int64
}

// sizes lists the units, the largest first.
func sizes() []size {
	return []size{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}
}

func parseSize(text string) (int64, bool) {
	for _, unit := range sizes() {
		number, ok := strings.CutSuffix(text, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/unit.bytes {
			return 0, false
		}
		return n * unit.bytes, true
	}
	return 0, false
}

func formatSize(n int64) string {
	for _, unit := range sizes() {
		if n != 0 && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.name
		}
	}
	return "0B"
}

// formatDuration writes 1m where [time.Duration.String] writes 1m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// format writes a single value as text that parse reads back.
func (f field) format(v reflect.Value) string {
	switch f.kind {
	case kindBool:
		return strconv.FormatBool(v.Bool())
	case kindInt:
		return strconv.FormatInt(v.Int(), 10)
	case kindFloat:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case kindDuration:
		return formatDuration(time.Duration(v.Int()))
	case kindSize:
		return formatSize(v.Int())
	default:
		return v.String()
	}
}
