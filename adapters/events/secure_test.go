package events

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kakehashi/internal/fault"
)

// keys makes a certificate for this machine that is its own authority.
func keys(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kafka"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestTLSAndPasswords(t *testing.T) {
	cert, authority := keys(t)
	for _, method := range []string{saslPlain, saslScram} {
		t.Run(method, func(t *testing.T) {
			at := fake(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}}), kfake.EnableSASL(),
				kfake.Superuser(strings.ToUpper(method), "kakehashi", "kotoba-no-hashi"))
			password := writeFile(t, []byte("kotoba-no-hashi\n"))
			at.conn.TLS, at.conn.CAFile = true, writeFile(t, authority)
			at.conn.SASL, at.conn.Username, at.conn.PasswordFile = method, "kakehashi", password

			p := at.publisher(t)
			if err := publish(t, p, change(1)); err != nil {
				t.Fatal(err)
			}
			if err := p.Probe(t.Context()); err != nil {
				t.Errorf("probe: %v", err)
			}
			out := at
			out.cfg.Topic, out.cfg.Notices.Topic = at.cfg.Notices.Topic, at.cfg.Topic // read what was published
			var in inbox
			_, stop := out.run(t, in.take)
			eventually(t, "the event", func() bool { return len(in.all()) == 1 })
			stop()

			// The password is read anew at each connection: this publisher has none yet.
			if err := os.WriteFile(password, []byte("himitsu-no-hashi"), 0o600); err != nil {
				t.Fatal(err)
			}
			// The in-memory Kafka hangs up on it; a real one says why, so that is what it says here.
			var asked atomic.Bool
			at.fake.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
				if asked.Load() {
					return nil, nil, false
				}
				at.fake.KeepControl()
				reply := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
				reply.ErrorCode = kerr.SaslAuthenticationFailed.Code
				return reply, nil, true
			})
			wrong := at.publisher(t)
			err := publish(t, wrong, change(2))
			if f := fault.Find(err); err == nil || f.Kind != fault.Unavailable || f.Code != codeProof || f.Reason != "auth_failed" {
				t.Errorf("a wrong password: got %v", err)
			}
			if strings.Contains(err.Error(), "hashi\"") || strings.Contains(err.Error(), "himitsu") {
				t.Errorf("the error tells the password: %v", err)
			}
			asked.Store(true)
			if err := os.WriteFile(password, []byte("kotoba-no-hashi"), 0o600); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the mended password", func() bool { return publish(t, wrong, change(3)) == nil })
			if err := os.Remove(password); err != nil {
				t.Fatal(err)
			}
			gone := at.publisher(t)
			if err := publish(t, gone, change(4)); !fault.Is(err, fault.Unavailable) || fault.Code(err) != codeFiles {
				t.Errorf("no password: got %v", err)
			}
		})
	}
}

func TestACertificateThatNobodyVouchesFor(t *testing.T) {
	cert, authority := keys(t)
	_, other := keys(t)
	at := fake(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}}))
	at.conn.Timeout = time.Second
	at.conn.TLS, at.conn.CAFile = true, writeFile(t, other)
	err := publish(t, at.publisher(t), change(1))
	if f := fault.Find(err); err == nil || f.Kind != fault.Unavailable || f.Code != codeProof || f.Reason != "tls" {
		t.Errorf("another authority: got %v", err)
	}
	at.conn.CAFile = writeFile(t, authority)
	if err := publish(t, at.publisher(t), change(1)); err != nil {
		t.Errorf("the right one: got %v", err)
	}
	at.conn.TLS, at.conn.CAFile = false, ""
	if err := publish(t, at.publisher(t), change(1)); !fault.Is(err, fault.Unavailable) || fault.Code(err) != codeUnreached {
		t.Errorf("no TLS at all: got %v", err)
	}
	plain := fake(t)
	plain.conn.TLS, plain.conn.Timeout = true, time.Second
	if err := publish(t, plain.publisher(t), change(1)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("TLS to one that has none: got %v", err)
	}
}

func TestAClientCertificate(t *testing.T) {
	cert, authority := keys(t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	at := fake(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}))
	at.conn.Timeout = time.Second
	at.conn.TLS, at.conn.CAFile = true, writeFile(t, authority)
	if err := publish(t, at.publisher(t), change(1)); !fault.Is(err, fault.Unavailable) || fault.Code(err) != codeProof {
		t.Errorf("none: got %v", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	at.conn.CertFile = writeFile(t, authority)
	at.conn.KeyFile = writeFile(t, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err := publish(t, at.publisher(t), change(1)); err != nil {
		t.Errorf("ours: got %v", err)
	}
	at.conn.KeyFile = writeFile(t, []byte("no key"))
	if _, err := NewPublisher(at.conn, at.cfg, ownRooms()); !fault.Is(err, fault.Invalid) || fault.Code(err) != codeFiles || strings.Contains(err.Error(), at.conn.KeyFile) {
		t.Errorf("no key: got %v", err)
	}
}
