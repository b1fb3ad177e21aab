package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// backAfter is how long after its start a gateway's clock goes back, in seconds. The moment
// comes in the middle of a scenario of the usual length.
const backAfter = 7

// buildBack builds the program once more with a clock that goes back an hour while it runs;
// the first time takes some minutes, since everything is compiled anew. A preloaded library
// cannot turn back the clock of a Go program, which asks the kernel itself, so the standard
// library's own Now is built differently. Where its text is not as expected, nothing is built.
func (b *bench) buildBack(ctx context.Context) error {
	if b.back != "" {
		return nil
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("find the standard library: %w", err)
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(source)
	if err != nil {
		return fmt.Errorf("read the standard library: %w", err)
	}
	// The word where Now counts from the start of the process on, before the seconds are used.
	const asked, counted = "func Now() Time {", "\tmono -= startNano\n"
	start := strings.Index(string(text), asked)
	at := strings.Index(string(text[max(0, start):]), counted)
	if start < 0 || at < 0 || at > 300 {
		return errors.New("this standard library reads the clock in another way")
	}
	at += start + len(counted)
	changed := string(text[:at]) + fmt.Sprintf("\tif mono > %d*1e9 {\n\t\tsec -= 3600\n\t}\n", backAfter) + string(text[at:])
	patched, overlay, program := filepath.Join(b.dir, "time.go"), filepath.Join(b.dir, "overlay.json"), filepath.Join(b.dir, "kakehashi-back")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{source: patched}})
	if err := errors.Join(err, os.WriteFile(patched, []byte(changed), 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		return fmt.Errorf("write what replaces it: %w", err)
	}
	if err := build(ctx, program, "-overlay", overlay); err != nil {
		return err
	}
	b.back = program
	return nil
}
