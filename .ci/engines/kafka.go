package engines

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
)

// kafkaVersion is that of .ci/kafka/pom.xml.
const kafkaVersion = "4.3.1"

// Those who may speak to the listener with TLS, each by one mechanism.
const (
	ScramUser = "alice" // SCRAM-SHA-512
	PlainUser = "bob"   // PLAIN
	Password  = "for-tests-only"
)

// kafkaPlan is one broker that is its own controller, with a plain listener and one with TLS
// and SASL. It makes no topic by itself.
func kafkaPlan() plan {
	return plan{
		prepare: layOut,
		command: func(s *Server) *exec.Cmd { return s.java("kafka.Kafka", s.properties()) },
		probe: func(ctx context.Context, s *Server) error {
			// Its own connections, closed afterwards: a broker that was killed leaves dead ones.
			t := &kafka.Transport{DialTimeout: time.Second}
			defer t.CloseIdleConnections()
			m, err := (&kafka.Client{Addr: kafka.TCP(address(s.port)), Transport: t}).Metadata(ctx, &kafka.MetadataRequest{})
			if err == nil && len(m.Brokers) == 0 {
				err = errors.New("no broker in the metadata")
			}
			return err
		},
		env: func(s *Server) []string {
			return []string{
				"KAKEHASHI_TEST_KAFKA=" + address(s.port),
				"KAKEHASHI_TEST_KAFKA_SASL=" + address(s.tls),
				"KAKEHASHI_TEST_KAFKA_CA=" + s.certificate(),
				"KAKEHASHI_TEST_KAFKA_LIBS=" + s.libs,
			}
		},
		quit: syscall.SIGTERM, orphan: syscall.SIGKILL,
	}
}

func (s *Server) properties() string  { return filepath.Join(s.dir, "server.properties") }
func (s *Server) certificate() string { return filepath.Join(s.dir, "certificate.pem") }
func (s *Server) keyStore() string    { return filepath.Join(s.dir, "keystore.pem") }

// java makes a command of one of Kafka's programs.
func (s *Server) java(class string, args ...string) *exec.Cmd {
	return exec.Command("java", append([]string{
		"-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", filepath.Join(s.libs, "*"), class,
	}, args...)...)
}

// layOut brings the jars, makes a certificate, and writes and formats the broker's folder.
func layOut(ctx context.Context, s *Server) error {
	var err error
	if s.libs, err = jars(ctx); err != nil {
		return err
	}
	if err := s.selfSigned(); err != nil {
		return err
	}
	if err := os.WriteFile(s.properties(), []byte(s.settings()), 0o600); err != nil {
		return fmt.Errorf("write the broker's settings: %w", err)
	}
	id, err := output(ctx, s.java("kafka.tools.StorageTool", "random-uuid"))
	if err != nil {
		return err
	}
	_, err = output(ctx, s.java("kafka.tools.StorageTool", "format", "-t", strings.TrimSpace(id), "-c", s.properties(),
		"--add-scram", fmt.Sprintf("SCRAM-SHA-512=[name=%s,password=%s]", ScramUser, Password)))
	return err
}

// settings are those of one node in both roles. The last lines let a broker that was killed
// be itself again after seconds: until its old registration expires it is refused.
func (s *Server) settings() string {
	module := "org.apache.kafka.common.security."
	return strings.Join([]string{
		"process.roles=broker,controller", "node.id=1",
		"controller.quorum.voters=1@" + address(s.more),
		"listeners=PLAINTEXT://" + address(s.port) + ",CONTROLLER://" + address(s.more) + ",SASL_SSL://" + address(s.tls),
		"advertised.listeners=PLAINTEXT://" + address(s.told) + ",SASL_SSL://" + address(s.tls),
		"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL",
		"controller.listener.names=CONTROLLER", "inter.broker.listener.name=PLAINTEXT",
		"log.dirs=" + filepath.Join(s.dir, "logs"),
		"offsets.topic.replication.factor=1", "offsets.topic.num.partitions=5",
		"transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
		"group.initial.rebalance.delay.ms=0", "auto.create.topics.enable=false",
		"sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN",
		"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=" + module + "scram.ScramLoginModule required;",
		"listener.name.sasl_ssl.plain.sasl.jaas.config=" + module + "plain.PlainLoginModule required user_" + PlainUser + `="` + Password + `";`,
		"ssl.keystore.type=PEM", "ssl.keystore.location=" + s.keyStore(),
		"broker.session.timeout.ms=2000", "broker.heartbeat.interval.ms=300", "",
	}, "\n")
}

// jars brings Kafka's jars into the user's cache folder, once, and gives where they are.
func jars(ctx context.Context) (string, error) {
	if err := javaAndMaven(ctx); err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	libs := filepath.Join(cache, "kakehashi-ci", "kafka-"+kafkaVersion)
	if _, err := os.Stat(libs); err == nil {
		return libs, nil
	}
	root, err := output(ctx, exec.Command("go", "list", "-m", "-f", "{{.Dir}}"))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(libs), 0o700); err != nil {
		return "", fmt.Errorf("make the cache folder: %w", err)
	}
	// Whole or not at all: a download that was interrupted leaves nothing under the name.
	part, err := os.MkdirTemp(filepath.Dir(libs), "part-")
	if err != nil {
		return "", fmt.Errorf("make a folder for Kafka's jars: %w", err)
	}
	defer os.RemoveAll(part)
	mvn := exec.Command("mvn", "-q", "-B", "-f", filepath.Join(strings.TrimSpace(root), ".ci", "kafka", "pom.xml"),
		"org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies", "-DoutputDirectory="+filepath.Join(part, "libs"))
	if _, err := output(ctx, mvn); err != nil {
		return "", err
	}
	if err := os.Rename(filepath.Join(part, "libs"), libs); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("put Kafka's jars in place: %w", err)
	}
	return libs, nil
}

// javaAndMaven makes sure that both are there.
func javaAndMaven(ctx context.Context) error {
	var lacking []string
	if _, err := exec.LookPath("java"); err != nil {
		lacking = append(lacking, "default-jre-headless")
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		lacking = append(lacking, "maven")
	}
	if len(lacking) == 0 {
		return nil
	}
	return install(ctx, lacking...)
}

// selfSigned makes the certificate of the listener with TLS: its own authority, for this
// machine alone, for a day.
func (s *Server) selfSigned() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "kafka for tests"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the key: %w", err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	both := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), public...)
	if err := errors.Join(os.WriteFile(s.certificate(), public, 0o600), os.WriteFile(s.keyStore(), both, 0o600)); err != nil {
		return fmt.Errorf("write the certificate: %w", err)
	}
	return nil
}
