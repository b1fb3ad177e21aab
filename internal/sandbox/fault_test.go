package sandbox_test

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"kakehashi/internal/sandbox"
)

const taxBody = `{"kazeinendo":"2026","atenabango":["9999999999"]}`

// scene is a running city with a token for tax and one for residents.
type scene struct {
	*sandbox.City
	*sandbox.Running
	tax, residents           caller
	taxToken, residentsToken string
}

func stage(t *testing.T, opt sandbox.Options) scene {
	t.Helper()
	c, r := start(t, t.TempDir(), opt)
	s := scene{City: c, Running: r, tax: callerOf(t, c, sandbox.Tax), residents: callerOf(t, c, sandbox.Residents)}
	if opt.Now == nil {
		s.tax.now, s.residents.now = time.Now, time.Now
	}
	s.taxToken, s.residentsToken = s.tax.token(t), s.residents.token(t)
	return s
}

func (s scene) readTax(t *testing.T) (reply, error) {
	t.Helper()
	return send(t, s.tax.read(t, s.taxToken, "kazeikubunshokai", taxBody))
}

func (s scene) set(t *testing.T, system, kind string) {
	t.Helper()
	if err := s.SetFault(t.Context(), system, kind, 0); err != nil {
		t.Fatalf("set %s at %s: %v", kind, system, err)
	}
}

func (s scene) clear(t *testing.T, system string) {
	t.Helper()
	if err := s.ClearFaults(t.Context(), system); err != nil {
		t.Fatalf("clear %s: %v", system, err)
	}
}

// healthy fails the test unless tax answers.
func (s scene) healthy(t *testing.T) {
	t.Helper()
	if r, err := s.readTax(t); err != nil || r.status != http.StatusOK {
		t.Errorf("tax is not well: status %d, %v", r.status, err)
	}
}

func TestDownClosesThePortAndResetsConnections(t *testing.T) {
	s := stage(t, sandbox.Options{Now: noon})
	address := strings.TrimPrefix(s.tax.BaseURL, "http://")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	if _, err := conn.Read(buf); err != nil { // the answer came: the connection is known and stays open
		t.Fatal(err)
	}
	s.set(t, sandbox.Tax, sandbox.KindDown)
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = conn.Read(buf)
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("an open connection ends with %v, want a reset", err)
	}
	if _, err := s.readTax(t); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection: %v, want refused", err)
	}
	if r := must(t, s.residents.read(t, s.residentsToken, "juminsetaishokai", asked("1"))); r.status != http.StatusOK {
		t.Errorf("another system suffers: status %d", r.status)
	}
	s.clear(t, sandbox.Tax)
	s.healthy(t)
	s.set(t, sandbox.Tax, sandbox.KindDown) // and a second time
	s.clear(t, "")
	s.healthy(t)
}

func TestDownOfProtectionAlone(t *testing.T) {
	s := stage(t, sandbox.Options{Now: noon})
	s.set(t, sandbox.Protection, sandbox.KindDown)
	if _, err := send(t, s.residents.read(t, s.residentsToken, "shiensochishokai", listed("1"))); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("支援措置: %v, want a reset", err)
	}
	if r := must(t, s.residents.read(t, s.residentsToken, "juminsetaishokai", asked("1"))); r.status != http.StatusOK {
		t.Errorf("households suffer: status %d", r.status)
	}
}

func TestFaultOfResidentsConcernsProtectionToo(t *testing.T) {
	s := stage(t, sandbox.Options{Now: noon})
	s.set(t, sandbox.Residents, sandbox.KindRefuse)
	read := func() int {
		return must(t, s.residents.read(t, s.residentsToken, "shiensochishokai", listed("1"))).status
	}
	if got := read(); got != http.StatusInternalServerError {
		t.Errorf("status %d, want 500", got)
	}
	s.set(t, sandbox.Protection, sandbox.KindBusy)
	if got := read(); got != http.StatusTooManyRequests {
		t.Errorf("its own fault does not go first: status %d", got)
	}
}

