package gateway

import (
	"context"
	"maps"
	"strconv"
	"strings"

	"kakehashi/internal/audit"
	"kakehashi/internal/ledger"
	"kakehashi/internal/store"
)

// changesOfAnEntry is how many changes one entry of the record names.
const changesOfAnEntry = 200

// noteChanges says in the record which changes an operator touched: they name no person. The
// first are named in the entry that the caller is about to append, the others in entries of
// their own in the same transaction, like it but for their part.
func (g *Gateway) noteChanges(ctx context.Context, tx *store.Tx, e *audit.Entry, changes []ledger.ChangeID) error {
	names := make([]string, len(changes))
	for i, id := range changes {
		names[i] = string(id)
	}
	first := names[:min(len(names), changesOfAnEntry)]
	note(e, "changes", strings.Join(first, " "))
	var more []audit.Entry
	for at := len(first); at < len(names); at += changesOfAnEntry {
		part := *e
		part.Kind, part.Count, part.Detail = audit.Change, 0, maps.Clone(e.Detail)
		part.Detail["changes"] = strings.Join(names[at:min(len(names), at+changesOfAnEntry)], " ")
		part.Detail["part"] = strconv.Itoa(at/changesOfAnEntry + 1)
		more = append(more, part)
	}
	if len(more) == 0 {
		return nil
	}
	return g.record.AppendAll(ctx, tx, more)
}
