package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// listener stands between the gateway and its neighbours and notes every question.
type listener struct {
	mu    sync.Mutex
	asked bytes.Buffer
}

// about tells whether a question named the person.
func (l *listener) about(atena string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.asked.Bytes(), []byte(`"`+atena+`"`))
}

// listen gives the environment by which a gateway asks its neighbours through the listener.
func listen(t testing.TB, sandbox *process) (*listener, []string) {
	t.Helper()
	res, err := http.Get(sandbox.ready.Sandbox)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var status struct {
		Addresses map[string]string `json:"addresses"`
	}
	if err := json.NewDecoder(res.Body).Decode(&status); err != nil {
		t.Fatal(err)
	}
	l := &listener{}
	var env []string
	for _, system := range []string{"residents", "tax", "address"} {
		to, err := url.Parse(status.Addresses[system])
		if err != nil || to.Host == "" {
			t.Fatalf("the sandbox does not say where %s is", system)
		}
		proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			l.mu.Lock()
			l.asked.Write(body)
			l.mu.Unlock()
			r.Body = io.NopCloser(bytes.NewReader(body))
			proxy.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		env = append(env, "KAKEHASHI_NEIGHBOURS_"+strings.ToUpper(system)+"_BASE_URL="+server.URL)
	}
	return l, env
}

// apartFrom gives a child of each of n households, and everybody of the other households:
// no question about these names one of the children.
func apartFrom(t testing.TB, all []persona, n int) (children, others []persona) {
	t.Helper()
	taken := map[string]bool{}
	for _, p := range all {
		if len(children) < n && p.has("child") && !taken[p.Household] {
			taken[p.Household] = true
			children = append(children, p)
		}
	}
	for _, p := range all {
		if !taken[p.Household] {
			others = append(others, p)
		}
	}
	if len(children) < n || len(others) < 10 {
		t.Fatalf("%d children and %d others are too few", len(children), len(others))
	}
	return children, others
}

// attempts is what asking many times led to.
type attempts struct {
	given   []given
	refused int
	codes   map[string]bool
}

// try asks about the person once.
func (a *attempts) try(t testing.TB, p *process, token string, who persona) (ok bool) {
	t.Helper()
	r, err := p.post("/v1/lookups", token, p.lookupBody(who))
	if err != nil {
		t.Fatal(err)
	}
	if r.status == http.StatusOK {
		var got answer
		if err := json.Unmarshal([]byte(r.body), &got); err != nil {
			t.Fatal(err)
		}
		a.given = append(a.given, givenBy(got, "lookup"))
		return true
	}
	var pr problem
	if err := json.Unmarshal([]byte(r.body), &pr); err != nil || r.status != http.StatusServiceUnavailable || !strings.HasPrefix(pr.Code, "KKH31") {
		t.Fatalf("a lookup without a record: %d %s; want 503 and a number KKH31xx", r.status, r.body)
	}
	if strings.Contains(r.body, who.Atena) || strings.Contains(r.body, who.Name) || pr.NextAction == "" {
		t.Errorf("the refusal names somebody, or does not say what to do: %s", r.body)
	}
	a.refused++
	if a.codes == nil {
		a.codes = map[string]bool{}
	}
	a.codes[pr.Code] = true
	return false
}

// until asks about the people in turn until so many lookups in a row were refused.
func (a *attempts) until(t testing.TB, p *process, token string, people []persona, refusedInARow int) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for n, row := 0, 0; row < refusedInARow; n++ {
		if time.Now().After(deadline) {
			t.Fatalf("lookups go on after a minute: %d answers", len(a.given))
		}
		if row++; a.try(t, p, token, people[n%len(people)]) {
			row = 0
		}
	}
}