func TestSlow(t *testing.T) {
	s := stage(t, sandbox.Options{Now: noon, SlowFor: 300 * time.Millisecond})
	s.set(t, sandbox.Tax, sandbox.KindSlow)
	begin := time.Now()
	s.healthy(t)
	if took := time.Since(begin); took < 300*time.Millisecond {
		t.Errorf("the answer came after %v", took)
	}
}

func TestSlowEndsWithTheServer(t *testing.T) {
	s := stage(t, sandbox.Options{Now: noon, SlowFor: time.Hour})
	s.set(t, sandbox.Tax, sandbox.KindSlow)
	gone := make(chan error, 1)
	req := s.tax.read(t, s.taxToken, "kazeikubunshokai", taxBody)
	go func() {
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err == nil {
			err = resp.Body.Close()
		}
		gone <- err
	}()
	begin := time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
	<-gone
}

func TestRefuseBusyGarbage(t *testing.T) {
	s := stage(t, sandbox.Options{Now: noon})
	s.set(t, sandbox.Tax, sandbox.KindRefuse)
	if r, err := s.readTax(t); err != nil || r.status != http.StatusInternalServerError || json.Valid(r.body) {
		t.Errorf("refuse: status %d, %s, %v", r.status, r.body, err)
	}
	s.set(t, sandbox.Tax, sandbox.KindBusy)
	if r, err := s.readTax(t); err != nil || r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") != "2" {
		t.Errorf("busy: status %d, %v, %v", r.status, r.header, err)
	}
	s.set(t, sandbox.Tax, sandbox.KindGarbage)
	html := 0
	for range 4 {
		r, err := s.readTax(t)
		if err != nil || r.status != http.StatusOK || json.Valid(r.body) || !strings.HasPrefix(r.header.Get("Content-Type"), "application/json") {
			t.Errorf("garbage: status %d, %s, %v", r.status, r.body, err)
		}
		if strings.Contains(string(r.body), "<html>") {
			html++
		}
	}
	if html != 2 {
		t.Errorf("garbage was HTML %d times of 4, want 2", html)
	}
	if token := s.tax.token(t); token == "" {
		t.Error("a faulty resource takes the token endpoint with it")
	}
	s.clear(t, sandbox.Tax)
	s.healthy(t)
}

func TestHuge(t *testing.T) {
	s := stage(t, sandbox.Options{Now: noon})
	s.set(t, sandbox.Tax, sandbox.KindHuge)
	r, err := s.readTax(t)
	if err != nil || r.status != http.StatusOK || len(r.body) <= 8<<20 || !strings.HasPrefix(string(r.body), `{"metadata":`) {
		t.Errorf("status %d, %d bytes, %v", r.status, len(r.body), err)
	}
}

func TestExpiredToken(t *testing.T) {
	s := stage(t, sandbox.Options{Now: noon})
	status := func() int { r, _ := s.readTax(t); return r.status }
	old := s.taxToken
	s.set(t, sandbox.Tax, sandbox.KindExpiredToken)
	r, err := s.readTax(t)
	var got refusal
	decode(t, r.body, &got)
	if err != nil || r.status != http.StatusUnauthorized || got.Detail != "アクセストークンが無効です。" {
		t.Errorf("a token given before: status %d, %s", r.status, r.body)
	}
	s.taxToken = s.tax.token(t)
	during := s.taxToken
	if got := status(); got != http.StatusUnauthorized {
		t.Errorf("a token given while it lasts: status %d, want 401", got)
	}
	s.clear(t, sandbox.Tax)
	for name, token := range map[string]string{"before": old, "while it lasted": during} {
		if s.taxToken = token; status() != http.StatusUnauthorized {
			t.Errorf("a token given %s is good again", name)
		}
	}
	s.taxToken = s.tax.token(t)
	if got := status(); got != http.StatusOK {
		t.Errorf("a token given afterwards: status %d", got)
	}
}

