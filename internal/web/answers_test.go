package web_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// questioned is a house where a change of a mailing address is parked with the question.
func questioned(t *testing.T) (h *house, first, second string) {
	t.Helper()
	h = build(t, nil)
	h.next.told = func(c ledger.Change) (ledger.Receipt, error) {
		if c.Version == 2 {
			return ledger.Receipt{}, fault.New(fault.Internal, "nobody knows").WithCode("KKH2211")
		}
		return ledger.Receipt{}, nil
	}
	_, first, second = h.parked()
	return h, first, second
}

func TestAnAnswerOverTheAPI(t *testing.T) {
	h, first, second := questioned(t)
	for _, c := range []struct {
		name, role, body string
		status           int
		code             string
	}{
		{"no change", "operator", `{"reason":"画面で確認"}`, 422, "KKH4106"},
		{"no reason", "operator", `{"id":"` + first + `"}`, 422, "KKH4106"},
		{"a number too much", "operator", `{"id":"` + first + `","atena_number":"0000000019","reason":"画面で確認"}`, 422, "KKH1329"},
		{"one that waits", "operator", `{"id":"` + second + `","reason":"画面で確認"}`, 409, "KKH3333"},
		{"a case worker", "case-worker", `{"id":"` + first + `","reason":"画面で確認"}`, 403, "KKH1213"},
	} {
		if a := h.ask("POST", "/v1/outbox/answers", c.role, c.body); a.status != c.status || a.json(t)["code"] != c.code {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
	a := h.ask("POST", "/v1/outbox/answers", "operator", `{"id":"`+first+`","reason":"画面で確認"}`)
	if v := a.json(t); a.status != http.StatusOK || v["state"] != "delivered" || v["answered"].(map[string]any)["reason"] != "画面で確認" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	h.until("/v1/outbox", "operator", func(a reply) bool { return a.json(t)["owed"] == float64(0) })
}

func TestAnAnswerOnThePageOfTheChange(t *testing.T) {
	h, first, second := questioned(t)
	if a := h.ask("GET", "/console/outbox/"+first, "", ""); !bytes.Contains(a.body, []byte("相手先で届いていることを確かめた")) || bytes.Contains(a.body, []byte(`name="atena_number"`)) {
		t.Errorf("the page of the question: %s", a.body)
	}
	if a := h.ask("GET", "/console/outbox/"+second, "", ""); bytes.Contains(a.body, []byte("届いていたと答える")) {
		t.Error("what only waits is asked about")
	}
	if a := h.post("/console/outbox/answer", form("id", first, "reason", "画面で確認")); a.status != http.StatusSeeOther {
		t.Errorf("the Enter key: %d", a.status)
	}
	if a := h.post("/console/outbox/answer", form("id", first, "do", "go")); a.status != http.StatusUnprocessableEntity {
		t.Errorf("no reason: %d", a.status)
	}
	if a := h.post("/console/outbox/answer", form("id", second, "do", "go", "reason", "画面で確認")); a.status != http.StatusConflict {
		t.Errorf("one that waits: %d", a.status)
	}
	a := h.post("/console/outbox/answer", form("id", first, "do", "go", "reason", "画面で確認"))
	if a.status != http.StatusSeeOther || !strings.HasSuffix(a.header.Get("Location"), first) {
		t.Fatalf("%d %v", a.status, a.header)
	}
	if a := h.ask("GET", "/console/outbox/"+first, "", ""); !bytes.Contains(a.body, []byte("届いたことの確認")) || !bytes.Contains(a.body, []byte("画面で確認")) {
		t.Errorf("the page afterwards: %s", a.body)
	}
}
