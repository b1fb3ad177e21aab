package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/sandbox"
)

func TestSandboxWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if r := kakehashi(t, "sandbox", "received", "--dir", dir, "address"); r.code == 0 || !strings.Contains(r.err, "KKH6105") {
		t.Errorf("received of no city: %d %s", r.code, r.err)
	}
	city, err := sandbox.Open(filepath.Join(dir, sandboxFolder), sandbox.Options{FreshPorts: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, system := range []string{"address", "residents", "tax"} {
		if r := kakehashi(t, "sandbox", "received", "--dir", dir, system, "--json"); r.code != 0 || r.out != "[]\n" {
			t.Errorf("received of %s: %d %s%s", system, r.code, r.out, r.err)
		}
	}
	if r := kakehashi(t, "sandbox", "keys", "--dir", dir, "address", "honour", "--json"); r.code != 0 || !strings.Contains(r.out, `"keys":"honour"`) {
		t.Errorf("keys while nobody serves: %d %s%s", r.code, r.out, r.err)
	}
	served, err := city.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := served.Close(); err != nil {
			t.Error(err)
		}
	})
	if got := served.Status().Keys["address"]; got != "honour" {
		t.Errorf("keys: %s, want honour", got)
	}
	if r := kakehashi(t, "sandbox", "keys", "--dir", dir, "address", "ignore"); r.code != 0 || served.Status().Keys["address"] != "ignore" {
		t.Errorf("keys: %d %s", r.code, r.err)
	}
	if r := kakehashi(t, "sandbox", "fault", "--dir", dir, "address", "lost-reply", "--every", "2", "--json"); r.code != 0 {
		t.Errorf("fault: %d %s", r.code, r.err)
	}
	want := []sandbox.SystemFault{{System: "address", Fault: sandbox.Fault{Kind: "lost-reply", Every: 2}}}
	if diff := cmp.Diff(want, served.Status().Faults); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	for _, args := range [][]string{
		{"received", "water"}, {"keys", "tax", "honour"}, {"keys", "address", "perhaps"}, {"fault", "address", "odd"},
	} {
		if r := kakehashi(t, append(append([]string{"sandbox"}, args...), "--dir", dir)...); r.code == 0 {
			t.Errorf("%v is not refused", args)
		}
	}
	if r := kakehashi(t, "sandbox", "keys", "--dir", dir, "tax", "honour"); r.code == 0 || !strings.Contains(r.err, "KKH6106") {
		t.Errorf("keys of tax: %d %s", r.code, r.err)
	}
}

func TestWritesTable(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.November, 24, 12, 0, 0, 250_000_000, time.FixedZone("JST", 9*60*60))
	var out bytes.Buffer
	err := writesTable(&out, []sandbox.Write{
		{Key: "c-1", ChangeID: "c-1", AtenaNumber: "2800000018", Kind: sandbox.KindNumbering, Effect: sandbox.EffectApplied, At: at},
		{Key: "c-2", ChangeID: "c-2", AtenaNumber: "2800000018", Kind: sandbox.KindMailingAddress, Effect: sandbox.EffectRepeated, At: at, Version: "3"},
		{Kind: sandbox.KindNumbering, Effect: sandbox.EffectRefused, At: at},
	})
	const want = `2026-11-24 12:00:00.250 住登外者の付番 反映 宛名番号 2800000018 変更 c-1
2026-11-24 12:00:00.250 送付先の登録 再送（反映済み） 宛名番号 2800000018 変更 c-2 履歴番号 3
2026-11-24 12:00:00.250 住登外者の付番 拒否 宛名番号 － 変更 －
3件
`
	if diff := cmp.Diff(want, out.String()); diff != "" || err != nil {
		t.Errorf("(-want +got):\n%s%v", diff, err)
	}
}
