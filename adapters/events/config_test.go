package events

import (
	"strings"
	"testing"
	"time"

	"kakehashi/internal/fault"
)

func TestSettingsThatAreWrong(t *testing.T) {
	one := []string{"kafka.example.lg.jp:9093"}
	somebody := Subscriber{Name: "a", LegalBasis: "b", From: "2026-04-01"}
	for name, c := range map[string]struct {
		conn  Connection
		cfg   Config
		field string
	}{
		"a broker without a port":     {conn: Connection{Brokers: []string{"kafka"}}, field: "/brokers"},
		"a URL":                       {conn: Connection{Brokers: []string{"kafka://kafka:9092"}}, field: "/brokers"},
		"a certificate without TLS":   {conn: Connection{Brokers: one, CAFile: "ca"}, field: "/tls"},
		"half a key pair":             {conn: Connection{Brokers: one, TLS: true, CertFile: "c"}, field: "/tls_key"},
		"an unknown mechanism":        {conn: Connection{Brokers: one, TLS: true, SASL: "gssapi", Username: "u", PasswordFile: "p"}, field: "/sasl"},
		"no name":                     {conn: Connection{Brokers: one, TLS: true, SASL: "plain", PasswordFile: "p"}, field: "/username"},
		"no password":                 {conn: Connection{Brokers: one, TLS: true, SASL: "plain", Username: "u"}, field: "/password_file"},
		"a password for nothing":      {conn: Connection{Brokers: one, TLS: true, PasswordFile: "p"}, field: "/password_file"},
		"a password in the clear":     {conn: Connection{Brokers: one, SASL: "plain", Username: "u", PasswordFile: "p"}, field: "/tls"},
		"no patience":                 {conn: Connection{Brokers: one, Timeout: time.Millisecond}, field: "/timeout"},
		"a consumer without basis":    {cfg: Config{Consumers: []Subscriber{{Name: "a", From: "2026-04-01"}}}, field: "/consumers/0/legal_basis"},
		"a consumer without a day":    {cfg: Config{Consumers: []Subscriber{{Name: "a", LegalBasis: "b"}}}, field: "/consumers/0/from"},
		"a consumer twice":            {cfg: Config{Consumers: []Subscriber{somebody, somebody}}, field: "/consumers/1/name"},
		"one topic for two":           {cfg: Config{Topic: "x", Notices: Notices{Topic: "x"}}, field: "/topic"},
		"a topic that cannot be":      {cfg: Config{Topic: "架空"}, field: "/topic"},
		"a watchdog before its time":  {cfg: Config{Notices: Notices{Check: time.Minute, Stall: time.Second}}, field: "/notices/stall"},
		"a consumer without brokers":  {cfg: Config{Consumers: []Subscriber{somebody}}, field: "/brokers"},
		"notices without brokers":     {cfg: Config{Notices: Notices{Enabled: true}}, field: "/brokers"},
		"no brokers, and nothing set": {field: "/brokers"},
	} {
		p, err := NewPublisher(c.conn, c.cfg, ownRooms())
		if p != nil || !fault.Is(err, fault.Invalid) || fault.Code(err) != codeConfig || !strings.Contains(fields(err), c.field+" ") {
			t.Errorf("%s: got %v at %s", name, err, fields(err))
		}
	}
	for name, c := range map[string]Connection{
		"nothing":                       {},
		"a password inside the machine": {Brokers: []string{"localhost:9092", "[::1]:9092"}, SASL: "plain", Username: "u", PasswordFile: "p"},
		"a password over TLS":           {Brokers: one, TLS: true, SASL: "scram-sha-512", Username: "u", PasswordFile: "p"},
	} {
		if err := c.Validate(); err != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("nothing set: %v", err)
	}
}

// fields gives the fields that an error names, a space after each.
func fields(err error) string {
	switch e := err.(type) { //nolint:errorlint // it is the chain itself that is walked
	case *fault.Error:
		return e.Field + " "
	case interface{ Unwrap() []error }:
		var all strings.Builder
		for _, one := range e.Unwrap() {
			all.WriteString(fields(one))
		}
		return all.String()
	}
	return ""
}

func TestNoTextOfASettingRepeatsItsValue(t *testing.T) {
	conn := Connection{Brokers: []string{"hunter2secret"}, SASL: "hunter2secret", Username: "hunter2secret", PasswordFile: "hunter2secret", ClientID: "hunter2 secret"}
	cfg := Config{Topic: "hunter2 secret", Consumers: []Subscriber{{Name: "hunter2secret"}}}
	for _, err := range []error{conn.Validate(), cfg.Validate()} {
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v", err)
		}
	}
}
