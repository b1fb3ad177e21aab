package web_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// parking makes the neighbour refuse what is about a mailing address, until it is mended.
func (h *house) parking() (mended *atomic.Bool) {
	mended = &atomic.Bool{}
	h.next.told = func(c ledger.Change) (ledger.Receipt, error) {
		switch {
		case mended.Load():
			return ledger.Receipt{}, nil
		case c.Version == 2:
			return ledger.Receipt{}, fault.New(fault.Rejected, "refused").WithCode("KKH2115").WithReason("rejected")
		}
		return ledger.Receipt{}, nil
	}
	return mended
}

// parked registers, changes the mailing address twice and waits until the first change is
// parked and the second waits behind it. It gives the record and the two changes.
func (h *house) parked() (record, first, second string) {
	h.t.Helper()
	record, _ = h.registered(registerHere)
	h.relay()
	for i, name := range []string{"m-1", "m-2"} {
		body := strings.Replace(mailingOf, `"version":1`, fmt.Sprintf(`"version":%d`, i+1), 1) + `"address":"架空市幻町二丁目1番",` + why
		a := h.press("/v1/beneficiaries/"+record+"/changes", "case-worker", name, body)
		if a.status != http.StatusCreated {
			h.t.Fatalf("%d %s", a.status, a.body)
		}
		first, second = second, a.json(h.t)["change_id"].(string)
	}
	h.until("/v1/outbox?state=parked", "operator", func(a reply) bool { return bytes.Contains(a.body, []byte(first)) })
	return record, first, second
}

func TestOutboxIsListed(t *testing.T) {
	h := build(t, nil)
	h.parking()
	record, first, second := h.parked()
	a := h.until("/v1/outbox?record="+record, "case-worker", func(a reply) bool { return a.json(t)["owed"] == float64(2) })
	v := a.json(t)
	if v["parked"] != float64(1) || v["waiting"] != float64(1) || v["oldest_at"] == nil {
		t.Errorf("%s", a.body)
	}
	rows := v["changes"].([]any)
	one, two := rows[0].(map[string]any), rows[1].(map[string]any)
	if one["change_id"] != first || one["state"] != "parked" || one["cause"] != "rejected" || one["code"] != "KKH2115" || one["behind"] != float64(1) || one["question"] != "" {
		t.Errorf("the parked one: %v", one)
	}
	if two["change_id"] != second || two["state"] != "pending" || two["waits_for"] != first {
		t.Errorf("the one behind it: %v", two)
	}
	group := v["groups"].([]any)[0].(map[string]any)
	if group["cause"] != "rejected" || group["text"] != "検査で拒否（相手先が内容を断った）" || group["count"] != float64(1) || group["behind"] != float64(1) {
		t.Errorf("the group: %v", group)
	}
	for _, path := range []string{"?state=lost", "?all=yes", "?limit=0", "?limit=1001", "?limit=x", "?cursor=-1", "?cursor=0", "?cursor=x!", "?cursor=zzzzzzzzzzzzzzzz", "?person=1", "?state=parked&state=pending"} {
		if a := h.ask("GET", "/v1/outbox"+path, "operator", ""); a.status != http.StatusBadRequest || a.json(t)["code"] != "KKH4110" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	page := h.ask("GET", "/v1/outbox?limit=1", "operator", "").json(t)
	rest := h.ask("GET", "/v1/outbox?limit=1&cursor="+page["next"].(string), "operator", "").json(t)
	if len(page["changes"].([]any)) != 1 || rest["changes"].([]any)[0].(map[string]any)["change_id"] != second || rest["next"] != "" {
		t.Errorf("pages: %v, %v", page, rest)
	}
	if page["owed"] != float64(2) || page["waiting_for_number"] != float64(0) || len(rest) != 2 {
		t.Errorf("the first page alone is summed up: %v, %v", page, rest)
	}
	for _, id := range []string{"C-AAAAAAAAAAAAAAAAAAAAAAAAAA", "0000000019"} {
		if a := h.ask("GET", "/v1/outbox/"+id, "operator", ""); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", id, a.status)
		}
	}
	if a := h.ask("GET", "/v1/outbox", "nobody", ""); a.status != http.StatusForbidden {
		t.Errorf("nobody: %d", a.status)
	}
}

