// Package servers says where the real servers for tests are, as the KAKEHASHI_TEST_…
// variables name them. A test whose server is not named says so and is skipped; where
// KAKEHASHI_TEST_REQUIRE names the kind (postgres, redis, kafka, oidc, separated by commas),
// it fails instead.
package servers

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Postgres gives the URL of a PostgreSQL server and a role that may create schemas and
// roles: postgres://USER@HOST:PORT/DATABASE.
func Postgres(t testing.TB) string { t.Helper(); return address(t, "postgres") }

// Redis gives the URL of a Redis server: redis://HOST:PORT.
func Redis(t testing.TB) string { t.Helper(); return address(t, "redis") }

// Kafka gives the brokers of a Kafka cluster: HOST:PORT, separated by commas.
func Kafka(t testing.TB) string { t.Helper(); return address(t, "kafka") }

// OIDC gives the address of an OpenID provider: http://HOST:PORT.
func OIDC(t testing.TB) string { t.Helper(); return address(t, "oidc") }

// Program gives the path of a program that comes with a kind of server: pg_dump with
// postgres, redis-server with redis. Where it is lacking the test is skipped or fails, as it
// would without the server.
func Program(t testing.TB, kind, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		lack(t, kind, "there is no "+name+" on this machine")
	}
	return path
}

func address(t testing.TB, kind string) string {
	t.Helper()
	name := "KAKEHASHI_TEST_" + strings.ToUpper(kind)
	a := os.Getenv(name)
	if a == "" {
		lack(t, kind, name+" is not set")
	}
	return a
}

// lack ends a test that lacks something of a kind of server.
func lack(t testing.TB, kind, what string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("KAKEHASHI_TEST_REQUIRE"), ","), kind) {
		t.Fatalf("%s, and KAKEHASHI_TEST_REQUIRE names %s", what, kind)
	}
	t.Skipf("%s: nothing was tried with a real server of this kind", what)
}
