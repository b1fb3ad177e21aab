package audit

import (
	"bytes"
	"cmp"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strings"

	"kakehashi/internal/fault"
	"kakehashi/internal/store"
)

// A search that misses an entry is as good as an entry that is gone, so the indexes are
// read too, each in its own order and beside the walk. What an index holds must be what
// its table holds, which two sums tell (of hashes whose seed nobody knows, so that nothing
// can be put there that sums up to the same), and it must stand in order, or it would not
// be found. The database's own check would look up every row in every index instead.

// index is an index of the record.
type index struct {
	name, table string
	query       string                    // reads the index alone: its columns, the row's id last
	columns     []int                     // the same, in the table's query of parts
	holds       func([]driver.Value) bool // whether the index holds a row of the table; nil: every one
}

func indexes() []index {
	return []index{
		{
			name: "audit_entry_at", table: "audit_entry", columns: []int{3, 0},
			query: "SELECT at, id FROM audit_entry INDEXED BY audit_entry_at ORDER BY at, id",
		}, {
			name: "audit_entry_opened", table: "audit_entry", columns: []int{0},
			query: "SELECT id FROM audit_entry INDEXED BY audit_entry_opened WHERE kind = 'opened' ORDER BY id",
			holds: func(entry []driver.Value) bool { return entry[4] == string(Opened) },
		}, {
			name: "audit_leaf_entry", table: "audit_leaf", columns: []int{1, 0},
			query: "SELECT entry, position FROM audit_leaf INDEXED BY audit_leaf_entry ORDER BY entry, position",
		}, {
			name: "audit_leaf_lookup", table: "audit_leaf", columns: []int{2, 0},
			query: "SELECT lookup, position FROM audit_leaf INDEXED BY audit_leaf_lookup WHERE lookup <> '' ORDER BY lookup, position",
			holds: func(leaf []driver.Value) bool { return leaf[2] != "" },
		}, {
			name: "audit_subject_atena", table: "audit_subject", columns: []int{2, 1, 0},
			query: "SELECT atena_number, entry, id FROM audit_subject INDEXED BY audit_subject_atena ORDER BY atena_number, entry, id",
		},
	}
}

// tally sums up what an index holds, or what it should hold.
type tally struct {
	index
	seed  maphash.Seed
	until int64 // rows of higher ids came later, with a gateway that runs
	n     int64
	sum   uint64
	buf   []byte
}

// add takes a row, its id last.
func (t *tally) add(row []driver.Value, columns []int) {
	if id, ok := row[columns[len(columns)-1]].(int64); ok && id > t.until {
		return
	}
	t.buf = t.buf[:0]
	for _, i := range columns {
		t.buf = appendCell(t.buf, row[i])
	}
	t.n++
	t.sum += maphash.Bytes(t.seed, t.buf)
}

// row takes a row of the table.
func (t *tally) row(row []driver.Value) {
	if t.holds == nil || t.holds(row) {
		t.add(row, t.columns)
	}
}

// appendCell spells a cell so that no two are spelt alike.
func appendCell(buf []byte, cell driver.Value) []byte {
	buf = append(buf, byte(rank(cell)))
	switch v := cell.(type) {
	case int64:
		return binary.BigEndian.AppendUint64(buf, uint64(v))
	case float64:
		return binary.BigEndian.AppendUint64(append(buf, '.'), math.Float64bits(v))
	case string:
		return append(binary.BigEndian.AppendUint32(buf, uint32(len(v))), v...)
	case []byte:
		return append(binary.BigEndian.AppendUint32(buf, uint32(len(v))), v...)
	}
	return buf
}

// rank is where the cells of a type stand in the database's order.
func rank(cell driver.Value) int {
	switch cell.(type) {
	case int64, float64:
		return 1
	case string:
		return 2
	case []byte:
		return 3
	}
	return 0
}

