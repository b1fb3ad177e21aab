package audit

import (
	"context"
	"fmt"
	"strings"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// misshape is a thing of the schema that is not as the migrations make it.
type misshape struct {
	object store.Object
	there  bool // it stands there
	known  bool // the migrations make one of this kind and name
}

// recordsOwn tells whether a thing of the schema is the record's or may touch it: it bears
// such a name, is on such a table, or is one that acts by itself or in the place of another,
// on any table.
func recordsOwn(o store.Object) bool {
	switch o.Kind {
	case "trigger", "rule", "function", "operator", "type":
		return true
	}
	return underAudit(o.Name) || underAudit(o.Table)
}

// underAudit tells whether a name is one of the record's. The database does not tell
// letters by their case.
func underAudit(name string) bool { return strings.HasPrefix(strings.ToLower(name), "audit_") }

// compareSchema gives what the record's part of the schema has more, less or otherwise
// than the migrations make it.
func compareSchema(ctx context.Context, tx *store.Tx) (strange []misshape, err error) {
	has, wants, err := store.Schema(ctx, tx)
	if err != nil {
		return nil, err
	}
	type key struct{ kind, name string }
	due := map[key]store.Object{}
	for _, o := range wants {
		due[key{o.Kind, o.Name}] = o
	}
	for _, o := range has {
		k := key{o.Kind, o.Name}
		want, known := due[k]
		delete(due, k)
		if o != want && (recordsOwn(o) || recordsOwn(want)) {
			strange = append(strange, misshape{object: o, there: true, known: known})
		}
	}
	for _, o := range wants {
		if _, lacking := due[key{o.Kind, o.Name}]; lacking && recordsOwn(o) {
			strange = append(strange, misshape{object: o, known: true})
		}
	}
	return strange, nil
}

// schema reports what is not as the migrations make it, and tells by whole whether the
// tables can be read all the same.
func (w *walk) schema(ctx context.Context, tx *store.Tx) error {
	strange, err := compareSchema(ctx, tx)
	if err != nil {
		return fmt.Errorf("compare the schema: %w", err)
	}
	for _, m := range strange {
		kind := spelt(m.object.Kind)
		switch {
		case !m.there:
			w.report.add(Missing, "", "%s %s がありません。", kind, m.object.Name)
		case m.known:
			w.report.add(Edited, "", "%s %s の定義が書き換えられています。", kind, m.object.Name)
		default:
			w.report.add(Edited, "", "記録のものではない%s %s が加えられています。", kind, m.object.Name)
		}
	}
	if tx.Engine() == store.Postgres {
		return nil // a table that cannot be read would end the snapshot
	}
	w.whole = true
	for _, p := range parts() {
		cells, err := tx.Cells(ctx, p.query)
		if err == nil {
			err = cells.Close()
		}
		switch {
		case err == nil:
		case len(strange) > 0 && fault.Is(err, fault.Internal):
			w.whole = false // a table or a column is not there, as was said
		case fault.Is(err, fault.Internal) && fault.Code(err) == "":
			// A file that has seen no migration: none is due, and none is there.
			w.whole = false
			w.report.add(Missing, "", "表 %s がありません。", p.table)
		default:
			return fmt.Errorf("read the record: %w", err)
		}
	}
	if w.whole {
		w.tallies, err = tallies(ctx, tx)
	}
	return err
}

// spelt gives the Japanese word of a kind of things.
func spelt(kind string) string {
	words := map[string]string{
		"table": "表", "index": "索引", "trigger": "トリガー", "view": "ビュー", "rule": "ルール", "policy": "行の制限",
		"function": "関数", "sequence": "連番", "constraint": "制約", "operator": "演算子", "type": "型",
	}
	if word := words[kind]; word != "" {
		return word
	}
	return kind
}
