package audit

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestSpoiltCheckpointsFileIsAFinding: what somebody wrote into the file must not keep the
// record from being verified.
func TestSpoiltCheckpointsFileIsAFinding(t *testing.T) {
	base := filled(t)
	long := strings.Repeat("x", 70_000)
	for name, c := range map[string]struct {
		spoil func(string) string
		want  ProblemKind
	}{
		"a long line at the end":            {func(s string) string { return s + long + "\n" }, Edited},
		"a long line that does not end":     {func(s string) string { return s + long }, Edited},
		"a long line at the beginning":      {func(s string) string { return long + "\n" + s }, Edited},
		"a line of a megabyte in the midst": {func(s string) string { return s + strings.Repeat(long, 15) + "\n" + s }, Edited},
		"many lines":                        {func(s string) string { return s + strings.Repeat("word\n", 20_000) + "\n\n" }, Edited},
		"nothing but words":                 {func(string) string { return strings.Repeat("word\n\n", 9) }, Edited},
	} {
		t.Run(name, func(t *testing.T) {
			h := base.copy(t)
			content, err := os.ReadFile(h.cfg.CheckpointsFile)
			if err == nil {
				err = os.WriteFile(h.cfg.CheckpointsFile, []byte(c.spoil(string(content))), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			r := h.verify()
			wantKinds(t, r, c.want)
			if r.Sealed == 0 || slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.Kind != c.want }) {
				t.Errorf("got %+v, want everything else to be verified", r)
			}
		})
	}
	t.Run("unreadable", func(t *testing.T) {
		h := base.copy(t)
		if err := os.Remove(h.cfg.CheckpointsFile); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(h.cfg.CheckpointsFile, 0o700); err != nil {
			t.Fatal(err)
		}
		r := h.verify()
		wantKinds(t, r, Missing)
		if r.Sealed == 0 || len(r.Problems) != 1 {
			t.Errorf("got %+v, want everything else to be verified", r)
		}
	})
}
