package volatile

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"kakehashi/internal/servers"
)

// process is a Redis of the test's own, which may be harmed.
type process struct {
	t       *testing.T
	program string
	port    string
	args    []string
	cmd     *exec.Cmd
}

func ownRedis(t *testing.T, args ...string) *process {
	t.Helper()
	servers.Redis(t) // where real servers are not wanted there is none of these either
	program := servers.Program(t, "redis", "redis-server")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	p := &process{t: t, program: program, port: port, args: append([]string{
		"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir(), "--loglevel", "warning",
	}, args...)}
	p.start()
	t.Cleanup(func() { p.kill() })
	return p
}

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.program, p.args...)
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	until(p.t, "redis-server listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+p.port)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) url() string { return "redis://127.0.0.1:" + p.port }

// Two gateways use Redis for all that it is for while it is killed, paused, flushed and
// brought back. No call takes much longer than the timeout, memory always serves, no
// request waits for ever, and afterwards all is as before.
func TestRedisIsHarmedUnderLoad(t *testing.T) {
	p := ownRedis(t)
	a, b := open(t, p.url(), "p:"), open(t, p.url(), "p:")
	ctx, cancel := context.WithCancel(t.Context())
	var woken, calls, slowest atomic.Int64
	var all sync.WaitGroup
	all.Go(func() { b.Listen(ctx, "outbox", func() { woken.Add(1) }) })
	for i, s := range []*Store{a, b, a, b} {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				began := time.Now()
				one(t, s, fmt.Sprintf("%d-%d", i, n))
				if took := int64(time.Since(began)); took > slowest.Load() {
					slowest.Store(took)
				}
				calls.Add(1)
			}
		})
	}
	heard := func(when string) {
		t.Helper()
		until(t, "a ring is heard "+when, func() bool {
			was := woken.Load()
			a.Ring("outbox")
			return rises(&woken, was)
		})
		until(t, "Redis serves "+when, func() bool { return a.State(t.Context()).OK && b.State(t.Context()).OK })
	}
	heard("before")
	goesOn := func() {
		t.Helper()
		was := calls.Load()
		until(t, "work goes on", func() bool { return calls.Load() > was+100 })
	}
	for name, harm := range map[string]func(){
		"a flush": func() { flush(t, p.url()); goesOn() },
		"a kill": func() {
			p.kill()
			goesOn()
			if state := a.State(t.Context()); state.OK || state.Cause == "" {
				t.Errorf("killed: %+v", state)
			}
			was := woken.Load()
			p.start()
			until(t, "the bell joins again and wakes", func() bool { return woken.Load() > was })
		},
		"a pause": func() {
			p.signal(syscall.SIGSTOP)
			goesOn()
			if state := a.State(t.Context()); state.OK || state.Cause != "timeout" {
				t.Errorf("paused: %+v", state)
			}
			p.signal(syscall.SIGCONT)
		},
	} {
		harm()
		heard("after " + name)
	}
	cancel()
	all.Wait()
	// A request passes through at most four exchanges, of which two may time out (its own
	// and the one that closes the gate behind it).
	if took := time.Duration(slowest.Load()); took > 3*time.Second {
		t.Errorf("the slowest of %d took %v", calls.Load(), took)
	}
	t.Logf("%d rounds, the slowest %v, errors %v", calls.Load(), time.Duration(slowest.Load()), a.Counts().Errors)
}

// one goes through a request as a gateway does.
func one(t *testing.T, s *Store, key string) {
	ctx := t.Context()
	end, _ := s.Begin(ctx, key)
	defer end()
	s.Tokens().Find(ctx, key)
	s.Tokens().Put(key, serving(key))
	s.Tokens().Share(ctx, key)
	if got, ok := s.Tokens().Get(key); !ok || got.Value != key {
		t.Errorf("memory does not serve %s", key)
	}
	s.Tokens().Drop(ctx, key, Token{Value: key})
	if _, ok := s.Tokens().Get(key); ok {
		t.Errorf("%s was not dropped", key)
	}
	s.Ring("outbox")
}

func flush(t *testing.T, url string) {
	t.Helper()
	opt, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(opt)
	defer func() { _ = c.Close() }()
	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

// A full Redis and a replica refuse writes; a password that changes is read anew.
func TestRealRedisRefuses(t *testing.T) {
	t.Run("full", func(t *testing.T) {
		p := ownRedis(t, "--maxmemory", "1", "--maxmemory-policy", "noeviction")
		if state := open(t, p.url(), "p:").State(t.Context()); state.OK || state.Cause != "full" {
			t.Errorf("state: %+v", state)
		}
	})
	t.Run("replica", func(t *testing.T) {
		main := ownRedis(t)
		p := ownRedis(t, "--replicaof", "127.0.0.1 "+main.port)
		if state := open(t, p.url(), "p:").State(t.Context()); state.OK || state.Cause != "readonly" {
			t.Errorf("state: %+v", state)
		}
	})
	t.Run("password", func(t *testing.T) {
		p := ownRedis(t, "--requirepass", "hana")
		file := filepath.Join(t.TempDir(), "password")
		writeFile(t, file, []byte("wrong\n"))
		s, err := Open(Config{URL: p.url(), PasswordFile: file}, Rooms{Prefix: "p:"})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		if state := s.State(t.Context()); state.OK || state.Cause != "denied" {
			t.Errorf("the wrong one: %+v", state)
		}
		writeFile(t, file, []byte("hana\n"))
		if state := s.State(t.Context()); !state.OK {
			t.Errorf("the right one: %+v", state)
		}
	})
}

func TestRedisProvesItself(t *testing.T) {
	certificate, authority := selfSigned(t)
	server := miniredis.NewMiniRedis()
	if err := server.StartTLS(&tls.Config{Certificates: []tls.Certificate{certificate}}); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for cause, cfg := range map[string]Config{
		"":            {URL: "rediss://127.0.0.1:" + server.Port(), CAFile: authority, Timeout: 5 * time.Second},
		"certificate": {URL: "rediss://127.0.0.1:" + server.Port(), Timeout: 5 * time.Second},
	} {
		s, err := Open(cfg, Rooms{})
		if err != nil {
			t.Fatal(err)
		}
		if state := s.State(t.Context()); state.Cause != cause || state.OK != (cause == "") {
			t.Errorf("want %q: %+v", cause, state)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func selfSigned(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
