package store

import (
	"bufio"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"kakehashi/internal/fault"
)

//go:embed migrations/postgres/schema/*.txt
var pgListings embed.FS

// pgObjects lists what stands in a schema: everything that holds data, restricts it, or
// acts when it is read or written. bound is of a partition; its parent stands as table.
const pgObjects = `
WITH space AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1),
rel AS (SELECT c.* FROM pg_catalog.pg_class c JOIN space s ON s.oid = c.relnamespace),
parent AS (SELECT i.inhrelid, p.relname FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class p ON p.oid = i.inhparent),
cols AS (
  SELECT a.attrelid, string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
    || CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE ' || (SELECT collname FROM pg_catalog.pg_collation WHERE oid = a.attcollation) ELSE '' END
    || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
    || CASE WHEN a.attidentity <> '' THEN ' IDENTITY ' || a.attidentity::text ELSE '' END
    || CASE WHEN a.attgenerated <> '' THEN ' GENERATED ' || a.attgenerated::text ELSE '' END
    || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), ''), ', ' ORDER BY a.attname) AS list
  FROM pg_catalog.pg_attribute a JOIN rel r ON r.oid = a.attrelid JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attnum > 0 AND NOT a.attisdropped GROUP BY a.attrelid)
SELECT CASE r.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind,
  r.relname::text AS name, coalesce(p.relname, r.relname)::text AS tbl,
  CASE r.relkind WHEN 'v' THEN pg_get_viewdef(r.oid) WHEN 'm' THEN pg_get_viewdef(r.oid)
    WHEN 'S' THEN (SELECT format_type(q.seqtypid, NULL) || ' FROM ' || q.seqstart || ' BY ' || q.seqincrement || CASE WHEN q.seqcycle THEN ' CYCLE' ELSE '' END FROM pg_catalog.pg_sequence q WHERE q.seqrelid = r.oid)
    ELSE coalesce(c.list, '') END
  || CASE WHEN r.relkind NOT IN ('r', 'p', 'v', 'S') THEN ' KIND ' || r.relkind::text ELSE '' END
  || coalesce(' PARTITION BY ' || pg_get_partkeydef(r.oid), '')
  || CASE WHEN p.relname IS NOT NULL AND NOT r.relispartition THEN ' INHERITS' ELSE '' END
  || CASE WHEN r.relpersistence <> 'p' THEN ' PERSISTENCE ' || r.relpersistence::text ELSE '' END
  || CASE WHEN r.relrowsecurity OR r.relforcerowsecurity THEN ' ROW SECURITY' ELSE '' END AS sql,
  coalesce(pg_get_expr(r.relpartbound, r.oid), '') AS bound, false AS inherited
FROM rel r LEFT JOIN cols c ON c.attrelid = r.oid LEFT JOIN parent p ON p.inhrelid = r.oid
WHERE r.relkind NOT IN ('i', 'I', 'c', 't') AND r.relname NOT IN ('goose_db_version', 'goose_db_version_id_seq')
UNION ALL
SELECT 'index', r.relname, t.relname, pg_get_indexdef(i.indexrelid)
  || CASE WHEN i.indisvalid AND i.indisready THEN '' ELSE ' NOT VALID' END, '', r.relispartition
FROM pg_catalog.pg_index i JOIN rel r ON r.oid = i.indexrelid JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
WHERE t.relname <> 'goose_db_version'
UNION ALL
SELECT 'constraint', k.conname, r.relname, pg_get_constraintdef(k.oid), '', k.conparentid <> 0
FROM pg_catalog.pg_constraint k JOIN rel r ON r.oid = k.conrelid WHERE k.contype <> 'n' AND r.relname <> 'goose_db_version'
UNION ALL
SELECT 'trigger', g.tgname, r.relname, pg_get_triggerdef(g.oid) || CASE WHEN g.tgenabled = 'O' THEN '' ELSE ' ENABLED ' || g.tgenabled::text END, '', g.tgparentid <> 0 AND g.tgenabled = 'O'
FROM pg_catalog.pg_trigger g JOIN rel r ON r.oid = g.tgrelid WHERE NOT g.tgisinternal OR g.tgenabled <> 'O'
UNION ALL
SELECT 'rule', w.rulename, r.relname, pg_get_ruledef(w.oid), '', false
FROM pg_catalog.pg_rewrite w JOIN rel r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'
UNION ALL
SELECT 'policy', y.polname, r.relname, y.polcmd::text || ' ' || y.polpermissive::text || ' ' || coalesce(pg_get_expr(y.polqual, y.polrelid), '') || ' / ' || coalesce(pg_get_expr(y.polwithcheck, y.polrelid), ''), '', false
FROM pg_catalog.pg_policy y JOIN rel r ON r.oid = y.polrelid
UNION ALL
SELECT 'function', f.oid::regprocedure::text, '', CASE WHEN f.prokind IN ('f', 'p') THEN pg_get_functiondef(f.oid) ELSE f.prokind::text END, '', false
FROM pg_catalog.pg_proc f JOIN space s ON s.oid = f.pronamespace
UNION ALL
SELECT 'operator', o.oprname, '', o.oid::regoperator::text, '', false
FROM pg_catalog.pg_operator o JOIN space s ON s.oid = o.oprnamespace
UNION ALL
SELECT 'type', y.typname, '', y.typtype::text, '', false
FROM pg_catalog.pg_type y JOIN space s ON s.oid = y.typnamespace WHERE y.typtype IN ('d', 'e', 'r', 'b') AND y.typelem = 0
ORDER BY 1, 2, 3`

