package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder fills one struct from the nodes of one file and from the environment.
type decoder struct {
	file      string // as problems name it
	dir       string // from which relative paths count
	root      []field
	overrides map[string]override // by dotted path
	problems  []Problem
	places    map[string]place  // where the value of a dotted path stands
	texts     map[string]string // what stands there, to keep it out of messages
	spoiled   map[string]bool   // paths of which something was complained
	lost      map[string]bool   // paths of sections that could not be read at all
}

// override is what a variable of the environment says of one path.
type override struct{ name, value string }

// newDecoder makes a decoder for the file at path.
func newDecoder(path string, root []field) *decoder {
	dir := filepath.Dir(path)
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return &decoder{
		file: path, dir: dir, root: root,
		overrides: map[string]override{}, places: map[string]place{}, texts: map[string]string{},
		spoiled: map[string]bool{}, lost: map[string]bool{},
	}
}

// refuse complains of the value of a path, which is no value then.
func (d *decoder) refuse(path string, at place, code, format string, args ...any) {
	d.spoiled[path] = true
	d.complain(at, code, format, args...)
}

// lose complains of a section that cannot be read, so that what is in it is not judged.
func (d *decoder) lose(path string, at place, code, format string, args ...any) {
	d.lost[path] = true
	d.refuse(path, at, code, format, args...)
}

// complain keeps one problem.
func (d *decoder) complain(at place, code, format string, args ...any) {
	d.problems = append(d.problems, Problem{
		File: d.file, Env: at.env, Line: at.line, Column: at.column, Code: code, Text: fmt.Sprintf(format, args...),
	})
}

func at(n *yaml.Node) place { return place{line: n.Line, column: n.Column} }

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// section fills v, a struct, from the mapping n; nil: the section is absent. where is the
// place of the section's key, at which what is missing is told.
func (d *decoder) section(v reflect.Value, fields []field, n *yaml.Node, path string, where place) {
	values := map[string]*yaml.Node{}
	if n != nil && !isNull(n) {
		if n.Kind != yaml.MappingNode {
			d.lose(path, at(n), codeWrongType, "%sには%sを書いてください。", sectionName(path), kindSection.shape())
			return
		}
		for key, value := range d.pairs(n) {
			if known(fields, key.Value) {
				values[key.Value] = value
				d.places[join(path, key.Value)] = at(key)
				continue
			}
			d.unknown(fields, path, key)
		}
	}
	for _, f := range fields {
		value, fp := values[f.key], join(path, f.key)
		switch {
		case f.kind.leaf():
			d.leaf(v.FieldByIndex(f.index), f, value, fp, where)
		case (value == nil && f.needs() || f.required && f.empty(value)) && !d.overridden(fp):
			d.lose(fp, d.nearest(fp, where), codeMissing, "%s「%s」がありません。%s", inside(path), f.key, explain(f))
		case value == nil && f.optional && !d.overridden(fp):
		default:
			d.compound(v.FieldByIndex(f.index), f, value, fp, where)
		}
	}
}

// compound fills a field that holds keys of its own. value may be nil: absent.
func (d *decoder) compound(v reflect.Value, f field, value *yaml.Node, path string, where place) {
	if value != nil {
		if value.Kind == yaml.AliasNode {
			d.lost[path] = true // refused already
			return
		}
		where = d.places[path]
	}
	switch f.kind {
	case kindSection:
		if f.optional {
			v.Set(reflect.New(v.Type().Elem()))
			v = v.Elem()
		}
		d.section(v, f.inner, value, path, where)
	case kindSections:
		d.sections(v, f, value, path)
	case kindTextMap:
		d.textMap(v, f, value, path)
	case kindSectionMap:
		d.sectionMap(v, f, value, path)
	}
}

// sections fills a list of sections.
func (d *decoder) sections(v reflect.Value, f field, n *yaml.Node, path string) {
	if n == nil || isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.lose(path, at(n), codeWrongType, "「%s」には%sを書いてください。", f.key, f.kind.shape())
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		p := join(path, strconv.Itoa(i))
		d.places[p] = at(item)
		if item.Kind == yaml.AliasNode {
			d.lost[p] = true // refused already
			continue
		}
		d.section(list.Index(i), f.inner, item, p, at(item))
	}
	v.Set(list)
}

