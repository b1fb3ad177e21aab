package events

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"kakehashi/internal/fault"
)

// idle is how long a connection may lie unused. Brokers close theirs after ten minutes, and
// a write into a closed one ends in doubt.
const idle = 30 * time.Second

// newTransport makes the connections by which we write and ask. Each has its own: the
// library's default is shared, and its goroutines never end.
func newTransport(c Connection, topics ...string) (*kafka.Transport, error) {
	conf, err := c.tls()
	if err != nil {
		return nil, err
	}
	t := &kafka.Transport{
		Dial: dialer(c.Timeout), DialTimeout: c.Timeout / 2, IdleTimeout: idle,
		MetadataTTL:    time.Second, // 6 s, the default, is how long writes fail after a leader moved
		MetadataTopics: topics, ClientID: c.ClientID, TLS: conf,
	}
	if c.SASL != saslNone {
		t.SASL = mechanism{c}
	}
	return t, nil
}

// newDialer makes the connections by which a group reads, under a client's name.
func newDialer(c Connection, name string) (*kafka.Dialer, error) {
	conf, err := c.tls()
	if err != nil {
		return nil, err
	}
	d := &kafka.Dialer{ClientID: name, DialFunc: dialer(c.Timeout), Timeout: c.Timeout, TLS: conf}
	if c.SASL != saslNone {
		d.SASLMechanism = mechanism{c}
	}
	return d, nil
}

// tls makes the client side of TLS from the files named; nil where there is none.
func (c Connection) tls() (*tls.Config, error) {
	if !c.TLS {
		return nil, nil
	}
	refuse := func(field, what string, cause error) (*tls.Config, error) {
		return nil, &fault.Error{Kind: fault.Invalid, Code: codeFiles, Field: field, What: what, Err: withoutPath(cause)}
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return refuse("/tls_ca", "read the certificate authority", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return refuse("/tls_ca", "no certificate in the file of the certificate authority", nil)
		}
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return refuse("/tls_certificate", "read the client certificate", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// mechanism proves by password who we are. It reads the password at each connection, so that
// a changed one needs no restart.
type mechanism struct{ c Connection }

// Name gives the mechanism's name as Kafka spells it.
func (m mechanism) Name() string { return strings.ToUpper(m.c.SASL) }

// Start begins to prove who we are, on one connection.
func (m mechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	password, err := m.c.password()
	if err != nil {
		return nil, nil, err
	}
	if m.c.SASL == saslPlain {
		return plain.Mechanism{Username: m.c.Username, Password: password}.Start(ctx)
	}
	s, err := scram.Mechanism(scram.SHA512, m.c.Username, password)
	if err != nil {
		// Its cause may name a character of the password.
		return nil, nil, &fault.Error{Kind: fault.Invalid, Code: codeFiles, Field: "/password_file", What: "the password cannot be sent"}
	}
	return s.Start(ctx)
}

func (c Connection) password() (string, error) {
	text, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return "", &fault.Error{Kind: fault.Invalid, Code: codeFiles, Field: "/password_file", What: "read the password", Err: withoutPath(err)}
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", &fault.Error{Kind: fault.Invalid, Code: codeFiles, Field: "/password_file", What: "the file of the password is empty"}
	}
	return password, nil
}

// dialer makes connections on which no read waits longer than limit. While the library
// proves who we are it sets no deadline of its own, so that a broker that stands still would
// hold it, and what waits for it, for ever.
func dialer(limit time.Duration) func(context.Context, string, string) (net.Conn, error) {
	d := &net.Dialer{Timeout: limit / 2, KeepAlive: 15 * time.Second}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &bounded{Conn: c, limit: limit}, nil
	}
}