// found is an object with what is known of it beside.
type found struct {
	Object
	bound     string // of a partition
	inherited bool   // a partition has it because its parent does
}

// schemaPG is Schema on PostgreSQL. What should be there is a listing that was made of the
// migrations, since a snapshot cannot run them.
func schemaPG(ctx context.Context, tx *Tx) (has, wants []Object, err error) {
	all, err := foundPG(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	var version int64
	err = tx.QueryRow(ctx, `SELECT coalesce((SELECT max(version_id) FROM goose_db_version WHERE is_applied), 0)`).Scan(&version)
	if err != nil {
		return nil, nil, fmt.Errorf("read the schema's version: %w", err)
	}
	wants, err = listing(version)
	return withoutMonths(all), wants, err
}

func foundPG(ctx context.Context, tx *Tx) (all []found, err error) {
	schema := tx.pg.c.cfg.Schema
	rows, err := tx.Query(ctx, pgObjects, schema)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var f found
		if err := rows.Scan(&f.Kind, &f.Name, &f.Table, &f.SQL, &f.bound, &f.inherited); err != nil {
			return nil, fmt.Errorf("read the schema: %w", err)
		}
		f.SQL = strings.ReplaceAll(plain(f.SQL), schema+".", "")
		f.SQL = strings.ReplaceAll(f.SQL, "'"+schema+"'", "'SCHEMA'") // in a function's search path
		f.Name = strings.ReplaceAll(f.Name, schema+".", "")
		all = append(all, f)
	}
	return all, rows.Err()
}

// withoutMonths leaves out the partitions of a month, of which there are more every month,
// and all that they have from their parent. One that is not what kakehashi_partitions makes
// stays: its bounds are not its name's, its columns are not the parent's, or it has
// something of its own.
func withoutMonths(all []found) (objects []Object) {
	tables := map[string]found{}
	for _, f := range all {
		if f.Kind == "table" {
			tables[f.Name] = f
		}
	}
	regular := map[string]bool{}
	for name, f := range tables {
		columns, _, _ := strings.Cut(tables[f.Table].SQL, " PARTITION BY ")
		regular[name] = monthly(f) && f.SQL == columns
	}
	for _, f := range all {
		if f.Kind == "table" && regular[f.Name] || f.inherited && regular[f.Table] {
			continue
		}
		if f.bound != "" {
			f.SQL += " " + f.bound
		}
		objects = append(objects, f.Object)
	}
	return objects
}

// monthly tells whether a table is a partition whose bounds are the month that it is named
// for, as days or as microseconds.
func monthly(f found) bool {
	suffix, ok := strings.CutPrefix(f.Name, f.Table+"_")
	month, err := time.Parse("200601", suffix)
	if !ok || err != nil || f.bound == "" {
		return false
	}
	next := month.AddDate(0, 1, 0)
	between := func(from, to string) string { return "FOR VALUES FROM ('" + from + "') TO ('" + to + "')" }
	micros := func(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }
	return f.bound == between(month.Format("2006-01"), next.Format("2006-01")) || f.bound == between(micros(month), micros(next))
}

// listing gives what the migrations up to a version make of an empty schema.
func listing(version int64) (wants []Object, err error) {
	if version < 1 {
		return nil, nil
	}
	f, err := pgListings.Open(fmt.Sprintf("migrations/postgres/schema/%05d.txt", version))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Conflict, "this program does not know what a schema of version %d looks like; run kakehashi migrate", version).
			WithCode("KKH3224").WithReason("older_version")
	}
	if err != nil {
		return nil, fmt.Errorf("read the listing of the schema: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		cells := strings.SplitN(lines.Text(), "\t", 4)
		if len(cells) != 4 {
			return nil, fault.New(fault.Internal, "the listing of the schema has a line that is none")
		}
		o := Object{Kind: cells[0], Name: cells[1], Table: cells[2], SQL: cells[3]}
		wants = append(wants, o)
	}
	return wants, lines.Err()
}
