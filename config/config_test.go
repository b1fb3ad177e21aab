package config

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func validFile(t *testing.T) []byte {
	t.Helper()
	content, err := os.ReadFile("testdata/valid.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestValidFileIsRead(t *testing.T) {
	f, problems, text := loadBytes(t, validFile(t))
	if len(problems) > 0 {
		t.Fatal(text)
	}
	if got, want := f.Municipality.Name, "架空市"; got != want {
		t.Errorf("name: got %q, want %q", got, want)
	}
	if got, want := f.Lookup.Budget, 3*time.Second; got != want {
		t.Errorf("budget: got %v, want %v", got, want)
	}
	if got, want := f.Neighbours.Tax.BodyLimit, int64(1<<20); got != want {
		t.Errorf("default of body_limit: got %d, want %d", got, want)
	}
	if diff := cmp.Diff([]string{"ES256"}, f.Staff.Algorithms); diff != "" {
		t.Errorf("default of algorithms (-want +got):\n%s", diff)
	}
	if got, want := f.Staff.Grants[1].From, "2026-04-01"; got != want {
		t.Errorf("a day without quotes: got %q, want %q", got, want)
	}
	if got := f.Neighbours.Tax.SecretFile; !filepath.IsAbs(got) || filepath.Base(got) != "tax.secret" {
		t.Errorf("a relative path must count from the file's folder, got %q", got)
	}
}

func TestByteOrderMarkAndCarriageReturnsAreTaken(t *testing.T) {
	content := append([]byte("\xef\xbb\xbf"), bytes.ReplaceAll(validFile(t), []byte("\n"), []byte("\r\n"))...)
	if _, _, text := loadBytes(t, content); text != "" {
		t.Errorf("a file as Windows editors write it is refused:\n%s", text)
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	huge := filepath.Join(dir, "huge.yaml")
	if err := os.WriteFile(huge, bytes.Repeat([]byte("# x\n"), mostBytes/4+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "missing.yaml"), dir, huge} {
		f, problems := Load(path, nil)
		if f != nil || len(problems) != 1 || problems[0].Code != codeUnreadable {
			t.Errorf("%s: got %v", filepath.Base(path), problems)
		}
	}
}

func TestEnvironmentOverrides(t *testing.T) {
	f, _, text := loadBytes(t, validFile(t),
		"PATH=/bin", "KAKEHASHI_TEST_POSTGRES=anything",
		"KAKEHASHI_LOOKUP_BUDGET=5s", "KAKEHASHI_DATABASE_MAX_SIZE=2GiB",
		"KAKEHASHI_STAFF_ALGORITHMS=ES256, RS256", "KAKEHASHI_NEIGHBOURS_TAX_CONCURRENCY=4")
	if text != "" {
		t.Fatal(text)
	}
	if got, want := f.Lookup.Budget, 5*time.Second; got != want {
		t.Errorf("a duration: got %v, want %v", got, want)
	}
	if got, want := f.Database.MaxSize, int64(2<<30); got != want {
		t.Errorf("a size: got %v, want %v", got, want)
	}
	if diff := cmp.Diff([]string{"ES256", "RS256"}, f.Staff.Algorithms); diff != "" {
		t.Errorf("a list (-want +got):\n%s", diff)
	}
	if got, want := f.Neighbours.Tax.Concurrency, 4; got != want {
		t.Errorf("an integer: got %v, want %v", got, want)
	}
}

func TestEnvironmentCanGiveWhatTheFileLacks(t *testing.T) {
	content := bytes.Replace(validFile(t), []byte("  code: \"999995\"\n"), nil, 1)
	if _, _, text := loadBytes(t, content); !strings.Contains(text, codeMissing) {
		t.Errorf("the code is missing, got %q", text)
	}
	f, _, text := loadBytes(t, content, "KAKEHASHI_MUNICIPALITY_CODE=999995")
	if text != "" || f.Municipality.Code != "999995" {
		t.Errorf("given by the environment: got %q", text)
	}
}

func TestEnvironmentProblems(t *testing.T) {
	_, _, got := loadBytes(t, validFile(t),
		"KAKEHASHI_LOOKUP_BUGDET=5s", "KAKEHASHI_LOOKUP_BUDGET=hunter2secret",
		"KAKEHASHI_TELEMETRY_OTLP_ENDPOINT=https://user:hunter2secret@x", "KAKEHASHI_X=hunter2secret")
	want := `環境変数 KAKEHASHI_LOOKUP_BUDGET: KKH0117 「budget」の書き方が違います。単位の付いた時間（例: 500ms, 3s, 1h30m）を書いてください。
環境変数 KAKEHASHI_LOOKUP_BUGDET: KKH0118 この名前の設定項目はありません。「KAKEHASHI_LOOKUP_BUDGET」の書き間違いではありませんか。
環境変数 KAKEHASHI_TELEMETRY_OTLP_ENDPOINT: KKH0119 「telemetry.otlp_endpoint」: http:// か https:// で始まるURLにしてください（利用者名と問い合わせ文字列は書けません）
環境変数 KAKEHASHI_X: KKH0118 この名前の設定項目はありません。環境変数を消してください。一覧や自由な名前の下にある項目は、環境変数では変えられません。
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestVariablesAreUnambiguous(t *testing.T) {
	fields, err := describe(reflect.TypeFor[File]())
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	var leaves func(fields []field)
	leaves = func(fields []field) {
		for _, f := range fields {
			if f.kind.leaf() {
				count++
			} else if f.kind == kindSection {
				leaves(f.inner)
			}
		}
	}
	leaves(fields)
	names := map[string]string{}
	variables(fields, "", names)
	if len(names) != count || count < 40 {
		t.Errorf("%d keys share %d variables", count, len(names))
	}
}

// Whoever adds a key says what it is, and gives a default that can be read.
func TestEveryKeyIsDescribed(t *testing.T) {
	fields, err := describe(reflect.TypeFor[File]())
	if err != nil {
		t.Fatal(err)
	}
	var walk func(fields []field, path string)
	walk = func(fields []field, path string) {
		for _, f := range fields {
			p := join(path, f.key)
			if f.doc == "" || strings.Contains(f.doc, "\n") {
				t.Errorf("%s needs one line of doc", p)
			}
			if strings.ToLower(f.key) != f.key || strings.ContainsAny(f.key, "-. ") {
				t.Errorf("%s is no key", p)
			}
			walk(f.inner, p)
		}
	}
	walk(fields, "")
	f := &File{}
	d := newDecoder("x/y", fields)
	d.section(reflect.ValueOf(f).Elem(), fields, nil, "", place{})
	if got, want := Defaults().Lookup, f.Lookup; got != want || got.Budget == 0 {
		t.Errorf("Defaults and decoding disagree: %v, %v", got, want)
	}
	for _, p := range d.problems {
		if p.Code == codeDeclared {
			t.Error(p.Text)
		}
	}
}

func TestExampleIsReadBack(t *testing.T) {
	want, _, text := loadBytes(t, validFile(t), "KAKEHASHI_NEIGHBOURS_TAX_BASE_URL=https://zei.example.lg.jp")
	if text != "" {
		t.Fatal(text)
	}
	want.Municipality.Name = "架空市: 「\"'\\ # \U000e0100 true"
	want.Staff.RequiredACR = []string{"a,b", "true", "- x"}
	dir := filepath.Dir(filepath.Dir(want.Database.Path()))
	content, err := Render(want, dir)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(content), dir) {
		t.Errorf("the file holds its own folder's path:\n%s", content)
	}
	if err := os.WriteFile(filepath.Join(dir, "kakehashi.yaml"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	got, problems := Load(filepath.Join(dir, "kakehashi.yaml"), nil)
	if len(problems) > 0 {
		t.Fatalf("%v\n%s", problems, content)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, content)
	}
}

// What init writes must name every key, so that nobody has to look one up.
func TestExampleNamesEveryKey(t *testing.T) {
	content := exampleFile(t)
	fields, err := describe(reflect.TypeFor[File]())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		if f.kind != kindSection {
			continue
		}
		for _, in := range f.inner {
			if !strings.Contains(string(content), "  "+in.key+":") && !strings.Contains(string(content), "# "+in.key+":") {
				t.Errorf("%s.%s is not named", f.key, in.key)
			}
		}
	}
}

func exampleFile(t *testing.T) []byte {
	t.Helper()
	f, _, text := loadBytes(t, validFile(t))
	if text != "" {
		t.Fatal(text)
	}
	content, err := Render(f, filepath.Dir(filepath.Dir(f.Database.Path())))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestSchemaSaysWhatDecodingSays(t *testing.T) {
	schema := compileSchema(t)
	for name, content := range map[string][]byte{"valid": validFile(t), "example": exampleFile(t)} {
		if err := schema.Validate(asJSON(t, content)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What can be seen in one value or one section, the schema must see too.
	inSchema := []string{codeUnknownKey, codeWrongPlace, codeWrongType, codeMissing, codeNoChoice, codeWrongForm}
	notThere := map[string]bool{ // JSON has no such thing, or no bound that a pattern could say
		"integer-too-large": true, "size-too-large": true,
		"key-is-list": true, "two-documents": true, "integer-hexadecimal": true, "integer-underscore": true,
	}
	tested := 0
	for name, content := range brokenFiles(t) {
		_, problems, _ := loadBytes(t, content)
		if notThere[name] || !slices.ContainsFunc(problems, func(p Problem) bool { return slices.Contains(inSchema, p.Code) }) {
			continue
		}
		tested++
		if err := schema.Validate(asJSON(t, content)); err == nil {
			t.Errorf("%s: the schema accepts what decoding refuses", name)
		}
	}
	if tested < 30 {
		t.Errorf("only %d broken files were tried", tested)
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asJSON gives what an editor's YAML parser hands to the schema.
func asJSON(t *testing.T, content []byte) any {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(content, &doc); err != nil || len(doc.Content) == 0 {
		return nil
	}
	var convert func(n *yaml.Node) any
	convert = func(n *yaml.Node) any {
		switch n.Kind {
		case yaml.MappingNode:
			m := map[string]any{}
			for i := 0; i < len(n.Content); i += 2 {
				m[n.Content[i].Value] = convert(n.Content[i+1])
			}
			return m
		case yaml.SequenceNode:
			list := []any{}
			for _, item := range n.Content {
				list = append(list, convert(item))
			}
			return list
		case yaml.AliasNode:
			return convert(n.Alias)
		}
		var v any
		if n.ShortTag() == "!!timestamp" || n.Decode(&v) != nil {
			return n.Value
		}
		return v
	}
	return convert(doc.Content[0])
}

// The declarations that packages make are checked on types of our own.
func TestDeclarationsThatAreRefused(t *testing.T) {
	type nested struct {
		A chan int `config:"a"`
	}
	for name, v := range map[string]any{
		"no tag":  struct{ A string }{},
		"channel": nested{},
		"channel inside": struct {
			N nested `config:"n"`
		}{},
		"unknown option": struct {
			A string `config:"a,must"`
		}{},
		"required with default": struct {
			A string `config:"a,required" default:"x"`
		}{},
		"unknown format": struct {
			A string `config:"a" format:"url"`
		}{},
		"map with numbers as key": struct {
			A map[int]string `config:"a"`
		}{},
	} {
		if _, err := describe(reflect.TypeOf(v)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestEveryKindOfField(t *testing.T) {
	type inner struct {
		Name string `config:"name,required" doc:"名"`
		Size int64  `config:"size" default:"1KiB" unit:"size" doc:"大"`
	}
	type Embedded struct {
		Deep string `config:"deep" default:"d" doc:"深"`
	}
	type all struct {
		Embedded
		Text   string            `config:"text" default:"t" doc:"文"`
		Flag   bool              `config:"flag" default:"true" doc:"旗"`
		Num    int               `config:"num" default:"5" doc:"数"`
		Part   float64           `config:"part" default:"0.5" doc:"分"`
		For    time.Duration     `config:"for" default:"90m" doc:"間"`
		Day    string            `config:"day" format:"date" doc:"日"`
		Path   string            `config:"path" format:"path" doc:"道"`
		List   []string          `config:"list" default:"a,b" enum:"a|b|c" doc:"列"`
		Many   []inner           `config:"many" doc:"多"`
		Names  map[string]string `config:"names" doc:"名"`
		Rooms  map[string]inner  `config:"rooms" doc:"室"`
		Maybe  *inner            `config:"maybe" doc:"有無"`
		Hidden string            `config:"-"`
	}
	path := filepath.Join(t.TempDir(), "x.yaml")
	write := func(content string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("list: [c]\nflag: false\npart: 2\nfor: 1m30s\nday: \"2026-01-31\"\npath: a/b\nmany:\n  - name: x\n    size: 2MiB\n  - name: y\n" +
		"names:\n  q: w\nrooms:\n  one:\n    name: z\nmaybe:\n  name: m\n")
	want := all{
		Embedded: Embedded{Deep: "d"}, Text: "t", Num: 5, Part: 2, For: 90 * time.Second, Day: "2026-01-31",
		Path: filepath.Join(filepath.Dir(path), "a/b"), List: []string{"c"},
		Many:  []inner{{"x", 2 << 20}, {"y", 1 << 10}},
		Names: map[string]string{"q": "w"}, Rooms: map[string]inner{"one": {"z", 1 << 10}}, Maybe: &inner{"m", 1 << 10},
	}
	for _, round := range []string{"as written", "as rendered"} {
		var got all
		if problems := load(&got, path, nil); len(problems) > 0 {
			t.Fatalf("%s: %v", round, problems)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", round, diff)
		}
		content, err := render(&got, "")
		if err != nil {
			t.Fatal(err)
		}
		write(string(content))
	}
	write("rooms:\n  one:\n    size: 1KiB\nnames:\n  q: 5\n")
	var got all
	problems := load(&got, path, nil)
	places := map[string]int{}
	for _, p := range problems {
		places[p.Code] = p.Line
	}
	if want := map[string]int{codeMissing: 2, codeWrongType: 5}; !maps.Equal(places, want) {
		t.Errorf("problems under free names: got %v, want %v", problems, want)
	}
}

func TestRefuseSaysTheFirstAndHowManyMore(t *testing.T) {
	if Refuse(nil) != nil {
		t.Error("no problem is no error")
	}
	p := Problem{File: "k.yaml", Line: 2, Column: 3, Code: codeMissing, Text: "「a」がありません。"}
	if got, want := Refuse([]Problem{p, p, p}).Error(), "KKH0110 k.yaml:2:3: KKH0115 「a」がありません。（ほか 2 件）"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStoreOfEarlierVersionsIsTheDatabase(t *testing.T) {
	content, err := os.ReadFile("testdata/valid.yaml")
	if err != nil {
		t.Fatal(err)
	}
	old := strings.NewReplacer("database:", "store:", "url: sqlite:data", "path: data").Replace(string(content))
	path := filepath.Join(t.TempDir(), "kakehashi.yaml")
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	f, problems := Load(path, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got, want := f.Database.Path(), filepath.Join(filepath.Dir(path), "data/kakehashi.db"); got != want {
		t.Errorf("database: got %q, want %q", got, want)
	}
}
