package events

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/segmentio/kafka-go"
	"go.yaml.in/yaml/v3"

	"kakehashi/internal/ledger"
)

// document is the description as JSON, and gives its schemas compiled.
type document struct {
	root     map[string]any
	compiler *jsonschema.Compiler
}

func describe(t *testing.T) document {
	t.Helper()
	var root map[string]any
	if err := yaml.Unmarshal(AsyncAPI(), &root); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	read, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("events.json", read); err != nil {
		t.Fatal(err)
	}
	return document{root, c}
}

func (d document) at(t *testing.T, path ...string) any {
	t.Helper()
	var v any = d.root
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok || m[key] == nil {
			t.Fatalf("the description has no %s", strings.Join(path, "/"))
		}
		v = m[key]
	}
	return v
}

func (d document) schema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	s, err := d.compiler.Compile("events.json#/components/schemas/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func headersOf(m kafka.Message) map[string]any {
	all := map[string]any{}
	for _, h := range m.Headers {
		all[h.Key] = string(h.Value)
	}
	return all
}

func TestTheDescriptionIsOfWhatIsWritten(t *testing.T) {
	d := describe(t)
	at := fake(t)
	p := at.publisher(t)
	for n, kind := range Kinds() {
		c := change(n)
		c.Kind = kind
		if err := publish(t, p, c); err != nil {
			t.Fatal(err)
		}
	}
	all := at.read(t, at.cfg.Topic)
	if len(all) != len(Kinds()) {
		t.Fatalf("%d messages", len(all))
	}
	for _, m := range all {
		if err := d.schema(t, "ledgerHeaders").Validate(headersOf(m)); err != nil {
			t.Errorf("headers: %v", err)
		}
		if err := d.schema(t, "subject").Validate(string(m.Key)); err != nil {
			t.Errorf("key: %v", err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(m.Value))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.schema(t, "nothing").Validate(value); err != nil {
			t.Errorf("value: %v", err)
		}
	}
	if err := d.schema(t, "ledgerHeaders").Validate(d.at(t, "components", "messages", "beneficiaryChanged").(map[string]any)["examples"].([]any)[0].(map[string]any)["headers"]); err != nil {
		t.Errorf("the example's headers: %v", err)
	}
}

func TestTheDescriptionNamesTheTopicsAndTypes(t *testing.T) {
	d := describe(t)
	_, cfg := Defaults()
	for want, got := range map[string]any{
		cfg.Topic:          d.at(t, "channels", "ledger", "address"),
		cfg.Notices.Topic:  d.at(t, "channels", "notices", "address"),
		BeneficiaryChanged: d.at(t, "components", "messages", "beneficiaryChanged", "name"),
	} {
		if got != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	var kinds []string
	for _, k := range ledger.NoticeKinds() {
		kinds = append(kinds, string(k))
	}
	var named []string
	for _, k := range d.at(t, "components", "schemas", "notice", "properties", "kind", "enum").([]any) {
		named = append(named, k.(string))
	}
	slices.Sort(kinds)
	slices.Sort(named)
	if diff := cmp.Diff(kinds, named); diff != "" {
		t.Errorf("kinds of notice (-want +got):\n%s", diff)
	}
	reader, err := os.ReadFile("../../mapping/notices.go") // the room that reads them, which no adapter's test may import
	if err != nil {
		t.Fatal(err)
	}
	name := d.at(t, "components", "messages", "residentChanged", "name").(string)
	if !bytes.Contains(reader, []byte(`NoticeType = "`+name+`"`)) {
		t.Errorf("%s is not the type that is read", name)
	}
	for _, member := range d.at(t, "components", "schemas", "notice", "required").([]any) {
		if !bytes.Contains(reader, []byte("`json:\""+member.(string)+"\"`")) {
			t.Errorf("%s is not read", member)
		}
	}
}

// The tags of the settings and what Defaults gives are the same.
func TestDefaultsAreThoseOfTheTags(t *testing.T) {
	conn, cfg := Defaults()
	for _, section := range []any{conn, cfg, cfg.Notices} {
		v := reflect.ValueOf(section)
		for i := range v.NumField() {
			want, tagged := v.Type().Field(i).Tag.Lookup("default")
			got := v.Field(i)
			text := got.String()
			if s, ok := reflect.TypeAssert[interface{ String() string }](got); ok {
				text = strings.Replace(s.String(), "1m0s", "60s", 1)
			}
			if tagged && text != want {
				t.Errorf("%s: got %s, want %s", v.Type().Field(i).Name, text, want)
			}
		}
	}
}
