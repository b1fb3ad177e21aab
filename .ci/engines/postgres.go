package engines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// superuser is the role that tests connect as; it may create roles and schemas.
const superuser = "postgres"

// postgresPlan is a cluster of its own with everything durable as in production.
func postgresPlan() plan {
	return plan{
		prepare: initdb,
		command: func(s *Server) *exec.Cmd {
			cmd := exec.Command(postgresProgram("postgres"), "-D", s.data(), "-p", strconv.Itoa(s.port),
				"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=300",
				"-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on")
			cmd.SysProcAttr = unprivileged()
			return cmd
		},
		probe: func(ctx context.Context, s *Server) error {
			c, err := pgx.Connect(ctx, s.url())
			if err != nil {
				return fmt.Errorf("connect: %w", err)
			}
			_, err = c.Exec(ctx, "SELECT 1")
			return errors.Join(err, c.Close(ctx))
		},
		env:  func(s *Server) []string { return []string{"KAKEHASHI_TEST_POSTGRES=" + s.url()} },
		quit: syscall.SIGINT, orphan: syscall.SIGQUIT,
	}
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) url() string {
	return fmt.Sprintf("postgres://%s@%s/postgres", superuser, address(s.port))
}

// initdb makes an empty cluster whose owner needs no password from this machine.
func initdb(ctx context.Context, s *Server) error {
	if postgresProgram("initdb") == "" {
		if err := install(ctx, "postgresql", "postgresql-client"); err != nil {
			return err
		}
	}
	program := postgresProgram("initdb")
	if program == "" {
		return errors.New("initdb of PostgreSQL is not to be found")
	}
	who := unprivileged()
	if c := who.Credential; c != nil {
		if err := os.Chown(s.dir, int(c.Uid), int(c.Gid)); err != nil {
			return fmt.Errorf("give the folder to PostgreSQL's user: %w", err)
		}
	}
	cmd := exec.CommandContext(ctx, program, "-D", s.data(), "-U", superuser, "--auth=trust", "-E", "UTF8", "--no-locale", "--no-instructions")
	cmd.Dir, cmd.SysProcAttr = s.dir, who
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// PostgresProgram gives the path of a program of PostgreSQL's (psql, pg_dump), empty where it
// is not installed.
func PostgresProgram(name string) string { return postgresProgram(name) }

// postgresProgram finds a program of PostgreSQL's, of the newest version installed; Debian
// keeps those of the server out of the path.
func postgresProgram(name string) string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) > 0 {
		slices.SortFunc(found, func(a, b string) int { return len(a) - len(b) })
		return found[len(found)-1]
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

// unprivileged is who PostgreSQL runs as, since it refuses to run as root.
func unprivileged() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{}
	if os.Getuid() != 0 {
		return a
	}
	u, err := user.Lookup(superuser)
	if err != nil {
		return a // initdb will say that it does not run as root
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err == nil && err2 == nil {
		a.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return a
}
