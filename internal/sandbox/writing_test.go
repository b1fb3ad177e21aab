package sandbox_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/sandbox"
)

const (
	numbering = "jutogaishaatenabangofuban"
	useOf     = "gyomuriyotoroku"
	mailing   = "sofusakitoroku"
)

// operation are the items that every write carries, with others put in.
func operation(more map[string]string) map[string]string {
	items := map[string]string{
		"gyomuid": "000", "dokujishisakushisutemutoid": "K01", "sosashaid": "1001", "sosanengappi": "2026-11-24", "sosajikoku": "12:00:00",
	}
	maps.Copy(items, more)
	return items
}

// stranger is a numbering request for somebody who lives elsewhere.
func stranger(name string) map[string]string {
	return operation(map[string]string{
		"shimei": name, "shimei_kana": "ヨソノ　ヒトコ", "seinengappi": "1990-02-03", "seinengappi_fushofuragu": "0", "seinengappi_fushohyoki": "",
		"seibetsu": "2", "jusho": "幻想県遠国市影向町1番地", "kojinbango": "", "tagyomusanshofukafuragu": "0",
	})
}

func mail(number, version, address string) map[string]string {
	return operation(map[string]string{
		"atenabango": number, "kanribango": "R-0000001", "rirekibango": version, "sofusaki_meisho": "保護者様", "yubinbango": "0009001",
		"jusho": address, "katagaki": "", "tekiyokaishibi": "2026-12-01",
	})
}

// desk is a running city and a caller of its address system.
type desk struct {
	scene
	dir     string
	address caller
	token   string
}

func deskOf(t *testing.T, dir string) desk {
	t.Helper()
	c, r := start(t, dir, sandbox.Options{Now: noon, SlowFor: 200 * time.Millisecond})
	a := callerOf(t, c, sandbox.Address)
	return desk{scene: scene{City: c, Running: r}, dir: dir, address: a, token: a.token(t)}
}

// request gives a write under a key.
func (d desk) request(t *testing.T, resource, key string, items map[string]string) *http.Request {
	t.Helper()
	body, err := json.Marshal(items)
	if err != nil {
		t.Fatal(err)
	}
	req := d.address.read(t, d.token, resource, string(body))
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	return req
}

// write writes, and gives the one record that comes back.
func (d desk) write(t *testing.T, resource, key string, items map[string]string) map[string]string {
	t.Helper()
	r := must(t, d.request(t, resource, key, items))
	var got struct {
		Result []map[string]string `json:"result"`
	}
	decode(t, r.body, &got)
	if r.status != http.StatusOK || len(got.Result) != 1 {
		t.Fatalf("%s: status %d, %s", resource, r.status, r.body)
	}
	return got.Result[0]
}

// refused writes, and fails the test unless that is refused with a code about an item.
func (d desk) refused(t *testing.T, resource, key string, items map[string]string, want string) {
	t.Helper()
	r := must(t, d.request(t, resource, key, items))
	var got refusal
	decode(t, r.body, &got)
	if r.status != http.StatusBadRequest || got.codes() != want {
		t.Errorf("%s: status %d, %s, want %s", resource, r.status, got.codes(), want)
	}
}

