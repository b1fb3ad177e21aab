package web_test

import (
	"bytes"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

func TestOutboxPages(t *testing.T) {
	h := build(t, nil)
	h.page("outbox-empty", http.StatusOK, h.ask("GET", "/console/outbox", "", ""))
	mended := h.parking()
	record, first, second := h.parked()
	h.until("/v1/outbox?record="+record, "operator", func(a reply) bool { return a.json(t)["owed"] == float64(2) })
	h.page("outbox-parked", http.StatusOK, h.ask("GET", "/console/outbox", "", ""))
	h.page("outbox-filtered", http.StatusOK, h.ask("GET", "/console/outbox?cause=rejected&all=true", "", ""))
	h.page("change-parked", http.StatusOK, h.ask("GET", "/console/outbox/"+first, "", ""))
	h.page("change-waiting", http.StatusOK, h.ask("GET", "/console/outbox/"+second, "", ""))
	if a := h.ask("GET", "/console/", "", ""); !bytes.Contains(a.body, []byte("配信不能が 1 件あります")) {
		t.Error("the start page does not say that something is parked")
	}
	plan := h.post("/console/outbox/plan", form("act", "replay", "cause", "rejected", "state", "parked", "destination", "address"))
	h.page("plan-replay", http.StatusOK, plan)
	h.page("plan-discard", http.StatusOK, h.post("/console/outbox/plan", form("act", "discard", "id", first)))
	h.page("plan-nothing", http.StatusOK, h.post("/console/outbox/plan", form("act", "replay", "id", second)))
	v := form("act", "replay", "cause", "rejected", "state", "parked", "destination", "address", "before", hidden(t, plan, "before"),
		"reason", "相手先の復旧", "count", "1", "do", "go")
	for name, change := range map[string][2]string{
		"the Enter key": {"do", "back"}, "no button": {"do", ""},
	} {
		w := maps.Clone(v)
		w[change[0]] = []string{change[1]}
		if a := h.post("/console/outbox/confirm", w); a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/console/outbox?") {
			t.Errorf("%s: %d %v", name, a.status, a.header)
		}
	}
	for name, change := range map[string][2]string{"plan-errors": {"count", ""}, "plan-count": {"count", "2"}, "plan-number": {"reason", "0000000019 の分"}} {
		w := maps.Clone(v)
		w[change[0]] = []string{change[1]}
		status := http.StatusUnprocessableEntity
		if name == "plan-count" {
			status = http.StatusConflict
		}
		h.page(name, status, h.post("/console/outbox/confirm", w))
	}
	if a := h.ask("GET", "/v1/outbox/replays", "operator", ""); len(a.json(t)["replays"].([]any)) != 0 {
		t.Fatalf("something was replayed that nobody confirmed: %s", a.body)
	}
	mended.Store(true)
	gone := h.post("/console/outbox/confirm", v)
	to := gone.header.Get("Location")
	if gone.status != http.StatusSeeOther || !strings.HasPrefix(to, "/console/outbox/replays/R-") {
		t.Fatalf("%d %v", gone.status, gone.header)
	}
	h.until("/v1"+strings.TrimPrefix(to, "/console"), "operator", func(a reply) bool { return a.json(t)["state"] == "done" })
	h.page("replay-done", http.StatusOK, h.ask("GET", to, "", ""))
	h.until("/v1/outbox", "operator", func(a reply) bool { return a.json(t)["owed"] == float64(0) })
	h.page("outbox-done", http.StatusOK, h.ask("GET", "/console/outbox?all=true", "", ""))
}

// The first button of a form that confirms goes back: it is the one that Enter presses.
func TestEnterNeverConfirms(t *testing.T) {
	h := build(t, nil)
	h.parking()
	_, first, _ := h.parked()
	for _, act := range []string{"replay", "discard"} {
		a := h.post("/console/outbox/plan", form("act", act, "id", first))
		buttons := regexp.MustCompile(`<button type="submit" name="do" value="([a-z]+)"`).FindAllSubmatch(a.body, -1)
		if len(buttons) != 2 || string(buttons[0][1]) != "back" || string(buttons[1][1]) != "go" {
			t.Errorf("%s: %q", act, buttons)
		}
	}
}

