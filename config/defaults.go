package config

import "reflect"

// Defaults gives a File in which every key has the default that its tag names and all else
// is empty: what is required is still to be filled in.
func Defaults() *File {
	f := &File{}
	v := reflect.ValueOf(f).Elem()
	if fields, err := describe(v.Type()); err == nil { // a test says that it is nil
		applyDefaults(v, fields)
	}
	return f
}

func applyDefaults(v reflect.Value, fields []field) {
	for _, f := range fields {
		at := v.FieldByIndex(f.index)
		switch {
		case f.kind.leaf() && f.given:
			f.parse(at, f.preset, "") // a test says that every default can be read
		case f.kind == kindSection && !f.optional:
			applyDefaults(at, f.inner)
		}
	}
}
