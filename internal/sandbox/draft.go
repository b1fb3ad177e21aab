package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
)

// draft is an answer that stands and was not sent yet.
type draft struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func newDraft() *draft { return &draft{status: http.StatusOK, header: http.Header{}} }

// Header gives the headers of the answer.
func (d *draft) Header() http.Header { return d.header }

// WriteHeader sets the status.
func (d *draft) WriteHeader(status int) { d.status = status }

// Write adds to the body. It never fails.
func (d *draft) Write(text []byte) (int, error) { return d.body.Write(text) }

// send sends the answer. A reader who went away is not an error of ours.
func (d *draft) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), d.header)
	w.WriteHeader(d.status)
	_, _ = w.Write(d.body.Bytes())
}

// dripPause is how long a dripping answer takes for a byte.
const dripPause = 200 * time.Millisecond

// drip sends the answer a byte at a time, until it is whole or nobody reads it any more.
func (d *draft) drip(ctx context.Context, w http.ResponseWriter) {
	maps.Copy(w.Header(), d.header)
	control := http.NewResponseController(w)
	w.WriteHeader(d.status)
	for i := range d.body.Bytes() {
		if _, err := w.Write(d.body.Bytes()[i : i+1]); err != nil || control.Flush() != nil || !wait(ctx, dripPause) {
			return
		}
	}
}

// encode puts the answer into Shift_JIS and leaves what it says of itself.
func (d *draft) encode() {
	text, err := encoding.ReplaceUnsupported(japanese.ShiftJIS.NewEncoder()).Bytes(d.body.Bytes())
	if err != nil {
		return // cannot be: what Shift_JIS lacks is replaced
	}
	d.body.Reset()
	_, _ = d.body.Write(text) // never fails
}

// double puts every record of the answer in twice.
func (d *draft) double() {
	var whole struct {
		Metadata about             `json:"metadata"`
		Links    links             `json:"_links"`
		Result   []json.RawMessage `json:"result"`
	}
	if d.status != http.StatusOK || json.Unmarshal(d.body.Bytes(), &whole) != nil {
		return
	}
	twice := make([]json.RawMessage, 0, 2*len(whole.Result))
	for _, record := range whole.Result {
		twice = append(twice, record, record)
	}
	d.body.Reset()
	writeJSON(d, http.StatusOK, answer{Metadata: whole.Metadata, Links: whole.Links, Result: twice})
}
