package sandbox_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/sandbox"
)

// refusal is the part of an error body that a test looks at.
type refusal struct {
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Links  struct {
		Self struct {
			Href string `json:"href"`
		} `json:"self"`
	} `json:"_links"`
	Errors []struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"errors"`
}

// codes gives the codes and the items that they are about.
func (r refusal) codes() string {
	var all []string
	for _, e := range r.Errors {
		item, _, _ := strings.Cut(strings.TrimPrefix(e.Message, "【"), "】")
		all = append(all, e.Code+" "+item)
	}
	return strings.Join(all, ", ")
}

func TestWrongRequestsAreRefused(t *testing.T) {
	c := opened(t)
	tokens := map[string]string{}
	for _, n := range c.Neighbours() {
		tokens[n.System] = callerOf(t, c, n.System).token(t)
	}
	many := strings.Repeat(`"2300000015",`, 100) + `"2300000015"`
	search := func(items string) string { return `{"kensujogen":"21"` + items + `}` }
	const dates = `,"seinengappi_kaishi":"2016-05-03","seinengappi_shuryo":"2016-05-03"`
	for _, tt := range []struct{ system, resource, body, want string }{
		{"residents", "juminsetaishokai", `{}`, "E0001 宛名番号"},
		{"residents", "juminsetaishokai", `{"atenabango":""}`, "E0001 宛名番号"},
		{"residents", "juminsetaishokai", `{"atenabango":"12-4"}`, "E0002 宛名番号"},
		{"residents", "juminsetaishokai", `{"atenabango":"１２３"}`, "E0002 宛名番号"},
		{"residents", "juminsetaishokai", `{"atenabango":123}`, "E0002 宛名番号"},
		{"residents", "juminsetaishokai", `{"atenabango":null}`, "E0002 宛名番号"},
		{"residents", "juminsetaishokai", `{"atenabango":["1"]}`, "E0002 宛名番号"},
		{"residents", "juminsetaishokai", `{"atenabango":"1234567890123456"}`, "E0003 宛名番号"},
		{"residents", "juminsetaishokai", `{"atenabango":"1","shimei":"x"}`, "E0002 リクエスト"},
		{"residents", "juminsetaishokai", `{"Atenabango":"1"}`, "E0001 宛名番号, E0002 リクエスト"},
		{"residents", "juminsetaishokai", `{"atenabango":"1","atenabango":"2"}`, "E0002 リクエスト"},
		{"residents", "juminsetaishokai", `{"atenabango":"1"} {}`, "E0002 リクエスト"},
		{"residents", "juminsetaishokai", `["1"]`, "E0002 リクエスト"},
		{"residents", "juminsetaishokai", ``, "E0002 リクエスト"},
		{"residents", "juminsetaishokai", "{\"atenabango\":\"\xff\"}", "E0002 リクエスト"},
		{"residents", "juminsetaishokai", `{"atenabango":"` + strings.Repeat("1", 70_000) + `"}`, "E0003 リクエスト"},
		{"residents", "shiensochishokai", `{"atenabango":[]}`, "E0001 宛名番号"},
		{"residents", "shiensochishokai", `{"atenabango":[""]}`, "E0001 宛名番号"},
		{"residents", "shiensochishokai", `{"atenabango":[1]}`, "E0002 宛名番号"},
		{"residents", "shiensochishokai", `{"atenabango":"1"}`, "E0002 宛名番号"},
		{"residents", "shiensochishokai", `{"atenabango":[` + many + `]}`, "E0003 宛名番号"},
		{"tax", "kazeikubunshokai", `{"atenabango":["1"]}`, "E0001 課税年度"},
		{"tax", "kazeikubunshokai", `{"kazeinendo":"26","atenabango":["1"]}`, "E0003 課税年度"},
		{"tax", "kazeikubunshokai", `{"kazeinendo":"R008","atenabango":["1"]}`, "E0002 課税年度"},
		{"tax", "kazeikubunshokai", `{}`, "E0001 課税年度, E0001 宛名番号"},
		{"address", "atenakensaku", search(dates), "E0001 氏名カナ"},
		{"address", "atenakensaku", search(`,"shimei_kana":"カクウ"`), "E0001 生年月日（開始）, E0001 生年月日（終了）"},
		{"address", "atenakensaku", search(`,"shimei_kana":"かくう"` + dates), "E0002 氏名カナ"},
		{"address", "atenakensaku", search(`,"shimei_kana":"ｶｸｳ"` + dates), "E0002 氏名カナ"},
		{"address", "atenakensaku", search(`,"shimei_kana":"カクウ","seinengappi_kaishi":"2016-05-03"`), "E0004 生年月日（開始）"},
		{"address", "atenakensaku", search(`,"shimei_kana":"カクウ","seinengappi_shuryo":"2016-05-03"`), "E0004 生年月日（終了）"},
		{"address", "atenakensaku", search(`,"shimei_kana":"カクウ","seinengappi_kaishi":"2016-05-04","seinengappi_shuryo":"2016-05-03"`), "E0004 生年月日（終了）"},
		{"address", "atenakensaku", search(`,"shimei_kana":"カクウ","seinengappi_kaishi":"2016-02-30","seinengappi_shuryo":"2016-05-03"`), "E0002 生年月日（開始）"},
		{"address", "atenakensaku", search(`,"shimei_kana":"カクウ","kojinbango":"123"` + dates), "E0003 個人番号"},
		{"address", "atenakensaku", `{"shimei_kana":"カクウ"` + dates + `}`, "E0001 件数上限"},
		{"address", "atenakensaku", `{"kensujogen":"101","shimei_kana":"カクウ"` + dates + `}`, "E0002 件数上限"},
		{"address", "atenakensaku", `{"kensujogen":"0","shimei_kana":"カクウ"` + dates + `}`, "E0002 件数上限"},
	} {
		name := tt.resource + " " + tt.body
		if len(name) > 80 {
			name = name[:60]
		}
		neighbour := callerOf(t, c, tt.system)
		r := must(t, neighbour.read(t, tokens[tt.system], tt.resource, tt.body))
		var got refusal
		decode(t, r.body, &got)
		if r.status != http.StatusBadRequest || got.codes() != tt.want || got.Detail != "エラーが発生しました。" {
			t.Errorf("%s: status %d, %s, want %s", name, r.status, got.codes(), tt.want)
		}
		if got.Links.Self.Href != "/app_submit/v10/"+tt.resource || got.Title == "" {
			t.Errorf("%s: the body is incomplete: %s", name, r.body)
		}
	}
}

func TestTextOfAMissingItem(t *testing.T) {
	c := opened(t)
	residents := callerOf(t, c, sandbox.Residents)
	r := must(t, residents.read(t, residents.token(t), "juminsetaishokai", `{}`))
	const want = `{"title":"住民世帯照会","detail":"エラーが発生しました。","_links":{"self":{"href":"/app_submit/v10/juminsetaishokai"}},` +
		`"errors":[{"code":"E0001","message":"【宛名番号】が設定されていません。"}]}` + "\n"
	if diff := cmp.Diff(want, string(r.body)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsNoCallIsRefused(t *testing.T) {
	c := opened(t)
	residents := callerOf(t, c, sandbox.Residents)
	token := residents.token(t)
	const body = `{"atenabango":"1"}`
	change := func(resource string, change func(*http.Request)) *http.Request {
		req := residents.read(t, token, resource, body)
		if change != nil {
			change(req)
		}
		return req
	}
	for name, tt := range map[string]struct {
		req  *http.Request
		want int
	}{
		"unknown resource":    {change("juminzenkenshokai", nil), http.StatusNotFound},
		"another's resource":  {change("kazeikubunshokai", nil), http.StatusNotFound},
		"GET":                 {change("juminsetaishokai", func(r *http.Request) { r.Method = http.MethodGet }), http.StatusMethodNotAllowed},
		"no content type":     {change("juminsetaishokai", func(r *http.Request) { r.Header.Del("Content-Type") }), http.StatusBadRequest},
		"another's type":      {change("juminsetaishokai", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }), http.StatusBadRequest},
		"number in the URL":   {change("juminsetaishokai?atenabango=1", nil), http.StatusBadRequest},
		"no token":            {change("juminsetaishokai", func(r *http.Request) { r.Header.Del("Authorization") }), http.StatusUnauthorized},
		"unknown token":       {change("juminsetaishokai", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }), http.StatusUnauthorized},
		"two tokens":          {change("juminsetaishokai", func(r *http.Request) { r.Header.Add("Authorization", "Bearer x") }), http.StatusUnauthorized},
		"another's token":     {callerOf(t, c, sandbox.Tax).read(t, token, "kazeikubunshokai", `{}`), http.StatusUnauthorized},
		"token without scope": {residents.read(t, residents.token(t, residents.Scopes[0]), "juminkihonshokai", body), http.StatusForbidden},
	} {
		r := must(t, tt.req)
		var got refusal
		decode(t, r.body, &got)
		want := map[int]string{
			http.StatusUnauthorized: "アクセストークンが無効です。", http.StatusForbidden: "この操作の権限がありません。",
		}[tt.want]
		if r.status != tt.want || (want != "" && got.Detail != want) || (want == "" && got.Detail == "") {
			t.Errorf("%s: status %d, %s, want %d", name, r.status, r.body, tt.want)
		}
		if tt.want == http.StatusNotFound && len(got.Errors) == 0 {
			t.Errorf("%s: without errors: %s", name, r.body)
		}
	}
}

func TestTheLogNamesNobody(t *testing.T) {
	var text bytes.Buffer
	c, r := start(t, t.TempDir(), sandbox.Options{Now: noon, Logger: slog.New(slog.NewJSONHandler(&text, nil))})
	p := persona(t, c, "everyday-father")
	address := callerOf(t, c, sandbox.Address)
	token := address.token(t)
	must(t, address.read(t, token, "atenakensaku", fmt.Sprintf(`{"shimei_kana":%q,"jusho":%q,"unknown":"1"}`, p.Kana, p.Address)))
	must(t, address.read(t, token, "atenajohoshokai", listed(p.AtenaNumber)))
	must(t, address.read(t, token, "atenajohoshokai?number="+p.AtenaNumber, listed(p.AtenaNumber)))
	must(t, address.read(t, token, p.AtenaNumber, listed(p.AtenaNumber)))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text.String(), `"target":"address/`); n != 3 {
		t.Errorf("%d refusals were logged, want 3:\n%s", n, text.String())
	}
	for _, secret := range []string{p.AtenaNumber, p.Kana, p.Name, p.Address, "unknown\":", token, c.Neighbours()[2].ClientSecret} {
		if strings.Contains(text.String(), secret) {
			t.Errorf("the log holds what it must not:\n%s", text.String())
		}
	}
}
