// Command licences writes the notices of every module that is linked into the program, for
// internal/manual/licences. From the root of the repository:
//
//	go run .ci/licences/main.go
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	target = "internal/manual/licences/notices.txt"
	list   = `{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}`
)

func main() {
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func write() error {
	listed, err := output("go", "list", "-deps", "-f", list, "./cmd/kakehashi")
	if err != nil {
		return err
	}
	goroot, err := output("go", "env", "GOROOT")
	if err != nil {
		return err
	}
	var out bytes.Buffer
	out.WriteString("Kakehashi is under the MIT licence. It links the software below, each under its own licence.\n")
	seen := map[string]string{}
	if err := notice(&out, seen, [3]string{"the Go standard library", "https://go.dev", strings.TrimSpace(goroot)}); err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(listed), "\n")
	slices.Sort(lines)
	for _, line := range slices.Compact(lines) {
		parts := strings.Fields(line)
		if len(parts) != 3 {
			continue
		}
		if err := notice(&out, seen, [3]string{parts[0] + " " + parts[1], "https://" + parts[0], parts[2]}); err != nil {
			return err
		}
	}
	return os.WriteFile(target, out.Bytes(), 0o644)
}

// notice writes every licence and notice file of one module: its name, where its source
// is to be had, and its folder. A text that stands there already, word for word, is only
// pointed at.
func notice(out *bytes.Buffer, seen map[string]string, module [3]string) error {
	name, source, dir := module[0], module[1], module[2]
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n%s\nSource: %s\n", strings.Repeat("=", 72), name, source)
	found := false
	for _, e := range entries {
		if e.IsDir() || !isNotice(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		found = true
		text = bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
		if first, twice := seen[string(text)]; twice {
			text = []byte("The same text as " + first + ".")
		} else {
			seen[string(text)] = e.Name() + " of " + name
		}
		fmt.Fprintf(out, "%s\n%s:\n\n%s\n", strings.Repeat("-", 72), e.Name(), text)
	}
	if !found {
		return errors.New(name + " has no licence file")
	}
	return nil
}

func isNotice(name string) bool {
	upper := strings.ToUpper(name)
	for _, word := range []string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS"} {
		if strings.HasPrefix(upper, word) || strings.HasSuffix(upper, "-"+word) {
			return !strings.HasSuffix(upper, ".GO")
		}
	}
	return false
}

func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return string(out), err
}
