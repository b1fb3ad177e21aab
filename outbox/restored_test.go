package outbox

import (
	"context"
	"fmt"
	"testing"

	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

// putBack opens a queue over a backup of the house that was put back.
func (h *house) putBack(routes ...Route) {
	h.t.Helper()
	q, err := New(quick(), Rooms{DB: h.db, Record: h.record, Key: [32]byte{1}, Routes: routes, Exclusive: true, Restored: true})
	if err != nil {
		h.t.Fatal(err)
	}
	h.queue = q
}

// What was told after the backup was taken is not told again: everything is asked about
// first, also what waits behind another, and what is replayed.
func TestAfterARestoreEverythingIsAskedFirst(t *testing.T) {
	n, refuses := refusing()
	h := newHouse(t, onSQLite(t), quick(), to(askable{n}))
	h.enqueue(use("parked", 1))
	stop := h.run(h.queue, nil)
	h.untilParked(1)
	stop()
	refuses.Store(false)
	h.enqueue(append(uses("r", 250), use("r0", 2), use("r1", 2))...)
	told := []ledger.ChangeID{"C-r0-1", "C-r0-2", "C-r5-1", "C-parked-1"} // after the backup
	n.effects = append(n.effects, told...)
	h.putBack(to(askable{n}))
	h.run(h.queue, nil)
	until(t, "only what is parked is owed", func() bool {
		s, err := h.queue.Summary(t.Context())
		return err == nil && s.Owed == 1 && s.Unsure == 1
	})
	h.replay(Filter{})
	h.untilState("C-parked-1", Delivered)
	for i := range 250 {
		if id := use(fmt.Sprint("r", i), 1).ID; n.took(id) != 1 || n.asked[id] == 0 {
			t.Errorf("%s took effect %d times and was asked about %d times", id, n.took(id), n.asked[id])
		}
	}
	for _, id := range append(told, "C-r1-2") {
		if n.took(id) != 1 {
			t.Errorf("%s took effect %d times", id, n.took(id))
		}
	}
}

// Where nobody can be asked, somebody must look.
func TestAfterARestoreWhatCannotBeAskedIsParked(t *testing.T) {
	n := newNeighbour()
	h := newHouse(t, onSQLite(t), quick(), to(n))
	h.enqueue(use("a", 1), use("a", 2))
	h.putBack(to(n))
	h.run(h.queue, nil)
	h.untilParked(1)
	if o := h.state("C-a-1"); o.Question != QuestionArrived || o.Code != codeQuestion || n.sends["C-a-1"] != 0 {
		t.Errorf("%+v, sent %d times", o, n.sends["C-a-1"])
	}
	taken := ledgerOf(func(context.Context, *store.Tx, ledger.Change, ledger.Receipt) error { return nil })
	if _, err := h.answer(Arrival{Change: "C-a-1"}, taken); err != nil {
		t.Fatal(err)
	}
	h.untilParked(1)
	if o := h.untilState("C-a-2", Parked); o.Question != QuestionArrived {
		t.Errorf("%+v", o)
	}
}

// What a confirmed change gives rise to may have been told after the backup was taken: its
// row is new, and it is asked about all the same.
func TestAfterARestoreWhatFollowsIsAskedFirst(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, at storetest.Place) {
		n := newNeighbour()
		n.effects = append(n.effects, "C-a-1", "C-b-1") // told in the days that are lost
		h := newHouse(t, at, quick(), to(askable{n}))
		h.enqueue(use("a", 1))
		h.putBack(to(askable{n}))
		owing := ledgerOf(func(ctx context.Context, tx *store.Tx, c ledger.Change, _ ledger.Receipt) error {
			if c.ID != "C-a-1" {
				return nil
			}
			_, err := h.queue.Enqueue(ctx, tx, use("b", 1), use("c", 1))
			return err
		})
		h.run(h.queue, owing)
		h.untilState("C-a-1", Delivered)
		h.untilState("C-b-1", Delivered)
		h.untilState("C-c-1", Delivered)
		for id, sent := range map[ledger.ChangeID]int{"C-a-1": 0, "C-b-1": 0, "C-c-1": 1} {
			if n.took(id) != 1 || n.sends[id] != sent {
				t.Errorf("%s took effect %d times and was sent %d times, want once and %d", id, n.took(id), n.sends[id], sent)
			}
		}
	})
}
