package web

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/internal/manual"
)

// The message numbers that this package gives itself. The last six stand for a fault whose
// origin gave it none.
const (
	codeServed      = "KKH4100" // a request was answered (log)
	codePath        = "KKH4101" // no such address
	codeMethod      = "KKH4102" // not this method
	codeLarge       = "KKH4103" // the body is too large
	codeMedia       = "KKH4104" // the body is not declared as JSON
	codeSyntax      = "KKH4105" // the body is not JSON
	codeBody        = "KKH4106" // the body does not fit
	codeOrigin      = "KKH4107" // the console was called from elsewhere
	codeBroken      = "KKH4108" // an answer broke off (log)
	codeKey         = "KKH4109" // no Idempotency-Key
	codeQuery       = "KKH4110" // the query does not fit
	codeToken       = "KKH1201" // the token is refused (package staff)
	codeInternal    = "KKH9001"
	codeUnavailable = "KKH4111"
	codeDenied      = "KKH4112"
	codeNotFound    = "KKH4113"
	codeConflict    = "KKH4114"
	codeUnsure      = "KKH4115"
	codeRejected    = "KKH4116"

	codeNoBeneficiary = "KKH1314" // no such beneficiary (package gateway)
	codeRegistered    = "KKH1311" // the child is registered (package gateway)
	codeKeyReused     = "KKH1312" // the key was used for something else (package gateway)
)

// problem is an error as it is told (RFC 9457). It holds nothing that the caller sent but
// the names of members that exist.
type problem struct {
	Type       string       `json:"type"`
	Title      string       `json:"title"`
	Status     int          `json:"status"`
	Detail     string       `json:"detail,omitempty"`
	Instance   string       `json:"instance,omitempty"` // 照会番号
	Code       string       `json:"code"`
	Reason     string       `json:"reason,omitempty"` // machine word for the cause
	Outcome    string       `json:"outcome,omitempty"`
	Retryable  bool         `json:"retryable"`
	RetryAfter int64        `json:"retry_after,omitzero"` // seconds
	NextAction string       `json:"next_action"`
	Errors     []fieldError `json:"errors,omitempty"`
	TraceID    string       `json:"trace_id,omitempty"`

	// Of a Conflict with somebody who was first.
	ChangedBy      string `json:"changed_by,omitempty"` // 職員番号
	ChangedAt      string `json:"changed_at,omitempty"`
	CurrentVersion int    `json:"current_version,omitzero"`

	allow   string // methods that the address takes, of 405
	token   bool   // whether a token was brought, of 401
	console bool   // whether there is a console
	back    string // address in the console where what stands now is seen; empty: none
	lang    string // ja or en
}

// Console tells the page of the problem whether there is a console to go back to.
func (p *problem) Console() bool { return p.console }

// Back gives the page of the problem the address where what stands now is seen, or "".
func (p *problem) Back() string { return p.back }

// fieldError says what is wrong with one member of a body, never its value.
type fieldError struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// fieldErrors carries them in an error's chain.
type fieldErrors []fieldError

// Error says it for operators.
func (fieldErrors) Error() string { return "members do not fit" }

// notAllowed carries the methods that an address takes.
type notAllowed string

// Error says it for operators.
func (notAllowed) Error() string { return "the address does not take this method" }

