package gateway_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/storetest"
	"kakehashi/outbox"
)

// doubted is a family whose guardian's numbering is parked with the question, and one whose
// first change is.
func doubted(t *testing.T, at storetest.Place) (h *house, numbering, use ledger.ChangeID, family gateway.ApplyResult) {
	t.Helper()
	var doubtful ledger.ChangeID
	h = buildLedger(t, at, nil, neighbour{send: func(l ledger.Letter) (ledger.Receipt, error) {
		if l.Call == string(ledger.Numbering) || ledger.ChangeID(l.Key) == doubtful {
			return ledger.Receipt{}, fault.New(fault.Internal, "nobody knows").WithCode("KKH2211")
		}
		return ledger.Receipt{}, nil
	}})
	family = h.apply(worker, register("key-1", ledger.Party{Identity: elsewhere()}))
	other := register("key-2", ledger.Party{Atena: mother})
	other.Register.Child, other.Basis = "2000000001", ledger.Basis{Procedure: "registration", Purpose: "new", Reason: "counter"}
	use = h.apply(worker, other).Change
	doubtful = use
	h.relay()
	h.await("two are parked", func() bool { return h.summary().Parked == 2 })
	return h, family.Change.Nth(1), use, family
}

func TestAnswerPutsTheNumberIntoTheLedger(t *testing.T) {
	storetest.Engines(t, testAnswerPutsTheNumberIntoTheLedger)
}

func testAnswerPutsTheNumberIntoTheLedger(t *testing.T, at storetest.Place) {
	h, numbering, use, family := doubted(t, at)
	for name, c := range map[string]struct {
		r    gateway.AnswerRequest
		code string
	}{
		"no number":           {gateway.AnswerRequest{Change: numbering, Reason: "画面で確認"}, "KKH1328"},
		"a number too much":   {gateway.AnswerRequest{Change: use, Atena: "3000000001", Reason: "画面で確認"}, "KKH1329"},
		"another's number":    {gateway.AnswerRequest{Change: numbering, Atena: mother, Reason: "画面で確認"}, "KKH1315"},
		"nothing to answer":   {gateway.AnswerRequest{Change: family.Change, Reason: "画面で確認"}, "KKH3333"},
		"unknown":             {gateway.AnswerRequest{Change: "C-AAAAAAAAAAAAAAAAAAAAAAAAAA", Reason: "画面で確認"}, "KKH1327"},
		"another destination": {gateway.AnswerRequest{Change: use, Destination: "tax", Reason: "画面で確認"}, "KKH1327"},
	} {
		before := h.count(audit.Refused)
		if _, err := h.Answer(t.Context(), operator, c.r); fault.Code(err) != c.code || h.count(audit.Refused) != before+1 {
			t.Errorf("%s: got %v, want %s and one entry", name, err, c.code)
		}
	}
	for name, c := range map[string]struct {
		r    gateway.AnswerRequest
		code string
	}{
		"shape of the number":      {gateway.AnswerRequest{Change: numbering, Atena: "300000000001", Reason: "画面で確認"}, "KKH1103"},
		"shape of the change":      {gateway.AnswerRequest{Change: "1000000001", Reason: "画面で確認"}, "KKH1326"},
		"shape of the destination": {gateway.AnswerRequest{Change: use, Destination: "1", Reason: "画面で確認"}, "KKH1326"},
		"no reason":                {gateway.AnswerRequest{Change: use}, "KKH1325"},
		"a number as reason":       {gateway.AnswerRequest{Change: use, Reason: "1000000001 の分"}, "KKH1324"},
	} {
		if _, err := h.Answer(t.Context(), operator, c.r); fault.Code(err) != c.code {
			t.Errorf("%s: got %v, want %s", name, err, c.code)
		}
	}
	if s := h.summary(); s.Parked != 2 {
		t.Fatalf("refused answers left %+v", s)
	}
	o, err := h.Answer(t.Context(), operator, gateway.AnswerRequest{Change: numbering, Atena: "3000000001", Reason: "画面で確認"})
	if err != nil || o.State != outbox.Delivered || o.Answered == nil || o.Answered.By != "2001" || o.Answered.Reason != "画面で確認" {
		t.Fatalf("%+v, %v", o, err)
	}
	e := h.newest(audit.Change)
	want := map[string]string{"step": "arrived", "reason": "画面で確認", "changes": string(numbering)}
	if diff := cmp.Diff(want, e.Detail); diff != "" || e.Act != "answer" || e.Count != 1 || e.Actor.Staff != "2001" {
		t.Errorf("the entry %+v (-want +got):\n%s", e, diff)
	}
	if diff := cmp.Diff([]audit.Subject{{Atena: "3000000001", Role: "numbered"}}, e.Subjects); diff != "" {
		t.Errorf("whom it concerns (-want +got):\n%s", diff)
	}
	h.await("what waited for the number is delivered", func() bool { return h.summary().Owed == 2 }) // the other family is left
	shown, err := h.Show(t.Context(), worker, family.Beneficiary, onCase1)
	if err != nil || shown.Beneficiary.Guardian.Atena != "3000000001" || len(shown.Waiting) != 0 {
		t.Errorf("the family: %+v, %v", shown, err)
	}
	if o, err = h.Answer(t.Context(), operator, gateway.AnswerRequest{Change: use, Destination: "address", Reason: "画面で確認"}); err != nil || o.State != outbox.Delivered {
		t.Errorf("%+v, %v", o, err)
	}
	if e := h.newest(audit.Change); len(e.Subjects) != 1 || e.Subjects[0].Role != "told" || e.Detail["destination"] != "address" {
		t.Errorf("the entry: %+v", e)
	}
	h.await("nothing is owed", func() bool { return h.summary().Owed == 0 })
}
