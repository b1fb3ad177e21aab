package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// readNotice reads the tests' events, as mapping does the city's.
func readNotice(kind string, data []byte) (n ledger.Notice, err error) {
	var d struct {
		Atena string `json:"atena_number"`
		Kind  string `json:"kind"`
	}
	if kind != "test.changed" || json.Unmarshal(data, &d) != nil {
		return n, fault.New(fault.Invalid, "no notice").WithReason("unreadable").WithCode("KKH3524")
	}
	day := ledger.Date{Year: 2026, Month: time.November, Day: 20}
	return ledger.Notice{Person: ledger.AtenaNumber(d.Atena), Kind: ledger.NoticeKind(d.Kind), Effective: day}, nil
}

// bring brings an event in binary mode.
func (h *house) bring(role, id, body string) reply {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), "POST", h.url+"/v1/notices", strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if role != "" {
		r.Header.Set("Authorization", "Bearer "+h.token(role))
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": id, "ce-source": "urn:test:residents", "ce-type": "test.changed",
		"ce-time": "2026-11-20T09:00:00+09:00",
	} {
		r.Header.Set(name, value)
	}
	return h.send(r, body)
}

// follow lets notices be followed until the test ends or stop is called.
func (h *house) follow() (stop func()) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	done := make(chan error, 1)
	go func() { done <- h.box.Run(ctx, h.gateway) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			h.t.Errorf("run the inbox: %v", err)
		}
	})
	h.t.Cleanup(stop)
	return stop
}

func TestANoticeComesByTheAPIAndIsShown(t *testing.T) {
	h := build(t, nil)
	id, _ := h.registered(registerHere)
	h.follow()
	first := h.bring("case-system", "e-1", `{"atena_number":"`+string(child)+`","kind":"moved_out"}`)
	if v := first.json(t); first.status != http.StatusAccepted || v["state"] != "due" || v["duplicate"] != false {
		t.Fatalf("%d %s", first.status, first.body)
	}
	again := h.bring("case-system", "e-1", `{}`)
	if v := again.json(t); again.status != http.StatusAccepted || v["duplicate"] != true || v["notice"] != first.json(t)["notice"] {
		t.Errorf("the same once more: %d %s", again.status, again.body)
	}
	h.until("/v1/inbox?state=settled", "operator", func(a reply) bool { return bytes.Contains(a.body, []byte(`"refreshed"`)) })
	a := h.ask("GET", "/v1/beneficiaries/"+id+"?procedure=certify&purpose=new&case=K-1", "case-worker", "")
	seen := a.json(t)["notices"].([]any)
	if len(seen) != 1 {
		t.Fatalf("%s", a.body)
	}
	one := seen[0].(map[string]any)
	if one["of"] != "child" || one["kind"] != "moved_out" || one["effective_on"] != "2026-11-20" || one["first"] != true || one["kind_text"] != "転出" {
		t.Errorf("%v", one)
	}
	bare := h.ask("GET", "/v1/beneficiaries/"+id, "case-worker", "")
	if v := bare.json(t)["notices"].([]any); len(v) != 0 {
		t.Errorf("without a basis: %s", bare.body)
	}
	page := h.ask("GET", "/console/beneficiaries/"+id+"?case=K-1&aim=certify+new", "", "")
	if !bytes.Contains(page.body, []byte("住民基本台帳から届いた異動")) || !bytes.Contains(page.body, []byte("はじめての確認")) {
		t.Errorf("the page does not tell: %d %s", page.status, page.body)
	}
}