// status is the table of what a fault is in HTTP. A few numbers of this edge come first.
func status(f *fault.Error, code string) int {
	switch code {
	case codeToken:
		return http.StatusUnauthorized
	case codePath:
		return http.StatusNotFound
	case codeMethod:
		return http.StatusMethodNotAllowed
	case codeLarge:
		return http.StatusRequestEntityTooLarge
	case codeMedia:
		return http.StatusUnsupportedMediaType
	case codeSyntax, codeKey, codeQuery:
		return http.StatusBadRequest
	}
	switch f.Kind {
	case fault.Invalid, fault.Rejected:
		return http.StatusUnprocessableEntity
	case fault.Denied:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Unavailable, fault.Unsure:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// codeOf gives the error's message number, or that of its kind. An Internal fault is told
// by its own number only where it has one.
func codeOf(err error, kind fault.Kind) string {
	if code := fault.Code(err); code != "" {
		return code
	}
	switch kind {
	case fault.Invalid:
		return codeBody
	case fault.Rejected:
		return codeRejected
	case fault.Denied:
		return codeDenied
	case fault.NotFound:
		return codeNotFound
	case fault.Conflict:
		return codeConflict
	case fault.Unavailable:
		return codeUnavailable
	case fault.Unsure:
		return codeUnsure
	default:
		return codeInternal
	}
}

// problem makes of an error what is told of it.
func (x *exchange) problem(err error) problem {
	f := fault.Find(err)
	code := codeOf(err, f.Kind)
	p := problem{
		Type: x.web.cfg.Base + "/problems/" + code, Code: code, Status: status(f, code), Instance: string(x.id), Reason: f.Reason,
		Retryable: f.Kind == fault.Unavailable, TraceID: x.trace(), token: f.Reason != "missing",
		console: x.web.rooms.Console != nil,
	}
	switch f.Kind {
	case fault.Denied:
		p.Outcome = string(ledger.Forbidden)
	case fault.Unavailable, fault.Unsure:
		p.Outcome = string(ledger.Unavailable)
	}
	if wait := f.Retry.Sub(x.web.now()); !f.Retry.IsZero() && p.Retryable {
		p.RetryAfter = int64(max(1, math.Ceil(wait.Seconds())))
	}
	p.lang = language(x.r.Header.Get("Accept-Language"))
	text := x.words(code, p.lang, f.Kind)
	p.Title, p.Detail, p.NextAction = text.title, text.detail, text.remedy
	if fields, ok := errors.AsType[fieldErrors](err); ok {
		p.Errors = fields
	} else if f.Field != "" {
		p.Errors = []fieldError{{Pointer: f.Field, Detail: p.Title}}
	}
	if methods, ok := errors.AsType[notAllowed](err); ok {
		p.allow = string(methods)
	}
	if first, ok := errors.AsType[*ledger.Superseded](err); ok {
		p.ChangedBy, p.ChangedAt, p.CurrentVersion = first.By, moment(first.At), first.Version
		if p.lang == "ja" {
			p.Detail = x.whoWasFirst(first, code)
		}
	}
	return p
}

// whoWasFirst says who made what stands now, and when.
func (x *exchange) whoWasFirst(s *ledger.Superseded, code string) string {
	who, did := "他の職員", "変更"
	if s.By == x.who.Staff {
		who = "あなた"
	}
	if code == codeRegistered {
		did = "登録"
	}
	return who + "（職員番号 " + s.By + "）が " + s.At.In(jst).Format("01/02 15:04") + " に" + did + "しました。内容を確認してください。"
}

// words are the texts of a problem.
type words struct{ title, detail, remedy string }

// words gives the catalogue's texts of a message number, or in English those of the kind.
func (x *exchange) words(code, lang string, kind fault.Kind) words {
	if lang == "en" {
		return english(kind)
	}
	m, ok := manual.Message(code)
	if !ok {
		return words{title: "処理できませんでした（" + code + "）", remedy: "番号 " + code + " を添えて保守担当へ連絡してください。"}
	}
	return words{title: m.Text, detail: m.Cause, remedy: m.Action}
}

// english gives what a kind means to a caller who reads no Japanese; the number tells more.
func english(kind fault.Kind) words {
	switch kind {
	case fault.Invalid, fault.Rejected:
		return words{title: "The request does not fit.", remedy: "Correct the members that errors points at, and send it again."}
	case fault.Denied:
		return words{title: "This is not allowed.", remedy: "Check token, case, procedure and purpose; ask the operator for the rights that are missing."}
	case fault.NotFound:
		return words{title: "There is no such thing.", remedy: "Check the address and the numbers in the body."}
	case fault.Conflict:
		return words{title: "The state does not allow this.", remedy: "Read the present state, then decide."}
	case fault.Unavailable:
		return words{title: "This cannot be done at the moment; nothing was done.", remedy: "Send it again later."}
	case fault.Unsure:
		return words{title: "It is not known whether this was done.", remedy: "Read the present state before sending it again."}
	default:
		return words{title: "Something went wrong inside the gateway.", remedy: "Tell the operator the code and the trace_id."}
	}
}

// language chooses between ja and en by the header's first mention of either; ja otherwise.
func language(accept string) string {
	for part := range strings.SplitSeq(strings.ToLower(accept), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		switch main, _, _ := strings.Cut(tag, "-"); main {
		case "ja":
			return "ja"
		case "en":
			return "en"
		}
	}
	return "ja"
}

// fail answers with an error. Nothing else does. Where the answer has begun, it only notes
// that it broke off.
func (x *exchange) fail(err error) {
	p := x.problem(err)
	x.cause = p.Code
	if x.w.status != 0 {
		x.cause, x.cut = codeBroken, true
		return
	}
	h := x.w.Header()
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", challenge(p.token))
	case http.StatusMethodNotAllowed:
		h.Set("Allow", p.allow)
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(p.RetryAfter, 10))
	}
	if p.Instance != "" {
		h.Set("X-Lookup-Id", p.Instance)
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Language", p.lang)
	if x.html {
		x.errorPage(p)
		return
	}
	body, err := json.Marshal(p)
	if err != nil { // cannot be: every text is ours and valid UTF-8
		body = []byte(`{}`)
	}
	h.Set("Content-Type", "application/problem+json")
	x.write(p.Status, body)
}

// challenge gives the value of WWW-Authenticate (RFC 6750, 3): without an error where no
// token was brought.
func challenge(brought bool) string {
	if !brought {
		return `Bearer realm="kakehashi"`
	}
	return `Bearer realm="kakehashi", error="invalid_token"`
}

// answer sends a value as JSON. Content-Type and caching are the same for all of them.
func (x *exchange) answer(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		// The cause could repeat a value, so it goes no further.
		return fault.New(fault.Internal, "the answer cannot be written as JSON").WithCode(codeInternal)
	}
	h := x.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if x.id != "" {
		h.Set("X-Lookup-Id", string(x.id))
	}
	x.write(status, body)
	return nil
}

// write sends a whole answer. A caller who is gone does not read it, and nobody else cares.
func (x *exchange) write(status int, body []byte) {
	x.w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	x.w.WriteHeader(status)
	_, _ = x.w.Write(append(body, '\n'))
}

// unknownPath is the answer of every address that there is not.
func (x *exchange) unknownPath() error {
	return fault.New(fault.NotFound, "there is no such address").WithCode(codePath)
}

// jst is Japan's time, in which everything is told.
var jst = time.FixedZone("JST", 9*60*60)

// moment spells a time as the API does: RFC 3339 in Japan's time; empty for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(jst).Format("2006-01-02T15:04:05.000Z07:00")
}
