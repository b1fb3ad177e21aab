package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/gateway"
	"kakehashi/internal/ledger"
	"kakehashi/internal/staff"
	"kakehashi/internal/storetest"
	"kakehashi/outbox"
)

// relay runs the queue until the test ends.
func (h *house) relay() {
	h.t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(h.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- h.queue.Run(ctx, h.Gateway) }()
	h.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			h.t.Errorf("the relay ended with %v", err)
		}
	})
}

// await waits until the check is content.
func (h *house) await(what string, check func() bool) {
	h.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(time.Minute); !check(); {
		select {
		case <-tick.C:
		case <-late:
			h.t.Fatalf("waited in vain until %s", what)
		}
	}
}

func (h *house) summary() outbox.Summary {
	h.t.Helper()
	page, err := h.Owed(h.t.Context(), operator, outbox.Filter{})
	if err != nil {
		h.t.Fatal(err)
	}
	return page.Summary
}

// refusing refuses everything until it is mended, and then assigns numbers.
func refusing(mended *atomic.Bool) neighbour {
	var given atomic.Int64
	return neighbour{send: func(l ledger.Letter) (ledger.Receipt, error) {
		switch {
		case !mended.Load():
			return ledger.Receipt{}, fault.New(fault.Rejected, "no").WithCode("KKH2113").WithReason("rejected")
		case l.Call == string(ledger.Numbering):
			return ledger.Receipt{Atena: ledger.AtenaNumber(fmt.Sprintf("30000000%02d", given.Add(1)))}, nil
		}
		return ledger.Receipt{}, nil
	}}
}

// parkedFamilies registers families whose changes the neighbour refuses.
func parkedFamilies(t *testing.T, at storetest.Place, n int) (*house, *atomic.Bool, []gateway.ApplyResult) {
	t.Helper()
	mended := &atomic.Bool{}
	h := buildLedger(t, at, nil, refusing(mended))
	h.relay()
	var all []gateway.ApplyResult
	for i := range n {
		r := register(fmt.Sprintf("key-%d", i), ledger.Party{Identity: elsewhere()})
		r.Register.Child = ledger.AtenaNumber(fmt.Sprintf("20000000%02d", i))
		r.Register.Guardian.Identity.BirthDate.Day = 1 + i
		r.Basis = ledger.Basis{Procedure: "registration", Purpose: "new", Reason: "counter"}
		all = append(all, h.apply(worker, r))
	}
	h.await("all are parked", func() bool { return h.summary().Parked == n })
	return h, mended, all
}

func TestReplayFromParkedToNumbered(t *testing.T) {
	storetest.Engines(t, testReplayFromParkedToNumbered)
}