// before tells whether a row of an index stands before another, as the database orders.
func before(a, b []driver.Value) bool {
	return slices.CompareFunc(a, b, func(a, b driver.Value) int {
		if c := cmp.Compare(rank(a), rank(b)); c != 0 {
			return c
		}
		switch a := a.(type) {
		case int64:
			if b, ok := b.(int64); ok {
				return cmp.Compare(a, b)
			}
		case string:
			if b, ok := b.(string); ok {
				return strings.Compare(a, b)
			}
		case []byte:
			if b, ok := b.([]byte); ok {
				return bytes.Compare(a, b)
			}
		}
		return 0 // a fraction, which no column of ours holds
	}) < 0
}

// tallies makes the sums of the tables, to be filled by the walk, up to the rows that the
// snapshot has.
func tallies(ctx context.Context, tx *store.Tx) ([]*tally, error) {
	seed := maphash.MakeSeed()
	last := map[string]int64{}
	err := queryRows(ctx, tx, func(rows *store.Rows) error {
		var table string
		var until int64
		err := rows.Scan(&table, &until)
		last[table] = until
		return err
	}, `SELECT 'audit_entry', coalesce(max(id), 0) FROM audit_entry UNION ALL
		SELECT 'audit_leaf', coalesce(max(position), 0) FROM audit_leaf UNION ALL
		SELECT 'audit_subject', coalesce(max(id), 0) FROM audit_subject`)
	if err != nil {
		return nil, fmt.Errorf("read how far the record goes: %w", err)
	}
	var all []*tally
	for _, x := range indexes() {
		all = append(all, &tally{index: x, seed: seed, until: last[x.table]})
	}
	return all, nil
}

// readIndexes reads the indexes and gives, for each of wanted, what it holds; nil where it
// is not in order or cannot be read. It also has the database check how its tables and
// indexes are linked.
func readIndexes(ctx context.Context, tx *store.Tx, wanted []*tally) (found []*tally, torn []string, err error) {
	for _, p := range parts() {
		whole := true
		err := queryRows(ctx, tx, func(rows *store.Rows) error {
			var verdict string
			err := rows.Scan(&verdict)
			whole = whole && verdict == "ok"
			return err
		}, "SELECT quick_check FROM pragma_quick_check($1)", p.table)
		if err != nil {
			return nil, nil, fmt.Errorf("check the tables: %w", err)
		}
		if !whole {
			torn = append(torn, p.table)
		}
	}
	for _, w := range wanted {
		t, err := readIndex(ctx, tx, w)
		if err != nil {
			return nil, nil, err
		}
		found = append(found, t)
	}
	return found, torn, nil
}

func readIndex(ctx context.Context, tx *store.Tx, wanted *tally) (*tally, error) {
	rows, err := tx.Cells(ctx, wanted.query)
	if fault.Is(err, fault.Internal) && fault.Code(err) == "" {
		return nil, nil // it is not there, as the schema's check has said
	}
	if err != nil {
		return nil, fmt.Errorf("read an index: %w", err)
	}
	t := &tally{index: wanted.index, seed: wanted.seed, until: wanted.until}
	ordered := true
	columns := make([]int, len(rows.Row))
	for i := range columns {
		columns[i] = i
	}
	last := make([]driver.Value, 0, len(rows.Row))
	for ; rows.Live && err == nil; err = rows.Next() {
		ordered = ordered && (len(last) == 0 || before(last, rows.Row))
		last = append(last[:0], rows.Row...)
		t.add(rows.Row, columns)
	}
	if closing := rows.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, fmt.Errorf("read an index: %w", err)
	}
	if !ordered {
		return nil, nil
	}
	return t, nil
}

// explainIndexes names the tables whose indexes do not say what the tables say.
func (w *walk) explainIndexes(found []*tally, torn []string) {
	for i, t := range w.tallies {
		if f := found[i]; f == nil || f.n != t.n || f.sum != t.sum {
			torn = append(torn, t.table)
		}
	}
	slices.Sort(torn)
	for _, table := range slices.Compact(torn) {
		w.report.add(Edited, "", "表 %s の索引が、表と一致しません。", table)
	}
}
