package web

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"kakehashi/internal/fault"
	"kakehashi/internal/inbox"
)

// codeEvent is the message number of a body or headers that are no event (package inbox).
const codeEvent = "KKH3520"

// cloudEvents is the media type of an event in structured mode.
const cloudEvents = "application/cloudevents+json"

// takenAnswer is how a notice was taken.
type takenAnswer struct {
	Notice    string `json:"notice"`
	Duplicate bool   `json:"duplicate"`
	State     string `json:"state,omitempty"` // due or parked; none of a duplicate
	Cause     string `json:"cause,omitempty"`
	Code      string `json:"code,omitempty"`
	Text      string `json:"text,omitempty"`
}

// takeNotice serves POST /v1/notices: the HTTP binding of CloudEvents 1.0, in binary and in
// structured mode. 202 means that the notice is on the disk, also where it cannot be read.
func (x *exchange) takeNotice() error {
	m, err := x.event()
	if err != nil {
		return err
	}
	taken, err := x.web.rooms.Gateway.TakeNotice(x.r.Context(), x.who, m)
	if err != nil {
		return err
	}
	return x.answer(http.StatusAccepted, takenAnswer{
		Notice: taken.Name, Duplicate: taken.Duplicate, State: string(taken.State), Cause: taken.Cause, Code: taken.Code,
		Text: noticeCauseWord(taken.Cause),
	})
}

// event reads the event of a request.
func (x *exchange) event() (inbox.Message, error) {
	h := x.r.Header
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	structured := err == nil && media == cloudEvents
	if !structured {
		if err := declaredJSON(h); err != nil {
			return inbox.Message{}, err
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, bodyLimit))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return inbox.Message{}, fault.New(fault.Invalid, "the body is too large").WithCode(codeLarge)
		}
		return inbox.Message{}, fault.New(fault.Invalid, "the body cannot be read").WithCode(codeSyntax)
	}
	if structured {
		return structuredEvent(body)
	}
	m := inbox.Message{
		ID: ceHeader(h, "Ce-Id"), Source: ceHeader(h, "Ce-Source"), Type: ceHeader(h, "Ce-Type"), Subject: ceHeader(h, "Ce-Subject"),
		Time: ceHeader(h, "Ce-Time"), Value: body,
	}
	return m, ofVersion(ceHeader(h, "Ce-Specversion"))
}

// ceHeader reads an attribute of an event from its header, where what is no visible ASCII
// is percent-encoded.
func ceHeader(h http.Header, name string) string {
	text := strings.TrimSpace(h.Get(name))
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// structuredEvent reads an event whose attributes stand beside its data. Attributes that are
// not named here are extensions, and not read.
func structuredEvent(body []byte) (inbox.Message, error) {
	var e struct {
		SpecVersion string         `json:"specversion"`
		ID          string         `json:"id"`
		Source      string         `json:"source"`
		Type        string         `json:"type"`
		Subject     string         `json:"subject"`
		Time        string         `json:"time"`
		Data        jsontext.Value `json:"data"`
		Base64      []byte         `json:"data_base64"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return inbox.Message{}, fault.New(fault.Invalid, "the event is not the JSON of one").WithCode(codeEvent).WithReason(inbox.CauseNoEvent)
	}
	m := inbox.Message{ID: e.ID, Source: e.Source, Type: e.Type, Subject: e.Subject, Time: e.Time, Value: e.Data}
	if e.Base64 != nil {
		m.Value = e.Base64
	}
	return m, ofVersion(e.SpecVersion)
}

// ofVersion refuses an event of another version of the specification.
func ofVersion(version string) error {
	if version == "1.0" {
		return nil
	}
	return fault.New(fault.Invalid, "the event is not of CloudEvents 1.0").WithCode(codeEvent).WithReason(inbox.CauseNoEvent)
}
