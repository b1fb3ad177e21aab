package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// noticed is a notice as `inbox list --json` spells it.
type noticed struct {
	ID     string `json:"id"`
	Source string `json:"source"`
	Topic  string `json:"topic"`
	State  string `json:"state"`
	Cause  string `json:"cause"`
	Result string `json:"result"`
}

// inboxOf lists notices as a script does.
func inboxOf(t testing.TB, dir string, flags ...string) []noticed {
	t.Helper()
	r := kakehashi(t, append([]string{"inbox", "list", "--dir", dir, "--json"}, flags...)...)
	var all []noticed
	if err := json.Unmarshal([]byte(r.out), &all); err != nil || r.code != exitOK {
		t.Fatalf("inbox list: %d %v %s", r.code, err, r.err)
	}
	return all
}

// settledNotices waits until so many notices have taken effect.
func settledNotices(t testing.TB, dir string, want int) {
	t.Helper()
	n := 0
	eventually(t, 60*time.Second, fmt.Sprintf("%d notices have taken effect", want), func() bool {
		n = len(inboxOf(t, dir, "--all", "--state", "settled"))
		return n >= want
	})
	if n != want {
		t.Errorf("%d notices have taken effect, want %d", n, want)
	}
}

// sights gives what `beneficiary show` tells of notices, by kind.
func (p *process) sights(child persona, id string) map[string]int {
	p.t.Helper()
	r := kakehashi(p.t, "beneficiary", "show", "--dir", p.dir, id, "--case", child.Case,
		"--procedure", p.ready.Example.Procedure, "--purpose", p.ready.Example.Purpose)
	var shown struct {
		Notices []struct {
			Of          string `json:"of"`
			Kind        string `json:"kind"`
			EffectiveOn string `json:"effective_on"`
			CheckedAt   string `json:"checked_at"`
		} `json:"notices"`
	}
	if err := json.Unmarshal([]byte(r.out), &shown); err != nil || r.code != exitOK {
		p.t.Fatalf("beneficiary show: %d %v %s", r.code, err, r.err)
	}
	kinds := map[string]int{}
	for _, n := range shown.Notices {
		if n.Of != "child" || n.EffectiveOn != "2026-11-20" || n.CheckedAt == "" {
			p.t.Errorf("beneficiary show tells of the notice %+v", n)
		}
		kinds[n.Kind]++
	}
	return kinds
}

const noticeSource = "urn:example:residents"

// noticeHeaders are those of an event of our neighbour's.
func noticeHeaders(id string) []kafka.Header {
	var all []kafka.Header
	for _, h := range [][2]string{
		{"ce_specversion", "1.0"}, {"ce_id", id}, {"ce_source", noticeSource}, {"ce_type", "jp.lg.kakehashi.resident.changed.v1"},
		{"ce_time", "2026-11-20T09:00:00+09:00"}, {"content-type", "application/json"},
	} {
		all = append(all, kafka.Header{Key: h[0], Value: []byte(h[1])})
	}
	return all
}

func noticeBody(who persona, kind string) string {
	return fmt.Sprintf(`{"atena_number":%q,"kind":%q,"effective":"2026-11-20"}`, who.Atena, kind)
}

