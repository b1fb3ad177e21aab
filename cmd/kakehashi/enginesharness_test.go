package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"

	"kakehashi/internal/servers"
	"kakehashi/internal/storetest"
)

// place is where one test's demo keeps all: a folder, a schema and topics of its own. What
// is made on the servers is taken away when the test ends.
type place struct {
	t        *testing.T
	dir      string
	database string // the server's URL
	schema   string
	redis    string
	brokers  string
	topic    string
}

// newPlace makes an empty place with a schema on PostgreSQL.
func newPlace(t *testing.T) *place {
	t.Helper()
	at := storetest.Postgres(t)
	return &place{t: t, dir: t.TempDir(), database: at.Config.URL, schema: at.Config.Schema}
}

// wholePlace makes one on PostgreSQL, Redis and Kafka.
func wholePlace(t *testing.T) *place {
	t.Helper()
	p := newPlace(t)
	p.redis, p.brokers = servers.Redis(t), servers.Kafka(t)
	p.topic = "kakehashi.test." + strings.ToLower(rand.Text()[:12])
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
		defer cancel()
		client := &kafka.Client{Addr: kafka.TCP(strings.Split(p.brokers, ",")...)}
		_, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{p.topic, p.notices(), p.probe()}})
		if err != nil {
			t.Errorf("delete the topics: %v", err)
		}
	})
	return p
}

func (p *place) notices() string { return p.topic + ".notices" }

func (p *place) probe() string { return p.topic + ".probe" }

// env names the topics, which the demo's own configuration does not.
func (p *place) env(more ...string) []string {
	if p.brokers == "" {
		return more
	}
	return append([]string{
		"KAKEHASHI_EVENTS_TOPIC=" + p.topic, "KAKEHASHI_EVENTS_NOTICES_TOPIC=" + p.notices(),
		"KAKEHASHI_EVENTS_PROBE_TOPIC=" + p.probe(), "KAKEHASHI_EVENTS_NOTICES_GROUP=" + p.topic,
	}, more...)
}

// demo starts the demo there, which writes its folder the first time.
func (p *place) demo(more ...string) *process {
	p.t.Helper()
	args := []string{"demo", "--dir", p.dir, "--addr", "127.0.0.1:0", "--json"}
	if _, err := os.Stat(filepath.Join(p.dir, configFile)); err != nil {
		args = append(args, "--database", p.database, "--schema", p.schema)
		if p.redis != "" {
			args = append(args, "--redis", p.redis)
		}
		if p.brokers != "" {
			args = append(args, "--kafka", p.brokers)
		}
	}
	return start(p.t, p.dir, p.env(more...), args...)
}

// serve runs the gateway of a folder by its configuration alone, as a city does, and gives
// it once it serves.
func (p *place) serve(dir string, more ...string) *process {
	p.t.Helper()
	g := p.begin(dir, more...)
	eventually(p.t, time.Minute, "a gateway is ready", func() bool {
		if closed(g.ended) {
			p.t.Fatalf("the gateway has ended\n%s", g.log)
		}
		return g.appears()
	})
	return g
}

// begin is serve that does not wait.
func (p *place) begin(dir string, more ...string) *process {
	p.t.Helper()
	_ = os.Remove(filepath.Join(dir, runningFile)) // of one that was killed
	g := &process{t: p.t, dir: dir, log: &syncBuffer{}, ended: make(chan struct{})}
	g.ready.Example = example{Procedure: exampleProcedure, Purpose: examplePurpose, Reason: exampleReason}
	g.cmd = command(p.t, "serve", "--dir", dir)
	g.cmd.Stderr = g.log
	g.cmd.Env = append(g.cmd.Env, p.env(append([]string{"KAKEHASHI_LISTEN_ADDRESS=127.0.0.1:0"}, more...)...)...)
	if err := g.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(g.ended)
		_ = g.cmd.Wait()
	}()
	p.t.Cleanup(g.kill)
	return g
}

// appears tells whether the gateway says by now where it is, and that it is ready.
func (p *process) appears() bool {
	r, err := readRunning(p.dir)
	if err != nil {
		return false
	}
	p.ready.API = r.API
	status, _ := p.probes()
	return status == http.StatusOK
}

// probes reads /readyz: the status, and by probe its number and text, empty where all is well.
func (p *process) probes() (int, map[string]string) {
	res, err := (&http.Client{Timeout: 10 * time.Second}).Get(p.ready.API + "/readyz")
	if err != nil {
		return 0, nil
	}
	defer res.Body.Close()
	var body struct {
		Probes []struct {
			Name string `json:"name"`
			OK   bool   `json:"ok"`
			Code string `json:"code"`
			Text string `json:"text"`
		} `json:"probes"`
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		return res.StatusCode, nil
	}
	found := map[string]string{}
	for _, probe := range body.Probes {
		found[probe.Name] = ""
		if !probe.OK {
			found[probe.Name] = strings.TrimSpace(probe.Code + " " + probe.Text)
		}
	}
	return res.StatusCode, found
}