func testReplayFromParkedToNumbered(t *testing.T, at storetest.Place) {
	h, mended, families := parkedFamilies(t, at, 3)
	where := outbox.Filter{Destination: "address"}
	plan, err := h.PlanReplay(t.Context(), operator, where)
	if err != nil || plan.Can != 3 || plan.ID != "" {
		t.Fatalf("the plan: %+v, %v", plan, err)
	}
	mended.Store(true)
	_, err = h.Replay(t.Context(), operator, gateway.ReplayRequest{Filter: where, Reason: "相手先が復旧したため", Count: 7})
	h.refused(err, fault.Conflict, "KKH1323")
	if n := h.rows("outbox_replay"); n != 0 {
		t.Errorf("a replay that was refused left %d rows", n)
	}
	plan, err = h.Replay(t.Context(), operator, gateway.ReplayRequest{Filter: where, Reason: "相手先が復旧したため", Count: 3})
	if err != nil || plan.Can != 3 || plan.ID == "" {
		t.Fatalf("the replay: %+v, %v", plan, err)
	}
	e := h.newest(audit.Change)
	want := map[string]string{"step": "begin", "reason": "相手先が復旧したため", "destination": "address", "replay": plan.ID}
	if diff := cmp.Diff(want, e.Detail); diff != "" || e.Act != "replay" || e.Count != 3 || e.Actor.Staff != "2001" {
		t.Errorf("the entry %+v (-want +got):\n%s", e, diff)
	}
	h.await("nothing is owed", func() bool { return h.summary().Owed == 0 })
	h.await("the replay is done", func() bool {
		r, err := h.ReplayState(t.Context(), operator, plan.ID)
		return err == nil && r.State == "done" && r.Delivered == 3
	})
	if n := h.rows("ledger_held"); n != 0 {
		t.Errorf("%d changes are held although the numbers came", n)
	}
	shown, err := h.Show(t.Context(), worker, families[0].Beneficiary, ledger.Basis{})
	if diff := cmp.Diff([]string{"person_use delivered", "numbering delivered", "person_use delivered"}, owedKinds(shown.Owed)); diff != "" || err != nil {
		t.Errorf("the first family: %v (-want +got):\n%s", err, diff)
	}
	owed, attempts, err := h.OwedChange(t.Context(), auditor, families[0].Change)
	if err != nil || len(owed) != 1 || owed[0].State != outbox.Delivered || len(attempts) != 2 || attempts[1].Replay != plan.ID {
		t.Errorf("the first change: %+v, %+v, %v", owed, attempts, err)
	}
	if list, err := h.Replays(t.Context(), operator); err != nil || len(list) != 1 {
		t.Errorf("the replays: %v, %v", list, err)
	}
}

// A number that another person bears is not taken: the change is parked with the receipt,
// and what waits for the number goes on waiting.
func TestNumberOfAnotherParksTheChange(t *testing.T) {
	storetest.Engines(t, testNumberOfAnotherParksTheChange)
}

func testNumberOfAnotherParksTheChange(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, neighbour{send: func(l ledger.Letter) (ledger.Receipt, error) {
		if l.Call == string(ledger.Numbering) {
			return ledger.Receipt{Atena: child}, nil
		}
		return ledger.Receipt{}, nil
	}})
	h.relay()
	r := h.apply(worker, register("key-1", ledger.Party{Identity: elsewhere()}))
	h.await("the change is parked", func() bool { return h.summary().Parked == 1 })
	owed, _, err := h.OwedChange(t.Context(), operator, r.Change.Nth(1))
	if err != nil || owed[0].State != outbox.Parked || owed[0].Cause != outbox.CauseReceiver {
		t.Errorf("the numbering: %+v, %v", owed, err)
	}
	shown, err := h.Show(t.Context(), worker, r.Beneficiary, onCase1)
	if err != nil || shown.Beneficiary.Guardian.Numbered() || len(shown.Waiting) != 1 {
		t.Errorf("the family: %+v, %v", shown, err)
	}
}

func TestDiscardAndItsUndoing(t *testing.T) { storetest.Engines(t, testDiscardAndItsUndoing) }

func testDiscardAndItsUndoing(t *testing.T, at storetest.Place) {
	h, _, families := parkedFamilies(t, at, 2)
	first := families[0].Change
	r := gateway.DiscardRequest{Filter: outbox.Filter{IDs: []ledger.ChangeID{first}}, DryRun: true}
	plan, err := h.Discard(t.Context(), operator, r)
	if err != nil || plan.Can != 1 || h.summary().Parked != 2 {
		t.Fatalf("the dry run: %+v, %v", plan, err)
	}
	r.DryRun, r.Reason = false, "相手先の画面で確認済み"
	if plan, err = h.Discard(t.Context(), operator, r); err != nil || plan.Can != 1 {
		t.Fatalf("the discard: %+v, %v", plan, err)
	}
	if e := h.newest(audit.Change); e.Act != "discard" || e.Detail["changes"] != string(first) || e.Detail["reason"] != r.Reason || e.Count != 1 {
		t.Errorf("the entry: %+v", e)
	}
	owed, _, err := h.OwedChange(t.Context(), operator, first)
	if err != nil || owed[0].State != outbox.Discarded || owed[0].Discarded == nil || owed[0].Discarded.By != "2001" {
		t.Errorf("what was discarded: %+v, %v", owed, err)
	}
	second := families[1].Change
	if plan, err = h.Undiscard(t.Context(), operator, []ledger.ChangeID{second}, "誤り"); err != nil || plan.Can != 0 {
		t.Errorf("undoing what was not discarded: %+v, %v", plan, err)
	}
}

