package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestARegistrationReachesKafkaToo: the demo on real engines. A family is found, looked up
// and registered; the neighbour is told as on SQLite, and Kafka is told that something
// changed and nothing else.
func TestARegistrationReachesKafkaToo(t *testing.T) {
	t.Parallel()
	at := wholePlace(t)
	p := at.demo()
	people := personas(t, p.dir)
	child := tagged(t, people, "child", "guardian-elsewhere")
	worker, operator := token(t, p.dir, "case-worker"), token(t, p.dir, "operator")
	found, _ := p.search(worker, p.searchBody(child))
	if _, ok := among(found.Candidates, child.Atena); !ok {
		t.Fatal("the child is not found")
	}
	p.lookup(worker, child)

	guardian := outsiderOf(1)
	a := p.must("/v1/beneficiaries", worker, "press-1", p.registration(child, guardian.body()))
	owedTo := map[string]int{}
	for _, o := range a.Owed {
		owedTo[o.Destination]++
	}
	if owedTo["address"] != 2 || owedTo["kafka"] != 1 || len(a.Waiting) != 1 {
		t.Errorf("owed at once to %v, waiting %+v", owedTo, a.Waiting)
	}
	p.told(operator, 30*time.Second)
	number := p.numbered(t, worker, child, a.ID)
	m := p.must("/v1/beneficiaries/"+a.ID+"/changes", worker, "press-2", p.mailing(child.Case, 1, 1))
	p.told(operator, 30*time.Second)

	promised := map[string][]string{a.ID: append(a.changes(), m.changes()...)}
	if sum := reckon(t, p.dir, promised); sum.delivered != 4 {
		t.Errorf("delivered to the neighbour %d of 4", sum.delivered)
	}
	if n := at.events(p.ready.Municipality, promised, kindsOf(t, p.dir)); n != 3 {
		t.Errorf("Kafka has %d events of 3", n)
	}
	named, atena := personal(t, people), numbers(t, people)
	atena.add(t, "the guardian", "宛名番号", number)
	for _, v := range []string{guardian.name, guardian.kana, guardian.address} {
		named.add(t, "the guardian", "application", v)
	}
	subjects := map[string]bool{}
	for i, m := range at.published(at.topic) {
		subjects[string(m.Key)] = true
		bytes := everyByte(m)
		report(t, "an event", append(named.in(bytes), atena.in(bytes)...))
		planted := append(slices.Clone(bytes), []string{guardian.name, number, child.Atena, child.Address}[i%4]...)
		if len(named.in(planted))+len(atena.in(planted)) == 0 {
			t.Error("what was planted in an event is not found")
		}
	}
	if len(subjects) != 2 {
		t.Errorf("the events are of %d subjects; want the child and the guardian", len(subjects))
	}
	status, probes := p.probes()
	for name, wrong := range probes {
		if wrong != "" {
			t.Errorf("/readyz %d, %s: %s", status, name, wrong)
		}
	}
	if len(probes) < 9 {
		t.Errorf("/readyz tells of %v", probes)
	}
	checkContent(t, p.dir)
	r := kakehashi(t, "demo", "--dir", p.dir, "--database", at.database)
	if r.code != exitUsage || !strings.Contains(r.err, "kakehashi.yaml") {
		t.Errorf("a folder that has its engines takes others: %d %s", r.code, r.err)
	}
	if code := p.stop(); code != exitOK {
		t.Errorf("the demo stopped with %d", code)
	}
}