// textMap fills a map of free names to strings.
func (d *decoder) textMap(v reflect.Value, f field, n *yaml.Node, path string) {
	entries := d.freeNames(n, f, path)
	if entries == nil {
		return
	}
	m := reflect.MakeMapWithSize(v.Type(), len(entries))
	one := field{key: f.key, kind: kindText, enum: f.enum}
	for name, value := range entries {
		item := reflect.New(v.Type().Elem()).Elem()
		d.scalar(item, one, value, join(path, name))
		m.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), item)
	}
	v.Set(m)
}

// sectionMap fills a map of free names to sections.
func (d *decoder) sectionMap(v reflect.Value, f field, n *yaml.Node, path string) {
	entries := d.freeNames(n, f, path)
	if entries == nil {
		return
	}
	m := reflect.MakeMapWithSize(v.Type(), len(entries))
	for name, value := range entries {
		item := reflect.New(v.Type().Elem()).Elem()
		p := join(path, name)
		if value.Kind == yaml.AliasNode {
			d.lost[p] = true // refused already
			continue
		}
		d.section(item, f.inner, value, p, d.places[p])
		m.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), item)
	}
	v.Set(m)
}

func (d *decoder) freeNames(n *yaml.Node, f field, path string) map[string]*yaml.Node {
	if n == nil || isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		d.lose(path, at(n), codeWrongType, "「%s」には%sを書いてください。", f.key, f.kind.shape())
		return nil
	}
	entries := map[string]*yaml.Node{}
	for key, value := range d.pairs(n) {
		entries[key.Value] = value
		d.places[join(path, key.Value)] = at(key)
	}
	return entries
}

// pairs gives the keys and values of a mapping, and complains of keys that stand twice or
// are no names.
func (d *decoder) pairs(n *yaml.Node) func(func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		first := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if key.Kind == yaml.AliasNode || key.ShortTag() == "!!merge" {
				continue // refused already, as every alias and merge key is
			}
			if key.Kind != yaml.ScalarNode || key.Value == "" {
				d.complain(at(key), codeWrongType, "名前のところには「名前:」の形で文字列を書いてください。")
				continue
			}
			if line, twice := first[key.Value]; twice {
				d.complain(at(key), codeDuplicate, "「%s」が 2 回書かれています（1 回目は %d 行目）。どちらかを消してください。", printable(key.Value), line)
				continue
			}
			first[key.Value] = key.Line
			if !yield(key, value) {
				return
			}
		}
	}
}

// leaf fills one value: the default, over it the file, over it the environment.
func (d *decoder) leaf(v reflect.Value, f field, n *yaml.Node, path string, where place) {
	if f.given {
		if w := f.parse(v, f.preset, d.dir); w != nil {
			d.refuse(path, where, codeDeclared, "「%s」の既定値が正しくありません。", path)
		}
	}
	if n != nil {
		d.texts[path] = n.Value
		d.value(v, f, n, path)
	}
	o, overridden := d.overrides[path]
	if overridden {
		d.places[path] = place{env: o.name}
		d.texts[path] = o.value
		if w := f.parse(v, o.value, d.dir); w != nil {
			d.refuse(path, d.places[path], w.code, "%s", w.text)
		}
	}
	if f.required && f.empty(n) && !overridden {
		d.refuse(path, d.nearest(path, where), codeMissing, "%s「%s」がありません。%s", inside(path[:len(path)-len(f.key)]), f.key, explain(f))
	}
}

// nearest gives the place of path where it stands in the file, else the place of what it
// belongs in.
func (d *decoder) nearest(path string, parent place) place {
	if own, ok := d.places[path]; ok {
		return own
	}
	return parent
}

