package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"
)

// TestNothingPersonalLeaksIntoEngines: after a session on real engines, what names anybody
// stands in the tables of the ledger and, by number alone, of the record: in no other table,
// in no value of Redis, in no message of Kafka, in no line of the log.
func TestNothingPersonalLeaksIntoEngines(t *testing.T) {
	t.Parallel()
	at := wholePlace(t)
	at.redis = redisOfItsOwn(t, at.redis)
	p := at.demo("KAKEHASHI_LOG_LEVEL=debug", "KAKEHASHI_OUTBOX_RETRY_FIRST=20ms", "KAKEHASHI_OUTBOX_RETRY_MAX=200ms",
		"KAKEHASHI_NEIGHBOURS_ADDRESS_BREAKER_FAILURES=1000")
	people := personas(t, p.dir)
	worker := token(t, p.dir, "case-worker")
	left := traces{}
	for _, who := range people[:12] {
		askAll(t, p, worker, who)
	}
	applied := newApplicants(t, p, worker, people)
	applied.strangers(t)
	for _, kind := range []string{"garbage", "lost-reply", "refuse"} {
		setFault(t, p.dir, "address", kind)
		applied.family(t)
		applied.look(t, left)
		clearFaults(t, p.dir)
	}
	at.noticesOf(t, p, applied.children[0])
	redisHolds(t, at.redis, left)
	applied.finish(t)
	applied.look(t, left)

	redisHolds(t, at.redis, left)
	left.add("/metrics", []byte(p.get("/metrics").body))
	r := kakehashi(t, "inbox", "list", "--dir", p.dir, "--all", "--json")
	left.add("inbox list", []byte(r.out+r.err))
	stop(t, p)
	left.add("log", []byte(p.log.String()))
	for _, m := range at.published(at.topic) {
		left.add("kafka", everyByte(m))
	}
	for _, table := range tablesOf(t, at.database, at.schema, "%") {
		left.add("table "+table, at.rows(t, table))
	}

	for place, sign := range map[string]string{
		"redis": "kakehashi:{", "kafka": "ce_subject", "log": "KKH4100", "/metrics": "kakehashi_", "inbox list": "N-",
		"table ledger_case": "K-", "table outbox_attempt": "unsure", "table inbox_notice": "unreadable", "table ledger_sight": "found",
	} {
		if !bytes.Contains(left[place], []byte(sign)) {
			t.Errorf("%s (%d bytes) holds no %q", place, len(left[place]), sign)
		}
	}
	logLines(t, p.log.String())
	names, atena := personal(t, people), numbers(t, people)
	said := applied.searches(t, atena)
	for place, content := range left {
		report(t, place, names.in(content))
		if !mayName(place) {
			report(t, place, said.in(content))
		}
		if !mayNumber(place) {
			report(t, place, atena.in(content))
		}
	}
	entries := 0
	for place, content := range left {
		if strings.HasPrefix(place, "table audit_entry") {
			entries += len(atena.in(content))
		}
	}
	if entries == 0 || len(said.in(left["table ledger_person"])) < len(applied.ids) {
		t.Errorf("the record names %d numbers: the search may be blind", entries)
	}
	plantAndFind(t, left, names, people[3])
}

// redisOfItsOwn gives one of Redis's databases, emptied of what an earlier run left there.
func redisOfItsOwn(t *testing.T, server string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/9"
	options, err := redis.ParseURL(u.String())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := client.FlushDB(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	return u.String()
}

// redisHolds adds every key and value.
func redisHolds(t *testing.T, server string, left traces) {
	t.Helper()
	options, err := redis.ParseURL(server)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	keys := client.Scan(ctx, 0, "*", 1000).Iterator()
	for keys.Next(ctx) {
		value, err := client.Dump(ctx, keys.Val()).Bytes() // of whatever type it is
		if errors.Is(err, redis.Nil) {
			continue // gone by now
		}
		if text, asText := client.Get(ctx, keys.Val()).Bytes(); asText == nil {
			value = text
		} else if err != nil {
			t.Fatal(err)
		}
		left.add("redis", fmt.Appendf(nil, "%s\n%s", keys.Val(), value))
	}
	if err := keys.Err(); err != nil {
		t.Fatal(err)
	}
}

// noticesOf has a notice about a child take effect, and others about it parked.
func (p *place) noticesOf(t *testing.T, g *process, child persona) {
	t.Helper()
	for i, body := range []string{
		noticeBody(child, "changed"), noticeBody(child, child.Name), `{"atena_number":` + child.Atena + child.Kana + child.Address,
	} {
		p.notify(kafka.Message{Value: []byte(body), Headers: noticeHeaders(fmt.Sprintf("leak-%d", i))})
	}
	settledNotices(t, g.dir, 1)
	eventually(t, 20*time.Second, "what cannot be read is parked", func() bool { return len(inboxOf(t, g.dir, "--state", "parked")) == 2 })
	if status, _ := g.probes(); status != http.StatusOK {
		t.Errorf("/readyz: %d", status)
	}
}

// rows gives all that a table holds, in the binary form, in which texts and bytes stand as
// they are.
func (p *place) rows(t *testing.T, table string) []byte {
	t.Helper()
	ctx, conn := connected(t, p.database, p.schema)
	var all bytes.Buffer
	if _, err := conn.PgConn().CopyTo(ctx, &all, `COPY `+table+` TO STDOUT (FORMAT binary)`); err != nil {
		t.Fatalf("%s: %v", table, err)
	}
	return all.Bytes()
}