// notify produces to the topic of notices.
func (p *place) notify(messages ...kafka.Message) {
	p.t.Helper()
	w := &kafka.Writer{
		Addr: kafka.TCP(strings.Split(p.brokers, ",")...), Topic: p.notices(), RequiredAcks: kafka.RequireAll,
		Balancer: &kafka.Hash{}, BatchTimeout: 5 * time.Millisecond,
		Transport: &kafka.Transport{MetadataTTL: 100 * time.Millisecond}, // the shared one remembers for six seconds which topics there are
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	err := w.WriteMessages(ctx, messages...)
	for errors.Is(err, kafka.UnknownTopicOrPartition) && ctx.Err() == nil { // made a moment ago; the library does not try again
		<-time.After(50 * time.Millisecond)
		err = w.WriteMessages(ctx, messages...)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		p.t.Fatal(err)
	}
}

// TestANoticeOfKafkaRefreshesThePerson: a notice takes effect once, whoever produced it; one
// that nobody can read is parked and stands in nobody's way.
func TestANoticeOfKafkaRefreshesThePerson(t *testing.T) {
	t.Parallel()
	at := wholePlace(t)
	p := at.demo("KAKEHASHI_INBOX_RETRY_FIRST=100ms", "KAKEHASHI_INBOX_SOURCES="+noticeSource)
	child := children(personas(t, p.dir))[0]
	worker := token(t, p.dir, "case-worker")
	a := p.must("/v1/beneficiaries", worker, "register", p.registration(child, outsiderOf(1).body()))

	first := kafka.Message{Key: []byte(child.Case), Value: []byte(noticeBody(child, "changed")), Headers: noticeHeaders("n-1")}
	at.notify(first, first) // the producer's own repeat
	settledNotices(t, p.dir, 1)
	if got := p.sights(child, a.ID); got["changed"] != 1 {
		t.Errorf("after one notice that came twice the page tells of %v", got)
	}
	at.notify(first) // and one after it took effect

	poison := kafka.Message{Key: []byte(child.Case), Value: []byte(`{"atena_number":` + child.Name), Headers: noticeHeaders("n-2")}
	bare := kafka.Message{Key: []byte(child.Case), Value: []byte("no event at all, of " + child.Name)}
	foreign := kafka.Message{Key: []byte(child.Case), Value: []byte(noticeBody(child, "protection")), Headers: noticeHeaders("n-4")}
	foreign.Headers[2].Value = []byte("urn:example:somebody-else")
	at.notify(poison, bare, foreign, kafka.Message{Key: []byte(child.Case), Value: []byte(noticeBody(child, "household")), Headers: noticeHeaders("n-3")})
	settledNotices(t, p.dir, 2) // the one behind the poison
	if got := p.sights(child, a.ID); got["household"] != 1 {
		t.Errorf("the page tells of %v", got)
	}
	p.tellsOfPoison(t, at, child)

	stop(t, p)
	p = at.demo() // which takes notices of everybody
	r := kakehashi(t, "inbox", "replay", "--dir", p.dir, "--cause", "unknown_source", "--reason", "送り元を設定に追加")
	if r.code != exitOK {
		t.Errorf("inbox replay: %d %s%s", r.code, r.out, r.err)
	}
	settledNotices(t, p.dir, 3)
	if got := p.sights(child, a.ID); got["protection"] != 1 {
		t.Errorf("after the replay the page tells of %v", got)
	}

	told := 3
	for _, tool := range at.strangers(child) {
		told++
		out, err := tool.cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", tool.name, err, out)
		}
		settledNotices(t, p.dir, told)
		if got := p.sights(child, a.ID); got[tool.kind] != 1 {
			t.Errorf("after a notice by %s the page tells of %v", tool.name, got)
		}
		t.Logf("a notice produced by %s took effect", tool.name)
	}
	stop(t, p)
	checkContent(t, p.dir)
}

// stop ends a gateway and makes sure that it ends well.
func stop(t testing.TB, p *process) {
	t.Helper()
	if code := p.stop(); code != exitOK {
		t.Errorf("a gateway stopped with %d\n%s", code, p.log)
	}
}

