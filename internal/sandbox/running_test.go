package sandbox_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"kakehashi/internal/sandbox"
)

// serveDir is the variable by which the test starts itself as a process that serves a folder.
const serveDir = "KAKEHASHI_TEST_SANDBOX_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveDir); dir != "" {
		serve(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// serve serves a folder until the process is killed.
func serve(dir string) {
	c, err := sandbox.Open(dir, sandbox.Options{})
	if err != nil {
		os.Exit(1)
	}
	r, err := c.Start(context.Background())
	if err != nil {
		os.Exit(2)
	}
	<-r.Done()
}

// process starts a process that serves a folder and waits until it does.
func process(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveDir+"="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd) })
	eventually(t, "the process serves", func() bool { _, _, ok := sandbox.Find(t.Context(), dir); return ok })
	return cmd
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // killed already: fine
	_ = cmd.Wait()
}

func TestKilledProcessLosesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sandbox")
	c, err := sandbox.Open(dir, sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cmd := process(t, dir)
	addresses, pid, ok := sandbox.Find(t.Context(), dir)
	if !ok || pid != cmd.Process.Pid || addresses != c.Addresses() {
		t.Errorf("found %v, %d, %v", addresses, pid, ok)
	}
	tax := callerOf(t, c, sandbox.Tax)
	tax.now = time.Now
	form := tax.form(tax.assertion(t, nil), tax.Scopes...)
	var got struct {
		Token string `json:"access_token"`
	}
	decode(t, tax.post(t, "/oauth2/token", form).body, &got)
	if err := sandbox.SetFault(t.Context(), dir, sandbox.Residents, sandbox.KindDown, time.Hour); err != nil {
		t.Fatal(err)
	}
	kill(cmd)
	if _, _, ok := sandbox.Find(t.Context(), dir); ok {
		t.Error("a killed process is found")
	}

	again := process(t, dir)
	if addresses, pid, ok = sandbox.Find(t.Context(), dir); !ok || pid != again.Process.Pid || addresses != c.Addresses() {
		t.Errorf("found again %v, %d, %v", addresses, pid, ok)
	}
	if r := must(t, tax.read(t, got.Token, "kazeikubunshokai", taxBody)); r.status != http.StatusOK {
		t.Errorf("a token from before: status %d", r.status)
	}
	if r := tax.post(t, "/oauth2/token", form); r.status != http.StatusUnauthorized {
		t.Errorf("an assertion from before: status %d, want 401", r.status)
	}
	var status sandbox.Status
	decode(t, must(t, request(t, http.MethodGet, addresses.Control+"/", "")).body, &status)
	if len(status.Faults) != 1 || status.Faults[0].System != sandbox.Residents || status.Faults[0].Kind != sandbox.KindDown {
		t.Errorf("faults: %v", status.Faults)
	}
	if _, err := send(t, request(t, http.MethodGet, addresses.Residents, "")); err == nil {
		t.Error("what was down before is up")
	}
	if err := sandbox.ClearFaults(t.Context(), dir, ""); err != nil {
		t.Fatal(err)
	}
	if r := must(t, request(t, http.MethodGet, addresses.Residents, "")); r.status != http.StatusNotFound {
		t.Errorf("cleared: status %d", r.status)
	}
}