// checkStopped makes sure that everything says that the record cannot be written.
func checkStopped(t testing.TB, p *process, dir string, who persona) {
	t.Helper()
	r := kakehashi(t, "lookup", "--dir", dir, "--atena-number", who.Atena, "--case", who.Case,
		"--procedure", p.ready.Example.Procedure, "--purpose", p.ready.Example.Purpose)
	if r.code != exitRecord || r.out != "" || !strings.Contains(r.err, "KKH31") || !strings.Contains(r.err, "対処") {
		t.Errorf("kakehashi lookup: %d, out %q, err %q; want 24 and what to do", r.code, r.out, r.err)
	}
	r = kakehashi(t, "find", "--dir", dir, "--kana", who.Kana, "--birth-date", who.BirthDate, "--case", who.Case,
		"--procedure", p.ready.Example.Procedure, "--purpose", p.ready.Example.Purpose)
	if r.code != exitRecord || r.out != "" {
		t.Errorf("kakehashi find: %d, out %q, err %q; want 24", r.code, r.out, r.err)
	}
	if r := p.get("/readyz"); r.status != http.StatusServiceUnavailable || !strings.Contains(r.body, "KKH31") {
		t.Errorf("/readyz: %d %s; want 503 and the number", r.status, r.body)
	}
	if r := p.get("/healthz"); r.status != http.StatusOK {
		t.Errorf("/healthz: %d; the process itself is well", r.status)
	}
	if r := p.get("/metrics"); !strings.Contains(r.body, "\nkakehashi_record_writable 0\n") {
		t.Error("/metrics does not say that the record cannot be written")
	}
}

// checkUnasked makes sure that whoever has no intent in the record was asked about nowhere.
func checkUnasked(t testing.TB, l *listener, all []recorded, people []persona) {
	t.Helper()
	intents := map[string]bool{}
	for _, r := range all {
		if r.Kind == "intent" {
			for _, s := range r.Subjects {
				intents[s.Atena] = true
			}
		}
	}
	unrecorded := 0
	for _, p := range people {
		if intents[p.Atena] {
			continue
		}
		unrecorded++
		if l.about(p.Atena) {
			t.Errorf("a neighbour was asked about %s, and the record has no intent", p.Key)
		}
	}
	if unrecorded == 0 {
		t.Error("every refused lookup left an intent; the test proves nothing")
	}
}

func TestNothingIsLookedUpWithoutRoomForTheRecord(t *testing.T) {
	dir := t.TempDir()
	heard, through := listen(t, startSandbox(t, dir))
	late, others := apartFrom(t, askable(personas(t, dir)), 4)
	staffToken := token(t, dir, "case-worker")
	p := startDemo(t, dir, append(through, "KAKEHASHI_DATABASE_MAX_SIZE=1MiB")...)
	var a attempts
	a.until(t, p, staffToken, others, 30)
	if len(a.given) < 50 || !heard.about(others[0].Atena) {
		t.Fatalf("only %d lookups fitted, or the listener hears nothing", len(a.given))
	}
	for _, child := range late {
		if a.try(t, p, staffToken, child) {
			t.Errorf("somebody was looked up without a record")
		}
	}
	checkStopped(t, p, dir, late[0])
	before, code := checkContent(t, dir), p.stop()
	if v := checkContent(t, dir); v.Unproved > 0 && code != exitRecord || v.Unproved == 0 && code != exitOK {
		t.Errorf("the gateway stopped with %d, with %d entries unsealed", code, v.Unproved)
	}

	p = startDemo(t, dir, through...) // with room
	all := record(t, dir)
	checkUnasked(t, heard, all, late)
	sum := checkKept(t, all, a.given)
	for _, who := range append(late, others[:5]...) {
		if !a.try(t, p, staffToken, who) {
			t.Error("with room again a lookup was refused")
		}
	}
	if r := p.get("/readyz"); r.status != http.StatusOK {
		t.Errorf("with room again /readyz is %d", r.status)
	}
	if code := p.stop(); code != exitOK {
		t.Errorf("the gateway stopped with %d", code)
	}
	after := checkContent(t, dir)
	if after.Unproved != 0 || after.Entries < before.Entries {
		t.Errorf("after going on the record has %+v; before %+v", after, before)
	}
	say(t, "size limit: %d lookups fitted and stand in the record, %d were refused %v, %d intents withheld, %d entries at the end",
		sum.given, a.refused, slices.Sorted(keys(a.codes)), sum.withheld+sum.interrupted, after.Entries)
}