func TestReplayIsFrozenCountedAndFollowed(t *testing.T) {
	h := build(t, nil)
	mended := h.parking()
	_, first, second := h.parked()
	dry := h.ask("POST", "/v1/outbox/replays", "operator", `{"where":{},"dry_run":true}`)
	if v := dry.json(t); dry.status != http.StatusOK || v["can"] != float64(1) || v["id"] != nil {
		t.Fatalf("%d %s", dry.status, dry.body)
	}
	named := h.ask("POST", "/v1/outbox/replays", "operator", `{"ids":["`+first+`","`+second+`"],"dry_run":true}`)
	if v := named.json(t); v["can"] != float64(1) || v["cannot"] != float64(1) || !bytes.Contains(named.body, []byte(`"word":"waits_behind","text":"先の変更を待っている","count":1`)) {
		t.Errorf("%s", named.body)
	}
	for _, c := range []struct {
		name, role, body string
		status           int
		code             string
	}{
		{"another count", "operator", `{"where":{},"reason":"復旧","count":2}`, 409, "KKH1323"},
		{"no reason", "operator", `{"where":{}}`, 422, "KKH4106"},
		{"both", "operator", `{"where":{},"ids":["` + first + `"],"reason":"復旧"}`, 422, "KKH4106"},
		{"neither", "operator", `{"reason":"復旧"}`, 422, "KKH4106"},
		{"no ids", "operator", `{"ids":[],"reason":"復旧"}`, 422, "KKH4106"},
		{"count 0", "operator", `{"where":{},"reason":"復旧","count":0}`, 422, "KKH4106"},
		{"a number as reason", "operator", `{"where":{},"reason":"0000000019 の分"}`, 422, "KKH1324"},
		{"a case worker", "case-worker", `{"where":{},"reason":"復旧"}`, 403, "KKH1213"},
	} {
		a := h.ask("POST", "/v1/outbox/replays", c.role, c.body)
		if v := a.json(t); a.status != c.status || v["code"] != c.code || bytes.Contains(a.body, []byte("0000000019")) {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
	mended.Store(true)
	a := h.ask("POST", "/v1/outbox/replays", "operator", `{"where":{"cause":"rejected"},"reason":"相手先の復旧","count":1}`)
	id, _ := a.json(t)["id"].(string)
	if a.status != http.StatusAccepted || a.header.Get("Location") != "/v1/outbox/replays/"+id {
		t.Fatalf("%d %s", a.status, a.body)
	}
	done := h.until("/v1/outbox/replays/"+id, "operator", func(a reply) bool { return a.json(t)["delivered"] == float64(1) })
	if v := done.json(t); v["by"] != "2001" || v["reason"] != "相手先の復旧" || v["total"] != float64(1) {
		t.Errorf("%s", done.body)
	}
	list := h.ask("GET", "/v1/outbox/replays", "operator", "")
	if !bytes.Contains(list.body, []byte(id)) {
		t.Errorf("%s", list.body)
	}
	h.until("/v1/outbox/"+second, "operator", func(a reply) bool { return bytes.Contains(a.body, []byte(`"state":"delivered"`)) })
	one := h.ask("GET", "/v1/outbox/"+first, "operator", "")
	if !bytes.Contains(one.body, []byte(`"replay":"`+id+`"`)) {
		t.Errorf("the attempt is not linked to its replay: %s", one.body)
	}
	for _, step := range []string{"stop", "resume"} {
		if a := h.ask("POST", "/v1/outbox/replays/R-AAAAAAAAAAAAAAAAAAAAAAAAAA/"+step, "operator", `{"reason":"x"}`); a.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", step, a.status, a.body)
		}
		if a := h.ask("POST", "/v1/outbox/replays/"+id+"/"+step, "operator", `{}`); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s without a reason: %d %s", step, a.status, a.body)
		}
	}
}

func TestDiscardIsAMarkThatCanBeUndone(t *testing.T) {
	h := build(t, nil)
	h.parking()
	_, first, second := h.parked()
	a := h.ask("POST", "/v1/outbox/discards", "operator", `{"ids":["`+first+`"],"dry_run":true}`)
	if v := a.json(t); a.status != http.StatusOK || v["can"] != float64(1) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	h.next.told = func(ledger.Change) (ledger.Receipt, error) {
		return ledger.Receipt{}, fault.New(fault.Rejected, "refused").WithCode("KKH2115").WithReason("rejected")
	}
	if a := h.ask("POST", "/v1/outbox/discards", "operator", `{"ids":["`+first+`"],"reason":"相手先で入力済み","count":1}`); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	one := h.ask("GET", "/v1/outbox/"+first, "operator", "")
	if !bytes.Contains(one.body, []byte(`"state":"discarded"`)) || !bytes.Contains(one.body, []byte(`"by":"2001"`)) {
		t.Errorf("%s", one.body)
	}
	h.until("/v1/outbox/"+second, "operator", func(a reply) bool { return bytes.Contains(a.body, []byte(`"state":"parked"`)) })
	for _, body := range []string{`{"reason":"x"}`, `{"ids":["` + first + `"]}`} {
		if a := h.ask("POST", "/v1/outbox/discards/undo", "operator", body); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", body, a.status)
		}
	}
	if a := h.ask("POST", "/v1/outbox/discards/undo", "operator", `{"ids":["`+first+`"],"reason":"取り違え"}`); a.status != http.StatusOK || a.json(t)["can"] != float64(1) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if one := h.ask("GET", "/v1/outbox/"+first, "operator", ""); !bytes.Contains(one.body, []byte(`"state":"parked"`)) {
		t.Errorf("%s", one.body)
	}
}

// A literal address and a wildcard beside it answer for the methods that they do not take.
func TestOtherMethods(t *testing.T) {
	h := build(t, nil)
	for _, c := range []struct{ method, path, allow string }{
		{"GET", "/v1/beneficiaries", "POST"}, {"GET", "/v1/beneficiaries/search", "POST"}, {"DELETE", "/v1/beneficiaries/B-1", "GET, HEAD"},
		{"PUT", "/v1/outbox/replays", "GET, POST, HEAD"}, {"GET", "/v1/outbox/discards", "POST"}, {"POST", "/v1/outbox/C-1", "GET, HEAD"},
		{"PROPFIND", "/v1/outbox", "GET, HEAD"}, {"GET", "/v1/outbox/discards/undo", "POST"}, {"GET", "/v1/lookups", "POST"},
	} {
		a := h.ask(c.method, c.path, "operator", "")
		if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d %q", c.method, c.path, a.status, a.header.Get("Allow"))
		}
	}
	for _, path := range []string{"/v1/beneficiaries//changes", "/v1/nothing", "/v1/outbox/a/b/c/d"} {
		if a := h.ask("PUT", path, "operator", ""); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}
