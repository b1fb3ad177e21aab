package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"

	"kakehashi/internal/sandbox"
)

// faulty gives a desk whose address system has a fault.
func faulty(t *testing.T, kind string) desk {
	t.Helper()
	d := deskOf(t, t.TempDir())
	d.set(t, sandbox.Address, kind)
	return d
}

// healed clears the fault and fails the test unless so many strangers were numbered.
func (d desk) healed(t *testing.T, want int) {
	t.Helper()
	d.clear(t, sandbox.Address)
	if got := len(d.strangers(t)); got != want {
		t.Errorf("%d strangers were numbered, want %d", got, want)
	}
	if got := len(d.received(t)); got != want {
		t.Errorf("%d writes were received, want %d", got, want)
	}
}

func TestLostReply(t *testing.T) {
	d := faulty(t, sandbox.KindLostReply)
	r, err := send(t, d.request(t, numbering, "c-1", stranger("余")))
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a write: status %d, %v, want a reset", r.status, err)
	}
	if _, err := send(t, d.address.read(t, d.token, "atenajohoshokai", listed("1"))); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a read: %v, want a reset", err)
	}
	d.healed(t, 1)
}

func TestHalfOpen(t *testing.T) {
	d := faulty(t, sandbox.KindHalfOpen)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := send(t, d.request(t, numbering, "c-1", stranger("余")).WithContext(ctx)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want no answer", err)
	}
	d.healed(t, 0)
}

func TestDrip(t *testing.T) {
	d := faulty(t, sandbox.KindDrip)
	ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(d.request(t, numbering, "c-1", stranger("余")).WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if !errors.Is(err, context.DeadlineExceeded) || len(text) < 2 || len(text) > 6 || string(text) != `{"metadata"`[:len(text)] {
		t.Errorf("in 900 ms came %q, %v", text, err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	d.healed(t, 1)
}

func TestBadEncoding(t *testing.T) {
	d := faulty(t, sandbox.KindBadEncoding)
	r := must(t, d.request(t, numbering, "c-1", stranger("余")))
	if r.status != http.StatusOK || utf8.Valid(r.body) || r.header.Get("Content-Type") != "application/json;charset=UTF-8" {
		t.Errorf("status %d, %v, %q", r.status, r.header, r.body)
	}
	text, err := japanese.ShiftJIS.NewDecoder().Bytes(r.body)
	if err != nil || !json.Valid(text) || !strings.Contains(string(text), "住登外者宛名番号付番") {
		t.Errorf("%s, %v", text, err)
	}
	d.healed(t, 1)
}

func TestDuplicate(t *testing.T) {
	d := faulty(t, sandbox.KindDuplicate)
	r := must(t, d.request(t, numbering, "c-1", stranger("余")))
	var got struct {
		Metadata struct{ Title string } `json:"metadata"`
		Result   []map[string]string    `json:"result"`
	}
	decode(t, r.body, &got)
	if len(got.Result) != 2 || got.Result[0]["atenabango"] != got.Result[1]["atenabango"] || got.Metadata.Title == "" {
		t.Errorf("status %d, %s", r.status, r.body)
	}
	if got := d.strangers(t); len(got) != 2 {
		t.Errorf("a read gives %d records, want 2", len(got))
	}
	d.refused(t, useOf, "c-2", operation(nil), "E0001 宛名番号") // what is wrong has no records
	d.clear(t, sandbox.Address)
	if got := d.strangers(t); len(got) != 1 {
		t.Errorf("%d strangers were numbered, want 1", len(got))
	}
}

func TestWrongClock(t *testing.T) {
	d := faulty(t, sandbox.KindWrongClock)
	r := must(t, d.address.read(t, d.token, "atenajohoshokai", listed(persona(t, d.City, "everyday-eldest").AtenaNumber)))
	if got := r.header.Get("Date"); r.status != http.StatusOK || got != "Wed, 25 Nov 2026 16:00:00 GMT" {
		t.Errorf("status %d, Date %s", r.status, got)
	}
	if want := `"kijunnichiji":"2026-11-25T03:00:00+09:00"`; !strings.Contains(string(r.body), want) {
		t.Errorf("%s, want %s", r.body, want)
	}
	d.write(t, numbering, "c-1", stranger("余"))
	if got := d.received(t)[0].At; !got.Equal(noon()) {
		t.Errorf("the list of what was received says %v", got)
	}
	d.healed(t, 1)
}

func TestSlowWriteHasItsEffectFirst(t *testing.T) {
	d := faulty(t, sandbox.KindSlow)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := send(t, d.request(t, numbering, "c-1", stranger("余")).WithContext(ctx)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want no answer", err)
	}
	d.healed(t, 1)
}

func TestFaultsThatDoNothing(t *testing.T) {
	d := deskOf(t, t.TempDir())
	for _, kind := range []string{
		sandbox.KindDown, sandbox.KindRefuse, sandbox.KindBusy, sandbox.KindGarbage, sandbox.KindHuge, sandbox.KindExpiredToken,
	} {
		d.set(t, sandbox.Address, kind)
		_, _ = send(t, d.request(t, numbering, "c-1", stranger("余"))) // how it fails is another test's
	}
	d.healed(t, 0)
}

func TestEverySecond(t *testing.T) {
	d := deskOf(t, t.TempDir())
	for _, kind := range []string{sandbox.KindDown, sandbox.KindBusy, sandbox.KindLostReply, sandbox.KindExpiredToken} {
		if err := d.Break(t.Context(), sandbox.Wish{System: sandbox.Address, Kind: kind, Every: 2}); err != nil {
			t.Fatal(err)
		}
		var got []bool
		for range 5 {
			r, err := send(t, d.address.read(t, d.token, "atenajohoshokai", listed("1")))
			got = append(got, err == nil && r.status == http.StatusOK)
		}
		if fmt.Sprint(got) != "[true false true false true]" {
			t.Errorf("%s: well %v", kind, got)
		}
	}
	d.clear(t, "")
	if r := must(t, d.address.read(t, d.token, "atenajohoshokai", listed("1"))); r.status != http.StatusOK {
		t.Errorf("a token is refused for good: status %d", r.status)
	}
	if err := sandbox.Break(t.Context(), d.dir, sandbox.Wish{System: sandbox.Address, Kind: sandbox.KindLostReply, Every: 3, Lasts: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if f := d.Status().Faults; len(f) != 1 || f[0].Every != 3 || f[0].Until.IsZero() {
		t.Errorf("faults: %v", f)
	}
	if err := d.Break(t.Context(), sandbox.Wish{System: sandbox.Address, Kind: sandbox.KindDown, Every: -1}); !errors.Is(err, sandbox.ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
}

// TestCallerWhoStopsIsLeft has a caller whose connection ends while an answer is held
// back: the stand-in can be stopped at once.
func TestCallerWhoStopsIsLeft(t *testing.T) {
	d := faulty(t, sandbox.KindHalfOpen)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(d.address.BaseURL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.request(t, numbering, "c-1", stranger("余")).Write(conn); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := d.Close(); err != nil || time.Since(begin) > 5*time.Second {
		t.Errorf("stopping took %v, %v", time.Since(begin), err)
	}
}
