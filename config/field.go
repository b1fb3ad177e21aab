package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// kind is what may stand at a key.
type kind uint8

const (
	kindText kind = iota
	kindBool
	kindInt
	kindFloat
	kindDuration
	kindSize
	kindDate
	kindPath
	kindTexts    // list of strings
	kindSections // list of sections
	kindTextMap  // free names to strings
	kindSection
	kindSectionMap // free names to sections
)

// leaf tells whether the kind holds one value or a list of them, no keys of ours.
func (k kind) leaf() bool { return k <= kindTexts }

// field describes one key, as its tags declare it.
type field struct {
	index    []int // of the struct's field, through embedded structs
	key      string
	kind     kind
	required bool
	optional bool // a pointer: nil where the section is absent
	preset   string
	given    bool // preset stands in the tag
	doc      string
	enum     []string
	inner    []field // of sections
}

// needs tells whether something required stands in the field, so that its absence is a fault.
func (f field) needs() bool {
	if f.required {
		return true
	}
	if f.kind != kindSection || f.optional {
		return false
	}
	for _, in := range f.inner {
		if in.needs() {
			return true
		}
	}
	return false
}

// describe walks a struct type and gives its keys in the order of declaration.
func describe(t reflect.Type) ([]field, error) {
	var all []field
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, tagged := sf.Tag.Lookup("config")
		switch {
		case tag == "-" || !sf.IsExported():
			continue
		case !tagged && sf.Anonymous && sf.Type.Kind() == reflect.Struct:
			embedded, err := describe(sf.Type)
			if err != nil {
				return nil, err
			}
			for _, f := range embedded {
				f.index = append([]int{i}, f.index...)
				all = append(all, f)
			}
			continue
		case !tagged:
			return nil, fmt.Errorf("%s.%s bears no config tag", t, sf.Name)
		}
		f, err := describeField(sf, tag)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t, sf.Name, err)
		}
		f.index = []int{i}
		all = append(all, f)
	}
	return all, nil
}

func describeField(sf reflect.StructField, tag string) (field, error) {
	key, rest, _ := strings.Cut(tag, ",")
	f := field{key: key, required: rest == "required", doc: sf.Tag.Get("doc")}
	f.preset, f.given = sf.Tag.Lookup("default")
	if e := sf.Tag.Get("enum"); e != "" {
		f.enum = strings.Split(e, "|")
	}
	if key == "" || (rest != "" && rest != "required") {
		return f, fmt.Errorf("config tag %q is not understood", tag)
	}
	if f.required && f.given {
		return f, fmt.Errorf("%s is required and has a default", key)
	}
	t := sf.Type
	if t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct {
		f.optional, t = true, t.Elem()
	}
	var inner reflect.Type
	var err error
	if f.kind, inner, err = kindOf(t, sf.Tag); err != nil {
		return f, err
	}
	if inner != nil {
		f.inner, err = describe(inner)
	}
	return f, err
}

// kindOf gives the kind of a type, and the struct inside for those that hold sections.
func kindOf(t reflect.Type, tag reflect.StructTag) (kind, reflect.Type, error) {
	switch t.Kind() {
	case reflect.String:
		switch tag.Get("format") {
		case "date":
			return kindDate, nil, nil
		case "path":
			return kindPath, nil, nil
		case "":
			return kindText, nil, nil
		}
	case reflect.Bool:
		return kindBool, nil, nil
	case reflect.Int, reflect.Int64:
		switch {
		case t == reflect.TypeFor[time.Duration]():
			return kindDuration, nil, nil
		case tag.Get("unit") == "size":
			return kindSize, nil, nil
		case tag.Get("unit") == "":
			return kindInt, nil, nil
		}
	case reflect.Float64:
		return kindFloat, nil, nil
	case reflect.Struct:
		return kindSection, t, nil
	case reflect.Slice:
		switch t.Elem().Kind() {
		case reflect.String:
			return kindTexts, nil, nil
		case reflect.Struct:
			return kindSections, t.Elem(), nil
		}
	case reflect.Map:
		switch {
		case t.Key().Kind() != reflect.String:
		case t.Elem().Kind() == reflect.String:
			return kindTextMap, nil, nil
		case t.Elem().Kind() == reflect.Struct:
			return kindSectionMap, t.Elem(), nil
		}
	}
	return 0, nil, fmt.Errorf("a configuration cannot hold %s with tags %s", t, tag)
}
