package main

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReadinessTellsThatSealingFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	demo := startDemo(t, dir)
	who := tagged(t, personas(t, dir), "child")
	token := token(t, dir, "case-worker")
	file := filepath.Join(dir, "checkpoints.txt")
	if err := errors.Join(os.Rename(file, file+".away"), os.Mkdir(file, 0o700)); err != nil {
		t.Fatal(err)
	}
	demo.lookup(token, who)
	eventually(t, 10*time.Second, "/readyz says that sealing fails", func() bool {
		r := demo.get("/readyz")
		return r.status == http.StatusOK && strings.Contains(r.body, "KKH3105")
	})
	if r := kakehashi(t, "doctor", "--dir", dir); r.code != 4 || !strings.Contains(r.out, "KKH3105") {
		t.Errorf("doctor: got %d %s", r.code, r.out)
	}
	if err := errors.Join(os.Remove(file), os.Rename(file+".away", file)); err != nil {
		t.Fatal(err)
	}
	demo.lookup(token, who)
	eventually(t, 10*time.Second, "/readyz is content again", func() bool { return !strings.Contains(demo.get("/readyz").body, "KKH3105") })
	if v, code := verify(t, dir); !v.OK || code != 0 {
		t.Errorf("verify: got %d %+v", code, v)
	}
}
