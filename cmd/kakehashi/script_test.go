package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/*.txtar against the built program. Beside the commands of
// testscript there is "exits CODE COMMAND...", which wants that exit code, and "json
// FILE", which wants each line of a file (or stdout) to be JSON.
func TestScripts(t *testing.T) {
	t.Parallel()
	folder := filepath.Dir(program(t))
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", folder+string(os.PathListSeparator)+env.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "json": isJSON,
		},
		RequireExplicitExec: true,
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		ts.Fatalf("%s is no exit code", args[0])
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit := (*exec.ExitError)(nil)
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%v ended with %d, want %d\n%s%s", args[1:], got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

func isJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: json FILE")
	}
	text := ts.ReadFile(args[0])
	if json.Valid([]byte(text)) {
		return
	}
	for line := range strings.Lines(text) {
		if !json.Valid([]byte(line)) {
			ts.Fatalf("no JSON: %q", line)
		}
	}
}

// TestHelpOfEveryCommand: in Japanese, with an example, and by both ways to ask.
func TestHelpOfEveryCommand(t *testing.T) {
	t.Parallel()
	japaneseText := regexp.MustCompile(`[ぁ-んァ-ヶ一-龠]`)
	row := regexp.MustCompile(`(?m)^  ([a-z]+) +(\S.*)$`)
	commands := 0
	var visit func(path []string)
	visit = func(path []string) {
		commands++
		name := strings.Join(path, " ")
		r := kakehashi(t, append(append([]string{}, path...), "--help")...)
		switch {
		case r.code != 0 || r.err != "":
			t.Errorf("%s --help: %d %s", name, r.code, r.err)
		case !japaneseText.MatchString(r.out) || !strings.Contains(r.out, "使い方:"):
			t.Errorf("%s --help is not in Japanese:\n%s", name, r.out)
		case strings.Contains(r.out, "[flags]") || strings.Contains(r.out, "Usage") || strings.Contains(r.out, "Flags:"):
			t.Errorf("%s --help is in English in parts:\n%s", name, r.out)
		}
		if asked := kakehashi(t, append([]string{"help"}, path...)...); asked.out != r.out {
			t.Errorf("help %s says something else than %s --help", name, name)
		}
		_, list, group := strings.Cut(r.out, "コマンド:\n")
		if !group || len(path) > 0 && strings.Contains(r.out, "例:") {
			if !strings.Contains(r.out, "\n例:\n  kakehashi "+name) {
				t.Errorf("%s --help has no example of it", name)
			}
		}
		list, _, _ = strings.Cut(list, "\n\n")
		for _, m := range row.FindAllStringSubmatch(list, -1) {
			if !japaneseText.MatchString(m[2]) {
				t.Errorf("%s %s is described as %q", name, m[1], m[2])
			}
			visit(append(append([]string{}, path...), m[1]))
		}
	}
	visit(nil)
	if commands < 25 {
		t.Errorf("only %d commands were looked at", commands)
	}
}

// TestDemoGreets pastes the three commands that the demo offers into a shell.
func TestDemoGreets(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "架空の フォルダー") // a folder that needs quoting
	began := time.Now()
	demo := exec.Command(program(t), "demo", "--dir", dir)
	demo.Env = cleanEnv()
	var log syncBuffer
	demo.Stderr = &log
	out, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = demo.Process.Kill(); _ = demo.Wait() }()
	var greeting strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		greeting.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "sandbox fault") {
			break
		}
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("the demo greets after %v", took)
	}
	pasted := 0
	for line := range strings.Lines(greeting.String()) {
		line = strings.TrimSpace(line)
		if !strings.Contains(line, " --dir ") || strings.Contains(line, "sandbox fault") {
			continue
		}
		pasted++
		run := exec.Command("sh", "-c", line)
		run.Env = cleanEnv()
		said, err := run.CombinedOutput()
		if err != nil {
			t.Errorf("pasted %q: %v\n%s", line, err, said)
		}
		for verb, sign := range map[string]string{" find ": "宛名番号", " lookup ": "住民情報", " verify ": "正常"} {
			if strings.Contains(line, verb) && !bytes.Contains(said, []byte(sign)) {
				t.Errorf("pasted %q does not say %s:\n%s", line, sign, said)
			}
		}
	}
	if pasted != 3 {
		t.Errorf("%d commands are offered:\n%s", pasted, greeting.String())
	}
	for _, part := range []string{"http://", "/console/", "/v1/", dir} {
		if !strings.Contains(greeting.String(), part) {
			t.Errorf("the greeting lacks %q", part)
		}
	}
	_ = demo.Process.Signal(syscall.SIGTERM)
	_, _ = io.Copy(io.Discard, out)
	if err := demo.Wait(); err != nil {
		t.Errorf("the demo ends with %v\n%s", err, log.String())
	}
	if r := kakehashi(t, "lookup", "--dir", dir, "--atena-number", "1", "--procedure", "a", "--purpose", "b"); r.code != exitUnavailable {
		t.Errorf("a command after the stop ends with %d", r.code)
	}
}

// TestDemoJSON: standard output is one line alone, standard error log lines alone, and
// everything that needs a gateway works with the folder.
func TestDemoJSON(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	demo := exec.Command(program(t), "demo", "--dir", dir, "--addr", "127.0.0.1:0", "--json")
	demo.Env = cleanEnv()
	var log syncBuffer
	demo.Stderr = &log
	out, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = demo.Process.Kill(); _ = demo.Wait() }()
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var ready map[string]any
	if err := json.Unmarshal([]byte(first), &ready); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"api", "console", "sandbox", "issuer", "dir", "municipality", "pid", "example"} {
		if ready[name] == nil {
			t.Errorf("the line lacks %s", name)
		}
	}
	if int(ready["pid"].(float64)) != demo.Process.Pid || ready["dir"] != dir {
		t.Errorf("the line names the process %v and the folder %v", ready["pid"], ready["dir"])
	}
	people := personas(t, dir)
	for role, code := range map[string]int{"case-worker": 0, "operator": exitUsage, "auditor": exitUsage, "case-system": exitUsage, "integrator": exitUsage,
		"contractor": exitUsage, "disclosure": exitUsage, "approver": exitUsage} {
		r := kakehashi(t, "demo", "token", "--dir", dir, "--role", role)
		if r.code != 0 || r.err != "" || strings.Count(r.out, ".") != 2 || strings.Count(r.out, "\n") != 1 {
			t.Errorf("demo token --role %s: %d %q", role, r.code, r.err)
			continue
		}
		looked := kakehashi(t, "lookup", "--server", ready["api"].(string), "--token-file", writeToken(t, strings.TrimSpace(r.out)),
			"--atena-number", people[0].Atena, "--case", people[0].Case, "--procedure", "registration", "--purpose", "new-application")
		if looked.code != code {
			t.Errorf("lookup as %s ends with %d, want %d\n%s", role, looked.code, code, looked.err)
		}
	}
	if r := kakehashi(t, "demo", "token", "--dir", dir); r.out == "" || r.code != 0 {
		t.Errorf("demo token without a role: %d %s", r.code, r.err)
	}
	if r := kakehashi(t, "demo", "token", "--dir", dir, "--staff", "1001"); r.out == "" || r.code != 0 {
		t.Errorf("demo token --staff: %d %s", r.code, r.err)
	}
	if r := kakehashi(t, "demo", "token", "--dir", dir, "--role", "mayor"); r.code == 0 || r.out != "" {
		t.Errorf("demo token for a role that nobody has: %d", r.code)
	}
	doctor := kakehashi(t, "doctor", "--dir", dir, "--network", "--json")
	if doctor.code != exitOK && doctor.code != exitWarning || !json.Valid([]byte(doctor.out)) {
		t.Errorf("doctor: %d\n%s%s", doctor.code, doctor.out, doctor.err)
	}
	second := kakehashi(t, "demo", "--dir", dir, "--json")
	if second.code == 0 || second.out != "" {
		t.Errorf("a second demo on the folder ends with %d and says %q", second.code, second.out)
	}
	_ = demo.Process.Signal(os.Interrupt)
	rest, err := io.ReadAll(lines)
	if len(rest) > 0 || err != nil {
		t.Errorf("standard output holds more than the line: %q %v", rest, err)
	}
	if err := demo.Wait(); err != nil {
		t.Errorf("the demo ends with %v\n%s", err, log.String())
	}
	logLines(t, log.String())
	if found := personal(t, people).in([]byte(log.String())); len(found) > 0 {
		t.Errorf("standard error tells %q", found)
	}
}