func (d desk) received(t *testing.T) []sandbox.Write {
	t.Helper()
	got, err := sandbox.Received(d.dir, sandbox.Address)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (d desk) effects(t *testing.T) string {
	t.Helper()
	var all []string
	for _, w := range d.received(t) {
		all = append(all, w.Kind+" "+w.Effect)
	}
	return strings.Join(all, ", ")
}

func (d desk) usesOf(t *testing.T, number string) []map[string]string {
	t.Helper()
	return d.address.result(t, "gyomuriyoshokai", `{"atenabango":"`+number+`","gyomuid":"000","dokujishisakushisutemutoid":"K01"}`)
}

func (d desk) mailOf(t *testing.T, number string) []map[string]string {
	t.Helper()
	return d.address.result(t, "sofusakishokai",
		`{"atenabango":"`+number+`","gyomuid":"000","dokujishisakushisutemutoid":"K01","kanribango":"R-0000001"}`)
}

// strangers gives the numbers of those whom a search for the stranger finds.
func (d desk) strangers(t *testing.T) []string {
	t.Helper()
	return column(d.address.result(t, "atenakensaku", query("ヨソノヒトコ", "1990-02-03", "1990-02-03", "")), "atenabango")
}

func TestNumberingOfAStranger(t *testing.T) {
	d := deskOf(t, t.TempDir())
	number := d.write(t, numbering, "c-1", stranger("余所野　人子"))["atenabango"]
	if len(number) != 10 || !strings.HasPrefix(number, "28") {
		t.Fatalf("the number is %q", number)
	}
	if diff := cmp.Diff([]string{number}, d.strangers(t)); diff != "" {
		t.Errorf("a search (-want +got):\n%s", diff)
	}
	got := d.address.result(t, "atenajohoshokai", listed(number))
	if diff := cmp.Diff([]map[string]string{{
		"atenabango": number, "setaibango": "", "tsuzukigara_kodo": "", "shimei": "余所野　人子", "shimei_kana": "ヨソノ　ヒトコ", "tsusho": "", "tsusho_kana": "",
		"seinengappi": "1990-02-03", "seinengappi_fushofuragu": "0", "seinengappi_fushohyoki": "", "seibetsu": "2", "yubinbango": "",
		"jusho": "幻想県遠国市影向町1番地", "katagaki": "", "denwabango": "", "jutokubun": "2", "juminjotai_kodo": "J9",
		"tagyomusanshofukafuragu": "0", "kijunnichiji": "2026-11-24T03:00:00+09:00",
	}}, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if got := callerOf(t, d.City, sandbox.Residents).result(t, "juminsetaishokai", asked(number)); len(got) != 0 {
		t.Errorf("the registry lists a stranger: %v", got)
	}
	if again := d.write(t, numbering, "c-1", stranger("余所野　人子"))["atenabango"]; again == number {
		t.Error("the same request again gives the same number though keys are ignored")
	}
	if n := len(d.strangers(t)); n != 2 {
		t.Errorf("%d persons, want the same one twice", n)
	}
}

func TestUseAndMailingAddress(t *testing.T) {
	d := deskOf(t, t.TempDir())
	who := persona(t, d.City, "everyday-eldest").AtenaNumber
	if got := d.usesOf(t, who); len(got) != 0 {
		t.Errorf("used before it was told: %v", got)
	}
	want := map[string]string{"atenabango": who, "gyomuid": "000", "dokujishisakushisutemutoid": "K01"}
	use := operation(map[string]string{"atenabango": who})
	if diff := cmp.Diff(want, d.write(t, useOf, "c-1", use)); diff != "" {
		t.Errorf("use (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]map[string]string{want}, d.usesOf(t, who)); diff != "" {
		t.Errorf("use asked back (-want +got):\n%s", diff)
	}
	if got := d.mailOf(t, who); len(got) != 0 {
		t.Errorf("a mailing address before it was told: %v", got)
	}
	for _, version := range []string{"2", "1"} { // no order is promised: the last one stands
		sent := mail(who, version, "幻想県遠国市"+version+"番地")
		got := d.write(t, mailing, "c-"+version, sent)
		if diff := cmp.Diff(map[string]string{"atenabango": who, "kanribango": "R-0000001", "rirekibango": version}, got); diff != "" {
			t.Errorf("mailing address (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]map[string]string{sent}, d.mailOf(t, who)); diff != "" {
			t.Errorf("mailing address asked back (-want +got):\n%s", diff)
		}
	}
	stranger := d.write(t, numbering, "c-3", stranger("余所野　人子"))["atenabango"]
	d.write(t, useOf, "c-4", operation(map[string]string{"atenabango": stranger}))
	if len(d.usesOf(t, stranger)) != 1 {
		t.Error("the use of a stranger is not known")
	}
}

func TestWrongWritesAreRefused(t *testing.T) {
	d := deskOf(t, t.TempDir())
	who := persona(t, d.City, "everyday-eldest").AtenaNumber
	change := func(items map[string]string, key, value string) map[string]string {
		items[key] = value
		return items
	}
	drop := func(items map[string]string, key string) map[string]string {
		delete(items, key)
		return items
	}
	use := func() map[string]string { return operation(map[string]string{"atenabango": who}) }
	for _, tt := range []struct {
		resource string
		items    map[string]string
		want     string
	}{
		{useOf, change(use(), "atenabango", "9999999999"), "E0004 宛名番号"},
		{useOf, drop(use(), "sosashaid"), "E0001 操作者ID"},
		{useOf, change(use(), "sosashaid", "12345678901"), "E0003 操作者ID"},
		{useOf, change(use(), "sosashaid", "職員"), "E0002 操作者ID"},
		{useOf, change(use(), "sosajikoku", "25:00:00"), "E0002 操作時刻"},
		{useOf, change(use(), "sosanengappi", "2026-13-01"), "E0002 操作年月日"},
		{useOf, change(use(), "gyomuid", "0"), "E0003 業務ID"},
		{useOf, change(use(), "biko", "x"), "E0002 リクエスト"},
		{mailing, change(mail(who, "1", "遠国市"), "rirekibango", "v1"), "E0002 履歴番号"},
		{mailing, change(mail(who, "1", "遠国市"), "yubinbango", "000"), "E0003 郵便番号"},
		{mailing, drop(mail(who, "1", "遠国市"), "jusho"), "E0001 住所"},
		{mailing, mail("9999999999", "1", "遠国市"), "E0004 宛名番号"},
		{numbering, change(stranger("余"), "seinengappi", ""), "E0001 生年月日"},
		{numbering, change(stranger("余"), "seinengappi_fushofuragu", "1"), "E0004 生年月日不詳フラグ"},
		{numbering, change(stranger("余"), "seinengappi_fushohyoki", "平成2年頃"), "E0004 生年月日不詳表記"},
		{numbering, change(stranger("余"), "seibetsu", "3"), "E0002 性別"},
		{numbering, change(stranger("余"), "shimei_kana", "よそ"), "E0002 氏名カナ"},
		{numbering, drop(stranger("余"), "jusho"), "E0001 住所"},
	} {
		d.refused(t, tt.resource, "c-1", tt.items, tt.want)
	}
	got := d.received(t)
	if len(got) != 18 || slices.ContainsFunc(got, func(w sandbox.Write) bool { return w.Effect != sandbox.EffectRefused }) {
		t.Errorf("%d writes, want 18 that were refused", len(got))
	}
	if len(d.usesOf(t, who))+len(d.mailOf(t, who))+len(d.strangers(t)) != 0 {
		t.Error("what was refused took effect")
	}
	if got[1].AtenaNumber != who || got[17].AtenaNumber != "" || got[17].Kind != sandbox.KindNumbering {
		t.Errorf("number of the request: %v, %v", got[1], got[17])
	}
	if r := must(t, d.request(t, numbering, "", change(stranger("余"), "kojinbango", "000000000000"))); r.status != http.StatusForbidden {
		t.Errorf("numbering by 個人番号: status %d, want 403", r.status)
	}
	d.token = d.address.token(t, "032:app_submit/v10/atenakensaku:Read")
	if r := must(t, d.request(t, useOf, "c-2", use())); r.status != http.StatusForbidden {
		t.Errorf("without the scope: status %d, want 403", r.status)
	}
	if n := len(d.received(t)); n != 18 {
		t.Errorf("%d writes reached a resource, want 18", n)
	}
}

func TestKeysThatAreHonoured(t *testing.T) {
	d := deskOf(t, t.TempDir())
	if err := d.Running.HonourKeys(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	first := d.write(t, numbering, "c-1", stranger("余所野　人子"))
	if diff := cmp.Diff(first, d.write(t, numbering, "c-1", stranger("余所野　人子"))); diff != "" {
		t.Errorf("the same again (-want +got):\n%s", diff)
	}
	d.refused(t, numbering, "c-1", stranger("余所野　別人"), "E0004 Idempotency-Key")
	d.refused(t, useOf, "c-1", operation(map[string]string{"atenabango": first["atenabango"]}), "E0004 Idempotency-Key")
	if got := d.strangers(t); len(got) != 1 {
		t.Errorf("%d persons were numbered, want 1", len(got))
	}
	if second := d.write(t, numbering, "", stranger("余所野　人子")); second["atenabango"] == first["atenabango"] {
		t.Error("without a key the first result comes again")
	}
	const want = "numbering applied, numbering repeated, numbering refused, person_use refused, numbering applied"
	if got := d.effects(t); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := d.received(t)[1]; got.AtenaNumber != first["atenabango"] {
		t.Errorf("the repeat is about %q", got.AtenaNumber)
	}
	if err := d.City.HonourKeys(t.Context(), false); err != nil { // by the control
		t.Fatal(err)
	}
	if again := d.write(t, numbering, "c-1", stranger("余所野　人子")); again["atenabango"] == first["atenabango"] {
		t.Error("keys are honoured after they should be ignored again")
	}
}

func TestKeysAreSetWhileNobodyServes(t *testing.T) {
	dir := t.TempDir()
	if err := sandbox.HonourKeys(t.Context(), dir, true); !errors.Is(err, sandbox.ErrNoCity) {
		t.Errorf("keys of no city: %v", err)
	}
	if _, err := sandbox.Open(dir, sandbox.Options{Now: noon}); err != nil {
		t.Fatal(err)
	}
	if err := sandbox.HonourKeys(t.Context(), dir, true); err != nil {
		t.Fatal(err)
	}
	d := deskOf(t, dir)
	if diff := cmp.Diff(map[string]string{"address": "honour"}, d.Status().Keys); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	first := d.write(t, numbering, "c-1", stranger("余"))
	if diff := cmp.Diff(first, d.write(t, numbering, "c-1", stranger("余"))); diff != "" {
		t.Errorf("keys are not honoured (-want +got):\n%s", diff)
	}
}

func TestWritesOutliveTheProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sandbox")
	c, err := sandbox.Open(dir, sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cmd := process(t, dir)
	a := callerOf(t, c, sandbox.Address)
	a.now = time.Now
	d := desk{scene: scene{City: c}, dir: dir, address: a, token: a.token(t)}
	first := d.write(t, numbering, "c-1", stranger("余所野　人子"))["atenabango"]
	d.write(t, useOf, "c-2", operation(map[string]string{"atenabango": first}))
	d.write(t, mailing, "c-3", mail(first, "1", "遠国市"))
	kill(cmd)
	before := d.received(t)
	file := filepath.Join(dir, "writes.jsonl")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	torn := append(bytes.Clone(whole), []byte(`{"system":"address","kind":"numb`)...)
	if err := os.WriteFile(file, torn, 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, d.received(t)); diff != "" || len(before) != 3 {
		t.Errorf("with a torn line (-want +got):\n%s", diff)
	}

	process(t, dir)
	if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, whole) {
		t.Errorf("the torn line was not cut off: %v", err)
	}
	if diff := cmp.Diff([]string{first}, d.strangers(t)); diff != "" {
		t.Errorf("the stranger (-want +got):\n%s", diff)
	}
	if len(d.usesOf(t, first)) != 1 || len(d.mailOf(t, first)) != 1 {
		t.Error("a use or a mailing address was forgotten")
	}
	if second := d.write(t, numbering, "c-4", stranger("余所野　人子"))["atenabango"]; second <= first {
		t.Errorf("after %s came %s", first, second)
	}
	if got := d.received(t); len(got) != 4 || !cmp.Equal(before, got[:3]) {
		t.Errorf("received: %v", got)
	}
}

func TestALineThatCannotBeReadIsNoCity(t *testing.T) {
	dir := t.TempDir()
	c, err := sandbox.Open(dir, sandbox.Options{Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "writes.jsonl"), []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(t.Context()); err == nil {
		t.Error("a city starts without what it received")
	}
	if _, err := sandbox.Received(dir, sandbox.Address); err == nil {
		t.Error("what cannot be read is shown as nothing")
	}
}

func TestReceivedOfOthers(t *testing.T) {
	dir := t.TempDir()
	if _, err := sandbox.Received(dir, sandbox.Address); !errors.Is(err, sandbox.ErrNoCity) {
		t.Errorf("got %v, want ErrNoCity", err)
	}
	d := deskOf(t, dir)
	d.write(t, numbering, "c-1", stranger("余"))
	for _, system := range []string{sandbox.Residents, sandbox.Tax, sandbox.Protection} {
		if got, err := sandbox.Received(dir, system); err != nil || got == nil || len(got) != 0 {
			t.Errorf("%s: %v, %v", system, got, err)
		}
	}
	if _, err := sandbox.Received(dir, "water"); !errors.Is(err, sandbox.ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
	text, err := json.Marshal(d.received(t))
	number := d.strangers(t)[0]
	want := `[{"key":"c-1","change_id":"c-1","atena_number":"` + number + `","kind":"numbering","effect":"applied",` +
		`"at":"2026-11-24T12:00:00+09:00","resource":"jutogaishaatenabangofuban"}]`
	if diff := cmp.Diff(want, string(text)); diff != "" || err != nil {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFolderOfAnEarlierVersion has an identity whose clients lack the scopes of writes and
// a state that knows nothing of keys.
func TestFolderOfAnEarlierVersion(t *testing.T) {
	dir := t.TempDir()
	if _, err := sandbox.Open(dir, sandbox.Options{Now: noon}); err != nil {
		t.Fatal(err)
	}
	edit := func(name string, change func(map[string]any)) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		var all map[string]any
		decode(t, text, &all)
		change(all)
		if text, err = json.Marshal(all); err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	edit("city.json", func(all map[string]any) {
		clients, _ := all["clients"].(map[string]any)
		gateway, _ := clients["address/gateway"].(map[string]any)
		gateway["scopes"] = []string{"032:app_submit/v10/atenakensaku:Read", "032:app_submit/v10/atenajohoshokai:Read"}
	})
	edit("state.json", func(all map[string]any) { delete(all, "keys") })
	d := deskOf(t, dir)
	d.write(t, numbering, "c-1", stranger("余"))
	if err := d.Running.HonourKeys(t.Context(), true); err != nil {
		t.Error(err)
	}
}

func TestManyWritesAtOnce(t *testing.T) {
	d := deskOf(t, t.TempDir())
	const callers, each = 8, 50
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	begin := time.Now()
	for range callers {
		var requests []*http.Request
		for range each {
			requests = append(requests, d.request(t, numbering, "c", stranger("余")))
		}
		wg.Go(func() {
			for _, req := range requests {
				resp, err := client.Do(req)
				if err != nil || resp.StatusCode != http.StatusOK {
					t.Errorf("write: %v", err)
					return
				}
				_ = resp.Body.Close()
			}
		})
	}
	wg.Wait()
	t.Logf("%.0f writes a second", float64(callers*each)/time.Since(begin).Seconds())
	numbers := map[string]bool{}
	for _, w := range d.received(t) {
		numbers[w.AtenaNumber] = true
	}
	if len(numbers) != callers*each {
		t.Errorf("%d numbers were assigned, want %d", len(numbers), callers*each)
	}
}
