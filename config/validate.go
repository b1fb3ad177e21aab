package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"kakehashi/internal/fault"
)

// validate asks every struct that has a Validate method, inner ones first, and puts what
// it says at the key that it names. A section in which something is wrong already is not
// asked: it would be asked about values that were never there.
func (d *decoder) validate(v reflect.Value, fields []field, path string) {
	if d.lost[path] {
		return
	}
	for _, f := range fields {
		d.validateField(v.FieldByIndex(f.index), f, join(path, f.key))
	}
	if d.faulty(path) || !v.CanAddr() {
		return
	}
	judge, ok := reflect.TypeAssert[interface{ Validate() error }](v.Addr())
	if !ok {
		return
	}
	for _, err := range flatten(judge.Validate()) {
		d.unfit(path, err)
	}
}

func (d *decoder) validateField(v reflect.Value, f field, path string) {
	switch f.kind {
	case kindSection:
		if f.optional {
			if v.IsNil() {
				return
			}
			v = v.Elem()
		}
		d.validate(v, f.inner, path)
	case kindSections:
		for i := range v.Len() {
			d.validate(v.Index(i), f.inner, fmt.Sprintf("%s.%d", path, i))
		}
	case kindSectionMap:
		for _, key := range v.MapKeys() {
			item := reflect.New(v.Type().Elem()).Elem()
			item.Set(v.MapIndex(key))
			d.validate(item, f.inner, join(path, key.String()))
		}
	}
}

// faulty tells whether a problem was told of something at or below path.
func (d *decoder) faulty(path string) bool {
	for p := range d.spoiled {
		if path == "" || p == path || strings.HasPrefix(p, path+".") {
			return true
		}
	}
	return false
}

// flatten gives the errors that errors.Join put together, through what is wrapped around
// them.
func flatten(err error) []error {
	switch e := err.(type) { //nolint:errorlint // it is the chain itself that is walked
	case nil:
		return nil
	case *fault.Error:
		return []error{e}
	case interface{ Unwrap() []error }:
		var all []error
		for _, one := range e.Unwrap() {
			all = append(all, flatten(one)...)
		}
		return all
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return flatten(inner)
		}
	}
	return []error{err}
}

// unfit tells what a Validate says, at the nearest key that stands somewhere.
func (d *decoder) unfit(path string, err error) {
	code, text, key := codeUnfit, err.Error(), path
	if e, ok := errors.AsType[*fault.Error](err); ok {
		if e.Code != "" {
			code = e.Code
			text = strings.TrimPrefix(text, e.Code+" ")
		}
		if field := strings.Trim(strings.NewReplacer("/", ".", "[", ".", "]", "").Replace(e.Field), "."); field != "" {
			key = join(path, field)
		}
	}
	// A Validate must not repeat a value; should one do so, the value is taken out.
	for place, value := range d.texts {
		if len(value) >= 4 && (place == key || strings.HasPrefix(place, key+".")) {
			text = strings.ReplaceAll(text, value, "（値は表示しません）")
		}
	}
	where, name := d.nearestPlace(key), ""
	if key != "" {
		name = "「" + show(key) + "」: "
	}
	d.refuse(key, where, code, "%s%s", name, text)
}

// nearestPlace gives where the path stands, or what it stands in.
func (d *decoder) nearestPlace(path string) place {
	for path != "" {
		if where, ok := d.places[path]; ok {
			return where
		}
		path = path[:max(strings.LastIndexByte(path, '.'), 0)]
	}
	return place{line: 1, column: 1}
}
