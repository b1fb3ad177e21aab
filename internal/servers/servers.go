// Package servers says where the real servers for tests are, as the KAKEHASHI_TEST_…
// variables name them. A test whose server is not named says so and is skipped; where
// KAKEHASHI_TEST_REQUIRE names the kind (postgres, redis, kafka, oidc, separated by commas),
// it fails instead.
package servers

import (
	"os"
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

func address(t testing.TB, kind string) string {
	t.Helper()
	name := "KAKEHASHI_TEST_" + strings.ToUpper(kind)
	if a := os.Getenv(name); a != "" {
		return a
	}
	required := strings.Split(os.Getenv("KAKEHASHI_TEST_REQUIRE"), ",")
	if slices.Contains(required, kind) {
		t.Fatalf("%s is not set, and KAKEHASHI_TEST_REQUIRE names %s", name, kind)
	}
	t.Skipf("%s is not set: nothing was tried on a real server of this kind", name)
	return ""
}