// empty tells whether nothing is given for something required: no key, or a list without
// a line. (A scalar without a value has been complained of where it stands.)
func (f field) empty(n *yaml.Node) bool {
	switch {
	case n == nil:
		return true
	case f.kind == kindSection || f.kind.leaf() && f.kind != kindTexts:
		return false
	default:
		return isNull(n) || (n.Kind == yaml.SequenceNode || n.Kind == yaml.MappingNode) && len(n.Content) == 0
	}
}

// value fills one value from its node.
func (d *decoder) value(v reflect.Value, f field, n *yaml.Node, path string) {
	if f.kind != kindTexts {
		d.scalar(v, f, n, path)
		return
	}
	if n.Kind == yaml.AliasNode {
		d.spoiled[path] = true // refused already
		return
	}
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.refuse(path, at(n), codeWrongType, "「%s」には%sを書いてください。", f.key, f.kind.shape())
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	one := field{key: f.key, kind: kindText, enum: f.enum}
	for i, item := range n.Content {
		d.scalar(list.Index(i), one, item, join(path, strconv.Itoa(i)))
	}
	v.Set(list)
}

// scalar fills one value from a node that must be a scalar of the fitting YAML type.
func (d *decoder) scalar(v reflect.Value, f field, n *yaml.Node, path string) {
	if n.Kind == yaml.AliasNode {
		d.spoiled[path] = true // refused already
		return
	}
	d.places[path] = at(n)
	d.texts[path] = n.Value
	switch {
	case isNull(n):
		d.refuse(path, at(n), codeMissing, "「%s」に値がありません。%s", f.key, explain(f))
	case n.Kind != yaml.ScalarNode:
		d.refuse(path, at(n), codeWrongType, "「%s」には%sを書いてください。", f.key, f.kind.shape())
	case !f.kind.takes(n.ShortTag()):
		hint := ""
		if f.kind == kindText || f.kind == kindPath {
			hint = "引用符「\"」で囲んでください。"
		}
		d.refuse(path, at(n), codeWrongType, "「%s」には%sを書いてください。%s", f.key, f.kind.shape(), hint)
	default:
		if w := f.parse(v, n.Value, d.dir); w != nil {
			d.refuse(path, at(n), w.code, "%s", w.text)
		}
	}
}

// takes tells whether a scalar of the YAML type may stand for a value of the kind. A day
// is a timestamp to YAML 1.1, so that it may stand without quotes.
func (k kind) takes(tag string) bool {
	switch k {
	case kindBool:
		return tag == "!!bool"
	case kindInt:
		return tag == "!!int"
	case kindFloat:
		return tag == "!!int" || tag == "!!float"
	case kindDate:
		return tag == "!!str" || tag == "!!timestamp"
	default:
		return tag == "!!str"
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func known(fields []field, key string) bool {
	for _, f := range fields {
		if f.key == key {
			return true
		}
	}
	return false
}

// overridden tells whether the environment says something at or below path.
func (d *decoder) overridden(path string) bool {
	for p := range d.overrides {
		if p == path || strings.HasPrefix(p, path+".") {
			return true
		}
	}
	return false
}

// inside says of which section something is missing, as the beginning of a sentence.
func inside(path string) string {
	path = strings.TrimSuffix(path, ".")
	if path == "" {
		return ""
	}
	return fmt.Sprintf("「%s」に", show(path))
}

// explain says what belongs at a key, for whoever has to write it.
func explain(f field) string {
	if f.doc == "" {
		return f.kind.shape() + "を書いてください。"
	}
	return fmt.Sprintf("%s。%sを書いてください。", strings.TrimSuffix(f.doc, "。"), f.kind.shape())
}

// show spells a path for people: the first of a list is the 1st.
func show(path string) string {
	parts := strings.Split(path, ".")
	out := parts[:0:0]
	for _, part := range parts {
		if n, err := strconv.Atoi(part); err == nil && len(out) > 0 {
			out[len(out)-1] += fmt.Sprintf("[%d]", n+1)
			continue
		}
		out = append(out, part)
	}
	return strings.Join(out, ".")
}
