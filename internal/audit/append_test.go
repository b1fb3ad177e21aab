package audit

import (
	"context"
	"testing"

	"kakehashi/internal/store"
)

// Several entries of one transaction stand in their order, and prove like any other.
func TestAppendAll(t *testing.T) { onEngines(t, appendAll) }

func appendAll(t *testing.T, h *house) {
	h.start()
	entries := []Entry{{Kind: Delivery, Lookup: "a"}, {Kind: Delivery, Lookup: "b"}, {Kind: Change, Lookup: "c"}}
	err := store.WithTx(t.Context(), h.db, func(ctx context.Context, tx *store.Tx) error {
		if err := h.log.AppendAll(ctx, tx, nil); err != nil {
			return err
		}
		return h.log.AppendAll(ctx, tx, entries)
	})
	if err != nil {
		t.Fatal(err)
	}
	found, _, err := h.log.Search(t.Context(), Filter{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var order string
	for _, r := range found {
		order += r.Entry.Lookup
	}
	if order != "abc" && order != "cba" {
		t.Errorf("the entries stand as %q", order)
	}
	h.stop()
	h.wantOK()
}

// A derived key is the same for the same use, and another for another.
func TestDerive(t *testing.T) {
	keys := newHouse(t).keys
	one, err := keys.Derive("outbox")
	if err != nil {
		t.Fatal(err)
	}
	same, _ := keys.Derive("outbox")
	other, _ := keys.Derive("letters")
	if one != same || one == other || one == [32]byte{} {
		t.Error("the derived keys are not one for each use")
	}
}