func TestDiscardPages(t *testing.T) {
	h := build(t, nil)
	h.parking()
	_, first, second := h.parked()
	h.next.told = func(ledger.Change) (ledger.Receipt, error) {
		return ledger.Receipt{}, fault.New(fault.Rejected, "refused").WithCode("KKH2115").WithReason("rejected")
	}
	v := form("act", "discard", "id", first, "reason", "相手先で入力済み", "count", "1", "do", "go")
	h.page("discarded", http.StatusOK, h.post("/console/outbox/confirm", v))
	h.until("/v1/outbox/"+second, "operator", func(a reply) bool { return bytes.Contains(a.body, []byte(`"state":"parked"`)) })
	h.page("change-discarded", http.StatusOK, h.ask("GET", "/console/outbox/"+first, "", ""))
	undo := form("id", first, "reason", "取り違え", "do", "go")
	for name, change := range map[string][2]string{"undo-errors": {"reason", ""}, "undo-number": {"reason", "0000000019"}} {
		w := maps.Clone(undo)
		w[change[0]] = []string{change[1]}
		h.page(name, http.StatusUnprocessableEntity, h.post("/console/outbox/undo", w))
	}
	if a := h.post("/console/outbox/undo", undo); a.status != http.StatusSeeOther || a.header.Get("Location") != "/console/outbox/"+first {
		t.Errorf("%d %v", a.status, a.header)
	}
	h.page("undo-again", http.StatusConflict, h.post("/console/outbox/undo", undo))
}

// A replay that runs is stopped and goes on again, each with a reason.
func TestReplayPages(t *testing.T) {
	h := build(t, nil)
	h.parking()
	_, first, _ := h.parked()
	hold := make(chan struct{})
	h.next.told = func(ledger.Change) (ledger.Receipt, error) {
		select {
		case <-hold:
		case <-time.After(10 * time.Second):
		}
		return ledger.Receipt{}, nil
	}
	a := h.ask("POST", "/v1/outbox/replays", "operator", `{"ids":["`+first+`"],"reason":"相手先の復旧"}`)
	path := "/console/outbox/replays/" + a.json(t)["id"].(string)
	api := strings.Replace(path, "/console", "/v1", 1)
	h.until(api, "operator", func(a reply) bool { return a.json(t)["armed"] == float64(1) })
	running := h.ask("GET", path, "", "")
	h.page("replay-running", http.StatusOK, running)
	if !bytes.Contains(running.body, []byte(`<meta http-equiv="refresh" content="2;url=`+path+`">`)) {
		t.Errorf("the page does not look again: %s", running.body)
	}
	held := h.ask("GET", path+"?hold=1", "", "")
	h.page("replay-hold", http.StatusOK, held)
	if bytes.Contains(held.body, []byte("refresh")) {
		t.Error("a page with a field to fill in is taken away by itself")
	}
	h.page("replay-errors", http.StatusUnprocessableEntity, h.post(path+"/stop", form("do", "go")))
	if a := h.post(path+"/stop", form("reason", "相手先の都合", "do", "back")); a.status != http.StatusSeeOther || h.ask("GET", api, "operator", "").json(t)["state"] != "running" {
		t.Errorf("going back: %d", a.status)
	}
	close(hold)
	h.until(api, "operator", func(a reply) bool { return a.json(t)["state"] == "done" })
}

// The page leads to the page of the manual that says what to do.
func TestOutboxPageLeadsToItsHelp(t *testing.T) {
	h := build(t, nil)
	a := h.ask("GET", "/console/outbox", "", "")
	m := regexp.MustCompile(`href="(/console/help/[^"]+)"`).FindSubmatch(a.body)
	if m == nil {
		t.Fatalf("no help: %s", a.body)
	}
	if a := h.ask("GET", string(m[1]), "", ""); a.status != http.StatusOK {
		t.Errorf("%s: %d", m[1], a.status)
	}
}
