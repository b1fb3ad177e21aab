package store

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"kakehashi/internal/fault"
)

// pgMeaning says what one of PostgreSQL's SQLSTATE codes means to us.
func pgMeaning(state string) *fault.Error {
	switch state {
	case "40001", "40P01", "55P03":
		return &fault.Error{Kind: fault.Unavailable, Code: "KKH3207", Reason: "busy", What: "others hold what the statement needs"}
	case "57014":
		return &fault.Error{Kind: fault.Unavailable, Reason: "timeout", What: "the database took too long"}
	case "53100":
		return &fault.Error{Kind: fault.Unavailable, Code: "KKH3205", Reason: "full", What: "the database has no room"}
	case "25006":
		return &fault.Error{Kind: fault.Unavailable, Code: "KKH3204", Reason: "not_writable", What: "the database takes no writes: it is a standby"}
	case "42501":
		return &fault.Error{Kind: fault.Internal, Code: "KKH3223", Reason: "no_right", What: "the database role may not do this"}
	case "XX001", "XX002":
		return &fault.Error{Kind: fault.Internal, Code: "KKH3208", Reason: "damaged", What: "the database is damaged"}
	case "58030":
		return &fault.Error{Kind: fault.Unavailable, Code: "KKH3206", Reason: "io", What: "the disk under the database failed"}
	case "3D000", "28000", "28P01":
		return &fault.Error{Kind: fault.Unavailable, Code: "KKH3222", Reason: "refused", What: "the database server refused the connection"}
	}
	switch state[:min(len(state), 2)] {
	case "23":
		return &fault.Error{Kind: fault.Conflict, Reason: "constraint", What: "a rule of the schema forbids it"}
	case "53":
		return &fault.Error{Kind: fault.Unavailable, Code: "KKH3221", Reason: "overloaded", What: "the database server has no more connections or memory"}
	case "08", "57":
		return unreachable()
	}
	return &fault.Error{Kind: fault.Internal, What: "the database refused a statement"}
}

func unreachable() *fault.Error {
	return &fault.Error{Kind: fault.Unavailable, Code: "KKH3221", Reason: "unreachable", What: "the database server cannot be reached"}
}

// classifyPG gives what PostgreSQL or its driver said a meaning; nil: neither said it.
// The server's own text is left out: it repeats values.
func classifyPG(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		meant := pgMeaning(e.Code)
		meant.Err = stateError(e.Code)
		return meant
	}
	if distrusted(err) {
		return &fault.Error{Kind: fault.Unavailable, Code: "KKH3222", Reason: "certificate", What: "the database server's certificate is not one to trust"}
	}
	if broken(err) {
		return unreachable()
	}
	return nil
}

// classifyQuiet is classify without the text of an error that nobody knows: the driver
// repeats the arguments that it cannot write.
func classifyQuiet(err error) error {
	meant := classify(err)
	if e, ok := errors.AsType[*fault.Error](meant); !ok || e.Kind != fault.Internal || e.Err != err { //nolint:errorlint // the very one
		return meant
	}
	cause := fmt.Errorf("a %T of the driver", err)
	if scan, ok := errors.AsType[pgx.ScanArgError](err); ok {
		cause = fmt.Errorf("column %d cannot be read into what was given", scan.ColumnIndex+1)
	}
	return &fault.Error{Kind: fault.Internal, What: "use the database", Err: cause}
}

// stateError is a SQLSTATE, which is all that leaves of what the server says.
type stateError string

// Error names it.
func (e stateError) Error() string { return "SQLSTATE " + string(e) }

// broken tells whether the connection, not the statement, is what failed.
func broken(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(e.Code, "57P") || strings.HasPrefix(e.Code, "08") // the session was ended
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// distrusted tells whether the server's certificate was refused.
func distrusted(err error) bool {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, named := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	return unknown || named || invalid
}
