package web

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// What is wrong with a member, as it is told.
const (
	memberUnknown  = "この名前の項目はありません。綴りと大文字・小文字を確認してください。"
	memberRepeated = "同じ名前の項目が2度あります。"
	memberType     = "型または形が違います。/openapi.json を確認してください。"
	memberMissing  = "必須の項目です。"
	memberEmpty    = "空にはできません。指定しないときは項目ごと省いてください。"
	memberOne      = "ledger と values はどちらか一方だけ指定できます。"
	memberDate     = "日付は 2016-05-03 の形にしてください。検索の生年月日だけは、月までなら 1945-08、年だけなら 1945 とも書けます。"
	memberTime     = "日時は 2026-11-22T10:05:31+09:00 の形にしてください。"
)

// decode reads the request's body strictly into a struct of this package.
func (x *exchange) decode(into any) error {
	if err := declaredJSON(x.r.Header); err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, bodyLimit))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return fault.New(fault.Invalid, "the body is too large").WithCode(codeLarge)
		}
		return fault.New(fault.Invalid, "the body cannot be read").WithCode(codeSyntax)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return fault.New(fault.Invalid, "the body is empty").WithCode(codeSyntax)
	}
	return misfit(json.Unmarshal(body, into, json.RejectUnknownMembers(true)))
}

// declaredJSON checks that the body is declared as uncompressed JSON in UTF-8.
func declaredJSON(h http.Header) error {
	media, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset, given := parameters["charset"]
	if err != nil || media != "application/json" || given && !strings.EqualFold(charset, "utf-8") || h.Get("Content-Encoding") != "" {
		return fault.New(fault.Invalid, "the body is not declared as JSON").WithCode(codeMedia)
	}
	return nil
}

// misfit says where a body does not fit. The decoder's own words could repeat a value, so
// they go no further. A member that stands twice fits no more than an unknown one; what is no
// JSON at all is told as such.
func misfit(err error) error {
	if err == nil {
		return nil
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return unfit(pointer(syntax.JSONPointer), memberRepeated)
		}
		return fault.New(fault.Invalid, "the body is not JSON").WithCode(codeSyntax)
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		detail := memberType
		if errors.Is(err, json.ErrUnknownName) {
			detail = memberUnknown
		} else if form, ok := errors.AsType[wrongForm](err); ok {
			detail = string(form)
		}
		return unfit(pointer(semantic.JSONPointer), detail)
	}
	return unfit("", memberType)
}

// wrongForm is the error of a member with a form of its own; its text is told.
type wrongForm string

// Error gives the text.
func (w wrongForm) Error() string { return string(w) }

// unfit is the error of a body that does not fit at one member.
func unfit(pointer, detail string) error {
	f := fault.New(fault.Invalid, "a member of the body does not fit: %w", fieldErrors{{Pointer: pointer, Detail: detail}})
	return f.WithCode(codeBody).WithField(pointer)
}

// pointer gives the JSON pointer as far as its names look like names of members: a caller
// may have written anything there, a person's name too.
func pointer(p jsontext.Pointer) string {
	var safe jsontext.Pointer
	for token := range p.Tokens() {
		if !memberName(token) {
			break
		}
		safe = safe.AppendToken(token)
	}
	return string(safe)
}

// memberName tells whether a token looks like a member's name or an index of an array.
func memberName(token string) bool {
	digits, letters := 0, 0
	for _, c := range []byte(token) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z', c == '_':
			letters++
		default:
			return false
		}
	}
	return letters == 0 && digits > 0 && digits <= 3 || digits == 0 && letters > 0 && letters <= 24
}

// dateBody is a date in a body: "2016-05-03", "1945-08", "1945", or an object of precision
// and value.
type dateBody struct{ ledger.Date }

// UnmarshalJSONFrom reads either form.
func (d *dateBody) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	value, err := from.ReadValue()
	if err != nil {
		return err
	}
	var text string
	precision := ""
	switch value.Kind() {
	case '"':
		if err := json.Unmarshal(value, &text); err != nil {
			return wrongForm(memberDate)
		}
	case '{':
		var parts struct {
			Precision string `json:"precision"`
			Value     string `json:"value"`
		}
		if err := json.Unmarshal(value, &parts, json.RejectUnknownMembers(true)); err != nil {
			return wrongForm(memberDate)
		}
		text, precision = parts.Value, parts.Precision
	default:
		return wrongForm(memberDate)
	}
	date, ok := ledger.ParseDate(text)
	if !ok || precision != "" && precision != date.Precision() {
		return wrongForm(memberDate)
	}
	d.Date = date
	return nil
}
