package config

import (
	"encoding/json"
	"reflect"
)

// SchemaID and HostSchemaID name the schemas; they are names, nothing is fetched from them.
const (
	SchemaID     = "urn:kakehashi:config"
	HostSchemaID = "urn:kakehashi:host"
)

// Schema gives the JSON Schema (2020-12) of the file for editors. It says what the tags
// say; what only a Validate knows, it does not.
func Schema() ([]byte, error) {
	return schemaOf(reflect.TypeFor[File](), SchemaID, "Kakehashi の設定ファイル")
}

// HostSchema gives that of a host's file.
func HostSchema() ([]byte, error) {
	return schemaOf(reflect.TypeFor[Host](), HostSchemaID, "Kakehashi の設定ファイル（複数の自治体）")
}

func schemaOf(t reflect.Type, id, title string) ([]byte, error) {
	fields, err := describe(t)
	if err != nil {
		return nil, err
	}
	s := objectSchema(fields)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["$id"] = id
	s["title"] = title
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(out, '\n'), nil
}

type object = map[string]any

func objectSchema(fields []field) object {
	properties, required := object{}, []string{}
	for _, f := range fields {
		properties[f.key] = f.schema()
		if f.needs() {
			required = append(required, f.key)
		}
	}
	s := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// orNull also allows nothing: a section or list whose every line is a comment. What is
// required must hold something.
func (f field) orNull(s object) object {
	switch {
	case !f.required:
		s["type"] = []any{s["type"], "null"}
	case s["type"] == "array":
		s["minItems"] = 1
	default:
		s["minProperties"] = 1
	}
	return s
}

func (f field) schema() object {
	var s object
	switch f.kind {
	case kindBool:
		s = object{"type": "boolean"}
	case kindInt:
		s = object{"type": "integer"}
	case kindFloat:
		s = object{"type": "number"}
	case kindDuration:
		s = object{"type": "string", "pattern": `^\+?(0|([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`}
	case kindSize:
		s = object{"type": "string", "pattern": `^\+?[0-9]+(B|KiB|MiB|GiB|TiB)$`}
	case kindDate:
		s = object{"type": "string", "format": "date"}
	case kindTexts:
		s = f.orNull(object{"type": "array", "items": f.textSchema()})
	case kindTextMap:
		s = f.orNull(object{"type": "object", "additionalProperties": f.textSchema()})
	case kindSections:
		s = f.orNull(object{"type": "array", "items": objectSchema(f.inner)})
	case kindSectionMap:
		s = f.orNull(object{"type": "object", "additionalProperties": objectSchema(f.inner)})
	case kindSection:
		s = objectSchema(f.inner)
		if _, needs := s["required"]; !needs {
			s = f.orNull(s)
		}
	default:
		s = f.textSchema()
	}
	if f.doc != "" {
		s["description"] = f.doc
	}
	if f.given {
		s["default"] = f.presetJSON()
	}
	return s
}

func (f field) textSchema() object {
	s := object{"type": "string"}
	if len(f.enum) > 0 {
		s["enum"] = f.enum
	}
	return s
}

// presetJSON gives the default as a JSON value of the kind.
func (f field) presetJSON() any {
	var v reflect.Value
	switch f.kind {
	case kindBool:
		v = reflect.New(reflect.TypeFor[bool]()).Elem()
	case kindInt:
		v = reflect.New(reflect.TypeFor[int64]()).Elem()
	case kindFloat:
		v = reflect.New(reflect.TypeFor[float64]()).Elem()
	case kindTexts:
		v = reflect.New(reflect.TypeFor[[]string]()).Elem()
	default:
		return f.preset
	}
	if f.parse(v, f.preset, "") != nil {
		return f.preset
	}
	return v.Interface()
}