// tellsOfPoison lists, replays and discards what is parked: two notices that nobody can read
// and one of somebody who may not send any.
func (p *process) tellsOfPoison(t *testing.T, at *place, child persona) {
	t.Helper()
	parked := inboxOf(t, p.dir, "--state", "parked")
	causes := map[string]string{}
	for _, n := range parked {
		causes[n.Cause] = n.ID
		if n.Topic != at.notices() {
			t.Errorf("a parked notice is of the topic %q", n.Topic)
		}
	}
	if len(parked) != 3 || causes["unreadable"] == "" || causes["no_event"] == "" || causes["unknown_source"] == "" {
		t.Fatalf("parked are %+v", parked)
	}
	if status, probes := p.probes(); status != http.StatusOK || !strings.HasPrefix(probes["inbox"], "KKH3501") {
		t.Errorf("with parked notices /readyz says %d %q", status, probes["inbox"])
	}
	var n int
	at.query(&n, "SELECT count(*) FROM "+at.schema+".inbox_notice WHERE position($1::bytea IN body) > 0 OR position($2::bytea IN body) > 0",
		[]byte(child.Name), []byte(child.Atena))
	if n != 0 {
		t.Errorf("%d notices are kept unencrypted", n)
	}
	for _, c := range []struct {
		want int
		args []string
	}{
		{exitUsage, []string{"replay", causes["unreadable"]}},                        // without a reason
		{exitData, []string{"replay", causes["unreadable"], "--reason", "形を確かめたため"}}, // it still cannot be read
		{exitOK, []string{"discard", "--cause", "no_event", "--reason", "送り元の誤り"}},
		{exitData, []string{"replay", "N-AAAAAAAAAAAAAAAAAAAAAAAAAA", "--reason", "ない通知"}},
	} {
		r := kakehashi(t, append([]string{"inbox", c.args[0], "--dir", p.dir, "--json"}, c.args[1:]...)...)
		if r.code != c.want {
			t.Errorf("inbox %v: %d %s%s, want %d", c.args, r.code, r.out, r.err, c.want)
		}
	}
	if left := inboxOf(t, p.dir, "--state", "parked"); len(left) != 2 {
		t.Errorf("left parked are %+v", left)
	}
	if gone := inboxOf(t, p.dir, "--all", "--state", "discarded"); len(gone) != 1 || gone[0].ID != causes["no_event"] {
		t.Errorf("discarded are %+v", gone)
	}
}

// stranger is a tool of somebody else's that produces a notice of a kind.
type stranger struct {
	name, kind string
	cmd        *exec.Cmd
}

// strangers gives those that this machine has: kcat on the PATH, and Kafka's own producer
// where KAKEHASHI_TEST_KAFKA_LIBS names the folder of its jars.
func (p *place) strangers(child persona) (all []stranger) {
	p.t.Helper()
	broker, _, _ := strings.Cut(p.brokers, ",")
	if path, err := exec.LookPath("kcat"); err == nil {
		args := []string{"-P", "-b", broker, "-t", p.notices(), "-k", child.Case}
		for _, h := range noticeHeaders("n-kcat") {
			args = append(args, "-H", h.Key+"="+string(h.Value))
		}
		cmd := exec.Command(path, args...)
		cmd.Stdin = strings.NewReader(noticeBody(child, "moved_in"))
		all = append(all, stranger{"kcat", "moved_in", cmd})
	} else {
		p.t.Log("there is no kcat: no notice was produced by it")
	}
	java, err := exec.LookPath("java")
	jars := os.Getenv("KAKEHASHI_TEST_KAFKA_LIBS")
	if err != nil || jars == "" {
		p.t.Log("there is no java, or KAKEHASHI_TEST_KAFKA_LIBS is not set: no notice was produced by Kafka's own producer")
		return all
	}
	var headers []string
	for _, h := range noticeHeaders("n-java") {
		headers = append(headers, h.Key+":"+string(h.Value))
	}
	cmd := exec.Command(java, "-Xmx128m", "-cp", filepath.Join(jars, "*"), "org.apache.kafka.tools.ConsoleProducer",
		"--bootstrap-server", broker, "--topic", p.notices(), "--reader-property", "parse.headers=true",
		"--reader-property", "headers.delimiter=|", "--reader-property", "headers.separator=;")
	var line bytes.Buffer
	line.WriteString(strings.Join(headers, ";") + "|" + noticeBody(child, "moved_out") + "\n")
	cmd.Stdin = &line
	return append(all, stranger{"Kafka's console producer", "moved_out", cmd})
}