func TestTwoDoNotServeOneFolder(t *testing.T) {
	dir := t.TempDir()
	c, r := start(t, dir, sandbox.Options{Now: noon})
	other, err := sandbox.Open(dir, sandbox.Options{Now: noon})
	if err != nil {
		t.Fatalf("a folder that is served cannot be read: %v", err)
	}
	if _, err := other.Start(t.Context()); !errors.Is(err, sandbox.ErrServed) {
		t.Errorf("got %v, want ErrServed", err)
	}
	if _, _, ok := sandbox.Find(t.Context(), dir); !ok {
		t.Error("the first serves no longer")
	}
	if err := r.SetFault(t.Context(), sandbox.Tax, sandbox.KindBusy, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.ClearFaults(t.Context(), ""); !errors.Is(err, sandbox.ErrNotRunning) {
		t.Errorf("who has stopped still changes the folder: %v", err)
	}
	again, err := other.Start(t.Context())
	if err != nil {
		t.Fatalf("after the first has closed: %v", err)
	}
	if again.Addresses() != c.Addresses() {
		t.Errorf("the ports changed: %v, %v", c.Addresses(), again.Addresses())
	}
	if faults := again.Status().Faults; len(faults) != 1 { // set after the second had opened the folder
		t.Errorf("what the first changed is forgotten: %v", faults)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFoundingAtOnceGivesOneCity(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sandbox")
	tokens := make([]string, 8)
	var wg sync.WaitGroup
	for i := range tokens {
		wg.Go(func() {
			c, err := sandbox.Open(dir, sandbox.Options{Now: noon})
			if err != nil {
				t.Error(err)
				return
			}
			tokens[i] = c.Neighbours()[0].ClientSecret + c.Addresses().Control
		})
	}
	wg.Wait()
	for _, got := range tokens {
		if got != tokens[0] {
			t.Fatal("two processes founded two cities")
		}
	}
}

func TestAnotherProgramAtTheControlIsNotFound(t *testing.T) {
	dir := t.TempDir()
	c, err := sandbox.Open(dir, sandbox.Options{Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", strings.TrimPrefix(c.Addresses().Control, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	other := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"id":"another","pid":1}`))
	})}
	served := make(chan error, 1)
	go func() { served <- other.Serve(l) }()
	if _, pid, ok := sandbox.Find(t.Context(), dir); ok {
		t.Errorf("process %d is taken for one that serves this folder", pid)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	<-served
}

func TestTakenPort(t *testing.T) {
	dir := t.TempDir()
	c, err := sandbox.Open(dir, sandbox.Options{Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	before := c.Addresses()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", strings.TrimPrefix(before.Tax, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if _, err := c.Start(t.Context()); !errors.Is(err, sandbox.ErrPortTaken) {
		t.Fatalf("got %v, want ErrPortTaken", err)
	}
	fresh, _ := start(t, dir, sandbox.Options{Now: noon, FreshPorts: true})
	after := fresh.Addresses()
	if after.Tax == before.Tax || after.Issuer != before.Issuer {
		t.Errorf("only the taken port should change: before %v, after %v", before, after)
	}
	if got := callerOf(t, fresh, sandbox.Tax).result(t, "kazeikubunshokai", taxBody); len(got) != 0 {
		t.Errorf("at the fresh port: %v", got)
	}
}

func TestCopiedFolderIsTheSameCity(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "first")
	c, r := start(t, dir, sandbox.Options{Now: noon})
	token := callerOf(t, c, sandbox.Tax).token(t)
	moved := filepath.Join(t.TempDir(), "second")
	if err := os.CopyFS(moved, os.DirFS(dir)); err != nil { // while it runs
		t.Fatal(err)
	}
	if _, _, ok := sandbox.Find(t.Context(), moved); ok {
		t.Error("the copy is said to be served")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	copied, _ := start(t, moved, sandbox.Options{Now: noon})
	if diff := cmp.Diff(c.People(), copied.People()); diff != "" {
		t.Error("other people live in the copy")
	}
	tax := callerOf(t, copied, sandbox.Tax)
	if r := must(t, tax.read(t, token, "kazeikubunshokai", taxBody)); r.status != http.StatusOK {
		t.Errorf("a token of the original: status %d", r.status)
	}
	err := filepath.WalkDir(moved, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), filepath.Dir(dir)) {
			t.Errorf("%s holds a path", d.Name())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFolderIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sandbox")
	start(t, dir, sandbox.Options{Now: noon})
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", d.Name(), got, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWhatNeedsACityOrARunningOne(t *testing.T) {
	dir := t.TempDir()
	if _, err := sandbox.People(dir); !errors.Is(err, sandbox.ErrNoCity) {
		t.Errorf("people of no city: %v", err)
	}
	if _, err := sandbox.Token(dir, sandbox.TokenRequest{}); !errors.Is(err, sandbox.ErrNoCity) {
		t.Errorf("token of no city: %v", err)
	}
	if err := sandbox.SetFault(t.Context(), dir, sandbox.Tax, sandbox.KindDown, 0); !errors.Is(err, sandbox.ErrNoCity) {
		t.Errorf("fault of no city: %v", err)
	}
	if _, err := sandbox.Open(dir, sandbox.Options{Now: noon}); err != nil {
		t.Fatal(err)
	}
	if err := sandbox.SetFault(t.Context(), dir, sandbox.Tax, sandbox.KindDown, 0); !errors.Is(err, sandbox.ErrNotRunning) {
		t.Errorf("fault of a city that does not run: %v", err)
	}
	if err := sandbox.ClearFaults(t.Context(), dir, ""); !errors.Is(err, sandbox.ErrNotRunning) {
		t.Errorf("clear of a city that does not run: %v", err)
	}
	if people, err := sandbox.People(dir); err != nil || len(people) < 44 {
		t.Errorf("%d people, %v", len(people), err)
	}
}

func TestEndsWithItsContext(t *testing.T) {
	c, err := sandbox.Open(t.TempDir(), sandbox.Options{Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, err := c.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-r.Done()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
