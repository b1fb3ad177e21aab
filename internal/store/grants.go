package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"kakehashi/internal/fault"
)

// Grant is what a role may do to a table, or to all tables whose names begin in that way.
type Grant struct {
	Table  string // a name; or the beginning of names, with a * at its end
	Rights string // of SQL, separated by commas
}

// GatewayGrants are the rights of the role that the gateway runs as. Of the record it may
// read and add; only what waits to be sealed is taken away, and only the writers' running
// numbers change. A table has the rights of the first line that names it, and none where
// no line does.
func GatewayGrants() []Grant {
	return []Grant{
		{"audit_queue", "SELECT, INSERT, DELETE"},
		{"audit_writer", "SELECT, INSERT, UPDATE"},
		{"audit_*", "SELECT, INSERT"},
		{"ledger_*", "SELECT, INSERT, UPDATE, DELETE"},
		{"outbox_*", "SELECT, INSERT, UPDATE, DELETE"},
		{"inbox_*", "SELECT, INSERT, UPDATE, DELETE"},
		{"goose_db_version", "SELECT"},
		{"kakehashi", "SELECT"},
	}
}

// AuditorGrants are the rights of the role that reads the record and nothing else.
func AuditorGrants() []Grant {
	return []Grant{{"audit_*", "SELECT"}, {"goose_db_version", "SELECT"}, {"kakehashi", "SELECT"}}
}

// rightsOf gives what a list grants of a table; empty: nothing.
func rightsOf(list []Grant, table string) string {
	for _, g := range list {
		if begin, many := strings.CutSuffix(g.Table, "*"); g.Table == table || many && strings.HasPrefix(table, begin) {
			return g.Rights
		}
	}
	return ""
}

// grantAll leaves the gateway's role and the auditor's with the rights that the lists say
// and no others, all at once.
func grantAll(ctx context.Context, pool *sql.DB, cfg Config) error {
	var owner string
	if err := pool.QueryRowContext(ctx, "SELECT current_user").Scan(&owner); err != nil {
		return fmt.Errorf("read who owns the tables: %w", classify(err))
	}
	tables, err := tablesOf(ctx, pool)
	if err != nil {
		return err
	}
	place, wrong := placeOf(cfg.URL)
	if wrong != nil {
		return wrong
	}
	var statements []string
	if place.user == owner {
		statements = ownRevokes(tables, owner)
	} else {
		statements = roleGrants(cfg.Schema, tables, place.user, GatewayGrants())
		role := pgx.Identifier{place.user}.Sanitize()
		statements = append(statements, "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA "+cfg.Schema+" TO "+role,
			"GRANT EXECUTE ON FUNCTION kakehashi_partitions() TO "+role)
	}
	if cfg.Auditor != "" {
		if cfg.Auditor == owner || cfg.Auditor == place.user {
			return fault.New(fault.Invalid, "記録だけを読める利用者は、ほかの利用者と別にしてください").WithCode("KKH3210").WithField("auditor")
		}
		statements = append(statements, roleGrants(cfg.Schema, tables, cfg.Auditor, AuditorGrants())...)
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("grant rights: %w", classify(err))
	}
	for _, s := range statements {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return errors.Join(fmt.Errorf("grant rights: %w", classify(err)), classify(tx.Rollback()))
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("grant rights: %w", classify(err))
	}
	return nil
}

// roleGrants gives the statements that leave a role with the rights of a list.
func roleGrants(schema string, tables []string, name string, list []Grant) []string {
	role := pgx.Identifier{name}.Sanitize()
	statements := []string{
		"REVOKE ALL ON ALL TABLES IN SCHEMA " + schema + " FROM " + role,
		"REVOKE ALL ON ALL SEQUENCES IN SCHEMA " + schema + " FROM " + role,
		"REVOKE ALL ON SCHEMA " + schema + " FROM " + role,
		"GRANT USAGE ON SCHEMA " + schema + " TO " + role,
	}
	for _, t := range tables {
		if rights := rightsOf(list, t); rights != "" {
			statements = append(statements, "GRANT "+rights+" ON "+pgx.Identifier{t}.Sanitize()+" TO "+role)
		}
	}
	return statements
}

// ownRevokes gives the statements by which an owner that is the gateway's role too takes
// from itself what the gateway may not do to the record. It could give it back, so this
// is a guard against mistakes and not against the owner.
func ownRevokes(tables []string, owner string) (statements []string) {
	for _, t := range tables {
		if !strings.HasPrefix(t, "audit_") {
			continue
		}
		may := rightsOf(GatewayGrants(), t)
		for _, right := range []string{"UPDATE", "DELETE", "TRUNCATE"} {
			if !strings.Contains(may, right) {
				statements = append(statements, "REVOKE "+right+" ON "+pgx.Identifier{t}.Sanitize()+" FROM "+pgx.Identifier{owner}.Sanitize())
			}
		}
	}
	return statements
}

// tablesOf gives the tables of the schema without the partitions, which nobody names.
func tablesOf(ctx context.Context, pool *sql.DB) (tables []string, err error) {
	rows, err := pool.QueryContext(ctx, `SELECT relname FROM pg_catalog.pg_class
		WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname`)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", classify(err))
	}
	defer func() { err = errors.Join(err, classify(rows.Close())) }()
	for rows.Next() {
		var t string
		if err := rows.Scan(&t); err != nil {
			return nil, fmt.Errorf("list the tables: %w", classify(err))
		}
		tables = append(tables, t)
	}
	return tables, classify(rows.Err())
}
