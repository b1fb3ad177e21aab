package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hostFolder writes a host's file and one for each city, made of the valid one by
// replacements, and gives the folder.
func hostFolder(t *testing.T, host string, cities map[string][]string) string {
	t.Helper()
	dir := t.TempDir()
	valid, err := os.ReadFile("testdata/valid.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, replacements := range cities {
		text := strings.ReplaceAll(string(valid), "listen:\n  address: 127.0.0.1:8443\n", "listen:\n")
		text = strings.ReplaceAll(text, "log:\n  format: line\n", "log:\n")
		text = strings.NewReplacer(replacements...).Replace(text)
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "kakehashi.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "host.yaml"), []byte(host), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// told loads the host's file and gives what is wrong, its folder written as DIR.
func told(t *testing.T, dir string, env ...string) (*Host, []string) {
	t.Helper()
	h, problems := LoadHost(filepath.Join(dir, "host.yaml"), env)
	var lines []string
	for _, p := range problems {
		lines = append(lines, strings.ReplaceAll(p.String(), dir, "DIR"))
	}
	return h, lines
}

const (
	twoByHost = `municipalities:
  - config: a/kakehashi.yaml
    host: A.example.lg.jp
  - config: b/kakehashi.yaml
    path: /132012
    max_requests: 8
listen:
  address: 127.0.0.1:9443
telemetry:
  otlp_endpoint: http://127.0.0.1:4318
`
)

// cityB makes of the valid file that of another city.
func cityB() []string { return []string{"999995", "132012", "login.", "login-b."} }

func TestHostReadsEveryMunicipality(t *testing.T) {
	dir := hostFolder(t, twoByHost, map[string][]string{"a": nil, "b": append(cityB(), "  # otlp", "  otlp")})
	if !IsHost(filepath.Join(dir, "host.yaml")) || IsHost(filepath.Join(dir, "a/kakehashi.yaml")) {
		t.Error("a host's file is not told from a city's")
	}
	h, wrong := told(t, dir, "KAKEHASHI_LISTEN_ADDRESS=127.0.0.1:9999")
	if len(wrong) > 0 {
		t.Fatalf("problems: %s", strings.Join(wrong, "\n"))
	}
	a, b := h.Municipalities[0], h.Municipalities[1]
	got := []any{
		h.Listen.Address, h.Gateways, a.Name(), b.Name(), a.MaxRequests, b.MaxRequests, a.MaxRate, len(h.Warnings),
		a.File.Municipality.Code, b.File.Municipality.Code, a.File.Telemetry.OTLPEndpoint, b.File.Database.Path(),
	}
	want := []any{
		"127.0.0.1:9999", 1, "a.example.lg.jp", "/132012", 32, 8, 50, 0,
		"999995", "132012", "http://127.0.0.1:4318", filepath.Join(dir, "b/data/kakehashi.db"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("host (-want +got):\n%s", diff)
	}
}

// What two cities must not share is told with both places.
func TestHostRefusesWhatIsShared(t *testing.T) {
	dir := hostFolder(t, `municipalities:
  - config: a/kakehashi.yaml
    host: a.example.lg.jp
  - config: b/kakehashi.yaml
    host: A.EXAMPLE.lg.jp
`, map[string][]string{"a": nil, "b": {"sqlite:data", "sqlite:../a/data", "keys/record.mac", "../a/keys/record.pub", "checkpoints.log", "../a/checkpoints.log"}})
	_, wrong := told(t, dir)
	want := []string{
		"DIR/host.yaml:4:5: KKH0163 呼ばれる名前（host か path）が DIR/host.yaml:2 と同じです。自治体ごとに別のものにしてください。",
		"DIR/b/kakehashi.yaml:4:9: KKH0160 自治体コードが DIR/a/kakehashi.yaml:4 と同じです。自治体ごとに別のものにしてください。",
		"DIR/b/kakehashi.yaml:9:8: KKH0161 データベース（PostgreSQL ではスキーマも合わせて）が DIR/a/kakehashi.yaml:9 と同じです。自治体ごとに別のものにしてください。",
		"DIR/b/kakehashi.yaml:19:13: KKH0164 職員トークンの発行者と宛先（issuer と audience）の組が DIR/a/kakehashi.yaml:19 と同じです。自治体ごとに別のものにしてください。",
		"DIR/b/kakehashi.yaml:12:17: KKH0162 記録の鍵か控えのファイルが DIR/a/kakehashi.yaml:14 と同じです。自治体ごとに別のものにしてください。",
		"DIR/b/kakehashi.yaml:15:21: KKH0162 記録の鍵か控えのファイルが DIR/a/kakehashi.yaml:15 と同じです。自治体ごとに別のものにしてください。",
	}
	if diff := cmp.Diff(want, wrong); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// Every file's problems are told at once, each with its file and line; what the environment
// says is the host's alone.
func TestHostTellsAllProblems(t *testing.T) {
	dir := hostFolder(t, `municipalities:
  - config: a/kakehashi.yaml
  - config: b/kakehashi.yaml
    path: /v1
  - config: nowhere.yaml
    host: https://c.example.lg.jp
  - config: b/kakehashi.yaml
    path: /132012
    max_rate: 0
gateways: 0
lookup:
  budget: 3s
`, map[string][]string{"a": {`"999995"`, "x"}, "b": append(cityB(), "budget", "bugdet")})
	_, wrong := told(t, dir, "KAKEHASHI_DATABASE_URL=sqlite:one.db")
	var got []string
	for _, line := range wrong {
		at, _, _ := strings.Cut(line, " ")
		if rest, env := strings.CutPrefix(line, "環境変数 "); env {
			at, _, _ = strings.Cut(rest, " ")
		}
		_, code, _ := strings.Cut(line, ": KKH")
		got = append(got, at+" KKH"+code[:4])
	}
	want := []string{
		"DIR/host.yaml:2:13: KKH0165", "DIR/host.yaml:4:11: KKH0165", "DIR/host.yaml:6:11: KKH0165", "DIR/host.yaml:9:15: KKH0167",
		"DIR/host.yaml:11:1: KKH0111", "KAKEHASHI_DATABASE_URL: KKH0118",
		"DIR/a/kakehashi.yaml:4:9: KKH0119", "DIR/b/kakehashi.yaml:38:3: KKH0111", "DIR/nowhere.yaml:1:1: KKH0107", "DIR/b/kakehashi.yaml:38:3: KKH0111",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s\n%s", diff, strings.Join(wrong, "\n"))
	}
}

// What a city's file says and a host does not read is a warning, not a problem.
func TestHostWarnsOfWhatItDoesNotRead(t *testing.T) {
	dir := hostFolder(t, twoByHost, map[string][]string{"a": {"listen:\n", "listen:\n  address: 127.0.0.1:0\n"}, "b": cityB()})
	h, wrong := told(t, dir)
	if len(wrong) > 0 || len(h.Warnings) != 1 {
		t.Fatalf("problems %v, warnings %v", wrong, h)
	}
	if got, want := strings.ReplaceAll(h.Warnings[0].String(), dir, "DIR"),
		"DIR/a/kakehashi.yaml:7:1: KKH0166 「listen」は使いません。複数の自治体を動かすときは、全体の設定ファイルに書いたものを使います。"; got != want {
		t.Errorf("got %s", got)
	}
}

// Two cities neither publish on one topic nor read the other's notices.
func TestHostTellsTopicsApart(t *testing.T) {
	kafka := func(brokers, events string) []string {
		return []string{"lookup:\n", "kafka:\n  brokers: [" + brokers + "]\nevents:\n" + events + "lookup:\n"}
	}
	consumers := "  consumers:\n    - {name: 福祉システム, legal_basis: 条例第4条, from: 2026-04-01}\n"
	notices := "  notices:\n    enabled: true\n"
	for _, c := range []struct {
		name, a, b, brokers string
		wrong               int
	}{
		{"both publish", consumers, consumers, "K1.example:9092", 1},
		{"both read", notices, notices, "k1.example:9092", 1},
		{"one publishes, one reads", consumers, notices, "k1.example:9092", 0},
		{"one reads what the other publishes", consumers, "  topic: own\n" + notices + "    topic: kakehashi.ledger.v1\n", "k1.example:9092", 1},
		{"topics of their own", consumers, consumers + "  topic: kakehashi.ledger.v1.132012\n", "k1.example:9092", 0},
		{"brokers by other names", consumers, consumers, "k9.example:9092", 1}, // of one cluster, for all that is known
		{"brokers in common", notices, notices, "k3.example:9092, k2.example:9092", 1},
	} {
		dir := hostFolder(t, twoByHost, map[string][]string{
			"a": kafka("k2.example:9092, k1.example:9092", c.a), "b": append(cityB(), kafka(c.brokers, c.b)...),
		})
		_, wrong := told(t, dir)
		if len(wrong) != c.wrong || c.wrong > 0 && !strings.Contains(wrong[0], "KKH0168") {
			t.Errorf("%s: %s", c.name, strings.Join(wrong, "\n"))
		}
	}
}

// The same schema of the same database is one, however it is spelt; another schema is not.
func TestHostTellsDatabasesApart(t *testing.T) {
	postgres := func(url, schema string) []string {
		return []string{"url: sqlite:data/kakehashi.db\n  max_size: 10GiB", "url: " + url + "\n  schema: " + schema}
	}
	for _, c := range []struct {
		url, schema string
		same        bool
	}{
		{"postgres://b@DB.example:5432/kakehashi", "city_a", true},
		{"postgres://b@db.example/kakehashi", "city_b", false},
		{"postgres://b@db.example/other", "city_a", false},
		{"postgres://b@db.example:6432/kakehashi", "city_a", false},
	} {
		dir := hostFolder(t, twoByHost, map[string][]string{
			"a": postgres("postgres://a@db.example/kakehashi", "city_a"),
			"b": append(cityB(), postgres(c.url, c.schema)...),
		})
		_, wrong := told(t, dir)
		if same := len(wrong) == 1 && strings.Contains(wrong[0], "KKH0161"); same != c.same || !c.same && len(wrong) > 0 {
			t.Errorf("%s %s: %s", c.url, c.schema, wrong)
		}
	}
}

// 30 municipalities on 3 gateways with a pool of 3 fit into 400 connections.
func TestBudget(t *testing.T) {
	cities := func(n, pool int, pooler bool, url string) []*File {
		var all []*File
		for range n {
			f := Defaults()
			f.Database.URL, f.Database.Pool, f.Database.Pooler = url, pool, pooler
			all = append(all, f)
		}
		return all
	}
	got := Budget(cities(30, 3, false, "postgres://k@DB.example/k"), 3)
	if want := []Connections{{"db.example:5432", 30, 3, 360, 40}}; !cmp.Equal(want, got) || got[0].Total() != 400 {
		t.Errorf("got %+v", got)
	}
	got = Budget(append(cities(2, 4, true, "postgres://k@pooler:6432/k"), append(cities(1, 4, false, "sqlite:a.db"), cities(1, 4, false, "postgres://k@/k?host=/run/pg")...)...), 2)
	if want := []Connections{{"pooler:6432", 2, 2, 16, 12}, {"/run/pg:5432", 1, 2, 10, 11}}; !cmp.Equal(want, got) {
		t.Errorf("got %+v", got)
	}
}
