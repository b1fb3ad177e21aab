package config

import (
	"bytes"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Render writes f as a commented file for the folder dir, as init and demo do. Each key
// stands there with what it is; a key that has its default is commented out, so that a
// later release may choose a better one. Paths inside dir are written relative to it, so
// that the folder can be moved. [Load] reads it back as f.
func Render(f *File, dir string) ([]byte, error) { return render(f, dir) }

func render(target any, dir string) ([]byte, error) {
	v := reflect.ValueOf(target).Elem()
	fields, err := describe(v.Type())
	if err != nil {
		return nil, err
	}
	w := &writer{dir: dir}
	w.line("", "# yaml-language-server: $schema=./kakehashi.schema.json")
	w.line("", "# Kakehashi の設定。検査: kakehashi config check ／ 項目の説明: kakehashi config schema")
	w.line("", "# 「# 」で始まる項目は既定値のままです。変えるときは「# 」を消して値を書きます。")
	w.section(v, fields, "", true)
	return w.out.Bytes(), nil
}

// writer writes sections; each line of a section begins with its indent.
type writer struct {
	out bytes.Buffer
	dir string // to which paths are relative; empty: paths stay as they are
}

func (w *writer) line(indent, format string, args ...any) {
	fmt.Fprintf(&w.out, indent+format+"\n", args...)
}

// section writes the keys of v. Comments go with the first of a list only.
func (w *writer) section(v reflect.Value, fields []field, indent string, comments bool) {
	for _, f := range fields {
		if comments {
			if indent == "" {
				w.line("", "")
			}
			w.line(indent, "# %s", f.comment())
		}
		w.field(v.FieldByIndex(f.index), f, indent, comments)
	}
}

// comment says what a key is, in one line.
func (f field) comment() string {
	text := f.doc
	switch {
	case f.required:
		text += "（必須）"
	case f.given && f.preset != "":
		text += "（既定値 " + f.preset + "）"
	}
	if len(f.enum) > 0 {
		text += " 選択肢: " + strings.Join(f.enum, ", ")
	}
	return text
}

func (w *writer) field(v reflect.Value, f field, indent string, comments bool) {
	switch {
	case f.kind.leaf():
		w.leaf(v, f, indent, comments)
	case f.optional && v.IsNil():
		if comments {
			w.line(indent, "# %s:", f.key)
			for _, in := range f.inner {
				w.line(indent, "#   %s: %s  # %s", in.key, in.preset, in.comment())
			}
		}
	case f.kind == kindSection:
		w.line(indent, "%s:", f.key)
		w.section(reflect.Indirect(v), f.inner, indent+"  ", comments)
	case v.Len() == 0:
		if comments {
			w.line(indent, "# %s:", f.key)
		}
	case f.kind == kindSections:
		w.line(indent, "%s:", f.key)
		for i := range v.Len() {
			w.item(v.Index(i), f.inner, indent+"  ", comments && i == 0)
		}
	default:
		w.free(v, f, indent, comments)
	}
}

// free writes a map, its names sorted.
func (w *writer) free(v reflect.Value, f field, indent string, comments bool) {
	w.line(indent, "%s:", f.key)
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for i, key := range keys {
		if f.kind == kindTextMap {
			w.line(indent+"  ", "%s: %s", quote(key.String()), quote(v.MapIndex(key).String()))
			continue
		}
		w.line(indent+"  ", "%s:", quote(key.String()))
		w.section(v.MapIndex(key), f.inner, indent+"    ", comments && i == 0)
	}
}

// item writes one section of a list: its first line bears the dash.
func (w *writer) item(v reflect.Value, fields []field, indent string, comments bool) {
	inner := &writer{dir: w.dir}
	inner.section(v, fields, "  ", comments)
	dashed := false
	for line := range strings.Lines(inner.out.String()) {
		body := strings.TrimPrefix(line, "  ")
		if !dashed && !strings.HasPrefix(body, "#") && !strings.HasPrefix(body, " ") {
			line, dashed = "- "+body, true
		}
		w.out.WriteString(indent + line)
	}
	if !dashed {
		w.line(indent, "- {}")
	}
}

// leaf writes a value, or as a comment what would stand there.
func (w *writer) leaf(v reflect.Value, f field, indent string, comments bool) {
	switch {
	case f.required || !f.isPreset(v):
		w.line(indent, "%s: %s", f.key, w.value(v, f))
	case comments:
		w.line(indent, "# %s: %s", f.key, w.value(v, f))
	}
}

// isPreset tells whether v has the default, or nothing where there is none.
func (f field) isPreset(v reflect.Value) bool {
	if !f.given {
		return v.IsZero() || f.kind == kindTexts && v.Len() == 0
	}
	preset := reflect.New(v.Type()).Elem()
	return f.parse(preset, f.preset, "") == nil && reflect.DeepEqual(preset.Interface(), v.Interface())
}

// value writes a leaf as a YAML value.
func (w *writer) value(v reflect.Value, f field) string {
	switch f.kind {
	case kindTexts:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = quote(v.Index(i).String())
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case kindPath:
		path, scheme := v.String(), ""
		if file, ok := strings.CutPrefix(path, fileScheme); ok {
			path, scheme = file, fileScheme
		}
		if rel, err := filepath.Rel(w.dir, path); w.dir != "" && err == nil && filepath.IsLocal(rel) {
			path = rel
		}
		return quote(scheme + path)
	case kindText, kindDate:
		return quote(v.String())
	default:
		return f.format(v)
	}
}

// quote writes a string plain where YAML reads it back as that string, else in quotes.
func quote(s string) string {
	plain := s != "" && strings.Trim(s, nameLetters+"/+") == ""
	node := yaml.Node{Kind: yaml.ScalarNode, Value: s}
	if plain && s[0] != '-' && node.ShortTag() == "!!str" {
		return s
	}
	return strconv.Quote(s)
}