func TestExpiredTokenReplacedByAnotherFault(t *testing.T) {
	s := stage(t, sandbox.Options{Now: noon})
	s.set(t, sandbox.Tax, sandbox.KindExpiredToken)
	s.set(t, sandbox.Tax, sandbox.KindSlow)
	s.clear(t, sandbox.Tax)
	if r, err := s.readTax(t); err != nil || r.status != http.StatusUnauthorized {
		t.Errorf("a token given before is good again: status %d, %v", r.status, err)
	}
}

func TestExpiredTokenOfProtectionAlone(t *testing.T) {
	s := stage(t, sandbox.Options{Now: noon})
	s.set(t, sandbox.Protection, sandbox.KindExpiredToken)
	s.clear(t, sandbox.Protection)
	if r := must(t, s.residents.read(t, s.residentsToken, "shiensochishokai", listed("1"))); r.status != http.StatusUnauthorized {
		t.Errorf("支援措置: status %d, want 401", r.status)
	}
	if r := must(t, s.residents.read(t, s.residentsToken, "juminsetaishokai", asked("1"))); r.status != http.StatusOK {
		t.Errorf("households: status %d, want 200", r.status)
	}
}

func TestFaultEndsByItself(t *testing.T) {
	s := stage(t, sandbox.Options{})
	for _, kind := range []string{sandbox.KindDown, sandbox.KindRefuse} {
		if err := s.SetFault(t.Context(), sandbox.Tax, kind, 100*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if r, err := s.readTax(t); err == nil && r.status == http.StatusOK {
			t.Errorf("%s is not in force", kind)
		}
		eventually(t, kind+" ends", func() bool { return len(s.Status().Faults) == 0 })
		eventually(t, "tax answers", func() bool { r, err := s.readTax(t); return err == nil && r.status == http.StatusOK })
	}
	if err := s.SetFault(t.Context(), sandbox.Tax, sandbox.KindExpiredToken, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	eventually(t, "expired-token ends", func() bool { return len(s.Status().Faults) == 0 })
	if r, err := s.readTax(t); err != nil || r.status != http.StatusUnauthorized {
		t.Errorf("a token given before is good again: status %d, %v", r.status, err)
	}
}

func TestOneFaultAtATime(t *testing.T) {
	s := stage(t, sandbox.Options{Now: noon})
	s.set(t, sandbox.Tax, sandbox.KindDown)
	s.set(t, sandbox.Tax, sandbox.KindBusy)
	if r, err := s.readTax(t); err != nil || r.status != http.StatusTooManyRequests {
		t.Errorf("status %d, %v, want 429", r.status, err)
	}
	if n := len(s.Status().Faults); n != 1 {
		t.Errorf("%d faults, want 1", n)
	}
}

func TestUnknownFaultIsRefused(t *testing.T) {
	s := stage(t, sandbox.Options{Now: noon})
	for _, c := range []struct {
		system, kind string
		lasts        time.Duration
	}{
		{"water", sandbox.KindDown, 0}, {sandbox.Tax, "odd", 0}, {sandbox.Tax, "", 0}, {"", sandbox.KindDown, 0},
		{sandbox.Tax, sandbox.KindDown, -time.Second}, {sandbox.Tax, sandbox.KindDown, 25 * time.Hour}, {"issuer", sandbox.KindDown, 0},
	} {
		if err := s.SetFault(t.Context(), c.system, c.kind, c.lasts); !errors.Is(err, sandbox.ErrUnknown) {
			t.Errorf("%v: got %v, want ErrUnknown", c, err)
		}
	}
	if err := s.ClearFaults(t.Context(), "water"); !errors.Is(err, sandbox.ErrUnknown) {
		t.Errorf("clear: got %v, want ErrUnknown", err)
	}
}