func keys(m map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// mount mounts a file system for the test; false where this is not permitted.
func mount(t testing.TB, source, target, kind string, flags uintptr, data string) bool {
	t.Helper()
	err := syscall.Mount(source, target, kind, flags, data)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.ENODEV) {
		t.Logf("mounting is not permitted here; without it nothing more can be shown: %v", err)
		return false
	}
	if err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(target, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return true
}

// apart gives a folder for the record's files alone, and the environment by which a
// gateway and the commands keep them there.
func apart(t testing.TB) (folder string, env []string) {
	t.Helper()
	folder = t.TempDir()
	return folder, []string{
		"KAKEHASHI_DATABASE_URL=sqlite:" + filepath.Join(folder, "kakehashi.db"),
		"KAKEHASHI_RECORD_CHECKPOINTS_FILE=" + filepath.Join(folder, "checkpoints.txt"),
	}
}

// verifyApart verifies a record whose files lie apart.
func verifyApart(t testing.TB, dir string, env []string) verified {
	t.Helper()
	r := kakehashiWith(t, "", env, "audit", "verify", "--dir", dir, "--json")
	var v verified
	if err := json.Unmarshal([]byte(r.out), &v); err != nil || r.code != exitOK || !v.OK {
		t.Fatalf("audit verify: %d %v %s%s", r.code, err, r.out, r.err)
	}
	return v
}

func TestAFullDiskStopsLookupsUntilThereIsRoom(t *testing.T) {
	dir := t.TempDir()
	disk, env := apart(t)
	if !mount(t, "tmpfs", disk, "tmpfs", 0, "size=12m,mode=0700") {
		return
	}
	heard, through := listen(t, startSandbox(t, dir))
	late, others := apartFrom(t, askable(personas(t, dir)), 4)
	staffToken := token(t, dir, "case-worker")
	p := startDemo(t, dir, append(through, env...)...)
	var a attempts
	for _, who := range others {
		if !a.try(t, p, staffToken, who) {
			t.Fatal("a lookup was refused while there was room")
		}
	}
	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	a.until(t, p, staffToken, others, 30)
	for _, child := range late {
		if a.try(t, p, staffToken, child) {
			t.Error("somebody was looked up without a record")
		}
	}
	checkStopped(t, p, dir, late[0])
	before := verifyApart(t, dir, env)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "ready again without a restart", func() bool { return p.get("/readyz").status == http.StatusOK })
	checkUnasked(t, heard, record(t, dir, env...), late)
	for _, who := range append(late, others[:5]...) {
		if !a.try(t, p, staffToken, who) {
			t.Error("with room again a lookup was refused")
		}
	}
	sum := checkKept(t, record(t, dir, env...), a.given)
	if code := p.stop(); code != exitOK {
		t.Errorf("the gateway stopped with %d", code)
	}
	after := verifyApart(t, dir, env)
	if after.Unproved != 0 || after.Entries <= before.Entries {
		t.Errorf("after going on the record has %+v; before %+v", after, before)
	}
	say(t, "full disk: %d answers stand in the record, %d were refused, recovered without a restart, %d entries at the end",
		sum.given, a.refused, after.Entries)
}

// fill writes a file until the disk has no room.
func fill(t testing.TB, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	_ = f.Close()
}

func TestAReadOnlyDiskStopsTheGateway(t *testing.T) {
	dir := t.TempDir()
	disk, env := apart(t)
	if !mount(t, "tmpfs", disk, "tmpfs", 0, "size=32m,mode=0700") {
		return
	}
	startSandbox(t, dir)
	people := personas(t, dir)
	p := startDemo(t, dir, env...)
	p.lookup(token(t, dir, "case-worker"), people[0])
	if code := p.stop(); code != exitOK {
		t.Fatalf("the gateway stopped with %d", code)
	}
	before := verifyApart(t, dir, env)
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatalf("mount read-only: %v", err)
	}
	for _, command := range []string{"demo", "serve"} {
		r := kakehashiWith(t, "", env, command, "--dir", dir)
		if r.code != exitRecord || !strings.Contains(r.err, "KKH31") || !strings.Contains(r.err, "対処") {
			t.Errorf("%s on a read-only disk: %d %s; want 24 and what to do", command, r.code, r.err)
		}
	}
	if v := verifyApart(t, dir, env); v.Entries != before.Entries {
		t.Errorf("the record has %d entries; before %d", v.Entries, before.Entries)
	}
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatalf("mount writable: %v", err)
	}
	p = startDemo(t, dir, env...)
	p.lookup(token(t, dir, "case-worker"), people[0])
	if code := p.stop(); code != exitOK {
		t.Errorf("the gateway stopped with %d", code)
	}
	if v := verifyApart(t, dir, env); v.Entries <= before.Entries {
		t.Errorf("the record has %d entries; before %d", v.Entries, before.Entries)
	}
}