func TestReplayIsStoppedAndResumed(t *testing.T) { storetest.Engines(t, testReplayIsStoppedAndResumed) }

func testReplayIsStoppedAndResumed(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil) // nobody arms: the relay does not run
	plan, err := h.Replay(t.Context(), operator, gateway.ReplayRequest{Reason: "復旧"})
	if err != nil {
		t.Fatal(err)
	}
	state := func(want string) {
		t.Helper()
		if r, err := h.ReplayState(t.Context(), operator, plan.ID); err != nil || r.State != want || r.By != "2001" || r.Reason != "復旧" {
			t.Errorf("got %+v, %v; want it %s", r, err, want)
		}
	}
	state("running")
	for _, step := range []struct {
		word, state string
		do          func(context.Context, staff.Member, string, string) error
	}{{"stop", "stopped", h.StopReplay}, {"resume", "running", h.ResumeReplay}} {
		if err := step.do(t.Context(), operator, plan.ID, "様子を見る"); err != nil {
			t.Fatal(err)
		}
		state(step.state)
		want := map[string]string{"step": step.word, "reason": "様子を見る", "replay": plan.ID}
		if diff := cmp.Diff(want, h.newest(audit.Change).Detail); diff != "" {
			t.Errorf("the entry (-want +got):\n%s", diff)
		}
		if err := step.do(t.Context(), operator, plan.ID, "もう一度"); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s twice: got %v, want Conflict", step.word, err)
		}
	}
	h.refused(h.StopReplay(t.Context(), operator, "R-AAAAAAAAAAAAAAAAAAAAAAAAAA", "x"), fault.NotFound, "KKH3330")
}

func TestOperatorsAloneReplayAndDiscard(t *testing.T) {
	storetest.Engines(t, testOperatorsAloneReplayAndDiscard)
}

func testOperatorsAloneReplayAndDiscard(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	ids := []ledger.ChangeID{h.apply(worker, register("key-1", ledger.Party{Atena: mother})).Change}
	for _, c := range []struct {
		who  staff.Member
		code string
	}{{contractor, "KKH1225"}, {worker, "KKH1213"}, {auditor, "KKH1213"}, {staff.Member{Staff: "9999"}, "KKH1211"}} {
		for name, do := range map[string]func() error{
			"plan":    func() error { _, err := h.PlanReplay(t.Context(), c.who, outbox.Filter{}); return err },
			"replay":  func() error { _, err := h.Replay(t.Context(), c.who, gateway.ReplayRequest{Reason: "x"}); return err },
			"state":   func() error { _, err := h.ReplayState(t.Context(), c.who, "R-1"); return err },
			"replays": func() error { _, err := h.Replays(t.Context(), c.who); return err },
			"stop":    func() error { return h.StopReplay(t.Context(), c.who, "R-1", "x") },
			"resume":  func() error { return h.ResumeReplay(t.Context(), c.who, "R-1", "x") },
			"discard": func() error { _, err := h.Discard(t.Context(), c.who, gateway.DiscardRequest{Reason: "x"}); return err },
			"dry run": func() error {
				_, err := h.Discard(t.Context(), c.who, gateway.DiscardRequest{DryRun: true})
				return err
			},
			"answer": func() error {
				_, err := h.Answer(t.Context(), c.who, gateway.AnswerRequest{Change: ids[0], Reason: "x"})
				return err
			},
			"undiscard": func() error { _, err := h.Undiscard(t.Context(), c.who, ids, "x"); return err },
		} {
			before := h.count(audit.Refused)
			if err := do(); !fault.Is(err, fault.Denied) || fault.Code(err) != c.code {
				t.Errorf("%s by %s: got %v, want Denied %s", name, c.who.Staff, err, c.code)
			}
			if h.count(audit.Refused) != before+1 {
				t.Errorf("%s by %s: the refusal left no entry", name, c.who.Staff)
			}
		}
	}
	if _, err := h.Owed(t.Context(), contractor, outbox.Filter{}); err != nil {
		t.Errorf("a contractor may watch: %v", err)
	}
	if _, err := h.Owed(t.Context(), staff.Member{Staff: "9999"}, outbox.Filter{}); !fault.Is(err, fault.Denied) {
		t.Errorf("nobody's role: got %v, want Denied", err)
	}
}

