package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"kakehashi/internal/fault"
)

// copied is how many rows are brought over at a time.
const copied = 5000

// Copy brings everything that an SQLite database holds into an empty schema of PostgreSQL,
// all or nothing, and has progress told after every few thousand rows how many of a table
// are over. Cells stay as they are, so that what was proved of them is proved of the copy;
// running numbers go on behind the highest. It is a Conflict where the schema holds
// anything already.
func Copy(ctx context.Context, from, to *DB, progress func(table string, rows int64)) error {
	if from.pg != nil || to.pg == nil {
		return fault.New(fault.Internal, "a copy goes from SQLite to PostgreSQL")
	}
	return Read(ctx, from, func(ctx context.Context, source *Tx) error {
		tables, err := tablesToCopy(ctx, source)
		if err != nil {
			return err
		}
		return WithTx(ctx, to, func(ctx context.Context, tx *Tx) error {
			if err := emptied(ctx, tx); err != nil {
				return err
			}
			if err := pastMonths(ctx, source, tx); err != nil {
				return err
			}
			for _, table := range tables {
				if err := copyTable(ctx, source, tx, table, progress); err != nil {
					return fmt.Errorf("copy %s: %w", table, err)
				}
			}
			return sequences(ctx, tx)
		})
	})
}

// tablesToCopy gives the source's tables in the order in which they were made, so that what
// is referred to comes first.
func tablesToCopy(ctx context.Context, source *Tx) ([]string, error) {
	return texts(source.Query(ctx, `SELECT name FROM sqlite_master WHERE type = 'table'
		AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name <> 'goose_db_version' ORDER BY rowid`))
}

// texts reads rows of a single text.
func texts(rows *Rows, err error) (list []string, _ error) {
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var t string
		if err := rows.Scan(&t); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		list = append(list, t)
	}
	return list, errors.Join(rows.Err(), rows.Close())
}

const targetTables = `SELECT relname::text FROM pg_catalog.pg_class WHERE relnamespace = current_schema()::regnamespace
	AND relkind IN ('r', 'p') AND NOT relispartition AND relname NOT IN ('goose_db_version', 'kakehashi') ORDER BY relname`

// emptied makes sure that nothing stands in the schema but the rows that the migrations
// put there, and takes these away.
func emptied(ctx context.Context, tx *Tx) error {
	tables, err := texts(tx.Query(ctx, targetTables))
	if err != nil {
		return err
	}
	seeds, err := seeded(ctx)
	if err != nil {
		return err
	}
	for _, table := range tables {
		name := pgx.Identifier{table}.Sanitize()
		n, err := tx.Number(ctx, "SELECT count(*) FROM (SELECT 1 FROM "+name+" LIMIT 1000) AS held")
		if err != nil {
			return err
		}
		if n != seeds[table] {
			return fault.New(fault.Conflict, "the schema holds something already: %s", table).WithCode("KKH3228").WithReason("not_empty")
		}
		if n == 0 {
			continue
		}
		if _, err := tx.Exec(ctx, "DELETE FROM "+name); err != nil {
			return err
		}
	}
	return nil
}

// seeded gives how many rows the migrations themselves put into each table.
func seeded(ctx context.Context) (rows map[string]int64, err error) {
	newest, err := newestVersion(SQLite)
	if err != nil {
		return nil, err
	}
	rows = map[string]int64{}
	err = inMemory(ctx, newest, func(pool *sql.DB) error {
		list, err := objects(ctx, pool.QueryContext)
		if err != nil {
			return err
		}
		for _, o := range list {
			if o.Kind != "table" {
				continue
			}
			var n int64
			if err := pool.QueryRowContext(ctx, "SELECT count(*) FROM "+o.Name).Scan(&n); err != nil {
				return fmt.Errorf("count rows: %w", classify(err))
			}
			rows[o.Name] = n
		}
		return nil
	})
	return rows, err
}

// pastMonths makes the partitions of the months that the source has something of, which
// lie behind those that are made ahead of time.
func pastMonths(ctx context.Context, source, tx *Tx) error {
	var first string
	err := source.QueryRow(ctx, `SELECT coalesce(min(month), '') FROM (
		SELECT substr(min(at), 1, 7) AS month FROM audit_entry UNION ALL
		SELECT strftime('%Y-%m', min(ended_at) / 1000000, 'unixepoch') FROM outbox_history)`).Scan(&first)
	if err != nil || first == "" {
		return err
	}
	_, err = tx.Number(ctx, `SELECT coalesce(sum(kakehashi_month(m)), 0)::bigint
		FROM generate_series(greatest($1::timestamp, date_trunc('year', now() AT TIME ZONE 'UTC') - interval '50 years'), now() AT TIME ZONE 'UTC', interval '1 month') AS m`, first+"-01")
	return err
}

func copyTable(ctx context.Context, source, tx *Tx, table string, progress func(string, int64)) (err error) {
	columns, err := texts(source.Query(ctx, "SELECT name FROM pragma_table_info($1) ORDER BY cid", table))
	if err != nil {
		return err
	}
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = pgx.Identifier{c}.Sanitize()
	}
	cells, err := source.Cells(ctx, "SELECT "+strings.Join(quoted, ", ")+" FROM "+pgx.Identifier{table}.Sanitize())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cells.Close()) }()
	var rows int64
	for cells.Live {
		var piece [][]any
		for ; cells.Live && len(piece) < copied; err = cells.Next() {
			if err != nil {
				return err
			}
			piece = append(piece, anyOf(cells.Row))
		}
		if err != nil {
			return err
		}
		if err := tx.copyIn(ctx, table, columns, piece); err != nil {
			return err
		}
		rows += int64(len(piece))
		progress(table, rows)
	}
	return nil
}

func anyOf(row []driver.Value) []any {
	values := make([]any, len(row))
	for i, v := range row {
		if b, ok := v.([]byte); ok {
			v = append([]byte{}, b...) // never nil, which would be NULL
		}
		values[i] = v
	}
	return values
}

// copyIn adds rows as they are.
func (tx *Tx) copyIn(ctx context.Context, table string, columns []string, rows [][]any) error {
	ctx, cancel := tx.pg.c.patience(ctx)
	defer cancel()
	_, err := tx.pg.conn.Conn().CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromRows(rows))
	return tx.settle(ctx, err)
}

// sequences sets every running number behind the highest that any column of its name holds
// in the tables of its package: a number lives on where a row has moved to another table.
func sequences(ctx context.Context, tx *Tx) error {
	statements, err := texts(tx.Query(ctx, `
		SELECT format('SELECT setval(%L, greatest((SELECT max(n) FROM (%s) AS all_of_them(n)), 0) + 1, false)', s.oid::regclass,
			(SELECT string_agg(format('SELECT max(%I) FROM %I', a.attname, c.relname), ' UNION ALL ')
			 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute b ON b.attrelid = c.oid AND b.attname = a.attname AND b.atttypid = 'bigint'::regtype
			 WHERE c.relnamespace = s.relnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
				AND split_part(c.relname, '_', 1) = split_part(t.relname, '_', 1)))
		FROM pg_catalog.pg_class s
		JOIN pg_catalog.pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
		JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
		JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
		WHERE s.relkind = 'S' AND s.relnamespace = current_schema()::regnamespace AND t.relname <> 'goose_db_version'`))
	if err != nil {
		return fmt.Errorf("list the running numbers: %w", err)
	}
	for _, s := range statements {
		if _, err := tx.Number(ctx, s); err != nil {
			return fmt.Errorf("go on with the running numbers: %w", err)
		}
	}
	return nil
}