func TestStructuredEventsAndWhatIsNone(t *testing.T) {
	h := build(t, nil)
	structured := func(body string) reply {
		r, err := http.NewRequestWithContext(t.Context(), "POST", h.url+"/v1/notices", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+h.token("case-system"))
		r.Header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
		return h.send(r, body)
	}
	good := structured(`{"specversion":"1.0","id":"s-1","source":"urn:test:residents","type":"test.changed","ours":1,"data":{"atena_number":"0000000019","kind":"died"}}`)
	if good.status != http.StatusAccepted || good.json(t)["state"] != "due" {
		t.Errorf("%d %s", good.status, good.body)
	}
	same := h.bring("case-system", "s-1", `{}`)
	if same.json(t)["duplicate"] != true {
		t.Errorf("the other mode gives another notice: %s", same.body)
	}
	for _, bad := range []string{
		`{`, `{"specversion":"0.3","id":"a","source":"b","type":"c"}`, `{"specversion":"1.0","id":"","source":"b","type":"c"}`,
		`{"specversion":"1.0","source":"b","type":"c"}`, `{"specversion":"1.0","id":7,"source":"b","type":"c"}`,
	} {
		if a := structured(bad); a.status != http.StatusUnprocessableEntity || a.json(t)["code"] != "KKH3520" {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
	if a := h.ask("POST", "/v1/notices", "case-system", `{"a":1}`); a.status != http.StatusUnprocessableEntity {
		t.Errorf("no attributes: %d %s", a.status, a.body)
	}
	for _, role := range []string{"case-worker", "operator", "auditor", "nobody"} {
		if a := h.bring(role, "x", `{}`); a.status != http.StatusForbidden {
			t.Errorf("%s brings a notice: %d %s", role, a.status, a.body)
		}
	}
	if a := h.bring("", "x", `{}`); a.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", a.status)
	}
}

func TestInboxIsListedReplayedAndDiscarded(t *testing.T) {
	h := build(t, nil)
	a := h.bring("case-system", "p-1", `{"atena_number":7770001112,"name":"架空花子"}`)
	parked := a.json(t)["notice"].(string)
	if a.json(t)["state"] != "parked" || a.json(t)["code"] != "KKH3524" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	list := h.ask("GET", "/v1/inbox", "case-worker", "")
	v := list.json(t)
	if v["parked"] != float64(1) || v["due"] != float64(0) || v["notices"].([]any)[0].(map[string]any)["id"] != parked {
		t.Errorf("%s", list.body)
	}
	console := h.ask("GET", "/console/inbox", "", "")
	if console.status != http.StatusOK || !bytes.Contains(console.body, []byte(parked)) || !bytes.Contains(console.body, []byte("中身を読み取れない")) {
		t.Errorf("%d %s", console.status, console.body)
	}
	for _, text := range []string{string(list.body), string(console.body), h.log.String()} {
		if strings.Contains(text, "7770001112") || strings.Contains(text, "架空花子") {
			t.Error("what came is shown")
		}
	}
	for path, status := range map[string]int{"?state=gone": 400, "?limit=0": 400, "?person=1": 400, "?cursor=%25": 400, "?all=maybe": 400, "?cause=%E5%B1%B1": 422} {
		if a := h.ask("GET", "/v1/inbox"+path, "operator", ""); a.status != status {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	for body, status := range map[string]int{
		`{"where":{},"reason":"送り元の誤り","count":9}`: 409, `{"where":{}}`: 422, `{"ids":[],"reason":"x"}`: 422, `{"reason":"x"}`: 422,
		`{"ids":["` + parked + `"],"where":{},"reason":"x"}`: 422, `{"ids":["0000000019"],"reason":"x"}`: 422,
		`{"where":{"state":"gone"},"reason":"x"}`: 422, `{"where":{},"reason":"0000000019 の人"}`: 422,
	} {
		if a := h.ask("POST", "/v1/inbox/discards", "operator", body); a.status != status {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if a := h.ask("POST", "/v1/inbox/replays", "case-worker", `{"where":{},"reason":"x"}`); a.status != http.StatusForbidden {
		t.Errorf("a case worker replays: %d", a.status)
	}
	still := h.ask("POST", "/v1/inbox/replays", "operator", `{"where":{"cause":"unreadable"},"reason":"版を替えた"}`)
	if v := still.json(t); still.status != http.StatusOK || v["can"] != float64(0) || v["cannot"] != float64(1) {
		t.Errorf("%d %s", still.status, still.body)
	}
	refused := h.post("/console/inbox", form("state", "parked", "cause", "unreadable", "source", "urn:test:residents", "count", "1", "act", "discard"))
	if refused.status != http.StatusUnprocessableEntity || !bytes.Contains(refused.body, []byte("理由を入力")) {
		t.Errorf("without a reason: %d", refused.status)
	}
	done := h.post("/console/inbox", form("state", "parked", "cause", "unreadable", "source", "urn:test:residents", "count", "1", "act", "discard", "reason", "送り元の誤り"))
	if done.status != http.StatusOK || !bytes.Contains(done.body, []byte("1 件を対応不要にしました")) {
		t.Errorf("%d %s", done.status, done.body)
	}
	gone := h.ask("GET", "/v1/inbox?state=discarded", "operator", "").json(t)["notices"].([]any)
	if len(gone) != 1 || gone[0].(map[string]any)["discarded"].(map[string]any)["reason"] != "送り元の誤り" {
		t.Errorf("%v", gone)
	}
}