// gatewayFolder makes the folder of another gateway: the demo's configuration and keys, and
// checkpoints of its own.
func (p *place) gatewayFolder() string {
	p.t.Helper()
	dir := p.t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "keys"), os.DirFS(filepath.Join(p.dir, "keys"))); err != nil {
		p.t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(p.dir, configFile))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, configFile), text, 0o600)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return dir
}

// configure changes the folder's configuration, where old must stand once.
func (p *place) configure(old, changed string) {
	p.t.Helper()
	path := filepath.Join(p.dir, configFile)
	text, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	if bytes.Count(text, []byte(old)) != 1 {
		p.t.Fatalf("the configuration does not hold %q once:\n%s", old, text)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte(old), []byte(changed), 1), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// published reads the whole topic, each partition in its order.
func (p *place) published(topic string) []kafka.Message {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	broker, _, _ := strings.Cut(p.brokers, ",")
	conn, err := kafka.DialContext(ctx, "tcp", broker)
	if err != nil {
		p.t.Fatal(err)
	}
	partitions, err := conn.ReadPartitions(topic)
	_ = conn.Close()
	if err != nil {
		p.t.Fatal(err)
	}
	var all []kafka.Message
	for _, partition := range partitions {
		all = append(all, p.partition(ctx, broker, topic, partition.ID)...)
	}
	return all
}

func (p *place) partition(ctx context.Context, broker, topic string, id int) (all []kafka.Message) {
	p.t.Helper()
	conn, err := kafka.DialLeader(ctx, "tcp", broker, topic, id)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	first, last, err := conn.ReadOffsets()
	if err == nil {
		_, err = conn.Seek(first, kafka.SeekAbsolute)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	for at := first; at < last; {
		m, err := conn.ReadMessage(1 << 20)
		if err != nil {
			p.t.Fatalf("read a message: %v", err)
		}
		at = m.Offset + 1
		all = append(all, m)
	}
	return all
}

// everyByte gives a message with all that it consists of.
func everyByte(m kafka.Message) []byte {
	all := slices.Concat(m.Key, []byte("\n"), m.Value)
	for _, h := range m.Headers {
		all = fmt.Appendf(all, "\n%s: %s", h.Key, h.Value)
	}
	return append(all, '\n')
}

// headersOf gives a message's headers by name.
func headersOf(m kafka.Message) map[string]string {
	all := map[string]string{}
	for _, h := range m.Headers {
		all[h.Key] = string(h.Value)
	}
	return all
}

// events checks each event of the topic and that those of each record stand in the order of
// its changes, each once, whichever of its persons they concern. kinds gives the kind of each
// change that was promised.
func (p *place) events(code string, promised map[string][]string, kinds map[string]string) int {
	p.t.Helper()
	at := map[string]int{} // by change: its place on its partition
	key := map[string]string{}
	all := p.published(p.topic)
	for i, m := range all {
		h := headersOf(m)
		city, change, _ := strings.Cut(h["ce_id"], "-")
		_, err := time.Parse(time.RFC3339Nano, h["ce_time"])
		if city != code || h["ce_specversion"] != "1.0" || h["ce_type"] != "jp.lg.kakehashi.ledger.beneficiary.changed.v1" ||
			h["ce_source"] != "urn:kakehashi:"+code+":ledger" || h["ce_subject"] == "" || h["ce_subject"] != string(m.Key) || err != nil {
			p.t.Errorf("an event bears the headers %v and the key %q", h, m.Key)
		}
		if _, again := at[change]; again { // a retry; the first counts
			continue
		}
		at[change], key[change] = i, string(m.Key)
	}
	for _, changes := range promised {
		last := map[string]int{} // by subject
		for _, id := range changes {
			place, there := at[id]
			switch {
			case kinds[id] == "numbering" && there:
				p.t.Errorf("%s is told to Kafka; its person has no number yet", id)
			case kinds[id] == "numbering":
			case !there:
				p.t.Errorf("%s (%s) was not told to Kafka", id, kinds[id])
			case place < last[key[id]]:
				p.t.Errorf("%s stands before an earlier change of its record", id)
			default:
				last[key[id]] = place
			}
		}
	}
	return len(at)
}

// kindsOf gives the kind of each change that the outbox knows.
func kindsOf(t testing.TB, dir string) map[string]string {
	t.Helper()
	kinds := map[string]string{}
	for _, o := range owedBy(t, dir) {
		kinds[o.Change] = o.Kind
	}
	return kinds
}

// query reads one value as the role that the server's URL names.
func (p *place) query(into any, statement string, args ...any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.database)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, statement, args...).Scan(into); err != nil {
		p.t.Fatalf("%s: %v", statement, err)
	}
}