func TestReasonAndFilterAreChecked(t *testing.T) { storetest.Engines(t, testReasonAndFilterAreChecked) }

func testReasonAndFilterAreChecked(t *testing.T, at storetest.Place) {
	h := buildLedger(t, at, nil, nil)
	for reason, code := range map[string]string{
		"": "KKH1325", "　 ": "KKH1325", strings.Repeat("理", 201): "KKH1325", "一\n二": "KKH1325",
		"1000000001 の分": "KKH1324", "１０００００００１": "KKH1324", "番号1234567": "KKH1324",
		"0003-1668-0372": "KKH1324", "230000 0099": "KKH1324", "二三〇〇〇〇〇〇九九": "KKH1324", "23/0000/0099": "KKH1324",
		"2026-11-24 の停止、123456件": "", "11/24 10:04から11/25 08:30まで停止": "", "2026年11月24日 10:04:31 に復旧": "", strings.Repeat("理", 200): "",
	} {
		if _, err := h.Replay(t.Context(), operator, gateway.ReplayRequest{Reason: reason}); fault.Code(err) != code {
			t.Errorf("reason %q: got %v, want %q", reason, err, code)
		}
	}
	for name, f := range map[string]outbox.Filter{
		"destination": {Destination: "1000000001"}, "cause": {Cause: "架空"}, "record": {Record: "1000000001"}, "state": {State: "lost"},
		"id": {IDs: []ledger.ChangeID{"1000000001"}}, "part": {IDs: []ledger.ChangeID{"C-AAAAAAAAAAAAAAAAAAAAAAAAAA."}},
		"many": {IDs: make([]ledger.ChangeID, 1001)},
	} {
		if _, err := h.Replay(t.Context(), operator, gateway.ReplayRequest{Filter: f, Reason: "x"}); fault.Code(err) != "KKH1326" {
			t.Errorf("filter by a wrong %s: got %v, want KKH1326", name, err)
		}
	}
	for _, id := range []ledger.ChangeID{"C-AAAAAAAAAAAAAAAAAAAAAAAAAA", "C-AAAAAAAAAAAAAAAAAAAAAAAAAA.12", "1000000001"} {
		if _, _, err := h.OwedChange(t.Context(), operator, id); !fault.Is(err, fault.NotFound) || fault.Code(err) != "KKH1327" {
			t.Errorf("%s: got %v, want KKH1327", id, err)
		}
	}
	h.refused(h.StopReplay(t.Context(), operator, "1000000001", "x"), fault.NotFound, "KKH1327")
	if e := h.newest(audit.Refused); e.Detail["replay"] != "" {
		t.Errorf("what was typed in the place of a replay is in the record: %+v", e)
	}
}

func TestWithoutAnOutboxNothingIsOwed(t *testing.T) {
	storetest.Engines(t, testWithoutAnOutboxNothingIsOwed)
}

func testWithoutAnOutboxNothingIsOwed(t *testing.T, at storetest.Place) {
	h := build(t, at, gateway.Rooms{})
	page, err := h.Owed(t.Context(), worker, outbox.Filter{})
	if err != nil || page.Summary.Owed != 0 {
		t.Errorf("got %+v, %v", page, err)
	}
	_, err = h.Replay(t.Context(), staff.Member{Staff: "2001", Authentication: "card+vein"}, gateway.ReplayRequest{Reason: "x"})
	h.refused(err, fault.NotFound, "KKH1327")
}
